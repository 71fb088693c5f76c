"""What an event did, said to whoever published it (interface.md, `waitline.receipts`)."""

from __future__ import annotations

from handlers.world import World
from state.contact import contact_uuid
from state.moment import moment_text
from state.turn import EventRecord


def receipt_of(world: World, record: EventRecord) -> dict[str, object] | None:
    """Return the receipt of an event that started, resumed or ended something, else None."""
    done = [finding for finding in record.findings if finding.verdict in _DOING]
    if not done:
        return None
    event = record.event
    ended = [world.touched_runs[finding.run_id] for finding in done if finding.run_id is not None]
    return {
        "event_id": event.id,
        "event": event.name,
        **event.coordinates._asdict(),
        "contact_id": str(contact_uuid(record.contact_id)),
        "processed_at": moment_text(world.now),
        "did": [finding.document() for finding in done],
        "ended": [
            {"run_id": str(run.run_id), "status": run.status, "reason": run.reason}
            for run in ended
            if run.status != "running"
        ],
    }


_DOING = frozenset({"started", "resumed", "exited"})
