"""Contacts through Resend's official Python client: what is written is read at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import resend
from resend.exceptions import MissingRequiredFieldsError, ResendError

from state.postgres.audiences_by_id import make_segment, make_topic
from state.postgres.store import PostgresStore
from tests.clients.served import Served, serve
from tests.integration.kit import a_house

ANN, BEN = "ann+news@example.com", "ben@example.com"


@pytest.fixture(autouse=True)
def pointed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the client at the server, which is all that its users have to do."""
    monkeypatch.setattr(resend, "api_url", served.url)
    monkeypatch.setattr(resend, "api_key", served.key)


async def said_by(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call the client, which blocks, beside the worker."""
    return await asyncio.to_thread(call, *arguments, **named)


async def refusal(call: Callable[..., Any], *arguments: Any, **named: Any) -> ResendError:
    with pytest.raises(ResendError) as raised:
        await said_by(call, *arguments, **named)
    return raised.value


async def make_audiences(served: Served) -> tuple[str, str]:
    """Define a segment and a topic; return their ids."""
    store = await PostgresStore.open(served.house.database, worker_id="test")
    about = {
        "name": "News",
        "description": None,
        "default_subscription": "opt_in",
        "visibility": "public",
    }
    async with store.session() as session:
        segment = await make_segment(session, "VIP", "test")
    async with store.session() as session:
        topic = await make_topic(session, about, "test")
    await store.close()
    return str(segment.segment_id), str(topic.topic_id)


async def test_a_contact_is_made_read_changed_and_deleted(served: Served) -> None:
    made = await said_by(
        resend.Contacts.create,
        {
            "email": ANN,
            "first_name": "Ann",
            "last_name": "Lee",
            "unsubscribed": False,
            "properties": {"plan": "pro", "seats": 3},
        },
    )
    assert made["object"] == "contact"
    known = await said_by(resend.Contacts.get, email=ANN)
    assert known.pop("http_headers")
    created_at = known.pop("created_at")
    assert (len(created_at), created_at[10], created_at[-3:]) == (29, " ", "+00")
    assert known == {
        "object": "contact",
        "id": made["id"],
        "email": ANN,
        "first_name": "Ann",
        "last_name": "Lee",
        "unsubscribed": False,
        "properties": {
            "plan": {"value": "pro", "type": "string"},
            "seats": {"value": 3, "type": "number"},
        },
    }
    again = await said_by(resend.Contacts.create, {"email": ANN.upper(), "first_name": "Anna"})
    assert again["id"] == made["id"]
    changed = await said_by(
        resend.Contacts.update, {"id": made["id"], "last_name": None, "unsubscribed": True}
    )
    assert (changed["object"], changed["id"]) == ("contact", made["id"])
    known = await said_by(resend.Contacts.get, id=made["id"])
    assert (known["first_name"], known["last_name"], known["unsubscribed"]) == ("Anna", None, True)
    gone = await said_by(resend.Contacts.remove, email=ANN)
    assert (gone["object"], gone["id"], gone["contact"], gone["deleted"]) == (
        "contact",
        made["id"],
        made["id"],
        True,
    )
    for call in (resend.Contacts.get, resend.Contacts.remove):
        refused = await refusal(call, id=made["id"])
        assert (refused.code, refused.error_type, str(refused)) == (
            404,
            "not_found",
            "Contact not found",
        )
    missing = await refusal(resend.Contacts.create, {"first_name": "Ann"})
    assert isinstance(missing, MissingRequiredFieldsError)
    assert str(missing) == "Missing `email` field."


async def test_contacts_are_listed_newest_first(served: Served) -> None:
    segment_id, _ = await make_audiences(served)
    ids = []
    for number in range(3):
        made = await resend.Contacts.create_async(
            {"email": f"person{number}@example.com", "segments": [{"id": segment_id}]}
        )
        ids.append(made["id"])
    await resend.Contacts.create_async({"email": BEN})
    for listed in (
        await resend.Contacts.list_async(segment_id=segment_id),
        await resend.Contacts.list_async(audience_id=segment_id),
    ):
        assert [one["id"] for one in listed["data"]] == ids[::-1]
        assert listed["has_more"] is False
    page = await resend.Contacts.list_async(params={"limit": 2})
    assert [one["email"] for one in page["data"]] == [BEN, "person2@example.com"]
    assert page["has_more"] is True
    rest = await resend.Contacts.list_async(params={"after": page["data"][-1]["id"]})
    assert [one["id"] for one in rest["data"]] == [ids[1], ids[0]]
    back = await resend.Contacts.list_async(
        segment_id=segment_id, params={"limit": 1, "before": ids[0]}
    )
    assert ([one["id"] for one in back["data"]], back["has_more"]) == ([ids[1]], True)
    async with served.client() as client:
        by_query = await client.get("/contacts", params={"segment_id": segment_id})
        assert [one["id"] for one in by_query.json()["data"]] == ids[::-1]
        nowhere = await client.get(f"/segments/{ids[0]}/contacts")
        assert (nowhere.status_code, nowhere.json()["message"]) == (404, "Audience not found")


async def test_a_contact_joins_segments_and_chooses_topics(served: Served) -> None:
    segment_id, topic_id = await make_audiences(served)
    made = await said_by(
        resend.Contacts.create,
        {"email": ANN, "topics": [{"id": topic_id, "subscription": "opt_out"}]},
    )
    who = {"email": ANN}
    topics = await said_by(resend.Contacts.Topics.list, email=ANN)
    assert topics["data"] == [
        {"id": topic_id, "name": "News", "description": None, "subscription": "opt_out"}
    ]
    chosen = await said_by(
        resend.Contacts.Topics.update,
        {"id": made["id"], "topics": [{"id": topic_id, "subscription": "opt_in"}]},
    )
    assert chosen["id"] == made["id"]
    topics = await said_by(resend.Contacts.Topics.list, made["id"])
    assert topics["data"][0]["subscription"] == "opt_in"
    added = await said_by(resend.Contacts.Segments.add, {**who, "segment_id": segment_id})
    assert (added["id"], added["contact_id"]) == (segment_id, made["id"])
    listed = await said_by(resend.Contacts.Segments.list, who)
    assert [(one["id"], one["name"]) for one in listed["data"]] == [(segment_id, "VIP")]
    left = await said_by(
        resend.Contacts.Segments.remove, {"contact_id": made["id"], "segment_id": segment_id}
    )
    assert (left["id"], left["deleted"]) == (segment_id, True)
    assert (await said_by(resend.Contacts.Segments.list, who))["data"] == []
    async with served.client() as client:
        wrapped = {"topics": [{"id": topic_id, "subscription": "opt_out"}]}
        said = await client.patch(f"/contacts/{ANN}/topics", json=wrapped)
        assert said.json()["topics"] == wrapped["topics"]
        bad = await client.patch(f"/contacts/{ANN}/topics", json={"topic": []})
        assert (bad.status_code, bad.json()["name"]) == (422, "validation_error")


async def test_without_a_worker_a_change_is_accepted_and_said_to_be_late(
    served: Served, kafka: str, database: str, topics: Any, tmp_path: Any
) -> None:
    async with (
        a_house(kafka, database, topics, tmp_path) as idle,
        serve(idle) as alone,
        alone.client() as client,
    ):
        late = await client.post("/contacts", json={"email": BEN})
        assert (late.status_code, late.json()["name"]) == (503, "service_unavailable")
        assert "worker" in late.json()["message"]
        assert int(late.headers["retry-after"]) >= 1
        async with idle.worker():
            made = await client.post("/contacts", json={"email": BEN})
            assert made.status_code == 201
