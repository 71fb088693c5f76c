"""What a serving process counts of requests and connections, as metrics."""

from __future__ import annotations

from handlers.http.watch import Answered
from stream.metrics.families import Family, Histogram, counter_families, gauge
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

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._latencies = Histogram(LATENCIES)
        self._in_flight = 0

    def begin(self) -> None:
        """A request has come."""
        self._in_flight += 1

    def end(self, answered: Answered) -> None:
        """It was answered."""
        self._in_flight -= 1
        dialect, method, route = answered.dialect, answered.method, answered.route
        status = str(answered.status)
        self._counters.count(
            "http_requests", dialect=dialect, method=method, route=route, status=status
        )
        where = (("dialect", dialect), ("method", method), ("route", route))
        self._latencies.observe(answered.seconds, where)
        if answered.refusal is not None:
            self._counters.count("http_refusals", dialect=dialect, reason=answered.refusal)

    def refuse_connection(self, status: int) -> None:
        """A connection was closed before a request came of it."""
        self._counters.count("http_connections_refused", reason=_CLOSED_FOR[status])

    def families(self, connections: int, is_connected: bool) -> list[Family]:
        """Return everything; `is_connected`: events can go to Kafka, as far as is known."""
        return [
            *counter_families(self._counters.samples(), MEANINGS),
            Family(
                "waitline_http_request_duration_seconds",
                "histogram",
                "From a request's head to the end of its answer, by dialect, method and route.",
                list(self._latencies.samples()),
            ),
            gauge("waitline_http_requests_in_flight", "Requests being answered.", self._in_flight),
            gauge("waitline_http_connections", "Connections that are open.", connections),
            gauge(
                "waitline_http_kafka_connected",
                "1 once a broker has answered; before, events are refused.",
                int(is_connected),
            ),
        ]
