"""What an API says of a topic: its name and description, and who is shown it."""

from __future__ import annotations

from collections.abc import Mapping

from handlers.publishing.audiences import SUBSCRIPTIONS
from state.name import parse_name
from state.problem import Collector, Problem, ProblemsError, choose, spelled

NAME_MAX = 50
DESCRIPTION_MAX = 200
VISIBILITIES = ("public", "private")


class TopicError(ProblemsError):
    """A topic cannot be so; `problems` says everything that is wrong with it."""


def parse_new_topic(raw: object) -> dict[str, str | None]:
    """Return `{name, description, default_subscription, visibility}` of a topic to be created.

    It is private unless it says otherwise; unknown keys are ignored.

    Raises:
        TopicError: it cannot be created; says everything that is wrong with it.
    """
    about = _object(raw)
    found = Collector()
    topic: dict[str, str | None] = {
        "name": found.attempt("name", _parse_words, about.get("name"), NAME_MAX),
        "description": found.attempt("description", _description, about.get("description")),
        "default_subscription": found.attempt(
            "default_subscription", _one_of, about.get("default_subscription"), SUBSCRIPTIONS
        ),
        "visibility": found.attempt("visibility", _visibility, about.get("visibility")),
    }
    found.check(TopicError)
    return topic


def parse_topic_changes(raw: object) -> dict[str, str | None]:
    """Return any of `{name, description, visibility}`: what is to change of a topic.

    A null clears the description, and says nothing otherwise. What holds for whoever has not chosen
    never changes, so `default_subscription` is refused where it is said; unknown keys are ignored.

    Raises:
        TopicError: it cannot be changed so; says everything that is wrong.
    """
    about = _object(raw)
    found = Collector()
    changes: dict[str, str | None] = {}
    if about.get("name") is not None:
        changes["name"] = found.attempt("name", _parse_words, about["name"], NAME_MAX)
    if "description" in about:
        changes["description"] = found.attempt("description", _description, about["description"])
    if about.get("visibility") is not None:
        changes["visibility"] = found.attempt("visibility", _visibility, about["visibility"])
    if about.get("default_subscription") is not None:
        fix = "leave it out, or create another topic"
        found.refuse("default_subscription", "cannot be changed", fix)
    found.check(TopicError)
    return changes


def _object(raw: object) -> Mapping[str, object]:
    if isinstance(raw, Mapping):
        return raw
    fix = "write `{name: Newsletter, default_subscription: opt_in}`"
    raise TopicError([Problem("", f"must be an object, not {spelled(raw)}", fix)])


def _description(raw: object) -> str | None:
    return None if raw is None or raw == "" else _parse_words(raw, DESCRIPTION_MAX)


def _visibility(raw: object) -> str:
    return "private" if raw is None else _one_of(raw, VISIBILITIES)


def _parse_words(raw: object, longest: int) -> str:
    words = parse_name(raw)
    if len(words) > longest:
        message = f"is {len(words)} characters long"
        raise TopicError([Problem("", message, f"use at most {longest}")])
    return words


def _one_of(raw: object, valid: tuple[str, ...]) -> str:
    if isinstance(raw, str) and raw in valid:
        return raw
    message = "is missing" if raw is None else f"{spelled(raw)} cannot be used"
    raise TopicError([Problem("", message, choose(raw, valid))])
