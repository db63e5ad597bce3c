"""What usage would have cost elsewhere: exact sums, and nothing that is not known counts as free."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import pytest

from analytics.database import Database
from analytics.pricing.model_kinds import kind_of_model
from analytics.pricing.price_list import ListedPrice, PriceList
from analytics.pricing.stored import listed_prices
from analytics.pricing.what_if import NotComparable, Target, WhatIf, targets, what_if
from tests import factories

AT = datetime(2026, 3, 18, 12, tzinfo=UTC)
PRICES = PriceList(
    [
        ListedPrice(source="acme", model="text", input_usd=Decimal(2), output_usd=Decimal(8)),
        ListedPrice(
            source="acme", model="cached", input_usd=Decimal(2), output_usd=Decimal(8),
            cached_input_usd=Decimal("0.5"),
        ),
        ListedPrice(source="acme", model="flat", input_usd=Decimal(3), output_usd=Decimal(3)),
        ListedPrice(source="acme", model="audio", unit="minute", input_usd=Decimal("0.006")),
        ListedPrice(source="free", model="*", input_usd=Decimal(0)),
    ]
)  # fmt: skip


def part(**columns: Any) -> dict[str, Any]:
    """A row of queries.call_sums().parts: 3 calls, 1,000 + 500 tokens for 0.01 USD."""
    row = {
        "source": "openai", "model": "gpt-4", "operation": None, "request_count": 3, "prompt_tokens": 1000,
        "completion_tokens": 500, "cached_tokens": 0, "reasoning_tokens": 0,
        "duration_seconds": Decimal(0), "total_cost": Decimal("0.01"), "unpriced_count": 0, **columns,
    }  # fmt: skip
    return {"total_tokens": row["prompt_tokens"] + row["completion_tokens"], **row}


def asked(model: str, *parts: dict[str, Any], source: str = "acme") -> WhatIf:
    return what_if(pd.DataFrame(parts), Target(source, model), PRICES, AT)


def reasons(answer: WhatIf) -> list[str]:
    assert not answer.compared
    return [line.reason for line in answer.not_comparable]


def test_tokens_at_another_price() -> None:
    answer = asked("text", part(), part(model="gpt-3.5-turbo", total_cost=Decimal("0.001")))
    assert [line.there_usd for line in answer.compared] == [Decimal("0.006"), Decimal("0.006")]
    assert [line.difference_usd for line in answer.compared] == [Decimal("-0.004"), Decimal("0.005")]
    assert (answer.booked_usd, answer.there_usd) == (Decimal("0.011"), Decimal("0.012"))
    assert answer.price_note == "installation's price of text"


@pytest.mark.parametrize(("model", "there"), [("text", "0.006"), ("cached", "0.0054")])
def test_cached_tokens_stay_cached_where_that_has_a_price(model: str, there: str) -> None:
    [line] = asked(model, part(cached_tokens=400)).compared
    assert line.there_usd == Decimal(there)


def test_audio_is_priced_by_its_length() -> None:
    whisper = part(request_count=7, duration_seconds=Decimal("100.1"), prompt_tokens=0, completion_tokens=330)
    [line] = asked("audio", whisper).compared
    assert line.there_usd == Decimal("0.01001")


@pytest.mark.parametrize(("source", "model"), [("acme", "text"), ("free", "chat"), ("openai", "gpt-4o-mini")])
def test_audio_is_left_out_of_a_chat_model(source: str, model: str) -> None:
    whisper = part(duration_seconds=Decimal(30), prompt_tokens=0, completion_tokens=100)
    assert reasons(asked(model, whisper, source=source)) == [
        f"calls for transcription, and {model} is a model for chat and text"
    ]


def test_audio_is_not_comparable_where_its_length_has_no_price() -> None:
    whisper = part(duration_seconds=Decimal(30), prompt_tokens=0, completion_tokens=100)
    assert reasons(asked("whisper-9", whisper, source="free")) == [
        "no price of whisper-9 by the length of audio is known"
    ]


def test_text_is_left_out_of_what_is_sold_by_the_minute() -> None:
    assert reasons(asked("audio", part())) == [
        "calls for chat and text, and audio is a model for transcription"
    ]


def test_what_is_left_out_is_told_with_its_calls_and_cost() -> None:
    embeddings = part(
        model="text-embedding-3-small", completion_tokens=0, request_count=7, total_cost=Decimal("0.25")
    )
    answer = asked("text", part(), embeddings)

    assert [line.model for line in answer.compared] == ["gpt-4"]
    assert answer.not_comparable == [
        NotComparable(
            source="openai",
            model="text-embedding-3-small",
            reason="calls for embeddings, and text is a model for chat and text",
            request_count=7,
            unpriced_count=0,
            booked_usd=Decimal("0.25"),
        )
    ]
    [line] = asked("text-embedding-3-large", part(), embeddings, source="openai").compared
    assert (line.model, line.there_usd) == ("text-embedding-3-small", Decimal("0.00013"))


def test_a_model_that_does_two_things_is_compared_with_one() -> None:
    """What calls were logged for goes before what their model is called."""
    mine = {"source": "own", "model": "new-1"}
    chat, more = part(**mine, operation="chat"), part(**mine, operation="text_completion")
    embeddings = part(**mine, operation="Embeddings")
    answer = asked("text", chat, embeddings, more)

    assert [(line.total_tokens, line.booked_usd) for line in answer.compared] == [(3000, Decimal("0.02"))]
    assert [line.request_count for line in answer.not_comparable] == [3]


@pytest.mark.parametrize(
    ("source", "model", "kind"),
    [
        ("openai", "gpt-4o", "text"),
        ("openai", "gpt-4o-2024-08-06", "text"),
        ("openai", "text-embedding-3-small", "embedding"),
        ("openai", "text-embedding-ada-002", "embedding"),
        ("google", "gemini-embedding-001", "embedding"),
        ("cohere", "embed-v4.0", "embedding"),
        ("voyage", "voyage-3", "embedding"),
        ("openai", "whisper-1", "transcription"),
        ("whisper", None, "transcription"),
        ("groq", "whisper-large-v3-turbo", "transcription"),
        ("openai", "gpt-4o-mini-transcribe", "transcription"),
        ("mistral", "voxtral-mini-2602", "transcription"),
        ("openai", "gpt-realtime-whisper", "transcription"),
        ("openai", "tts-1-hd", "speech"),
        ("openai", "gpt-4o-mini-tts", "speech"),
        ("groq", "canopylabs/orpheus-v1-english", "speech"),
        ("openai", "omni-moderation-latest", "moderation"),
        ("groq", "meta-llama/llama-guard-4-12b", "moderation"),
        ("openai", "gpt-image-1", "image"),
        ("openai", "dall-e-3", "image"),
        ("openai", "sora-2", "video"),
        ("cohere", "rerank-v3.5", "reranking"),
        ("groq", "llama-3.3-70b-versatile", "text"),
        ("groq", "meta-llama/llama-4-scout-17b-16e-instruct", "text"),
        ("anthropic", "claude-sonnet-4-5", "text"),
        ("own", "new-1", "text"),
        ("acme", "audio", "transcription"),
    ],
)
def test_what_a_model_is_for(source: str, model: str | None, kind: str) -> None:
    assert kind_of_model(source, model, AT, PRICES) == kind


def test_totals_that_were_never_divided_need_one_price_for_both() -> None:
    undivided = part(prompt_tokens=0, completion_tokens=0, total_tokens=1500)
    partly = part(model="gpt-3.5-turbo", total_tokens=1600)
    assert reasons(asked("text", undivided, partly)) == ["a total, but no prompt and completion"] * 2
    assert [line.there_usd for line in asked("flat", undivided, partly).compared] == [
        Decimal("0.0045"),
        Decimal("0.0048"),
    ]


def test_calls_that_say_nothing_are_not_free() -> None:
    silent = part(prompt_tokens=0, completion_tokens=0)
    assert reasons(asked("text", silent)) == ["its calls say nothing about what they used"]


def test_what_has_no_booked_cost_is_in_no_sum() -> None:
    partly, wholly = part(model="new", unpriced_count=2), part(model="nobody-knows", unpriced_count=3)
    answer = asked("text", part(), partly, wholly)
    assert [line.model for line in answer.compared] == ["gpt-4"]
    assert [line.reason for line in answer.not_comparable] == [
        "2 of its 3 calls have no booked cost",
        "none of its calls has a booked cost",
    ]


def test_a_model_that_no_list_knows_compares_with_nothing() -> None:
    [reason] = reasons(asked("nobody-knows", part()))
    assert "no price is known for nobody-knows" in reason


def test_a_free_model_is_free() -> None:
    [line] = asked("chat", part(), source="free").compared
    assert line.there_usd == 0


def test_a_price_that_depends_on_the_prompts_length_goes_by_the_average_call() -> None:
    # gemini-2.5-pro: 1.25 USD per million tokens of a prompt, and 2.50 in one beyond 200,000.
    def there(request_count: int) -> Decimal:
        usage = part(request_count=request_count, prompt_tokens=1_000_000, completion_tokens=0)
        [line] = asked("gemini-2.5-pro", usage, source="google").compared
        return line.there_usd

    assert there(1) == Decimal("2.5")
    assert there(7) == Decimal("1.25")


def test_a_clients_own_price_counts_for_it_alone(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other Ltd")
    with database.transaction() as connection:
        connection.execute(
            "insert into model_prices (client_id, source, model, input_usd, output_usd)"
            " values (%s, 'openai', 'gpt-4', 1, 1), (%s, 'openai', 'secret', 1, 1)",
            [acme, other],
        )
    known = listed_prices(database, acme)
    target = Target("openai", "gpt-4")

    [line] = what_if(pd.DataFrame([part()]), target, known.prices, AT, acme).compared
    assert line.there_usd == Decimal("0.0015")
    [line] = what_if(pd.DataFrame([part()]), target, known.prices, AT).compared
    assert line.there_usd == Decimal("0.06")
    assert ("openai", "secret") not in known.models


def test_targets_are_the_installations_models_then_the_public_ones() -> None:
    labels = targets([("zeta", "own-model"), ("groq", "*"), ("openai", "gpt-4o")], date(2026, 3, 18))
    assert labels[:2] == ["openai/gpt-4o", "zeta/own-model"]
    assert {"openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "openrouter/openai/gpt-4o"} <= set(labels)
    assert "groq/*" not in labels
    assert len(labels) == len(set(labels))
    assert Target.parse("openrouter/openai/gpt-4o") == Target("openrouter", "openai/gpt-4o")
