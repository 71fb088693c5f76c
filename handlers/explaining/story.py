"""An event's story in plain words: what became of it, why, and what to do next (rule O3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

from msgspec import Struct

from handlers.explaining.considered import Considered
from handlers.suppression import REASONS
from state.event import Coordinates, Rejected
from state.moment import moment_text
from state.reading import Found, Traces

Entry = Mapping[str, Any]


class Story(Struct, frozen=True):
    """What the words are made from; `name` is the event's, where it is known."""

    verdict: str
    asked: str
    at: Coordinates | None
    name: str | None
    considered: Considered
    traces: Traces
    found: Found | None
    interest_since: datetime | None
    names: Sequence[str]
    interests: Sequence[str]
    searched: Sequence[str]


#: How each deed is told, and how many of them.
_DEEDS = {
    "exited": 'ended a run of "{automation}" by its exit rule',
    "resumed": 'resumed the wait "{step}" of "{automation}"',
    "kept": 'was kept for the wait "{step}" of "{automation}": {reason}',
    "started": 'started a run of "{automation}"',
    "exited_before_start": 'began a run of "{automation}" that an earlier event had ended',
    "arm_met": 'met an arm of the wait "{step}" of "{automation}"',
}
_DEEDS_TOLD = 5


class Told(NamedTuple):
    """The verdict in a sentence with its why, and what to do next, if anything."""

    reason: str
    advice: str | None


def tell(story: Story) -> Told:
    """Return the story in words."""
    telling = _TELLINGS.get(story.verdict)
    return _refused(story) if telling is None else telling(story)


def did_you_mean(name: str, interests: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return names like this one: those that automations use first, then those seen."""
    used = get_close_matches(name, [one for one in interests if one != name], n=3)
    seen = [one for one in names if one != name and one not in used]
    return [*used, *get_close_matches(name, seen, n=3)][:3]


def _did(story: Story) -> Told:
    """Tell what the event did, all of it."""
    runs = [entry["run_id"] for entry in _deeds(story.considered)]
    return Told(f"The event {_deeds_text(story)}.", f"see it: waitline runs show {runs[0]}")


def _deeds(considered: Considered) -> list[Entry]:
    return [one for one in considered.all() if one["verdict"] in _DEEDS]


def _deeds_text(story: Story) -> str:
    """Return what the event did, each thing by its name; what is beyond some is counted."""
    deeds = [
        _DEEDS[one["verdict"]].format(
            automation=one["automation"], step=one.get("step_key"), reason=one["reason"]
        )
        for one in _deeds(story.considered)
    ]
    more = len(deeds) - _DEEDS_TOLD
    return ", ".join(deeds[:_DEEDS_TOLD]) + (f" and did {more} things more" if more > 0 else "")


def _also(story: Story) -> str:
    """Return what the event that counted did, to be told beside what became of a later record."""
    return f" That event {_deeds_text(story)}." if _deeds(story.considered) else ""


def _refused(story: Story) -> Told:
    """Tell the most telling refusal."""
    found = story.considered
    entry = next(one for one in found.all() if one["verdict"] == story.verdict)
    step = entry.get("step_key")
    where = (
        f'wait "{step}" of automation "{entry["automation"]}"'
        if step
        else (f'automation "{entry["automation"]}"')
    )
    return Told(
        f"The event was read and did nothing: {where} refused it ({story.verdict}): "
        f"{entry['reason']}.",
        _ADVICE.get(story.verdict),
    )


def _quarantined(story: Story) -> Told:
    if not story.traces.quarantined:
        decoded = None if story.found is None else story.found.decoded
        detail = decoded.detail if isinstance(decoded, Rejected) else "it cannot be understood"
        return Told(f"The record cannot be understood: {detail}.", "mend the producer")
    row = story.traces.quarantined[0]
    conflict = f" The event that counted stands at {row.winner}." if row.winner else ""
    return Told(
        f"The record at {row.coordinates} was set aside ({row.reason}): {row.detail}. It did "
        f"nothing; fingerprint {row.fingerprint}.{conflict}{_also(story)}",
        f"see its bytes: waitline dead-letters show {row.coordinates}; {_mend(row.reason)}",
    )


def _mend(reason: str) -> str:
    if reason == "unsupported_event":
        return "the record is right; this version does not know the event, a later one will"
    return "mend the producer and publish it again under a new id"


def _duplicate(story: Story) -> Told:
    row = story.traces.duplicates[0]
    return Told(
        f"The record at {row.coordinates} was dropped as a duplicate: the same event, with the "
        f"same id and body, had been stored from {row.winner}.{_also(story)}",
        f"nothing is lost; what the event did: waitline explain {row.winner}",
    )


def _not_processed(story: Story) -> Told:
    found = story.found
    assert found is not None
    assert story.at is not None
    position, offset = found.position, story.at.offset
    if position is None or position.next_offset is None:
        why = f"no worker has read {story.at.topic}/{story.at.partition} yet"
    else:
        ahead = offset - position.next_offset
        why = f"{ahead} records of its partition come before it" if ahead else "it comes next"
    owner = None if position is None else position.owner
    advice = "start one: waitline run" if owner is None else "watch it come nearer: waitline lag"
    return Told(f"The event is in Kafka at {story.at} and was not processed yet: {why}.", advice)


def _unclaimed(story: Story) -> Told:
    since = story.interest_since
    if since is not None:
        return Told(
            f'The event was read, but no automation used the name "{story.name}" at that time; '
            f"it is of interest since {moment_text(since)}, and what came before is not stored.",
            "publish it again under a new id if it should count now",
        )
    near = did_you_mean(story.name or "", story.interests, story.names)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return Told(
        f'No automation uses the event name "{story.name}", so the event was counted and not '
        f"kept.{_suppressing(story.name)}{hint}",
        "names seen and who uses them: waitline events names",
    )


def _suppressing(name: str | None) -> str:
    """Tell what a bounce or a complaint does although no automation listens to it (rule F4)."""
    if name not in REASONS:
        return ""
    return (
        " If it is final, the address it speaks of is suppressed: waitline suppressions list shows"
        " that by where the event stands."
    )


def _merge_blocked(story: Story) -> Told:
    notes = "; ".join(note.reason for note in story.traces.notes)
    return Told(
        f"The event did nothing, and its identifiers were not joined ({notes}).",
        "publish it with the identifiers of one person only",
    )


def _identifier(story: Story) -> Told:
    notes = "; ".join(f"{note.verdict}: {note.reason}" for note in story.traces.notes)
    return Told(f"The event changed who is who, and did nothing else ({notes}).", None)


def _erased(story: Story) -> Told:
    if story.traces.events:
        return Told(
            "The event was applied; its person was deleted since, and what it did is erased with "
            "them, as far as their runs do not tell it.",
            None,
        )
    return Told(
        "The event was not kept: it happened before its person was deleted, and came after.",
        "events of the person from after the deletion belong to a new contact",
    )


def _no_open_wait(story: Story) -> Told:
    return Told(
        f'The event "{story.name}" is stored, and nothing of its contact was waiting for it; a '
        "wait that is opened later may still find it by look-back.",
        "open waits: waitline waits",
    )


def _applied(story: Story) -> Told:
    return Told(
        f'The event "{story.name}" was applied to its contact; no automation uses the name.',
        None,
    )


def _tombstone(_story: Story) -> Told:
    return Told("The record has no value (a tombstone): it is counted, and nothing else.", None)


def _never_seen(story: Story) -> Told:
    log = None if story.found is None else story.found.log
    if story.at is not None and log is not None:
        return _empty_place(story.at, log.start, log.end)
    where = f" Searched: {', '.join(story.searched)}." if story.searched else ""
    return Told(
        f'Nothing is known of "{story.asked}".{where}',
        "check the id and the topic it was published to; a CloudEvent needs `--source`",
    )


def _empty_place(at: Coordinates, start: int, end: int) -> Told:
    place = f"{at.topic}/{at.partition}"
    if at.offset >= end:
        return Told(f"Nothing was published at {at} yet: {place} ends at {end}.", None)
    if at.offset < start:
        return Told(
            f"Kafka has deleted {at}, and nothing of it is stored: {place} begins at {start}.", None
        )
    return Told(f"{at} holds no event: a marker of a transaction, or a compacted record.", None)


_TELLINGS: Mapping[str, Callable[[Story], Told]] = {
    "resumed": _did,
    "kept": _did,
    "started": _did,
    "exited": _did,
    "exited_before_start": _did,
    "arm_met": _did,
    "quarantined": _quarantined,
    "duplicate": _duplicate,
    "not_processed": _not_processed,
    "unclaimed": _unclaimed,
    "merge_blocked": _merge_blocked,
    "identifier_taken": _identifier,
    "identifier_released": _identifier,
    "merged": _identifier,
    "deleted": _identifier,
    "erased": _erased,
    "no_open_wait": _no_open_wait,
    "applied": _applied,
    "tombstone": _tombstone,
    "never_seen": _never_seen,
}

_ADVICE = {
    "stopped": "waitline automations enable NAME, then publish it again under a new id",
    "before_enabled": "publish it under a new id, with an `occurred_at` after the enabling",
    "filter_false": "compare the values with the filter: waitline automations show NAME",
    "before_window": "the wait's `since` says from when on events count",
    "after_deadline": "a longer `timeout` on the step would have let it in",
    "late_arrival": "see the delay between occurred_at and recorded_at; then waitline lag",
    "too_old": "WAITLINE_MAX_EVENT_AGE says how old a trigger may be",
    "loop_limit": "a step with `emit: true` causes what starts its own automation, or one before",
}
