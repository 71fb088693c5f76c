"""What a process counts, as Prometheus' client gathers it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from typing_extensions import override

from stream.telemetry import Counters


def make_registry(counters: Counters, meanings: Mapping[str, str]) -> CollectorRegistry:
    """Return a registry with these counters and what can be said of any process.

    `meanings` are told of those counters that have one, by name.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]  # it would double all numbers
    registry = CollectorRegistry()
    registry.register(_Counted(counters, meanings))
    ProcessCollector(registry=registry)
    return registry


class _Counted(Collector):
    """The counters that are there when it is asked, a family a name; asked by other threads."""

    def __init__(self, counters: Counters, meanings: Mapping[str, str]) -> None:
        self._counters = counters
        self._meanings = meanings

    @override
    def collect(self) -> Iterable[CounterMetricFamily]:
        families: dict[str, CounterMetricFamily] = {}
        for (name, labels), value in sorted(self._counters.samples().items()):
            if name not in families:
                meaning = self._meanings.get(name, "")
                families[name] = CounterMetricFamily(f"waitline_{name}", meaning)
            families[name].add_sample(f"waitline_{name}_total", dict(labels), value)
        return families.values()
