"""Which new identifiers to reserve before the lock, so that two workers cannot both make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handlers.directory import FreshContactIds
from handlers.identify import is_blocked
from handlers.intake import named_in
from state.automation import Catalogue
from state.event import Event, Identifier
from state.turn import Claim


def first_sights(
    events: Sequence[Event], catalogue: Catalogue, owners: Mapping[Identifier, int]
) -> int:
    """Return an upper bound of how many new contacts these events make."""
    return sum(
        _makes_contacts(event, catalogue)
        and not any(identifier in owners for identifier in named_in(event))
        for event in events
    )


def claims_for(
    events: Sequence[Event],
    catalogue: Catalogue,
    owners: Mapping[Identifier, int],
    fresh: FreshContactIds,
) -> list[Claim]:
    """Return a claim for each identifier that these events, in this order, are about to bind.

    A claim is a reservation only. The decision under the lock binds, and may decide otherwise;
    what it does not use is undone in the same transaction.
    """
    claims: dict[Identifier, Claim] = {}
    for event in events:
        named = _naming(event, owners)
        unowned = [name for name in named if name not in owners and name not in claims]
        if not unowned:
            continue
        contact_id, is_new = _claimant(named, owners, claims)
        if contact_id is None:
            if not _makes_contacts(event, catalogue):
                continue
            contact_id, is_new = fresh.take(), True
        for name in unowned:
            claims[name] = Claim(name, contact_id, event.recorded_at, event.id, is_new)
    return list(claims.values())


def _naming(event: Event, owners: Mapping[Identifier, int]) -> list[Identifier]:
    """Return the identifiers that may be bound: a blocked value only where it stands alone (I2)."""
    known = [name for name in named_in(event) if name.kind != "contact_id" or name in owners]
    return [name for name in known if not is_blocked(name.value)] or known[:1]


def _makes_contacts(event: Event, catalogue: Catalogue) -> bool:
    return event.is_contact_event or event.name in catalogue.interest_since


def _claimant(
    named: Sequence[Identifier],
    owners: Mapping[Identifier, int],
    claims: Mapping[Identifier, Claim],
) -> tuple[int | None, bool]:
    """Return the contact that the strongest known identifier leads to, and whether it is new."""
    for name in named:
        if name in owners:
            return owners[name], False
        if name in claims:
            return claims[name].contact_id, claims[name].is_first_sight
    return None, False
