"""Spans as real instrumentors sent them, and the calls that come of them.

tests/recorded_spans says how they were made; its expected.json has each call as told() writes it.

The server that was asked answered a chat with 1,200 tokens (1,000 of them cached) and 300 (200 of reasoning),
Groq's with 150 and 80, an embedding with 8, Anthropic's with 20 + 1,000 cached + 180 written (80 for an hour)
and 300, and refused each call of gpt-4.1-nano and claude-3-haiku.
"""

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from analytics.calls.make import make_call
from analytics.calls.row import row_of
from analytics.calls.twins import find_twins, span_of_line
from analytics.database import Database
from analytics.pricing.price_list import DEFAULT_PRICES
from analytics.tracking.spans import FIRST_TOKEN_EVENTS, FinishedSpan, PassedOver, read_span
from tests.api import bearer, logged, open_api
from tests.naive import wrong_sums

DIRECTORY = Path(__file__).parent / "recorded_spans"
EXPECTED = json.loads((DIRECTORY / "expected.json").read_text(encoding="utf-8"))
RECORDED = [DIRECTORY / f"{name}.json" for name in sorted(EXPECTED)]


def spans_in(path: Path) -> list[FinishedSpan]:
    recorded = json.loads(path.read_text(encoding="utf-8"))["spans"]
    return [
        FinishedSpan(
            **{
                name: span[name] for name in ("name", "trace_id", "span_id", "parent_id", "scope", "is_error")
            },
            attributes=span["attributes"],
            resource=span["resource"],
            started_ns=span["started_ns"],
            ended_ns=span["ended_ns"],
            first_token_ns=next(
                (event["at_ns"] for event in span["events"] if event["name"] in FIRST_TOKEN_EVENTS), None
            ),
        )
        for span in recorded
    ]


def lines_of(path: Path) -> list[str]:
    records = [read_span(span) for span in spans_in(path)]
    return [make_call(DEFAULT_PRICES, **record).line for record in records if isinstance(record, dict)]


def told(line: str) -> str:
    """The call as the expectations have it: what is known, and not 0."""
    row = row_of(line)
    used = [f"{name.removesuffix('_tokens')} {count}" for name, count in row.details.items() if count]
    if row.duration_seconds is not None:
        used.append(f"{row.duration_seconds:g} seconds")
    facts = row.facts
    words = (
        *(row.source, row.model, facts.operation, f"{row.prompt_tokens}+{row.completion_tokens}", *used),
        *("|", facts.outcome or "-", facts.service_tier or "-", row.conversation_name or row.conversation_id),
        facts.response_id or "-",
    )
    return " ".join(str(word or "-") for word in words)


def test_each_recording_is_expected() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.json")} == {*EXPECTED, "expected"}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_spans_become_calls(path: Path) -> None:
    assert [told(line) for line in lines_of(path)] == EXPECTED[path.stem]["calls"]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_what_is_passed_over_is_told(path: Path) -> None:
    found = [read_span(span) for span in spans_in(path)]

    assert [f"{over.operation}: {over.reason}" for over in found if isinstance(over, PassedOver)] == (
        EXPECTED[path.stem]["passed_over"]
    )
    # What is no span of a model at all: LiteLLM's proxy sends its own work, too.
    others = [span.name for span, each in zip(spans_in(path), found, strict=True) if each is None]
    assert sorted(set(others)) == EXPECTED[path.stem].get("others", [])


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_facts_of_recorded_spans(path: Path) -> None:
    for line in lines_of(path):
        row = row_of(line)
        assert row.metadata is not None
        assert len(row.metadata["trace_id"]) == 32
        assert row.metadata["scope"]
        assert row.facts.latency_ms is not None
        assert row.facts.time_to_first_token_ms is None or (
            0 <= row.facts.time_to_first_token_ms <= row.facts.latency_ms + 1
        )
        assert row.tags is not None
        assert row.tags["service"] == "invoices"
        assert row.cost_basis != "unpriced" or row.metadata["usage_missing"]


@pytest.mark.parametrize("name", ["langchain-two", "langchain-mixed"])
def test_two_instrumentors_tell_of_each_call_once(name: str) -> None:
    # Two calls, a stream, a chain, a graph, an embedding, a refused call, a batch of two: eight calls.
    lines = lines_of(DIRECTORY / f"{name}.json")
    spans = [span for line in lines if (span := span_of_line(line)) is not None]
    twins = find_twins([], spans)

    assert len(lines) == 15
    assert len({twins.get((span.client_id, span.id), span.id) for span in spans}) == 8


@pytest.mark.parametrize("name", ["langchain-two", "litellm-otel", "litellm-proxy", "vercel-ai-6"])
def test_recorded_spans_are_stored_once_each(database: Database, acme: Any, name: str) -> None:
    path = DIRECTORY / f"{name}.json"
    body = _otlp(json.loads(path.read_text(encoding="utf-8"))["spans"])
    api = open_api(database)
    headers = bearer(database, acme, "write") | {"Content-Type": "application/json"}
    for _ in range(2):
        answer = api.post("/v1/traces", content=json.dumps(body), headers=headers)
        assert (answer.status_code, answer.json()) == (200, {})

    counts = {"langchain-two": 8, "litellm-otel": 9, "litellm-proxy": 4, "vercel-ai-6": 5}
    assert len(logged(database)) == counts[name]


@pytest.mark.parametrize("order", ["inner first", "outer first", "at once"])
@pytest.mark.parametrize("name", ["langchain-two", "langchain-mixed"])
def test_two_processes_that_tell_of_the_same_calls_at_once_or_in_turn_store_each_once(
    database: Database, acme: Any, name: str, order: str
) -> None:
    spans = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))["spans"]
    headers = bearer(database, acme, "write") | {"Content-Type": "application/json"}
    scopes = sorted({span["scope"] for span in spans}, reverse=order == "outer first")
    bodies = [json.dumps(_otlp([span for span in spans if span["scope"] == scope])) for scope in scopes]
    # Each request goes to a process of its own, which has seen nothing of the others.
    apis = [open_api(database) for _ in bodies]
    start = threading.Barrier(len(bodies))

    def send(number: int) -> None:
        if order == "at once":
            start.wait()
        answer = apis[number].post("/v1/traces", content=bodies[number], headers=headers)
        assert (answer.status_code, answer.json()) == (200, {})

    with ThreadPoolExecutor(len(bodies) if order == "at once" else 1) as threads:
        for _ in range(2):
            list(threads.map(send, range(len(bodies))))

    calls = logged(database)
    assert len(calls) == 8
    assert sum(call["total_tokens"] for call in calls) == 6 * 1500 + 8
    assert [call["outcome"] for call in calls].count("error") == 1
    with database.transaction() as connection:
        assert not wrong_sums(connection)


def _otlp(spans: list[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _pairs(span["resource"])},
                "scopeSpans": [
                    {
                        "scope": {"name": span["scope"]},
                        "spans": [
                            {
                                "name": span["name"],
                                "traceId": span["trace_id"],
                                "spanId": span["span_id"],
                                "parentSpanId": span["parent_id"],
                                "startTimeUnixNano": str(span["started_ns"]),
                                "endTimeUnixNano": str(span["ended_ns"]),
                                "attributes": _pairs(span["attributes"]),
                                "status": {"code": 2 if span["is_error"] else 0},
                            }
                        ],
                    }
                ],
            }
            for span in spans
        ]
    }


def _pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}
