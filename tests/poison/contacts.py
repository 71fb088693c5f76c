"""Contact events that are none, and strange ones."""

from __future__ import annotations

from collections.abc import Iterator

from tests.poison.shape import ANN, FINE, STRANGER, Shape, plain, said

_WRONG: dict[str, object] = {"a number": 7, "true": True, "a list": ["x"], "an object": {"a": 1}}


def updated(what: str, detail: str, **payload: object) -> Shape:
    document = {"event": "contact.updated", "email": ANN, "payload": payload}
    return Shape(f"updated: {what}", said(document), "bad_field", detail)


def merged(what: str, reason: str, detail: str, payload: str) -> Shape:
    return Shape(f"merged: {what}", plain("contact.merged", payload), reason, detail)


def of_contacts() -> Iterator[Shape]:
    for name in ("order.completed", "contact.archived", "Contact.Updated", "contact."):
        yield Shape(f"on the contacts topic: {name}", plain(name), "not_a_contact_event",
                    "event: expected one of contact.created")  # fmt: skip
    for value in (3, "", [], {"key": "news"}, "x" * 256):
        document = {"event": "contact.subscribed", "email": ANN, "payload": {"topic": value}}
        yield Shape(f"subscribed: topic {value!r:.20}", said(document), "bad_field",
                    "payload.topic: expected a string")  # fmt: skip
    yield from _fields()
    yield from _zones_and_properties()
    yield from _merges()
    yield from _fine()


def _fields() -> Iterator[Shape]:
    for field in ("first_name", "last_name", "email", "phone", "external_id", "time_zone"):
        for what, value in _WRONG.items():
            yield updated(f"{what} as {field}", f"payload.{field}: expected a", **{field: value})
    for field in ("first_name", "last_name"):
        yield updated(f"a long {field}", f"payload.{field}: expected a string of at most 255",
                      **{field: "x" * 256})  # fmt: skip
    for value in ("yes", 1, []):
        yield updated(f"{value!r} as unsubscribed", "payload.unsubscribed: expected true, false",
                      unsubscribed=value)  # fmt: skip
    for address in ("nobody", "a@b@c", "@b", "a b@c", "a@b\nc"):
        yield updated(f"{address!r} as address", "payload.email: expected an e-mail address",
                      email=address)  # fmt: skip
    yield updated("a short phone", "payload.phone: expected a phone number", phone="12")
    yield updated("an empty external_id", "payload.external_id: expected a string of at least 1",
                  external_id="")  # fmt: skip


def _zones_and_properties() -> Iterator[Shape]:
    for zone in ("Mars/Olympus", "europe/paris", "+02:00", "", "../../etc/passwd"):
        yield updated(f"{zone!r} as zone", "payload.time_zone: expected an IANA", time_zone=zone)
    for what, properties in {
        "a list": {"a": [1]},
        "an object": {"a": {}},
        "an empty name": {"": 1},
        "a name of 256": {"k" * 256: 1},
    }.items():
        yield updated(f"{what} in properties", "payload.properties: expected an object of strings",
                      properties=properties)  # fmt: skip
    for what, value in {"a list": [], "a string": "{}", "a number": 1}.items():
        yield updated(f"{what} as properties", "payload.properties: expected an object of strings",
                      properties=value)  # fmt: skip
    yield Shape("updated: an endless property",
                plain("contact.updated", '"payload":{"properties":{"x":1e400}}'),
                "bad_field", "payload.properties: expected")  # fmt: skip
    yield Shape("updated: an address twice",
                plain("contact.updated", '"payload":{"email":"b@x.io","email":"c@x.io"}'),
                "duplicate_key", "payload.email: stands more than once")  # fmt: skip
    yield Shape("updated: a zone twice, one escaped",
                plain("contact.updated", '"payload":{"time_zone":"UTC","\\u0074ime_zone":null}'),
                "duplicate_key", "payload.time_zone: stands more than once")  # fmt: skip


def _merges() -> Iterator[Shape]:
    yield merged("no payload", "bad_field", "payload.from: expected an object", '"x":1')
    yield merged("no from", "bad_field", "payload.from: expected an object", '"payload":{}')
    yield merged("from by another name", "bad_field", "payload.from: expected an object",
                 '"payload":{"from_":{"email":"b@x.io"}}')  # fmt: skip
    for value in ('"b@x.io"', "[]", "null", "7"):
        yield merged(f"{value} as from", "bad_field", "payload.from: expected an object",
                     f'"payload":{{"from":{value}}}')  # fmt: skip
    yield merged("from nobody", "bad_field", "payload.from: expected at least one of",
                 '"payload":{"from":{}}')  # fmt: skip
    yield merged("from a user_id", "bad_field", "payload.from: expected at least one of",
                 '"payload":{"from":{"user_id":"u-1"}}')  # fmt: skip
    yield merged("from a short phone", "bad_field", "payload.from.phone: expected a phone number",
                 '"payload":{"from":{"phone":"12"}}')  # fmt: skip
    yield merged("from two people", "duplicate_key", "payload.from.email: stands more than once",
                 '"payload":{"from":{"email":"b@x.io","email":"c@x.io"}}')  # fmt: skip
    yield merged("from herself", FINE, "", f'"payload":{{"from":{{"email":"{ANN}"}}}}')
    yield merged("from somebody unknown", FINE, "",
                 f'"payload":{{"from":{{"contact_id":"{STRANGER}"}}}}')  # fmt: skip


def _fine() -> Iterator[Shape]:
    yield Shape("updated: nothing", said({"event": "contact.updated", "email": ANN}), FINE)
    yield Shape("updated: all to null", said({"event": "contact.updated", "email": ANN, "payload":
                {"first_name": None, "phone": None, "properties": None}}), FINE)  # fmt: skip
    yield Shape("updated: 2,000 properties", said({"event": "contact.updated", "email": ANN,
                "payload": {"properties": {f"p{n}": n for n in range(2000)}}}), FINE)  # fmt: skip
    yield Shape("updated: keys that nobody reads", plain("contact.updated",
                '"payload":{"x":{"email":"a","email":"b"},"email_2":[]}'), FINE)  # fmt: skip
    yield Shape("identified: a long text under a name that is read elsewhere",
                said({"event": "contact.identified", "email": ANN,
                      "payload": {"email": "é" * 5000, "phone": "x", "external_id": ""}}),
                FINE)  # fmt: skip
    stranger = {"event": "contact.updated", "contact_id": STRANGER}
    yield Shape("an unknown contact_id alone", said(stranger),
                "no_usable_identifier", "contact_id: names no contact")  # fmt: skip
