"""Judges what went out: once for each send step that ran, under one key, to whom it may."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from state.contact import contact_uuid
from state.run import Run
from tests.simulation.audit_people import may_be_told
from tests.simulation.audit_runs import ENDED_FROM_OUTSIDE, runs_of, steps_of
from tests.simulation.evidence import Case, Happened
from tests.simulation.facts import AutomationFact
from tests.simulation.provider import Attempt


class Letter(NamedTuple):
    """A message that a run of an automation may send; its title names both, and the step."""

    automation: AutomationFact
    trigger: Happened
    run: Run
    step_key: str

    @property
    def title(self) -> str:
        _, title = self.automation.sends[self.step_key]
        return title.format(self.trigger.fact.payload[self.automation.names_by])


def check(case: Case) -> Iterator[str]:
    """Judge every message, and every attempt at one."""
    yield from _keys(case)
    letters = {letter.title: letter for letter in _letters(case)}
    yield from _sent(case, letters)
    yield from _attempts(case, letters)
    messages = case.evidence.tables.messages.values()
    if len({(each.effect.run_id, each.effect.step_key) for each in messages}) != len(messages):
        yield "[6] a step has two messages"
    case.evidence.seen["sent_after_cancel"] += sum(each.sent_after_cancel for each in messages)


def _letters(case: Case) -> Iterator[Letter]:
    for automation, trigger, run in runs_of(case):
        for step_key in automation.sends:
            yield Letter(automation, trigger, run, step_key)


def _title(message: Mapping[str, object]) -> str:
    return str(message.get("subject") or message.get("title"))


def _keys(case: Case) -> Iterator[str]:
    """[6] Every attempt of one message has the same key, and no two messages share one."""
    keys: dict[object, set[str]] = defaultdict(set)
    messages: dict[str, set[object]] = defaultdict(set)
    for attempt in case.evidence.sent.attempts:
        keys[attempt.effect_id].add(attempt.key)
        messages[attempt.key].add(attempt.effect_id)
    case.evidence.seen["attempts"] += len(case.evidence.sent.attempts)
    if any(len(each) > 1 for each in keys.values()):
        yield "[6] a message was tried under two keys"
    if any(len(each) > 1 for each in messages.values()):
        yield "[6] two messages have one key"


# --- what went out --------------------------------------------------------------------------------


def _sent(case: Case, letters: Mapping[str, Letter]) -> Iterator[str]:
    """[7] What must have gone out did, once, and nothing else; to whom its run is about."""
    sent = Counter(_title(each.message) for each in case.evidence.sent.sent.values())
    yield from (f"[7] {title} went out {n} times" for title, n in sent.items() if n > 1)
    wanted = {title: _is_wanted(case, letter) for title, letter in letters.items()}
    for title, is_wanted in wanted.items():
        if is_wanted and not sent[title]:
            yield f"[7] {title} never went out"
    for each in case.evidence.sent.sent.values():
        title = _title(each.message)
        if wanted.get(title, False) is False:
            yield f"[7] {title} was asked for by no step"
        elif not _is_addressed(case, letters[title], str(each.message["to"])):
            yield f"[7] {title} went to {each.message['to']}"


def _is_wanted(case: Case, letter: Letter) -> bool | None:
    """Tell whether a message must have gone out; None if it may have."""
    run = letter.run
    step = next((each for each in steps_of(run) if each["key"] == letter.step_key), None)
    if step is None:
        # Its send may have been under way when the run ended.
        return None if run.reason in ENDED_FROM_OUTSIDE else False
    if step["status"] == "failed":  # it must not have gone out: else it is unknown (F3)
        case.evidence.seen["effect_failed"] += 1
        return False
    output: Mapping[str, Any] = step["output"] or {}
    case.evidence.seen["effect_unknown"] += bool(output.get("unknown"))
    if step["status"] == "skipped" or output.get("unknown") or run.outputs == {}:
        return None  # of who was deleted nothing says whether it was unknown
    return True


def _is_addressed(case: Case, letter: Letter, to: str) -> bool:
    """Tell whether a message went to the person, by an address or by a number they have had."""
    if letter.automation.sends[letter.step_key][0] == "email":
        return to == letter.trigger.fact.person.identifiers.get("email")
    merged = case.evidence.tables.merged
    home = merged.get(letter.run.contact_id, letter.run.contact_id)
    numbers = {home, *(gone for gone, kept in merged.items() if kept == home)}
    return to in {str(contact_uuid(number)) for number in numbers}


# --- every attempt --------------------------------------------------------------------------------


def _attempts(case: Case, letters: Mapping[str, Letter]) -> Iterator[str]:
    """[7, 11] Nothing is tried that was claimed after its run had ended, or without consent."""
    messages = case.evidence.tables.messages
    landed = {commit.now: commit.at for commit in case.evidence.tables.commits}
    for attempt in case.evidence.sent.attempts:
        letter = letters[_title(messages[attempt.effect_id].effect.message)]
        claimed_at, run = _claimed_at(case, attempt), letter.run
        assert run.completed_at is not None
        if run.reason in ENDED_FROM_OUTSIDE and claimed_at > landed[run.completed_at]:
            yield f"[7] {letter.title} was tried though its run had ended: {run.reason}"
        if _is_marketing(letter) and not may_be_told(case, letter.trigger, claimed_at):
            yield f"[11] {letter.title} was tried though nobody wanted it"
    for message in messages.values():
        if message.answer.code == "unsubscribed":
            case.evidence.seen["unsubscribed"] += 1
            letter = letters[_title(message.effect.message)]
            claims = case.evidence.tables.claims[message.effect.effect_id]
            refused = [may_be_told(case, letter.trigger, each.at, surely=True) for each in claims]
            if all(refused) or not _is_marketing(letter):
                yield f"[11] {letter.title} was wanted, and skipped"


def _is_marketing(letter: Letter) -> bool:
    return letter.step_key not in letter.automation.transactional


def _claimed_at(case: Case, attempt: Attempt) -> datetime:
    """Return when the worker that made an attempt had claimed the message for it."""
    claims = case.evidence.tables.claims[attempt.effect_id]
    return max(
        each.at for each in claims if each.worker == attempt.worker and each.at <= attempt.at
    )
