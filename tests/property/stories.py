"""Random stories of automations and events, told in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from tests.property.plain import Arm, Automation, Rules, Said, Step

NAMES = ["go", "pay", "ship", "stop"]

#: Small, so that streams of an hour come to its borders; the engine's own is patched.
CAP, BACK_MAX, AGE_MAX = 3, 45, 90


class Moment(NamedTuple):
    """What is processed at one instant: events, and after how many each batch of them ends."""

    now: int
    events: tuple[Said, ...]
    cuts: tuple[int, ...]


class Story(NamedTuple):
    automations: tuple[Automation, ...]
    rules: Rules
    moments: tuple[Moment, ...]


# --- random stories -------------------------------------------------------------------------------

minutes = st.sampled_from([1, 5, 30])
same_n = st.sampled_from([False, False, True])
listed = st.lists(
    st.builds(Arm, st.sampled_from(NAMES), same_n, st.sampled_from(["x", "y", "event_received"])),
    min_size=1,
    max_size=3,
).map(tuple)

exits = st.one_of(
    st.just(()), st.lists(st.tuples(st.sampled_from(NAMES), same_n), max_size=2).map(tuple)
)


@st.composite
def steps(draw: st.DrawFn, number: int) -> Step:
    key = f"s{number}"
    if draw(st.integers(0, 3)) == 0:
        return Step(key, minutes=draw(minutes))
    group = draw(st.sampled_from(["single", "any_of", "all_of", "all_of"]))
    arms = draw(listed)
    if group != "any_of":
        arms = tuple(arm._replace(branch="event_received") for arm in arms)
    if group == "single":
        arms = arms[:1]
    elif group == "all_of" and len(arms) == 1:
        arms *= 2
    return Step(
        key,
        arms,
        group,
        draw(st.one_of(st.none(), minutes, minutes)),
        draw(st.sampled_from([None, None, "now", "previous_step", 10, 60])),
        draw(st.sampled_from(["all", "oldest", "newest"])),
        draw(st.booleans()),
    )


@st.composite
def automations(draw: st.DrawFn) -> tuple[Automation, ...]:
    return tuple(
        Automation(
            name=name,
            trigger=draw(st.sampled_from(["go", "go", "pay"])),
            only=draw(st.sampled_from([*[None] * 5, 1])),
            policy=draw(st.sampled_from(["always", "once", "one_active", "after", "key", "key"])),
            after=draw(minutes),
            exits=draw(exits),
            steps=tuple(draw(steps(number)) for number in range(draw(st.integers(1, 3)))),
            enabled_at=draw(st.sampled_from([*[-200] * 5, -10])),
            is_enabled=draw(st.sampled_from([True] * 9 + [False])),
        )
        for name in "AB"[: draw(st.integers(1, 2))]
    )


@st.composite
def moments(draw: st.DrawFn) -> tuple[Moment, ...]:
    now, place, told = 0, 0, []
    for _ in range(draw(st.integers(3, 12))):
        now += draw(st.sampled_from([0, *[1, 2, 5, 10] * 3, 30, 24 * 60 - 1]))
        events = []
        for _ in range(draw(st.integers(1, 5))):
            name = draw(st.sampled_from(["go", *NAMES]))
            who = draw(st.sampled_from(["ann", "ann", "bob"]))
            v = now - draw(st.sampled_from([-2, *[0] * 6, 1, 1, 2, 5, 5, 10, 31, 60, 100]))
            n = draw(st.sampled_from([1, 1, 1, 2, "1", None]))
            events.append(Said(f"e{place}", name, who, v, n, place))
            place += 1
        cuts = draw(st.lists(st.integers(1, 5), max_size=3))
        told.append(Moment(now, tuple(events), tuple(cuts)))
    return tuple(told)


stories = st.builds(
    Story,
    automations(),
    st.builds(
        Rules,
        grace=st.sampled_from([0, 1]),
        slack=st.sampled_from([0, 2]),
        age_max=st.just(AGE_MAX),
        cap=st.just(CAP),
        back_max=st.just(BACK_MAX),
        interest=st.fixed_dictionaries({name: st.sampled_from([-300, -300, -8]) for name in NAMES}),
    ),
    moments(),
)


def batches(moment: Moment) -> Iterator[Sequence[Said]]:
    """Yield a moment's events as it is cut."""
    rest = list(moment.events)
    for size in (*moment.cuts, len(rest)):
        if rest:
            yield rest[:size]
            del rest[:size]
