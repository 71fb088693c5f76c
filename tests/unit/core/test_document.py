"""What a file holds that JSON cannot is refused by its place, with the way to mend it."""

from __future__ import annotations

import pytest
import yaml

from handlers.publishing.document import DEPTH_MAX, VALUES_MAX, DocumentError, json_ready

REFUSED = {
    "a date": ("at: 2026-11-28", "at: 2026-11-28 is not text or a number; put it in quotes"),
    "a date as a key": (
        "2026-11-28: x",
        "2026-11-28: the key 2026-11-28 is not text; put it in quotes",
    ),
    "a number as a key": ("a: {1: x}", "a.1: the key 1 is not text; put it in quotes"),
    "yes as a key": ("on: x", "true: the key true is not text; put it in quotes"),
    "an endless number": ("a: [.inf]", "a[0]: inf is not text or a number; use a finite number"),
    "a huge number": (f"a: 0x{'f' * 5000}", "a: is too large a number; put it in quotes"),
    "a huge number as a key": (
        f"? 0x{'f' * 5000}\n: a",
        "some int: the key some int is not text; put it in quotes",
    ),
    "a NUL": (r'a: "\0"', "a: holds a NUL character; take it out"),
    "half a character": (r'a: "\uD800"', "a: holds half a character; save it as UTF-8"),
    "itself": ("&a [*a]", f"stay below {DEPTH_MAX} levels and {VALUES_MAX} values"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_what_json_cannot_hold_is_refused(text: str, told: str) -> None:
    with pytest.raises(DocumentError) as caught:
        json_ready(yaml.safe_load(text))
    assert told in str(caught.value)


def test_all_of_it_is_told_at_once() -> None:
    with pytest.raises(DocumentError) as caught:
        json_ready(yaml.safe_load("a: 2026-11-28\nb: {c: .nan}"))
    assert [problem.field for problem in caught.value.problems] == ["a", "b.c"]


def test_what_json_can_hold_is_copied() -> None:
    raw = yaml.safe_load("a: &x {n: [1, 2.5, null, true, text]}\nb: *x")
    copied = json_ready(raw)
    assert copied == raw
    assert isinstance(copied, dict)
    assert copied["a"] is not copied["b"]
