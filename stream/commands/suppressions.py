"""`waitline suppressions`: addresses that nothing is sent to (rule F4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import reason_given, who_operates
from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from state.event import Identifier
    from state.postgres.reading_suppressions import SuppressionRow

commands = typer.Typer(
    no_args_is_help=True,
    help="Addresses that nothing is sent to, not even what is transactional.\n\n"
    "Hard bounces and complaints put them here, by the events email.bounced, email.complained, "
    "resend:email.bounced, resend:email.complained and resend:email.suppressed. Only a keyed hash "
    "of an address is kept, so that it stays when its contact is deleted.",
)

Address = Annotated[
    str, typer.Argument(metavar="KIND:VALUE", help="Such as email:ann@example.com.")
]


@commands.command("list")
def list_(
    address: Annotated[
        str | None, typer.Option(metavar="KIND:VALUE", help="Only this address, if it is there.")
    ] = None,
    limit: options.Limit = 50,
    as_json: options.AsArray = False,
) -> None:
    """List suppressed addresses, the newest first.

    Each is shown by the beginning of its hash, and by itself while a contact holds it.

    Example: waitline suppressions list --address email:ann@example.com
    """
    wanted = None if address is None else _parsed(address)
    found = access.run(_listed(wanted, limit))
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("kind", "hash", "address", "reason", "since", "by"),
        [
            (
                one["kind"],
                one["hash"],
                one["address"],
                one["reason"],
                terminal.instant(one["at"]),
                one["source"],
            )
            for one in found
        ],
        empty="no such address is suppressed" if wanted else "no address is suppressed",
    )


@commands.command()
def add(address: Address, why: options.Why) -> None:
    """Send nothing to an address from now on.

    Example: waitline suppressions add email:ann@example.com --why "asked by telephone"
    """
    is_change = access.run(_added(_parsed(address), reason_given(why)))
    terminal.say(f"{address} {'is suppressed' if is_change else 'was suppressed already'}")


@commands.command()
def remove(address: Address, why: options.Why) -> None:
    """Let an address be written to again.

    Example: waitline suppressions remove email:ann@example.com --why "her mailbox is back"
    """
    if not access.run(_removed(_parsed(address), reason_given(why))):
        raise Trouble(f"{address} is not suppressed: `waitline suppressions list`")
    terminal.say(f"{address} may be written to again")


def _parsed(text: str) -> Identifier:
    identifier = access.parse_contact(text)
    if identifier.kind != "email":
        raise Trouble(
            f"{identifier.kind}: only e-mail is sent to an address; write email:VALUE", MISUSED
        )
    return identifier


async def _listed(wanted: Identifier | None, limit: int) -> list[dict[str, Any]]:
    from state.postgres.reading_suppressions import list_suppressions

    async with access.tables(access.settings()) as session:
        value = None if wanted is None else wanted.value
        return [_document(row) for row in await list_suppressions(session, value, limit)]


async def _added(identifier: Identifier, why: str) -> bool:
    from state.postgres.suppressions import suppress_address

    async with access.operating(access.settings()) as session:
        return await suppress_address(session, identifier.value, who_operates(), why)


async def _removed(identifier: Identifier, why: str) -> bool:
    from state.postgres.suppressions import lift_suppression

    async with access.operating(access.settings()) as session:
        return await lift_suppression(session, identifier.value, who_operates(), why)


def _document(row: SuppressionRow) -> dict[str, Any]:
    from state.moment import moment_text

    return {
        "kind": row.kind,
        "hash": row.hash_prefix,
        "address": row.address,
        "reason": row.reason,
        "at": moment_text(row.at),
        "source": row.source,
    }
