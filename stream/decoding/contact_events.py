"""The payloads of contact events: checked against their models, identifiers in normal form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from state.event import CONTACT_EVENTS
from stream.decoding.document import Said, in_order, quoted, refuse_repeated
from stream.decoding.unreadable import Unreadable, bad_field
from stream.decoding.wire import CONTACT_PAYLOADS, Identifiers

_NAMES = ", ".join(sorted(CONTACT_EVENTS))

#: What a field that pydantic refused was expected to be, by the kind of its error.
_EXPECTED = {
    "missing": "an object",
    "model_type": "an object",
    "string_type": "a string",
    "string_too_short": "a string of at least {min_length} character",
    "string_too_long": "a string of at most {max_length} characters",
    "bool_type": "true, false or null",
}


def read_contact_payload(name: str, payload: dict[str, object], said: Said) -> dict[str, object]:
    """Return a contact event's payload with the fields that are read in normal form.

    None of them may repeat, as in an envelope: two people are not easily parted again (rule I3).

    Raises:
        Unreadable: if the name is no contact event's or a field is not what was expected.
    """
    if name not in CONTACT_EVENTS:
        raise Unreadable("not_a_contact_event", f"expected one of {_NAMES}", "event")
    model = CONTACT_PAYLOADS.get(name)
    if model is None:
        return payload
    try:
        read = model.model_validate(payload)
    except ValidationError as error:
        raise _unreadable(error) from None
    _refuse_repeated(_READ[name], payload, said)
    normal = read.model_dump(by_alias=True, exclude_unset=True)
    return payload | {field: in_order(value) for field, value in normal.items()}


def _refuse_repeated(
    fields: Mapping[str, bytes], payload: Mapping[str, object], said: Said
) -> None:
    is_plain = b"\\u00" not in said.text  # else a name may be spelled with escapes
    if is_plain and all(said.text.count(fields[name]) < 2 for name in fields):
        return
    where = "payload."
    refuse_repeated(said.pairs(), fields, where)
    if "from" in payload:
        refuse_repeated(said.pairs("from"), fields, f"{where}from.")


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


#: The keys that are read of each event, with the form in which they normally stand in a JSON text.
_READ = {
    name: quoted([*_keys(model), *(_keys(Identifiers) if "from" in _keys(model) else ())])
    for name, model in CONTACT_PAYLOADS.items()
}


def _unreadable(error: ValidationError) -> Unreadable:
    first: Mapping[str, Any] = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(["payload", *map(str, first["loc"])])
    expected = _EXPECTED.get(first["type"])
    if expected is None:  # one of our own, which says it itself
        return Unreadable("bad_field", first["msg"], field)
    return bad_field(field, expected.format(**first.get("ctx", {})))
