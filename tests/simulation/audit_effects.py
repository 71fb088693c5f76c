"""Judges what went out: once for each send step that ran, and under one key for ever."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from state.contact import contact_uuid
from tests.simulation.audit_runs import runs_of, steps_of
from tests.simulation.evidence import Case
from tests.simulation.facts import AutomationFact, Person

Letter = tuple[str, str]


def check(case: Case) -> Iterator[str]:
    yield from _keys(case)
    sent = Counter(_letter(each.message) for each in case.evidence.sent.sent.values())
    yield from (f"[7] {letter} went out {n} times" for letter, n in sent.items() if n > 1)
    wanted, open_letters = _asked_for(case)
    for letter in wanted:
        if not sent[letter]:
            yield f"[7] {letter} never went out"
    for letter in sent:
        if letter not in wanted and letter not in open_letters:
            yield f"[7] {letter} was asked for by no step"
    messages = case.evidence.tables.messages.values()
    if len({(each.effect.run_id, each.effect.step_key) for each in messages}) != len(messages):
        yield "[6] a step has two messages"


def _letter(message: Any) -> Letter:
    return str(message["to"]), str(message.get("subject") or message.get("title"))


def _keys(case: Case) -> Iterator[str]:
    """[6] Every attempt of one message has the same key, and no two messages share one."""
    keys: dict[object, set[str]] = defaultdict(set)
    messages: dict[str, set[object]] = defaultdict(set)
    for _, key, effect_id in case.evidence.sent.attempts:
        keys[effect_id].add(key)
        messages[key].add(effect_id)
    case.evidence.seen["attempts"] += len(case.evidence.sent.attempts)
    if any(len(each) > 1 for each in keys.values()):
        yield "[6] a message was tried under two keys"
    if any(len(each) > 1 for each in messages.values()):
        yield "[6] two messages have one key"


def _asked_for(case: Case) -> tuple[set[Letter], set[Letter]]:
    """Return what must have gone out, and what may have: unknown."""
    wanted: set[Letter] = set()
    maybe: set[Letter] = set()
    for automation, trigger, run in runs_of(case):
        for step in steps_of(run):
            if step["key"] not in automation.sends:
                continue
            if step["status"] == "failed":  # it must not have gone out: else it is unknown (F3)
                case.evidence.seen["effect_failed"] += 1
                continue
            letter = _expected(automation, step["key"], trigger.fact.person, run)
            output = step["output"] or {}
            is_certain = step["status"] == "completed" and not output.get("unknown")
            (wanted if is_certain else maybe).add(letter)
            case.evidence.seen["effect_unknown"] += bool(output.get("unknown"))
        if run.reason == "exited_rule":  # a send may have been under way when the run ended
            maybe |= {
                _expected(automation, key, trigger.fact.person, run) for key in automation.sends
            }
    return wanted, maybe


def _expected(automation: AutomationFact, key: str, person: Person, run: Any) -> Letter:
    channel, title = automation.sends[key]
    to = (
        person.identifiers.get("email", "")
        if channel == "email"
        else str(contact_uuid(run.contact_id))
    )
    return to, title.format(run.trigger.payload[automation.names_by])
