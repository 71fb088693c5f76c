"""What an event did, said to whoever published it (interface.md, `waitline.receipts`)."""

from __future__ import annotations

from collections.abc import Sequence

from handlers.world import World
from state.contact import contact_uuid
from state.evidence import Finding
from state.moment import moment_text
from state.run import ArmMet, Run
from state.turn import StoredEvent

#: The verdicts that are deeds.
_DOING = frozenset({"started", "resumed", "exited", "exited_before_start"})


def add_receipt(world: World, event: StoredEvent, findings: Sequence[Finding]) -> None:
    """Add the receipt of an event that started, resumed or ended something, and of no other."""
    done = [finding for finding in findings if finding.verdict in _DOING]
    if done:
        touched = [world.touched_runs[one.run_id] for one in done if one.run_id is not None]
        ended = [run for run in touched if run.status != "running"]
        world.changes.receipts.append(_receipt(world, event, event.contact_id, done, ended))


def add_deferred_receipt(
    world: World, run: Run, step_key: str, event: StoredEvent | ArmMet, reason: str
) -> None:
    """Add the receipt of an event of an earlier turn that closes a wait only now.

    The wait was parked after it came (`look_back`, rule W2), or has kept it while its automation
    was paused (`kept`, rule T3). One that is paused now has closed nothing yet.
    """
    if not world.is_paused(run):
        done = Finding("wait", "resumed", run.automation_id, run.run_id, step_key, reason)
        world.changes.receipts.append(_receipt(world, event, run.contact_id, [done], []))


def add_deferred_exit(world: World, ended: Run, event: StoredEvent) -> None:
    """Add the receipt of an event of an earlier turn by which a run is ended only now (I3, S3)."""
    done = Finding("exit", "exited", ended.automation_id, ended.run_id, reason="look_back")
    world.changes.receipts.append(_receipt(world, event, ended.contact_id, [done], [ended]))


def _receipt(
    world: World,
    event: StoredEvent | ArmMet,
    contact_id: int,
    done: Sequence[Finding],
    ended: Sequence[Run],
) -> dict[str, object]:
    return {
        "event_id": event.id,
        "event": event.name,
        **event.coordinates._asdict(),
        "contact_id": str(contact_uuid(contact_id)),
        "processed_at": moment_text(world.now),
        "did": list(done),
        "ended": [
            {"run_id": str(run.run_id), "status": run.status, "reason": run.reason} for run in ended
        ],
    }
