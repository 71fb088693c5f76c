"""The contact joins a segment."""

from __future__ import annotations

from handlers.decision import Outcome, Turn
from handlers.segment import SegmentConfig, change_membership
from handlers.step import no_arms, unexpected
from state.automation import DEFAULT_BRANCH

TYPE = "add_to_segment"
BRANCHES = (DEFAULT_BRANCH,)


class Config(SegmentConfig):
    """The segment to join."""


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Join it; who is in it already stays."""
    return change_membership(turn, is_member=True)


resume = unexpected
