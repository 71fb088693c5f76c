"""What `waitline segments` and `waitline subscription-topics` share: people, a page at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.trouble import FAILED, MISUSED, Trouble

if TYPE_CHECKING:
    from state.postgres.audience_changes import What
    from state.postgres.reading_audiences import MemberRow
    from state.postgres.session import Session

Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many people.")]
After = Annotated[
    str | None, typer.Option(metavar="CONTACT_ID", help="Begin after this one: `next` of a page.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

#: Which identifier a person is shown by, the first that there is.
_SHOWN = ("email", "external_id", "phone", "anonymous_id")


def number_after(text: str | None) -> int:
    """Return the number of the contact that a page begins after; 0 without one."""
    from uuid import UUID

    from state.contact import contact_number

    if text is None:
        return 0
    try:
        number = contact_number(UUID(text))
    except ValueError:
        number = None
    if number is None:
        raise Trouble(f'--after: "{text}" is no contact id; take `next` of the page', MISUSED)
    return number


async def page(session: Session, rows: Sequence[MemberRow], limit: int) -> dict[str, Any]:
    """Return a page of people as documents; `next` is where the following one begins after."""
    from state.contact import contact_uuid, writer_text
    from state.moment import moment_text
    from state.postgres.contacts import load_links

    links = await load_links(session, [row.contact_id for row in rows])
    people = [
        {
            "contact_id": str(contact_uuid(row.contact_id)),
            "identifier": shown(links.get(row.contact_id, ())),
            "is_in": row.is_in,
            "since": moment_text(row.at),
            "by": writer_text(row.by),
        }
        for row in rows
    ]
    return {"members": people, "next": people[-1]["contact_id"] if len(rows) == limit else None}


def tell_page(document: dict[str, Any], word: tuple[str, str], empty: str) -> None:
    """Print a page of people; `word` is what is said of those who are in, and of the others."""
    terminal.print_table(
        ("contact", "identifier", "is", "since", "by"),
        [
            (
                one["contact_id"],
                one["identifier"],
                word[0] if one["is_in"] else word[1],
                terminal.instant(one["since"]),
                one["by"],
            )
            for one in document["members"]
        ],
        empty=empty,
    )
    if document["next"] is not None:
        terminal.note(f"there may be more: add --after {document['next']}")


def delete(what: What, name: str, *, yes: bool) -> None:
    """Delete a segment or a topic, having asked."""
    if not yes:
        if not sys.stdin.isatty():
            raise Trouble("nobody can be asked here: add --yes", MISUSED)
        typer.confirm(f'Delete the {what} "{name}"?', abort=True, err=True)
    access.run(_deleted(what, name))
    terminal.say(f'the {what} "{name}" is deleted')


async def _deleted(what: What, name: str) -> None:
    from state.postgres.audience_changes import StillUsed, UnknownAudience, delete_audience
    from stream.operator import who_operates

    try:
        async with access.operating(access.settings()) as session:
            await delete_audience(session, what, name, who_operates())
    except UnknownAudience as error:
        raise not_there(what, name, error.names) from None
    except StillUsed as error:
        users = ", ".join(f'"{one}"' for one in error.automations)
        raise Trouble(
            f'the {what} "{name}" is used by {users}: publish them without it, or delete them'
        ) from None


def not_there(what: What, name: str, names: Sequence[str]) -> Trouble:
    """Return the refusal of a name that nothing has, with the nearest."""
    from state.problem import choose

    fix = choose(name, names) if names else "there are none"
    return Trouble(f'there is no {what} "{name}"; {fix}', FAILED)


def shown(links: Iterable[Any]) -> str | None:
    """Return the identifier that a person with these links is shown by; None without any."""
    by_kind = {link.identifier.kind: link.identifier for link in reversed([*links])}
    found = next((by_kind[kind] for kind in _SHOWN if kind in by_kind), None)
    return None if found is None else f"{found.kind}:{found.value}"
