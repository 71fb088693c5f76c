"""Properties of contacts: how they are defined, and what reads a fallback."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from handlers.evaluate import ABSENT, Scope, resolve
from handlers.publishing.contact_property import (
    FALLBACK_MAX,
    PropertyDraft,
    PropertyError,
    parse_fallback,
    parse_property,
)
from state.audience import Audiences
from state.contact import Contact, Profile

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def refused(raw: object) -> dict[str, str]:
    with pytest.raises(PropertyError) as caught:
        parse_property(raw)
    return {each.field: each.text for each in caught.value.problems}


def read(key: str, properties: dict[str, object], fallbacks: dict[str, object]) -> object:
    contact = Contact(1, NOW, profile=Profile(properties=properties))
    scope = Scope(contact=contact.scope(Audiences.of(fallbacks=fallbacks)))
    return resolve(f"contact.properties.{key}", scope)


def test_a_property_has_a_key_a_type_and_perhaps_a_fallback() -> None:
    written = {"key": "plan_2", "type": "string", "fallback_value": "free", "unknown": 1}
    assert parse_property(written) == PropertyDraft("plan_2", "string", "free")
    assert parse_property({"key": "n", "type": "number"}) == PropertyDraft("n", "number", None)
    assert parse_fallback("number", 0) == 0


def test_everything_that_is_wrong_is_said_at_once() -> None:
    assert refused({}).keys() == {"key", "type"}
    found = refused({"key": "a-b", "type": "boolean"})
    assert "letters, digits and underscores" in found["key"]
    assert "valid: string, number" in found["type"]
    assert refused({"key": "k" * 51, "type": "string"}).keys() == {"key"}
    for kind, fallback in (("number", "1"), ("number", True), ("string", 1)):
        misfit = refused({"key": "k", "type": kind, "fallback_value": fallback})
        assert misfit.keys() == {"fallback_value"}
    long = {"key": "k", "type": "string", "fallback_value": "a" * (FALLBACK_MAX + 1)}
    assert refused(long).keys() == {"fallback_value"}
    assert "must be an object" in refused(None)[""]


def test_a_contact_without_a_value_reads_the_fallback() -> None:
    fallbacks = {"plan": "free"}
    assert read("plan", {}, fallbacks) == "free"
    assert read("plan", {"plan": None}, fallbacks) == "free"
    assert read("plan", {"plan": ""}, fallbacks) == ""
    assert read("seats", {"seats": 3}, fallbacks) == 3
    assert read("seats", {"seats": None}, fallbacks) is None
    assert read("plan", {}, {}) is ABSENT
