"""Audiences, as segments were once called: the old paths of Resend's clients lead to the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
import pytest
import resend
from resend.exceptions import ResendError

from tests.clients.served import Served

ANN, BEN = "ann+news@example.com", "ben@example.com"
NOBODY = str(UUID(int=9))


@pytest.fixture(autouse=True)
def pointed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the client at the server, which is all that its users have to do."""
    monkeypatch.setattr(resend, "api_url", served.url)
    monkeypatch.setattr(resend, "api_key", served.key)


async def said_by(call: Callable[..., Any], *arguments: Any, **named: Any) -> dict[str, Any]:
    """Call the client, which blocks, beside the worker."""
    said = await asyncio.to_thread(call, *arguments, **named)
    return {name: value for name, value in said.items() if name != "http_headers"}


async def refusal(call: Callable[..., Any], **named: Any) -> tuple[int, str]:
    with pytest.raises(ResendError) as raised:
        await said_by(call, **named)
    return int(raised.value.code), raised.value.message


async def test_an_audience_is_a_segment_by_its_old_name(served: Served) -> None:
    async with served.client() as client:
        made = (await client.post("/audiences", json={"name": "VIP"})).json()
        assert made == {"object": "segment", "id": made["id"], "name": "VIP"}
        path = f"/audiences/{made['id']}"
        for one in (path, f"/segments/{made['id']}"):
            shown = (await client.get(one)).json()
            assert (shown["id"], shown["name"]) == (made["id"], "VIP")
        listed = [(await client.get(one)).json() for one in ("/audiences", "/segments")]
        assert listed[0] == listed[1]
        assert [one["id"] for one in listed[0]["data"]] == [made["id"]]
        renamed = await client.patch(path, json={"name": "VIPs"})
        assert renamed.json() == {"object": "segment", "id": made["id"]}
        taken = await client.post("/audiences", json={"name": "VIPs"})
        assert (taken.status_code, taken.json()["name"]) == (409, "validation_error")
        gone = await client.delete(path)
        assert gone.json() == {"object": "segment", "id": made["id"], "deleted": True}
        assert (await client.get(path)).json()["message"] == "Audience not found"


async def test_contacts_of_an_audience_are_made_read_changed_and_deleted(served: Served) -> None:
    """They are the same contacts, whichever path leads to them."""
    async with served.client() as client:
        audience = (await client.post("/audiences", json={"name": "VIP"})).json()["id"]
        made = await said_by(
            resend.Contacts.create,
            {"email": ANN, "first_name": "Ann", "audience_id": audience},
        )
        by_path = await client.post(f"/audiences/{audience}/contacts", json={"email": BEN})
        ben = by_path.json()
        assert by_path.status_code == 201
        assert ben == {"object": "contact", "id": ben["id"]}

        members = await said_by(resend.Contacts.list, audience_id=audience)
        assert {one["email"] for one in members["data"]} == {ANN, BEN}
        joined = (await client.get(f"/contacts/{ben['id']}/segments")).json()["data"]
        assert [one["id"] for one in joined] == [audience]

        for named in ({"email": ANN}, {"id": made["id"]}):
            shown = await said_by(resend.Contacts.get, audience_id=audience, **named)
            assert (shown["id"], shown["first_name"]) == (made["id"], "Ann")
        changed = await said_by(
            resend.Contacts.update,
            {"id": made["id"], "audience_id": audience, "first_name": "Anna", "last_name": None},
        )
        assert changed == {"object": "contact", "id": made["id"]}
        assert await first_name(client, made["id"]) == "Anna"

        gone = await said_by(resend.Contacts.remove, audience_id=audience, email=ANN)
        assert (gone["id"], gone["contact"], gone["deleted"]) == (made["id"], made["id"], True)
        left = await said_by(resend.Contacts.list, audience_id=audience)
        assert [one["email"] for one in left["data"]] == [BEN]
        assert (await client.get(f"/contacts/{made['id']}")).status_code == 404


async def first_name(client: httpx.AsyncClient, contact: str) -> object:
    return (await client.get(f"/contacts/{contact}")).json()["first_name"]


async def test_an_audience_or_a_contact_that_there_is_not_is_said_to_be_none(
    served: Served,
) -> None:
    async with served.client() as client:
        audience = (await client.post("/audiences", json={"name": "VIP"})).json()["id"]
        await said_by(resend.Contacts.create, {"email": ANN})
        for call in (resend.Contacts.get, resend.Contacts.remove):
            assert await refusal(call, audience_id=NOBODY, email=ANN) == (404, "Audience not found")
            told = await refusal(call, audience_id=audience, email=BEN)
            assert told == (404, "Contact not found")
        for method, path in (
            ("GET", "contacts"),
            ("POST", "contacts"),
            ("PATCH", f"contacts/{ANN}"),
        ):
            json = None if method == "GET" else {"email": BEN}
            refused = await client.request(method, f"/audiences/{NOBODY}/{path}", json=json)
            assert (refused.status_code, refused.json()["name"]) == (404, "not_found")
        assert (await client.get(f"/contacts/{BEN}")).status_code == 404
        odd = await client.get(f"/audiences/seven/contacts/{ANN}")
        assert (odd.status_code, odd.json()["name"]) == (422, "invalid_parameter")
        elsewhere = await client.get(f"/audiences/{audience}/contacts/{ANN}")
        assert elsewhere.json()["email"] == ANN  # clients need no membership to find somebody
