"""What holds of every price, whatever a call used: random usage, on models that are sold in every way."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import data
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analytics.pricing.list_corrections import CORRECTIONS
from analytics.pricing.listed import ListedPrice
from analytics.pricing.price_list import Cost, PriceList, Usage
from analytics.pricing.public_list import public_model
from analytics.pricing.sheet import Sheet

AT = datetime(2026, 11, 15, tzinfo=UTC)
ALL_KINDS = ListedPrice(
    source="own",
    model="all-kinds",
    **{
        f"{name}_usd": Decimal(price)
        for name, price in {
            **{"input": "2", "output": "8", "cached_input": "0.5", "cache_write": "2.5"},
            **{"cache_write_1h": "4", "audio_input": "30", "cached_audio": "1", "audio_output": "60"},
            **{"image_input": "5", "cached_image": "1.5", "image_output": "40", "web_search": "10"},
            **{"file_search": "2.5", "code_run": "30"},
        }.items()
    },
)
PRICES = PriceList([ALL_KINDS])
# Without a price of long prompts, where twice the tokens may cost more than twice as much.
MODELS = [
    ("own", "all-kinds"),
    *(("openai", model) for model in ("gpt-4o", "gpt-4.1", "gpt-image-1.5", "gpt-realtime", "gpt-audio")),
    ("openai", "gpt-4o-transcribe"),
    ("anthropic", "claude-opus-5"),
    ("google", "gemini-3.5-flash"),
    ("groq", "openai/gpt-oss-120b"),
]
TIERS = [None, "batch", "flex", "priority"]
# Each token and call is of exactly one of these, by the names of parts().
LEAVES = (
    *("text", "cached_text", "written", "written_1h", "audio", "cached_audio", "image", "cached_image"),
    *("answer", "reasoning", "audio_answer", "image_answer"),
    *("web_search_count", "file_search_count", "code_run_count"),
)
leaves = st.fixed_dictionaries({name: st.integers(0, 20_000) for name in LEAVES})


def parts(counts: dict[str, int]) -> Usage:
    """The usage that is made of these leaves, with all parts told."""
    n = counts
    prompt = sum(n[name] for name in LEAVES[:8])
    completion = sum(n[name] for name in LEAVES[8:12])
    details = {
        "cached_tokens": n["cached_text"] + n["cached_audio"] + n["cached_image"],
        "cached_audio_tokens": n["cached_audio"],
        "cached_image_tokens": n["cached_image"],
        "cache_write_tokens": n["written"] + n["written_1h"],
        "cache_write_1h_tokens": n["written_1h"],
        "reasoning_tokens": n["reasoning"],
        "prompt_audio_tokens": n["audio"] + n["cached_audio"],
        "prompt_image_tokens": n["image"] + n["cached_image"],
        "completion_audio_tokens": n["audio_answer"],
        "completion_image_tokens": n["image_answer"],
        **{name: n[name] for name in LEAVES[12:]},
    }
    return Usage(prompt, completion, prompt + completion, None, details)


def cost(model: tuple[str, str], tier: str | None, counts: dict[str, int]) -> Cost:
    return PRICES.cost(source=model[0], model=model[1], at=AT, usage=parts(counts), service_tier=tier)


@given(st.sampled_from(MODELS), st.sampled_from(TIERS), leaves, leaves)
@settings(max_examples=80, deadline=None)
def test_the_price_of_a_sum_is_the_sum_of_prices(
    model: tuple[str, str], tier: str | None, one: dict[str, int], other: dict[str, int]
) -> None:
    both = cost(model, tier, {name: one[name] + other[name] for name in LEAVES})
    apart = [cost(model, tier, one), cost(model, tier, other)]

    assert (both.basis == "unpriced") == any(each.basis == "unpriced" for each in apart)
    if both.basis != "unpriced":
        assert both.amount_usd == sum(each.amount_usd for each in apart)


@given(
    st.sampled_from(MODELS), st.sampled_from(TIERS), leaves, st.sampled_from(LEAVES), st.integers(1, 10_000)
)
@settings(max_examples=80, deadline=None)
def test_more_of_a_meter_never_costs_less(
    model: tuple[str, str], tier: str | None, counts: dict[str, int], leaf: str, more: int
) -> None:
    before, after = cost(model, tier, counts), cost(model, tier, {**counts, leaf: counts[leaf] + more})
    assume("unpriced" not in (before.basis, after.basis))

    assert after.amount_usd >= before.amount_usd


@given(st.sampled_from(MODELS), leaves)
@settings(max_examples=80, deadline=None)
def test_parts_cost_what_they_say_and_no_more(model: tuple[str, str], counts: dict[str, int]) -> None:
    whole = cost(model, None, counts)
    assume(whole.basis != "unpriced")
    alone = [cost(model, None, {**dict.fromkeys(LEAVES, 0), leaf: count}) for leaf, count in counts.items()]

    assert whole.amount_usd == sum(each.amount_usd for each in alone)


@given(leaves)
@settings(max_examples=60, deadline=None)
def test_every_meter_of_a_price_of_all_kinds_is_paid(counts: dict[str, int]) -> None:
    n, price = counts, ALL_KINDS
    millions = [
        *((n["text"], price.input_usd), (n["cached_text"], price.cached_input_usd)),
        *((n["written"], price.cache_write_usd), (n["written_1h"], price.cache_write_1h_usd)),
        *((n["audio"], price.audio_input_usd), (n["cached_audio"], price.cached_audio_usd)),
        *((n["image"], price.image_input_usd), (n["cached_image"], price.cached_image_usd)),
        (n["answer"] + n["reasoning"], price.output_usd),
        *((n["audio_answer"], price.audio_output_usd), (n["image_answer"], price.image_output_usd)),
    ]
    thousands = [
        (n["web_search_count"], price.web_search_usd),
        (n["file_search_count"], price.file_search_usd),
        (n["code_run_count"], price.code_run_usd),
    ]
    expected = sum(count * (usd or 0) for count, usd in millions) / Decimal(1_000_000) + sum(
        count * (usd or 0) for count, usd in thousands
    ) / Decimal(1_000)

    answer = cost(("own", "all-kinds"), None, counts)

    assert (answer.amount_usd, answer.basis) == (expected, "priced")


@given(
    st.sampled_from(MODELS), leaves, st.sets(st.sampled_from(sorted(parts(dict.fromkeys(LEAVES, 0)).details)))
)
@settings(max_examples=80, deadline=None)
def test_whatever_is_told_the_answer_says_how_sure_it_is(
    model: tuple[str, str], counts: dict[str, int], untold: set[str]
) -> None:
    whole = parts(counts)
    details = {name: count for name, count in whole.details.items() if name not in untold}
    fewer = PRICES.cost(source=model[0], model=model[1], at=AT, usage=whole._replace(details=details))

    assert fewer.amount_usd >= 0
    assert (fewer.basis != "unpriced") or (fewer.amount_usd == 0 and fewer.price["reason"])
    assert (fewer.basis != "estimated") or fewer.price["estimated"]


@given(st.sampled_from(MODELS), leaves, st.decimals(-50, 100, places=2))
@settings(max_examples=60, deadline=None)
def test_a_discount_is_off_the_whole(
    model: tuple[str, str], counts: dict[str, int], percent: Decimal
) -> None:
    assume(model[0] != "own")
    discount = ListedPrice(source=model[0], model=model[1], discount_percent=percent)
    ours = PriceList([discount]).cost(source=model[0], model=model[1], at=AT, usage=parts(counts))
    public = PriceList().cost(source=model[0], model=model[1], at=AT, usage=parts(counts))

    assert ours.basis == public.basis
    assert abs(ours.amount_usd - public.amount_usd * (1 - percent / 100)) <= Decimal("1e-18")


CORRECTED = {each.model for each in CORRECTIONS}
# Our names, the library's of the same usage, and of its price.
THEIRS = {
    "cached_tokens": ("cache_read_tokens", "cache_read_mtok"),
    "cache_write_tokens": ("cache_write_tokens", "cache_write_mtok"),
    "cache_write_1h_tokens": ("cache_write_1h_tokens", "cache_write_1h_mtok"),
    "web_search_count": ("web_searches", "web_searches_kcount"),
}
USED = {"cached_tokens": 200, "cache_write_tokens": 100, "cache_write_1h_tokens": 40, "web_search_count": 3}


def public_models() -> list[tuple[str, str]]:
    return [
        (provider.id, model.id)
        for provider in data.providers
        if provider.id in ("anthropic", "google", "groq", "openai", "openrouter", "aws", "perplexity")
        for model in provider.models
        if (found := public_model(provider.id, model.id.lower())) is not None
        and found.name == model.id
        and "search" not in model.id
        # A call that searches pays once, which the library leaves to whoever counts.
        and not found.price(AT, None).sheet.searches_once
        and model.id not in CORRECTED
    ]


@pytest.mark.parametrize("prompt_tokens", [1_000, 300_000])
def test_the_library_itself_calculates_the_same(prompt_tokens: int) -> None:
    compared = 0
    for source, model in public_models():
        found = public_model(source, model.lower())
        assert found is not None
        listed = found.price(AT, None).listed
        prices = {name for name, price in vars(listed).items() if price is not None}
        if not {"input_mtok", "output_mtok"} <= prices or "audio_hours" in prices:
            continue
        details = {name: count for name, count in USED.items() if THEIRS[name][1] in prices}
        no_others = {"completion_audio_tokens": 0, "completion_image_tokens": 0}
        usage = Usage(prompt_tokens, 500, prompt_tokens + 500, None, details | no_others)
        ours = PriceList().cost(source=source, model=model, at=AT, usage=usage)
        theirs = TheirUsage(
            input_tokens=prompt_tokens,
            output_tokens=500,
            **{THEIRS[name][0]: count for name, count in details.items()},
        )
        # An amount with more digits than are stored is rounded.
        assert abs(ours.amount_usd - listed.calc_price(theirs)["total_price"]) < Decimal("1e-19"), model
        compared += 1
    assert compared > 700


def test_each_price_of_the_public_list_has_a_meter_or_is_known_to_have_none() -> None:
    unknown = {
        (provider.id, model.id): guess
        for provider in data.providers
        for model in provider.models
        if (found := public_model(provider.id, model.id.lower())) is not None
        and isinstance(sheet := found.price(AT, None).sheet, Sheet)
        and (guess := sheet.guess)
    }

    assert {key for key, guess in unknown.items() if "no meter is known" in guess} == set()
