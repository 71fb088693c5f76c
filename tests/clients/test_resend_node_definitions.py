"""npm's `resend` keeps contacts, segments, topics, contact properties and templates."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.node_clients import Resend
from tests.clients.test_resend_node import ANN, BEN, NOBODY, TEMPLATE, resend

#: Before any server: without Node, none is started for nothing.
pytestmark = pytest.mark.usefixtures("npm")

__all__ = ["resend"]  # the fixture


async def test_a_contact_is_made_read_changed_and_deleted(resend: Resend) -> None:
    """I1: the address names the contact as its id does."""
    person: dict[str, Any] = {
        "email": ANN,
        "firstName": "Ann",
        "lastName": "Lee",
        "unsubscribed": False,
        "properties": {"plan": "pro", "seats": 3},
    }
    made = await resend("contacts.create", person)
    assert made == {"object": "contact", "id": made["id"]}
    known = await resend("contacts.get", {"email": ANN})
    assert known == {
        "object": "contact",
        "id": made["id"],
        "email": ANN,
        "first_name": "Ann",
        "last_name": "Lee",
        "unsubscribed": False,
        "created_at": known["created_at"],
        "properties": {
            "plan": {"value": "pro", "type": "string"},
            "seats": {"value": 3, "type": "number"},
        },
    }
    assert await resend("contacts.get", made["id"]) == known
    again = await resend("contacts.create", {"email": ANN.upper(), "firstName": "Anna"})
    assert again["id"] == made["id"]
    changes = {"lastName": None, "unsubscribed": True, "properties": {"plan": None}}
    changed = await resend("contacts.update", {"email": ANN, **changes})
    assert changed == {"object": "contact", "id": made["id"]}
    known = await resend("contacts.get", {"id": made["id"]})
    assert (known["first_name"], known["last_name"], known["unsubscribed"]) == ("Anna", None, True)
    assert known["properties"] == {"seats": {"value": 3, "type": "number"}}

    other = await resend("contacts.create", {"email": BEN})
    page = await resend("contacts.list", {"limit": 1})
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([other["id"]], True)
    page = await resend("contacts.list", {"after": other["id"]})
    assert ([one["email"] for one in page["data"]], page["has_more"]) == ([ANN], False)

    gone = await resend("contacts.remove", ANN)
    assert (gone["object"], gone["contact"], gone["deleted"]) == ("contact", made["id"], True)
    for call in ("contacts.get", "contacts.remove"):
        refused = await resend.refusal(call, made["id"])
        assert refused[:3] == (404, "not_found", "Contact not found")
    missing = await resend.refusal("contacts.create", {"firstName": "Ann"})
    assert missing[:3] == (422, "missing_required_field", "Missing `email` field.")


async def test_a_contact_joins_segments_and_chooses_topics(resend: Resend) -> None:
    segment = (await resend("segments.create", {"name": "Customers"}))["id"]
    news = {"name": "News", "defaultSubscription": "opt_in", "description": "On Fridays"}
    topic = (await resend("topics.create", news))["id"]
    person = {
        "email": ANN,
        "segments": [{"id": segment}],
        "topics": [{"id": topic, "subscription": "opt_out"}],
    }
    made = (await resend("contacts.create", person))["id"]
    for asked in ({"segmentId": segment}, {"audienceId": segment, "limit": 1}):
        listed = await resend("contacts.list", asked)
        assert [one["id"] for one in listed["data"]] == [made]
    legacy = {"audienceId": segment, "email": ANN}
    assert (await resend("contacts.get", legacy))["id"] == made
    assert (await resend("contacts.update", {**legacy, "firstName": "Ann"}))["id"] == made
    ben = await resend("contacts.create", {"audienceId": segment, "email": BEN})
    assert (await resend("contacts.remove", {"audienceId": segment, "id": ben["id"]}))["deleted"]

    for who in ({"contactId": made}, {"email": ANN}):
        (one,) = (await resend("contacts.segments.list", who))["data"]
        assert (one["id"], one["name"]) == (segment, "Customers")
        left = await resend("contacts.segments.remove", {**who, "segmentId": segment})
        assert (left["id"], left["deleted"]) == (segment, True)
        assert (await resend("contacts.segments.list", who))["data"] == []
        joined = await resend("contacts.segments.add", {**who, "segmentId": segment})
        assert joined["id"] == segment
    nowhere = await resend.refusal("contacts.segments.add", {"email": ANN, "segmentId": NOBODY})
    assert (nowhere.status, nowhere.name) == (404, "not_found")

    for who in ({"id": made}, {"email": ANN}):
        for choice in ("opt_in", "opt_out"):
            chosen = [{"id": topic, "subscription": choice}]
            changed = await resend("contacts.topics.update", {**who, "topics": chosen})
            assert changed["id"] == made
            listed = await resend("contacts.topics.list", who)
            assert listed["data"] == [
                {
                    "id": topic,
                    "name": "News",
                    "description": "On Fridays",
                    "subscription": choice,
                }
            ]


async def test_segments_and_topics_are_made_listed_changed_and_deleted(resend: Resend) -> None:
    segment = await resend("segments.create", {"name": "Paying"})
    assert segment == {"object": "segment", "id": segment["id"], "name": "Paying"}
    renamed = await resend("segments.update", segment["id"], {"name": "Customers"})
    assert renamed == {"object": "segment", "id": segment["id"]}
    found = await resend("segments.get", segment["id"])
    assert (found["object"], found["name"]) == ("segment", "Customers")
    (item,) = (await resend("audiences.list", {"limit": 5}))["data"]
    assert item == {key: found[key] for key in ("id", "name", "created_at")}
    assert (await resend.refusal("segments.create", {"name": "Customers"})).status == 409
    nameless = await resend.refusal("segments.create", {})
    assert nameless[:3] == (422, "missing_required_field", "Missing `name` field.")
    gone = await resend("segments.remove", segment["id"])
    assert gone == {"object": "segment", "id": segment["id"], "deleted": True}
    missing = await resend.refusal("segments.get", segment["id"])
    assert missing[:3] == (404, "not_found", "Audience not found")

    topic = await resend("topics.create", {"name": "News", "defaultSubscription": "opt_out"})
    assert topic == {"object": "topic", "id": topic["id"]}
    changes = {"id": topic["id"], "name": "Weekly", "description": "On Fridays"}
    assert await resend("topics.update", changes) == topic
    found = await resend("topics.get", topic["id"])
    assert found == {
        **topic,
        **changes,
        "default_subscription": "opt_out",
        "visibility": "private",
        "created_at": found["created_at"],
    }
    (item,) = (await resend("topics.list"))["data"]
    assert item == {key: found[key] for key in found if key != "object"}
    odd = await resend.refusal("topics.create", {"name": "x", "defaultSubscription": "optin"})
    assert (odd.status, odd.name) == (422, "validation_error")
    gone = await resend("topics.remove", topic["id"])
    assert gone == {**topic, "deleted": True}
    missing = await resend.refusal("topics.get", topic["id"])
    assert missing[:3] == (404, "not_found", "Topic not found")


async def test_properties_are_defined_listed_changed_and_deleted(resend: Resend) -> None:
    body = {"key": "plan", "type": "string", "fallbackValue": "free"}
    made = await resend("contactProperties.create", body)
    assert made == {"object": "contact_property", "id": made["id"]}
    found = await resend("contactProperties.get", made["id"])
    assert found == {**made, **body, "createdAt": found["createdAt"]}
    changes: dict[str, Any] = {"id": made["id"], "fallbackValue": None}
    assert await resend("contactProperties.update", changes) == made
    (item,) = (await resend("contactProperties.list", {"limit": 1}))["data"]
    assert (item["key"], item["fallbackValue"]) == ("plan", None)
    misfit = await resend.refusal("contactProperties.update", {**changes, "fallbackValue": 3})
    assert (misfit.status, misfit.name) == (422, "validation_error")
    silent = await resend.refusal("contactProperties.update", {"id": made["id"]})
    assert silent[:3] == (422, "missing_required_field", "Missing `fallback_value` field.")
    assert (await resend.refusal("contactProperties.create", body)).status == 409
    assert await resend("contactProperties.remove", made["id"]) == {**made, "deleted": True}
    missing = await resend.refusal("contactProperties.get", made["id"])
    assert missing[:3] == (404, "not_found", "Contact property not found")


async def test_a_template_lives_from_its_draft_to_its_end(resend: Resend) -> None:
    made = await resend("templates.create", TEMPLATE)
    assert made == {"object": "template", "id": made["id"]}
    shown = await resend("templates.get", "hello")
    (variable,) = shown["variables"]
    assert (variable["key"], variable["fallback_value"]) == ("NAME", "friend")
    assert (shown["id"], shown["status"], shown["published_at"]) == (made["id"], "draft", None)
    assert await resend("templates.publish", "hello") == made
    changes = {"subject": "Later", "replyTo": ["help@example.com"], "html": "<p>Hello</p>"}
    assert await resend("templates.update", made["id"], changes) == made
    shown = await resend("templates.get", made["id"])
    assert (shown["status"], shown["has_unpublished_versions"]) == ("published", True)
    assert (shown["subject"], shown["reply_to"]) == ("Later", ["help@example.com"])

    copy = await resend.chain(["templates.duplicate", "hello"], ["publish"])
    shown = await resend("templates.get", copy["id"])
    assert (shown["name"], shown["alias"], shown["status"]) == ("Hello (Copy)", None, "published")
    page = await resend("templates.list", {"limit": 1})
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([copy["id"]], True)
    page = await resend("templates.list", {"after": copy["id"]})
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([made["id"]], False)
    gone = await resend("templates.remove", "hello")
    assert gone == {**made, "deleted": True}
    missing = await resend.refusal("templates.get", "hello")
    assert missing[:3] == (404, "not_found", "Template not found")


async def test_what_is_wrong_with_a_template_is_said(resend: Resend) -> None:
    await resend("templates.create", TEMPLATE)
    nameless = await resend.refusal("templates.create", {"html": "x"})
    assert nameless[:3] == (422, "missing_required_field", "Missing `name` field.")
    odd = {"name": "x", "html": "{{{A}}}", "variables": [{"key": "A", "type": "strin"}]}
    refused = await resend.refusal("templates.create", odd)
    assert (refused.status, refused.name) == (422, "validation_error")
    assert 'did you mean "string"' in refused.message
    taken = await resend.refusal("templates.create", TEMPLATE)
    assert (taken.status, taken.name) == (409, "validation_error")
    empty = await resend("templates.create", {"name": "Empty"})
    unready = await resend.refusal("templates.publish", empty["id"])
    assert (unready.status, unready.name) == (422, "validation_error")
