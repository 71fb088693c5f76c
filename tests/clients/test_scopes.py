"""What each key may do: every route of every dialect, by the scope that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest

from state.api_key import ALLOWED, Scope
from tests.clients.served import Served, make_key
from tests.integration.command import waitline

#: The scope of every route; a new route needs an entry here.
NEEDED = {
    "resend": """
        send POST   /events/send
        full POST   /events
        read GET    /events
        read GET    /events/explain/{event_id}
        read GET    /events/{identifier}
        full PATCH  /events/{identifier}
        full DELETE /events/{identifier}
        full POST   /automations
        read GET    /automations
        read GET    /automations/{automation_id}
        full PATCH  /automations/{automation_id}
        full DELETE /automations/{automation_id}
        full POST   /automations/{automation_id}/duplicate
        full POST   /automations/{automation_id}/stop
        read GET    /automations/{automation_id}/runs
        read GET    /automations/{automation_id}/runs/{run_id}
        full POST   /automations/{automation_id}/runs/{run_id}/cancel
        full POST   /automations/{automation_id}/runs/{run_id}/retry
        full POST   /templates
        read GET    /templates
        read GET    /templates/{identifier}
        full PATCH  /templates/{identifier}
        full DELETE /templates/{identifier}
        full POST   /templates/{identifier}/publish
        full POST   /templates/{identifier}/duplicate
        full POST   /segments
        read GET    /segments
        read GET    /segments/{segment_id}
        full PATCH  /segments/{segment_id}
        full DELETE /segments/{segment_id}
        read GET    /segments/{segment_id}/contacts
        full POST   /topics
        read GET    /topics
        read GET    /topics/{topic_id}
        full PATCH  /topics/{topic_id}
        full DELETE /topics/{topic_id}
        full POST   /contact-properties
        read GET    /contact-properties
        read GET    /contact-properties/{identifier}
        full PATCH  /contact-properties/{identifier}
        full DELETE /contact-properties/{identifier}
        read GET    /emails/{email_id}
        read GET    /contacts
        full POST   /contacts
        read GET    /contacts/{contact}
        full PATCH  /contacts/{contact}
        full DELETE /contacts/{contact}
        read GET    /contacts/{contact}/segments
        full POST   /contacts/{contact}/segments/{segment_id}
        full DELETE /contacts/{contact}/segments/{segment_id}
        read GET    /contacts/{contact}/topics
        full PATCH  /contacts/{contact}/topics
        read GET    /audiences/{audience_id}/contacts
        full POST   /audiences/{audience_id}/contacts
        read GET    /audiences/{audience_id}/contacts/{contact}
        full PATCH  /audiences/{audience_id}/contacts/{contact}
        full DELETE /audiences/{audience_id}/contacts/{contact}
    """,
    "sendrealm": """
        send POST   /events
        read GET    /automations
        full POST   /automations
        read GET    /automations/{automation_id}
        full PATCH  /automations/{automation_id}
        full POST   /automations/{automation_id}/publish
        read GET    /automations/{automation_id}/runs
        read GET    /automation-runs/{run_id}
    """,
    "revkeen": """
        read GET    /v2/automations
        full POST   /v2/automations
        read GET    /v2/automations/{automation_id}
        read GET    /v2/automations/{automation_id}/runs
        full POST   /v2/automations/{automation_id}/runs
        read GET    /v2/automations/{automation_id}/runs/{run_id}
        read GET    /v2/automations/approvals
        full POST   /v2/automations/approvals/{approval_id}/approve
        full POST   /v2/automations/approvals/{approval_id}/reject
    """,
}

#: Routes that no document tells: the old name of segments.
UNTOLD = """
    full POST   /audiences
    read GET    /audiences
    read GET    /audiences/{segment_id}
    full PATCH  /audiences/{segment_id}
    full DELETE /audiences/{segment_id}
"""

#: What a refusal is called: where the key is none, and where its scope does not reach.
REFUSED = {
    "resend": {"invalid_api_key": 403, "missing_api_key": 401, "restricted_api_key": 401},
    "sendrealm": {"unauthorized": 401, "forbidden": 403},
    "revkeen": {
        "authentication_failed": 401,
        "invalid_api_key": 401,
        "insufficient_permissions": 403,
    },
}


def needed(table: str) -> dict[tuple[str, str], Scope]:
    found: dict[tuple[str, str], Scope] = {}
    for line in table.split("\n"):
        if line.strip():
            scope, method, path = line.split()
            found[method, path] = scope  # type: ignore[assignment]  # the tables say scopes
    return found


def told(document: dict[str, dict[str, dict[str, object]]]) -> Iterator[tuple[str, str]]:
    for path, operations in document["paths"].items():
        for method in operations:
            yield method.upper(), path


def filled(path: str) -> str:
    """Return a path that leads to nothing, so that who is let in does no harm."""
    parts = [str(UUID(int=9)) if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts)


def login(dialect: str, key: str | None) -> dict[str, str]:
    if key is None:
        return {}
    return {"x-api-key": key} if dialect == "revkeen" else {"authorization": f"Bearer {key}"}


def refusal(dialect: str, answer: httpx.Response) -> str | None:
    """Return what a refusal of the key is called; None if it was let in."""
    if answer.status_code not in (401, 403):
        return None
    body = answer.json()
    named = str(body["name"] if dialect == "resend" else body["error"]["code"])
    assert REFUSED[dialect][named] == answer.status_code
    return named


async def bad_keys(served: Served) -> dict[str, str | None]:
    """Return what opens nothing at all, by the name of why."""
    environment = served.house.environment
    revoked = await make_key(served.house)
    done = await waitline(environment, "keys", "revoke", revoked, "--yes")
    assert done.code == 0, done.err
    expired = await make_key(served.house, "--expires", "0.001")
    guessed = f"re_{'0' * 12}_{'0' * 64}"
    half = served.key[:-1] + ("0" if served.key[-1] != "0" else "1")
    return {"none": None, "revoked": revoked, "expired": expired, "guessed": guessed, "half": half}


@pytest.mark.parametrize("dialect", NEEDED)
async def test_every_route_lets_in_the_keys_of_its_scope_and_nobody_else(
    dialect: str, served: Served
) -> None:
    keys = {scope: await make_key(served.house, "--scope", scope) for scope in ALLOWED}
    bad = await bad_keys(served)
    async with httpx.AsyncClient(base_url=f"{served.url}/{dialect}", timeout=30) as client:
        routes = needed(NEEDED[dialect])
        assert set(told((await client.get("/openapi.json")).json())) == set(routes)
        if dialect == "resend":
            routes |= needed(UNTOLD)

        async def answered(method: str, path: str, key: str | None) -> str | None:
            json = None if method in ("GET", "DELETE") else {}
            headers = login(dialect, key)
            answer = await client.request(method, filled(path), json=json, headers=headers)
            assert answer.status_code < 500, answer.text
            return refusal(dialect, answer)

        for (method, path), scope in routes.items():
            let_in = {name for name, key in keys.items() if not await answered(method, path, key)}
            allowed = {name for name, reach in ALLOWED.items() if scope in reach}
            assert let_in == allowed, f"{method} {path}"
            for why, key in bad.items():
                named = await answered(method, path, key)
                assert named not in (None, "restricted_api_key", "forbidden"), (why, method, path)
    assert await served.house.count("contacts") == 0
