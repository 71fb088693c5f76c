"""Names are counted once, however often a record comes."""

from handlers.intake import names_seen
from state.turn import Snapshot
from tests.kit import NOW, event


def test_a_name_that_comes_again_is_not_counted_again():
    """E4, E7: a record up to the highest offset ever applied is a redelivery."""
    records = [event("noise", id=str(n), place=("t", 0, n)) for n in (4, 5, 6)]
    (name,) = names_seen(records, Snapshot(NOW, applied={("t", 0): 4}))
    assert (name.times, name.last_offset) == (2, 6)
