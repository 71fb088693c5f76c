"""The automations of the simulation, each drawn once for the engine and once as plain facts."""

from __future__ import annotations

from datetime import timedelta

from tests.kit import (
    Document,
    arm,
    arms,
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
from tests.simulation.facts import ArmFact, AutomationFact, WaitFact

ORDER = {"ORDER": {"var": "trigger.order"}}
TEMPLATES = {
    "receipt": {"subject": "Receipt {{{ORDER}}}", "text": "Thanks."},
    "nudge": {"subject": "Unread {{{ORDER}}}", "text": "Look."},
    "thanks": {"title": "Thanks {{{ORDER}}}", "text": "Bye."},
    "done": {"title": "Delivered {{{ORDER}}}", "text": "Enjoy."},
    "hello": {"title": "Hello {{{ORDER}}}", "text": "Welcome."},
    "complete": {"title": "Complete {{{ORDER}}}", "text": "All is done."},
    "sorry": {"subject": "Lost {{{ORDER}}}", "text": "We look for it."},
}


def _sends(kind: str, key: str, template: str, **more: object) -> Document:
    config = {"template": {"id": template, "variables": ORDER}, **more}
    return {"key": key, "type": kind, "config": config}


def receipt() -> Document:
    """A receipt by e-mail; when it is opened a push, else a reminder."""
    return line(
        _sends("send_email", "receipt", "receipt", category="transactional"),
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


def parcel() -> Document:
    """One at a time for everybody: the first of two events decides, then two have to come."""
    return line(
        arms(
            "seen",
            "any_of",
            arm("parcel.scanned", filter_rule=same("order"), branch="scanned"),
            arm("parcel.lost", filter_rule=same("order"), branch="lost"),
            timeout="20 seconds",
        ),
        name="Parcel",
        on=trigger("parcel.sent"),
        reentry="one_active",
        exit=[{"event": "order.refunded", "filter": same("order")}],
        aside=[
            arms(
                "settled",
                "all_of",
                arm("parcel.paid", filter_rule=same("order")),
                arm("parcel.signed", filter_rule=same("order")),
                timeout="25 seconds",
            ),
            _sends("send_push", "complete", "complete"),
            _sends("send_email", "sorry", "sorry"),
        ],
        ways=[
            way("seen", "settled", "scanned"),
            way("seen", "sorry", "lost"),
            way("settled", "complete", "event_received"),
        ],
    ) | {"templates": TEMPLATES}


def documents() -> list[Document]:
    return [receipt(), delivery(), welcome(), parcel()]


SECONDS = timedelta(seconds=1)


def _waits(event: str, seconds: int, same: str | None = "order") -> WaitFact:
    return WaitFact(seconds * SECONDS, (ArmFact(event, same),))


FACTS = (
    AutomationFact(
        name="Receipt",
        trigger="order.completed",
        reentry="always",
        minimum=None,
        exit=None,
        waits={"opened": _waits("email.opened", 20)},
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
        transactional=frozenset({"receipt"}),
    ),
    AutomationFact(
        name="Delivery",
        trigger="order.completed",
        reentry="always",
        minimum=("total", 10),
        exit=("order.refunded", "order"),
        waits={
            "shipped": _waits("order.shipped", 25),
            "delivered": _waits("order.delivered", 25),
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
        reentry="once",
        minimum=None,
        exit=None,
        waits={"confirmed": _waits("user.confirmed", 15, None)},
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
    AutomationFact(
        name="Parcel",
        trigger="parcel.sent",
        reentry="one_active",
        minimum=None,
        exit=("order.refunded", "order"),
        waits={
            "seen": WaitFact(
                20 * SECONDS,
                (
                    ArmFact("parcel.scanned", "order", "scanned"),
                    ArmFact("parcel.lost", "order", "lost"),
                ),
            ),
            "settled": WaitFact(
                25 * SECONDS,
                (ArmFact("parcel.paid", "order"), ArmFact("parcel.signed", "order")),
                needs_all=True,
            ),
        },
        delays={},
        sends={"complete": ("push", "Complete {}"), "sorry": ("email", "Lost {}")},
        names_by="order",
        ways={
            ("start", "default"): "seen",
            ("seen", "scanned"): "settled",
            ("seen", "lost"): "sorry",
            ("settled", "event_received"): "complete",
        },
    ),
)

#: Names that some automation listens to.
OF_INTEREST = frozenset(
    {fact.trigger for fact in FACTS}
    | {arm.event for fact in FACTS for wait in fact.waits.values() for arm in wait.arms}
    | {fact.exit[0] for fact in FACTS if fact.exit}
)
