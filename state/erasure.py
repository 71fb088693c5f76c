"""What is taken away when a person is deleted, and what may stay (rule I5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from state.event import Identifier

#: What stands where an identifier stood.
ERASED = "erased"

#: What people write between the digits of a telephone number.
_NOT_IN_NUMBERS = re.compile(rb"[\s().\-/]")


class Erasure(Struct, frozen=True):
    """One deletion: under which numbers a person's history is kept, and what named the person.

    Events about these identifiers with V before `before` are erased, whenever they come. There are
    no numbers where nobody was known: a deletion may come before what it deletes.
    """

    numbers: tuple[int, ...]
    identifiers: tuple[Identifier, ...]
    before: datetime


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
