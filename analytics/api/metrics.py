"""Metrics for Prometheus: load and errors of the server, without anything about a client.

And what a client has used, for whoever has a key of it: in a registry of its own, made for one answer.
"""

from collections import Counter as Counts
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST, choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.registry import Collector

from analytics.queries.alerts import AlertState
from analytics.tracking.passed_over import OTHER
from analytics.tracking.spans import PassedOver

CONTENT_TYPE = CONTENT_TYPE_LATEST

_MAX_OPERATIONS = 100
_SUMS = (
    *("request_count", "unpriced_count", "cost_usd", "prompt_tokens", "completion_tokens", "total_tokens"),
)


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
            "Spans and log records that look like calls of models and are none, by operation and reason",
            ["operation", "reason"],
            registry=self._registry,
        )
        self._operations: set[str] = set()
        self._checked_at = Gauge(
            "usage_alerts_checked_timestamp_seconds",
            "When alerts were last checked, in seconds since 1970; 0 if never",
            registry=self._registry,
        )
        self._alerts = Gauge("usage_alerts_open", "Alerts that nobody has seen", registry=self._registry)
        self._messages = Gauge(
            "usage_alert_messages",
            "Messages of alerts that are not delivered, by state",
            ["state"],
            registry=self._registry,
        )

    def tell_alerts(self, state: AlertState) -> None:
        """What is known of alerts, of the whole installation."""
        self._checked_at.set(state.checked_at.timestamp() if state.checked_at else 0)
        self._alerts.set(state.open_count)
        self._messages.labels("waiting").set(state.waiting_count)
        self._messages.labels("failed").set(state.failed_count)

    def count_calls(self, statuses: Iterable[str]) -> None:
        for status, number in Counts(statuses).items():
            self.calls.labels(status).inc(number)

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


class _UsageSoFar(Collector):
    """Counters of one client, by provider and model."""

    def __init__(self, client_name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        self._client_name = client_name
        # No model and one without a name would be two series of one name, for which all is refused.
        together: dict[tuple[str, str], dict[str, Any]] = {}
        for row in rows:
            key = (row["source"], row["model"] or "")
            sums = together.setdefault(key, {"source": key[0], "model": key[1], **dict.fromkeys(_SUMS, 0)})
            for name in _SUMS:
                sums[name] += row[name]
        self._rows = list(together.values())

    def collect(self) -> Iterator[CounterMetricFamily]:
        labels = ("client", "provider", "model")
        for name, told, column in (
            ("usage_requests", "Requests", "request_count"),
            ("usage_requests_unpriced", "Requests whose cost is not known and not counted", "unpriced_count"),
            ("usage_cost_usd", "US dollars, of the requests whose cost is known", "cost_usd"),
        ):
            counter = CounterMetricFamily(name, told, labels=labels)
            for row in self._rows:
                # A cost that is known of no call is none: 0 would say that they were free.
                if column != "cost_usd" or row["unpriced_count"] < row["request_count"]:
                    counter.add_metric(self._labels(row), float(row[column]))
            yield counter
        tokens = CounterMetricFamily("usage_tokens", "Tokens", labels=(*labels, "type"))
        for row in self._rows:
            rest = row["total_tokens"] - row["prompt_tokens"] - row["completion_tokens"]
            for kind, amount in (
                ("prompt", row["prompt_tokens"]),
                ("completion", row["completion_tokens"]),
                ("other", rest),
            ):
                if amount or kind != "other":
                    tokens.add_metric([*self._labels(row), kind], float(amount))
        yield tokens

    def _labels(self, row: Mapping[str, Any]) -> list[str]:
        return [self._client_name, row["source"], row["model"]]


def usage_metrics(client_name: str, rows: Iterable[Mapping[str, Any]], accept: str) -> tuple[bytes, str]:
    """Rows of usage_so_far() as text, and its content type: OpenMetrics where that is asked for."""
    registry = CollectorRegistry()
    registry.register(_UsageSoFar(client_name, rows))
    encoder, content_type = choose_encoder(accept)
    return encoder(registry), content_type
