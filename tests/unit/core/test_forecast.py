"""T3: what would be sent if runs went on, told before they do."""

import pytest

from handlers.forecast import Forecast
from handlers.publishing.catalogue import compile_version
from tests.kit import condition, delay, email, line, push, rule, stored_version, update, wait, way

IS_VIP = rule("contact.properties.vip", "eq", True)


def forecast(document) -> Forecast:
    row = stored_version(document)
    return Forecast(compile_version(row.automation_id, row.name, row.number, row.definition))


@pytest.mark.parametrize(
    ("document", "sends"),
    [
        (line(email("m")), "surely"),
        (line(update("u", first_name="Ann"), push("p")), "surely"),
        (line(delay("d", "1 hour"), email("m")), "never"),
        (line(update("u", first_name="Ann")), "never"),
        (line(condition("c", **IS_VIP), email("m")), "perhaps"),
        (line(condition("c", **IS_VIP), delay("d", "1 hour"), email("m")), "never"),
        (line(wait("w", "answer", timeout="1 hour"), email("m")), "perhaps"),
        (line(wait("w", "answer"), delay("d", "1 hour"), email("m")), "never"),
        (
            line(
                condition("c", **IS_VIP),
                email("a"),
                aside=[push("b")],
                ways=[way("c", "b", "condition_not_met")],
            ),
            "surely",
        ),
    ],
)
def test_whether_a_start_sends_at_once(document, sends):
    """T3: surely, never, or only if a rule or a look-back says so."""
    assert forecast(document).after("start") == sends


def test_each_branch_of_a_wait_has_its_own_answer():
    """T3: a time-out that sends nothing, and an arm that does."""
    document = line(wait("w", "answer", timeout="1 hour"), email("m"))
    told = forecast(document)
    assert told.after("w", "timeout") == "never"
    assert told.after_arm("w", 0) == "surely"


def test_a_ladder_of_conditions_is_looked_at_once_a_step():
    """T3: both ways of each lead to the next: 2^40 paths, 40 steps."""
    steps = [condition(f"c{n}", **IS_VIP) for n in range(40)]
    ways = [way(f"c{n}", f"c{n + 1}", "condition_not_met") for n in range(39)]
    assert forecast(line(*steps, ways=ways)).after("start") == "never"
