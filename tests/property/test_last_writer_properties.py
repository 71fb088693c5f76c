"""What is known of a person does not depend on the order, or the batches, in which it came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from hypothesis import given, settings, strategies as st

from state.audience import Audiences, Segment
from state.contact import Profile
from state.event import Event
from tests.kit import Scene, ago, contact_event, line, wait

AUTOMATION = line(wait("w", "answer"))
VIP = Segment(UUID(int=1), "VIP")


class Write(NamedTuple):
    """One word on a person: what, how long ago, and where it stands on the topics."""

    field: str
    value: object
    minutes_ago: int
    place: tuple[str, int, int]

    @property
    def rank(self) -> tuple[object, ...]:
        """What decides between two words on the same field (rule I6)."""
        return (-self.minutes_ago, self.place)


consents = st.tuples(st.sampled_from(["unsubscribed", "subscribed", "topic"]), st.booleans())
values = st.tuples(
    st.sampled_from(["first_name", "time_zone", "properties.plan"]),
    st.sampled_from([None, "Asia/Tokyo", "Europe/Berlin"]),
)
memberships = st.tuples(st.just("segment"), st.booleans())
words = st.lists(
    st.tuples(consents | values | memberships, st.integers(0, 2)),
    min_size=2,
    max_size=12,
)
#: Few partitions, and offsets whose texts sort otherwise than their numbers.
places = st.permutations([(t, p, n) for t in "ab" for p in (2, 10) for n in (9, 10, 100)])


@settings(max_examples=200)
@given(words, places, st.data())
def test_a_profile_is_the_same_in_whatever_order_its_writes_come(
    said: list[tuple[tuple[str, object], int]],
    at: Sequence[tuple[str, int, int]],
    data: st.DataObject,
) -> None:
    """I6, D1: the last writer by V, ties by coordinates, ties of consent unsubscribe."""
    writes = [Write(*word, ago, place) for (word, ago), place in zip(said, at, strict=False)]
    scene, left = Scene(AUTOMATION), data.draw(st.permutations(writes))
    scene.tables.audiences = Audiences.of([VIP])
    while left:
        size = data.draw(st.integers(1, len(left)))
        scene.decide(*(event_of(write) for write in left[:size]))
        left = left[size:]
    known: Profile = scene.tables.contacts[scene.contact("ann@x.io")].profile
    assert (known.fields, known.properties, known.topics) == expected(writes)
    joined = last_of(writes, "segment")
    assert known.segments == ({str(VIP.segment_id): joined.value} if joined else {})


def event_of(write: Write) -> Event:
    match write.field:
        case "subscribed":
            verb, payload = "subscribed" if write.value else "unsubscribed", {}
        case "topic":
            verb = "subscribed" if write.value else "unsubscribed"
            payload = {"topic": "news"}
        case "properties.plan":
            verb, payload = "updated", {"properties": {"plan": write.value}}
        case "segment":
            named = VIP.name if write.value else str(VIP.segment_id)
            verb, payload = "updated", {"segments": {named: write.value}}
        case field:
            verb, payload = "updated", {field: write.value}
    at = ago(minutes=write.minutes_ago)
    return contact_event(verb, at, id=str(write), place=write.place, payload=payload)


def expected(writes: Sequence[Write]) -> tuple[object, object, object]:
    """Return fields, properties and topics by the rule's words, one field after the other."""
    fields = {
        name: last.value
        for name in ("first_name", "time_zone")
        if (last := last_of(writes, name)) and last.value is not None
    }
    leaves = [
        (write.minutes_ago, bool(write.value) is (write.field == "unsubscribed"))
        for write in writes
        if write.field in ("unsubscribed", "subscribed")
    ]
    if leaves:
        fields["unsubscribed"] = last_consent(leaves)
    plan = last_of(writes, "properties.plan")
    chosen = [(write.minutes_ago, not write.value) for write in writes if write.field == "topic"]
    return (
        fields,
        {"plan": plan.value} if plan and plan.value is not None else {},
        {"news": not last_consent(chosen)} if chosen else {},
    )


def last_of(writes: Sequence[Write], field: str) -> Write | None:
    return max(
        (one for one in writes if one.field == field), key=lambda one: one.rank, default=None
    )


def last_consent(leaves: Sequence[tuple[int, bool]]) -> bool:
    """Tell whether the person has left: by the newest words, and by any of them that says so."""
    newest = min(ago for ago, _ in leaves)
    return any(leave for ago, leave in leaves if ago == newest)
