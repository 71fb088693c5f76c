"""Whose due timers are whose: workers share them as they share partitions, and stand in (T2)."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple


class Share(NamedTuple):
    """Timers of the contacts whose number, modulo `of`, is one of `own`, once they are that late.

    It only keeps workers from taking the same timers at the same time, and then waiting for each
    other's locks. Who takes one all the same takes it rightly.
    """

    of: int
    own: tuple[int, ...]
    late_by: timedelta = timedelta(0)

    def has(self, contact_id: int) -> bool:
        """Tell whether this contact's timers are among them."""
        return contact_id % self.of in self.own


#: All timers there are, as soon as they are due.
EVERYBODYS = Share(1, (0,))
