"""Automation files as tests draw them, and what is wrong with those that cannot be published."""

from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest

from handlers.publishing.catalogue import compile_version
from handlers.publishing.publish import AutomationError, parse_automation
from state.automation import Version
from state.problem import Problem

EXAMPLE = Path(__file__).parents[1] / "deploy/examples/receipt-and-follow-up.yaml"
TRIGGER = {"key": "start", "type": "trigger", "config": {"event_name": "order.completed"}}
MAIL = {"subject": "Hi", "text": "Hello."}


def delay(key: str) -> dict[str, object]:
    return {"key": key, "type": "delay", "config": {"duration": "1 hour"}}


def wait(key: str, **config: object) -> dict[str, object]:
    return {"key": key, "type": "wait_for_event", "config": {"event_name": "a.b", **config}}


def email(key: str, template: str = "hello", **variables: object) -> dict[str, object]:
    config = {"template": {"id": template, "variables": variables}}
    return {"key": key, "type": "send_email", "config": config}


def way(start: str, end: str, *branch: str) -> dict[str, str]:
    return {"from": start, "to": end, **({"type": branch[0]} if branch else {})}


def line(*steps: object, **more: object) -> dict[str, object]:
    """Return an automation whose steps follow each other, a trigger first."""
    keys = ["start", *(step["key"] for step in steps)]
    ways = [way(*pair) for pair in pairwise(keys)]
    return deepcopy({"name": "A", "steps": [TRIGGER, *steps], "connections": ways, **more})


def problems(raw: object, **stored: object) -> tuple[Problem, ...]:
    with pytest.raises(AutomationError) as caught:
        parse_automation(raw, stored)
    return caught.value.problems


def problem(raw: object, **stored: object) -> Problem:
    found = problems(raw, **stored)
    assert len(found) == 1, found
    return found[0]


def compiled(raw: object) -> Version:
    draft = parse_automation(raw)
    return compile_version(UUID(int=1), draft.name, 1, draft.definition)
