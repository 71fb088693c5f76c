"""What the two segment steps share: a contact joins a segment or leaves it (rules F1, F2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import PlainValidator

from handlers.decision import Emission, Fail, GoTo, Outcome, ProfileChange, Turn
from handlers.step import StepConfig, config_of
from state.name import parse_name


class SegmentConfig(StepConfig):
    """The segment by its id or name; `emit` publishes what the step changes (rule S6)."""

    segment_id: Annotated[str, PlainValidator(parse_name)]
    emit: bool = False


def change_membership(turn: Turn, *, is_member: bool) -> Outcome:
    """Let the contact join or leave the segment; a change is an event, if the step emits.

    A segment that was deleted since the automation was published fails the step.
    """
    config = config_of(turn, SegmentConfig)
    segment = turn.audiences.segment(config.segment_id)
    if segment is None:
        return Fail("segment_gone", f'there is no segment "{config.segment_id}" any more')
    said = {"segment_id": str(segment.segment_id), "name": segment.name}
    key = str(segment.segment_id)
    is_change = turn.contact.profile.segments.get(key, False) != is_member
    event = "waitline.segment.added" if is_member else "waitline.segment.removed"
    return GoTo(
        output={"changed": is_change},
        input=said,
        change=ProfileChange(segments={key: is_member}),
        emits=Emission(event, said) if config.emit and is_change else None,
    )
