"""Automations as Resend's clients post them; what they mean is parsed where all automations are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Body

from handlers.http.fault import Fault
from handlers.publishing.publish import AutomationError
from state.postgres.automations_by_id import StillEnabled

_EXAMPLE = {
    "name": "Welcome",
    "status": "disabled",
    "steps": [
        {"key": "start", "type": "trigger", "config": {"event_name": "user.created"}},
        {"key": "pause", "type": "delay", "config": {"duration": "1 hour"}},
    ],
    "connections": [{"from": "start", "to": "pause", "type": "default"}],
}

#: A body `{name, status, steps, connections}`, whatever it is: the graph's own parser says all that
#: is wrong with it, and what clients do to it on the way.
Posted = Annotated[Any, Body(examples=[_EXAMPLE])]


@contextmanager
def telling_what_lacks() -> Iterator[None]:
    """Say that a field of the body itself is missing as Resend does, and then all the rest."""
    try:
        yield
    except StillEnabled as error:
        raise Fault("field_invalid", str(error), field="steps") from None
    except AutomationError as error:
        lacking = [
            one.field
            for one in error.problems
            if one.message == "is missing" and one.where == "automation" and one.field
        ]
        if not lacking:
            raise
        raise Fault("field_missing", f"Missing `{lacking[0]}` field.", field=lacking[0]) from None
