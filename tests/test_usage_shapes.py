"""Each object with what is read from it, to the last field, and what its call costs, to the last digit."""

from typing import Any

import pytest
from genai_prices import extract_usage

from analytics.calls.usage_objects import read_usage
from analytics.pricing.price_list import PriceList
from tests import llm_wire
from tests.usage_objects import (
    ai_sdk_cases,
    anthropic_cases,
    framework_cases,
    gateway_cases,
    google_cases,
    openai_cases,
    openai_response_cases,
    other_cases,
)
from tests.usage_objects.case import AT, Case

CASES: tuple[Case, ...] = (
    *openai_cases.CASES,
    *openai_response_cases.CASES,
    *anthropic_cases.CASES,
    *google_cases.CASES,
    *framework_cases.CASES,
    *ai_sdk_cases.CASES,
    *gateway_cases.CASES,
    *other_cases.CASES,
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_read(case: Case) -> None:
    reading = read_usage(case.make(), case.source, case.model)

    expected = (case.usage, case.facts, case.answered_by, dict(case.told))
    assert (reading.usage, reading.facts, reading.model, dict(reading.not_understood)) == expected
    assert {name: value for name, value in reading.metadata.items() if name != "usage"} == case.metadata
    assert ("usage" in reading.metadata) == bool(case.told)


@pytest.mark.parametrize("case", [case for case in CASES if case.usd is not None], ids=lambda case: case.name)
def test_what_it_costs(case: Case) -> None:
    reading = read_usage(case.make(), case.source, case.model)

    cost = PriceList().cost(
        source=case.source,
        model=case.model or reading.model,
        at=AT,
        usage=reading.usage,
        tokens_estimated=bool(reading.not_understood),
        service_tier=reading.facts.service_tier,
    )

    assert (cost.amount_usd, cost.basis) == (case.usd, case.basis), cost.note


SECOND_OPINION = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cache_read_tokens": "cached_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "output_reasoning_tokens": "reasoning_tokens",
    "input_audio_tokens": "prompt_audio_tokens",
    "input_image_tokens": "prompt_image_tokens",
}


@pytest.mark.parametrize(
    ("provider", "flavor", "response"),
    [
        ("openai", "chat", {"model": "gpt-4o", "usage": llm_wire.CHAT_USAGE}),
        ("openai", "responses", {"model": "gpt-5", "usage": openai_cases.RESPONSES}),
        ("anthropic", "default", {"model": anthropic_cases.SONNET, "usage": anthropic_cases.BY_LIFETIME}),
        ("google", "default", {"modelVersion": google_cases.FLASH, "usageMetadata": google_cases.THOUGHT}),
        ("google", "default", {"modelVersion": google_cases.FLASH, "usageMetadata": google_cases.HEARD}),
    ],
)
def test_genai_prices_reads_the_same(provider: str, flavor: str, response: dict[str, Any]) -> None:
    """The library behind the public list reads some shapes, too; what it tells we tell."""
    theirs = extract_usage(response, provider_id=provider, api_flavor=flavor).usage

    ours = read_usage(response, provider).usage

    counts = {
        "prompt_tokens": ours.prompt_tokens,
        "completion_tokens": ours.completion_tokens,
        **ours.details,
    }
    told = {name: getattr(theirs, name, None) for name in SECOND_OPINION}
    assert {name: count for name, count in told.items() if count} == {
        name: counts[SECOND_OPINION[name]] for name, count in told.items() if count
    }
    assert told["input_tokens"]
