"""What a new definition changes, in words."""

from handlers.publishing.changes import changes
from handlers.publishing.publish import parse_automation
from tests.kit import Document, email, line, push, wait


def definition(document: Document) -> Document:
    return parse_automation(document).definition


BEFORE = line(email("receipt"), wait("opened", "email.opened", timeout="1 hour"), push("thanks"))


def test_equal_definitions_change_nothing() -> None:
    assert changes(definition(BEFORE), definition(BEFORE)) == []


def test_steps_that_came_went_and_changed_are_named() -> None:
    after = line(wait("opened", "email.opened", timeout="2 hours"), push("thanks"), push("more"))
    said = changes(definition(BEFORE), definition(after))
    assert said == [
        'step "more" added',
        'step "receipt" removed',
        'step "opened" changed',
        "connections changed",
    ]


def test_templates_reentry_and_exits_are_named() -> None:
    after = BEFORE | {
        "templates": BEFORE["templates"] | {"mail": {"subject": "New", "text": "Hi."}},
        "reentry": "once",
        "exit": [{"event": "refunded"}],
    }
    said = changes(definition(BEFORE), definition(after))
    assert said == ['template "mail" changed', "reentry changed", "exit changed"]


def test_a_new_time_zone_is_named() -> None:
    """T1: calendar durations of the next version are counted otherwise, so its author hears it."""
    zoned = definition(BEFORE | {"time_zone": "Europe/Berlin"})
    assert changes(definition(BEFORE), zoned) == ["time_zone changed"]
    assert changes(zoned, definition(BEFORE)) == ["time_zone changed"]
