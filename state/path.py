"""Paths: how rules and variables name a value, such as `event.order_id`."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from state.problem import Collector, Problem, ProblemsError, choose, spelled

#: Where a path may begin.
ROOTS = ("event", "trigger", "contact", "steps", "wait_events")

#: What a contact is asked for by name; its own fields stand below `contact.properties`.
CONTACT_FIELDS = (
    "id",
    "contact_id",
    "external_id",
    "email",
    "phone",
    "anonymous_id",
    "first_name",
    "last_name",
    "time_zone",
    "unsubscribed",
    "segments",
)

PATH_MAX = 512


class PathError(ProblemsError):
    """What was given names no value."""


class Var(Struct, frozen=True):
    """A value to be read when it is needed, written `{var: <path>}`."""

    path: str


def parse_path(raw: object, roots: Iterable[str] = ROOTS) -> str:
    """Return `raw` if it is a path that begins with one of `roots`.

    Raises:
        PathError: it is not, or it names a field of a contact that no contact has.
    """
    roots = tuple(roots)
    if not isinstance(raw, str):
        raise _refused(f"must be a path, not {spelled(raw)}", "write it like `event.order_id`")
    if len(raw) > PATH_MAX:
        raise _refused(f"is {len(raw)} characters long", f"use at most {PATH_MAX}")
    root, _, rest = raw.partition(".")
    if root not in roots:
        raise _refused(f"`{raw}` cannot be read here", choose(root, roots))
    if not rest:
        raise _refused(f"`{raw}` names no field", f"write it like `{root}.<field>`")
    if root == "contact":
        _check_contact_field(rest)
    if root == "steps":
        _check_step_output(raw, rest)
    return raw


def parse_values(raw: object) -> object:
    """Return a configured value with every `{var: <path>}` in it, however deep, as a `Var`.

    Raises:
        PathError: paths name no value; says which.
    """
    found = Collector()
    if isinstance(raw, dict):
        if is_var(raw):
            return parse_var(raw)
        parsed = {key: found.attempt(str(key), parse_values, raw[key]) for key in raw}
        found.check(PathError)
        return parsed
    if isinstance(raw, list):
        items = [found.attempt(f"[{index}]", parse_values, item) for index, item in enumerate(raw)]
        found.check(PathError)
        return items
    return raw


def is_var(raw: dict[object, object]) -> bool:
    """Tell whether a value is written `{var: ...}`."""
    return raw.keys() == {"var"}


def parse_var(raw: dict[object, object]) -> Var:
    """Return the `Var` that `{var: <path>}` means.

    Raises:
        PathError: the path names no value.
    """
    found = Collector()
    path = found.attempt("var", parse_path, raw["var"])
    found.check(PathError)
    assert path is not None, "a path without problems was parsed"
    return Var(path)


def _check_contact_field(rest: str) -> None:
    name, _, key = rest.partition(".")
    if name in ("properties", "topics") and key:
        return
    if rest not in CONTACT_FIELDS:
        fix = choose(rest, (*CONTACT_FIELDS, "properties.<key>", "topics.<key>"))
        raise _refused(f"a contact has no `{rest}`", fix)


def _check_step_output(raw: str, rest: str) -> None:
    key, _, name = rest.partition(".output.")
    if not (key and name):
        raise _refused(f"`{raw}` names no output", "write it like `steps.<key>.output.<field>`")


def _refused(message: str, fix: str) -> PathError:
    return PathError([Problem("", message, fix)])
