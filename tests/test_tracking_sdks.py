"""The real `openai` and `groq` packages, against a server that speaks their wire format, into PostgreSQL."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import UUID

import groq
import httpx
import openai
import pytest

import analytics
from analytics.database import Database
from tests.factories import NOW, call
from tests.llm_server import LLMServer

PHONE = "5511999999999"
QUESTION: Any = [{"role": "user", "content": "Is the invoice paid?"}]
RECORDING = ("recording.wav", b"RIFF")
WITH_USAGE: Any = {"include_usage": True}

DETAILED_USAGE = {
    "prompt_tokens": 1500,
    "completion_tokens": 800,
    "total_tokens": 2300,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 320, "audio_tokens": 0},
}
GROQ_TIMES = {"prompt_time": 0.002, "completion_time": 0.25, "total_time": 0.252, "queue_time": 0.011}
NO_USAGE = "the response has no usage"


def installation_price(model: str) -> dict[str, Any]:
    return {"price": {"list": "installation", "model": model}}


def public_price(model: str) -> dict[str, Any]:
    return {"price": {"list": f"genai-prices {version('genai-prices')}", "model": model}}


GUIDES_EXAMPLE = ("openai", "gpt-4", 150, 80, 230, Decimal("0.0093"), "priced", installation_price("gpt-4"))
GROQ_EXAMPLE = (
    "groq",
    "llama-3.3-70b",
    150,
    80,
    230,
    Decimal(0),
    "priced",
    GROQ_TIMES | installation_price("*"),
)
WITHOUT_USAGE = (
    *("openai", "gpt-4", 0, 0, 0, Decimal(0), "unpriced"),
    {"usage_missing": NO_USAGE, "price": {"reason": NO_USAGE}},
)


def usage_of(stream: Any) -> Any:
    """As applications read a stream: the usage comes at its end, if that comes."""
    usage = None
    with stream, suppress(openai.APIConnectionError, httpx.RemoteProtocolError):
        for chunk in stream:
            of_groq = getattr(chunk, "x_groq", None)
            usage = chunk.usage or (of_groq and of_groq.usage) or usage
    return usage


@pytest.fixture
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def openai_client(server: LLMServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.openai_url, api_key="test") as client:
        yield client


@pytest.fixture
def groq_client(server: LLMServer) -> Iterator[groq.Groq]:
    with groq.Groq(base_url=server.groq_url, api_key="test") as client:
        yield client


@pytest.fixture(autouse=True)
def tracker(database: Database, tmp_path: Path) -> Iterator[None]:
    """Tracks into the test's database; an impossible argument is an error."""
    url = database.url.render_as_string(hide_password=False)
    analytics.configure(database_url=url, directory=tmp_path, strict=True)
    yield
    analytics.close()


def stored(database: Database) -> list[tuple[Any, ...]]:
    """The rows of usage_logs, once all that was logged is there."""
    assert analytics.flush()
    columns = "source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis, metadata"
    with database.transaction() as connection:
        return connection.execute(
            f"select {columns} from usage_logs where client_id is not null order by source, id"  # noqa: S608
        ).fetchall()


def kept(database: Database, columns: str) -> list[tuple[Any, ...]]:
    """Further columns of the same rows."""
    with database.transaction() as connection:
        return connection.execute(
            f"select {columns} from usage_logs where client_id is not null order by source, id"  # noqa: S608
        ).fetchall()


# OpenAI ---------------------------------------------------------------------------------------------


def test_chat(database: Database, acme: UUID, openai_client: openai.OpenAI) -> None:
    response = openai_client.chat.completions.create(model="gpt-4", messages=QUESTION)

    call_id = analytics.log_openai_usage(
        acme, "invoices", PHONE, response.model, response.usage, created_at=NOW
    )

    assert stored(database) == [GUIDES_EXAMPLE]
    with database.transaction() as connection:
        logged = connection.execute(
            "select usage_logs.id, usage_logs.phone, name, conversations.phone, usage_logs.created_at"
            " from usage_logs join conversations on conversations.id = conversation_id"
        ).fetchall()
    assert logged == [(call_id, PHONE, "invoices", PHONE, NOW)]


def test_chat_with_cached_and_reasoning_tokens(
    database: Database, acme: UUID, server: LLMServer, openai_client: openai.OpenAI
) -> None:
    server.answer_next(usage=DETAILED_USAGE)
    response = openai_client.chat.completions.create(model="gpt-4o-2024-08-06", messages=QUESTION)

    analytics.log_openai_usage(acme, None, PHONE, response.model, response.usage, created_at=NOW)

    # USD per million: 476 at 2.50, 1024 from the cache at 1.25, 800 with the reasoning among them at 10.
    assert stored(database) == [
        (
            *("openai", "gpt-4o-2024-08-06", 1500, 800, 2300, Decimal("0.01047"), "priced"),
            public_price("gpt-4o"),
        )
    ]
    assert kept(database, "cached_tokens, reasoning_tokens") == [(1024, 320)]


def test_stream(database: Database, acme: UUID, openai_client: openai.OpenAI) -> None:
    stream = openai_client.chat.completions.create(
        model="gpt-4", messages=QUESTION, stream=True, stream_options=WITH_USAGE
    )

    analytics.log_openai_usage(acme, None, PHONE, "gpt-4", usage_of(stream), created_at=NOW)

    assert stored(database) == [GUIDES_EXAMPLE]


def test_stream_that_was_not_asked_for_its_usage(
    database: Database, acme: UUID, openai_client: openai.OpenAI
) -> None:
    stream = openai_client.chat.completions.create(model="gpt-4", messages=QUESTION, stream=True)

    analytics.log_openai_usage(acme, None, PHONE, "gpt-4", usage_of(stream), created_at=NOW)

    assert stored(database) == [WITHOUT_USAGE]


def test_stream_that_is_cut(
    database: Database, acme: UUID, server: LLMServer, openai_client: openai.OpenAI
) -> None:
    server.answer_next(is_cut=True)
    stream = openai_client.chat.completions.create(
        model="gpt-4", messages=QUESTION, stream=True, stream_options=WITH_USAGE
    )

    analytics.log_openai_usage(acme, None, PHONE, "gpt-4", usage_of(stream), created_at=NOW)

    assert stored(database) == [WITHOUT_USAGE]
    assert analytics.stats().unpriced == 1


def test_response_without_usage(
    database: Database, acme: UUID, server: LLMServer, openai_client: openai.OpenAI
) -> None:
    server.answer_next(usage=None)
    response = openai_client.chat.completions.create(model="gpt-4", messages=QUESTION)

    analytics.log_openai_usage(acme, None, PHONE, response.model, response.usage, created_at=NOW)

    assert stored(database) == [WITHOUT_USAGE]


def test_responses(database: Database, acme: UUID, server: LLMServer, openai_client: openai.OpenAI) -> None:
    server.answer_next(
        usage={
            "input_tokens": 150,
            "output_tokens": 80,
            "total_tokens": 230,
            "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 64},
        }
    )
    response = openai_client.responses.create(model="gpt-4.1", input="Is the invoice paid?")

    analytics.log_openai_usage(acme, None, PHONE, response.model, response.usage, created_at=NOW)

    # USD per million: 50 at 2, 100 from the cache at 0.50, 80 at 8.
    assert stored(database) == [
        ("openai", "gpt-4.1", 150, 80, 230, Decimal("0.00079"), "priced", public_price("gpt-4.1"))
    ]
    assert kept(database, "cached_tokens, cache_write_tokens, reasoning_tokens") == [(100, 0, 64)]


def test_responses_as_a_stream(database: Database, acme: UUID, openai_client: openai.OpenAI) -> None:
    for event in openai_client.responses.create(model="gpt-4", input="Is the invoice paid?", stream=True):
        if event.type == "response.completed":
            analytics.log_openai_usage(
                acme, None, PHONE, event.response.model, event.response.usage, created_at=NOW
            )

    assert stored(database) == [GUIDES_EXAMPLE]


def test_embeddings(database: Database, acme: UUID, openai_client: openai.OpenAI) -> None:
    model = "text-embedding-3-small"
    response = openai_client.embeddings.create(model=model, input=["Is the invoice", "paid?"])

    analytics.log_openai_usage(acme, None, None, response.model, response.usage, created_at=NOW)

    assert stored(database) == [
        ("openai", model, 8, 0, 8, Decimal("0.00000016"), "priced", public_price(model))
    ]


def test_transcription_by_duration(database: Database, acme: UUID, openai_client: openai.OpenAI) -> None:
    response = openai_client.audio.transcriptions.create(model="whisper-1", file=RECORDING)

    analytics.log_whisper_usage(
        acme,
        None,
        PHONE,
        response.usage.seconds,
        tokens_estimate=1500,
        created_at=NOW,  # type: ignore[union-attr]
    )
    analytics.log_usage(acme, "openai", "whisper-1", usage=response.usage, created_at=NOW)

    price, cost = installation_price("whisper-1"), Decimal("0.003")
    assert stored(database) == [
        ("openai", "whisper-1", 0, 0, 0, cost, "priced", price),
        ("whisper", "whisper-1", 0, 0, 1500, cost, "priced", price | {"tokens_estimated": True}),
    ]
    assert kept(database, "duration_seconds, operation") == [(30, "transcription")] * 2


def test_transcription_by_tokens(database: Database, acme: UUID, openai_client: openai.OpenAI) -> None:
    model = "gpt-4o-transcribe"
    response = openai_client.audio.transcriptions.create(model=model, file=RECORDING)

    analytics.log_openai_usage(acme, None, PHONE, model, response.usage, created_at=NOW)

    # USD per million: 300 at 2.50, of audio or text, and 40 at 10.
    [(*call_of, metadata)] = stored(database)
    assert call_of == ["openai", model, 300, 40, 340, Decimal("0.00115"), "priced"]
    assert metadata["price"]["model"] == model
    assert kept(database, "prompt_audio_tokens") == [(290,)]


def test_call_that_the_package_repeats_is_one(
    database: Database, acme: UUID, server: LLMServer, openai_client: openai.OpenAI
) -> None:
    server.answer_next(status=429)
    server.answer_next(status=500)
    response = openai_client.chat.completions.create(model="gpt-4", messages=QUESTION)

    analytics.log_openai_usage(acme, None, PHONE, response.model, response.usage, created_at=NOW)

    assert len(server.requests) == 3
    assert stored(database) == [GUIDES_EXAMPLE]


def test_call_that_is_logged_twice_is_stored_once(
    database: Database, acme: UUID, openai_client: openai.OpenAI
) -> None:
    response = openai_client.chat.completions.create(model="gpt-4", messages=QUESTION)

    def log() -> UUID | None:
        return analytics.log_openai_usage(
            acme, None, PHONE, response.model, response.usage, id=response.id, created_at=NOW
        )

    first = log()
    assert stored(database) == [GUIDES_EXAMPLE]
    assert [log(), log()] == [first, first]

    assert stored(database) == [GUIDES_EXAMPLE]
    assert (analytics.stats().stored, analytics.stats().already_there) == (1, 2)


# Groq -----------------------------------------------------------------------------------------------


def test_groq(database: Database, acme: UUID, groq_client: groq.Groq) -> None:
    response = groq_client.chat.completions.create(model="llama-3.3-70b", messages=QUESTION)

    analytics.log_groq_usage(acme, None, PHONE, response.model, response.usage, created_at=NOW)

    assert stored(database) == [GROQ_EXAMPLE]


def test_groq_as_a_stream(database: Database, acme: UUID, groq_client: groq.Groq) -> None:
    stream = groq_client.chat.completions.create(model="llama-3.3-70b", messages=QUESTION, stream=True)

    analytics.log_groq_usage(acme, None, PHONE, "llama-3.3-70b", usage_of(stream), created_at=NOW)

    assert stored(database) == [GROQ_EXAMPLE]


def test_groq_as_a_stream_that_is_cut(
    database: Database, acme: UUID, server: LLMServer, groq_client: groq.Groq
) -> None:
    server.answer_next(is_cut=True)
    stream = groq_client.chat.completions.create(model="llama-3.3-70b", messages=QUESTION, stream=True)

    analytics.log_groq_usage(acme, None, PHONE, "llama-3.3-70b", usage_of(stream), created_at=NOW)

    assert stored(database) == [("groq", "llama-3.3-70b", *WITHOUT_USAGE[2:])]


def test_groq_asked_by_openais_package(database: Database, acme: UUID, server: LLMServer) -> None:
    with openai.OpenAI(base_url=f"{server.groq_url}/openai/v1", api_key="test") as client:
        response = client.chat.completions.create(model="llama-3.3-70b", messages=QUESTION)
        with client.chat.completions.create(model="llama-3.3-70b", messages=QUESTION, stream=True) as stream:
            *_, last_chunk = stream

    analytics.log_groq_usage(acme, None, PHONE, response.model, response.usage, created_at=NOW)
    analytics.log_groq_usage(acme, None, PHONE, response.model, last_chunk, created_at=NOW)

    assert stored(database) == [GROQ_EXAMPLE] * 2


def test_groqs_transcription(database: Database, acme: UUID, groq_client: groq.Groq) -> None:
    response: Any = groq_client.audio.transcriptions.create(
        model="whisper-large-v3", file=RECORDING, response_format="verbose_json"
    )

    analytics.log_whisper_usage(
        acme, None, PHONE, response.duration, model="whisper-large-v3", source="groq", created_at=NOW
    )

    assert stored(database) == [
        (
            *("groq", "whisper-large-v3", 0, 0, 0, Decimal(0), "priced"),
            installation_price("*"),
        )
    ]
    assert kept(database, "duration_seconds, operation") == [(30, "transcription")]


# Together -------------------------------------------------------------------------------------------


def test_fifty_at_once(database: Database, acme: UUID, server: LLMServer) -> None:
    async def ask(client: Any, model: str, log: Any, number: int) -> None:
        name = f"chat {number % 5}"
        with analytics.usage_context(client_id=acme, conversation_id=name, phone=str(number % 5)):
            asked = {"model": model, "messages": QUESTION}
            if number % 2:
                usage = (await client.chat.completions.create(**asked)).usage
            else:
                asked |= {"stream": True, "extra_body": {"stream_options": WITH_USAGE}}
                async for chunk in await client.chat.completions.create(**asked):
                    usage = chunk.usage
            log(None, None, None, model, usage, created_at=NOW)

    async def ask_all() -> None:
        async with (
            openai.AsyncOpenAI(base_url=server.openai_url, api_key="test") as of_openai,
            groq.AsyncGroq(base_url=server.groq_url, api_key="test") as of_groq,
        ):
            await asyncio.gather(
                *(ask(of_openai, "gpt-4", analytics.log_openai_usage, number) for number in range(30)),
                *(ask(of_groq, "llama-3.3-70b", analytics.log_groq_usage, number) for number in range(20)),
            )

    asyncio.run(ask_all())

    assert stored(database) == [GROQ_EXAMPLE] * 20 + [GUIDES_EXAMPLE] * 30
    by_conversation = call(
        database,
        "conversation_name, phone, request_count, openai_tokens, groq_tokens",
        *("get_usage_by_conversation", acme),
        now=NOW,
    )
    assert sorted(by_conversation) == [
        (f"chat {number}", str(number), 10, 6 * 230, 4 * 230) for number in range(5)
    ]


def test_what_is_tracked_is_what_is_shown(
    database: Database, acme: UUID, server: LLMServer, openai_client: openai.OpenAI, groq_client: groq.Groq
) -> None:
    chat = openai_client.chat.completions.create(model="gpt-4", messages=QUESTION)
    server.answer_next(usage=None)
    chat_without_usage = openai_client.chat.completions.create(model="gpt-4", messages=QUESTION)
    groq_chat = groq_client.chat.completions.create(model="llama-3.3-70b", messages=QUESTION)
    transcription: Any = openai_client.audio.transcriptions.create(model="whisper-1", file=RECORDING)

    analytics.log_openai_usage(acme, None, PHONE, "gpt-4", chat.usage, created_at=NOW)
    analytics.log_openai_usage(acme, None, PHONE, "gpt-4", chat_without_usage.usage, created_at=NOW)
    analytics.log_groq_usage(acme, None, PHONE, "llama-3.3-70b", groq_chat.usage, created_at=NOW)
    analytics.log_whisper_usage(acme, None, PHONE, transcription.usage.seconds, 1500, created_at=NOW)

    assert len(stored(database)) == 4
    assert call(database, "*", "get_usage_summary", acme, 1, now=NOW) == [
        ("total", 1960, 300, 160, Decimal("0.0123"), 4, 1, 0, 0, 0, 0),
        ("openai", 230, 150, 80, Decimal("0.0093"), 2, 1, 0, 0, 0, 0),
        ("groq", 230, 150, 80, 0, 1, 0, 0, 0, 0, 0),
        ("other", 1500, 0, 0, Decimal("0.003"), 1, 0, 0, 0, 0, 0),
    ]
    assert call(database, "*", "get_daily_usage", acme, 1, now=NOW) == [
        (NOW.date(), "groq", 230, 0, 1, 0),
        (NOW.date(), "openai", 230, Decimal("0.0093"), 2, 1),
        (NOW.date(), "whisper", 1500, Decimal("0.003"), 1, 0),
    ]
