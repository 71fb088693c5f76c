"""The payloads of contact events: checked against their models, identifiers in normal form."""

from __future__ import annotations

from pydantic import ValidationError

from state.event import CONTACT_EVENTS
from stream.decoding.unreadable import Unreadable, bad_field
from stream.decoding.wire import CONTACT_PAYLOADS

_PROPERTIES = "an object of strings, numbers, booleans and nulls"


def read_contact_payload(name: str, payload: dict[str, object]) -> dict[str, object]:
    """Return a contact event's payload with the fields that are read in normal form.

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
    return payload | read.model_dump(by_alias=True, exclude_unset=True)


_NAMES = ", ".join(sorted(CONTACT_EVENTS))


def _unreadable(error: ValidationError) -> Unreadable:
    first = error.errors(include_url=False, include_input=False)[0]
    field, *below = map(str, first["loc"])
    if field == "properties":  # what stands below are the producer's own words
        return bad_field("payload.properties", _PROPERTIES)
    return Unreadable("bad_field", first["msg"], ".".join(["payload", field, *below[:1]]))
