"""`waitline automations`: what operators do with automations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import who_operates

if TYPE_CHECKING:
    from state.postgres.automations import Applied, AutomationRow, VersionRow
    from state.postgres.session import Session

commands = typer.Typer(
    no_args_is_help=True, help="Apply automations, look at them, pause, stop and delete them."
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The automation's name.")]


@commands.command()
def apply(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML or JSON files.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
) -> None:
    """Publish automation files: all of them, or none if one cannot be used.

    Runs in progress stay on the version they started with.

    Example: waitline automations apply receipts.yaml --dry-run
    """
    would = "would be " if dry_run else ""
    for applied, said in access.run(_applied(files, is_dry=dry_run)):
        now = "" if applied.state == "unchanged" else f", {would}{applied.state}"
        verb = "is unchanged" if applied.change == "unchanged" else f"{would}{applied.change}"
        terminal.say(f'"{applied.name}" {verb}: version {applied.version}{now}')
        for line in said:
            terminal.say(f"  {line}")


@commands.command("list")
def list_(
    as_json: options.AsArray = False,
) -> None:
    """List all automations.

    Example: waitline automations list
    """
    found = access.run(_listed())
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("name", "status", "paused", "version", "enabled", "changed"),
        [
            (
                one["name"],
                one["status"],
                one["pause"],
                one["version"],
                terminal.instant(one["enabled_at"]),
                terminal.instant(one["updated_at"]),
            )
            for one in found
        ],
        empty="there are no automations: `waitline automations apply FILE`",
    )


@commands.command()
def show(
    name: Name,
    as_json: options.AsObject = False,
) -> None:
    """Show an automation: its state, and its definition as a file would hold it.

    Example: waitline automations show "Receipt and follow-up"
    """
    document = access.run(_shown(name))
    if as_json:
        terminal.print_json(document)
        return
    import yaml

    definition = document.pop("definition")
    document["listens_to"] = ", ".join(document["listens_to"])
    terminal.print_facts(document)
    terminal.say()
    terminal.say(yaml.safe_dump(definition, sort_keys=False, allow_unicode=True).rstrip())


@commands.command()
def enable(name: Name) -> None:
    """Let an automation start runs, from events that happen from now on.

    Example: waitline automations enable "Receipt and follow-up"
    """
    changed = access.run(_set(name, is_enabled=True))
    terminal.say(f'"{name}" {"is enabled" if changed else "was enabled already"}')


@commands.command()
def stop(name: Name) -> None:
    """Let an automation start no more runs; runs in progress go on.

    Example: waitline automations stop "Receipt and follow-up"
    """
    changed = access.run(_set(name, is_enabled=False))
    terminal.say(f'"{name}" {"is stopped" if changed else "was stopped already"}')


class _DryRun(Exception):
    """Undoes what was tried."""


async def _applied(files: Sequence[Path], *, is_dry: bool) -> list[tuple[Applied, list[str]]]:
    """Apply the files; a dry run does the same and then takes it back."""
    from state.postgres.audiences import load_audiences
    from state.postgres.automations import apply_automations
    from state.postgres.templates import load_templates
    from stream.automation_files import prepare

    applied: list[Applied] = []
    said: dict[str, list[str]] = {}
    try:
        async with access.operating(access.settings()) as session:
            known = await load_templates(session), await load_audiences(session)
            prepared = prepare(files, *known)
            said = {
                one.name: await _said(session, one.name, one.definition)
                for one in prepared.publications
            }
            applied = await apply_automations(
                session, prepared.publications, prepared.templates, who_operates()
            )
            if is_dry:
                raise _DryRun
    except _DryRun:
        pass
    return [(one, said[one.name] if one.change == "published" else []) for one in applied]


async def _said(session: Session, name: str, after: Any) -> list[str]:
    """Return what a definition changes of the one that is published."""
    from handlers.publishing.changes import changes
    from state.postgres.automations import UnknownAutomation, get_automation

    try:
        _, before = await get_automation(session, name)
    except UnknownAutomation:
        return []
    return changes(before.definition, after)


async def _listed() -> list[dict[str, Any]]:
    from state.postgres.automations import list_automations

    async with access.tables(access.settings()) as session:
        return [_document(row) for row in await list_automations(session)]


async def _shown(name: str) -> dict[str, Any]:
    from state.postgres.automations import get_automation

    async with access.tables(access.settings()) as session, known_name(session, name):
        row, version = await get_automation(session, name)
    return _document(row) | _version(version)


async def _set(name: str, *, is_enabled: bool) -> bool:
    from state.postgres.automations import set_enabled

    async with access.operating(access.settings()) as session, known_name(session, name):
        return await set_enabled(session, name, is_enabled, who_operates())


@asynccontextmanager
async def known_name(session: Session, name: str) -> AsyncIterator[None]:
    """Say which name may have been meant, where there is none like this."""
    from state.postgres.automations import UnknownAutomation, list_automations

    try:
        yield
    except UnknownAutomation:
        access.require_automation(name, [row.name for row in await list_automations(session)])
        raise


def _document(row: AutomationRow) -> dict[str, Any]:
    from state.moment import moment_text, optional_moment_text

    return {
        "automation_id": str(row.automation_id),
        "name": row.name,
        "status": "enabled" if row.is_enabled else "stopped",
        "pause": row.pause,
        "paused_since": optional_moment_text(row.paused_at),
        "version": row.current_version,
        "enabled_at": optional_moment_text(row.enabled_at),
        "created_at": moment_text(row.created_at),
        "updated_at": moment_text(row.updated_at),
    }


def _version(version: VersionRow) -> dict[str, Any]:
    from state.moment import moment_text

    return {
        "published_at": moment_text(version.created_at),
        "listens_to": version.names,
        "definition": version.definition,
    }
