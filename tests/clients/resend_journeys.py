"""Everything that can be asked of Resend's routes, and what a live server answered to it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

import httpx

from tests.waiting import until_so

NOBODY = str(UUID(int=7))
ANN, BEN, LEFT = "ann@example.com", "ben@example.com", "left@example.com"


class Said(NamedTuple):
    """What a route answered."""

    route: str
    status: int
    document: Any


class Asker:
    """Asks routes by their templates, and keeps every answer."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.said: list[Said] = []

    async def __call__(self, route: str, body: Any = None, **named: str) -> Any:
        """Ask a route, such as `GET /topics/{topic_id}`, with its parts in order; `query` too."""
        method, path = route.split(" ")
        query = named.pop("query", "")
        options = {} if body is None else {"json": body}
        answer = await self._client.request(method, path.format(**named) + query, **options)
        self.said.append(Said(route, answer.status_code, answer.json()))
        assert answer.is_success, (route, body, answer.text)
        return answer.json()

    def documents(self, route: str) -> list[Any]:
        return [one.document for one in self.said if one.route == route]


def _graph(name: str, event: str, *steps: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """Return an automation of steps in a row, each left by the branch its type is left by."""
    ways = {"wait_for_event": "timeout", "condition": "condition_met"}
    whole = [("start", "trigger", {"event_name": event}), *steps]
    return {
        "name": name,
        "status": "enabled",
        "steps": [{"key": key, "type": kind, "config": config} for key, kind, config in whole],
        "connections": [
            {"from": one[0], "to": other[0], "type": ways.get(one[1], "default")}
            for one, other in pairwise(whole)
        ],
    }


async def definitions(ask: Asker) -> None:
    """Make, read, change and delete whatever is defined."""
    for key, kind, fallback in (("plan", "string", "free"), ("seats", "number", None)):
        await ask(
            "POST /contact-properties", {"key": key, "type": kind, "fallback_value": fallback}
        )
        await ask("GET /contact-properties/{identifier}", identifier=key)
    await ask("GET /contact-properties")
    one = "{identifier}"
    await ask(f"PATCH /contact-properties/{one}", {"fallback_value": "pro"}, identifier="plan")
    await ask(f"DELETE /contact-properties/{one}", identifier="seats")
    for name, schema in (("bought", {"total": "number"}), ("seen", None)):
        await ask("POST /events", {"name": name, "schema": schema})
    await ask(f"PATCH /events/{one}", {"schema": {"total": "string"}}, identifier="bought")
    for name in ("bought", "seen"):
        await ask(f"GET /events/{one}", identifier=name)
    await ask("GET /events")
    await ask(f"DELETE /events/{one}", identifier="seen")
    for prefix in ("/segments", "/audiences"):
        made = await ask(f"POST {prefix}", {"name": f"Group {prefix}"})
        await ask(f"GET {prefix}/{{segment_id}}", segment_id=made["id"])
        await ask(f"PATCH {prefix}/{{segment_id}}", {"name": "Other"}, segment_id=made["id"])
        await ask(f"GET {prefix}")
        await ask(f"DELETE {prefix}/{{segment_id}}", segment_id=made["id"])
    for name, description in (("Offers", "Of the week"), ("News", None)):
        body = {"name": name, "default_subscription": "opt_in", "description": description}
        made = await ask("POST /topics", body)
        await ask("GET /topics/{topic_id}", topic_id=made["id"])
    await ask("PATCH /topics/{topic_id}", {"name": "Told"}, topic_id=made["id"])
    await ask("GET /topics")
    gone = await ask("POST /topics", {"name": "Gone", "default_subscription": "opt_out"})
    await ask("DELETE /topics/{topic_id}", topic_id=gone["id"])


async def templates(ask: Asker) -> str:
    """Draft, publish, copy and delete templates; return the id of one that can be sent."""
    whole = {
        "name": "Hello",
        "alias": "hello",
        "from": "shop@example.com",
        "subject": "Hello",
        "reply_to": ["help@example.com"],
        "html": "<p>Hello</p>",
        "text": "Hello",
        "variables": [{"key": "PLAN", "type": "string", "fallback_value": "free"}],
    }
    made = await ask("POST /templates", whole)
    bare = await ask("POST /templates", {"name": "Bare"})
    named = {"identifier": made["id"]}
    for one in (made, bare):
        await ask("GET /templates/{identifier}", identifier=one["id"])
    await ask("POST /templates/{identifier}/publish", **named)
    await ask("GET /templates/{identifier}", **named)
    await ask("GET /templates")
    await ask("PATCH /templates/{identifier}", {"name": "Hello!"}, **named)
    copy = await ask("POST /templates/{identifier}/duplicate", **named)
    await ask("DELETE /templates/{identifier}", identifier=copy["id"])
    return str(made["id"])


async def people(ask: Asker) -> None:
    """Make, read, change and delete contacts, in what they are grouped by."""
    group = (await ask("POST /segments", {"name": "Readers"}))["id"]
    topics = (await ask("GET /topics"))["data"]
    for prefix, email in (("/contacts", BEN), ("/audiences/{audience_id}/contacts", "cy@x.io")):
        said = {"email": email, "first_name": "Ben", "last_name": "Lee", "segments": [group]}
        said["properties"] = {"plan": "pro", "seats": 3}
        old = {"audience_id": group} if "audience" in prefix else {}
        await ask(f"POST {prefix}", said, **old)
        named = {"contact": email, **old}
        await ask(f"GET {prefix}/{{contact}}", **named)
        await ask(f"GET {prefix}", **old)
        await ask(f"PATCH {prefix}/{{contact}}", {"first_name": None, "last_name": None}, **named)
        await ask(f"GET {prefix}/{{contact}}", **named)
        await ask(f"GET {prefix}", **old)
    await ask("GET /contacts")
    await ask("POST /contacts", {"email": "dee@x.io", "first_name": "Dee", "last_name": "Ox"})
    await ask("POST /contacts/{contact}/segments/{segment_id}", contact=BEN, segment_id=group)
    await ask(
        "POST /contacts/{contact}/segments/{segment_id}", contact="dee@x.io", segment_id=group
    )
    await ask("GET /segments/{segment_id}/contacts", segment_id=group)
    await ask("GET /audiences/{audience_id}/contacts", audience_id=group)
    await ask("GET /contacts/{contact}/segments", contact=BEN)
    choice = [{"id": topics[0]["id"], "subscription": "opt_out"}]
    await ask("PATCH /contacts/{contact}/topics", choice, contact=BEN)
    await ask("GET /contacts/{contact}/topics", contact=BEN)
    await ask("DELETE /contacts/{contact}/segments/{segment_id}", contact=BEN, segment_id=group)
    await ask("DELETE /contacts/{contact}", contact=BEN)
    old_route = "DELETE /audiences/{audience_id}/contacts/{contact}"
    await ask(old_route, audience_id=group, contact="cy@x.io")


async def _made(ask: Asker, drawn: dict[str, Any]) -> str:
    made = await ask("POST /automations", drawn)
    await ask("GET /automations/{automation_id}", automation_id=made["id"])
    return str(made["id"])


async def _run(ask: Asker, automation_id: str, event: str, email: str, until: str) -> Any:
    """Start the automation's run of a contact, and read it once it, or its last step, is so."""
    sent = await ask("POST /events/send", {"event": event, "email": email, "payload": {"n": 1}})
    await ask("GET /events/explain/{event_id}", event_id=sent["id"])

    async def is_so() -> Any:
        listed = await ask("GET /automations/{automation_id}/runs", automation_id=automation_id)
        for item in listed["data"][:1]:
            route = "GET /automations/{automation_id}/runs/{run_id}"
            run = await ask(route, automation_id=automation_id, run_id=item["id"])
            return run if until in (run["status"], run["steps"][-1]["status"]) else None
        return None

    return await until_so(is_so, 40)


async def runs(ask: Asker, template_id: str, receipts: str) -> None:
    """Let runs of every kind happen: each type of step, and each way in which a run can end.

    `receipts` is an automation that sends a receipt, and a push of thanks to whoever opens it.
    """
    group = (await ask("POST /segments", {"name": "Runners"}))["id"]
    topic = (await ask("GET /topics"))["data"][0]["id"]
    mail = {"template": {"id": template_id}}
    steps = (
        ("mail", "send_email", mail),
        ("ask", "condition", {"field": "event.n", "operator": "eq", "value": 1}),
        ("note", "contact_update", {"first_name": "Ann"}),
        ("join", "add_to_segment", {"segment_id": group}),
        ("leave", "remove_from_segment", {"segment_id": group}),
        ("choose", "set_topic_subscription", {"topic_id": topic, "subscription": "opt_in"}),
        ("rest", "delay", {"duration": "1 second"}),
        ("late", "wait_for_event", {"event_name": "never", "timeout": "1 second"}),
    )
    whole = await _made(ask, _graph("Whole", "whole", *steps))
    run = await _run(ask, whole, "whole", ANN, "completed")
    await _email_of(ask, run)
    await _run(ask, receipts, "order.completed", ANN, "waiting")
    await ask("GET /automations/{automation_id}", automation_id=receipts)
    await _email_of(ask, await _run(ask, receipts, "email.opened", ANN, "completed"))
    await ask("POST /contacts", {"email": LEFT, "unsubscribed": True})
    plain = await _made(ask, _graph("Plain", "plain", ("mail", "send_email", mail)))
    skipped = await _run(ask, plain, "plain", LEFT, "completed")
    await _email_of(ask, skipped)
    arms = {"any_of": [{"event_name": "paid"}, {"event_name": "left"}]}
    held = await _made(ask, _graph("Held", "held", ("hold", "wait_for_event", arms)))
    waiting = await _run(ask, held, "held", ANN, "waiting")
    named = {"automation_id": held, "run_id": waiting["id"]}
    await ask("POST /automations/{automation_id}/runs/{run_id}/cancel", **named)
    await ask("GET /automations/{automation_id}/runs/{run_id}", **named)
    rule = {"field": "event.absent", "operator": "eq", "value": 1}
    broken = await _made(ask, _graph("Broken", "broken", ("ask", "condition", rule)))
    failed = await _run(ask, broken, "broken", ANN, "failed")
    named = {"automation_id": broken, "run_id": failed["id"]}
    await ask("POST /automations/{automation_id}/runs/{run_id}/retry", **named)
    ending = await _made(ask, _graph("Ending", "ending", ("end", "contact_delete", {})))
    await _run(ask, ending, "ending", "eve@example.com", "cancelled")
    await ask("POST /automations/{automation_id}/duplicate", automation_id=held)
    await ask("GET /automations")
    drawn = (await ask("GET /automations/{automation_id}", automation_id=held)) | {"name": "Again"}
    again = await ask("POST /automations", drawn)
    await ask("POST /automations/{automation_id}/stop", automation_id=again["id"])
    route = "PATCH /automations/{automation_id}"
    await ask(route, {"name": "Once more"}, automation_id=again["id"])
    await ask("DELETE /automations/{automation_id}", automation_id=again["id"])


async def _email_of(ask: Asker, run: Any) -> None:
    """Read the e-mails that a run sent, or did not send."""
    for step in run["steps"]:
        email_id = (step["output"] or {}).get("email_id")
        if email_id is not None:
            await ask("GET /emails/{email_id}", email_id=email_id)
