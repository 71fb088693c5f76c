"""The automations of the simulation, each drawn once for the engine and once as plain facts."""

from __future__ import annotations

from datetime import timedelta

from tests.kit import (
    Document,
    condition,
    delay,
    line,
    rule,
    same,
    trigger,
    update,
    wait,
    way,
)
from tests.simulation.facts import AutomationFact, WaitFact

ORDER = {"ORDER": {"var": "trigger.order"}}
TEMPLATES = {
    "receipt": {"subject": "Receipt {{{ORDER}}}", "text": "Thanks."},
    "nudge": {"subject": "Unread {{{ORDER}}}", "text": "Look."},
    "thanks": {"title": "Thanks {{{ORDER}}}", "text": "Bye."},
    "done": {"title": "Delivered {{{ORDER}}}", "text": "Enjoy."},
    "hello": {"title": "Hello {{{ORDER}}}", "text": "Welcome."},
}


def _sends(kind: str, key: str, template: str) -> Document:
    config = {"template": {"id": template, "variables": ORDER}}
    return {"key": key, "type": kind, "config": config}


def receipt() -> Document:
    """A receipt by e-mail; when it is opened a push, else a reminder."""
    return line(
        _sends("send_email", "receipt", "receipt"),
        wait("opened", "email.opened", timeout="20 seconds", filter_rule=same("order")),
        _sends("send_push", "thanks", "thanks"),
        name="Receipt",
        on=trigger("order.completed"),
        aside=[_sends("send_email", "nudge", "nudge")],
        ways=[way("opened", "nudge", "timeout")],
    ) | {"templates": TEMPLATES}


def delivery() -> Document:
    """Two waits behind a delay, for large orders; a refund ends it."""
    return line(
        delay("pause", "6 seconds"),
        wait("shipped", "order.shipped", timeout="25 seconds", filter_rule=same("order")),
        wait("delivered", "order.delivered", timeout="25 seconds", filter_rule=same("order")),
        _sends("send_push", "done", "done"),
        name="Delivery",
        on=trigger("order.completed", filter_rule=rule("event.total", "gte", 10)),
        exit=[{"event": "order.refunded", "filter": same("order")}],
    ) | {"templates": TEMPLATES}


def welcome() -> Document:
    """Once for everybody: a note on the contact, a wait for any confirmation, a condition."""
    return line(
        delay("pause", "4 seconds"),
        update("note", properties={"met": {"var": "trigger.order"}}),
        wait("confirmed", "user.confirmed", timeout="15 seconds"),
        condition("score", **rule("trigger.score", "gte", 5)),
        _sends("send_push", "hello", "hello"),
        name="Welcome",
        on=trigger("user.signed_up"),
        reentry="once",
    ) | {"templates": TEMPLATES}


def documents() -> list[Document]:
    return [receipt(), delivery(), welcome()]


SECONDS = timedelta(seconds=1)

FACTS = (
    AutomationFact(
        name="Receipt",
        trigger="order.completed",
        is_once=False,
        minimum=None,
        exit=None,
        waits={"opened": WaitFact("email.opened", 20 * SECONDS, "order")},
        delays={},
        sends={
            "receipt": ("email", "Receipt {}"),
            "nudge": ("email", "Unread {}"),
            "thanks": ("push", "Thanks {}"),
        },
        names_by="order",
        ways={
            ("start", "default"): "receipt",
            ("receipt", "default"): "opened",
            ("opened", "event_received"): "thanks",
            ("opened", "timeout"): "nudge",
        },
    ),
    AutomationFact(
        name="Delivery",
        trigger="order.completed",
        is_once=False,
        minimum=("total", 10),
        exit=("order.refunded", "order"),
        waits={
            "shipped": WaitFact("order.shipped", 25 * SECONDS, "order"),
            "delivered": WaitFact("order.delivered", 25 * SECONDS, "order"),
        },
        delays={"pause": 6 * SECONDS},
        sends={"done": ("push", "Delivered {}")},
        names_by="order",
        ways={
            ("start", "default"): "pause",
            ("pause", "default"): "shipped",
            ("shipped", "event_received"): "delivered",
            ("delivered", "event_received"): "done",
        },
    ),
    AutomationFact(
        name="Welcome",
        trigger="user.signed_up",
        is_once=True,
        minimum=None,
        exit=None,
        waits={"confirmed": WaitFact("user.confirmed", 15 * SECONDS, None)},
        delays={"pause": 4 * SECONDS},
        sends={"hello": ("push", "Hello {}")},
        names_by="order",
        ways={
            ("start", "default"): "pause",
            ("pause", "default"): "note",
            ("note", "default"): "confirmed",
            ("confirmed", "event_received"): "score",
            ("score", "condition_met"): "hello",
        },
    ),
)

#: Names that some automation listens to.
OF_INTEREST = frozenset(
    {fact.trigger for fact in FACTS}
    | {wait.event for fact in FACTS for wait in fact.waits.values()}
    | {fact.exit[0] for fact in FACTS if fact.exit}
)
