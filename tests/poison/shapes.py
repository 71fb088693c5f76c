"""Records that have stopped other consumers, and strange ones that are legal, for both topics.

Each says what becomes of it: the reason with which it is set aside and what its detail must say
(the field first, where there is one), or that it is a tombstone, or fine.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.poison.cloudevents import cloudevents
from tests.poison.contacts import of_contacts
from tests.poison.envelopes import envelopes, identifiers, instants, keys_that_repeat
from tests.poison.shape import ANN, FINE, STRANGER, Shape, plain, said
from tests.poison.texts import (
    bytes_that_are_no_text,
    json_that_nobody_can_store,
    text_that_is_no_json,
)


def shared(event: str) -> list[Shape]:
    """Return the shapes that mean the same on both topics, with an event of this name."""
    families = (
        bytes_that_are_no_text,
        text_that_is_no_json,
        json_that_nobody_can_store,
        keys_that_repeat,
        envelopes,
        instants,
        identifiers,
        cloudevents,
    )
    return [shape for family in families for shape in family(event)]


def of_events() -> Iterator[Shape]:
    yield Shape("an unknown contact_id alone", said({"event": "go", "contact_id": STRANGER}),
                "no_usable_identifier", "contact_id: names no contact")  # fmt: skip
    for name in (
        "contact.created",
        "waitline.x",
        "resend:email.opened",
        " ",
        "\U0001f600",
        "n" * 255,
    ):
        yield Shape(f"named {name:.20}", said({"event": name, "email": ANN}), FINE)
    yield Shape("a payload of 256 KiB and a byte",
                plain("e", f'"payload":{{"x":"{"x" * (256 * 1024 - 8 + 1)}"}}'),
                "too_large", "262144 bytes")  # fmt: skip
    yield Shape("a large payload", plain("e", f'"payload":{{"x":"{"é" * 120_000}"}}'), FINE)


EVENTS = [*shared("e"), *of_events()]
CONTACTS = [*shared("contact.updated"), *of_contacts()]
