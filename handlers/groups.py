"""Inputs that may touch each other's contacts belong together; all others decide apart."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType

from handlers.decide import Input
from handlers.intake import named_in
from state.event import Event, Identifier
from state.turn import Claim


def group_inputs(
    inputs: Sequence[Input],
    owners: Mapping[Identifier, int],
    claims: Mapping[Identifier, Claim],
    survivors: Mapping[int, int] = MappingProxyType({}),
) -> list[list[Input]]:
    """Return the inputs in groups that share no contact, identifier or event key.

    The order within a group is that of the inputs, and groups are in the order of their first one;
    what two groups decide cannot depend on each other (rules D1, E4). `survivors` tells whom the
    contacts of commands were merged into.
    """
    joined = _Joined()
    roots = [joined.join(_touched(each, owners, claims, survivors)) for each in inputs]
    groups: dict[Hashable, list[Input]] = {}
    for each, root in zip(inputs, roots, strict=True):
        groups.setdefault(joined.find(root), []).append(each)
    return list(groups.values())


def _touched(
    each: Input,
    owners: Mapping[Identifier, int],
    claims: Mapping[Identifier, Claim],
    survivors: Mapping[int, int],
) -> list[Hashable]:
    if not isinstance(each, Event):
        return [survivors.get(each.contact_id, each.contact_id)]
    touched: list[Hashable] = [each.key]
    for name in named_in(each):
        if name in owners:
            touched.append(owners[name])
        elif name in claims:
            touched += (claims[name].contact_id, name)
        else:
            touched.append(name)
    return touched


class _Joined:
    """Disjoint sets with path halving."""

    def __init__(self) -> None:
        self._parents: dict[Hashable, Hashable] = {}

    def find(self, node: Hashable) -> Hashable:
        parents = self._parents
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = parents.setdefault(parent, parent)
            node = parents[node]
        return node

    def join(self, nodes: Sequence[Hashable]) -> Hashable:
        """Put all nodes into one set and return one of its members."""
        root = self.find(nodes[0])
        for node in nodes[1:]:
            self._parents[self.find(node)] = root
        return root
