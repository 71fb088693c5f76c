"""Options and arguments that several commands take, and how what is given is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from uuid import UUID

AsArray = Annotated[bool, typer.Option("--json", help="Print one JSON array.")]
AsObject = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")]
LongLimit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]
OnlyIds = Annotated[bool, typer.Option("--ids", help="Print the ids alone.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit log.")]
OptionalWhy = Annotated[str | None, typer.Option(help="The reason, for the audit log.")]
WhyUnlessDry = Annotated[
    str | None, typer.Option(help="The reason, for the audit log; a dry run needs none.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def parse_id(text: str, what: str, shown_by: str) -> UUID:
    """Return the id that is written on the command line.

    A text that is none is refused as no `what`, such as "run id", with where there are some.
    """
    from uuid import UUID

    try:
        return UUID(text)
    except ValueError:
        raise Trouble(f'"{text}" is no {what}: {shown_by}', MISUSED) from None
