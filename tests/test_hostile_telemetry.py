"""Values that logs and events cannot have: each call is stored or refused in words, and no request fails."""

import json
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from analytics.database import Database
from tests import factories
from tests.api import bearer, logged, open_api

VALUES: list[Any] = [
    *("'; drop table usage_logs; --", "\\N", "a\tb\nc\\", "\0", "\ud800", "x" * 100_000, "1e400", "NaN"),
    *(-1, 10**15, 1e308, True, None, [], {}, [[1]], {"a": {"b": 1}}),
]
OF_A_GENERATION = (
    *("id", "traceId", "model", "startTime", "endTime", "completionStartTime", "usage", "usageDetails"),
    *("costDetails", "level", "metadata", "promptName", "environment"),
)
OF_A_TRACE = ("id", "sessionId", "userId", "tags", "metadata", "release")
OF_LOGS = {
    "claude_code.api_request": (
        *("model", "input_tokens", "cost_usd", "request_id", "session.id", "duration_ms", "user.email"),
        *("usage.plan", "usage.tag.team", "event.timestamp"),
    ),
    "claude_code.api_error": ("attempt", "status_code", "error"),
    "codex.sse_event": ("input_token_count", "error.message", "ttft_ms", "conversation.id"),
    "gemini_cli.api_response": ("total_token_count", "finish_reasons", "error", "auth_type"),
    "gen_ai.client.inference.operation.details": ("gen_ai.request.model", "gen_ai.usage.input_tokens"),
}


@pytest.fixture
def writer(database: Database, acme: UUID) -> dict[str, str]:
    return bearer(database, acme, "write")


@pytest.fixture
def api(database: Database) -> TestClient:
    factories.insert_usage(database, factories.usage_log(factories.client(database, "Other Ltd")))
    return open_api(database)


def test_events_of_langfuse(database: Database, acme: UUID, api: TestClient, writer: dict[str, str]) -> None:
    usual = {
        "traceId": "t", "model": "gpt-4o", "endTime": "2026-03-18T12:00:00Z",
        "usage": {"input": 1, "output": 2},
    }  # fmt: skip
    bodies = [
        ("generation-create", usual | {"id": f"{name} {number}", name: value})
        for name in OF_A_GENERATION
        for number, value in enumerate(VALUES)
    ]
    bodies += [
        ("generation-create", usual | {"id": f"u {name} {number}", "usage": {"unit": "SECONDS", name: value}})
        for name in ("input", "total", "unit")
        for number, value in enumerate(VALUES)
    ]
    bodies += [("trace-create", {"id": "t", name: value}) for name in OF_A_TRACE for value in VALUES]
    batch = [{"id": str(number), "type": kind, "body": body} for number, (kind, body) in enumerate(bodies)]
    key = writer["Authorization"].removeprefix("Bearer ")

    answer = api.post(
        "/api/public/ingestion",
        content=json.dumps({"batch": batch}),
        headers={"Content-Type": "application/json"},
        auth=("public", key),
    )

    assert answer.status_code == 207, answer.text
    told = answer.json()
    assert len(told["successes"]) + len(told["errors"]) == len(batch)
    assert [row["client_id"] for row in logged(database)].count(acme) > 100
    assert len({row["client_id"] for row in logged(database)}) == 2


def test_logs(database: Database, acme: UUID, api: TestClient, writer: dict[str, str]) -> None:
    usual = {
        "model": "gpt-4o", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.output_tokens": 3,
        "input_tokens": 7,
        "event.kind": "response.completed", "input_token_count": 7, "output_token_count": 3,
    }  # fmt: skip
    told = [
        {**usual, "event.name": event, name: value}
        for event, names in OF_LOGS.items()
        for name in names
        for value in VALUES
    ]
    records = [
        {"timeUnixNano": str(10**18 + 10**9 * number), "attributes": pairs(attributes)}
        for number, attributes in enumerate(told)
    ]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})

    answer = api.post("/v1/logs", content=body, headers=writer | {"Content-Type": "application/json"})

    assert answer.status_code == 200, answer.text
    assert [row["client_id"] for row in logged(database)].count(acme) > 100
    assert len({row["client_id"] for row in logged(database)}) == 2


def pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": otlp_value(value)} for name, value in attributes.items()]


def otlp_value(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [otlp_value(each) for each in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": pairs(value)}}
    kinds = {bool: "boolValue", int: "intValue", float: "doubleValue", str: "stringValue"}
    return {} if value is None else {kinds[type(value)]: value}
