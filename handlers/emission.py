"""The events that steps cause, on their way to the input topics (rule S6)."""

from __future__ import annotations

from uuid import UUID

from handlers.decision import Emission
from handlers.world import World
from state.contact import contact_uuid
from state.event import CONTACT_EVENTS
from state.ids import name_uuid
from state.moment import moment_text
from state.run import Run
from state.turn import Emitted

#: The namespace of the ids of emitted events. Never change it: the id is what they are deduplicated
#: by, however often the outbox publishes them (rule E4).
EMISSION_NAMESPACE = UUID("d7a0a5b6-6a1f-5f0e-8c2c-1f4f3b9a7e52")


def emit(world: World, run: Run, step_key: str, emission: Emission) -> None:
    """Publish an event with the run's own turn: what caused it, and one hop more than that had.

    It happened now, so what it says of the contact ties with what the step wrote, and changes
    nothing again (rule I6). It names the contact by its id only: an address may change hands.
    """
    key = run.effect_key(step_key)
    document = {
        "id": f"evt_{name_uuid(EMISSION_NAMESPACE, key).hex}",
        "event": emission.event,
        "occurred_at": moment_text(world.now),
        "contact_id": str(contact_uuid(run.contact_id)),
        "payload": emission.payload,
        "caused_by": {
            "run_id": str(run.run_id),
            "step_key": step_key,
            "automation_id": str(run.automation_id),
        },
        "hops": run.trigger.hops + 1,
    }
    is_contact_event = emission.event in CONTACT_EVENTS
    world.changes.emitted.append(Emitted("contacts" if is_contact_event else "events", document))
