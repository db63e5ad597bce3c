"""Langfuse's own SDKs send their generations here, when their address and keys are ours."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from analytics.access.keys import create_key
from analytics.database import Database
from tests.api import bearer, logged, open_api, serving
from tests.naive import wrong_sums

RECORDED = Path(__file__).parent / "recorded_langfuse"
START = datetime(2026, 3, 18, 12, tzinfo=UTC)
ROWS = """
    model, prompt_tokens, completion_tokens, cached_tokens, stated_cost_usd, outcome, time_to_first_token_ms,
    (select name from conversations where id = conversation_id) as conversation,
    (select tags from tag_sets where id = tag_set_id) as tags
"""
OF_TRACE = {"user": "ada", "feature": "search", "production": "true"}
OF_JAVASCRIPT = OF_TRACE | {"environment": "staging", "service_version": "1.4"}
SENT = {
    "javascript": [
        ("gpt-4o", 0, 0, None, None, "error", None, "invoice 17", OF_JAVASCRIPT),
        ("gpt-4o", 100, 20, None, None, "ok", 400, "invoice 17", OF_JAVASCRIPT),
        ("gpt-4o-mini", 5, 6, None, None, "ok", None, "invoice 17", OF_JAVASCRIPT),
        # 50 beside 100 that were cached, as Langfuse counts.
        ("gpt-4o-mini", 150, 10, 100, Decimal("0.001"), "ok", None, "invoice 17", OF_JAVASCRIPT),
    ],
    "python": [
        ("claude-sonnet-4-5", 150, 10, 100, None, "ok", 100, "invoice 17", OF_TRACE),
        ("gpt-4o", 100, 20, None, None, "ok", None, "invoice 17", OF_TRACE),
    ],
}


@pytest.fixture
def key(database: Database, acme: UUID) -> str:
    return create_key(database, str(acme), "write", "langfuse")


@pytest.fixture
def api(database: Database) -> TestClient:
    return open_api(database)


def basic(key: str, name: str = "any public key") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{key}".encode()).decode()}


def ingest(api: TestClient, key: str, *events: dict[str, Any]) -> dict[str, Any]:
    answer = api.post("/api/public/ingestion", json={"batch": events, "metadata": {}}, headers=basic(key))
    assert answer.status_code == 207, answer.text
    told: dict[str, Any] = answer.json()
    return told


def event(kind: str, name: str = "e1", **body: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "timestamp": "2026-03-18T12:00:00Z", "body": body}


def generation(name: str = "e1", **more: Any) -> dict[str, Any]:
    body = {
        "id": "g1",
        "traceId": "t1",
        "model": "gpt-4o",
        "startTime": "2026-03-18T12:00:00Z",
        "endTime": "2026-03-18T12:00:01Z",
        "usage": {"input": 100, "output": 20, "unit": "TOKENS"},
    }
    return event("generation-create", name, **(body | more))


def rows(database: Database) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in logged(database, ROWS)]


@pytest.mark.parametrize("way", ["at once", "one by one", "backwards"])
def test_what_the_sdks_sent_before_opentelemetry(
    database: Database, api: TestClient, key: str, way: str
) -> None:
    for sdk in SENT:
        batch = json.loads((RECORDED / f"{sdk}.json").read_text(encoding="utf-8"))["batch"]
        requests = {"at once": [batch], "one by one": [[each] for each in batch]}
        for _ in range(2):
            for events in requests.get(way, [[each] for each in reversed(batch)]):
                told = ingest(api, key, *events)
                assert told["errors"] == []
                assert told["successes"] == [{"id": each["id"], "status": 201} for each in events]

    sent = [row for rows_of_sdk in SENT.values() for row in rows_of_sdk]
    assert sorted(rows(database), key=repr) == sorted(sent, key=repr)
    with database.transaction() as connection:
        assert not wrong_sums(connection)


def test_what_is_no_generation_is_acknowledged_and_counted(
    database: Database, api: TestClient, key: str
) -> None:
    told = ingest(api, key, event("score-create", id="s1"), event("span-create", "e2", id="s2"))

    assert [each["id"] for each in told["successes"]] == ["e1", "e2"]
    assert logged(database) == []
    assert 'operation="score-create",reason="no call: acknowledged, and not kept"' in api.get("/metrics").text


def test_each_event_that_cannot_be_is_told(database: Database, api: TestClient, key: str) -> None:
    told = ingest(
        api, key, generation("e1"), {"id": "e2", "type": "x"}, generation("e3", id="g2", model=None), 5
    )  # type: ignore[arg-type]

    assert told["successes"] == [{"id": "e1", "status": 201}]
    assert [(each["id"], each["status"], each["message"]) for each in told["errors"]] == [
        ("e2", 400, "an event must have an id, a type and a body"),
        ("event 3", 400, "an event must have an id, a type and a body"),
        ("e3", 400, "the generation is no call: it names no model"),
    ]
    assert len(logged(database)) == 1


USAGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"input": 30, "unit": "SECONDS"}, {"duration_seconds": Decimal(30)}),
    ({"total": 2500, "unit": "MILLISECONDS"}, {"duration_seconds": Decimal("2.5")}),
    ({"input": 1_000, "unit": "CHARACTERS"}, {"character_count": 1_000}),
    ({"output": 2, "unit": "IMAGES"}, {"image_count": 2}),
    ({"promptTokens": 7, "completionTokens": 3, "totalTokens": 10}, {"total_tokens": 10}),
    ({"input": 7, "output": 3, "inputCost": 1, "totalCost": 2, "unit": "TOKENS"}, {"total_tokens": 10}),
]


def test_usage_in_all_units(database: Database, api: TestClient, key: str) -> None:
    ingest(
        api,
        key,
        *(
            generation(
                id=f"g{number}",
                usage=usage,
                startTime="2026-03-18T11:00:00Z",
                endTime=f"2026-03-18T12:00:0{number}Z",
            )
            for number, (usage, _) in enumerate(USAGES)
        ),
    )

    found = logged(database)
    for row, (_, expected) in zip(found, USAGES, strict=True):
        assert {name: row[name] for name in expected} == expected
        assert "usage_not_understood" not in row["metadata"]


def test_metadata_of_trace_and_generation_are_kept(database: Database, api: TestClient, key: str) -> None:
    trace = event("trace-create", "e2", id="t1", metadata={"a": 1, "b": 1})
    ingest(api, key, generation(metadata={"b": 2}), trace)

    [row] = logged(database)
    assert row["metadata"]["langfuse"] == {"a": 1, "b": 2}


@pytest.mark.parametrize("path", ["/api/public/ingestion", "/api/public/otel/v1/traces"])
def test_the_secret_key_is_a_key_that_may_write(
    database: Database, acme: UUID, api: TestClient, key: str, path: str
) -> None:
    def status(headers: dict[str, str]) -> int:
        content = "{}" if path.endswith("traces") else '{"batch": []}'
        headers = headers | {"Content-Type": "application/json"}
        return api.post(path, content=content, headers=headers).status_code

    assert status(basic(key)) in (200, 207)
    refused = api.post(path, content="{}", headers={"Authorization": "Bearer " + key})
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Basic")
    assert status({}) == 401
    assert status({"Authorization": "Basic !"}) == 401
    assert status(basic(key + "x")) == 401
    assert status(basic(create_key(database, str(acme), "read", "r"))) == 403
    assert api.post("/v1/traces", content="{}", headers=basic(key)).status_code == 401


def test_requests_that_are_refused(api: TestClient, key: str) -> None:
    headers = basic(key) | {"Content-Type": "application/json"}
    many = json.dumps({"batch": [0] * 1_001})
    for content, status in (("[]", 400), ("{", 400), ('{"batch": 5}', 400), (many, 413)):
        assert api.post("/api/public/ingestion", content=content, headers=headers).status_code == status


@pytest.fixture
def server(database: Database) -> Iterator[str]:
    with serving(database) as address:
        yield address


def test_a_hundred_generations_of_the_sdk_once_twice_and_through_two_doors_at_once(
    database: Database, acme: UUID, server: str, key: str
) -> None:
    from langfuse import Langfuse, propagate_attributes

    provider = TracerProvider(shutdown_on_exit=False)
    doors = (
        (f"{server}/api/public/otel/v1/traces", basic(key)),
        (
            f"{server}/v1/traces",
            bearer(database, acme, "write"),
        ),
    )
    for url, headers in doors:
        exporter = OTLPSpanExporter(url, headers=headers, timeout=30)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    client = Langfuse(
        public_key="a hundred", secret_key=key, base_url=server, tracer_provider=provider, timeout=30
    )
    assert client.auth_check()
    for number in range(100):
        with (
            propagate_attributes(session_id=f"session {number % 4}", user_id="ada", tags=["feature:search"]),
            client.start_as_current_observation(
                as_type="generation", name="answer", model="gpt-4o"
            ) as observation,
        ):
            observation.update(
                usage_details={"input": 1_000, "output": 100, "input_cached_tokens": number},
                completion_start_time=datetime.now(UTC) + timedelta(microseconds=1),
            )
    client.flush()
    provider.shutdown()
    client.shutdown()

    # 2.50 US dollars for a million tokens of the prompt, half of it for cached ones, 10 for the answer.
    cost = Decimal(100 * (1_000 * 25 + 100 * 100)) / 10_000_000 + Decimal(4_950 * 125) / 100_000_000
    with database.transaction() as connection:
        assert not wrong_sums(connection)
        found = connection.execute(
            """
            select
                count(*), sum(prompt_tokens), sum(completion_tokens), sum(cost_usd),
                count(distinct conversation_id),
                count(*) filter (
                    where (select tags from tag_sets where id = tag_set_id) @> '{"feature": "search"}'
                )
            from usage_logs
            """
        ).fetchone()
    assert found == (100, 104_950, 10_000, cost, 4, 100)


@pytest.mark.parametrize("at_once", [True, False])
def test_a_trace_tells_of_all_its_spans(database: Database, server: str, key: str, at_once: bool) -> None:
    """As `update_current_trace()` of Langfuse's SDK 3 wrote it: on the span that was current."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"{server}/api/public/otel/v1/traces", headers=basic(key), timeout=30)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("langfuse-sdk")
    of_call = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.usage_details": '{"input": 100, "output": 20}',
    }
    told = {"session.id": "invoice 17", "user.id": "ada", "langfuse.trace.tags": ["beta"]}
    with tracer.start_as_current_span("request", attributes=told):
        tracer.start_span("answer", attributes=of_call).end()
        if not at_once:
            provider.force_flush()
            assert [row[-2:] for row in rows(database)] == [(None, None)]
    provider.shutdown()

    [row] = rows(database)
    assert row[-2:] == ("invoice 17", {"user": "ada", "beta": "true"})


def test_health_is_that_of_langfuse(api: TestClient) -> None:
    assert api.get("/api/public/health").json() == {"status": "OK", "version": "3.0.0"}
