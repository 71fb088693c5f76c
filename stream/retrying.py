"""Retries runs at an operator's word; what its turn decides is asked beforehand and afterwards."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from handlers.publishing.catalogue import compile_version
from handlers.retry import Around, Refusal, Retry, failed_step, refusal
from state.automation import Reentry, Version
from state.contact import contact_uuid
from state.event import Identifier
from state.pausing import pausing_of
from state.postgres.contacts import resolve
from state.postgres.finished import load_finished
from state.postgres.pauses import pausings_of
from state.postgres.reading_runs import versions_of
from state.postgres.reviving import current_version, revive_version
from state.postgres.runs import load_runs
from state.postgres.session import Session
from state.run import Run, retry_id_of
from stream.desk import Desk

#: How often a version that the housekeeping retires again is brought back before it is given up.
REVIVALS_MAX = 5

_MISSING = Refusal(
    "not_finished",
    "there is no such run that has ended: `waitline runs list --status failed` shows them",
)
_MOVED = Refusal("moved", "it could not be retried just now: try again")


class Trial(NamedTuple):
    """What a retry does: the new run and the step at which it begins, or what speaks against it.

    `is_over`: the new run ended at once, because its contact has fulfilled an exit rule since (S3).
    """

    refusal: Refusal | None
    run: Run | None = None
    retry_id: UUID | None = None
    step_key: str | None = None
    is_over: bool = False


async def trial_of(desk: Desk, run_id: UUID) -> Trial:
    """Return what a retry of this run would do now; nothing is changed."""
    async with desk.tables() as session:
        finished = (await load_finished(session, [run_id])).get(run_id)
        if finished is None:
            return Trial(_MISSING)
        run = finished.run
        version = await _version(session, run)
        contact = Identifier("contact_id", str(contact_uuid(run.contact_id)))
        home = (await resolve(session, [contact])).get(contact)
        if home is None:
            return Trial(Refusal("contact_deleted", "its contact was deleted"))
        against = refusal(finished, await _around(session, version, run, home))
    return Trial(against, run, retry_id_of(run), failed_step(run, version))


async def retry_run(desk: Desk, run_id: UUID, who: str, why: str | None) -> Trial:
    """Retry this run in the name of `who`; return what became of it."""
    trial = await trial_of(desk, run_id)
    if trial.refusal is not None or trial.run is None:
        return trial
    run = trial.run
    command = Retry(run.contact_id, run_id, who, why)
    for _ in range(REVIVALS_MAX):
        async with desk.door() as processor:
            tally = await processor.apply_commands("retries", [command])
        if tally["runs_retried"]:
            return trial._replace(is_over=bool(tally["retries_exited"]))
        if not tally["retries_without_version"]:
            break
        async with desk.operating() as session:
            await revive_version(session, run.automation_id, run.version)
    now = await trial_of(desk, run_id)
    return now if now.refusal is not None else now._replace(refusal=_MOVED)


async def _version(session: Session, run: Run) -> Version:
    key = run.automation_id, run.version
    return compile_version(*(await versions_of(session, [key]))[key])


async def _around(session: Session, version: Version, run: Run, home: int) -> Around:
    """Return what stands around a retry, as far as it can be seen without a lock."""
    pausings = await pausings_of(session, [run.automation_id])
    return Around(
        active=tuple((await load_runs(session, [home])).get(home, ())),
        reentry=await _reentry(session, version),
        is_paused=pausing_of(pausings, run).mode is not None,
    )


async def _reentry(session: Session, version: Version) -> Reentry:
    """Return the policy of the automation as it stands; of the version, if it was deleted."""
    current = await current_version(session, version.automation_id)
    return version.reentry if current is None else compile_version(*current).reentry
