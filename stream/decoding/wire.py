"""The forms on the wire, as models: the source of the JSON Schemas and of AsyncAPI (rule E2)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    RootModel,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from state.event import KINDS
from state.identifier import IDENTIFIER_MAX, IdentifierError, is_email_address, normalise
from state.instant import EXPECTED, InstantError, parse_instant
from state.name import NAME_MAX
from state.zone import zone_names
from stream.decoding.envelope import HOPS_READ_MAX


def _expected(what: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "expected {what}", {"what": what})


def _normal(kind: str) -> AfterValidator:
    def check(value: str) -> str:
        try:
            return normalise(kind, value)
        except IdentifierError as error:
            raise _expected(str(error)) from None

    return AfterValidator(check)


def _address(value: str) -> str:
    if not is_email_address(value):
        raise _expected("an e-mail address")
    return value


def _instant(value: str) -> str:
    try:
        parse_instant(value)
    except InstantError:
        raise _expected(EXPECTED) from None
    return value


def _time_zone(value: str) -> str:
    if value not in zone_names():
        raise _expected("an IANA time zone, such as Europe/Paris")
    return value


def _hint(format_name: str) -> dict[str, JsonValue]:
    return {"format": format_name}


_Text = Annotated[str, StringConstraints(min_length=1, max_length=IDENTIFIER_MAX)]
_Short = Annotated[str, StringConstraints(max_length=NAME_MAX)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=NAME_MAX)]
_Name = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=NAME_MAX, pattern=r"^[^\u0000-\u001f\u007f-\u009f]+$"
    ),
]
_Instant = Annotated[str, AfterValidator(_instant), Field(json_schema_extra=_hint("date-time"))]
_ContactId = Annotated[_Text, _normal("contact_id"), Field(json_schema_extra=_hint("uuid"))]
_ExternalId = Annotated[_Text, _normal("external_id")]
_Email = Annotated[_Text, _normal("email")]
_Phone = Annotated[_Text, _normal("phone")]
_AnonymousId = Annotated[_Text, _normal("anonymous_id")]
_EmailAddress = Annotated[_Email, AfterValidator(_address)]
_TimeZone = Annotated[str, AfterValidator(_time_zone)]
_Scalar = str | bool | int | float | None


def _properties(value: object) -> object:
    """See to it by hand: pydantic would report each of ten thousand wrong values, which takes long.

    Raises:
        PydanticCustomError: it is not an object of short names and scalars.
    """
    is_flat = type(value) is dict and all(
        0 < len(name) <= NAME_MAX and type(each) in _SCALARS and each not in _ENDLESS
        for name, each in value.items()
    )
    if not is_flat:
        raise _expected(f"an object of strings, numbers, booleans and nulls {_UNDER}")
    return value


_SCALARS = frozenset({str, bool, int, float, type(None)})
_ENDLESS = frozenset({math.inf, -math.inf})
_Properties = Annotated[
    dict[str, JsonValue],
    PlainValidator(_properties, json_schema_input_type=dict[_Id, _Scalar]),
]
_UNDER = f"under names of 1 to {NAME_MAX} characters"


def _segments(value: object) -> object:
    """See to it by hand, as with properties.

    Raises:
        PydanticCustomError: it is not an object of names or ids and booleans.
    """
    is_good = type(value) is dict and all(
        0 < len(name) <= NAME_MAX and type(each) is bool for name, each in value.items()
    )
    if not is_good:
        raise _expected(f"an object of true and false {_UNDER}")
    return value


_Segments = Annotated[
    dict[str, JsonValue],
    PlainValidator(_segments, json_schema_input_type=dict[_Id, bool]),
]


class _Form(BaseModel):
    """What all forms share: types are never coerced, unknown keys are ignored, null is absent."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


def _one_of(names: Iterable[str]) -> dict[str, JsonValue]:
    """Return the schema of an object that holds at least one of the names."""
    return {
        "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in names]
    }


def _require_one_of(form: BaseModel, names: Iterable[str]) -> None:
    if all(getattr(form, name) is None for name in names):
        raise PydanticCustomError(
            "no_identifier", "expected at least one of {names}", {"names": ", ".join(names)}
        )


class Identifiers(_Form):
    """Who it is about: at least one identifier; the strongest kind counts most."""

    model_config = ConfigDict(json_schema_extra=_one_of(KINDS))

    contact_id: _ContactId | None = Field(None, description="The contact's id in Waitline.")
    external_id: _ExternalId | None = Field(None, description="The person's id in your system.")
    email: _Email | None = Field(None, description="An e-mail address, in any letter case.")
    phone: _Phone | None = Field(None, description="A phone number in E.164, such as +33612345678.")
    anonymous_id: _AnonymousId | None = Field(
        None, description="The id of a device or visitor that is not known yet."
    )

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        _require_one_of(self, KINDS)
        return self


class CausedBy(_Form):
    """The step of a run that caused an event (rule S6)."""

    run_id: _Id
    step_key: _Id
    automation_id: _Id


_Hops = Annotated[int, Field(ge=0, le=HOPS_READ_MAX)]
_HOPS = "Through how many runs it was caused; beyond 8 it starts none."


class _Envelope(Identifiers):
    """What events and contact events share."""

    id: _Id | None = Field(
        None, description="Makes one event recognisable when it comes again: same id, same event."
    )
    occurred_at: _Instant | None = Field(
        None, description="When it happened, with an offset; absent: when it was recorded."
    )
    caused_by: CausedBy | None = Field(None, description="The step of a run that caused it.")
    hops: _Hops | None = Field(None, description=_HOPS)


class Event(_Envelope):
    """An event: something that happened to a person."""

    event: _Name = Field(description="What happened, such as order.completed.")
    payload: dict[str, JsonValue] | None = Field(
        None, description="What filters, conditions and templates may read."
    )


def _cause(value: str) -> str:
    parts = value.split("/", 2)
    if len(parts) < 3 or not all(0 < len(part) <= NAME_MAX for part in parts):
        raise _expected("automation id, run id and step key, with slashes between")
    return value


_Cause = Annotated[str, AfterValidator(_cause)]
_EXTENSIONS = tuple(kind.replace("_", "") for kind in KINDS)


class CloudEvent(_Form):
    """An event as a structured CloudEvent; the binary form has the attributes as `ce_` headers."""

    model_config = ConfigDict(json_schema_extra=_one_of(_EXTENSIONS))

    specversion: Literal["1.0"]
    id: _Id
    source: _Id = Field(description="Who produced it; id is unique within its source.")
    type: _Name = Field(description="What happened, such as order.completed.")
    time: _Instant | None = Field(None, description="When it happened, with an offset.")
    data: dict[str, JsonValue] | None = Field(
        None, description="What filters, conditions and templates may read."
    )
    data_base64: str | None = Field(None, description="The data as base64 of its JSON text.")
    contactid: _ContactId | None = None
    externalid: _ExternalId | None = None
    email: _Email | None = None
    phone: _Phone | None = None
    anonymousid: _AnonymousId | None = None
    causedby: _Cause | None = Field(
        None, description="What caused it: automation id, run id, step key, with slashes between."
    )
    hops: _Hops | None = Field(None, description=_HOPS)

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        _require_one_of(self, _EXTENSIONS)
        return self


class ContactProfile(_Form):
    """A person's profile: null clears a field, absent leaves it."""

    first_name: _Short | None = None
    last_name: _Short | None = None
    email: _EmailAddress | None = None
    phone: _Phone | None = None
    external_id: _ExternalId | None = None
    time_zone: _TimeZone | None = Field(None, description="An IANA name, such as Europe/Paris.")
    unsubscribed: bool | None = Field(None, description="True unsubscribes, false resubscribes.")
    properties: _Properties | None = Field(None, description="Your own fields; null clears one.")
    segments: _Segments | None = Field(
        None,
        description="By id or name of a segment: true joins it, false leaves it; unknown ones are "
        "passed over.",
    )


class ContactMerge(_Form):
    """Who ends in a merge; the envelope's identifiers name the survivor."""

    from_: Identifiers = Field(alias="from")


class ContactTopic(_Form):
    """The topic that is meant; absent: all of them."""

    topic: _Id | None = None


class ContactProfileEvent(_Envelope):
    """A contact came to be, or its profile changed."""

    event: Literal["contact.created", "contact.updated"]
    payload: ContactProfile | None = None


class ContactMergeEvent(_Envelope):
    """Two contacts turned out to be one person."""

    event: Literal["contact.merged"]
    payload: ContactMerge


class ContactTopicEvent(_Envelope):
    """A person joined or left a topic, or everything."""

    event: Literal["contact.subscribed", "contact.unsubscribed"]
    payload: ContactTopic | None = None


class ContactPlainEvent(_Envelope):
    """A contact became known by one more identifier, or is to be deleted."""

    event: Literal["contact.identified", "contact.deleted"]
    payload: dict[str, JsonValue] | None = None


class ContactEvent(
    RootModel[
        Annotated[
            ContactProfileEvent | ContactMergeEvent | ContactTopicEvent | ContactPlainEvent,
            Field(discriminator="event"),
        ]
    ]
):
    """A contact event: something that happened to the record of a person."""


#: The model of each contact event's payload; the others' payloads are free.
CONTACT_PAYLOADS: dict[str, type[_Form]] = {
    "contact.created": ContactProfile,
    "contact.updated": ContactProfile,
    "contact.merged": ContactMerge,
    "contact.subscribed": ContactTopic,
    "contact.unsubscribed": ContactTopic,
}


class Judgement(_Form):
    """One thing that an event did."""

    subject: str = Field(description="automation, wait or exit.")
    verdict: Literal["started", "resumed", "exited"]
    automation_id: str | None = None
    run_id: str | None = None
    step_key: str | None = None
    reason: str | None = None
    values: list[dict[str, JsonValue]] | None = Field(
        None, description="The comparisons of the filter, as they were judged."
    )


class Ended(_Form):
    """A run that the event brought to its end."""

    run_id: str
    status: Literal["completed", "failed", "cancelled"]
    reason: str


class Receipt(_Form):
    """What an event did; keyed by its id."""

    event_id: str
    event: str
    topic: str
    partition: int
    offset: int
    contact_id: str
    processed_at: _Instant
    did: list[Judgement]
    ended: list[Ended]


class DeadLetterHeaders(_Form):
    """What is known of a record that was quarantined; the value is its first 64 KiB."""

    reason: str = Field(alias="waitline-reason", description="Why it could not be understood.")
    topic: str = Field(alias="waitline-topic", description="The topic that it came by.")
    partition: str = Field(alias="waitline-partition", pattern="^[0-9]+$")
    offset: str = Field(alias="waitline-offset", pattern="^[0-9]+$")
    sha256: str = Field(
        alias="waitline-sha256",
        pattern="^[0-9a-f]{64}$",
        description="The SHA-256 of the whole value.",
    )
