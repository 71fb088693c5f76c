"""Whatever JSON is sent to whatever route: it is done or refused, and everything can still be read.

Bodies are whole ones with parts changed, left out or added at random, and any JSON at all.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest
from hypothesis import given, settings, strategies as st

from tests.clients.served import Served

WORDS = ["", "a", "\x00", "\ud800", "x" * 3000, "start", "trigger", "1 hour", "go", str(uuid4())]
NUMBERS = [0, -1, 1.5, 1e308, 10**400, 2**63, -(2**31) - 1]
LEAVES = st.sampled_from([None, True, False, *WORDS, *NUMBERS])
ODD = st.recursive(
    LEAVES,
    lambda parts: st.lists(parts, max_size=2) | st.dictionaries(st.sampled_from(WORDS), parts),
    max_leaves=4,
)

FILTERS = {"amount_gte": 1000, "plan": "pro", "code_exists": True}
THEIRS = {
    "trigger": {"event_name": "go", "filters": FILTERS},
    "steps": [
        {"key": "w", "type": "wait_for_event", "config": {"event_name": "b", "timeout_seconds": 9}},
        {"key": "c", "type": "condition", "config": {"filters": FILTERS}},
        {"key": "d", "type": "delay", "config": {"duration_seconds": 60}},
    ],
    "connections": [
        {"from": "trigger", "to": "w", "branch": "next"},
        {"from": "w", "to": "c", "branch": "received"},
        {"from": "c", "to": "d", "branch": "true"},
    ],
    "reentry": "once",
    "exit": [{"event": "b"}],
    "time_zone": "Europe/Berlin",
}
RULE = {"type": "and", "rules": [{"field": "event.a", "operator": "eq", "value": 1}]}
OURS: dict[str, Any] = {
    "steps": [
        {"key": "start", "type": "trigger", "config": {"event_name": "go", "filter_rule": RULE}},
        {"key": "w", "type": "wait_for_event", "config": {"event_name": "b", "timeout": "1 day"}},
        {"key": "c", "type": "condition", "config": RULE},
        {"key": "u", "type": "contact_update", "config": {"properties": {"a": {"var": "event.a"}}}},
        {"key": "d", "type": "delay", "config": {"duration": "1 hour"}},
    ],
    "connections": [
        {"from": "start", "to": "w", "type": "default"},
        {"from": "w", "to": "c", "type": "event_received"},
        {"from": "c", "to": "u", "type": "condition_met"},
        {"from": "u", "to": "d"},
    ],
}
PLAN = {
    "steps": OURS["steps"][1:],
    "connections": [{"from": "trigger", "to": "w"}, *OURS["connections"][1:]],
    "reentry": "one_active",
    "exit": [],
}
PLANNED = {
    "objective": "Get paid",
    "trigger_config": {"event_name": "go"},
    "timezone": "Europe/Berlin",
    "risk_profile": "low",
    "tool_allowlist": ["a"],
    "plan": PLAN,
}
VARIABLES = [{"key": "PLAN", "type": "string", "fallback_value": "x"}]
TEMPLATE = {"subject": "Hi", "html": "<p>{{{PLAN}}}</p>", "text": "Hi", "variables": VARIABLES}


class Route(NamedTuple):
    """A route that takes a body, and one that it takes; names in it are made new each time."""

    method: str
    path: str
    whole: dict[str, Any]


ROUTES = [
    Route("POST", "/automations", {"name": "N", "status": "enabled", **OURS}),
    Route("PATCH", "/automations/{automation}", {"name": "N", "status": "disabled", **OURS}),
    Route("POST", "/events", {"name": "n.n", "schema": {"a": "string", "b": "date"}}),
    Route("PATCH", "/events/go", {"schema": {"a": "number"}}),
    Route("POST", "/events/send", {"event": "go", "email": "a@b.co", "payload": {"a": 1}}),
    Route("POST", "/templates", {"name": "N", "alias": "n", "from": "a@b.co", **TEMPLATE}),
    Route("PATCH", "/templates/{template}", {"name": "N", **TEMPLATE}),
    Route("POST", "/segments", {"name": "N"}),
    Route("PATCH", "/segments/{segment}", {"name": "N"}),
    Route("POST", "/topics", {"name": "N", "default_subscription": "opt_in", "description": "d"}),
    Route("PATCH", "/topics/{topic}", {"name": "N", "visibility": "public"}),
    Route("POST", "/contact-properties", {"key": "n", "type": "string", "fallback_value": "f"}),
    Route("PATCH", "/contact-properties/{property}", {"fallback_value": "f"}),
    Route("POST", "/sendrealm/automations", {"name": "N", "definition": THEIRS}),
    Route(
        "PATCH",
        "/sendrealm/automations/{drawn}",
        {"name": "N", "description": "d", "definition": THEIRS, "editor_layout": {"a": 1}},
    ),
    Route(
        "POST",
        "/sendrealm/events",
        {
            "event": "go",
            "external_id": "c-1",
            "email": "a@b.co",
            "payload": {"a": 1},
            "occurred_at": "2026-11-28T00:00:00Z",
            "idempotency_key": "n",
        },
    ),
    Route("POST", "/revkeen/v2/automations", {"name": "N", **PLANNED}),
    Route(
        "POST", "/revkeen/v2/automations/{manual}/runs", {"trigger_payload": {"email": "a@b.co"}}
    ),
    Route("POST", f"/revkeen/v2/automations/approvals/{uuid4()}/reject", {"reason": "r"}),
]
CONTACT = {
    "email": "a@b.co",
    "first_name": "Ann",
    "unsubscribed": False,
    "properties": {"plan": "x"},
    "segments": [{"id": "{segment}"}],
    "topics": [{"id": "{topic}", "subscription": "opt_in"}],
}
#: Each that is done waits for a worker, so there are fewer of them.
CONTACT_ROUTES = [
    Route("POST", "/contacts", CONTACT),
    Route("PATCH", "/contacts/a@b.co", CONTACT),
    Route("PATCH", "/contacts/a@b.co/topics", {"topics": CONTACT["topics"]}),
]

LISTS = ("automations", "events", "templates", "segments", "topics", "contact-properties")


def places(part: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the parts of a document are, itself first."""
    yield place
    if isinstance(part, dict | list):
        for key, inner in part.items() if isinstance(part, dict) else enumerate(part):
            yield from places(inner, (*place, key))


@st.composite
def bodies(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    """Draw a body: a whole one of which parts are odd or gone, and one in a while anything."""
    body: Any = {"root": deepcopy(whole)}
    for _ in range(draw(st.integers(0, 3))):
        *way, last = ("root", *draw(st.sampled_from(list(places(body["root"])))))
        part = body
        for key in way:
            part = part[key]
        if draw(st.integers(0, 3)) or last == "root":
            part[last] = draw(ODD)
        else:
            del part[last]
    return body["root"]


class Driver:
    """Sends bodies to a server; what is named anew is so for the whole test."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.ids: dict[str, str] = {}
        self.done = 0

    def made(self, path: str, body: object) -> str:
        answer = self.client.post(path, json=body)
        assert answer.is_success, answer.text
        document = answer.json()
        return str(document.get("data", document)["id"])

    def set_out(self) -> None:
        """Make one of everything that routes name."""
        self.ids = {
            "automation": self.made("/automations", {"name": "One", **OURS}),
            "template": self.made("/templates", {"name": "One", "alias": "one", **TEMPLATE}),
            "segment": self.made("/segments", {"name": "One"}),
            "topic": self.made("/topics", {"name": "One", "default_subscription": "opt_in"}),
            "property": self.made("/contact-properties", {"key": "one", "type": "string"}),
            "drawn": self.made("/sendrealm/automations", {"name": "Two", "definition": THEIRS}),
            "manual": self.made("/revkeen/v2/automations", {"name": "Three", "objective": "o"}),
        }
        self.made("/events", {"name": "go", "schema": {"a": "number"}})

    def send(self, route: Route, body: Any) -> None:
        """Send a body and hear that it is done or refused."""
        if isinstance(body, dict):
            for key, old in (("name", "N"), ("name", "n.n"), ("alias", "n"), ("key", "n")):
                if body.get(key) == old:
                    body = {**body, key: f"{old}{self.done}"}
        text = json.dumps(body)
        path = route.path
        for name, one in self.ids.items():
            path, text = path.replace(f"{{{name}}}", one), text.replace(f"{{{name}}}", one)
        answer = self.client.request(route.method, path, content=text)
        self.done += answer.is_success
        said = (route.method, path, text[:2000], answer.status_code, answer.text)
        assert 200 <= answer.status_code < 500, said
        assert answer.headers["content-type"] == "application/json", said

    def read_all(self) -> None:
        """Read all that was made, each in every dialect that has it."""
        for name in LISTS:
            page = self.client.get(f"/{name}?limit=100").json()["data"]
            for one in page:
                assert self.client.get(f"/{name}/{one['id']}").is_success
            if name == "automations":
                for one in page:
                    for prefix in ("/sendrealm", "/revkeen/v2"):
                        assert self.client.get(f"{prefix}/automations/{one['id']}").is_success
        for path in ("/contacts", "/sendrealm/automations", "/revkeen/v2/automations"):
            assert self.client.get(path).is_success


def drive(served: Served, routes: list[Route], examples: int) -> None:
    headers = {
        "authorization": f"Bearer {served.key}",
        "x-api-key": served.key,
        "content-type": "application/json",
    }
    with httpx.Client(base_url=served.url, headers=headers, timeout=60) as client:
        driver = Driver(client)
        driver.set_out()
        for route in routes:
            before = driver.done
            driver.send(route, route.whole)
            assert driver.done > before or "approvals" in route.path, f"{route} is not whole"
            try_many(driver, route, examples)
        driver.read_all()


def try_many(driver: Driver, route: Route, examples: int) -> None:
    @settings(max_examples=examples, database=None)
    @given(bodies(route.whole))
    def sent(body: Any) -> None:
        driver.send(route, body)

    sent()


# The worker has its own use for the module in its thread, and hypothesis cannot tell whose it is.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.parametrize(
    ("routes", "examples"), [(ROUTES, 60), (CONTACT_ROUTES, 25)], ids=["definitions", "contacts"]
)
async def test_any_json_is_done_or_refused(
    served: Served, routes: list[Route], examples: int
) -> None:
    """E6: no body breaks the server, nor leaves anything behind that cannot be read."""
    await asyncio.to_thread(drive, served, routes, examples)
