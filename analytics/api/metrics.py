"""What Prometheus is told: how busy the server is and how well it does, and nothing about any tenant."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one API, apart from those of others in the process."""

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
            "Answers, by where they came from",
            ["origin"],
            registry=self._registry,
        )
        self.calls = Counter(
            "usage_api_calls",
            "Calls that were sent, by their fate",
            ["status"],
            registry=self._registry,
        )

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)
