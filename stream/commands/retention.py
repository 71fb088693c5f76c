"""`waitline retention`: what is over is dropped, what is needed stays and says who needs it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import who_operates

if TYPE_CHECKING:
    from state.retention import Holder, LeafVerdict, Survey
    from stream.config import Settings
    from stream.retention import Told

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def retention(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be dropped, and change nothing.")
    ] = False,
    as_json: options.AsObject = False,
) -> None:
    """Drop what is older than the WAITLINE_RETENTION_... periods, and say what holds the rest.

    Events and finished runs go by leaves of a week and a month, other rows one by one. A leaf of
    events stays while a live run's wait may still look back into it. Workers do the same once an
    hour, unless WAITLINE_RETENTION is off. What is dropped is gone for good: look first.

    Example: waitline retention --dry-run
    """
    found = access.run(_surveyed() if dry_run else _kept())
    if as_json:
        terminal.print_json(_document(found, is_dry=dry_run))
    else:
        _print(found, is_dry=dry_run)


async def _surveyed() -> Survey:
    from stream.retention import retention_of

    config = access.settings()
    async with access.tables(config) as session:
        return await retention_of(config).survey(session)


async def _kept() -> Survey:
    """Drop what is over; return the survey from before, which says what that was."""
    from rich.console import Console
    from rich.progress import Progress

    config = access.settings()
    found = await _surveyed()
    with Progress(console=Console(stderr=True), disable=not _steps(found)) as progress:
        task = progress.add_task("dropping", total=_steps(found))

        def told(what: str, count: int) -> None:
            is_leaf = what not in {old.table for old in found.rows}
            progress.update(task, advance=1 if is_leaf else count, description=f"dropping {what}")

        await _keep(config, told)
    return found


async def _keep(config: Settings, told: Told) -> None:
    from state.postgres.store import PostgresStore
    from stream.retention import Doer, retention_of
    from stream.telemetry import configure_logs

    configure_logs(config.log_format, "WARNING", sys.stderr)  # standard output is for the answer
    with access.postgres_troubles(config):
        store = await PostgresStore.open(config.database_url, worker_id="cli", pool_max=1)
        try:
            doer = Doer(who_operates(), is_operator=True)
            await retention_of(config).keep(store, doer, told)
        finally:
            await store.close()


def _steps(found: Survey) -> int:
    leaves = sum(judged.verdict == "drop" for judged in found.leaves)
    return leaves + len(found.unfinished) + sum(old.total for old in found.rows)


def _print(found: Survey, *, is_dry: bool) -> None:
    terminal.print_table(
        ("leaf", "from", "to", "rows", "size", "verdict"),
        [
            (
                judged.leaf.name,
                f"{judged.leaf.lower:%Y-%m-%d}",
                f"{judged.leaf.upper:%Y-%m-%d}",
                None if judged.leaf.rows is None else f"~{judged.leaf.rows}",
                _size(judged.leaf.size),
                _said(judged, is_dry=is_dry),
            )
            for judged in found.leaves
        ],
        empty="there are no leaves: run `waitline migrate`",
    )
    verb = "would be " if is_dry else ""
    for name in found.unfinished:
        terminal.say(f"{name}: detached before, {verb}dropped")
    for old in found.rows:
        if old.total:
            terminal.say(
                f"{old.table}: {old.total} rows from before {terminal.instant(old.cutoff)} "
                f"{verb}deleted"
            )
    if not _steps(found):
        terminal.say("nothing is over")
    elif is_dry:
        terminal.say("nothing was changed: without --dry-run it is done")


def _said(judged: LeafVerdict, *, is_dry: bool) -> str:
    if judged.verdict == "drop":
        return "drop" if is_dry else "dropped"
    if judged.holder is not None:
        return f"held by {_holder(judged.holder)}"
    return f"kept until {terminal.instant(judged.due_at)}"


def _holder(holder: Holder) -> str:
    looks = f"looks back to {terminal.instant(holder.looks_back_to)}"
    step = f'automation "{holder.automation}", step "{holder.step_key}"'
    if holder.run_id is None:
        return f"runs still to start: {step} {looks}"
    more = "1 other" if holder.others == 1 else f"{holder.others} others"
    others = f" and {more}" if holder.others else ""
    return f"run {holder.run_id} ({step}, {looks}){others}"


def _size(size: int) -> str:
    amount = float(size)
    for unit in _UNITS[:-1]:
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.0f} {_UNITS[-1]}"


def _document(found: Survey, *, is_dry: bool) -> dict[str, Any]:
    from state.moment import moment_text

    return {
        "dry_run": is_dry,
        "leaves": [_leaf(judged) for judged in found.leaves],
        "unfinished": found.unfinished,
        "rows": [
            {"table": old.table, "older_than": moment_text(old.cutoff), "count": old.total}
            for old in found.rows
        ],
    }


def _leaf(judged: LeafVerdict) -> dict[str, Any]:
    from state.moment import optional_moment_text

    leaf, holder = judged.leaf, judged.holder
    return {
        "table": leaf.family,
        "name": leaf.name,
        "from": optional_moment_text(leaf.lower),
        "to": optional_moment_text(leaf.upper),
        "rows_estimate": leaf.rows,
        "bytes": leaf.size,
        "newest_v": optional_moment_text(leaf.newest_v),
        "verdict": judged.verdict,
        "kept_until": optional_moment_text(judged.due_at),
        "held_by": None
        if holder is None
        else {
            "run_id": None if holder.run_id is None else str(holder.run_id),
            "automation": holder.automation,
            "step_key": holder.step_key,
            "looks_back_to": optional_moment_text(holder.looks_back_to),
            "others": holder.others,
        },
    }
