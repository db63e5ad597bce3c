"""POST /v1/logs and /v1/metrics: what coding agents send becomes calls, each of them once."""

import base64
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from analytics.__main__ import main
from analytics.api import otlp
from analytics.corrections import list_corrections, undo_correction
from analytics.database import Database
from analytics.days import Days
from analytics.health.calls import client_checks
from tests import factories
from tests.api import bearer, logged, open_api, serving
from tests.naive import wrong_sums

RECORDED = Path(__file__).parent / "recorded_logs"
AGENTS = ("claude-code", "codex", "gemini-cli", "qwen-code")
JSON = {"Content-Type": otlp.JSON}
PROTOBUF = {"Content-Type": otlp.PROTOBUF}
NOW_NS = int(factories.NOW.timestamp()) * 1_000_000_000
REQUESTS = {
    "logs": ExportLogsServiceRequest,
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
MODEL = "claude-sonnet-4-5"


@pytest.fixture
def writer(database: Database, acme: UUID) -> dict[str, str]:
    return bearer(database, acme, "write")


@pytest.fixture
def api(database: Database) -> TestClient:
    return open_api(database)


def recorded(agent: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RECORDED / f"{agent}.json").read_text(encoding="utf-8"))
    return content


def otlp_attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {int: "intValue", float: "doubleValue", str: "stringValue", bool: "boolValue"}
    return [
        {"key": name, "value": {kinds[type(value)]: str(value) if type(value) is int else value}}
        for name, value in values.items()
    ]


def log_export(
    *records: dict[str, Any], scope: str = "", resource: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Log records, a second apart."""
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": otlp_attributes(resource or {})},
                "scopeLogs": [
                    {
                        "scope": {"name": scope},
                        "logRecords": [
                            {
                                "timeUnixNano": str(NOW_NS + number * 10**9),
                                "attributes": otlp_attributes(attributes),
                            }
                            for number, attributes in enumerate(records)
                        ],
                    }
                ],
            }
        ]
    }


def claude_request(**more: Any) -> dict[str, Any]:
    return {
        "event.name": "claude_code.api_request",
        "session.id": "s1",
        "model": MODEL,
        "input_tokens": 1_000,
        "output_tokens": 100,
        "cost_usd": 0.5,
        "duration_ms": 900,
        **more,
    }


def send(api: TestClient, signal: str, content: dict[str, Any], key: dict[str, str]) -> dict[str, Any]:
    answer = api.post(f"/v1/{signal}", content=json.dumps(content), headers=key | JSON)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


CALLS = {
    # 11 and 7,000 tokens of the prompt are cached or written; the span knows of the first token.
    "claude-code": [
        ("anthropic", "claude-opus-4-8", 7011, 42, "ok", 627, None, Decimal("0.02173")),
        ("anthropic", "claude-opus-4-8", 0, 0, "error", 628, 2, None),
    ],
    "codex": [
        ("openai", "gpt-5-codex", 0, 0, "error", 40, 1, None),
        ("openai", "gpt-5-codex", 1500, 80, "ok", None, None, None),
    ],
    "gemini-cli": [
        ("google", "gemini-2.5-pro", 1200, 50, "ok", 29, None, None),
        ("google", "gemini-3.5-flash-lite", 0, 0, "error", 8, None, None),
    ],
}
CALLS["qwen-code"] = [
    ("unknown", "qwen3-coder-plus", 900, 40, "ok", 92, None, None),
    ("unknown", "qwen3-coder-plus", 900, 40, "ok", 64, None, None),
]
DETAILS = {
    "claude-code": {"cached_tokens": 5000, "cache_write_tokens": 2000, "time_to_first_token_ms": 7},
    "codex": {"cached_tokens": 1000, "reasoning_tokens": 30},
    "gemini-cli": {"cached_tokens": 700, "reasoning_tokens": 30},
    "qwen-code": {"cached_tokens": 300, "response_id": "chatcmpl-1"},
}


@pytest.mark.parametrize("agent", AGENTS)
def test_what_agents_send_is_a_row_for_each_call_through_whatever_doors_it_comes_again(
    database: Database, api: TestClient, writer: dict[str, str], agent: str
) -> None:
    content = recorded(agent)
    told = [
        send(api, signal, content[signal], writer)
        for signal in ("traces", "logs", "metrics", "logs", "traces", "metrics")
    ]

    # The file with the recorded metrics begins when its calls do: both tell the same tokens.
    assert told == [{}] * 6
    for signal, request in REQUESTS.items():
        message = json_format.ParseDict(with_ids_in_base64(content[signal]), request())
        answer = api.post(
            f"/v1/{signal}",
            content=gzip.compress(message.SerializeToString()),
            headers=writer | PROTOBUF | {"Content-Encoding": "gzip"},
        )
        assert (answer.status_code, answer.content) == (200, b"")
    rows = logged(database)
    assert [
        tuple(
            row[name]
            for name in (
                *("source", "model", "prompt_tokens", "completion_tokens", "outcome"),
                *("latency_ms", "attempt", "stated_cost_usd"),
            )
        )
        for row in rows
    ] == expected_through_traces(agent)
    assert all(row["conversation_id"] is not None for row in rows)
    answered = next(row for row in rows if row["outcome"] == "ok")
    assert {name: answered[name] for name in DETAILS[agent]} == DETAILS[agent]
    # Who asks whatever speaks OpenAI's protocol does not tell whom.
    assert (answered["cost_usd"] > 0) == (answered["source"] != "unknown")
    assert sum(row["cost_usd"] for row in rows) == answered["cost_usd"]


def expected_through_traces(agent: str) -> list[tuple[Any, ...]]:
    calls = CALLS[agent]
    if agent == "claude-code":  # its spans begin with the first attempt
        return [(*calls[0][:6], 2, calls[0][7]), calls[1]]
    return calls


def with_ids_in_base64(value: Any) -> Any:
    """As protobuf's own JSON has them: OTLP's are hexadecimal."""
    if isinstance(value, list):
        return [with_ids_in_base64(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(item)).decode()
        if name in ("traceId", "spanId", "parentSpanId")
        else with_ids_in_base64(item)
        for name, item in value.items()
    }


def test_logs_alone_tell_all_calls(database: Database, api: TestClient, writer: dict[str, str]) -> None:
    for agent in AGENTS:
        send(api, "logs", recorded(agent)["logs"], writer)

    told = [(row["model"], row["total_tokens"], row["outcome"]) for row in logged(database)]
    assert sorted(told) == sorted(
        (model, prompt + completion, outcome)
        for calls in CALLS.values()
        for _, model, prompt, completion, outcome, *_ in calls
    )


PAID_BY: list[tuple[dict[str, Any], str, str | None]] = [
    (claude_request(), "com.anthropic.claude_code.events", None),
    (claude_request(**{"user.account_uuid": "a1"}), "com.anthropic.claude_code.events", "unknown"),
    (
        claude_request(**{"user.account_uuid": "a1", "usage.plan": "none"}),
        "com.anthropic.claude_code.events",
        None,
    ),
    (claude_request(**{"usage.plan": "max"}), "com.anthropic.claude_code.events", "max"),
    (
        {
            "event.name": "codex.sse_event", "event.kind": "response.completed", "auth_mode": "Chatgpt",
            "model": "gpt-5-codex", "input_token_count": "1000", "output_token_count": "100",
        },
        "codex_otel.log_only",
        "ChatGPT",
    ),
    *(
        (
            {
                "event.name": "gemini_cli.api_response", "auth_type": signed_in, "model": "gemini-2.5-pro",
                "input_token_count": 1000, "output_token_count": 100, "total_token_count": 1100,
            },
            "gemini-cli",
            plan,
        )
        for signed_in, plan in (
            ("oauth-personal", "Gemini"),
            # Code Assist, from a machine of Google's cloud.
            ("compute-default-credentials", "Gemini"),
            ("vertex-ai", None),
            ("gemini-api-key", None),
        )
    ),
]  # fmt: skip


def test_what_a_subscription_pays_is_no_money(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    for _ in range(2):
        for number, (record, scope, _plan) in enumerate(PAID_BY):
            export = log_export(record, scope=scope)
            [sent] = export["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
            sent["timeUnixNano"] = str(NOW_NS + 60 * 10**9 * number)
            assert send(api, "logs", export, writer) == {}

    for row, (record, _scope, plan) in zip(logged(database), PAID_BY, strict=True):
        assert row["total_tokens"] == 1_100
        assert row["cost_basis"] == {None: "priced", "unknown": "unpriced"}.get(plan, "plan")
        assert (row["cost_usd"] == 0) == (plan is not None)
        assert row["metadata"]["price"].get("plan") == plan
        assert row["stated_cost_usd"] == (Decimal("0.5") if "cost_usd" in record else None)
    with database.transaction() as connection:
        assert not wrong_sums(connection)
        stated = connection.execute("select sum(stated_cost_usd) from usage_facts_daily").fetchone()
    assert stated == (
        sum(Decimal("0.5") for record, _, plan in PAID_BY if "cost_usd" in record and not plan),
    )


def test_what_an_account_pays_is_unknown_until_somebody_tells(
    database: Database, api: TestClient, writer: dict[str, str], acme: UUID
) -> None:
    """A subscription and an account of the Console, which pays by the token, look the same."""
    of_account = {"organization.id": "o1", "user.email": "ada@example.com"}
    records = [
        claude_request(**of_account, request_id="req_1"),
        claude_request(request_id="req_2"),
        claude_request(**of_account, request_id="req_3", model="claude-of-tomorrow"),
    ]

    def sent() -> None:
        for record in records:
            export = log_export(record, scope="com.anthropic.claude_code.events")
            assert send(api, "logs", export, writer) == {}

    def booked() -> list[tuple[Any, ...]]:
        rows = {row["response_id"]: row for row in logged(database)}
        return [(str(row["cost_usd"].normalize()), row["cost_basis"]) for _, row in sorted(rows.items())]

    def reprice(*options: str) -> str:
        url = database.url.render_as_string(hide_password=False)
        days = ("--from", "2026-03-18", "--to", "2026-03-18", *options)
        result = CliRunner().invoke(
            main, ["reprice", "--client", str(acme), *days], env={"DATABASE_URL": url}
        )
        return result.output if result.exit_code == 0 else result.stderr

    sent()
    unknown = [("0", "unpriced"), ("0.0045", "priced"), ("0", "unpriced")]
    assert booked() == unknown
    today = factories.NOW.date()
    checks = client_checks(database, acme, Days(today, today), factories.NOW)
    [check] = [check for check in checks if check.name == "Calls without a price"]
    assert "2 calls ($0.0045 at list prices) are of a coding agent" in check.finding
    assert "--from 2026-03-18 --to 2026-03-18 --plan max --apply" in check.remedy
    [stated] = [check for check in checks if check.name == "Costs that providers state"]
    assert stated.finding == "anthropic claude-sonnet-4-5: $0.50 by the provider, $0.0045 booked"

    assert "nothing to correct" in reprice()  # as no price would tell it
    assert "corrects 2 calls" in reprice("--plan", "none")
    assert booked() == unknown
    assert "corrected 2 calls from $0.00 to $0.50" in reprice("--plan", "none", "--apply")
    assert booked() == [("0.0045", "priced"), ("0.0045", "priced"), ("0.5", "given")]
    assert "of every call it is known whether a subscription pays" in reprice("--plan", "max")
    sent()
    assert booked()[0] == ("0.0045", "priced")  # and stays so

    [correction] = list_corrections(database)
    assert correction.reason == "what pays was not known: none"
    undo_correction(database, str(correction.id), by="ada")
    assert booked() == unknown
    assert "corrected 2 calls from $0.00 to $0.00" in reprice("--plan", "max", "--apply")
    assert booked() == [("0", "plan"), ("0.0045", "priced"), ("0", "plan")]
    assert [row["metadata"]["price"] for row in logged(database) if row["response_id"] == "req_1"] == [
        {"list": "plan", "plan": "max", "at_list_prices_usd": "0.0045"}
    ]
    with database.transaction() as connection:
        assert not wrong_sums(connection)


def test_a_resource_says_whose_calls_they_are_and_what_pays(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    resource = {"usage.plan": "team", "usage.tag.team": "platform", "service.name": "claude-code"}
    records = log_export(
        {**claude_request(), "event.name": "api_request", "user.id": "f00", "user.email": "ada@example.com"},
        scope="com.anthropic.claude_code.events",
        resource=resource,
    )
    send(api, "logs", records, writer)

    [row] = logged(database, "*, (select tags from tag_sets where id = tag_set_id) as tags")
    # 3 US dollars for a million tokens of the prompt, 15 of the answer.
    assert row["metadata"]["price"] == {"list": "plan", "plan": "team", "at_list_prices_usd": "0.0045"}
    assert row["tags"] == {"service": "claude-code", "team": "platform", "user": "ada@example.com"}


def test_fast_mode_has_its_own_price_and_a_refusal_costs_nothing(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    fast = claude_request(model="claude-opus-4-6", speed="fast")
    refused = {"event.name": "claude_code.api_refusal", "model": MODEL, "request_id": "req_9"}
    scope = "com.anthropic.claude_code.events"
    send(api, "logs", log_export(fast, refused, scope=scope), writer)

    rows = logged(database)
    assert [(row["service_tier"], row["outcome"]) for row in rows] == [("fast", "ok"), (None, "refused")]
    assert rows[1]["cost_usd"] == 0
    assert rows[1]["cost_basis"] == "priced"


def test_a_fork_of_an_agent_and_the_conventions_own_event(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    fork = {
        "event.name": "qwen-code.api_response",
        "model": "qwen3-coder-plus",
        "input_token_count": 10,
        "output_token_count": 5,
        "thoughts_token_count": 2,  # in the answer, as the total tells
        "total_token_count": 15,
    }
    like_claude_code = {
        "event.name": "api_request",
        "provider": "openai",
        "model": "gpt-5",
        "input_tokens": 6,
        "output_tokens": 1,
        "cache_read_tokens": 3,
    }
    not_asked = {"event.name": "codex.api_request", "endpoint": "/models", "error.message": "http 404"}
    event = {
        "event.name": "gen_ai.client.inference.operation.details",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.response.id": "chatcmpl-1",
    }
    assert send(api, "logs", log_export(fork, event, like_claude_code, not_asked), writer) == {}

    assert [(row["model"], row["total_tokens"], row["reasoning_tokens"]) for row in logged(database)] == [
        ("qwen3-coder-plus", 15, 2),
        ("gpt-4o", 24, None),
        ("gpt-5", 10, None),
    ]


def test_numbers_may_be_texts_and_a_session_that_of_the_resource(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    claude = {
        "event.name": "claude_code.api_request", "model": MODEL, "input_tokens": "1000",
        "output_tokens": "100", "cost_usd": "0.25", "duration_ms": "900",
    }  # fmt: skip
    codex = {
        "event.name": "codex.sse_event", "kind": "response.completed", "model": "gpt-5-codex",
        "input_token_count": "7", "output_token_count": "3", "conversation_id": "c1",
    }  # fmt: skip
    send(api, "logs", log_export(claude, codex, resource={"session.id": "s1"}), writer)

    name = "(select name from conversations where id = conversation_id)"
    rows = logged(database, f"total_tokens, stated_cost_usd, latency_ms, {name}")
    assert [tuple(row.values()) for row in rows] == [
        (1_100, Decimal("0.25"), 900, "s1"),
        (10, None, None, "c1"),
    ]


def test_a_stream_of_codex_that_broke_off_is_unpriced_and_one_that_failed_is_an_attempt(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    broken = {"event.name": "codex.sse_event", "model": "gpt-5-codex", "error.message": "idle timeout"}
    send(api, "logs", log_export(broken, broken | {"event.kind": "response.failed"}), writer)

    assert [(row["outcome"], row["cost_basis"]) for row in logged(database)] == [
        ("cut", "unpriced"),
        ("error", "priced"),
    ]


def test_what_looks_like_a_call_and_is_not_known_is_told(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    turn = {"event.name": "copilot_chat.agent.turn", "gen_ai.usage.input_tokens": 7}
    prompt = {"event.name": "claude_code.user_prompt", "prompt": "hello"}
    told = send(api, "logs", log_export(turn, turn, prompt), writer)

    assert told["partialSuccess"] == {
        "errorMessage": "2 log records look like calls of models and were passed over: "
        "copilot_chat.agent.turn (2: it is not known to be of one call)"
    }
    assert logged(database) == []
    assert 'operation="copilot_chat.agent.turn"' in api.get("/metrics").text


def test_a_call_of_another_client_is_rejected(
    database: Database, api: TestClient, writer: dict[str, str], acme: UUID
) -> None:
    other = str(factories.client(database, "Other Ltd"))
    told = send(
        api, "logs", log_export(claude_request(**{"usage.client_id": other}), claude_request()), writer
    )

    assert told["partialSuccess"] == {
        "rejectedLogRecords": "1",
        "errorMessage": f"client_id must be that of the key, {acme}, or be left out",
    }
    assert len(logged(database)) == 1


def test_metrics_without_calls_are_told(
    database: Database, api: TestClient, writer: dict[str, str], acme: UUID
) -> None:
    metrics = recorded("claude-code")["metrics"]
    told = send(api, "metrics", metrics, writer)["partialSuccess"]["errorMessage"]

    assert told == (
        "metrics of Claude Code make no calls, and no log of a call has come: "
        "send logs, too (OTEL_LOGS_EXPORTER=otlp)"
    )
    [check] = [each for each in checks(database, acme) if each.name == "Metrics of coding agents"]
    assert (check.state, "7,053 tokens by metrics, 0 by its calls" in check.finding) == ("warn", True)
    assert logged(database) == []
    assert send(api, "metrics", {}, writer)["partialSuccess"]["errorMessage"] == (
        "metrics are not read: calls of models come from spans and logs"
    )


@pytest.mark.parametrize("signal", ["logs", "metrics"])
def test_requests_that_are_refused(api: TestClient, writer: dict[str, str], signal: str) -> None:
    name, field = {"logs": ("log", "logRecords"), "metrics": ("metric", "dataPoints")}[signal]
    kind: Any = {"logs": ExportLogsServiceResponse, "metrics": ExportMetricsServiceResponse}[signal]
    path = f"/v1/{signal}"
    empty = api.post(
        path, content=gzip.compress(b"\x0a\x00"), headers=writer | PROTOBUF | {"Content-Encoding": "gzip"}
    )
    assert (empty.status_code, empty.headers["content-type"]) == (200, otlp.PROTOBUF)
    assert isinstance(kind.FromString(empty.content), Message)
    assert api.post(path, content="{}", headers=JSON).status_code == 401
    assert api.post(path, content="x", headers=writer).status_code == 415
    for content, headers in ((b"\xff\xff", PROTOBUF), (b"[]", JSON), (b"{", JSON)):
        refused = api.post(path, content=content, headers=writer | headers)
        assert refused.status_code == 400
        assert refused.json()["error"].startswith(f"the body is not an OTLP {name} export: ")
    many = api.post(path, content=json.dumps({field: [0] * 10_001}), headers=writer | JSON)
    assert many.status_code == 413
    assert many.json()["error"].startswith("at most ")


def checks(database: Database, client_id: UUID) -> Any:
    today = factories.NOW.date()
    return client_checks(database, client_id, Days(today, today), factories.NOW)


def test_a_hundred_calls_once_twice_and_through_two_doors_at_once(
    database: Database, writer: dict[str, str], acme: UUID
) -> None:
    """By OpenTelemetry's own exporters: its logs SDK has no name without an underscore."""
    with serving(database) as server:
        resource = Resource({"service.name": "claude-code", "usage.tag.team": "platform"})
        logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        log_exporter = OTLPLogExporter(
            f"{server}/v1/logs", headers=writer, compression=Compression.Gzip, timeout=30
        )
        logs.add_log_record_processor(BufferedLogs(log_exporter))
        spans = TracerProvider(resource=resource, shutdown_on_exit=False)
        span_exporter = OTLPSpanExporter(f"{server}/v1/traces", headers=writer, timeout=30)
        buffered = BufferedSpans(span_exporter)
        spans.add_span_processor(buffered)
        logger = logs.get_logger("com.anthropic.claude_code.events")
        tracer = spans.get_tracer("com.anthropic.claude_code.tracing")
        for number in range(100):
            told = {
                "session.id": f"session {number % 4}",
                "model": MODEL,
                "input_tokens": 1_000 + number,
                "output_tokens": 100,
                "request_id": f"req_{number:04d}",
            }
            at = NOW_NS + number * 1_000_000
            event = {"event.name": "api_request", "duration_ms": 900, "cost_usd": 0.25}
            logger.emit(LogRecord(timestamp=at, body="claude_code.api_request", attributes={**told, **event}))
            tracer.start_span(
                "claude_code.llm_request",
                start_time=at - 900_000_000,
                attributes={**told, "gen_ai.system": "anthropic", "gen_ai.response.id": told["request_id"]},
            ).end(at)
        logs.force_flush()
        once = sums(database)
        logs.force_flush()
        twice = sums(database)
        buffered.force_flush()
        through_both = sums(database)
        log_exporter.shutdown()
        span_exporter.shutdown()

    # 3 US dollars for a million tokens of the prompt, 15 of the answer.
    tokens = sum(1_000 + number for number in range(100))
    cost = Decimal(tokens * 3 + 10_000 * 15) / 1_000_000
    assert once == twice == through_both
    assert once == (100, tokens, 10_000, cost, Decimal(25), 4, 100)


class BufferedLogs(SimpleLogRecordProcessor):
    """Sends all records at once, and again each time it is asked to."""

    def __init__(self, exporter: OTLPLogExporter) -> None:
        super().__init__(exporter)
        self._sent_to = exporter
        self._records: list[Any] = []

    def on_emit(self, log_record: Any) -> None:
        self._records.append(log_record)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._sent_to.export(self._records).name == "SUCCESS"


class BufferedSpans(SimpleSpanProcessor):
    """The same of spans."""

    def __init__(self, exporter: OTLPSpanExporter) -> None:
        super().__init__(exporter)
        self._ended: list[Any] = []

    def on_end(self, span: Any) -> None:
        self._ended.append(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.span_exporter.export(self._ended).name == "SUCCESS"


def sums(database: Database) -> tuple[Any, ...]:
    with database.transaction() as connection:
        assert not wrong_sums(connection)
        row = connection.execute(
            """
            select
                count(*), sum(prompt_tokens), sum(completion_tokens), sum(cost_usd), sum(stated_cost_usd),
                count(distinct conversation_id),
                count(*) filter (
                    where (select tags ->> 'team' from tag_sets where id = tag_set_id) = 'platform'
                )
            from usage_logs
            """
        ).fetchone()
    assert row is not None
    return row


def test_the_conventions_event_and_the_span_around_it_are_one_call(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 20,
        "gen_ai.usage.output_tokens": 4,
    }
    ids = {"traceId": "ab" * 16, "spanId": "cd" * 8}
    logs = log_export(
        told | {"event.name": "gen_ai.client.inference.operation.details"}, scope="copilot-chat"
    )
    logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0] |= ids
    span = {"startTimeUnixNano": str(NOW_NS - 10**9), "endTimeUnixNano": str(NOW_NS + 10**6)}
    spans = [{**ids, **span, "name": "chat gpt-4o", "attributes": otlp_attributes(told)}]
    traces = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "copilot-chat"}, "spans": spans}]}]}
    for signal, content in (("logs", logs), ("traces", traces), ("logs", logs)):
        assert send(api, signal, content, writer) == {}

    [row] = logged(database)
    assert (row["total_tokens"], row["latency_ms"]) == (24, 1001)


def of_langfuse(number: int, at: datetime) -> dict[str, Any]:
    body = {
        "id": f"g{number}",
        "traceId": f"t{number}",
        "model": MODEL,
        "startTime": (at - timedelta(seconds=1)).isoformat(),
        "endTime": at.isoformat(),
        "usage": {"input": 1_000 + number, "output": 100, "unit": "TOKENS"},
    }
    return {"id": f"e{number}", "type": "generation-create", "body": body}


def test_a_hundred_calls_through_a_client_and_the_gateway_behind_it_at_once(
    database: Database, writer: dict[str, str]
) -> None:
    """The gateway knows the provider's responses, Claude Code the requests, Langfuse neither."""
    started = [factories.NOW + timedelta(milliseconds=20 * number) for number in range(100)]
    requests = [
        claude_request(input_tokens=1_000 + number, request_id=f"req_{number}", duration_ms=1_000)
        for number in range(100)
    ]
    logs = log_export(*requests, scope="com.anthropic.claude_code.events")
    for record, at in zip(logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"], started, strict=True):
        record["timeUnixNano"] = str(nanoseconds(at))
    gateway = [
        {
            "traceId": f"{number + 1:032x}",
            "spanId": f"{number + 1:016x}",
            "name": "litellm_request",
            "startTimeUnixNano": str(nanoseconds(at - timedelta(milliseconds=980))),
            "endTimeUnixNano": str(nanoseconds(at - timedelta(milliseconds=20))),
            "attributes": otlp_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "anthropic",
                    "gen_ai.request.model": MODEL,
                    "gen_ai.response.id": f"msg_{number}",
                    "gen_ai.usage.input_tokens": 1_000 + number,
                    "gen_ai.usage.output_tokens": 100,
                }
            ),
        }
        for number, at in enumerate(started)
    ]
    traces = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "litellm"}, "spans": gateway}]}]}
    events = {"batch": [of_langfuse(number, at) for number, at in enumerate(started)]}
    key = writer["Authorization"].removeprefix("Bearer ")
    with serving(database) as server, httpx.Client(base_url=server, timeout=60) as client:

        def ask(door: tuple[str, Any, Any]) -> int:
            path, content, auth = door
            return client.post(path, json=content, auth=auth, headers=None if auth else writer).status_code

        doors = [
            ("/v1/logs", logs, None),
            ("/v1/traces", traces, None),
            ("/api/public/ingestion", events, ("public", key)),
        ]
        with ThreadPoolExecutor(3) as threads:
            for _ in range(2):
                assert list(threads.map(ask, doors)) == [200, 200, 207]

    assert sums(database)[:4] == (100, 104_950, 10_000, Decimal(104_950 * 3 + 10_000 * 15) / 1_000_000)


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000) * 1_000_000
