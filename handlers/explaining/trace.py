"""Comparisons as people read them, and comparisons judged again where they were not stored."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import asdict

from handlers.evaluate import Scope, evaluate
from handlers.waits import arms_of, unmet_arms
from state.automation import Version
from state.reading import EventRow
from state.rule import Rule
from state.run import Run

#: A comparison as a finding's document holds it.
Check = Mapping[str, Any]

_SHOWN_MAX = 80


class Trace(NamedTuple):
    """Whether a filter holds, and the comparisons that decided; none where there is no filter."""

    holds: bool
    checks: list[Check]


def trigger_trace(version: Version, event: EventRow, contact: Mapping[str, object]) -> Trace:
    """Judge a trigger's filter on what is stored (rule O3)."""
    scope = Scope(event=event.payload, trigger=event.payload, contact=contact)
    return _first_that_holds([version.trigger_filter], scope)


def wait_trace(
    version: Version,
    run: Run,
    step_key: str,
    event: EventRow,
    contact: Mapping[str, object],
    met: Collection[int] = (),
) -> Trace:
    """Judge a wait's filters on what is stored: the first arm that holds decides (rule O3).

    `met` are the places of arms that other events had met (rule W7).
    """
    scope = Scope(
        event=event.payload,
        trigger=run.trigger.payload,
        contact=contact,
        steps=run.outputs,
    )
    arms = unmet_arms(arms_of(version, step_key), met, event.name)
    return _first_that_holds([arm.filter for arm in arms], scope)


def exit_trace(version: Version, run: Run, event: EventRow, contact: Mapping[str, object]) -> Trace:
    """Judge a run's exit rules on what is stored: the first that holds decides (rules O3, S3)."""
    scope = Scope(event=event.payload, trigger=run.trigger.payload, contact=contact)
    exits = [rule for rule in version.exits if rule.event_name == event.name]
    return _first_that_holds([rule.filter for rule in exits], scope)


def _first_that_holds(filters: Iterable[Rule | None], scope: Scope) -> Trace:
    """Judge filters in their order up to the first that holds; an absent one always does."""
    checks: list[Check] = []
    for each in filters:
        if each is None:
            return Trace(True, checks)
        verdict = evaluate(each, scope)
        checks += _as_of_now(verdict.checks)
        if verdict.holds:
            return Trace(True, checks)
    return Trace(False, checks)


def check_text(check: Check) -> str:
    """Return one comparison in words: what was asked, and what stood there."""
    asked = f"{check['field']} {check['operator']}"
    if check["expected"] is not None:
        asked += f" {_shown(check['expected'])}"
    was = "was absent" if check["is_absent"] else f"was {_shown(check['actual'])}"
    now = " (as of now)" if check.get("as_of_now") else ""
    return f"{asked}: {was}{now}"


def approval_text(checks: Sequence[Check], otherwise: str) -> str:
    """Return what made a filter hold; `otherwise` where there was none."""
    held = "; ".join(check_text(check) for check in checks)
    return f"its filter held: {held}" if held else otherwise


def refusal_text(checks: Sequence[Check]) -> str:
    """Return what made a filter false: the comparisons that did not hold."""
    failed = [check_text(check) for check in checks if not check["holds"]]
    return "; ".join(failed) or "its filter did not hold"


def _as_of_now(checks: Iterable[Any]) -> list[Check]:
    """Mark what was read of the contact: it may have been another value at the time."""
    documents: list[dict[str, Any]] = [asdict(check) for check in checks]
    return [
        check | {"as_of_now": True} if check["field"].startswith("contact.") else check
        for check in documents
    ]


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
