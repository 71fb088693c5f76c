"""What is taken away when a person is deleted, and what may stay (rule I5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from state.copying import replace
from state.event import Identifier
from state.frozen import dataclass
from state.run import Failure, Resolved, Run

#: What stands where an identifier stood.
ERASED = "erased"

#: What people write between the digits of a telephone number.
_NOT_IN_NUMBERS = re.compile(rb"[\s().\-/]")

Entry = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Erasure:
    """One deletion: under which numbers a person's history is kept, and what named the person.

    Events about these identifiers with V before `before` are erased, whenever they come. There are
    no numbers where nobody was known: a deletion may come before what it deletes.
    """

    numbers: tuple[int, ...]
    identifiers: tuple[Identifier, ...]
    before: datetime


def redacted(run: Run) -> Run:
    """Return an ended run without what is the person's: payloads, outputs, identifiers, texts.

    What stays says that it ran, by which steps, when, and how it ended (rule R4).
    """
    entries = [*json.loads(f"[{run.past}]"), *run.fresh]
    failure = run.failure and Failure(run.failure.step_key, run.failure.code, ERASED)
    return replace(
        run,
        trigger=replace(run.trigger, payload={}),
        resolved=Resolved(run.resolved.kind, ERASED, ERASED),
        failure=failure,
        business_key=None,
        outputs={},
        wait_events={},
        past="",
        fresh=tuple(map(_redacted_entry, entries)),
    )


def _redacted_entry(entry: Entry) -> Entry:
    if "step" not in entry:
        return entry
    step = entry["step"]
    error = step["error"] and {**step["error"], "message": ERASED}
    return {"step": {**step, "input": None, "output": None, "error": error}}


def mentions(said: bytes, names: Iterable[Identifier]) -> bool:
    """Tell whether bytes that nobody understood name one of these, however they were written.

    Addresses and numbers count wherever they stand; other names only as a whole JSON string, or
    behind their kind: a customer called `7` is not meant by every 7.
    """
    text = said.lower()
    digits = _NOT_IN_NUMBERS.sub(b"", text)
    return any(_is_named(text, digits, name) for name in names)


def _is_named(text: bytes, digits: bytes, name: Identifier) -> bool:
    value = name.value.lower()
    if name.kind == "phone":
        return value.removeprefix("+").encode() in digits
    forms = {value, json.dumps(value)[1:-1]}  # a letter may be written as its number
    if name.kind != "email":
        forms = {f'"{form}"' for form in forms} | {f"{name.kind}:{form}" for form in forms}
    return any(form.encode("utf-8", "surrogatepass") in text for form in forms)
