"""What an API may say of a topic."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handlers.publishing.topic_words import TopicError, parse_new_topic, parse_topic_changes


def refused(parse: Callable[[object], object], raw: object) -> dict[str, str]:
    with pytest.raises(TopicError) as caught:
        parse(raw)
    return {each.field: each.text for each in caught.value.problems}


def test_a_new_topic_is_private_unless_it_says_otherwise() -> None:
    assert parse_new_topic({"name": "News", "default_subscription": "opt_in", "x": 1}) == {
        "name": "News",
        "description": None,
        "default_subscription": "opt_in",
        "visibility": "private",
    }
    public = {"name": "a" * 50, "description": "b" * 200, "visibility": "public"}
    assert parse_new_topic(public | {"default_subscription": "opt_out"}).items() >= public.items()


def test_everything_that_is_wrong_with_a_topic_is_said_at_once() -> None:
    found = refused(
        parse_new_topic,
        {
            "name": "a" * 51,
            "description": "b" * 201,
            "default_subscription": "optin",
            "visibility": "all",
        },
    )
    assert found.keys() == {"name", "description", "default_subscription", "visibility"}
    assert "use at most 50" in found["name"]
    assert "use at most 200" in found["description"]
    assert 'did you mean "opt_in"?' in found["default_subscription"]
    assert "is missing" in refused(parse_new_topic, {"name": "a"})["default_subscription"]
    assert "must be an object" in refused(parse_new_topic, [])[""]


def test_what_is_not_said_does_not_change_and_null_clears_a_description() -> None:
    assert parse_topic_changes({}) == {}
    assert parse_topic_changes({"name": None, "visibility": None}) == {}
    assert parse_topic_changes({"description": None}) == {"description": None}
    assert parse_topic_changes({"description": ""}) == {"description": None}
    changes = {"name": "News", "description": "Weekly.", "visibility": "public"}
    assert parse_topic_changes(changes) == changes


def test_a_default_never_changes() -> None:
    found = refused(parse_topic_changes, {"default_subscription": "opt_in", "name": ""})
    assert "cannot be changed" in found["default_subscription"]
    assert "is empty" in found["name"]
