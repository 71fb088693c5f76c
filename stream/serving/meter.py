"""What a serving process counts of requests and connections, as metrics."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge, Histogram

from handlers.http.watch import Answered
from stream.telemetry import Counters

#: Upper bounds of latency's buckets, in seconds.
LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

MEANINGS = {
    "http_requests": "Requests answered, by dialect, method, route and status; 0: cut off.",
    "http_refusals": "Requests that were not done, by dialect and reason.",
    "http_connections_refused": "Connections closed by a bound on heads or crowds, by reason.",
}

_CLOSED_FOR = {408: "head_too_slow", 431: "head_too_large", 503: "crowded"}


class HttpMeter:
    """Counts in memory; routes are templates, so that there are not more numbers than routes."""

    def __init__(self, counters: Counters, registry: CollectorRegistry) -> None:
        self._counters = counters
        self._registry = registry
        self._latencies = Histogram(
            "waitline_http_request_duration_seconds",
            "From a request's head to the end of its answer, by dialect, method and route.",
            ("dialect", "method", "route"),
            buckets=LATENCIES,
            registry=registry,
        )
        self._in_flight = Gauge(
            "waitline_http_requests_in_flight", "Requests being answered.", registry=registry
        )

    def begin(self) -> None:
        """A request has come."""
        self._in_flight.inc()

    def end(self, answered: Answered) -> None:
        """It was answered."""
        self._in_flight.dec()
        dialect, method, route = answered.dialect, answered.method, answered.route
        status = str(answered.status)
        self._counters.count(
            "http_requests", dialect=dialect, method=method, route=route, status=status
        )
        self._latencies.labels(dialect, method, route).observe(answered.seconds)
        if answered.refusal is not None:
            self._counters.count("http_refusals", dialect=dialect, reason=answered.refusal)

    def refuse_connection(self, status: int) -> None:
        """A connection was closed before a request came of it."""
        self._counters.count("http_connections_refused", reason=_CLOSED_FOR[status])

    def watch(self, connections: Callable[[], float], is_connected: Callable[[], float]) -> None:
        """Tell these, too; `is_connected`: events can go to Kafka, as far as is known."""
        told = {
            "connections": ("Connections that are open.", connections),
            "kafka_connected": (
                "1 once a broker has answered; before, events are refused.",
                is_connected,
            ),
        }
        for name, (meaning, number) in told.items():
            gauge = Gauge(f"waitline_http_{name}", meaning, registry=self._registry)
            gauge.set_function(number)
