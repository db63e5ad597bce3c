"""The public list against a second one, LiteLLM's: where the two differ is known, and why.

Both come in packages of exact versions (requirements-dev.txt, requirements-data.txt), so this changes only
when somebody changes those, and then says which prices moved.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analytics.pricing.price_list import PriceList, Usage

# LiteLLM keeps no history, so: after the last change that the public list dates (19 October 2026).
AT = datetime(2026, 11, 15, tzinfo=UTC)

SOURCES = ("openai", "groq")
# What "responses" answers is chat by another endpoint.
MODES = ("chat", "responses")
COMPARED_MODELS = 118

SHORT_PROMPT = 272_000
"""Of tokens; from one more on, models with a long context cost more."""

MILLION = 1_000_000


class Prices(NamedTuple):
    """US dollars per million tokens."""

    input: Decimal
    output: Decimal
    cached_input: Decimal
    """Where a list has none, that of input."""


class Difference(NamedTuple):
    ours: Prices
    litellm: Prices


def prices(input_usd: str, output_usd: str, cached_input_usd: str) -> Prices:
    return Prices(Decimal(input_usd), Decimal(output_usd), Decimal(cached_input_usd))


DIFFERENCES = {
    # Half of input is cached input's price, which LiteLLM has as that of writing to the cache: ours is right.
    "ft:gpt-4o-2024-11-20": Difference(prices("3.75", "15", "1.875"), prices("3.75", "15", "3.75")),
    # Half of input, which LiteLLM has rounded down.
    "groq/openai/gpt-oss-safeguard-20b": Difference(
        prices("0.075", "0.3", "0.0375"), prices("0.075", "0.3", "0.037")
    ),
}

DIFFERENCES_OF_LONG_PROMPTS = DIFFERENCES | {
    # Ours notes that OpenAI publishes no rates of long prompts for it; LiteLLM doubles, as of its kin.
    "gpt-5.6-cyber": Difference(prices("12.5", "75", "1.25"), prices("25", "112.5", "2.5")),
}


@pytest.fixture(scope="module")
def litellm_models() -> dict[str, dict[str, Any]]:
    """The entries for chat, by LiteLLM's names; its code is not imported, for it lacks what that needs."""
    path = distribution("litellm").locate_file("litellm/model_prices_and_context_window_backup.json")
    entries = json.loads(Path(str(path)).read_text(encoding="utf-8"), parse_float=Decimal)
    return {
        name: entry
        for name, entry in entries.items()
        if entry.get("litellm_provider") in SOURCES and entry.get("mode") in MODES
    }


def our_prices(source: str, model: str, prompt_tokens: int) -> Prices | None:
    """As calls are priced where neither client nor installation has a price."""
    public = PriceList()

    def usd(usage: Usage) -> Decimal | None:
        cost = public.cost(source=source, model=model, at=AT, usage=usage)
        return cost.amount_usd if cost.basis == "priced" else None

    no_search = {"web_search_count": 0}
    plain = usd(Usage(prompt_tokens, details=no_search))
    cached = usd(Usage(prompt_tokens, details={"cached_tokens": prompt_tokens, **no_search}))
    answered = usd(Usage(prompt_tokens, MILLION, details=no_search))
    if plain is None or cached is None or answered is None:
        return None
    return Prices(plain / prompt_tokens * MILLION, answered - plain, cached / prompt_tokens * MILLION)


def litellm_prices(entry: dict[str, Any], prompt_tokens: int) -> Prices:
    def usd(key: str) -> Decimal | None:
        is_long = prompt_tokens > SHORT_PROMPT
        found = entry.get(f"{key}_above_272k_tokens") if is_long else None
        found = entry.get(key) if found is None else found
        return None if found is None else Decimal(found) * MILLION

    input_usd, output_usd = usd("input_cost_per_token"), usd("output_cost_per_token")
    cached_usd = usd("cache_read_input_token_cost")
    assert input_usd is not None
    assert output_usd is not None
    return Prices(input_usd, output_usd, input_usd if cached_usd is None else cached_usd)


def compared(models: dict[str, dict[str, Any]], prompt_tokens: int) -> Iterator[tuple[str, Difference]]:
    """Of all models that both know, by LiteLLM's names."""
    for name, entry in models.items():
        source = entry["litellm_provider"]
        ours = our_prices(source, name.removeprefix(f"{source}/"), prompt_tokens)
        if ours is not None:
            yield name, Difference(ours, litellm_prices(entry, prompt_tokens))


@pytest.mark.parametrize(
    ("prompt_tokens", "differences"),
    [(SHORT_PROMPT, DIFFERENCES), (SHORT_PROMPT + 1, DIFFERENCES_OF_LONG_PROMPTS)],
)
def test_the_models_on_whose_price_the_lists_differ_are_known(
    litellm_models: dict[str, dict[str, Any]], prompt_tokens: int, differences: dict[str, Difference]
) -> None:
    both = dict(compared(litellm_models, prompt_tokens))

    assert {name: found for name, found in both.items() if found.ours != found.litellm} == differences
    assert len(both) == COMPARED_MODELS
    assert {name for name in both if name.startswith("groq/")} == {
        "groq/llama-guard-3-8b",
        "groq/meta-llama/llama-prompt-guard-2-22m",
        "groq/meta-llama/llama-prompt-guard-2-86m",
        "groq/openai/gpt-oss-120b",
        "groq/openai/gpt-oss-20b",
        "groq/openai/gpt-oss-safeguard-20b",
        "groq/qwen/qwen3.8-27b",
    }
