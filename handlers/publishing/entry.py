"""Who may enter an automation again, and what ends its runs: re-entry and exits as written."""

from __future__ import annotations

from collections.abc import Mapping

from state.automation import Exit, Reentry
from state.duration import parse_duration
from state.name import parse_name
from state.path import parse_path
from state.problem import Collector, Problem, ProblemsError, choose, spelled
from state.rule import parse_rule

#: What a trigger's filter may read: nothing else is there before a run.
TRIGGER_ROOTS = ("event", "contact")

#: What a business key may read: the trigger goes by either of its names.
KEY_ROOTS = (*TRIGGER_ROOTS, "trigger")

_FORMS = ("always", "once", "one_active", "after:<duration>", "key:<path>")
_EXIT_KEYS = ("event", "filter", "goal")


class EntryError(ProblemsError):
    """A re-entry policy or an exit rule cannot be used."""


def parse_reentry(raw: object) -> Reentry:
    """Return the re-entry policy that `raw` means; nothing means `always` (rule S2).

    Raises:
        EntryError: it is none; DurationError, PathError: its duration or path cannot be used.
    """
    match raw:
        case None:
            return Reentry()
        case "always" | "once" | "one_active":
            return Reentry(raw)
        case str() if raw.startswith("after:"):
            return Reentry("after", span=parse_duration(raw[6:]))
        case str() if raw.startswith("key:"):
            return Reentry("key", path=parse_path(raw[4:].strip(), KEY_ROOTS))
        case _:
            message = f"{spelled(raw)} is not a re-entry policy"
            raise EntryError([Problem("", message, choose(raw, _FORMS))])


def parse_exits(raw: object) -> tuple[Exit, ...]:
    """Return the exit rules that `raw` lists (rule S3).

    Raises:
        EntryError: some cannot be used; says everything that is wrong with them.
    """
    if raw is None:
        return ()
    if not isinstance(raw, list):
        fix = "write `[{event: order.refunded}]`"
        raise EntryError([Problem("", "must be a list of exit rules", fix)])
    found = Collector()
    exits = [found.attempt(f"[{index}]", _parse_exit, item) for index, item in enumerate(raw)]
    found.check(EntryError)
    return tuple(rule for rule in exits if rule is not None)


def _parse_exit(raw: object) -> Exit:
    if not isinstance(raw, Mapping):
        fix = "write `{event: order.refunded}`"
        raise EntryError([Problem("", f"must be an exit rule, not {spelled(raw)}", fix)])
    found = Collector()
    for key in raw.keys() - set(_EXIT_KEYS):
        found.refuse(key, "is not a key of an exit rule", choose(key, _EXIT_KEYS))
    name = found.attempt("event", parse_name, raw.get("event"))
    rule = raw.get("filter")
    held = None if rule is None else found.attempt("filter", parse_rule, rule)
    is_goal = found.attempt("goal", _parse_goal, raw.get("goal"))
    found.check(EntryError)
    assert name is not None, "an exit rule without problems has a name"
    return Exit(name, held, bool(is_goal))


def _parse_goal(raw: object) -> bool:
    if raw is None or isinstance(raw, bool):
        return bool(raw)
    fix = "write `goal: true` where the event is what the automation is for"
    raise EntryError([Problem("", f"{spelled(raw)} is not true or false", fix)])
