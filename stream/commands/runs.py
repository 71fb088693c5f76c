"""`waitline runs`: what runs are doing, and what they did."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.commands.run_told import status_text, tell_run
from stream.trouble import MISUSED, Trouble

STATUSES = ("running", "completed", "failed", "cancelled")

commands = typer.Typer(no_args_is_help=True, help="Look at runs; cancel, retry and release them.")


@commands.command("list")
def list_(
    automation: Annotated[str | None, typer.Option(help="Of this automation only.")] = None,
    status: Annotated[str | None, typer.Option(help=f"One of {', '.join(STATUSES)}.")] = None,
    contact: Annotated[
        str | None, typer.Option(metavar="KIND:VALUE", help="Such as email:ann@example.com.")
    ] = None,
    limit: options.Limit = 50,
    as_json: options.AsArray = False,
    only_ids: options.OnlyIds = False,
) -> None:
    """List runs, the newest first.

    Other commands take the ids: waitline runs retry $(waitline runs list --status failed --ids)

    Example: waitline runs list --status failed --automation "Receipt and follow-up"
    """
    if status is not None and status not in STATUSES:
        raise Trouble(f'"{status}" is no status: one of {", ".join(STATUSES)}', MISUSED)
    found = access.run(_listed(automation, status, contact, limit))
    if only_ids:
        terminal.print_ids(found)
        return
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("id", "automation", "status", "at", "contact", "trigger", "created"),
        [
            (
                run["id"],
                f"{run['automation_name']} v{run['automation_version']}",
                status_text(run),
                run["step_key"],
                f"{run['resolved_identity_type']}:{run['resolved_identity_value']}",
                run["trigger_event"]["event"],
                terminal.instant(run["created_at"]),
            )
            for run in found
        ],
        empty="no such runs",
    )


@commands.command()
def show(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="The run's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the run record as JSON.")] = False,
) -> None:
    """Show one run: its trigger, every step, every wait, every message.

    Example: waitline runs show 0b3c8f9e-63a5-5c57-8d0f-2f6a54b1d7aa
    """
    record, home = access.run(_shown(run_id))
    if as_json:
        terminal.print_json(record)
    else:
        tell_run(record, home)


async def _listed(
    automation: str | None, status: str | None, contact: str | None, limit: int
) -> list[dict[str, Any]]:
    from handlers.record import run_summary
    from state.postgres.automations import list_automations
    from state.postgres.reading_contacts import find_person
    from state.postgres.reading_runs import Wanted, list_runs

    identifier = None if contact is None else access.parse_contact(contact)
    async with access.tables(access.settings()) as session:
        person = None if identifier is None else await find_person(session, identifier)
        if identifier is not None and person is None:
            return []
        found = await list_runs(session, Wanted(automation, status, person, limit))
        if not found and automation is not None:
            names = [one.name for one in await list_automations(session)]
            access.require_automation(automation, names)
    return [run_summary(stored) for stored in found]


async def _shown(run_id: str) -> tuple[dict[str, Any], str]:
    """Return a run's record, and the public id of whom its contact has become (rule I3)."""
    from handlers.record import run_record
    from state.contact import contact_uuid
    from state.postgres.reading_contacts import load_person
    from state.postgres.reading_runs import find_runs
    from stream.inquiry import view_of

    wanted = options.parse_id(run_id, "run id", "`waitline runs list` shows them")
    async with access.tables(access.settings()) as session:
        found = await find_runs(session, [wanted])
        if not found:
            raise Trouble(f"there is no run {run_id}: `waitline runs list` shows the newest")
        person = await load_person(session, found[0].run.contact_id)
    return run_record(*view_of(found[0])), str(contact_uuid(person[0]))
