"""How values that SQL does not look into are written: JSON in, JSON out, and back to our types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic_core import PydanticSerializationError, from_json, to_json

from state.contact import Profile, Stamp
from state.event import Coordinates
from state.pausing import Freeze, Pausing
from state.postgres.session import Record
from state.run import (
    ArmMet,
    Failure,
    HeldStart,
    KeptAnswer,
    LateMatch,
    Parked,
    Resolved,
    Run,
    Sending,
    Sleeping,
    Trigger,
    Waiting,
)
from state.turn import Refused


def json_text(value: object) -> str:
    """Return a value as JSON, instants as RFC 3339 with microseconds, UUIDs as text.

    Raises:
        Refused: it holds what JSON cannot, such as half a character.
    """
    try:
        return to_json(value).decode()
    except PydanticSerializationError as error:
        raise Refused("22P02", str(error)) from None


def optional_json(value: object) -> str | None:
    """Return a value as JSON, and what is empty or absent as NULL."""
    return json_text(value) if value else None


def parsed(text: str | None) -> Any:
    """Return what JSON text says; None stays None."""
    return None if text is None else from_json(text)


def columns_of(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Return rows turned into columns, as `unnest` takes them."""
    return [list(column) for column in zip(*rows, strict=True)]


def instant(text: str) -> datetime:
    """Return the instant that `json_text` wrote."""
    return datetime.fromisoformat(text)


# --- contacts -------------------------------------------------------------------------------------


def profile_text(profile: Profile) -> str | None:
    """Return a profile as its column holds it: NULL while nothing is known."""
    return None if profile == Profile() else json_text(profile_document(profile))


def profile_document(profile: Profile) -> dict[str, object]:
    """Return a profile as it is stored."""
    return {
        "fields": profile.fields,
        "properties": profile.properties,
        "topics": profile.topics,
        "segments": profile.segments,
        "stamps": profile.stamps,
    }


def read_profile(text: str | None) -> Profile:
    """Return the profile that a column holds."""
    return Profile() if text is None else profile_in(from_json(text))


def profile_in(read: Mapping[str, Any]) -> Profile:
    """Return the profile that `profile_document` wrote."""
    stamps = {name: Stamp(instant(at), by) for name, (at, by) in read["stamps"].items()}
    segments = read.get("segments", {})  # profiles of the first schema have none
    return Profile(read["fields"], read["properties"], read["topics"], stamps, segments)


# --- automations ----------------------------------------------------------------------------------


def read_pausing(row: Record) -> Pausing:
    """Return how the automation of a row is paused."""
    spans = parsed(row["freezes"])
    freezes = tuple(Freeze(instant(since), instant(until)) for since, until in spans)
    return Pausing(row["pause"], row["paused_at"], freezes)


# --- runs -----------------------------------------------------------------------------------------


def trigger_document(trigger: Trigger) -> dict[str, object]:
    """Return a trigger as it is stored; most are caused by no run, and say nothing of it."""
    is_caused = trigger.hops or trigger.caused_by
    caused = {"hops": trigger.hops, "caused_by": trigger.caused_by} if is_caused else {}
    return {
        "key": trigger.key,
        "id": trigger.id,
        "name": trigger.name,
        "occurred_at": trigger.occurred_at,
        "recorded_at": trigger.recorded_at,
        "v": trigger.v,
        "coordinates": trigger.coordinates,
        "payload": trigger.payload,
        **caused,
    }


def read_trigger(read: Mapping[str, Any]) -> Trigger:
    """Return the trigger that was stored."""
    return Trigger(
        key=UUID(read["key"]),
        id=read["id"],
        name=read["name"],
        occurred_at=instant(read["occurred_at"]),
        recorded_at=instant(read["recorded_at"]),
        v=instant(read["v"]),
        coordinates=Coordinates(*read["coordinates"]),
        payload=read["payload"],
        hops=read.get("hops", 0),
        caused_by=read.get("caused_by"),
    )


def history_text(run: Run) -> str:
    """Return a run's history with this turn's entries: JSON objects joined by commas."""
    entries = [run.past] if run.past else []
    entries += [json_text(entry) for entry in run.fresh]
    return ",".join(entries)


def core_document(run: Run) -> dict[str, object]:
    """Return what a run carries that SQL never asks for."""
    return {
        "resolved": run.resolved,
        "updated_at": run.updated_at,
        "occurrence": run.occurrence,
        "business_key": run.business_key,
        "outputs": run.outputs,
        "wait_events": run.wait_events,
        "used": sorted(run.used),
        "steps_done": run.steps_done,
        **({"retry": run.retry, "retried_from": run.retried_from} if run.retry else {}),
    }


def read_core(read: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of Run that `core_document` wrote."""
    return {
        "resolved": Resolved(*read["resolved"]),
        "updated_at": instant(read["updated_at"]),
        "occurrence": read["occurrence"],
        "business_key": read["business_key"],
        "outputs": read["outputs"],
        "wait_events": read["wait_events"],
        "used": frozenset(map(UUID, read["used"])),
        "steps_done": read["steps_done"],
        "retry": read.get("retry", 0),
        "retried_from": UUID(read["retried_from"]) if "retried_from" in read else None,
    }


def failure_document(failure: Failure | None) -> dict[str, object] | None:
    """Return a failure as it is stored."""
    return None if failure is None else failure.document()


def read_failure(read: Mapping[str, Any] | None) -> Failure | None:
    """Return the failure that was stored."""
    return None if read is None else Failure(**read)


_MICROSECOND = timedelta(microseconds=1)


def _pause_document(parked: Parked) -> dict[str, object]:
    """Return what a pause has left on a parked run: nothing on almost every one (rule T3)."""
    document: dict[str, object] = {}
    if isinstance(parked, Waiting) and parked.kept_at is not None:
        document["kept_at"] = parked.kept_at
    if isinstance(parked, Sending) and parked.kept is not None:
        document["kept"] = parked.kept._asdict()
    if isinstance(parked, Waiting | Sleeping) and parked.frozen:
        document["frozen"] = parked.frozen // _MICROSECOND
    return document


def parked_document(parked: Parked) -> dict[str, object]:
    """Return what a parked run carries besides the columns due_at, deadline and the two holds."""
    common: dict[str, object] = {"entered_at": parked.entered_at, "input": parked.input}
    if parked.output:
        common["output"] = parked.output
    common |= _pause_document(parked)
    match parked:
        case Waiting():
            late = None if parked.late is None else parked.late._asdict()
            return common | {
                "floor": parked.floor,
                "is_truncated": parked.is_truncated,
                "late": late,
                **({"met": [_arm_document(one) for one in parked.met]} if parked.met else {}),
            }
        case Sleeping():
            return common | {"is_past_due": parked.is_past_due}
        case HeldStart():
            return common
        case Sending():
            return common | {"effect_id": parked.effect_id}


def read_parked(row: Record, read: Mapping[str, Any]) -> Parked:
    """Return what a run is parked for, from its row and the document beside it."""
    common: dict[str, Any] = {
        "step_key": row["step_key"],
        "entered_at": instant(read["entered_at"]),
        "input": read["input"],
        "output": read.get("output"),
    }
    timed = common | {"due_at": row["due_at"], "is_held": row["is_held"]}
    match row["activity"]:
        case "waiting":
            return _read_waiting(row, read, timed)
        case "delayed":
            return Sleeping(
                **timed,
                holds_for_lag=row["holds_for_lag"],
                is_past_due=read["is_past_due"],
                frozen=_read_frozen(read),
            )
        case "sending":
            kept = _read_answer(read.get("kept"))
            return Sending(**common, effect_id=UUID(read["effect_id"]), kept=kept)
        case "held":
            return HeldStart(**timed, holds_for_lag=row["holds_for_lag"])
        case other:
            raise AssertionError(f"no run is parked for {other!r}")


def _read_waiting(row: Record, read: Mapping[str, Any], timed: Mapping[str, Any]) -> Waiting:
    return Waiting(
        **timed,
        floor=instant(read["floor"]),
        deadline=row["deadline"],
        is_truncated=read["is_truncated"],
        late=None if read["late"] is None else LateMatch(**read["late"]),
        met=tuple(_read_arm(one) for one in read.get("met", ())),
        kept_at=_optional_instant(read.get("kept_at")),
        frozen=_read_frozen(read),
    )


def _read_frozen(read: Mapping[str, Any]) -> timedelta:
    """Return by how much freezes have moved the stored instants."""
    return timedelta(microseconds=read.get("frozen", 0))


def _read_answer(read: Mapping[str, Any] | None) -> KeptAnswer | None:
    """Return the answer that was kept for a send, if there is one."""
    return None if read is None else KeptAnswer(**{**read, "at": instant(read["at"])})


def _optional_instant(text: str | None) -> datetime | None:
    return None if text is None else instant(text)


def _arm_document(met: ArmMet) -> dict[str, object]:
    return {
        "place": met.place,
        "key": met.key,
        "id": met.id,
        "name": met.name,
        "occurred_at": met.occurred_at,
        "coordinates": met.coordinates,
        "payload": met.payload,
    }


def _read_arm(read: Mapping[str, Any]) -> ArmMet:
    return ArmMet(
        place=read["place"],
        key=UUID(read["key"]),
        id=read["id"],
        name=read["name"],
        occurred_at=instant(read["occurred_at"]),
        coordinates=Coordinates(*read["coordinates"]),
        payload=read["payload"],
    )
