"""What a send step says: its template's text, filled with the run's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Struct
from msgspec.structs import replace
from pydantic import PlainValidator

from handlers.decision import Cause, Fail, GoTo, Outcome, Settled, Turn
from handlers.evaluate import ABSENT, resolve, substitute
from handlers.step import StepConfig, unexpected
from state.effect import Category, Channel
from state.name import parse_name
from state.path import parse_values
from state.problem import Collector, Problem, ProblemsError
from state.template import Template, TemplateError, render


def _parse_variables(raw: object) -> Mapping[str, object]:
    if raw is None or raw == []:
        return {}
    if not isinstance(raw, dict):
        raise ProblemsError([Problem("", "must be an object", "write `KEY: value`")])
    found = Collector()
    parsed = {key: found.attempt(key, parse_values, value) for key, value in raw.items()}
    found.check()
    return parsed


class TemplateUse(StepConfig):
    """The template of a message by its id or alias, and the variables that fill it."""

    id: Annotated[str, PlainValidator(parse_name)]
    variables: Annotated[Mapping[str, object], PlainValidator(_parse_variables)] = {}


class SendConfig(StepConfig):
    """The configuration of a step that sends; its template must be of the step's channel.

    Marketing needs consent, to the topic too if there is one; a transactional message does not
    (rule F4). `topic_id` is a topic's id or key.
    """

    channel: ClassVar[Channel]

    template: TemplateUse
    category: Category = "marketing"
    topic_id: Annotated[str, PlainValidator(parse_name)] | None = None

    def adapt(self, template: Template) -> Template:
        """Return the template; a text that the step has itself, by the same name, replaces one."""
        own = {name: getattr(self, name, None) for name in template.texts}
        kept = {name: own[name] or text for name, text in template.texts.items()}
        return replace(template, texts=kept)


class Message(Struct, frozen=True):
    """A composed message: its texts, and the template with the variables as they were filled."""

    texts: Mapping[str, str]
    template: Mapping[str, object]


def compose(turn: Turn, config: SendConfig) -> Message | Fail:
    """Return the message, or the failure that names each variable without value and fallback."""
    use = config.template
    template = config.adapt(turn.version.templates[use.id])
    variables: dict[str, object] = {}
    unread: dict[str, list[str]] = {}
    for name, configured in use.variables.items():
        value, absent = substitute(configured, turn.scope)
        if absent:
            unread[name] = absent
        else:
            variables[name] = value
    filled = {"id": use.id, "variables": variables or None}
    try:
        texts = render(template, {**_contact_values(turn, template), **variables})
    except TemplateError as error:
        return Fail(error.code, _explained(error, use.id, unread), {"template": filled})
    return Message(texts, filled)


def settle(turn: Turn, cause: Cause) -> Outcome:
    """Answer what became of the message; the output holds only what this adds (rule F3)."""
    match cause:
        case Settled(settlement="sent"):
            return GoTo()
        case Settled(settlement="unknown"):
            return GoTo(output={"unknown": True})
        case Settled(settlement="skipped", code=code):
            return GoTo(output={"skipped": code}, is_skipped=True)
        case Settled(settlement="failed", code=code, text=text):
            return Fail(code or "send_failed", text or "the message could not be sent")
        case _:
            return unexpected(turn, cause)


def topic_key(turn: Turn, config: SendConfig) -> str | None:
    """Return the key of the topic that the message is about; an unknown one stays as written."""
    if config.topic_id is None:
        return None
    topic = turn.audiences.topic(config.topic_id)
    return config.topic_id if topic is None else topic.key


def _contact_values(turn: Turn, template: Template) -> dict[str, object]:
    """Return the values of the contact that the template's own text asks for."""
    asked = {name: resolve(name, turn.scope) for name in template.names if "." in name}
    return {name: value for name, value in asked.items() if value is not ABSENT}


def _explained(error: TemplateError, template_id: str, unread: Mapping[str, list[str]]) -> str:
    told = [f'template "{template_id}"']
    for problem in error.problems:
        paths = unread.get(problem.field)
        told.append(f"{problem.text} ({', '.join(paths)} is absent)" if paths else problem.text)
    return ": ".join((told[0], "; ".join(told[1:])))
