"""analytics.wrap(): the real clients of OpenAI, Groq and Anthropic log each of their calls, as it was."""

import asyncio
import gc
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import groq
import openai
import pytest
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider

import analytics
from analytics.database import Database
from analytics.tracking.opentelemetry import UsageSpanProcessor
from tests.api import logged
from tests.llm_server import LLMServer

QUESTION: Any = [{"role": "user", "content": "Is the invoice paid?"}]
COLUMNS = "*, (select tags from tag_sets where id = tag_set_id) as tags"


@pytest.fixture
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture(autouse=True)
def tracker(database: Database, tmp_path: Path) -> Iterator[None]:
    url = database.url.render_as_string(hide_password=False)
    analytics.configure(database_url=url, directory=tmp_path, strict=True)
    yield
    analytics.close()


def rows_of(database: Database) -> list[dict[str, Any]]:
    assert analytics.flush()
    return logged(database, COLUMNS)


def facts(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["source"], row["operation"], row["outcome"], row["total_tokens"], row["cost_basis"]


OPENAI_CHAT = ("openai", "chat", "ok", 230, "priced")


def openai_calls(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="gpt-4", messages=QUESTION)
    for chunk in client.chat.completions.create(model="gpt-4", messages=QUESTION, stream=True):
        assert chunk.choices, "the usage was not asked for"
    with client.chat.completions.stream(model="gpt-4", messages=QUESTION) as stream:
        assert [event.type for event in stream][-1] == "content.done"
    client.responses.create(model="gpt-4", input="Is it paid?")
    list(client.responses.create(model="gpt-4", input="Is it paid?", stream=True))
    assert client.with_options(timeout=9).embeddings.create(model="text-embedding-3-small", input="a").data
    raw = client.chat.completions.with_raw_response.create(model="gpt-4", messages=QUESTION)
    assert raw.retries_taken == 0
    assert raw.parse().usage
    client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"))


async def async_openai_calls(client: openai.AsyncOpenAI) -> None:
    await client.chat.completions.create(model="gpt-4", messages=QUESTION)
    async for chunk in await client.chat.completions.create(model="gpt-4", messages=QUESTION, stream=True):
        assert chunk.choices
    async with client.chat.completions.stream(model="gpt-4", messages=QUESTION) as stream:
        assert [event.type async for event in stream][-1] == "content.done"
    await client.responses.create(model="gpt-4", input="Is it paid?")
    _ = [event async for event in await client.responses.create(model="gpt-4", input="Paid?", stream=True)]
    await client.with_options(timeout=9).embeddings.create(model="text-embedding-3-small", input="a")
    assert (await client.chat.completions.with_raw_response.create(model="gpt-4", messages=QUESTION)).parse()
    await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"))
    await client.close()


def test_each_call_of_openai_is_logged(database: Database, acme: UUID, server: LLMServer) -> None:
    with (
        openai.OpenAI(base_url=server.openai_url, api_key="test") as plain,
        analytics.usage_context(client_id=acme, conversation_id="invoice 17", tags={"feature": "search"}),
    ):
        client = analytics.wrap(plain)
        assert isinstance(client, openai.OpenAI)
        assert analytics.wrap(client) is client
        openai_calls(client)
        asyncio.run(
            async_openai_calls(analytics.wrap(openai.AsyncOpenAI(base_url=server.openai_url, api_key="test")))
        )

    rows = rows_of(database)
    expected = [OPENAI_CHAT] * 6 + [
        ("openai", "embeddings", None, 8, "priced"),
        ("whisper", "transcription", None, 0, "priced"),
    ]
    assert sorted(map(str, map(facts, rows))) == sorted(map(str, expected * 2))
    assert all(row["latency_ms"] is not None and row["attempt"] == 1 for row in rows)
    assert all(row["tags"] == {"feature": "search"} and row["conversation_id"] for row in rows)
    assert [row["time_to_first_token_ms"] is not None for row in rows].count(True) == 6


def test_each_call_of_groq_and_anthropic_is_logged(database: Database, acme: UUID, server: LLMServer) -> None:
    # It takes a second, which only this test pays for.
    import anthropic

    with (
        groq.Groq(base_url=server.groq_url, api_key="test") as plain_groq,
        anthropic.Anthropic(base_url=server.anthropic_url, api_key="test") as plain_claude,
        analytics.usage_context(client_id=acme),
    ):
        of_groq, claude = analytics.wrap(plain_groq), analytics.wrap(plain_claude)
        of_groq.chat.completions.create(model="llama-3.1-8b-instant", messages=QUESTION)
        list(of_groq.chat.completions.create(model="llama-3.1-8b-instant", messages=QUESTION, stream=True))
        asked: Any = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": QUESTION}
        claude.messages.create(**asked)
        list(claude.messages.create(**asked, stream=True))
        with claude.messages.stream(**asked) as stream:
            assert "".join(stream.text_stream) == "The invoice is paid."
            assert stream.get_final_message().usage.output_tokens == 80

        async def asynchronous() -> None:
            async with (
                anthropic.AsyncAnthropic(base_url=server.anthropic_url, api_key="test") as plain,
                analytics.wrap(plain).messages.stream(**asked) as stream,
            ):
                assert await stream.get_final_text() == "The invoice is paid."

        asyncio.run(asynchronous())

    rows = rows_of(database)
    claudes = [row for row in rows if row["source"] == "anthropic"]
    assert [facts(row) for row in claudes] == [("anthropic", "chat", "ok", 230, "priced")] * 4
    # USD per million: 50 at 3, 100 from the cache at 0.30, 80 at 15.
    assert {row["cost_usd"] for row in claudes} == {Decimal("0.00138")}
    others = [row for row in rows if row["source"] == "groq"]
    assert [facts(row) for row in others] == [("groq", "chat", "ok", 230, "priced")] * 2
    assert all(row["metadata"]["queue_time"] for row in others)


def test_a_call_that_was_cut_repeated_or_refused_is_what_it_is(
    database: Database, acme: UUID, server: LLMServer
) -> None:
    asked: Any = {"model": "gpt-4", "messages": QUESTION}
    with (
        openai.OpenAI(base_url=server.openai_url, api_key="test", max_retries=1) as plain,
        analytics.usage_context(client_id=acme),
    ):
        client = analytics.wrap(plain)
        server.answer_next(status=429)
        client.chat.completions.create(**asked)  # answered at the second attempt
        server.answer_next(status=429)
        server.answer_next(status=429)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**asked)
        server.answer_next(is_cut=True)
        with pytest.raises(openai.APIConnectionError):
            list(client.chat.completions.create(**asked, stream=True))
        with client.chat.completions.create(**asked, stream=True) as stream:
            next(iter(stream))  # the application has enough
        abandoned = client.chat.completions.create(**asked, stream=True)
        next(abandoned)
        abandoned.response.close()
        del abandoned, stream
        gc.collect()
        with client.chat.completions.with_streaming_response.create(**asked) as unseen:
            unseen.read()

    rows = rows_of(database)
    assert sorted(
        (row["outcome"] or "", row["attempt"], row["cost_basis"]) for row in rows if row["attempt"]
    ) == [
        ("cut", 1, "unpriced"),
        ("cut", 1, "unpriced"),
        ("cut", 1, "unpriced"),
        ("error", 2, "priced"),
        ("ok", 2, "priced"),
    ]
    [failed] = [row for row in rows if row["outcome"] == "error"]
    assert (failed["metadata"]["error"], failed["metadata"]["status_code"]) == ("RateLimitError", 429)
    assert (failed["total_tokens"], failed["cost_usd"]) == (0, 0)
    assert len(rows) == 6


def test_a_hundred_calls_are_a_hundred_through_two_doors(
    database: Database, acme: UUID, server: LLMServer
) -> None:
    provider = TracerProvider()
    provider.add_span_processor(UsageSpanProcessor())
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        with openai.OpenAI(base_url=server.openai_url, api_key="test") as plain:
            client = analytics.wrap(plain)
            for number in range(100):
                with analytics.usage_context(client_id=acme, conversation_id=f"chat {number % 5}"):
                    response = client.chat.completions.create(model="gpt-4", messages=QUESTION)
                    # And by hand, again.
                    analytics.log_openai_usage(None, None, None, response.model, response)
    finally:
        instrumentor.uninstrument()
        provider.shutdown()

    rows = rows_of(database)
    assert len(rows) == 100
    assert sum(row["cost_usd"] for row in rows) == Decimal("0.93")
    assert len({row["conversation_id"] for row in rows}) == 5


def test_what_is_no_client_is_refused() -> None:
    with pytest.raises(TypeError, match=r"wrap\(\) takes a client of openai, groq, anthropic, not str"):
        analytics.wrap("client")
