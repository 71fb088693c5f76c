"""`waitline keys`: what clients of the HTTP interfaces prove themselves with."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import options
from stream.operator import who_operates
from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from state.api_key import ApiKey

commands = typer.Typer(
    no_args_is_help=True,
    help="API keys for `waitline serve`.\n\n"
    "A key is shown once, when it is made; only its SHA-256 is kept. All dialects take it: "
    "Resend's and Sendrealm's as `Authorization: Bearer KEY`, RevKeen's as `x-api-key: KEY`. Its "
    "id, which follows its prefix, is no secret: lists, the audit and access logs tell it.\n\n"
    "DATABASE_URL says where keys are kept; WAITLINE_HTTP_RATE and WAITLINE_HTTP_BURST how much "
    "each may ask of one process.\n\n"
    'Example: waitline keys create "shop backend" --scope send',
)


class KeyScope(StrEnum):
    """What a key may do."""

    READ = "read"
    SEND = "send"
    FULL = "full"


@commands.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose it is, or what for.")],
    scope: Annotated[
        KeyScope, typer.Option(help="read looks, send sends events, full does everything.")
    ] = KeyScope.FULL,
    expires: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help='After which it is no good, such as "90 days".'),
    ] = None,
    prefix: Annotated[
        str, typer.Option(help="How it begins; it means nothing, but some clients look for theirs.")
    ] = "re",
    as_json: options.AsObject = False,
) -> None:
    """Make a key and show it, this once; nothing else goes to standard output.

    Without --expires it is good until it is revoked. To change what a key may do, make another and
    revoke it.

    Example: export KEY=$(waitline keys create "shop backend" --scope send --expires "365 days")
    """
    made, token = access.run(_created(name, scope, _lifetime(expires), _prefix(prefix)))
    if as_json:
        terminal.print_json(_document(made) | {"key": token})
        return
    terminal.say(token)
    until = "" if made.expires_at is None else f", until {terminal.instant(made.expires_at)}"
    terminal.note(f"the key {made.key_id} may {made.scope}{until}; it is not shown again")


@commands.command("list")
def list_(as_json: options.AsArray = False) -> None:
    """List all keys, the newest first, with what they may do and when they were last used.

    The last use is written down every half minute.

    Example: waitline keys list
    """
    found = access.run(_listed())
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("id", "name", "scope", "status", "created", "expires", "last used"),
        [
            (
                one["id"],
                one["name"],
                one["scope"],
                one["status"],
                terminal.instant(one["created_at"]),
                terminal.instant(one["expires_at"]),
                terminal.instant(one["last_used_at"]),
            )
            for one in found
        ],
        empty="there are no keys: `waitline keys create NAME`",
    )


@commands.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="The key's id, or the key itself.")],
    yes: options.Yes = False,
) -> None:
    """Let a key open nothing any more; servers know it within five seconds.

    Example: waitline keys revoke 3f9c0a1b2d4e --yes
    """
    key = access.run(_found(key_id))
    if not yes:
        terminal.confirm(f'Revoke the key {key.key_id} ("{key.name}")?')
    is_change = access.run(_revoked(key.key_id))
    terminal.say(f"the key {key.key_id} {'is revoked' if is_change else 'was revoked already'}")


def _lifetime(text: str | None) -> timedelta | None:
    from pydantic import TypeAdapter, ValidationError

    from stream.accepted import Age

    if text is None:
        return None
    try:
        return TypeAdapter(Age).validate_python(text)
    except ValidationError as error:
        said = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        raise Trouble(f"--expires: {said}", MISUSED) from None


def _prefix(text: str) -> str:
    from state.api_key import Token, parse_token

    if parse_token(Token("0" * 12, "0" * 64).text(text)) is None:
        raise Trouble(f'--prefix: "{text}" is not like re, sk or rk_live', MISUSED)
    return text


async def _created(
    name: str, scope: KeyScope, lifetime: timedelta | None, prefix: str
) -> tuple[ApiKey, str]:
    from state.api_key import Token
    from state.name import InvalidNameError, parse_name
    from state.postgres.api_keys import create_key
    from state.postgres.marks import database_now
    from stream.clock import fresh_hex

    try:
        parse_name(name)
    except InvalidNameError as error:
        raise Trouble(f"the name {error}", MISUSED) from None
    token = Token(fresh_hex(6), fresh_hex(32))
    async with access.operating(access.settings()) as session:
        until = None if lifetime is None else await database_now(session) + lifetime
        made = await create_key(session, token, name, scope.value, until, who_operates())
    return made, token.text(prefix)


async def _listed() -> list[dict[str, Any]]:
    from state.postgres.api_keys import list_keys
    from state.postgres.marks import database_now

    async with access.tables(access.settings()) as session:
        now = await database_now(session)
        return [_document(key) | {"status": _status(key, now)} for key in await list_keys(session)]


async def _found(text: str) -> ApiKey:
    from state.api_key import parse_token
    from state.postgres.api_keys import find_key

    token = parse_token(text)
    async with access.tables(access.settings()) as session:
        key = await find_key(session, text if token is None else token.key_id)
    if key is None:
        raise Trouble("there is no such key: `waitline keys list` shows them")
    return key


async def _revoked(key_id: str) -> bool:
    from state.postgres.api_keys import revoke_key

    async with access.operating(access.settings()) as session:
        return await revoke_key(session, key_id, who_operates())


def _status(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "live" if key.is_live(now) else "expired"


def _document(key: ApiKey) -> dict[str, Any]:
    from state.moment import moment_text, optional_moment_text

    return {
        "id": key.key_id,
        "name": key.name,
        "scope": key.scope,
        "created_at": moment_text(key.created_at),
        "created_by": key.created_by,
        "expires_at": optional_moment_text(key.expires_at),
        "revoked_at": optional_moment_text(key.revoked_at),
        "last_used_at": optional_moment_text(key.last_used_at),
    }
