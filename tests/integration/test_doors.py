"""The kit that feeds processors by hand: what it pretends of a broker is so."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.integration.doors import Log


@pytest.mark.parametrize("microsecond", [0, 1, 499, 500, 501, 999])
def test_each_record_is_recorded_a_millisecond_after_the_one_before(microsecond: int) -> None:
    log = Log(clock=datetime(2026, 11, 28, 23, 12, 19, 978_000 + microsecond, tzinfo=UTC))
    at = [log.add("x").recorded_at for _ in range(4)]
    apart = [later - earlier for earlier, later in pairwise(at)]
    assert apart == [timedelta(milliseconds=1)] * 3
