"""What takes a person back who has left, and what does not (rule I6)."""

from __future__ import annotations

import pytest

from state.contact import Profile
from tests.kit import NOW, Scene, ago, contact_event, email, event, line, update, wait

LEFT = ago(hours=2)


def left(*automations: object) -> Scene:
    """Return a scene whose contact unsubscribed two hours ago."""
    scene = Scene(*(automations or (line(wait("w", "answer")),)))
    scene.decide(contact_event("unsubscribed", LEFT))
    assert profile(scene).is_unsubscribed
    return scene


def profile(scene: Scene) -> Profile:
    return scene.tables.contacts[scene.contact("ann@x.io")].profile


@pytest.mark.parametrize(
    ("verb", "payload"),
    [
        ("subscribed", {}),
        ("subscribed", {"topic": None}),
        ("updated", {"unsubscribed": False}),
        ("created", {"unsubscribed": False, "first_name": "Ann"}),
    ],
)
def test_an_explicit_word_takes_a_person_back(verb, payload):
    """I6: `contact.subscribed` or an explicit `unsubscribed: false` resubscribes."""
    scene = left()
    scene.decide(contact_event(verb, NOW, payload=payload))
    assert not profile(scene).is_unsubscribed


@pytest.mark.parametrize(
    ("verb", "payload"),
    [
        ("subscribed", {"topic": "news"}),
        ("created", {"first_name": "Ann", "time_zone": "Europe/Berlin"}),
        ("created", {}),
        ("updated", {"unsubscribed": None}),
        ("updated", {"first_name": None, "properties": {"unsubscribed": False}}),
        ("identified", {"unsubscribed": False}),
        ("unsubscribed", {"topic": "news"}),
    ],
)
def test_nothing_else_takes_a_person_back(verb, payload):
    """I6: only `contact.subscribed` or an explicit `unsubscribed: false` resubscribes."""
    scene = left()
    scene.decide(contact_event(verb, NOW, payload=payload))
    assert profile(scene).is_unsubscribed


def test_what_a_person_does_takes_nobody_back():
    """I6: an order, a new run and a step that writes a name are no consent."""
    scene = left(line(update("u", first_name="Ann"), email("m")))
    scene.decide(event("go", payload={"unsubscribed": False}))
    assert scene.path() == ["start", "u"]
    assert profile(scene).is_unsubscribed


@pytest.mark.parametrize("seconds", [0, 1])
def test_an_explicit_word_from_before_the_leaving_takes_nobody_back(seconds):
    """I6: by V, not by arrival; at the same V the leaving stands."""
    scene = left()
    scene.decide(contact_event("subscribed", ago(hours=2, seconds=seconds)))
    assert profile(scene).is_unsubscribed


def test_a_step_takes_back_by_an_explicit_false_only():
    """I6: steps write at `now`, so an older word that comes later does not undo them."""
    scene = left(line(update("u", unsubscribed=False)))
    scene.decide(event("go"))
    assert not profile(scene).is_unsubscribed
    scene.decide(contact_event("unsubscribed", ago(seconds=1)))
    assert not profile(scene).is_unsubscribed
    scene.decide(contact_event("unsubscribed", NOW))
    assert profile(scene).is_unsubscribed, "at the same instant the leaving stands"
