"""The contact leaves a segment."""

from __future__ import annotations

from handlers.decision import Outcome, Turn
from handlers.segment import SegmentConfig, change_membership
from handlers.step import no_arms, unexpected
from state.automation import DEFAULT_BRANCH

TYPE = "remove_from_segment"
BRANCHES = (DEFAULT_BRANCH,)


class Config(SegmentConfig):
    """The segment to leave."""


arms = no_arms


def enter(turn: Turn) -> Outcome:
    """Leave it; who is not in it stays out."""
    return change_membership(turn, is_member=False)


resume = unexpected
