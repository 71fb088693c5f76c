"""The store: connections that cannot hang, turns' transactions, and what loops ask between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

import asyncpg

from state.effect import Claimed
from state.postgres import erasing, housekeeping, offsets, outbox, outgoing
from state.postgres.catalogue import holding, read_revision
from state.postgres.contacts import new_numbers
from state.postgres.due import load_due, next_due_in
from state.postgres.erasing import Leftover
from state.postgres.errors import LOST, named_failures
from state.postgres.expiry import load_expired
from state.postgres.hashing import Keyring
from state.postgres.marks import database_now, has_landed, open_lane
from state.postgres.offsets import Held, Stream, Touch
from state.postgres.outgoing import Outgoing, Role
from state.postgres.scrubbing import scrub_audit, scrub_outgoing, scrub_quarantine
from state.postgres.session import Session, keep_settings
from state.postgres.suppressions import with_standings
from state.postgres.transaction import PostgresTransaction
from state.share import EVERYBODYS, Share
from state.turn import Moved, PartitionState, Unavailable, Unknown

#: How long connecting, and waiting for a free connection, may take.
CONNECT_SECONDS = 10.0

#: How long `close` waits for what is under way.
CLOSE_SECONDS = 5.0

#: Nothing may wait for ever (reliability.md A1, A4); a dead client's statement ends by itself. Hot
#: statements are probes of an index and nothing else: cold statistics must not talk the planner
#: into reading tables (performance.md, trap 1), and jit only costs.
SETTINGS = {
    "statement_timeout": "25s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "15s",
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "synchronous_commit": "on",
    "jit": "off",
    "enable_seqscan": "off",
}


class PostgresStore:
    """A worker's store. Open it once, share it between the worker's tasks, close it at the end.

    Every method raises Unavailable when the database cannot be reached or cannot serve.
    """

    def __init__(self, pool: asyncpg.Pool, worker_id: str, stream: Stream) -> None:
        self._pool = pool
        self._worker_id = worker_id
        self._stream = stream
        self._numbers: list[int] = []
        self._turns: dict[str, int] = {}
        self._busy: set[str] = set()
        self._revision = 0
        self._keyring = Keyring()

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        worker_id: str,
        stream_epoch: str = "1",
        input_topics: Sequence[str] | None = None,
        pool_max: int = 8,
        command_timeout: float = 30.0,
    ) -> Self:
        """Connect; `worker_id` names this process among all that ever use the database.

        `input_topics` are those whose lag holds timers (W4); without them, all that ever were.
        """
        with named_failures():
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=pool_max,
                timeout=CONNECT_SECONDS,
                command_timeout=command_timeout,
                server_settings=SETTINGS | {"application_name": f"waitline {worker_id}"[:63]},
                reset=keep_settings,
            )
        topics = None if input_topics is None else list(input_topics)
        return cls(pool, worker_id, Stream(stream_epoch, topics))

    async def close(self) -> None:
        """Close every connection, the hard way after a while."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    # --- turns ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def transaction(self, lane: str) -> AsyncIterator[PostgresTransaction]:
        """Open a turn of a lane; leaving the context commits it, an exception rolls it back.

        It holds the catalogue as it is from the start (rule E7).
        A lane's turns follow each other; only so can its mark tell which one landed.

        Raises:
            Moved, Fenced, Refused: from what was done inside; nothing was written.
            Unavailable: nothing was written.
            Unknown: the connection was lost at COMMIT; ask `landed`.
        """
        assert lane not in self._busy, f"lane {lane} has a turn under way"
        self._busy.add(lane)
        try:
            turn = await self._next_turn(lane)
            async with self._connected() as session:
                known = self._revision
                async with session.transaction(*holding(known)) as found:
                    revision = known if found else await read_revision(session)
                    self._revision = revision
                    yield PostgresTransaction(
                        session, self._lane(lane), turn, revision, self._stream, self._keyring
                    )
                await _commit(session, turn)
        finally:
            self._busy.discard(lane)

    async def landed(self, lane: str, turn: int) -> bool:
        """Tell whether a turn whose commit was lost took place; waits until that is decided.

        Raises:
            Unavailable: it cannot be told yet; ask again before anything is repeated.
        """
        try:
            async with self._connected() as session:
                return await has_landed(session, self._lane(lane), turn)
        except Moved as undecided:
            raise Unavailable(str(undecided)) from None

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Run statements in a transaction that is no turn, as an operator's command does.

        Raises:
            Unknown: the connection was lost at COMMIT; look before you repeat.
        """
        async with self._connected() as session:
            async with session.transaction():
                yield session
            await _commit(session, turn=0)

    # --- timers, effects, publications ------------------------------------------------------------

    async def contact_ids(self, n: int) -> list[int]:
        """Return numbers for new contacts, ascending, from blocks that are this worker's alone."""
        if len(self._numbers) < n:
            async with self._connected() as session:
                fresh = await new_numbers(session, n - len(self._numbers))
            self._numbers += fresh
        taken, self._numbers = self._numbers[:n], self._numbers[n:]
        return taken

    async def due(
        self, limit: int, *, include_held: bool = False, share: Share = EVERYBODYS
    ) -> list[tuple[int, UUID]]:
        """Return contact and run of due timers, the oldest first, by the database's clock (T2, W4).

        Timers that were held back already come again when lag no longer holds them, or with
        `include_held`, for a look at the cap.
        """
        async with self._connected() as session:
            return await load_due(
                session, limit, self._stream, include_held=include_held, share=share
            )

    async def next_due_in(self) -> float | None:
        """Return the seconds until the earliest timer is due, negative once it is, None without."""
        async with self._connected() as session:
            return await next_due_in(session)

    async def expired(self, age: timedelta, limit: int) -> list[tuple[int, UUID]]:
        """Return contact and run of active runs of at least this age, the oldest first (R2)."""
        async with self._connected() as session:
            return await load_expired(session, age, limit)

    async def claim_effects(self, limit: int, lease: timedelta) -> list[Claimed]:
        """Return due effects, and how their contacts stand (F4); nobody else gets them now.

        In one transaction: a claim that reached nobody would keep its effects for a whole lease,
        and leave it open whether they were sent.
        """
        async with self._connected() as session, session.transaction():
            claimed = await outbox.claim_effects(session, limit, self._worker_id, lease)
            standing = await with_standings(session, self._keyring, claimed)
            await session.commit()
        return standing

    async def postpone_effect(
        self, effect_id: UUID, due_in: timedelta, error: Mapping[str, object]
    ) -> None:
        """Give an effect back, to be tried again later (rule F5)."""
        async with self._connected() as session:
            await outbox.postpone_effect(session, effect_id, self._worker_id, due_in, error)

    async def outgoing(self, role: Role, limit: int) -> list[Outgoing]:
        """Return what a topic is to be told, the oldest first; nobody else gets it for a lease."""
        async with self._connected() as session:
            return await outgoing.take_outgoing(session, role, limit)

    async def outgoing_done(self, role: Role, ids: Sequence[int]) -> None:
        """Forget what was published of a topic."""
        async with self._connected() as session:
            await outgoing.outgoing_done(session, role, ids)

    # --- partitions -------------------------------------------------------------------------------

    async def register_partitions(self, partitions: Sequence[tuple[str, int]]) -> None:
        """Make the rows there are not yet; a partition never consumed holds all timers (W4)."""
        async with self._connected() as session:
            await offsets.register(session, partitions, self._stream.epoch)

    async def take_partitions(
        self, partitions: Sequence[tuple[str, int]], owner: str
    ) -> dict[tuple[str, int], Held]:
        """Mint a new epoch for each partition, which fences whoever had it (rule E3)."""
        async with self._connected() as session:
            return await offsets.take(session, partitions, self._stream.epoch, owner)

    async def release_partitions(self, held: Mapping[tuple[str, int], Held]) -> None:
        """Give partitions up, where they are still ours."""
        async with self._connected() as session:
            await offsets.release(session, held, self._stream.epoch)

    async def touch_partitions(self, rows: Sequence[Touch]) -> set[tuple[str, int]]:
        """Store that partitions are alive, and how far; return those that were fenced."""
        async with self._connected() as session:
            return await offsets.touch(session, rows, self._stream.epoch)

    async def watermark(self) -> list[PartitionState]:
        """Return how far every input partition is (rule W4)."""
        async with self._connected() as session:
            return await offsets.load_watermark(session, self._stream)

    async def database_now(self) -> datetime:
        """Return the database's clock."""
        async with self._connected() as session:
            return await database_now(session)

    async def erase_leftover(
        self, forget: Callable[[Sequence[UUID]], Awaitable[None]]
    ) -> Leftover | None:
        """Erase the last traces of one deletion; `forget` has senders forget messages (rule I5).

        None: there is none, or messages of it are still on their way. Done twice it does no harm.
        """
        async with self.session() as session:
            leftover = await erasing.next_leftover(session)
            if leftover is None:
                return None
            await erasing.erase_answers(session, leftover.contact_ids)
            await scrub_quarantine(session, leftover.identifiers)
            await scrub_outgoing(session, leftover.identifiers)
            await scrub_audit(session, leftover.identifiers)
            await forget(await erasing.message_ids(session, leftover.contact_ids))
            await erasing.finish(session, leftover)
        return leftover

    async def keep_house(self, now: datetime) -> None:
        """Make partitions ahead, forget what has had its time, retire idle versions (E7, W5)."""
        for chore in housekeeping.CHORES:
            has_more = True
            while has_more:
                try:
                    async with self.session() as session:
                        has_more = await chore(session, now)
                except Unknown as lost:  # done or not, it may be done again
                    raise Unavailable(str(lost)) from None

    # --- connections ------------------------------------------------------------------------------

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Session]:
        """Lend a connection; each statement is a transaction of its own."""
        with named_failures():
            connection = await self._pool.acquire(timeout=CONNECT_SECONDS)
        try:
            yield Session(connection)
        except Unavailable:
            # After a failover the others lead to the old server too, perhaps a replica by now.
            await self._pool.expire_connections()
            raise
        finally:
            # A connection that cannot be reset is closed by the pool; what was committed on it
            # stays committed.
            with suppress(*LOST):
                await self._pool.release(connection)

    async def _next_turn(self, lane: str) -> int:
        if lane not in self._turns:
            async with self._connected() as session:
                self._turns[lane] = await open_lane(session, self._lane(lane))
                # So that all turns take as many statements.
                await self._keyring.secret(session)
                self._revision = await read_revision(session)
        self._turns[lane] += 1
        return self._turns[lane]

    def _lane(self, lane: str) -> str:
        return f"{self._worker_id}/{lane}"


async def _commit(session: Session, turn: int) -> None:
    """Commit; whatever stops the answer leaves the outcome open (reliability.md A2)."""
    try:
        await session.commit()
    except Unavailable:
        raise Unknown(turn) from None
