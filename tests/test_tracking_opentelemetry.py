"""Real instrumentors around the real SDKs, against a local server, and the rows that come of their spans."""

import asyncio
import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import groq
import openai
import psycopg
import pytest
from openinference.instrumentation.groq import GroqInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInferenceInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from psycopg.rows import dict_row

from analytics import tracking
from analytics.database import Database
from analytics.tracking import usage_context
from analytics.tracking.opentelemetry import UsageSpanExporter, UsageSpanProcessor
from tests import factories
from tests.connections import dsn
from tests.llm_server import LLMServer

pytestmark = pytest.mark.usefixtures("tracker")

MESSAGES: Any = [{"role": "user", "content": "Is the invoice paid?"}]
CACHED_USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1000},
    "completion_tokens_details": {"reasoning_tokens": 200},
}
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.system": "openai",
    "gen_ai.request.model": "gpt-4",
    "gen_ai.usage.input_tokens": 150,
    "gen_ai.usage.output_tokens": 80,
}


@pytest.fixture
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def client(server: LLMServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.openai_url, api_key="test", max_retries=0) as client:
        yield client


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(UsageSpanProcessor())
    yield provider
    provider.shutdown()


@pytest.fixture
def openinference(provider: TracerProvider) -> Iterator[None]:
    with instrumented(OpenInferenceInstrumentor(), provider):
        yield


@pytest.fixture
def openai_v2(provider: TracerProvider) -> Iterator[None]:
    # Here, because it is not to be had beside every opentelemetry-util-genai.
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    with instrumented(OpenAIInstrumentor(), provider):
        yield


@contextmanager
def instrumented(instrumentor: Any, provider: TracerProvider) -> Iterator[None]:
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()


def rows(database: Database, columns: str = "*") -> list[dict[str, Any]]:
    """Of usage_logs, in the order in which the calls ended."""
    assert tracking.flush()
    with psycopg.connect(dsn(database.url), row_factory=dict_row) as connection:
        return connection.execute(f"select {columns} from usage_logs order by created_at, id").fetchall()  # type: ignore[arg-type]  # noqa: S608


def counts(database: Database) -> list[tuple[Any, ...]]:
    return [
        (row["source"], row["model"], row["prompt_tokens"], row["completion_tokens"], row["cost_basis"])
        for row in rows(database)
    ]


@pytest.mark.parametrize("instrumentor", ["openai_v2", "openinference"])
def test_a_call_becomes_a_row(
    database: Database,
    acme: UUID,
    provider: TracerProvider,
    client: openai.OpenAI,
    instrumentor: str,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(instrumentor)
    with usage_context(client_id=acme, conversation_id="invoice", phone="5511999999999"):
        client.chat.completions.create(model="gpt-4", messages=MESSAGES)

    [row] = rows(database)
    assert row["client_id"] == acme
    assert row["phone"] == "5511999999999"
    assert row["conversation_id"] is not None
    assert (row["source"], row["model"]) == ("openai", "gpt-4")
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (150, 80, 230)
    assert (row["cost_usd"], row["cost_basis"]) == (Decimal("0.0093"), "priced")
    assert len(row["metadata"]["trace_id"]) == 32
    assert row["metadata"]["scope"]
    assert (row["service_tier"], row["operation"], row["outcome"]) == ("default", "chat", "ok")
    assert row["response_id"].startswith("chatcmpl-")
    assert row["latency_ms"] is not None


@pytest.mark.usefixtures("openinference")
def test_cached_and_reasoning_tokens_are_parts_and_the_tier_is_kept(
    database: Database, client: openai.OpenAI, server: LLMServer
) -> None:
    server.answer_next(usage=CACHED_USAGE)
    client.chat.completions.create(model="gpt-4o", messages=MESSAGES, service_tier="flex")

    [row] = rows(database)
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (1200, 300, 1500)
    assert (row["cached_tokens"], row["reasoning_tokens"], row["service_tier"]) == (1000, 200, "flex")


@pytest.mark.parametrize("instrumentor", ["openai_v2", "openinference"])
def test_streams(
    database: Database,
    client: openai.OpenAI,
    server: LLMServer,
    instrumentor: str,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(instrumentor)
    create = client.chat.completions.create

    list(create(model="gpt-4", messages=MESSAGES, stream=True, stream_options={"include_usage": True}))
    list(create(model="gpt-4", messages=MESSAGES, stream=True))
    create(model="gpt-4", messages=MESSAGES, stream=True).close()
    server.answer_next(is_cut=True)
    with pytest.raises(openai.APIConnectionError):
        list(create(model="gpt-4", messages=MESSAGES, stream=True, stream_options={"include_usage": True}))

    told, *others = rows(database)
    assert (told["prompt_tokens"], told["cost_basis"]) == (150, "priced")
    # Nobody told what they used: they are there, and their cost is unknown, not nothing.
    assert [(row["prompt_tokens"], row["cost_basis"]) for row in others] == [(0, "unpriced")] * 3


@pytest.mark.parametrize("instrumentor", ["openai_v2", "openinference"])
@pytest.mark.parametrize("status", [400, 429, 500])
def test_calls_that_failed_are_attempts_that_cost_nothing(
    database: Database,
    client: openai.OpenAI,
    server: LLMServer,
    instrumentor: str,
    status: int,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(instrumentor)
    server.answer_next(status=status)
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="gpt-4", messages=MESSAGES)

    [row] = rows(database)
    assert (row["outcome"], row["cost_usd"], row["cost_basis"]) == ("error", 0, "priced")


@pytest.mark.usefixtures("openinference")
def test_other_kinds_of_calls(database: Database, client: openai.OpenAI) -> None:
    client.responses.create(model="gpt-4", input="Is the invoice paid?")
    list(client.responses.create(model="gpt-4", input="Is the invoice paid?", stream=True))
    client.embeddings.create(model="text-embedding-3-small", input="invoice")
    client.audio.transcriptions.create(model="whisper-1", file=("call.wav", b"RIFF"))
    client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("call.wav", b"RIFF"))

    assert counts(database) == [
        ("openai", "gpt-4", 150, 80, "priced"),
        ("openai", "gpt-4", 150, 80, "priced"),
        ("openai", "text-embedding-3-small", 8, 0, "priced"),
        ("whisper", "whisper-1", 0, 0, "priced"),
        ("openai", "gpt-4o-transcribe", 300, 40, "priced"),
    ]
    assert rows(database)[3]["cost_usd"] == Decimal("0.003")  # 30 seconds


def test_groq(database: Database, provider: TracerProvider, server: LLMServer) -> None:
    model = "llama-3.3-70b-versatile"
    with (
        instrumented(GroqInstrumentor(), provider),
        groq.Groq(base_url=server.groq_url, api_key="test", max_retries=0) as client,
    ):
        client.chat.completions.create(model=model, messages=MESSAGES)
        # Its instrumentor ends the span before the stream is read, and so never sees the usage.
        list(client.chat.completions.create(model=model, messages=MESSAGES, stream=True))

    assert counts(database) == [
        ("groq", model, 150, 80, "priced"),
        ("groq", model, 0, 0, "unpriced"),
    ]


@pytest.mark.usefixtures("openai_v2", "openinference")
def test_two_instrumentors_count_a_call_once(
    database: Database, client: openai.OpenAI, server: LLMServer
) -> None:
    create = client.chat.completions.create
    create(model="gpt-4", messages=MESSAGES)
    list(create(model="gpt-4", messages=MESSAGES, stream=True, stream_options={"include_usage": True}))
    list(create(model="gpt-4", messages=MESSAGES, stream=True))
    client.embeddings.create(model="text-embedding-3-small", input="invoice")
    server.answer_next(status=429)
    with pytest.raises(openai.RateLimitError):
        create(model="gpt-4", messages=MESSAGES)

    assert counts(database) == [
        ("openai", "gpt-4", 150, 80, "priced"),
        ("openai", "gpt-4", 150, 80, "priced"),
        ("openai", "gpt-4", 0, 0, "unpriced"),
        ("openai", "text-embedding-3-small", 8, 0, "priced"),
        ("openai", "gpt-4", 0, 0, "priced"),
    ]
    assert rows(database)[-1]["outcome"] == "error"


@pytest.mark.usefixtures("openinference")
def test_sums_of_agents_are_not_counted_again(
    database: Database, client: openai.OpenAI, provider: TracerProvider
) -> None:
    tracer = provider.get_tracer("an agent framework")
    with (
        tracer.start_as_current_span("run", attributes=CALL | {"gen_ai.operation.name": "invoke_agent"}),
        tracer.start_as_current_span(
            "chain", attributes={"openinference.span.kind": "CHAIN", "llm.token_count.prompt": 300}
        ),
    ):
        client.chat.completions.create(model="gpt-4", messages=MESSAGES)
        client.chat.completions.create(model="gpt-4", messages=MESSAGES)

    assert counts(database) == [("openai", "gpt-4", 150, 80, "priced")] * 2


@pytest.mark.usefixtures("openinference")
def test_concurrent_calls_go_to_their_own_clients(database: Database, acme: UUID, server: LLMServer) -> None:
    globex = factories.client(database, "Globex")

    async def call(client: openai.AsyncOpenAI, client_id: UUID, model: str) -> None:
        with usage_context(client_id=client_id):
            stream = await client.chat.completions.create(
                model=model, messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
            async for _ in stream:
                await asyncio.sleep(0)  # lets the other one go on

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="test") as client:
            await asyncio.gather(
                call(client, acme, "gpt-4"),
                call(client, globex, "gpt-3.5-turbo"),
                call(client, acme, "gpt-4"),
            )

    asyncio.run(main())

    found = sorted((str(row["client_id"]), row["model"]) for row in rows(database))
    assert found == sorted([(str(acme), "gpt-4"), (str(acme), "gpt-4"), (str(globex), "gpt-3.5-turbo")])


@pytest.mark.usefixtures("openinference")
def test_a_long_conversation_pushes_nothing_out(
    database: Database, acme: UUID, client: openai.OpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    # A span keeps 128 attributes; each message takes two.
    with usage_context(client_id=acme), caplog.at_level(logging.ERROR):
        client.chat.completions.create(model="gpt-4", messages=MESSAGES * 100)

    [row] = rows(database)
    assert row["client_id"] == acme
    assert (row["source"], row["prompt_tokens"]) == ("openai", 150)


@pytest.mark.usefixtures("openinference")
def test_an_abandoned_stream_stays_with_whom_it_began(
    database: Database, acme: UUID, client: openai.OpenAI
) -> None:
    globex = factories.client(database, "Globex")
    with usage_context(client_id=acme):
        stream = client.chat.completions.create(model="gpt-4", messages=MESSAGES, stream=True)
    nobodys = client.chat.completions.create(model="gpt-3.5-turbo", messages=MESSAGES, stream=True)
    with usage_context(client_id=globex):
        for abandoned in (stream, nobodys):
            abandoned.response.close()
        del stream, nobodys, abandoned
        gc.collect()

    found = {row["model"]: row["client_id"] for row in rows(database)}
    assert found == {"gpt-4": acme, "gpt-3.5-turbo": UUID(int=0)}


def test_what_the_span_says_goes_before_the_context(
    database: Database, acme: UUID, provider: TracerProvider
) -> None:
    globex = factories.client(database, "Globex")
    tracer = provider.get_tracer("ours")
    with usage_context(client_id=acme, conversation_id="invoice", phone="5511999999999"):
        tracer.start_span("chat", attributes=CALL | {"usage.client_id": str(globex)}).end()
        tracer.start_span("chat", attributes=CALL | {"session.id": "a browser's"}).end()

    first, second = rows(database)
    # Another client's conversation and phone are not taken over.
    assert (first["client_id"], first["conversation_id"], first["phone"]) == (globex, None, None)
    assert (second["client_id"], second["phone"]) == (acme, "5511999999999")
    [conversation] = conversations(database)
    assert (conversation["client_id"], conversation["name"]) == (acme, "invoice")


def conversations(database: Database) -> list[dict[str, Any]]:
    with psycopg.connect(dsn(database.url), row_factory=dict_row) as connection:
        return connection.execute("select * from conversations").fetchall()


def test_tags_of_the_context_and_of_the_span(database: Database, provider: TracerProvider) -> None:
    tracer = provider.get_tracer("ours")
    with usage_context(tags={"feature": "search", "team": "billing", "urgent": True}):
        span = tracer.start_span("chat", attributes=CALL | {"usage.tag.team": "support", "user.id": "u-17"})
    span.end()

    with database.transaction() as connection:
        [(tags,)] = (
            connection.execute(
                "select tags from usage_logs join tag_sets on tag_sets.id = tag_set_id"
            ).fetchall()
            if tracking.flush()
            else []
        )
    assert tags == {"feature": "search", "team": "support", "urgent": "true", "user": "u-17"}


def test_a_count_that_cannot_be_loses_no_call(database: Database, provider: TracerProvider) -> None:
    attributes = CALL | {"gen_ai.usage.cache_read.input_tokens": -1}
    provider.get_tracer("ours").start_span("chat", attributes=attributes).end()

    [row] = rows(database)
    assert (row["prompt_tokens"], row["cached_tokens"], row["cost_basis"]) == (150, None, "estimated")
    assert list(row["metadata"]["usage_not_understood"]) == ["gen_ai.usage.cache_read.input_tokens"]


def test_spans_that_are_passed_over_are_counted(database: Database, provider: TracerProvider) -> None:
    tracer = provider.get_tracer("ours")
    before = tracking.stats().passed_over.get("invoke_agent: it sums up the calls within it", 0)
    for _ in range(2):
        tracer.start_span("x", attributes=CALL | {"gen_ai.operation.name": "invoke_agent"}).end()
    tracer.start_span("ask a lot", attributes={"gen_ai.prompt": "Is the invoice paid?"}).end()
    tracer.start_span("select", attributes={"db.system": "postgresql"}).end()

    counted = tracking.stats().passed_over
    assert counted["invoke_agent: it sums up the calls within it"] == before + 2
    assert counted["ask a lot: it names no model"] == 1
    assert rows(database) == []


def test_a_span_that_is_exported_twice_is_stored_once(database: Database, acme: UUID) -> None:
    exporter, kept = UsageSpanExporter(), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    for each in (exporter, kept):
        provider.add_span_processor(SimpleSpanProcessor(each))
    attributes = CALL | {"usage.client_id": str(acme)}
    provider.get_tracer("ours").start_span("chat", attributes=attributes).end()

    assert exporter.export(kept.get_finished_spans()) is SpanExportResult.SUCCESS
    assert UsageSpanExporter().export(kept.get_finished_spans()) is SpanExportResult.SUCCESS

    [row] = rows(database)
    assert row["client_id"] == acme
    provider.shutdown()


def test_a_batch_processor_and_its_flush(database: Database, acme: UUID) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(UsageSpanExporter()))
    tracer = provider.get_tracer("ours")
    for _ in range(3):
        tracer.start_span("chat", attributes=CALL | {"usage.client_id": str(acme)}).end()
    tracer.start_span("something else").end()
    provider.shutdown()

    assert [row["client_id"] for row in rows(database)] == [acme] * 3


def test_force_flush_brings_calls_to_the_database(database: Database, provider: TracerProvider) -> None:
    provider.get_tracer("ours").start_span("chat", attributes=CALL).end()

    assert provider.force_flush()

    assert tracking.stats().waiting == 0
    assert tracking.stats().stored == 1


def test_an_impossible_call_is_reported_and_never_raised(
    database: Database, acme: UUID, provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    kept = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("ours")
    # The tracker of tests is strict: log_usage() itself raises.
    tracer.start_span("chat", attributes=CALL | {"usage.client_id": "Acme"}).end()
    tracer.start_span("chat", attributes=CALL | {"usage.client_id": str(acme)}).end()

    assert [row["client_id"] for row in rows(database)] == [acme]
    assert "client_id must be the UUID of a client" in caplog.text
    assert sum(tracking.stats().rejected.values()) == 1
    assert UsageSpanExporter().export(kept.get_finished_spans()) is SpanExportResult.FAILURE


@pytest.mark.parametrize("mark_spans", [False, True])
def test_spans_are_marked_only_if_asked_for(acme: UUID, mark_spans: bool) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(UsageSpanProcessor(mark_spans=mark_spans))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with usage_context(client_id=acme, phone="5511999999999"):
        provider.get_tracer("ours").start_span("chat", attributes=CALL).end()
    provider.shutdown()

    [span] = kept.get_finished_spans()
    marks = {"usage.client_id": str(acme), "usage.phone": "5511999999999"}
    assert dict(span.attributes or {}) == CALL | (marks if mark_spans else {})


def test_spans_that_never_end_do_not_fill_the_memory(acme: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.tracking.opentelemetry._MAX_OPEN_SPANS", 10)
    processor = UsageSpanProcessor()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("ours")
    with usage_context(client_id=acme):
        spans = [tracer.start_span("chat", attributes=CALL) for _ in range(100)]
        assert len(processor._early) == 10
    spans[-1].end()
    assert len(processor._early) == 9
    provider.shutdown()
