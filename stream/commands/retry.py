"""`waitline runs retry`: a failed run is tried again from the step that failed (rule R3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import who_operates
from stream.trouble import FAILED

if TYPE_CHECKING:
    from uuid import UUID


def retry(
    run_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Runs that failed.")],
    why: options.OptionalWhy = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be tried, and change nothing.")
    ] = False,
) -> None:
    """Try failed runs again, each in a new run that goes on at the step that failed.

    What the old run did is not done again; a message that could not be sent is asked for under the
    same key, so that the provider cannot send it twice. The old run stays as it is. A run is
    retried once: if that fails too, retry the new one. Whoever has fulfilled an exit rule since
    the run failed gets nothing: the new run ends at once.

    Example: waitline runs retry 5dda258d-eac9-559c-96b4-5af441218dcd --dry-run
    """
    from stream.retrying import retry_run, trial_of

    desk = access.desk(access.settings())
    wanted = list(dict.fromkeys(_parsed(text) for text in run_ids))
    are_all = True
    for run_id in wanted:
        if dry_run:
            trial = access.run(trial_of(desk, run_id))
        else:
            trial = access.run(retry_run(desk, run_id, who_operates(), why))
        verb = "would be retried" if dry_run else "retried"
        if trial.is_over:
            told = f"retried as {trial.retry_id}, which an exit rule ended at once: see `runs show`"
        elif trial.refusal is None:
            told = f'{verb} as {trial.retry_id}, from step "{trial.step_key}"'
        else:
            are_all = False
            told = f"not retried ({trial.refusal.code}): {trial.refusal.text}"
        terminal.say(f"{run_id}: {told}")
    if not are_all:
        raise typer.Exit(FAILED)


def _parsed(text: str) -> UUID:
    return options.parse_id(text, "run id", "`waitline runs list --status failed` shows them")
