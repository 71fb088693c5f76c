"""`waitline segments`: groups of contacts, and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import members, options
from stream.operator import who_operates
from stream.trouble import Trouble

if TYPE_CHECKING:
    from state.postgres.reading_audiences import SegmentRow

commands = typer.Typer(
    no_args_is_help=True,
    help="Groups of contacts, which the steps add_to_segment and remove_from_segment change.\n\n"
    'Conditions read them: {field: contact.segments, operator: contains, value: "VIP"}.',
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The segment's name.")]


@commands.command()
def create(name: Name) -> None:
    """Create a segment. An automation file that lists it under `segments` does so too.

    Example: waitline segments create "VIP"
    """
    made = access.run(_created(name))
    terminal.say(f'the segment "{name}" is created: {made}')


@commands.command("list")
def list_(as_json: members.AsJson = False) -> None:
    """List all segments, with how many contacts are in each.

    Example: waitline segments list
    """
    found = access.run(_listed())
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("name", "members", "created", "id"),
        [
            (one["name"], one["members"], terminal.instant(one["created_at"]), one["id"])
            for one in found
        ],
        empty="there are no segments: `waitline segments create NAME`",
    )


@commands.command()
def show(
    name: Name,
    limit: members.Limit = 50,
    after: members.After = None,
    as_json: members.AsJson = False,
) -> None:
    """Show a segment and who is in it, since when and by which step, a page at a time.

    Example: waitline segments show "VIP" --limit 100
    """
    document = access.run(_shown(name, limit, members.number_after(after)))
    if as_json:
        terminal.print_json(document)
        return
    terminal.print_facts(
        {
            "name": document["name"],
            "id": document["id"],
            "created": terminal.instant(document["created_at"]),
            "members": document["member_count"],
        }
    )
    terminal.say()
    members.tell_page(document, ("in", "out"), "nobody is in it")


@commands.command()
def delete(name: Name, yes: options.Yes = False) -> None:
    """Delete a segment with its memberships, unless an automation's step names it.

    Example: waitline segments delete "VIP" --yes
    """
    members.delete("segment", name, yes=yes)


async def _created(name: str) -> str:
    from state.name import InvalidNameError, parse_name
    from state.postgres.audience_changes import create_segment
    from stream.trouble import MISUSED

    try:
        parse_name(name)
    except InvalidNameError as error:
        raise Trouble(f"the name {error}", MISUSED) from None
    async with access.operating(access.settings()) as session:
        made = await create_segment(session, name, who_operates())
    if made is None:
        raise Trouble(f'there is a segment "{name}" already')
    return str(made)


async def _listed() -> list[dict[str, Any]]:
    from state.postgres.reading_audiences import list_segments

    async with access.tables(access.settings()) as session:
        return [_document(row) | {"members": row.members} for row in await list_segments(session)]


async def _shown(name: str, limit: int, after: int) -> dict[str, Any]:
    from state.postgres.reading_audiences import list_segments, segment_members

    async with access.tables(access.settings()) as session:
        found = await list_segments(session, name)
        if not found:
            names = [row.name for row in await list_segments(session)]
            raise members.not_there("segment", name, names)
        (segment,) = found
        rows = await segment_members(session, segment.segment_id, after, limit)
        people = await members.page(session, rows, limit)
    return _document(segment) | {"member_count": segment.members} | people


def _document(row: SegmentRow) -> dict[str, Any]:
    from state.moment import moment_text

    return {
        "id": str(row.segment_id),
        "name": row.name,
        "created_at": moment_text(row.created_at),
    }
