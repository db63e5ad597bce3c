"""Logs of coding agents, and their metrics, by OTLP."""

from collections.abc import Iterator, Mapping

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as Record
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from analytics.api import otlp
from analytics.api.models import MAX_RECORDS
from analytics.api.spans import message_about
from analytics.tracking.logs import LogRecord
from analytics.tracking.metered import TOKEN_METRICS, Metered
from analytics.tracking.spans import PassedOver

_LOGS = otlp.Signal(
    "log",
    "log records",
    "logRecords",
    ("resource_logs", "scope_logs", "log_records"),
    (Record.DESCRIPTOR,),
    MAX_RECORDS,
)
_POINTS = (
    *(NumberDataPoint.DESCRIPTOR, HistogramDataPoint.DESCRIPTOR),
    *(ExponentialHistogramDataPoint.DESCRIPTOR, SummaryDataPoint.DESCRIPTOR),
)
# An agent sends all its metrics again each minute.
_METRICS = otlp.Signal(
    "metric",
    "data points",
    "dataPoints",
    ("resource_metrics", "scope_metrics", "metrics"),
    _POINTS,
    10 * MAX_RECORDS,
)


def read_logs(body: bytes, content_type: str) -> Iterator[LogRecord]:
    """The log records in an export request with one of otlp.CONTENT_TYPES.

    Raises:
        HTTPException: 400 if it is malformed, 413 if it has too many records.
    """
    for resource, scope, record in otlp.items_in(body, content_type, ExportLogsServiceRequest(), _LOGS):
        yield LogRecord(
            attributes=otlp.attributes(record.attributes),
            resource=resource,
            event=record.event_name[: otlp.MAX_NAME_CHARACTERS],
            body=otlp.value_of(record.body),
            scope=scope,
            trace_id=otlp.checked_id("traceId", record.trace_id),
            span_id=otlp.checked_id("spanId", record.span_id),
            at_ns=record.time_unix_nano or record.observed_time_unix_nano or None,
        )


def logs_answer(
    content_type: str, rejected: int, reason: str | None, passed_over: Mapping[PassedOver, int]
) -> bytes:
    """The answer to an export of logs, in the request's format."""
    answer = ExportLogsServiceResponse()
    if message := message_about("log records", reason, passed_over):
        answer.partial_success.rejected_log_records = rejected
        answer.partial_success.error_message = message
    return otlp.answered(content_type, answer)


def read_metrics(body: bytes, content_type: str) -> Iterator[Metered]:
    """The tokens that coding agents' metrics tell of, in an export request with one of otlp.CONTENT_TYPES.

    Raises:
        HTTPException: 400 if it is malformed, 413 if it has too many data points.
    """
    for item in otlp.items_in(body, content_type, ExportMetricsServiceRequest(), _METRICS):
        if item.message.name in TOKEN_METRICS:
            yield from _metered(item.message)


def metrics_answer(content_type: str, message: str | None) -> bytes:
    """The answer to an export of metrics, of which none is a call."""
    answer = ExportMetricsServiceResponse()
    if message is not None:
        answer.partial_success.error_message = message
    return otlp.answered(content_type, answer)


def _metered(metric: Metric) -> Iterator[Metered]:
    kind = metric.WhichOneof("data")
    if kind not in ("sum", "histogram"):
        return
    data = getattr(metric, kind)
    is_cumulative = data.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    for point in data.data_points:
        value = point.sum if kind == "histogram" else point.as_int or point.as_double
        yield Metered(
            metric=metric.name,
            attributes=otlp.attributes(point.attributes),
            tokens=value,
            started_ns=point.start_time_unix_nano,
            is_cumulative=is_cumulative,
        )
