"""`waitline subscription-topics`: what people choose to be sent, and who has chosen what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream import access, terminal
from stream.commands import members, options
from stream.operator import who_operates
from stream.trouble import MISUSED, Trouble

if TYPE_CHECKING:
    from state.postgres.reading_audiences import TopicRow

commands = typer.Typer(
    no_args_is_help=True,
    help="What people choose to be sent, such as a newsletter; `waitline topics` are Kafka's.\n\n"
    "A send step with `topic_id` goes to those who are subscribed only. contact.subscribed and "
    "contact.unsubscribed events with a topic, and set_topic_subscription steps, write the choice.",
)

Key = Annotated[str, typer.Argument(metavar="KEY", help="The topic's key, such as newsletter.")]


@commands.command()
def create(
    key: Key,
    name: Annotated[str | None, typer.Option(help="What people call it; else the key.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is about.")] = None,
    default: Annotated[
        str, typer.Option(help="opt_in or opt_out: what holds for those who have not chosen.")
    ] = "opt_in",
) -> None:
    """Create a topic. An automation file that describes it under `topics` does so too.

    Example: waitline subscription-topics create newsletter --default opt_out
    """
    about = {"name": name, "description": description, "default_subscription": default}
    made = access.run(_created(key, about))
    terminal.say(f'the topic "{key}" is created: {made}')


@commands.command("list")
def list_(as_json: members.AsJson = False) -> None:
    """List all topics, with how many have chosen what.

    A key that events have named and nobody has created is listed as undeclared.

    Example: waitline subscription-topics list
    """
    found = access.run(_listed())
    if as_json:
        terminal.print_json(found)
        return
    terminal.print_table(
        ("key", "name", "default", "subscribed", "unsubscribed", "id"),
        [
            (
                one["key"],
                one["name"],
                one["default_subscription"] or "undeclared",
                one["subscribed"],
                one["unsubscribed"],
                one["id"],
            )
            for one in found
        ],
        empty="there are no topics: `waitline subscription-topics create KEY`",
    )


@commands.command()
def show(
    key: Key,
    limit: members.Limit = 50,
    after: members.After = None,
    as_json: members.AsJson = False,
) -> None:
    """Show a topic and who has chosen what, since when and by what, a page at a time.

    Example: waitline subscription-topics show newsletter --limit 100
    """
    document = access.run(_shown(key, limit, members.number_after(after)))
    if as_json:
        terminal.print_json(document)
        return
    terminal.print_facts(
        {
            "key": document["key"],
            "name": document["name"],
            "description": document["description"],
            "id": document["id"],
            "default": document["default_subscription"] or "undeclared",
            "subscribed": document["subscribed"],
            "unsubscribed": document["unsubscribed"],
        }
    )
    terminal.say()
    members.tell_page(document, ("subscribed", "unsubscribed"), "nobody has chosen yet")


@commands.command()
def delete(key: Key, yes: options.Yes = False) -> None:
    """Delete a topic, unless an automation's step names it; what people chose stays with them.

    Example: waitline subscription-topics delete newsletter --yes
    """
    members.delete("topic", key, yes=yes)


async def _created(key: str, about: dict[str, Any]) -> str:
    from handlers.publishing.audiences import parse_topic
    from state.postgres.audience_changes import create_topic
    from state.problem import ProblemsError

    try:
        topic = parse_topic(key, about)
    except ProblemsError as error:
        raise Trouble(str(error), MISUSED) from None
    described = (topic.name, topic.description, topic.default)
    async with access.operating(access.settings()) as session:
        made = await create_topic(session, key, described, who_operates())
    if made is None:
        raise Trouble(f'there is a topic "{key}" already')
    return str(made)


async def _listed() -> list[dict[str, Any]]:
    from state.postgres.reading_audiences import list_topics

    async with access.tables(access.settings()) as session:
        return [_document(row) for row in await list_topics(session)]


async def _shown(key: str, limit: int, after: int) -> dict[str, Any]:
    from state.postgres.reading_audiences import list_topics, topic_choices

    async with access.tables(access.settings()) as session:
        found = await list_topics(session, key)
        if not found:
            keys = [row.key for row in await list_topics(session)]
            raise members.not_there("topic", key, keys)
        rows = await topic_choices(session, key, after, limit)
        people = await members.page(session, rows, limit)
    return _document(found[0]) | people


def _document(row: TopicRow) -> dict[str, Any]:
    from state.moment import optional_moment_text

    return {
        "id": None if row.topic_id is None else str(row.topic_id),
        "key": row.key,
        "name": row.name,
        "description": row.description,
        "default_subscription": row.default,
        "created_at": optional_moment_text(row.created_at),
        "subscribed": row.subscribed,
        "unsubscribed": row.unsubscribed,
    }
