"""One turn of the door in Postgres: locks, reads after the locks, and all writes (house.md)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from msgspec.structs import replace

from state.audience import Audiences
from state.automation import StoredVersion
from state.contact import Contact
from state.event import Identifier
from state.postgres.audiences import load_audiences, save_choices, save_memberships
from state.postgres.audit import save_audited
from state.postgres.catalogue import load_definitions
from state.postgres.closed_waits import load_closed_waits, save_closed_waits
from state.postgres.closing import close_turn
from state.postgres.contacts import claim, load_links, lock, note_erased, resolve, save_contacts
from state.postgres.enrolments import load_enrolments, save_enrolments
from state.postgres.erasing import save_erasures
from state.postgres.events import load_seen, look_back, save_events
from state.postgres.finished import load_finished
from state.postgres.hashing import Keyring, keyed_hash
from state.postgres.marks import Mark
from state.postgres.merges import load_absorbed, load_survivors, save_merges
from state.postgres.offsets import Stream, load_watermark
from state.postgres.outbox import (
    make_room,
    save_effects,
    save_message_events,
    settle,
    withdraw,
)
from state.postgres.outgoing import save_outgoing
from state.postgres.quarantine import save_quarantined
from state.postgres.runs import load_runs, save_runs
from state.postgres.session import Session
from state.postgres.suppressions import save_suppressions
from state.postgres.survey import Survey, survey
from state.postgres.traces import save_duplicates, save_notes
from state.postgres.unmerging import load_records, save_unmerges
from state.turn import (
    Changes,
    Claim,
    ClosedWait,
    Enrolment,
    LockRequest,
    Moved,
    Need,
    Snapshot,
    StoredEvent,
)


class History(TypedDict):
    """What a snapshot has of the past of contacts."""

    closed_waits: Mapping[int, Sequence[ClosedWait]]
    enrolments: Mapping[tuple[int, UUID], Enrolment]


class PostgresTransaction:
    """The store's side of a turn. `turn` names it among the turns of its lane.

    One lock order for all: the catalogue (shared), identifiers claimed (sorted), contacts (sorted),
    what belongs to them, offsets with the lane's mark. `revision` is the catalogue's.
    """

    def __init__(
        self,
        session: Session,
        lane: str,
        turn: int,
        revision: int,
        stream: Stream,
        keyring: Keyring,
    ) -> None:
        self.turn = turn
        self._revision = revision
        self._session = session
        self._lane = lane
        self._stream = stream
        self._keyring = keyring
        self._own: set[int] = set()
        self._claimed: dict[Identifier, bytes] = {}

    @property
    def statements(self) -> int:
        """Return how many statements this turn has run; it does not depend on the batch's size."""
        return self._session.statements

    async def catalogue_revision(self) -> int:
        """Return the catalogue's revision, which stays as it is until the turn ends (rule E7)."""
        return self._revision

    async def definitions(self) -> tuple[list[StoredVersion], dict[str, datetime]]:
        """Return the versions that are not retired, and since when each name is of interest."""
        return await load_definitions(self._session)

    async def audiences(self) -> Audiences:
        """Return the segments and topics there are, which change with the revision only."""
        return await load_audiences(self._session)

    async def resolve(self, identifiers: Sequence[Identifier]) -> dict[Identifier, int]:
        """Return who holds which of these identifiers, without a lock."""
        return await resolve(self._session, identifiers)

    async def survivors(self, contact_ids: Sequence[int]) -> dict[int, int]:
        """Return whom contacts were merged into, without a lock; others are left out (rule I3)."""
        return await load_survivors(self._session, contact_ids)

    async def claim(self, claims: Sequence[Claim]) -> None:
        """Reserve identifiers that nobody holds, for new contacts and known ones (rule I1).

        Raises:
            Moved: somebody was quicker.
        """
        secret = await self._keyring.secret(self._session)
        await claim(self._session, claims)
        self._claimed = {one.identifier: keyed_hash(secret, *one.identifier) for one in claims}
        self._own.update(one.contact_id for one in claims if one.is_first_sight)

    async def lock(self, request: LockRequest) -> Snapshot:
        """Lock the contacts, then read in later statements what a decision needs (rules D3, W2).

        A statement that locks and reads sees the world from before the lock; whatever was
        committed while it waited would be lost on it, and with it somebody's wake-up.

        Raises:
            Moved: a contact is gone, or an identifier belongs to one that is not locked.
        """
        session, ids = self._session, sorted(set(request.contact_ids))
        locked = await lock(session, ids) if ids else []
        self._own.update(ids)
        asked = request.event_keys, request.partitions, self._stream.epoch
        claimed = list(self._claimed.values())
        found = await survey(session, ids, *asked, claimed)
        # Before the links are read, which tell it of known contacts.
        erased = (
            await note_erased(session, list(self._claimed), claimed) if found.has_erased else {}
        )
        absorbed = await load_absorbed(session, ids) if found.has_absorbed else {}
        contacts = await self._with_links(locked, absorbed)
        return Snapshot(
            now=found.now,
            owners=await self._owners(request.identifiers, contacts.values()),
            contacts=contacts,
            runs=await load_runs(session, ids) if ids else {},
            seen=await load_seen(session, request.event_keys) if found.has_seen else {},
            applied=found.applied,
            **await self._history(ids, absorbed, found),
            erased=erased,
            undoing=await load_records(session, request.undoing) if request.undoing else {},
            partitions=(
                await load_watermark(session, self._stream) if request.reads_watermark else ()
            ),
            finished=await load_finished(session, request.finished),
        )

    async def _owners(
        self, identifiers: Sequence[Identifier], locked: Collection[Contact]
    ) -> Mapping[Identifier, int]:
        """Return who holds these identifiers; most of them are those of who is locked."""
        held = {link.identifier: one.contact_id for one in locked for link in one.links}
        others = await resolve(self._session, [one for one in identifiers if one not in held])
        if not self._own.issuperset(others.values()):
            raise Moved("an identifier has another owner than before the lock")
        return others | {one: held[one] for one in identifiers if one in held}

    async def _history(
        self, ids: Sequence[int], absorbed: Mapping[int, Sequence[int]], found: Survey
    ) -> History:
        """Return what is remembered of the contacts, and of whom they have absorbed (rule I3)."""
        session = self._session
        numbers = [*ids, *(gone for each in absorbed.values() for gone in each)]
        has_waits = found.has_closed_waits or found.has_absorbed
        has_entered = found.has_enrolments or found.has_absorbed
        return {
            "closed_waits": await load_closed_waits(session, numbers, found.now)
            if has_waits
            else {},
            "enrolments": await load_enrolments(session, numbers) if has_entered else {},
        }

    async def _with_links(
        self, locked: Sequence[Contact], absorbed: Mapping[int, Sequence[int]]
    ) -> dict[int, Contact]:
        if not locked:
            return {}
        links = await load_links(self._session, [one.contact_id for one in locked])
        return {
            one.contact_id: replace(
                one,
                links=tuple(links.get(one.contact_id, ())),
                absorbed=tuple(absorbed.get(one.contact_id, ())),
            )
            for one in locked
        }

    async def look_back(self, needs: Sequence[Need]) -> list[StoredEvent]:
        """Return the stored events that meet any of these needs, by V and key (rule W2)."""
        return await look_back(self._session, needs)

    async def save(self, changes: Changes) -> None:
        """Write everything a turn decided: all of it, its mark and its offsets, or nothing (E3).

        Raises:
            Fenced: partitions have another owner by now. Moved: begin the turn again.
        """
        session, now, epoch = self._session, changes.now, self._stream.epoch
        secret = await self._keyring.secret(session)
        await save_contacts(session, changes, self._own, secret)
        await save_merges(session, changes.merges, epoch)
        await save_unmerges(session, changes.unmerges, now)
        await save_memberships(session, list(changes.memberships.values()))
        await save_choices(session, list(changes.choices.values()))
        await save_events(session, changes.events, now)
        await save_runs(session, changes.runs)
        await save_closed_waits(session, changes.closed_waits, changes.late)
        await save_enrolments(session, changes.enrolments)
        await make_room(session, changes.resent)
        await save_effects(session, changes.effects)
        await withdraw(session, changes.withdrawn, now)
        await settle(session, changes.answers, now)
        await save_message_events(session, changes.message_events)
        await save_duplicates(session, changes.duplicates, epoch, now)
        await save_notes(session, changes.identity_notes, epoch, now)
        await save_suppressions(session, self._keyring, changes.suppressions, now)
        await save_audited(session, changes.audited, now)
        letters = await save_quarantined(session, changes.quarantined, epoch, now)
        await save_outgoing(session, letters, changes.emitted, now)
        await save_erasures(session, changes.erasures, secret, now)
        await close_turn(session, changes, epoch, Mark(self._lane, self.turn, now))
