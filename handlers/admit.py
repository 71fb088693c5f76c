"""Which automations an event starts a run in, and why others refuse it (rules S1, S2, S5)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from handlers.evaluate import ABSENT, Scope, evaluate, resolve
from handlers.reckoning import zone_for
from handlers.world import World
from state.automation import Automation
from state.event import HOPS_MAX
from state.evidence import Check
from state.moment import moment_text
from state.run import Run
from state.turn import Enrolment, StoredEvent

#: How many active runs one contact may have in one automation (rule S2).
ACTIVE_RUNS_MAX = 100


class Admission(NamedTuple):
    """Whether a run starts: `started`, or the reason of the refusal in the rules' own words."""

    verdict: str
    values: tuple[Check, ...] = ()
    business_key: str | None = None


def admit(world: World, automation: Automation, event: StoredEvent) -> Admission:
    """Judge whether this event starts a run of this automation (rules S1, S2, S4, S5, S6)."""
    admission = _judge(world, automation, event)
    if admission.verdict == "started" and event.hops > HOPS_MAX:
        return Admission("loop_limit")
    return admission


def _judge(world: World, automation: Automation, event: StoredEvent) -> Admission:
    version = automation.current
    if not automation.is_enabled or automation.enabled_at is None:
        return Admission("stopped")
    if event.v < automation.enabled_at:
        return Admission("before_enabled")
    if world.now - event.v > world.rules.trigger_age_max:
        return Admission("too_old")
    scope = Scope(
        event=event.payload,
        trigger=event.payload,
        contact=world.contact_scope(event.contact_id) if _reads_contact(automation) else {},
    )
    if version.trigger_filter is not None:
        verdict = evaluate(version.trigger_filter, scope)
        if not verdict.holds:
            return Admission("filter_false", verdict.checks)
    return _judge_reentry(world, automation, event, scope)


def remember_entry(world: World, automation: Automation, event: StoredEvent) -> None:
    """Keep what later triggers are judged by, for the policies that look past active runs (S2)."""
    if automation.current.reentry.policy in ("once", "after"):
        world.enrol(event.contact_id, automation.automation_id, event.v)


def _reads_contact(automation: Automation) -> bool:
    return (
        automation.current.trigger_filter is not None or automation.current.reentry.policy == "key"
    )


def _judge_reentry(
    world: World, automation: Automation, event: StoredEvent, scope: Scope
) -> Admission:
    """Judge by the runs this contact has, or had, in this automation, over all versions (S2).

    Under `after` a trigger older than the last entry's is refused however much older it is: only
    the newest entry is remembered, and another one may lie close to it.
    """
    reentry = automation.current.reentry
    active = [
        run
        for run in world.active_runs(event.contact_id).values()
        if run.automation_id == automation.automation_id
    ]
    match reentry.policy:
        case "once" if active or world.enrolment(event.contact_id, automation.automation_id):
            return Admission("once")
        case "one_active" if active:
            return Admission("one_active")
        case "after" if opens := _opens_later(world, automation, event):
            return Admission("reentry_too_soon", (_compared(event, opens),))
        case "key":
            return _judge_key(active, resolve(reentry.path, scope))
        case _:
            pass
    return Admission("capped") if len(active) >= ACTIVE_RUNS_MAX else Admission("started")


def _opens_later(world: World, automation: Automation, event: StoredEvent) -> datetime | None:
    """Return when the contact may enter again, if that is after this event (rule S2)."""
    last = world.enrolment(event.contact_id, automation.automation_id)
    if last is None:
        return None
    opens_at = _opens_at(world, automation, event, last)
    return opens_at if event.v < opens_at else None


def _opens_at(
    world: World, automation: Automation, event: StoredEvent, last: Enrolment
) -> datetime:
    """Return the instant from which `after:` lets the contact in again (rules S2, T1)."""
    version = automation.current
    span = version.reentry.span
    assert span is not None, "`after` has a span"
    if span.is_exact:
        return last.last_v + span.exact
    return span.add(last.last_v, zone_for(world.contact(event.contact_id), version).zone)


def _compared(event: StoredEvent, opens_at: datetime) -> Check:
    """Return the comparison that refuses an entry, so that `explain` can say when it is over."""
    return Check("V", "gte", moment_text(opens_at), moment_text(event.v), holds=False)


def _judge_key(active: list[Run], value: object) -> Admission:
    if value is ABSENT or value is None or isinstance(value, dict | list):
        return Admission("key_absent")
    key = _business_key(value)
    if any(run.business_key == key for run in active):
        return Admission("key_active")
    return Admission("capped") if len(active) >= ACTIVE_RUNS_MAX else Admission("started", (), key)


def _business_key(value: object) -> str:
    """Return a scalar as a business key: 1 and 1.0 are one key, "1" and true are others (S2)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{type(value).__name__}:{value}"
