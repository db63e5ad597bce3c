"""Metrics for Prometheus: load and errors of the server, without anything about a client."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from analytics.tracking.passed_over import OTHER
from analytics.tracking.spans import PassedOver

CONTENT_TYPE = CONTENT_TYPE_LATEST

_MAX_OPERATIONS = 100


class Metrics:
    """The metrics of one API, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "usage_api_requests",
            "Requests, by route and status",
            ["route", "method", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "usage_api_request_seconds", "Time until the answer", ["route"], registry=self._registry
        )
        self.answers = Counter(
            "usage_api_answers",
            "Answers, by origin",
            ["origin"],
            registry=self._registry,
        )
        self.calls = Counter(
            "usage_api_calls",
            "Calls in requests, by status",
            ["status"],
            registry=self._registry,
        )

        self._passed_over = Counter(
            "usage_api_spans_passed_over",
            "Spans that look like calls of models and are none, by operation and reason",
            ["operation", "reason"],
            registry=self._registry,
        )
        self._operations: set[str] = set()

    def count_passed_over(self, spans: Mapping[PassedOver, int]) -> None:
        for span, number in spans.items():
            # Names come from strangers, and each would be a series for ever.
            is_known = span.operation in self._operations
            if not is_known and len(self._operations) < _MAX_OPERATIONS:
                self._operations.add(span.operation)
                is_known = True
            operation = span.operation if is_known else OTHER.operation
            self._passed_over.labels(operation, span.reason).inc(number)

    def text(self) -> bytes:
        """The metrics as text for Prometheus."""
        return generate_latest(self._registry)
