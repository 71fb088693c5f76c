"""`waitline contacts merges` and `unmerge`: who became whom, and taking it back (rule I3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from stream import access, terminal
from stream.commands import members, options
from stream.operator import reason_given, who_operates
from stream.trouble import FAILED, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from state.contact import Contact, Link
    from state.merge import LoggedMerge, MergeRecord
    from state.run import Run
    from stream.config import Settings


def merges(
    contact: Annotated[
        str | None,
        typer.Option(metavar="KIND:VALUE", help="Of this contact only, whichever side it was."),
    ] = None,
    limit: options.Limit = 50,
    as_json: options.AsArray = False,
    only_ids: options.OnlyIds = False,
) -> None:
    """List merges, the newest first: by which event, who survived, and what moved.

    A contact is found by any identifier, and by the id of one that was merged; those that were
    undone are listed on either side.

    Example: waitline contacts merges --contact email:ann@example.com
    """
    found = access.run(_listed(contact, limit))
    if only_ids:
        terminal.print_ids(found)
        return
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("id", "merged", "by event", "survivor", "other", "moved", "runs", "undone"),
        [
            (
                one["id"],
                terminal.instant(one["merged_at"]),
                f"{one['event_id']} at {one['topic']}/{one['partition']}/{one['offset']}",
                _named(one["survivor"], one["survivor_identifier"]),
                one["merged"],
                _moved_text(one["identifiers"]),
                _runs_text(one),
                _undone_text(one),
            )
            for one in found
        ],
        empty="no merges",
    )


def unmerge(
    merge_id: Annotated[str, typer.Argument(metavar="ID", help="The merge's id.")],
    why: options.WhyUnlessDry = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be undone, and change nothing.")
    ] = False,
    as_json: options.AsObject = False,
) -> None:
    """Undo a merge: both contacts are again what they were before it.

    Identifiers, profiles and active runs go back. It is refused, with the reason, where the two
    histories have mixed since: an event came, a run moved, the profile changed. Of several merges
    of one contact the newest is undone first.

    Example: waitline contacts unmerge 2f1c7b7e-52a4-5e0b-9a52-5f8d7d7c9a11 --dry-run
    """
    wanted = _parsed(merge_id)
    told = access.run(_undone(wanted, None if dry_run else reason_given(why)))
    if as_json:
        terminal.print_json(told)
    else:
        _tell(told)
    if told["refused"] is not None:
        raise typer.Exit(FAILED)


class _Found(NamedTuple):
    """A merge as it stands, its survivor, whose active runs, and since when all is remembered."""

    record: MergeRecord
    survivor: Contact
    runs: list[Run]
    remembered_since: datetime


async def _listed(contact: str | None, limit: int) -> list[dict[str, Any]]:
    from state.postgres.contacts import load_links
    from state.postgres.reading_contacts import find_person
    from state.postgres.reading_merges import list_merges

    identifier = None if contact is None else access.parse_contact(contact)
    async with access.tables(access.settings()) as session:
        person = None if identifier is None else await find_person(session, identifier)
        if identifier is not None and person is None:
            return []
        found = await list_merges(session, person, limit)
        links = await load_links(session, sorted({merge.survivor for merge in found}))
    return [_document(merge, links.get(merge.survivor, ())) for merge in found]


async def _undone(merge_id: UUID, why: str | None) -> dict[str, Any]:
    """Undo a merge unless it is refused; return what was, or without a reason would be, undone."""
    from handlers.unmerge import UndoMerge

    config = access.settings()
    found = await _found(config, merge_id)
    told, merge = _judged(found), found.record.merge
    if why is None or told["refused"] is not None:
        return told | {"undone": False}
    asked = UndoMerge(merge.survivor, merge.merged, merge_id, who_operates(), why)
    async with access.door(config) as processor:
        tally = await processor.apply_commands("unmerges", [asked])
    if not tally["merges_undone"]:  # it was judged anew under the lock
        return _judged(await _found(config, merge_id)) | {"undone": False}
    return told | {"undone": True}


async def _found(config: Settings, merge_id: UUID) -> _Found:
    from state.postgres.marks import database_now
    from state.postgres.reading_contacts import load_contact
    from state.postgres.runs import load_runs
    from state.postgres.unmerging import load_records
    from stream.service import rules_of

    async with access.tables(config) as session:
        record = (await load_records(session, [merge_id])).get(merge_id)
        survivor = None if record is None else await load_contact(session, record.merge.survivor)
        if record is None or survivor is None:
            raise Trouble(f"there is no merge {merge_id}: `waitline contacts merges` lists them")
        runs = await load_runs(session, [survivor.contact_id])
        since = await database_now(session) - rules_of(config).memory
    return _Found(record, survivor, runs.get(survivor.contact_id, []), since)


def _judged(found: _Found) -> dict[str, Any]:
    from handlers.unmerge import links_back, refuses_unmerge, runs_back

    record, survivor, runs, since = found
    refused = refuses_unmerge(record, survivor, runs, since)
    undo = record.merge.undo if refused is None else None
    links = () if undo is None else links_back(undo, survivor)
    moved = [] if undo is None else runs_back(undo, runs)
    return {
        "merge": _document(record.merge, survivor.links),
        "refused": refused,
        "identifiers": [f"{link.identifier.kind}:{link.identifier.value}" for link in links],
        "runs": [str(run.run_id) for run in moved],
    }


def _document(merge: LoggedMerge, survivors: Iterable[Link]) -> dict[str, Any]:
    """Return a merge for people and programs; the survivor is named by what was its own before."""
    from state.contact import contact_uuid
    from state.moment import moment_text, optional_moment_text

    undo = merge.undo
    links = () if undo is None else undo.links
    moved = {link.identifier for link in links}
    return {
        "id": str(merge.merge_id),
        "merged_at": moment_text(merge.merged_at),
        "event_id": merge.event_id,
        **merge.coordinates._asdict(),
        "survivor": str(contact_uuid(merge.survivor)),
        "survivor_identifier": members.shown(
            link for link in survivors if link.identifier not in moved
        ),
        "merged": str(contact_uuid(merge.merged)),
        "is_erased": undo is None,
        "identifiers": [f"{link.identifier.kind}:{link.identifier.value}" for link in links],
        "runs_moved": [] if undo is None else [str(one) for one in undo.moved_runs],
        "runs_decided": [] if undo is None else [str(one) for one in undo.decided_runs],
        "undone_at": optional_moment_text(merge.undone_at),
        "undone_by": merge.undone_by,
    }


def _tell(told: dict[str, Any]) -> None:
    merge = told["merge"]
    if told["refused"] is not None:
        terminal.say(f"{merge['id']}: cannot be undone: {told['refused']}")
        return
    verb = "is" if told["undone"] else "would be"
    kept = _named(merge["survivor"], merge["survivor_identifier"])
    terminal.say(f"{merge['merged']} {verb} apart from {kept}")
    terminal.say(f"  identifiers that go back: {', '.join(told['identifiers']) or 'none'}")
    terminal.say(f"  active runs that go back: {', '.join(told['runs']) or 'none'}")
    terminal.say("  both profiles are as before the merge")


def _named(contact_id: str, identifier: str | None) -> str:
    return contact_id if identifier is None else f"{contact_id} ({identifier})"


def _moved_text(identifiers: list[str]) -> str:
    more = len(identifiers) - 3
    return ", ".join(identifiers[:3]) + (f" and {more} more" if more > 0 else "")


def _runs_text(merge: dict[str, Any]) -> str:
    moved, decided = len(merge["runs_moved"]), len(merge["runs_decided"])
    return f"{moved} moved, {decided} decided"


def _undone_text(merge: dict[str, Any]) -> str:
    if merge["undone_at"] is None:
        return "-"
    return f"{terminal.instant(merge['undone_at'])} by {merge['undone_by']}"


def _parsed(text: str) -> UUID:
    return options.parse_id(text, "merge id", "`waitline contacts merges` lists them")
