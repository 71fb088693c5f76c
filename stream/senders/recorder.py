"""A sender that writes each message as a file: `<message id>.eml` for e-mail, `.json` for push."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from uuid import UUID

from state.effect import Effect
from state.moment import moment_text
from stream.senders.mime_body import set_body
from stream.senders.plain_letter import plain_letter
from stream.senders.sender import Accepted, Outcome

#: The sender's address where neither step nor template says one.
DEFAULT_FROM = "waitline@localhost"

#: Lines as long as mail allows, so that a key is not folded into encoded words.
PLAIN = policy.default.clone(max_line_length=998)


class Recorder:
    """Writes messages into a folder. A key that was written before is not written again (F2).

    All that are asked for meanwhile are written by the thread's next visit: a visit for each takes
    as long as to write it.
    """

    honours_keys = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked: list[tuple[Effect, asyncio.Future[None]]] = []
        self._writing = asyncio.Lock()

    async def send(self, effect: Effect) -> Outcome:
        """Write the message's file, whole or not at all."""
        written = asyncio.get_running_loop().create_future()
        self._asked.append((effect, written))
        async with self._writing:
            if not written.done():
                await self._write_asked()
        await written
        return Accepted(provider_id=f"recorder:{effect.effect_id}")

    async def close(self) -> None:
        """Do nothing: a folder is not kept open."""

    async def forget(self, messages: Sequence[UUID]) -> None:
        """Delete the files of these messages."""
        await asyncio.to_thread(self._delete, messages)

    def _delete(self, messages: Sequence[UUID]) -> None:
        for message_id in messages:
            for suffix in ("eml", "json"):
                (self._folder / f"{message_id}.{suffix}").unlink(missing_ok=True)

    async def _write_asked(self) -> None:
        """Write everything that was asked for so far, for all who did."""
        asked, self._asked = self._asked, []
        faults: Sequence[Exception | None] = [TimeoutError("not known to be written")] * len(asked)
        try:
            faults = await asyncio.to_thread(self._write_all, [effect for effect, _ in asked])
        finally:
            for (_, written), fault in zip(asked, faults, strict=True):
                if written.done():
                    continue  # who asked has stopped waiting
                if fault is None:
                    written.set_result(None)
                else:
                    written.set_exception(fault)

    def _write_all(self, effects: Sequence[Effect]) -> list[Exception | None]:
        """Write each message; return what became of each: one that fails keeps no other."""
        return [self._fault_of(effect) for effect in effects]

    def _fault_of(self, effect: Effect) -> Exception | None:
        try:
            self._write(effect)
        except Exception as fault:  # noqa: BLE001 - it belongs to who asked
            return fault
        return None

    def _write(self, effect: Effect) -> None:
        is_email = effect.channel == "email"
        name = f"{effect.effect_id}.{'eml' if is_email else 'json'}"
        path = os.path.join(self._folder, name)
        if os.path.exists(path):
            return
        content = _email(effect) if is_email else _push(effect)
        # Two relays may write the same key at once: each its own file, and the last rename wins
        # with the same bytes.
        partial = os.path.join(self._folder, f".{name}.{os.getpid()}")
        try:
            _put(partial, content)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            _put(partial, content)
        os.replace(partial, path)


def _put(path: str, content: bytes) -> None:
    with open(path, "wb", buffering=0) as file:
        file.write(content)


def _email(effect: Effect) -> bytes:
    said = effect.message
    headers = {
        "Message-ID": f"<{effect.effect_id}@waitline>",
        "Date": format_datetime(effect.created_at),
        "From": str(said.get("from") or DEFAULT_FROM),
        "To": str(said["to"]),
        "Subject": str(said.get("subject") or ""),
    }
    if said.get("reply_to"):
        headers["Reply-To"] = str(said["reply_to"])
    headers["X-Waitline-Key"] = effect.key
    text, html = said.get("text"), said.get("html")
    plain = plain_letter(headers, str(text or "")) if html is None else None
    return composed_letter(headers, text, html) if plain is None else plain


def composed_letter(headers: Mapping[str, str], text: object, html: object) -> bytes:
    """Return a letter of any text, encoded and folded as the standard library knows."""
    message = EmailMessage(PLAIN)
    for name, value in headers.items():
        message[name] = value
    set_body(message, text, html)
    return message.as_bytes()


def _push(effect: Effect) -> bytes:
    document = {
        "id": str(effect.effect_id),
        "key": effect.key,
        "created_at": moment_text(effect.created_at),
        **effect.message,
    }
    return json.dumps(document, indent=2, ensure_ascii=False).encode()
