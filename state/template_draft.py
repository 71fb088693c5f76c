"""Templates as their authors write them, piece by piece, before they are published."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from state.name import parse_name
from state.problem import Collector, Problem, ProblemsError, spelled
from state.template import parse_template, parse_text
from state.template_variable import parse_variables

#: The parts of an e-mail template that are drafted and published.
PARTS = ("from", "subject", "reply_to", "html", "text", "variables")

#: How long the alias of a template may be, in characters.
ALIAS_MAX = 100


class DraftError(ProblemsError):
    """A template cannot be written so; `problems` says everything that is wrong with it."""


def parse_template_changes(raw: object, *, is_new: bool = False) -> dict[str, object]:
    """Return what `raw` says of a template, checked: `name`, `alias` and any of `PARTS`.

    What is absent is left out, a null clears; unknown keys are ignored. A new one needs a name.
    `reply_to` comes back as one address, variables as `{key, type, fallback_value}`.

    Raises:
        DraftError: parts cannot be used; says everything that is wrong with them.
    """
    if not isinstance(raw, Mapping):
        raise DraftError(
            [Problem("", f"must be an object, not {spelled(raw)}", "write `{name: ...}`")]
        )
    found = Collector()
    changes: dict[str, object] = {}
    if is_new or "name" in raw:
        changes["name"] = found.attempt("name", parse_name, raw.get("name"))
    for key, parse in _PARSERS.items():
        if key in raw:
            given = raw[key]
            changes[key] = None if given is None else found.attempt(key, parse, given)
    found.check(DraftError)
    return changes


def drafted(before: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Return a draft with changes made to it: the parts that it has, in the order of `PARTS`."""
    after = {**before, **changes}
    return {part: after[part] for part in PARTS if after.get(part) is not None}


def definition_of(draft: Mapping[str, object]) -> dict[str, object]:
    """Return the template that a draft is published as.

    A draft without a subject has an empty one: the step that sends it must say its own.

    Raises:
        TemplateError: it cannot be published, such as one that says nothing.
    """
    definition = {"subject": "", **draft}
    parse_template(definition)
    return definition


def _parse_alias(raw: object) -> str:
    alias = parse_name(raw)
    if len(alias) > ALIAS_MAX:
        message = f"is {len(alias)} characters long"
        raise DraftError([Problem("", message, f"use at most {ALIAS_MAX}")])
    if _reads_like_an_id(alias):
        raise DraftError([Problem("", "reads like an id", "use words, such as `order-receipt`")])
    return alias


def _reads_like_an_id(text: str) -> bool:
    digits = text.strip("{}").removeprefix("urn:uuid:").replace("-", "")
    return len(digits) == 32 and all(each in "0123456789abcdefABCDEF" for each in digits)


def _parse_reply_to(raw: object) -> str | None:
    addresses = raw if isinstance(raw, list) else [raw]
    if len(addresses) > 1:
        raise DraftError([Problem("", "lists several addresses", "give one: replies go to it")])
    return parse_name(addresses[0]) if addresses else None


def _parse_subject(raw: object) -> object:
    parse_text(raw, one_line=True)
    return raw


def _parse_body(raw: object) -> object:
    parse_text(raw, one_line=False)
    return raw


def _parse_declared(raw: object) -> list[dict[str, object]]:
    return [variable.document() for variable in parse_variables(raw)]


_PARSERS: Mapping[str, Callable[[object], object]] = {
    "alias": _parse_alias,
    "from": parse_name,
    "subject": _parse_subject,
    "reply_to": _parse_reply_to,
    "html": _parse_body,
    "text": _parse_body,
    "variables": _parse_declared,
}
