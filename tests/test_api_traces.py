"""POST /v1/traces: what OpenTelemetry's own exporters send becomes the rows of the in-process exporter."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.testclient import TestClient
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from analytics import tracking
from analytics.api import otlp
from analytics.database import Database
from analytics.tracking.opentelemetry import UsageSpanExporter
from tests import factories
from tests.api import bearer, logged, open_api, serving
from tests.tcp_proxy import TcpProxy

CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4",
    "gen_ai.usage.input_tokens": 150,
    "gen_ai.usage.output_tokens": 80,
}
ENDED_NS = int(factories.NOW.timestamp()) * 1_000_000_000
PROTOBUF = {"Content-Type": otlp.PROTOBUF}
JSON = {"Content-Type": otlp.JSON}


@pytest.fixture
def writer(database: Database, acme: UUID) -> dict[str, str]:
    return bearer(database, acme, "write")


@pytest.fixture
def server(database: Database) -> Iterator[str]:
    with serving(database) as address:
        yield address


def finished(*attributes: dict[str, Any], resource: dict[str, Any] | None = None) -> list[ReadableSpan]:
    """Spans that have ended, a nanosecond apart in order."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, resource=Resource(resource or {}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("openinference.instrumentation.openai")
    for number, each in enumerate(attributes):
        tracer.start_span("call", attributes=each).end(ENDED_NS + 1_000 * number)
    provider.shutdown()
    return list(kept.get_finished_spans())


def varied(client_id: UUID) -> list[ReadableSpan]:
    """Calls in both vocabularies, with all that a call can have, and spans that are no calls."""
    mine = {"usage.client_id": str(client_id)}
    parameters = json.dumps({"model": "gpt-4"})
    return finished(
        CALL | mine | {"usage.conversation_id": "invoice 17", "usage.phone": "551", "extra": ("a", "b")},
        CALL | mine | {"gen_ai.usage.cache_read.input_tokens": 100, "gen_ai.conversation.id": "b"},
        mine | {
            "openinference.span.kind": "LLM", "llm.system": "openai", "llm.model_name": "gpt-4o",
            "llm.invocation_parameters": parameters, "llm.token_count.prompt": 9,
            "llm.token_count.completion": 4, "llm.token_count.total": 13, "session.id": "Ada",
        },
        mine | {
            "openinference.span.kind": "LLM", "llm.provider": "openai", "llm.model_name": "whisper-1",
            "output.value": json.dumps({"text": "Hello", "duration": 30.0}),
            "llm.invocation_parameters": parameters,
        },
        CALL | mine | {"gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0, "a": 0.5, "b": True},
        {"http.request.method": "GET", "url.full": "https://example.com"},
        CALL | mine | {"gen_ai.operation.name": "invoke_agent"},
        {},
    )  # fmt: skip


def exporter(server: str, writer: dict[str, str], compression: Compression) -> OTLPSpanExporter:
    return OTLPSpanExporter(f"{server}/v1/traces", headers=writer, compression=compression, timeout=30)


@pytest.mark.usefixtures("tracker")
@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_the_rows_of_the_in_process_exporter(
    database: Database, acme: UUID, server: str, writer: dict[str, str], compression: Compression
) -> None:
    sent = varied(acme)
    over_http = exporter(server, writer, compression)
    assert over_http.export(sent) is SpanExportResult.SUCCESS
    assert over_http.export(sent) is SpanExportResult.SUCCESS
    over_http.shutdown()
    rows = logged(database)
    assert [(row["model"], row["total_tokens"], row["cost_basis"]) for row in rows] == [
        ("gpt-4", 230, "priced"),
        ("gpt-4", 230, "priced"),
        ("gpt-4o", 13, "priced"),
        ("whisper-1", 0, "priced"),
        ("gpt-4", 0, "unpriced"),
    ]
    with database.transaction() as connection:
        connection.execute("delete from usage_logs")

    assert UsageSpanExporter().export(sent) is SpanExportResult.SUCCESS
    assert tracking.flush()
    assert logged(database) == rows


def as_javascript_sends_them(sent: list[ReadableSpan], resource: dict[str, Any]) -> dict[str, Any]:
    """The body of @opentelemetry/exporter-trace-otlp-http: ids in hexadecimal, 64 bits as texts."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": pairs(resource), "droppedAttributesCount": 0},
                "scopeSpans": [
                    {
                        "scope": {"name": "openinference.instrumentation.openai", "version": "1.0.0"},
                        "spans": [
                            {
                                "traceId": f"{span.context.trace_id:032x}",
                                "spanId": f"{span.context.span_id:016x}",
                                "parentSpanId": None,
                                "name": span.name,
                                "kind": 3,
                                "startTimeUnixNano": str(span.start_time),
                                "endTimeUnixNano": str(span.end_time),
                                "attributes": pairs(span.attributes or {}),
                                "droppedAttributesCount": 0,
                                "events": [{"timeUnixNano": "1", "name": "cut \ud83d", "attributes": []}],
                                "links": [{"traceId": "ab" * 16, "spanId": "cd" * 8, "attributes": []}],
                                "status": {"code": 0},
                                "flags": 257,
                                "aFieldOfTomorrow": {"traceId": "ab" * 16},
                            }
                            for span in sent
                        ],
                    }
                ],
            }
        ]
    }


def pairs(attributes: Any) -> list[dict[str, Any]]:
    return [{"key": name, "value": value_of(value)} for name, value in attributes.items()]


def value_of(value: Any) -> dict[str, Any]:
    if isinstance(value, tuple):
        return {"arrayValue": {"values": [value_of(item) for item in value]}}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def test_what_the_javascript_sdk_sends(database: Database, acme: UUID, writer: dict[str, str]) -> None:
    sent = varied(acme)
    api = open_api(database)
    body = as_javascript_sends_them(sent, {"telemetry.sdk.language": "nodejs"})
    for _ in range(2):
        response = api.post("/v1/traces", content=json.dumps(body), headers=writer | JSON)
        assert (response.status_code, response.json()) == (200, {})
    rows = logged(database)
    assert len(rows) == 5
    with database.transaction() as connection:
        connection.execute("delete from usage_logs")

    with serving(database) as server:
        over_http = exporter(server, writer, Compression.Gzip)
        assert over_http.export(sent) is SpanExportResult.SUCCESS
        over_http.shutdown()
    assert logged(database) == rows


@pytest.mark.parametrize("as_json", [True, False])
def test_the_client_is_that_of_the_key(
    database: Database, acme: UUID, server: str, writer: dict[str, str], as_json: bool
) -> None:
    other = factories.client(database, "Other Ltd")
    resource = {"usage.client_id": str(other), "usage.phone": "551"}
    sent = finished(
        CALL,
        CALL | {"usage.client_id": str(acme), "usage.phone": "552"},
        CALL | {"usage.client_id": "Acme"},
        resource=resource,
    )
    if as_json:
        answer = httpx.post(
            f"{server}/v1/traces",
            content=json.dumps(as_javascript_sends_them(sent, resource)),
            headers=writer | JSON,
        )
        told = answer.json()["partialSuccess"]
        rejected, reason = int(told["rejectedSpans"]), told["errorMessage"]
    else:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

        content = encode_spans(sent).SerializeToString()
        answer = httpx.post(f"{server}/v1/traces", content=content, headers=writer | PROTOBUF)
        partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
        rejected, reason = partial.rejected_spans, partial.error_message

    assert answer.status_code == 200
    assert answer.headers["content-type"] == ("application/json" if as_json else otlp.PROTOBUF)
    assert rejected == 2
    assert reason == f"client_id must be that of the key, {acme}, or be left out"
    assert [(row["client_id"], row["phone"]) for row in logged(database)] == [(acme, "552")]


def test_an_application_says_once_whose_calls_they_are(
    database: Database, acme: UUID, writer: dict[str, str]
) -> None:
    resource = {"usage.client_id": str(acme), "usage.phone": "551", "gen_ai.system": "groq"}
    body = as_javascript_sends_them(finished(CALL), resource)
    assert open_api(database).post("/v1/traces", content=json.dumps(body), headers=writer | JSON).json() == {}
    [row] = logged(database)
    assert (row["client_id"], row["phone"], row["source"]) == (acme, "551", "openai")


def nested_views() -> dict[str, Any]:
    """One call that two instrumentors saw, the inner one first."""
    provider = TracerProvider(shutdown_on_exit=False)
    outer = provider.get_tracer("outer").start_span("call", attributes=CALL)
    inner = provider.get_tracer("inner").start_span(
        "call", context=set_span_in_context(outer), attributes=CALL
    )
    inner.end(ENDED_NS)
    outer.end(ENDED_NS)
    provider.shutdown()
    body = as_javascript_sends_them([inner, outer], {})  # type: ignore[list-item]
    [resource] = body["resourceSpans"]
    scope = resource["scopeSpans"][0]
    scope["spans"][0]["parentSpanId"] = scope["spans"][1]["spanId"]
    resource["scopeSpans"] = [
        {"scope": {"name": name}, "spans": [span]}
        for name, span in zip(("inner", "outer"), scope["spans"], strict=True)
    ]
    return body


def test_a_call_that_two_instrumentors_saw_is_kept_once_also_when_it_comes_again(
    database: Database, acme: UUID, writer: dict[str, str]
) -> None:
    body = nested_views()
    with TcpProxy(database.url) as proxy:
        far = Database(proxy.url)
        api = open_api(far)
        api.post("/api/usage", json=[], headers=writer)
        proxy.go_away()
        # An exporter sends again what was answered like this.
        assert api.post("/v1/traces", content=json.dumps(body), headers=writer | JSON).status_code == 503
        proxy.come_back()
        for _ in range(2):
            assert api.post("/v1/traces", content=json.dumps(body), headers=writer | JSON).json() == {}
            assert len(logged(database)) == 1
        far.close()


def test_calls_that_failed_are_attempts(database: Database, server: str, writer: dict[str, str]) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    span = provider.get_tracer("ours").start_span(
        "chat", attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4"}
    )
    span.set_status(Status(StatusCode.ERROR))
    span.end()
    provider.shutdown()
    over_http = exporter(server, writer, Compression.NoCompression)
    assert over_http.export(kept.get_finished_spans()) is SpanExportResult.SUCCESS
    over_http.shutdown()
    [row] = logged(database)
    assert (row["outcome"], row["cost_usd"], row["cost_basis"]) == ("error", 0, "priced")


def test_what_was_passed_over_is_told(database: Database, writer: dict[str, str], api: TestClient) -> None:
    passed = [
        {"gen_ai.operation.name": "guess"},
        {"gen_ai.operation.name": "guess"},
        {"gen_ai.operation.name": "list_models", "gen_ai.request.model": "gpt-4o"},
        CALL | {"gen_ai.operation.name": "invoke_agent"},  # as it should be: no warning
        {"db.system": "postgresql"},
    ]
    sent = finished(CALL, *passed)
    answer = api.post(
        "/v1/traces", content=json.dumps(as_javascript_sends_them(sent, {})), headers=writer | JSON
    ).json()
    # OTLP's way to warn: a message, and no span rejected.
    assert answer == {
        "partialSuccess": {
            "errorMessage": "3 spans look like calls of models and were passed over: "
            "guess (2: it names no model), list_models (1: it tells no usage)"
        }
    }
    assert len(logged(database)) == 1
    metrics = api.get("/metrics").text
    for labels in (
        'operation="guess",reason="it names no model"} 2.0',
        'operation="invoke_agent",reason="it sums up the calls within it"} 1.0',
    ):
        assert f"usage_api_spans_passed_over_total{{{labels}" in metrics


def test_operations_of_strangers_do_not_fill_the_metrics(writer: dict[str, str], api: TestClient) -> None:
    sent = finished(*({"gen_ai.operation.name": f"operation {number}"} for number in range(150)))
    body = json.dumps(as_javascript_sends_them(sent, {}))
    message = api.post("/v1/traces", content=body, headers=writer | JSON).json()["partialSuccess"][
        "errorMessage"
    ]
    assert message.startswith("150 spans look like calls of models")
    assert message.endswith(", and 91 more")
    lines = [line for line in api.get("/metrics").text.splitlines() if "passed_over_total{" in line]
    assert len(lines) == 101


def test_a_provider_is_one_source_through_all_doors(
    database: Database, writer: dict[str, str], api: TestClient
) -> None:
    usage = {"prompt_tokens": 150, "completion_tokens": 80}
    names = ["azure.ai.openai", "Azure-OpenAI", " azure_openai ", "az.ai.openai", "azure"]
    records = [{"source": name, "model": "gpt-4o", "usage": usage} for name in names]
    assert api.post("/api/usage", json=records, headers=writer).status_code == 200
    sent = finished(*(CALL | {"gen_ai.system": name} for name in names))
    body = json.dumps(as_javascript_sends_them(sent, {}))
    assert api.post("/v1/traces", content=body, headers=writer | JSON).json() == {}
    assert {row["source"] for row in logged(database)} == {"azure"}


@pytest.mark.parametrize("content", [b"\xff\xff", b"no protobuf", b"\x0a\xff\xff\xff\xff\x0f"])
def test_broken_protobuf(api: TestClient, writer: dict[str, str], content: bytes) -> None:
    response = api.post("/v1/traces", content=content, headers=writer | PROTOBUF)
    assert response.status_code == 400
    assert response.json()["error"].startswith("the body is not an OTLP trace export: ")


@pytest.mark.parametrize(
    "body",
    [
        [], None, 1, "x",
        {"resourceSpans": 5},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "no hexadecimal"}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "ab"}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"spanId": 5}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"endTimeUnixNano": "soon"}]}]}]},
    ],
)  # fmt: skip
def test_json_that_is_no_export(api: TestClient, writer: dict[str, str], body: Any) -> None:
    response = api.post("/v1/traces", content=json.dumps(body), headers=writer | JSON)
    assert response.status_code == 400
    assert response.json()["error"].startswith("the body is not an OTLP trace export: ")


@pytest.fixture
def api(database: Database) -> TestClient:
    return open_api(database)
