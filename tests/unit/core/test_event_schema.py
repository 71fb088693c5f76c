"""Schemas of events: what they may say, and what payloads become by them."""

from __future__ import annotations

import pytest

from handlers.publishing.event_schema import (
    FIELDS_MAX,
    PayloadError,
    SchemaError,
    parse_event_name,
    parse_schema,
    validate_payload,
)
from state.name import InvalidNameError

SCHEMA = {"plan": "string", "seats": "number", "trial": "boolean", "since": "date"}


def refused(schema: object) -> dict[str, str]:
    with pytest.raises(SchemaError) as caught:
        parse_schema(schema)
    return {each.field: each.text for each in caught.value.problems}


def coerced(kind: str, value: object) -> object:
    return validate_payload({"x": kind}, {"x": value})["x"]


@pytest.mark.parametrize("name", ["user.created", "welcome", "resend", "my event", "waitline"])
def test_any_name_may_be_taken_that_is_no_systems(name: str) -> None:
    assert parse_event_name(name) == name


@pytest.mark.parametrize("prefix", ["resend:", "waitline.", "sendrealm."])
def test_names_of_the_systems_own_are_refused(prefix: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parse_event_name(f"{prefix}email.opened")
    assert prefix in str(caught.value)
    with pytest.raises(InvalidNameError):
        parse_event_name(" ")


def test_a_schema_is_a_flat_map_of_types() -> None:
    assert parse_schema(SCHEMA) == SCHEMA
    assert parse_schema(None) is None
    assert parse_schema([]) == parse_schema({}) == {}


def test_everything_that_is_wrong_with_a_schema_is_said_at_once() -> None:
    found = refused({"a": "integer", "b": {"c": "string"}, "": "string", "d": None})
    assert 'did you mean "number"?' in found["a"]
    assert found.keys() == {"a", "b", "", "d"}
    assert "must be an object" in refused("string")[""]
    assert f"at most {FIELDS_MAX}" in refused({str(n): "string" for n in range(201)})[""]


@pytest.mark.parametrize(
    ("kind", "given", "made"),
    [
        ("number", "12", 12),
        ("number", " -1.50 ", -1.5),
        ("number", "1e3", 1000.0),
        ("number", 0, 0),
        ("string", 12, "12"),
        ("string", 2.5, "2.5"),
        ("string", False, "false"),
        ("string", "", ""),
        ("boolean", "true", True),
        ("boolean", "False", False),
        ("boolean", True, True),
        ("date", "2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("date", "2026-11-22T10:00:00.5+01:00", "2026-11-22T10:00:00.5+01:00"),
        ("date", "2026-11-22", "2026-11-22"),
    ],
)
def test_a_value_that_can_only_mean_one_thing_becomes_that(
    kind: str, given: object, made: object
) -> None:
    value = coerced(kind, given)
    assert (value, type(value)) == (made, type(made))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("number", True),
        ("number", ""),
        ("number", "012"),
        ("number", "1,5"),
        ("number", "nan"),
        ("number", "1e999"),
        ("number", "1" * 65),
        ("string", {}),
        ("string", ["a"]),
        ("boolean", 1),
        ("boolean", "yes"),
        ("date", "22.11.2026"),
        ("date", "2026-13-01"),
        ("date", "2026-11-22T10:00:00"),
        ("date", 1795341600),
    ],
)
def test_any_other_value_is_a_mismatch(kind: str, given: object) -> None:
    with pytest.raises(PayloadError):
        coerced(kind, given)


def test_a_mismatch_names_each_field() -> None:
    with pytest.raises(PayloadError) as caught:
        validate_payload(SCHEMA, {"plan": [], "seats": "many", "trial": "true", "since": "now"})
    assert [each.field for each in caught.value.problems] == ["plan", "seats", "since"]
    assert 'seats: "many" is not a number' in str(caught.value)


def test_what_the_schema_does_not_name_and_what_is_absent_or_null_stay_as_they_are() -> None:
    payload = {"plan": None, "more": {"deep": [1]}}
    assert validate_payload(SCHEMA, payload) == payload
    assert validate_payload(None, payload) == payload
    assert validate_payload({}, payload) is not payload
