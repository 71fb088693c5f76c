"""The shape of an automation: its steps, and the connections between them (rule F1)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence

from handlers.publishing.drawing import Connection, DrawnStep
from state.problem import Collector, Problem, choose


def check_graph(
    steps: Mapping[str, DrawnStep], connections: Sequence[Connection], found: Collector
) -> None:
    """Note everything that is wrong with the shape: ends, branches, cycles, loose steps."""
    for connection in connections:
        found.problems += _connection_problems(connection, steps)
    found.problems += _repeated(connections)
    known = [each for each in connections if each.source in steps and each.target in steps]
    _check_trigger(steps, found)
    cycle = _find_cycle(steps, _successors(known))
    if cycle:
        shown = " -> ".join(cycle)
        found.refuse("connections", f"the steps go in a circle: {shown}", "remove one of them")
    entered = {connection.target for connection in known}
    for step in steps.values():
        if step.key not in entered and not step.is_trigger:
            loose = Collector(f'step "{step.key}"')
            loose.refuse("", "cannot be reached", "connect a step to it, or remove it")
            found.problems += loose.problems


def graph_order(keys: Sequence[str], connections: Iterable[Connection]) -> tuple[str, ...]:
    """Return the keys with every step after those that lead to it, else as they were written."""
    place = {key: index for index, key in enumerate(keys)}
    following = _successors(connections)
    before = dict.fromkeys(keys, 0)
    for targets in following.values():
        for target in targets:
            before[target] += 1
    ready = [place[key] for key in keys if before[key] == 0]
    order: list[str] = []
    while ready:
        key = keys[heapq.heappop(ready)]
        order.append(key)
        for target in following.get(key, ()):
            before[target] -= 1
            if before[target] == 0:
                heapq.heappush(ready, place[target])
    assert len(order) == len(keys), "a published graph has no cycles"
    return tuple(order)


def _check_trigger(steps: Mapping[str, DrawnStep], found: Collector) -> None:
    triggers = [step.key for step in steps.values() if step.is_trigger]
    if len(triggers) > 1:
        shown = ", ".join(triggers)
        found.refuse("steps", f"there are several triggers: {shown}", "keep one")
    if not triggers:
        fix = "add `{key: start, type: trigger, config: {event_name: ...}}`"
        found.refuse("steps", "there is no trigger", fix)


def _connection_problems(connection: Connection, steps: Mapping[str, DrawnStep]) -> list[Problem]:
    found = Collector(connection.label)
    for field, key in (("from", connection.source), ("to", connection.target)):
        if key not in steps:
            found.refuse(field, f'there is no step "{key}"', choose(key, steps))
    source = steps.get(connection.source)
    kind = None if source is None else source.kind
    branches = kind.branches_of(source.config, source.raw_config) if source and kind else None
    if kind and branches is not None and connection.branch not in branches:
        message = f'"{connection.branch}" cannot leave a {kind.name} step'
        found.refuse("type", message, choose(connection.branch, branches))
    return found.problems


def _repeated(connections: Sequence[Connection]) -> list[Problem]:
    """Return a problem for each second connection of one step and branch: a run has one cursor."""
    taken: dict[tuple[str, str], str] = {}
    problems: list[Problem] = []
    for connection in connections:
        first = taken.setdefault((connection.source, connection.branch), connection.target)
        if first is not connection.target:
            found = Collector(connection.label)
            message = f'"{connection.branch}" leads to "{first}" already'
            found.refuse("type", message, "connect one step after the other")
            problems += found.problems
    return problems


def _successors(connections: Iterable[Connection]) -> dict[str, list[str]]:
    following: dict[str, list[str]] = {}
    for connection in connections:
        following.setdefault(connection.source, []).append(connection.target)
    return following


def _find_cycle(keys: Iterable[str], following: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the steps of a cycle, the first one again at its end, or nothing."""
    finished: set[str] = set()
    for start in keys:
        path = [start]
        ways = [iter(following.get(start, ()))]
        while path:
            target = next(ways[-1], None)
            if target is None:
                finished.add(path.pop())
                ways.pop()
            elif target in path:
                return [*path[path.index(target) :], target]
            elif target not in finished:
                path.append(target)
                ways.append(iter(following.get(target, ())))
    return []
