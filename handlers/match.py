"""Which open waits an event resumes, and which closed ones it came too late for (W1, W5, W6)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from handlers.advance import note_arm, resume_by_event
from handlers.evaluate import Scope
from handlers.waits import Judgement, Match, arms_of, choose_arm, floor_for, judge, unmet_arms
from handlers.world import Findings, World
from state.evidence import Finding
from state.run import LateMatch, Run, Waiting
from state.turn import ClosedWait, LateFound, StoredEvent


def open_waits(world: World, contact_id: int, name: str) -> list[tuple[Run, Waiting]]:
    """Return a contact's open waits for a name, the longest parked first (rule D2)."""
    return [
        (run, run.parked)
        for run in runs_in_order(world.active_runs(contact_id).values())
        if isinstance(run.parked, Waiting) and _listens(world, run, run.parked, name)
    ]


def runs_in_order(runs: Collection[Run]) -> Collection[Run]:
    """Return runs in the order in which an event comes to them (rule D2)."""
    return sorted(runs, key=parked_order) if len(runs) > 1 else tuple(runs)


def parked_order(run: Run) -> tuple[object, ...]:
    """Return what runs are ordered by: since when they are parked, then by run id (rule D2).

    Those that one turn parked share its instant; between them their triggers' order decides, which
    is the order of their turns had the stream been cut otherwise (rule D1).
    """
    since = run.created_at if run.parked is None else run.parked.entered_at
    return (since, run.trigger.recorded_at, run.trigger.coordinates, run.run_id)


class Hit(NamedTuple):
    """A run whose open wait an event closes, or an arm of which it meets (`arm_met`)."""

    run: Run
    match: Match
    verdict: str


def match_waits(world: World, event: StoredEvent, findings: Findings) -> list[Hit]:
    """Return the runs whose waits this event closes or comes nearer to closing (D2, W6, W7)."""
    hits: list[Hit] = []
    waits = open_waits(world, event.contact_id, event.name)
    if not waits:
        return hits
    judged = [(run, waiting, judge(world, run, waiting, event)) for run, waiting in waits]
    chosen = _chosen(judged)
    for run, waiting, judgement in judged:
        if judgement.verdict == "used":
            continue
        if judgement.arm is not None and run.run_id in chosen:
            hits.append(Hit(run, Match(event, judgement.arm), judgement.verdict))
            continue
        if judgement.verdict == "after_deadline":
            _mark_late(world, run, waiting, event)
        verdict = "not_delivered" if judgement.arm is not None else judgement.verdict
        findings.append(_wait_finding(run, waiting.step_key, verdict, judgement))
    return hits


def apply_hit(world: World, hit: Hit, findings: Findings) -> None:
    """Resume one run by its event, or keep the arm that it met, and say so.

    A run that is paused keeps the event that closes its wait as well (rule T3).
    """
    run, match, verdict = hit
    assert run.parked is not None, "a hit names an open wait"
    said = "kept" if verdict == "resumed" and world.is_paused(run) else verdict
    findings.append(Finding("wait", said, run.automation_id, run.run_id, run.parked.step_key))
    is_closed = verdict == "resumed"
    world.put_run((resume_by_event if is_closed else note_arm)(world, run, match))


def note_late_arrivals(world: World, event: StoredEvent, findings: Findings) -> None:
    """Show the event on waits that timed out within 24 h: it never reopens them (rule W5)."""
    closed = world.closed_waits(event.contact_id)
    for wait in list(closed):
        if not _would_have_matched(world, wait, event):
            continue
        late = late_match_of(event, wait.deadline, world.now)
        closed.remove(wait)
        world.changes.late.append(LateFound(wait.contact_id, wait.run_id, wait.step_key, late))
        findings.append(
            Finding("wait", late.verdict, wait.automation_id, wait.run_id, wait.step_key)
        )


def late_match_of(event: StoredEvent, deadline: datetime, now: datetime) -> LateMatch:
    """Return how late an event is: it happened, or arrived, after the deadline (rule W5)."""
    if event.v > deadline:
        return LateMatch(event.id, "after_deadline", (event.v - deadline).total_seconds())
    return LateMatch(event.id, "late_arrival", (now - deadline).total_seconds())


def _listens(world: World, run: Run, waiting: Waiting, name: str) -> bool:
    arms = arms_of(world.version_of(run), waiting.step_key)
    return any(arm.event_name == name for arm in arms)


def _chosen(judged: list[tuple[Run, Waiting, Judgement]]) -> set[UUID]:
    """Return the runs that get the event: all that match, or the oldest or newest per step (W6).

    The waits of all versions of one automation stand in one line. Where its versions say different
    things, those that say the same choose among themselves: so somebody gets every event that a
    wait is open for. A wait that is opened later looks back for itself: it stood in no line.
    """
    lines: dict[tuple[UUID, str, str], list[UUID]] = {}
    for run, waiting, judgement in judged:
        if judgement.arm is not None:
            line = (run.automation_id, waiting.step_key, judgement.arm.deliver)
            lines.setdefault(line, []).append(run.run_id)
    picks = {"all": slice(None), "oldest": slice(1), "newest": slice(-1, None)}
    return {run_id for line, ids in lines.items() for run_id in ids[picks[line[2]]]}


def _mark_late(world: World, run: Run, waiting: Waiting, event: StoredEvent) -> None:
    """Show on an open wait the first event that happened after its deadline (rule W5)."""
    if waiting.late is None and waiting.deadline is not None:
        late = late_match_of(event, waiting.deadline, world.now)
        world.put_run(replace(run, parked=replace(waiting, late=late)))


def _would_have_matched(world: World, wait: ClosedWait, event: StoredEvent) -> bool:
    version = world.catalogue.versions.get((wait.automation_id, wait.version))
    if version is None or event.key in wait.used or event.v < floor_for(world, wait, event.name):
        return False
    arms = unmet_arms(arms_of(version, wait.step_key), wait.met, event.name)
    scope = Scope(
        event=event.payload,
        trigger=wait.trigger_payload,
        contact=world.contact_scope(event.contact_id),
        steps=wait.outputs,
    )
    return choose_arm(arms, lambda: scope).arm is not None


def _wait_finding(run: Run, step_key: str, verdict: str, judgement: Judgement) -> Finding:
    return Finding(
        "wait",
        verdict,
        run.automation_id,
        run.run_id,
        step_key,
        values=judgement.values if verdict == "filter_false" else (),
    )
