"""The segments and topics that an automation file declares, and those that its steps refer to."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from handlers.message import SendConfig
from handlers.publishing.drawing import Drawing, DrawnStep
from handlers.segment import SegmentConfig
from handlers.steps.set_topic_subscription import Config as TopicConfig
from state.audience import Audiences, Subscription
from state.name import parse_name
from state.problem import Collector, Problem, ProblemsError, choose, spelled

DEFAULT: Subscription = "opt_in"
SUBSCRIPTIONS = ("opt_in", "opt_out")

_TOPIC_KEYS = ("name", "description", "default_subscription")


class DeclaredTopic(Struct, frozen=True):
    """A topic that a file declares; what it does not say is the key as the name, and `opt_in`."""

    key: str
    name: str
    description: str | None
    default: Subscription


class Declared(Struct, frozen=True):
    """What a file declares, to be made where it is missing."""

    segments: tuple[str, ...] = ()
    topics: tuple[DeclaredTopic, ...] = field(default=())


def parse_declared(document: Mapping[str, object], found: Collector) -> Declared:
    """Return the segments and topics a file declares, and note what is wrong with them."""
    segments = found.attempt("segments", _parse_segments, document.get("segments"))
    topics = found.attempt("topics", _parse_topics, document.get("topics"))
    return Declared(segments or (), topics or ())


def check_audiences(
    drawing: Drawing, declared: Declared, known: Audiences, found: Collector
) -> None:
    """Note every segment and topic that a step names and nobody has made or declares."""
    segments = {*declared.segments, *(one.name for one in known.segments.values())}
    topics = {*(one.key for one in declared.topics), *(one.key for one in known.topics.values())}
    for step in drawing.steps.values():
        at_step = Collector(f'step "{step.key}"')
        for what, field_name, named in _named(step):
            names, has = (segments, known.segment) if what == "segment" else (topics, known.topic)
            if named not in names and has(named) is None:
                at_step.refuse(f"config.{field_name}", *_unknown(what, named, names))
        found.problems += at_step.problems
    for topic in declared.topics:
        other = known.topic(topic.key)
        if other is not None and other.default != topic.default:
            message = f'topic "{topic.key}" is there, with the default {other.default}'
            found.refuse("topics", message, f"write `default_subscription: {other.default}`")


def declared_document(declared: Declared) -> dict[str, object]:
    """Return what a definition keeps of it; nothing where nothing is declared."""
    document: dict[str, object] = {}
    if declared.segments:
        document["segments"] = list(declared.segments)
    if declared.topics:
        document["topics"] = {
            one.key: {
                "name": one.name,
                "description": one.description,
                "default_subscription": one.default,
            }
            for one in declared.topics
        }
    return document


def _named(step: DrawnStep) -> Iterator[tuple[str, str, str]]:
    """Yield what a step refers to: a segment or a topic, by which key, by what name or id."""
    match step.config:
        case SegmentConfig(segment_id=named):
            yield "segment", "segment_id", named
        case TopicConfig(topic_id=named) | SendConfig(topic_id=str(named)):
            yield "topic", "topic_id", named
        case _:
            return


def _unknown(what: str, named: str, names: Collection[str]) -> tuple[str, str]:
    declare = f"declare it under `{what}s`"
    fix = f"{choose(named, sorted(names))}; or {declare}" if names else declare
    return f'there is no {what} "{named}"', fix


def _parse_segments(raw: object) -> tuple[str, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise ProblemsError([Problem("", "must be a list of names", "write `[VIP]`")])
    found = Collector()
    names = [found.attempt(f"[{index}]", parse_name, name) for index, name in enumerate(raw)]
    found.check()
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _parse_topics(raw: object) -> tuple[DeclaredTopic, ...]:
    if raw is None or raw == []:
        return ()
    if not isinstance(raw, Mapping):
        fix = "write `newsletter: {default_subscription: opt_in}`"
        raise ProblemsError([Problem("", "must be an object", fix)])
    found = Collector()
    topics = [found.attempt(str(key), parse_topic, key, about) for key, about in raw.items()]
    found.check()
    return tuple(topic for topic in topics if topic is not None)


def parse_topic(key: object, about: object) -> DeclaredTopic:
    """Return the topic of a key as it is described; an empty description leaves the defaults.

    Raises:
        ProblemsError: it cannot be used; says why.
    """
    described: Mapping[str, Any] = about if isinstance(about, Mapping) else {}
    if about is not None and not isinstance(about, Mapping):
        fix = "write `{default_subscription: opt_in}`"
        raise ProblemsError([Problem("", f"must be an object, not {spelled(about)}", fix)])
    found = Collector()
    parsed_key = found.attempt("", parse_name, key)
    for unknown in described.keys() - set(_TOPIC_KEYS):
        found.refuse(str(unknown), "is not a key of a topic", choose(unknown, _TOPIC_KEYS))
    name = found.attempt("name", parse_name, described.get("name") or key)
    description = described.get("description")
    if description is not None:
        description = found.attempt("description", parse_name, description)
    default = described.get("default_subscription") or DEFAULT
    if default not in SUBSCRIPTIONS:
        fix = choose(default, SUBSCRIPTIONS)
        found.refuse("default_subscription", f"{spelled(default)} is no subscription", fix)
    found.check()
    assert parsed_key is not None
    assert name is not None
    return DeclaredTopic(parsed_key, name, description, default)
