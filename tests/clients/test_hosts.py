"""Each dialect by its prefix and by its host names; Resend at the root of every other name too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.clients.served import Served, serve

HOSTS = {
    "WAITLINE_HTTP_HOSTS_RESEND": "api.resend.example,resend.internal",
    "WAITLINE_HTTP_HOSTS_SENDREALM": "api.sendrealm.example",
    "WAITLINE_HTTP_HOSTS_REVKEEN": "api.revkeen.example",
}

#: By dialect: its prefix, its hosts, and where automations are listed.
PLACES = {
    "resend": ("/resend", ("api.resend.example", "resend.internal"), "/automations"),
    "sendrealm": ("/sendrealm", ("api.sendrealm.example",), "/automations"),
    "revkeen": ("/revkeen", ("api.revkeen.example",), "/v2/automations"),
}


def dialect_of(document: Mapping[str, Any]) -> str:
    """Return whose list of automations, or whose error, a document is."""
    if "pagination" in document or "type" in document.get("error", {}):
        return "revkeen"
    if "next_cursor" in document or "error" in document:
        return "sendrealm"
    assert document.keys() in ({"object", "has_more", "data"}, {"statusCode", "message", "name"})
    return "resend"


async def answered(served: Served, host: str | None, path: str, status: int = 200) -> str:
    headers = {"authorization": f"Bearer {served.key}", "x-api-key": served.key}
    if host is not None:
        headers["host"] = host
    async with httpx.AsyncClient(base_url=served.url, headers=headers) as client:
        answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return dialect_of(answer.json())


async def test_each_dialect_is_found_by_its_prefix_and_its_hosts(served: Served) -> None:
    async with serve(served.house, **HOSTS) as named:
        for dialect, (prefix, hosts, path) in PLACES.items():
            assert await answered(named, None, f"{prefix}{path}") == dialect
            assert await answered(named, None, f"{prefix}/nothing", 404) == dialect
            for host in hosts:
                for said in (host, f"{host}:8080", host.upper()):
                    assert await answered(named, said, path) == dialect
                    assert await answered(named, said, f"{path}/{uuid4()}", 404) == dialect
                    assert await answered(named, said, "/nothing", 404) == dialect


async def test_any_other_host_falls_to_the_root(served: Served) -> None:
    """At a dialect's own host its prefix is no prefix; health is at every host."""
    async with serve(served.house, **HOSTS) as named:
        for host in (None, "else.example", "api.sendrealm.example.org", "x.api.revkeen.example"):
            assert await answered(named, host, "/automations") == "resend"
            assert await answered(named, host, "/nothing", 404) == "resend"
            for dialect, (prefix, _, path) in PLACES.items():
                assert await answered(named, host, f"{prefix}{path}") == dialect
        assert await answered(named, "api.sendrealm.example", "/revkeen/v2/x", 404) == "sendrealm"
        async with named.client() as client:
            live = await client.get("/healthz", headers={"host": "api.revkeen.example"})
    assert live.json() == {"status": "live"}


@pytest.mark.parametrize("name", ["resend", "sendrealm", "revkeen"])
async def test_the_documentation_is_found_by_host_and_prefix(served: Served, name: str) -> None:
    prefix, (host, *_), path = PLACES[name]
    async with serve(served.house, **HOSTS) as named, named.client() as client:
        by_prefix = await client.get(f"{prefix}/openapi.json")
        by_host = await client.get("/openapi.json", headers={"host": host})
        page = await client.get("/docs", headers={"host": host})
    assert by_prefix.json()["paths"].keys() == by_host.json()["paths"].keys()
    assert path in by_host.json()["paths"]
    assert page.is_success
