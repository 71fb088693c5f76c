"""The journey that is measured: trigger, a no-op, wait, the event, a no-op, done."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

#: The two events of a journey.
START, ANSWER = "signed.up", "opened"

#: How many journeys lie between a trigger and its answer in the topic.
APART = 5_000


class Load(NamedTuple):
    """Who makes journeys: `names` are the kinds of identifiers that each event carries."""

    names: Sequence[str] = ("email",)
    is_filtered: bool = False
    automations: int = 1


PLAIN = Load()
#: A second kind of identifier, three automations enabled, a filter on the wait.
RICH = Load(("external_id", "email"), is_filtered=True, automations=3)


def automation(name: str = "Journey", start: str = START, *, is_filtered: bool = False) -> Any:
    """Return the automation of the journey."""
    always = {"field": "trigger.n", "operator": "gte", "value": 0}
    wait: dict[str, object] = {"event_name": ANSWER, "timeout": "1 hour"}
    if is_filtered:
        same = {"field": "event.n", "operator": "eq", "value": {"var": "trigger.n"}}
        wait["filter_rule"] = same
    steps = [
        {"key": "start", "type": "trigger", "config": {"event_name": start}},
        {"key": "before", "type": "condition", "config": always},
        {"key": "opened", "type": "wait_for_event", "config": wait},
        {"key": "after", "type": "condition", "config": always},
    ]
    ways = [
        {"from": "start", "to": "before"},
        {"from": "before", "to": "opened", "type": "condition_met"},
        {"from": "opened", "to": "after", "type": "event_received"},
    ]
    return {"name": name, "steps": steps, "connections": ways}


def automations(load: Load) -> list[Any]:
    """Return the automations that are enabled; only the first is started."""
    others = [automation(f"Other {n}", f"other.{n}") for n in range(load.automations - 1)]
    return [automation(is_filtered=load.is_filtered), *others]


def records(load: Load, journeys: int, first: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Yield the key and the value of every record, in the order in which they are published."""
    last = first + journeys
    for n in range(first, last + APART):
        if n < last:
            yield record(load, START, n)
        if n >= first + APART:
            yield record(load, ANSWER, n - APART)


def record(load: Load, event: str, n: int) -> tuple[bytes, bytes]:
    """Return one record of person `n`."""
    named = {"email": f"person{n}@example.com", "external_id": f"customer-{n}"}
    said = {"id": f"{event}-{n}", "event": event, **{kind: named[kind] for kind in load.names}}
    return f"p{n}".encode(), json.dumps({**said, "payload": {"n": n}}).encode()
