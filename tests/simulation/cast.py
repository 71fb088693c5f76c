"""The people of a seed: how each is known, and what will become of them."""

from __future__ import annotations

from tests.simulation.facts import Person


def people() -> list[Person]:
    """Return people known by one name, always by two, by several linked before; and lives."""
    return [
        *(_solo(f"solo{n}") for n in range(2)),
        *(_both(f"both{n}") for n in range(2)),
        *(_linked(n) for n in range(2)),
        Person("nobody", {"anonymous_id": "nobody"}, (("anonymous_id",),)),
        *(_meeting(n) for n in range(2)),
        _solo("leaver0", "leaving"),
        _both("leaver1", "leaving"),
        _solo("fickle0", "fickle"),
        _both("fickle1", "fickle"),
    ]


def crowd() -> Person:
    """Return somebody who does the same thing more often than there may be runs of it."""
    return _solo("crowd")


def _solo(name: str, fate: str = "settled") -> Person:
    return Person(name, {"email": f"{name}@x.io"}, (("email",),), fate)


def _both(name: str, fate: str = "settled") -> Person:
    names = {"external_id": name, "email": f"{name}@x.io"}
    return Person(name, names, (("external_id", "email"),), fate)


def _linked(n: int) -> Person:
    names = {"external_id": f"u{n}", "email": f"linked{n}@x.io", "anonymous_id": f"a{n}"}
    used = (("external_id",), ("email",), ("anonymous_id",), ("email", "anonymous_id"))
    return Person(f"linked{n}", names, used, "linked")


def _meeting(n: int) -> Person:
    """Return somebody who goes by single names until an event carries two of them."""
    names = {"external_id": f"m{n}", "email": f"meeting{n}@x.io", "anonymous_id": f"b{n}"}
    return Person(
        f"meeting{n}", names, (("external_id",), ("email",), ("anonymous_id",)), "meeting"
    )
