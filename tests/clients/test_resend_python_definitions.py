"""Resend's Python client defines templates, segments, topics and properties, and reads e-mails."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
import resend
from resend.exceptions import MissingRequiredFieldsError, ValidationError

from tests.clients.served import Served, make_key
from tests.clients.test_resend_python import ANN, refusal, said_by
from tests.integration.drawn import automation
from tests.waiting import until_so

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def pointed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "api_url", served.url)
    monkeypatch.setattr(resend, "api_key", served.key)


def told(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document without the headers that the client adds."""
    return {key: value for key, value in answer.items() if key != "http_headers"}


def welcome(*steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return an automation of steps in line."""
    whole = [{"key": "start", "type": "trigger", "config": {"event_name": "joined"}}, *steps]
    ways = pairwise(whole)
    return {
        "name": "Welcome",
        "status": "enabled",
        "steps": whole,
        "connections": [{"from": one["key"], "to": other["key"]} for one, other in ways],
    }


async def test_a_template_lives_from_its_draft_to_its_end_and_is_sent_meanwhile(
    served: Served,
) -> None:
    """S1, F2: an automation sends what was published, and the e-mail is read by its id."""
    draft: dict[str, Any] = {
        "name": "Hello",
        "alias": "hello",
        "from": "Shop <shop@example.com>",
        "subject": "Hello {{{PLAN}}}",
        "reply_to": ["help@example.com"],
        "html": "<p>Hello</p>",
        "variables": [{"key": "PLAN", "type": "string", "fallback_value": "free"}],
    }
    made = await said_by(resend.Templates.create, draft)
    assert made["object"] == "template"
    shown = told(await said_by(resend.Templates.get, "hello"))
    (variable,) = shown.pop("variables")
    assert variable.items() >= draft["variables"][0].items()
    assert (
        shown.items()
        >= {
            "object": "template",
            "id": made["id"],
            "name": "Hello",
            "alias": "hello",
            "from": "Shop <shop@example.com>",
            "subject": "Hello {{{PLAN}}}",
            "html": "<p>Hello</p>",
            "text": None,
            "status": "draft",
            "published_at": None,
            "has_unpublished_versions": True,
        }.items()
    )
    assert shown["reply_to"] == ["help@example.com"]

    step = {"key": "hello", "type": "send_email", "config": {"template": {"id": "hello"}}}
    too_early = await refusal(resend.Automations.create, welcome(step))
    assert isinstance(too_early, ValidationError)
    assert (await said_by(resend.Templates.publish, "hello"))["id"] == made["id"]
    changed = {"id": made["id"], "subject": "Later", "text": "Hello"}
    assert (await said_by(resend.Templates.update, changed))["id"] == made["id"]
    shown = await said_by(resend.Templates.get, made["id"])
    assert (shown["status"], shown["has_unpublished_versions"]) == ("published", True)

    known = await said_by(resend.Automations.create, welcome(step))
    await said_by(resend.Events.send, {"event": "joined", "email": ANN})

    async def is_over() -> Any:
        done = await said_by(resend.Automations.Runs.list, known["id"], {"status": "completed"})
        return done["data"]

    (item,) = await until_so(is_over)
    run = await said_by(resend.Automations.Runs.get, known["id"], item["id"])
    email_id = run["steps"][1]["output"]["email_id"]
    letter = await said_by(resend.Emails.get, email_id)
    assert (letter["object"], letter["id"], letter["to"]) == ("email", email_id, [ANN])
    assert (letter["from"], letter["subject"]) == ("Shop <shop@example.com>", "Hello free")
    assert (letter["reply_to"], letter["last_event"]) == (["help@example.com"], "sent")
    assert (letter["html"], letter["run_id"]) == (None, item["id"])
    missing = await refusal(resend.Emails.get, NOBODY)
    assert (missing.code, str(missing)) == (404, "Email not found")

    copy = await said_by(resend.Templates.duplicate, "hello")
    shown = await said_by(resend.Templates.get, copy["id"])
    assert (shown["name"], shown["alias"], shown["status"]) == ("Hello (Copy)", None, "draft")
    page = await said_by(resend.Templates.list, {"limit": 1})
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([copy["id"]], True)
    rest = await resend.Templates.list_async({"after": copy["id"]})
    assert ([one["alias"] for one in rest["data"]], rest["has_more"]) == (["hello"], False)
    gone = await said_by(resend.Templates.remove, "hello")
    assert told(gone) == {"object": "template", "id": made["id"], "deleted": True}
    missing = await refusal(resend.Templates.get, "hello")
    assert (missing.code, str(missing)) == (404, "Template not found")


@pytest.mark.usefixtures("served")
async def test_what_is_wrong_with_a_template_is_said() -> None:
    nameless = await refusal(resend.Templates.create, {"html": "x"})
    assert isinstance(nameless, MissingRequiredFieldsError)
    assert str(nameless) == "Missing `name` field."
    body: dict[str, Any] = {"name": "x", "alias": "x", "html": "{{{A}}}"}
    odd = {**body, "variables": [{"key": "A", "type": "strin"}]}
    refused = await refusal(resend.Templates.create, odd)
    assert isinstance(refused, ValidationError)
    assert 'did you mean "string"' in str(refused)
    await said_by(resend.Templates.create, body)
    assert (await refusal(resend.Templates.create, body)).code == 409
    empty = await said_by(resend.Templates.create, {"name": "empty"})
    unready = await refusal(resend.Templates.publish, empty["id"])
    assert isinstance(unready, ValidationError)


async def test_segments_are_made_listed_renamed_and_deleted(served: Served) -> None:
    made = told(await said_by(resend.Segments.create, {"name": "Paying"}))
    assert made == {"object": "segment", "id": made["id"], "name": "Paying"}
    other = await resend.Segments.create_async({"name": "Trial"})
    found = told(await said_by(resend.Segments.get, made["id"]))
    assert found == {**made, "created_at": found["created_at"]}
    renamed = await said_by(resend.Segments.update, made["id"], {"name": "Customers"})
    assert told(renamed) == {"object": "segment", "id": made["id"]}
    page = await said_by(resend.Segments.list, {"limit": 1})
    assert ([one["name"] for one in page["data"]], page["has_more"]) == (["Trial"], True)
    page = await said_by(resend.Segments.list, {"after": other["id"]})
    assert ([one["name"] for one in page["data"]], page["has_more"]) == (["Customers"], False)
    assert (await refusal(resend.Segments.create, {"name": "Trial"})).code == 409
    nameless = await refusal(resend.Segments.create, {})
    assert str(nameless) == "Missing `name` field."

    step = {"key": "add", "type": "add_to_segment", "config": {"segment_id": made["id"]}}
    known = await said_by(resend.Automations.create, welcome(step))
    used = await refusal(resend.Segments.remove, made["id"])
    assert (used.code, '"Welcome"' in str(used)) == (409, True)
    await said_by(resend.Automations.remove, known["id"])
    for _ in range(2):  # deleted once, and as recorded the second time
        gone = await said_by(resend.Segments.remove, made["id"])
        assert told(gone) == {"object": "segment", "id": made["id"], "deleted": True}
    missing = await refusal(resend.Segments.get, made["id"])
    assert (missing.code, str(missing)) == (404, "Audience not found")
    async with served.client() as client:
        legacy = await client.get(f"/audiences/{other['id']}")
        assert (legacy.status_code, legacy.json()["name"]) == (200, "Trial")


@pytest.mark.usefixtures("served")
async def test_topics_are_made_listed_changed_and_deleted() -> None:
    body: dict[str, Any] = {"name": "News", "default_subscription": "opt_out"}
    made = told(await said_by(resend.Topics.create, body))
    assert made == {"object": "topic", "id": made["id"]}
    found = told(await said_by(resend.Topics.get, made["id"]))
    assert found == {
        **made,
        **body,
        "description": None,
        "visibility": "private",
        "created_at": found["created_at"],
    }
    changes: dict[str, Any] = {"name": "Weekly", "description": "On Fridays"}
    changed = await said_by(resend.Topics.update, made["id"], changes)
    assert told(changed) == {"object": "topic", "id": made["id"]}
    (item,) = (await resend.Topics.list_async())["data"]
    assert item == {**{k: v for k, v in found.items() if k != "object"}, **changes}
    refused = await refusal(resend.Topics.create, {"name": "x", "default_subscription": "optin"})
    assert isinstance(refused, ValidationError)
    assert 'did you mean "opt_in"' in str(refused)
    lacking = await refusal(resend.Topics.create, {"name": "x"})
    assert str(lacking) == "Missing `default_subscription` field."
    gone = await said_by(resend.Topics.remove, made["id"])
    assert told(gone) == {"object": "topic", "id": made["id"], "deleted": True}
    missing = await refusal(resend.Topics.get, made["id"])
    assert (missing.code, str(missing)) == (404, "Topic not found")


async def test_properties_are_defined_listed_changed_and_deleted(served: Served) -> None:
    body: dict[str, Any] = {"key": "plan", "type": "string", "fallback_value": "free"}
    made = told(await said_by(resend.ContactProperties.create, body))
    assert made == {"object": "contact_property", "id": made["id"]}
    found = told(await said_by(resend.ContactProperties.get, made["id"]))
    assert found == {**made, **body, "created_at": found["created_at"]}
    changes: dict[str, Any] = {"id": made["id"], "fallback_value": None}
    changed = await said_by(resend.ContactProperties.update, changes)
    assert told(changed) == made
    (item,) = (await resend.ContactProperties.list_async())["data"]
    assert (item["key"], item["fallback_value"]) == ("plan", None)
    misfit = await refusal(resend.ContactProperties.update, {**changes, "fallback_value": 3})
    assert isinstance(misfit, ValidationError)
    assert "fallback_value: 3 is no string" in str(misfit)
    assert (await refusal(resend.ContactProperties.create, body)).code == 409
    async with served.client() as client:
        silent = await client.patch("/contact-properties/plan", json={"fallbackValue": "free"})
        assert (silent.status_code, silent.json()["message"]) == (
            422,
            "Missing `fallback_value` field.",
        )
    gone = await said_by(resend.ContactProperties.remove, made["id"])
    assert told(gone) == {**made, "deleted": True}
    missing = await refusal(resend.ContactProperties.get, made["id"])
    assert (missing.code, str(missing)) == (404, "Contact property not found")


async def test_who_may_only_read_defines_nothing_and_who_defines_is_written_down(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O4: the audit names the key."""
    await served.house.apply(automation())
    await said_by(resend.Segments.create, {"name": "Paying"})
    who = "select who from audit where what = 'segment.create'"
    assert await served.house.value(who) == f"api key {served.key.split('_')[1]}"
    monkeypatch.setattr(resend, "api_key", await make_key(served.house, "--scope", "read"))
    assert len((await said_by(resend.Segments.list))["data"]) == 1
    body: dict[str, Any] = {"name": "x", "html": "x", "default_subscription": "opt_in"}
    for create in (resend.Segments.create, resend.Topics.create, resend.Templates.create):
        assert (await refusal(create, body)).error_type == "restricted_api_key"


ODD_BODIES = [
    "[]",
    "null",
    '"text"',
    "{}",
    '{"name": 7, "key": {}, "type": [], "default_subscription": 1, "variables": {}}',
    '{"name": "\\u0000", "key": "\\u0000", "type": "string", "default_subscription": "opt_in"}',
    '{"name": "\\ud800", "key": "\\ud800", "type": "string", "default_subscription": "opt_in"}',
    '{"name": "x", "html": "\\u0000", "alias": "\\u0000", "variables": [null]}',
    '{"name": "x", "html": "\\ud800", "subject": "\\ud800", "text": "\\ud800"}',
    '{"key": "a", "type": "number", "fallback_value": 1e308}',
    '{"key": "b", "type": "number", "fallback_value": 1' + "0" * 400 + "}",
    '{"key": "c", "type": "string", "fallback_value": "\\u0000"}',
    '{"name": "v", "variables": [{"key": "A", "type": "list", "fallback_value": ["\\u0000"]}]}',
    '{"fallback_value": true}',
]


async def test_nothing_odd_breaks_it(served: Served) -> None:
    await said_by(resend.ContactProperties.create, {"key": "plan", "type": "string"})
    await said_by(resend.Templates.create, {"name": "Hello", "alias": "hello", "html": "x"})
    async with served.client() as client:
        for path in ("templates", "segments", "topics", "contact-properties"):
            for named in ("", "/%00", "/%ED%A0%80", "/hello", "/plan", "/" + "a" * 4000, "/a%2Fb"):
                for body in ODD_BODIES:
                    method = "PATCH" if named else "POST"
                    headers = {"content-type": "application/json"}
                    said = await client.request(
                        method, f"/{path}{named}", content=body, headers=headers
                    )
                    assert said.status_code < 500, (method, path, named, body, said.text)
                    assert said.headers["content-type"] == "application/json"
                for method in ("GET", "DELETE"):
                    if named not in ("/hello", "/plan"):
                        said = await client.request(method, f"/{path}{named}", json={})
                        assert said.status_code < 500, (method, path, named, said.text)
            listed = (await client.get(f"/{path}")).json()
            assert listed["object"] == "list"
            for one in listed["data"]:
                assert (await client.get(f"/{path}/{one['id']}")).is_success
