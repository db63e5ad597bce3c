"""Metrics for Prometheus: load and errors of the server, without anything about a client."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


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

    def text(self) -> bytes:
        """The metrics as text for Prometheus."""
        return generate_latest(self._registry)
