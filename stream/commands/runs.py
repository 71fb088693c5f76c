"""`waitline runs` and `waits`: what runs are doing, and what they did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from state.reading import WaitRow

Document = Mapping[str, Any]

STATUSES = ("running", "completed", "failed", "cancelled")

commands = typer.Typer(no_args_is_help=True, help="Look at runs.")


@commands.command("list")
def list_(
    automation: Annotated[str | None, typer.Option(help="Of this automation only.")] = None,
    status: Annotated[str | None, typer.Option(help=f"One of {', '.join(STATUSES)}.")] = None,
    contact: Annotated[
        str | None, typer.Option(metavar="KIND:VALUE", help="Such as email:ann@example.com.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List runs, the newest first.

    Example: waitline runs list --status failed --automation "Receipt and follow-up"
    """
    if status is not None and status not in STATUSES:
        raise Trouble(f'"{status}" is no status: one of {", ".join(STATUSES)}', MISUSED)
    found = access.run(_listed(automation, status, contact, limit))
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("id", "automation", "status", "at", "contact", "trigger", "created"),
        [
            (
                run["id"],
                f"{run['automation_name']} v{run['automation_version']}",
                _status(run),
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
    record = access.run(_shown(run_id))
    if as_json:
        terminal.print_json(record)
    else:
        _tell(record)


def waits(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """List open waits, those that are due first: who waits for what, since when, until when.

    Example: waitline waits --limit 20
    """
    found = access.run(_waits(limit))
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("run", "automation", "step", "waits for", "contact", "since", "deadline", "held for lag"),
        [
            (
                wait["run_id"],
                wait["automation"],
                wait["step_key"],
                ", ".join(wait["events"]),
                wait["contact_id"],
                terminal.instant(wait["opened_at"]),
                terminal.instant(wait["deadline"]),
                wait["held_for_lag"],
            )
            for wait in found
        ],
        empty="nothing waits",
    )


async def _listed(
    automation: str | None, status: str | None, contact: str | None, limit: int
) -> list[dict[str, Any]]:
    from handlers.record import run_summary
    from state.postgres.automations import list_automations
    from state.postgres.reading_contacts import contact_number_of
    from state.postgres.reading_runs import Wanted, list_runs

    identifier = None if contact is None else access.parse_contact(contact)
    async with access.tables(access.settings()) as session:
        number = None
        if identifier is not None:
            number = await contact_number_of(session, identifier)
            if number is None:
                return []
        found = await list_runs(session, Wanted(automation, status, number, limit))
        if not found and automation is not None:
            names = [one.name for one in await list_automations(session)]
            access.require_automation(automation, names)
    return [run_summary(stored) for stored in found]


async def _shown(run_id: str) -> dict[str, Any]:
    from uuid import UUID

    from handlers.record import run_record
    from state.postgres.reading_runs import find_runs
    from stream.inquiry import view_of

    try:
        wanted = UUID(run_id)
    except ValueError:
        raise Trouble(
            f'"{run_id}" is no run id: `waitline runs list` shows them', MISUSED
        ) from None
    async with access.tables(access.settings()) as session:
        found = await find_runs(session, [wanted])
    if not found:
        raise Trouble(f"there is no run {run_id}: `waitline runs list` shows the newest")
    return run_record(*view_of(found[0]))


async def _waits(limit: int) -> list[dict[str, Any]]:
    from handlers.catalogue import compile_version
    from state.postgres.reading_runs import open_waits, versions_of

    async with access.tables(access.settings()) as session:
        rows = await open_waits(session, limit)
        stored = await versions_of(session, {(row.automation_id, row.version) for row in rows})
    versions = {key: compile_version(*row) for key, row in stored.items()}
    return [_wait(row, versions[row.automation_id, row.version]) for row in rows]


def _wait(row: WaitRow, version: Any) -> dict[str, Any]:
    from handlers.waits import names_of
    from state.contact import contact_uuid
    from state.moment import moment_text

    def text(at: Any) -> str | None:
        return None if at is None else moment_text(at)

    return {
        "run_id": str(row.run_id),
        "automation": row.automation_name,
        "automation_version": row.version,
        "step_key": row.step_key,
        "events": names_of(version, row.step_key),
        "contact_id": str(contact_uuid(row.contact_id)),
        "opened_at": text(row.opened_at),
        "floor": text(row.floor),
        "deadline": text(row.deadline),
        "due_at": text(row.due_at),
        "held_for_lag": row.is_held,
    }


# --- a run, told ----------------------------------------------------------------------------------


def _status(run: Document) -> str:
    return f"{run['status']} ({run['activity'] or run['ended_reason']})"


def _tell(run: Document) -> None:
    event = run["trigger_event"]
    terminal.heading(f"{run['automation_name']} v{run['automation_version']}: {_status(run)}")
    facts = {
        "run": run["id"],
        "contact": run["contact_id"],
        "known by": f"{run['resolved_identity_type']} {run['resolved_identity_value']}, "
        f"{run['resolved_identity_path']}",
        "started by": f"{event['event']} {event['id']}, "
        f"{event['topic']}/{event['partition']}/{event['offset']}",
        "occurred": terminal.instant(event["occurred_at"]),
        "started": terminal.instant(run["started_at"]),
        "ended": terminal.instant(run["completed_at"]),
    }
    if run["error"] is not None:
        error = run["error"]
        facts["error"] = f"step {error['step_key']}: {error['code']}: {error['message']}"
    terminal.print_facts(facts)
    _tell_steps(run["steps"])
    _tell_waits(run["waits"])
    _tell_messages(run["messages"])


def _tell_steps(steps: Sequence[Document]) -> None:
    _section("Steps")
    terminal.print_table(
        ("step", "type", "status", "branch", "started", "completed"),
        [
            (
                step["key"],
                step["type"],
                step["status"],
                step["branch_taken"],
                terminal.instant(step["started_at"]),
                terminal.instant(step["completed_at"]),
            )
            for step in steps
        ],
        empty="none yet",
    )


def _tell_waits(waits: Sequence[Document]) -> None:
    if not waits:
        return
    _section("Waits")
    terminal.print_table(
        ("step", "waited for", "status", "opened", "until", "closed", "by", "remarks"),
        [
            (
                wait["step_key"],
                ", ".join(wait["events"]),
                wait["status"],
                terminal.instant(wait["opened_at"]),
                terminal.instant(wait["deadline"]),
                terminal.instant(wait["closed_at"]),
                _closed_by(wait),
                _remarks(wait),
            )
            for wait in waits
        ],
        empty="",
    )


def _closed_by(wait: Document) -> str | None:
    event = wait["resumed_by_event"]
    if event is None:
        return None
    return f"{event['event']} {event['id']} of {terminal.instant(event['occurred_at'])}"


def _remarks(wait: Document) -> str:
    said = []
    if wait["held_for_lag"]:
        said.append("held for lag")
    if wait.get("fired_under_lag"):
        said.append("fired under lag")
    if wait["late_match"] is not None:
        late = wait["late_match"]
        said.append(f"{late['event_id']} came {late['lateness_seconds']:.1f} s late")
    return ", ".join(said)


def _tell_messages(messages: Sequence[Document]) -> None:
    if not messages:
        return
    _section("Messages")
    terminal.print_table(
        ("message", "channel", "step", "to", "says", "status", "last event"),
        [
            (
                message["id"],
                message["channel"],
                message["step_key"],
                message["to"],
                message.get("subject", message.get("title")),
                message["status"],
                message["last_event"],
            )
            for message in messages
        ],
        empty="",
    )


def _section(title: str) -> None:
    terminal.say()
    terminal.heading(title)
