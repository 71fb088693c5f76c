"""What an event does: identity, contact change, exits, open waits, starts, in this order (D2)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from handlers.admit import admit, remember_entry
from handlers.advance import begin
from handlers.after_merge import follow_merges
from handlers.dedupe import is_dropped, is_past_memory, set_aside
from handlers.deletion import apply_deletion, is_deletion, is_dropped_as_erased
from handlers.exits import StoredExit, early_exit, exit_runs
from handlers.guard import Guard
from handlers.identify import Identity, identify
from handlers.match import apply_hit, match_waits, note_late_arrivals
from handlers.profile import apply_contact_event
from handlers.receipt import add_receipt
from handlers.sighting import Sighting
from handlers.suppression import note_suppression
from handlers.world import Findings, World
from state.automation import Automation
from state.event import Event
from state.evidence import Finding
from state.history import exit_entry
from state.run import Resolved, Run, Trigger, run_id_of
from state.turn import EventRecord, Seen, StoredEvent

#: Where the payload of an event about a message names that message.
_MESSAGE_KEYS = ("email_id", "push_id", "message_id")


def apply_event(world: World, event: Event) -> None:
    """Apply one event, of interest or not (rule E7)."""
    is_of_interest = event.name in world.catalogue.interest_since
    v, is_skewed = event.verdict_time(world.now)
    sighting = Sighting(world, event, v)
    if is_dropped_as_erased(sighting) or (is_of_interest and is_dropped(world, event)):
        return
    if world.snapshot.was_applied(event.coordinates) and (
        not is_of_interest or is_past_memory(world, v)
    ):
        # It is not stored, or no longer (O5); what it linked then may have been released since, by
        # who came later.
        world.changes.tally["redelivered"] += 1
        return
    if is_deletion(event):
        apply_deletion(sighting)
        return
    is_somebody = is_of_interest or event.is_contact_event
    identity = identify(sighting, creates=is_somebody)
    note_suppression(world, event, None if identity is None else identity.contact_id)
    if identity is None:
        if is_somebody:
            detail = "contact_id: names no contact, and there is no other identifier"
            set_aside(world, event, "no_usable_identifier", detail)
        return
    if event.is_contact_event:
        apply_contact_event(sighting, identity.contact_id)
    follow_merges(sighting)
    if is_of_interest:
        stored = _stored(world, event, identity, v)
        findings = sighting.findings
        _set_in_motion(world, stored, identity.resolved, findings)
        record = EventRecord(
            event, identity.contact_id, v, is_skewed, identity.resolved, tuple(findings)
        )
        _keep(world, stored, record)


def _set_in_motion(
    world: World, event: StoredEvent, resolved: Resolved, findings: Findings
) -> None:
    exit_runs(world, event, findings)
    for hit in match_waits(world, event, findings):
        with Guard(world, hit.run):
            apply_hit(world, hit, findings)
    note_late_arrivals(world, event, findings)
    for automation in world.catalogue.starts.get(event.name, ()):
        _start(world, automation, event, resolved, findings)


def _start(
    world: World,
    automation: Automation,
    event: StoredEvent,
    resolved: Resolved,
    findings: Findings,
) -> None:
    """Start a run of this automation, or record why not (rules S1, S2)."""
    admission = admit(world, automation, event)
    automation_id = automation.automation_id
    if admission.verdict != "started":
        findings.append(
            Finding("automation", admission.verdict, automation_id, values=admission.values)
        )
        return
    run = Run(
        run_id=run_id_of(automation_id, event.key),
        contact_id=event.contact_id,
        automation_id=automation_id,
        version=automation.current.number,
        trigger=_trigger(event),
        resolved=resolved,
        created_at=world.now,
        started_at=world.now,
        updated_at=world.now,
        business_key=admission.business_key,
    )
    early = early_exit(world, run)
    if early is not None:
        _end_before_start(world, run, early, findings)
        return
    reason = "held" if world.is_paused(run) else None
    findings.append(Finding("automation", "started", automation_id, run.run_id, reason=reason))
    remember_entry(world, automation, event)
    with Guard(world, run):
        world.put_run(begin(world, run))


def _end_before_start(world: World, run: Run, early: StoredExit, findings: Findings) -> None:
    """Record a run that an event before its trigger had ended: it executes nothing (rule S3).

    It does not count as an entry: `once` and `after` keep people from getting the same thing twice,
    and this run gave its contact nothing (rule S2: every run *entered* counts).
    """
    cause = early.event
    finding = Finding(
        "automation",
        "exited_before_start",
        run.automation_id,
        run.run_id,
        reason=f"{cause.name} {cause.id} at {cause.coordinates}",
        values=early.values,
    )
    findings.append(finding)
    world.put_run(run.noting(exit_entry(cause)).end("exited_before_start", world.now))


def _trigger(event: StoredEvent) -> Trigger:
    return Trigger(
        key=event.key,
        id=event.id,
        name=event.name,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        coordinates=event.coordinates,
        payload=event.payload,
        v=event.v,
        hops=event.hops,
        caused_by=event.caused_by,
    )


def _stored(world: World, event: Event, identity: Identity, v: datetime) -> StoredEvent:
    return StoredEvent(
        key=event.key,
        contact_id=identity.contact_id,
        name=event.name,
        v=v,
        id=event.id,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_by(world.now),
        coordinates=event.coordinates,
        payload=event.payload,
        hops=event.hops,
        caused_by=event.caused_by,
    )


def _keep(world: World, stored: StoredEvent, record: EventRecord) -> None:
    """Store the event with its evidence, for look-back, dedupe, receipts and `explain`."""
    event = record.event
    world.seen[event.key] = Seen(event.body_hash, event.coordinates, event.id)
    world.keep_event(stored)
    world.changes.events.append(record)
    add_receipt(world, stored, record.findings)
    for key in _MESSAGE_KEYS:
        named = stored.payload.get(key)
        if isinstance(named, str) and (message_id := _as_uuid(named)):
            # The message may have been sent to whom this person was merged from (rule I3).
            for number in world.people.members(stored.contact_id):
                world.changes.message_events.append((message_id, number, stored.name))


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
