"""Templates: texts with named gaps, `{{{KEY}}}` or `{{{KEY|fallback}}}`, and no logic."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from state.effect import Channel
from state.name import parse_name
from state.path import parse_path
from state.problem import Collector, Problem, ProblemsError, choose, spelled
from state.template_variable import fallbacks_of, parse_variables

#: How much text one message may hold in UTF-8, before and after the gaps are filled: 1 MiB.
SIZE_MAX = 1 << 20

#: How many different variables one template may name.
VARIABLES_MAX = 50

_FIELDS: Mapping[Channel, tuple[str, ...]] = {
    "email": ("subject", "text", "html"),
    "push": ("title", "text"),
}
#: What stands beside the texts: whom an e-mail is from, and what its variables fall back to.
_HEADERS: Mapping[Channel, tuple[str, ...]] = {"email": ("from", "reply_to"), "push": ()}
_VARIABLES = "variables"
_ONE_LINE = frozenset({"subject", "title"})
_GAP = re.compile(r"\{\{\{([^{}]*)\}\}\}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE_BREAKS = re.compile(r"[\r\n]+")


class TemplateError(ProblemsError):
    """A template cannot be used or filled; a problem's `field` names the part or the variable."""

    code = "template_invalid"


class MissingVariableError(TemplateError):
    """Variables of a template have neither a value nor a fallback."""

    code = "template_variable_missing"


class OversizeError(TemplateError):
    """The filled template is longer than `SIZE_MAX`."""

    code = "message_too_large"


class Gap(Struct, frozen=True):
    """A place for a variable; without a fallback it must have a value."""

    name: str
    fallback: str | None


Text = tuple[str | Gap, ...]

#: The texts of a message by field, every gap filled.
Rendered = Mapping[str, str]


class Template(Struct, frozen=True):
    """A parsed template: the texts of one message, by the name of the message's field.

    `headers` are the sender's addresses that the template itself names, `fallbacks` the values of
    declared variables that are given none.
    """

    channel: Channel
    texts: Mapping[str, Text]
    headers: Mapping[str, str] = field(default_factory=dict)
    fallbacks: Mapping[str, object] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        """Return the names of all its variables."""
        return frozenset(gap.name for gap in self._gaps())

    @property
    def needed(self) -> frozenset[str]:
        """Return the variables that have no fallback somewhere; `contact.*` may be among them."""
        bare = frozenset(gap.name for gap in self._gaps() if gap.fallback is None)
        return bare - self.fallbacks.keys()

    def _gaps(self) -> Iterator[Gap]:
        for text in self.texts.values():
            yield from (part for part in text if isinstance(part, Gap))


def parse_template(raw: object, where: str = "") -> Template:
    """Return the template that `raw` means: an e-mail's, or, if it has a `title`, a push's.

    Raises:
        TemplateError: it cannot be used; says everything that is wrong with it.
    """
    if not isinstance(raw, Mapping):
        fix = "write `{subject, text, html}` for an e-mail, `{title, text}` for a push"
        raise TemplateError([Problem(where, f"must be a template, not {spelled(raw)}", fix)])
    channel: Channel = "push" if "title" in raw else "email"
    fields = _FIELDS[channel]
    given = {key: value for key, value in raw.items() if value is not None}
    found = Collector()
    keys = (*fields, *_HEADERS[channel], _VARIABLES)
    for key in given.keys() - set(keys):
        found.refuse(str(key), f"is no part of a message by {channel}", choose(key, keys))
    for part in _missing_parts(given, fields):
        found.refuse(part, "is missing", f"a message by {channel} needs it")
    texts = {
        field: found.attempt(field, parse_text, given[field], one_line=field in _ONE_LINE)
        for field in fields
        if field in given
    }
    headers = {
        key: found.attempt(key, parse_name, given[key]) for key in _HEADERS[channel] if key in given
    }
    variables = found.attempt(_VARIABLES, parse_variables, given.get(_VARIABLES))
    template = Template(
        channel,
        {field: text for field, text in texts.items() if text is not None},
        {key: value for key, value in headers.items() if value is not None},
        fallbacks_of(variables or ()),
    )
    if len(template.names) > VARIABLES_MAX:
        message = f"names {len(template.names)} different variables"
        found.refuse("", message, f"use at most {VARIABLES_MAX}")
    found.problems = [problem.below(where) for problem in found.problems]
    found.check(TemplateError)
    return template


def parse_text(raw: object, *, one_line: bool) -> Text:
    """Return one text of a template, split at its gaps.

    Raises:
        TemplateError: it is no text, has line breaks where `one_line`, or a gap is misspelt.
    """
    if not isinstance(raw, str):
        raise TemplateError([Problem("", f"must be text, not {spelled(raw)}", "put it in quotes")])
    if len(raw) > SIZE_MAX:
        raise TemplateError([Problem("", "is too long", f"use at most {SIZE_MAX} characters")])
    if one_line and _LINE_BREAKS.search(raw):
        raise TemplateError([Problem("", "holds a line break", "write it on one line")])
    found = Collector()
    parts: list[str | Gap | None] = []
    for index, piece in enumerate(_GAP.split(raw)):  # text and the insides of gaps take turns
        parse = _parse_plain if index % 2 == 0 else _parse_gap
        parts.append(found.attempt("", parse, piece))
    found.check(TemplateError)
    return tuple(part for part in parts if part)


def render(template: Template, variables: Mapping[str, object]) -> Rendered:
    """Fill the gaps. A null counts as missing; lists and objects appear as compact JSON.

    Values are escaped in `html`, and made one line in a subject or a title.

    Raises:
        MissingVariableError: variables have neither value nor fallback; names them all.
        OversizeError: the message is longer than 1 MiB.
    """
    present = {name: value for name, value in variables.items() if value is not None}
    missing = sorted(template.needed - present.keys())
    if missing:
        raise MissingVariableError(
            [Problem(name, "has no value and no fallback") for name in missing]
        )
    left = SIZE_MAX
    rendered: dict[str, str] = {}
    for part_name, text in template.texts.items():
        pieces: list[str] = []
        for part in text:
            piece = part if isinstance(part, str) else _filled(template, part, present, part_name)
            left -= len(piece.encode("utf-8", "replace"))
            if left < 0:
                raise OversizeError([Problem(part_name, f"the message is over {SIZE_MAX} bytes")])
            pieces.append(piece)
        rendered[part_name] = "".join(pieces)
    return rendered


def _missing_parts(given: Mapping[str, object], fields: tuple[str, ...]) -> Iterator[str]:
    """Yield what a message lacks: its head line, or anything to say below it."""
    head, *bodies = fields
    if head not in given:
        yield head
    if not given.keys() & set(bodies):
        yield bodies[0]


def _parse_plain(text: str) -> str | Gap:
    if "{{{" in text:
        raise TemplateError([Problem("", "a `{{{` is not closed", "write `{{{NAME}}}`")])
    return text


def _parse_gap(inside: str) -> str | Gap:
    name, bar, fallback = inside.partition("|")
    name = name.strip()
    if name.startswith("contact."):
        name = parse_path(name, roots=("contact",))
    elif not _KEY.fullmatch(name):
        message = f"`{{{{{{{inside:.40}}}}}}}` names no variable"
        raise TemplateError(
            [Problem("", message, "write `{{{NAME}}}` or `{{{contact.first_name}}}`")]
        )
    return Gap(name, fallback.strip() if bar else None)


def _filled(template: Template, gap: Gap, present: Mapping[str, object], field: str) -> str:
    """Return what stands in a gap: its value, else the gap's own fallback, else the declared."""
    if gap.name not in present and gap.fallback is not None:
        return gap.fallback
    value = present[gap.name] if gap.name in present else template.fallbacks[gap.name]
    text = value if isinstance(value, str) else _as_json(value)
    if field == "html":
        return html.escape(text)
    return _LINE_BREAKS.sub(" ", text) if field in _ONE_LINE else text


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
