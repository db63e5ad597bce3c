"""The public list, as calls are priced by it, against a second one, LiteLLM's.

Of every model of OpenAI, Groq and Anthropic that both have: every tier, length of prompt and meter. Where the
two differ is known, and who is right. Both come in packages of exact versions (requirements-dev.txt,
requirements-data.txt), so this changes only when somebody changes those, and then says which prices moved.
"""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import data

from analytics.errors import InvalidInput
from analytics.pricing.compare import differences, known_to_both, litellm_list
from analytics.pricing.list_corrections import CORRECTIONS, Correction
from analytics.pricing.public_list import PublicModel

# LiteLLM keeps no history, so: after the last change that the public list dates (19 October 2026).
AT = datetime(2026, 11, 15, tzinfo=UTC)
SOURCES = ("openai", "groq", "anthropic")

ROUNDED = "theirs is rounded: the seconds of an hour, or half a cent"
TOOL = "ours: $10 is the web search of today; $25 was that of the preview tool, which no call names"
RULE = "ours: half, by OpenAI's rule for all batches; theirs is from a table that contradicts it"
NO_LONG = "ours: OpenAI publishes no price of long prompts for it; theirs doubles, as of its kin"

DIFFERENCES = {
    **{
        ("openai", model, None, 0, "web_search"): ("10", "25", TOOL)
        for model in (
            *("gpt-4.1", "gpt-4.1-2025-04-14", "gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"),
            *("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        )
    },
    ("openai", "ft:gpt-4o-2024-08-06", "batch", 0, "input"): ("1.875", "2.225", RULE),
    ("openai", "ft:gpt-4o-2024-08-06", "batch", 0, "cached_input"): ("0.9375", "0.9", RULE),
    ("openai", "ft:gpt-4o-2024-08-06", "batch", 0, "output"): ("7.5", "12.5", RULE),
    ("openai", "ft:gpt-4.1-2025-04-14", "batch", 0, "cached_input"): ("0.375", "0.5", RULE),
    ("openai", "ft:gpt-4o-2024-11-20", None, 0, "cache_write"): (
        *("3.75", "1.875"),
        "ours: nothing is charged for writing; theirs has the price of reading in this field",
    ),
    **{
        ("openai", model, None, 0, "output"): (
            *("12", "10"),
            "ours: it answers with audio, at $12; theirs has a price of text that it does not answer with",
        )
        for model in ("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-03-20", "gpt-4o-mini-tts-2025-12-15")
    },
    **{
        ("openai", "gpt-5.6-cyber", None, 272_000, meter): (ours, theirs, NO_LONG)
        for meter, ours, theirs in (
            ("input", "12.5", "25"),
            ("cached_input", "1.25", "2.5"),
            ("cache_write", "15.625", "31.25"),
            ("output", "75", "112.5"),
        )
    },
    **{
        ("openai", model, "batch", 272_000, meter): (
            *(ours, theirs),
            "not known: our list has one batch price for all lengths, theirs doubles that of long prompts",
        )
        for model in ("gpt-5.5-pro", "gpt-5.5-pro-2026-04-23")
        for meter, ours, theirs in (("input", "15", "30"), ("output", "90", "135"))
    },
    ("openai", "chatgpt-image-latest", "batch", 0, "cached_input"): ("0.625", "0.63", ROUNDED),
    ("groq", "openai/gpt-oss-safeguard-20b", None, 0, "cached_input"): ("0.0375", "0.037", ROUNDED),
    ("groq", "whisper-large-v3", None, 0, "hour"): ("0.111", "0.110988", ROUNDED),
    ("groq", "whisper-large-v3-turbo", None, 0, "hour"): ("0.04", "0.039996", ROUNDED),
    ("openai", "gpt-realtime-whisper", None, 0, "hour"): ("1.02", "1.0199999999988", ROUNDED),
    ("openai", "gpt-live-transcribe", None, 0, "hour"): ("1.02", "1.0199999999988", ROUNDED),
    ("openai", "gpt-live-1", None, 0, "hour"): ("3", "2.9999999999988", ROUNDED),
    ("openai", "gpt-realtime-translate", None, 0, "hour"): ("2.04", "2.0400000000012", ROUNDED),
}


def test_each_price_on_which_the_lists_differ_is_known() -> None:
    found = {
        (each.source, each.model, each.tier, each.above_prompt_tokens, each.meter): (
            each.ours_usd,
            each.theirs_usd,
        )
        for each in differences(litellm_list(), AT)
        if each.source in SOURCES
    }

    assert found == {
        key: (Decimal(ours), Decimal(theirs)) for key, (ours, theirs, _why) in DIFFERENCES.items()
    }


def test_the_models_that_are_compared() -> None:
    both = Counter(source for source, _ in known_to_both(litellm_list()) if source in SOURCES)

    assert both == {"openai": 161, "groq": 11, "anthropic": 19}


def test_the_models_that_only_the_other_list_knows() -> None:
    entries, both = litellm_list(), set(known_to_both(litellm_list()))
    theirs = {
        (str(entry["litellm_provider"]), name.removeprefix(f"{entry['litellm_provider']}/"))
        for name, entry in entries.items()
        if entry.get("litellm_provider") in SOURCES and "-x-" not in name
    }

    assert {model for _, model in theirs - both} == {
        # Sold by the session and the second of video, which no call tells.
        *("container", "sora-2", "sora-2-pro", "sora-2-pro-high-res"),
        # For chosen customers: OpenAI's and Anthropic's pages have no price of them.
        *("ft:gpt-4-0613", "gpt-5.5-cyber-preview", "gpt-6-astra-law"),
        *("daybreak-blue-latest", "daybreak-red-latest"),
        *("gpt-daybreak-blue-latest", "gpt-daybreak-red-latest"),
        *("claude-mythos-5", "claude-mythos-5-1", "claude-mythos-preview"),
    }


def test_only_models_that_are_asked_for() -> None:
    found = differences(
        litellm_list(), AT, [("groq", "whisper-large-v3"), ("own", "new-1"), ("groq", "new-1")]
    )

    assert [(each.model, each.meter) for each in found] == [("whisper-large-v3", "hour")]
    # A dated name that LiteLLM has by its base name alone, and a provider by another of its names.
    assert known_to_both(litellm_list(), [("azure_openai", "gpt-4o"), ("openai", "gpt-4o-2029-12-31")]) == [
        ("azure_openai", "gpt-4o"),
        ("openai", "gpt-4o-2029-12-31"),
    ]


@pytest.mark.parametrize("text", ["no json", "[]", '{"gpt-4o": 5}'])
def test_what_is_not_the_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidInput, match=r"list\.json"):
        litellm_list(str(path))
    with pytest.raises(InvalidInput, match="cannot be read"):
        litellm_list(str(tmp_path / "nothing"))


def test_each_correction_says_where_it_is_from_and_when() -> None:
    for correction in CORRECTIONS:
        assert correction.source.startswith("https://")
        if correction.checked is not None:
            assert datetime.fromisoformat(correction.checked).date() <= datetime.now(UTC).date()
        assert correction.why
        assert correction.amounts


@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda each: each.model)
def test_no_correction_stays_that_the_list_has_taken_over(correction: Correction) -> None:
    provider = next(each for each in data.providers if each.id == correction.provider)
    listed = next((each for each in provider.models if each.is_match(correction.model)), None)
    is_named = listed is not None and correction.model in PublicModel(provider, listed).own_names
    prices = vars(listed.get_prices(AT)) if listed is not None and is_named else {}

    assert any(prices.get(name) != amount for name, amount in correction.amounts.items())
