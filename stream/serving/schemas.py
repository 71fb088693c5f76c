"""Schemas of events, asked for together: one question for a crowd of requests, no old answers.

A request's question is asked after the request came. So a schema that was changed before, by
whatever process, binds it, and no answer has to be kept, or forgotten in time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from state.postgres.event_definitions import Schema, schemas_of
from state.postgres.session import Session
from state.turn import Unavailable


class _Question:
    """What some requests ask at once; the first of them asks it for all."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.answer: asyncio.Future[Mapping[str, Schema]] = asyncio.Future()


class Schemas:
    """Reads schemas, one question at a time: whoever comes meanwhile is in the next one."""

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[Session]]) -> None:
        self._reading = reading
        self._turn = asyncio.Lock()
        self._next: _Question | None = None

    async def schema_of(self, name: str) -> Schema | None:
        """Return what the payload of an event must be like; None if it may be anything.

        Raises:
            Unavailable: the tables cannot be read now.
        """
        question = self._next
        if question is not None:
            question.names.add(name)
            return (await asyncio.shield(question.answer)).get(name)
        question = self._next = _Question()
        question.names.add(name)
        return (await self._asked(question)).get(name)

    async def _asked(self, question: _Question) -> Mapping[str, Schema]:
        """Ask when it is its turn, and tell all the others, also that there is no answer."""
        try:
            async with self._turn:
                self._next = None
                async with self._reading() as session:
                    found = await schemas_of(session, question.names)
        except BaseException as error:
            if self._next is question:
                self._next = None
            told = error if isinstance(error, Exception) else Unavailable("the request was ended")
            question.answer.set_exception(told)
            question.answer.exception()  # nobody may be there to hear it
            raise
        question.answer.set_result(found)
        return found
