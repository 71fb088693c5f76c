"""Manual runs: an event that one automation alone listens to, made of what the client sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from handlers.http.fault import Fault
from handlers.http.revkeen.automations import traits_of
from state.postgres.automations import AutomationRow
from state.reading import NameUse

#: By what a payload may name the contact, strongest first.
IDENTITIES = ("contact_id", "external_id", "email", "phone")

#: Below this key stands, in the event's payload, what was sent that is no object.
VALUE = "value"


class ManualRun(BaseModel):
    """The body of `POST /v2/automations/{id}/runs`."""

    trigger_payload: Any = None


def check_runnable(
    row: AutomationRow, definition: Mapping[str, Any], uses: Sequence[NameUse]
) -> str:
    """Return the event that starts a run of this automation, and of no other.

    Raises:
        Fault: it is not run by hand, or starts no runs, or another one listens to the same event.
    """
    traits = traits_of(definition)
    if traits.trigger_type != "manual":
        told = f"Its runs are started by the event `{traits.trigger_event}`: send that instead"
        raise Fault("not_possible", told)
    if not row.is_enabled:
        raise Fault("not_possible", "The automation is not active: it starts no runs")
    others = [
        use.automation_name
        for use in uses
        if use.name == traits.trigger_event and use.automation_id != row.automation_id
    ]
    if others:
        told = f"Its trigger would start runs of {', '.join(others)} too: give it one of its own"
        raise Fault("not_possible", told)
    return traits.trigger_event


def event_record(asked: ManualRun, trigger_event: str, event_id: str) -> dict[str, Any]:
    """Return the event that starts a manual run; one that names nobody is about someone new."""
    payload = _payload(asked.trigger_payload)
    identity = {kind: payload[kind] for kind in IDENTITIES if isinstance(payload.get(kind), str)}
    return {
        "id": event_id,
        "event": trigger_event,
        "payload": payload,
        **(identity or {"anonymous_id": event_id}),
    }


def sent_payload(payload: Mapping[str, Any]) -> Any:
    """Return what a client sent, of which the event of a manual run has this payload."""
    return payload[VALUE] if payload.keys() == {VALUE} else payload


def _payload(sent: object) -> Mapping[str, Any]:
    """Return the payload of an event, which is an object, so that what was sent can be told."""
    if sent is None:
        return {}
    return sent if isinstance(sent, Mapping) and sent.keys() != {VALUE} else {VALUE: sent}
