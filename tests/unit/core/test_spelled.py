"""What somebody wrote, told to them as they would write it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, strategies as st

from state.problem import spelled

ITSELF: list[object] = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "null"),
        (True, "true"),
        ("soon", '"soon"'),
        ("Größe", '"Größe"'),
        ({"a": [1.5]}, '{"a": [1.5]}'),
        (date(2026, 11, 28), '"2026-11-28"'),
        ({date(2026, 11, 28): 1}, "some dict"),
        (ITSELF, "some list"),
        ([1 << 20_000], "some list"),
        ("a\nb", r'"a\nb"'),
        ("\x7f\x9b2J\u202e", r'"\u007f\u009b2J\u202e"'),
        ("été à\u00a010 h", r'"été à\u00a010 h"'),
        ("\U000e0001", r'"\udb40\udc01"'),
        ("\ud800", r'"\ud800"'),
        ("x" * 50, '"' + "x" * 36 + "..."),
    ],
)
def test_a_value_is_told_as_json_spells_it(value: object, told: str) -> None:
    assert spelled(value) == told


@given(
    st.recursive(st.none() | st.floats() | st.text() | st.binary(), st.lists), st.integers(4, 60)
)
def test_whatever_it_is_it_can_be_shown(value: object, most: int) -> None:
    text = spelled(value, most)
    assert text.isprintable()
    assert len(text) <= most
    text.encode()  # half a character could not be
