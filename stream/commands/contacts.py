"""`waitline contacts`: who somebody is, and what runs they are in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.commands.run_told import status_text
from stream.trouble import Trouble

if TYPE_CHECKING:
    from state.audience import Audiences
    from state.contact import Contact

Document = Mapping[str, Any]

#: How many of the newest runs are shown.
RUNS_SHOWN = 20

commands = typer.Typer(no_args_is_help=True, help="Look at contacts, and undo merges.")


@commands.callback()
def _contacts() -> None:
    """Look at contacts, and undo merges."""


@commands.command()
def show(
    contact: Annotated[
        str, typer.Argument(metavar="KIND:VALUE", help="Such as email:ann@example.com.")
    ],
    as_json: options.AsObject = False,
) -> None:
    """Show a contact: identifiers and how they were linked, profile, consent, newest runs.

    Who was merged into it is shown with it, whatever id or identifier it is asked by.

    Example: waitline contacts show external_id:customer-17
    """
    document = access.run(_shown(contact))
    if as_json:
        terminal.print_json(document)
    else:
        _tell(document)


async def _shown(text: str) -> dict[str, Any]:
    from handlers.record import run_summary
    from state.postgres.audiences import load_audiences
    from state.postgres.reading_contacts import contact_number_of, load_contact, members_of
    from state.postgres.reading_runs import Wanted, list_runs

    identifier = access.parse_contact(text)
    async with access.tables(access.settings()) as session:
        number = await contact_number_of(session, identifier)
        contact = None if number is None else await load_contact(session, number)
        audiences = await load_audiences(session)
        if contact is None:
            raise Trouble(
                f"nobody is known by {text}: no event has named them, or they were deleted since"
            )
        runs = await list_runs(session, Wanted(contact_ids=members_of(contact), limit=RUNS_SHOWN))
    runs_shown = [run_summary(stored) for stored in runs]
    return _document(contact, audiences) | {"runs": runs_shown}


def _document(contact: Contact, audiences: Audiences) -> dict[str, Any]:
    from state.contact import contact_uuid
    from state.moment import moment_text

    profile = contact.profile
    fields = {name: value for name, value in profile.fields.items() if name != "unsubscribed"}
    return {
        "id": str(contact_uuid(contact.contact_id)),
        "created_at": moment_text(contact.created_at),
        "absorbed": [str(contact_uuid(number)) for number in contact.absorbed],
        "identifiers": [
            {
                "type": link.identifier.kind,
                "value": link.identifier.value,
                "linked_at": moment_text(link.linked_at),
                "linked_by": link.linked_by,
            }
            for link in contact.links
        ],
        "profile": {**fields, "properties": profile.properties},
        "consent": {"unsubscribed": profile.is_unsubscribed, "topics": profile.topics},
        "segments": contact.segment_names(audiences),
    }


def _tell(contact: Document) -> None:
    profile, consent = contact["profile"], contact["consent"]
    terminal.heading(f"Contact {contact['id']}")
    named = {name: value for name, value in profile.items() if name != "properties"}
    topics = [f"{key}: {'in' if joined else 'out'}" for key, joined in consent["topics"].items()]
    terminal.print_facts(
        {
            "first seen": terminal.instant(contact["created_at"]),
            **named,
            **{f"properties.{key}": value for key, value in profile["properties"].items()},
            "unsubscribed": consent["unsubscribed"],
            "topics": ", ".join(topics),
            "segments": ", ".join(contact["segments"]),
            "merged into it": ", ".join(contact["absorbed"]),
        }
    )
    terminal.say()
    terminal.heading("Identifiers")
    terminal.print_table(
        ("kind", "value", "linked", "by event"),
        [
            (one["type"], one["value"], terminal.instant(one["linked_at"]), one["linked_by"])
            for one in contact["identifiers"]
        ],
        empty="none",
    )
    terminal.say()
    terminal.heading("Newest runs")
    terminal.print_table(
        ("id", "automation", "status", "at", "created"),
        [
            (
                run["id"],
                f"{run['automation_name']} v{run['automation_version']}",
                status_text(run),
                run["step_key"],
                terminal.instant(run["created_at"]),
            )
            for run in contact["runs"]
        ],
        empty="none yet",
    )
