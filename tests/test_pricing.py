"""What a call costs: the guide's own figures, and the edges of what a name matches."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from genai_prices import data

from analytics.errors import InvalidInput
from analytics.pricing.price_list import Cost, ListedPrice, PriceList, Usage, calculate_cost
from analytics.pricing.public_list import PublicModel, is_listed_snapshot, names

AT = datetime(2025, 3, 18, 12, 0, tzinfo=UTC)
PUBLIC_ONLY = PriceList()
"""Of an installation that removed all of its prices."""


def cost(source: str = "openai", model: str | None = "gpt-4", **usage: object) -> Cost:
    return calculate_cost(**{"source": source, "model": model, "at": AT, **usage})  # type: ignore[arg-type]


def test_the_guides_example() -> None:
    answer = cost(prompt_tokens=150, completion_tokens=80)

    assert answer == Cost(
        amount_usd=Decimal("0.0093"),
        basis="priced",
        note="installation's price of gpt-4",
        price={"list": "installation", "model": "gpt-4"},
    )


@pytest.mark.parametrize(
    ("model", "per_1k_prompt", "per_1k_completion"),
    [
        ("gpt-4", "0.03", "0.06"),
        ("GPT-4 ", "0.03", "0.06"),
        ("gpt-4-2024-01-31", "0.03", "0.06"),  # a snapshot that no list has
        ("gpt-3.5-turbo", "0.0015", "0.002"),
        ("gpt-3.5-turbo-2029-12-31", "0.0015", "0.002"),
    ],
)
def test_the_installations_prices(model: str, per_1k_prompt: str, per_1k_completion: str) -> None:
    assert cost(model=model, prompt_tokens=1000).amount_usd == Decimal(per_1k_prompt)
    assert cost(model=model, completion_tokens=1000).amount_usd == Decimal(per_1k_completion)
    assert "installation" in cost(model=model).note


@pytest.mark.parametrize(
    ("model", "usd_per_million_in_and_out"),
    [
        ("gpt-3.5-turbo-0125", "2"),
        ("gpt-3.5-turbo-1106", "3"),
        ("GPT-3.5-turbo-0613", "3.5"),
        ("gpt-4-0613", "90"),
    ],
)
def test_a_snapshot_with_a_public_price_of_its_own_takes_that(
    model: str, usd_per_million_in_and_out: str
) -> None:
    answer = cost(model=model, prompt_tokens=1_000_000, completion_tokens=1_000_000)

    assert answer.amount_usd == Decimal(usd_per_million_in_and_out)
    assert answer.price["list"].startswith("genai-prices ")


def public_snapshots() -> list[tuple[str, str, str]]:
    """(source, snapshot, base name) of all that the public list has by a dated name."""
    return [
        (provider.id, name, base)
        for provider in data.providers
        for model in provider.models
        for name in sorted(PublicModel(provider, model).own_names)
        for base in list(names(name))[1:]
        if is_listed_snapshot(provider.id, name)
    ]


def test_whose_price_every_snapshot_of_the_public_list_takes() -> None:
    def list_of(source: str, snapshot: str, *priced: tuple[str, str | None]) -> str:
        prices = PriceList(
            ListedPrice(source=source, model=model, client_id=client_id, input_usd=Decimal(7))
            for model, client_id in priced
        )
        usage = Usage(prompt_tokens=1_000)
        answer = prices.cost(source=source, model=snapshot, at=AT, usage=usage, client_id="acme")
        return answer.price.get("list", "none").partition(" ")[0]

    snapshots = public_snapshots()
    assert len(snapshots) > 100
    for source, snapshot, base in snapshots:
        assert list_of(source, snapshot, (base, None)) == list_of(source, snapshot) != "installation"
        assert list_of(source, snapshot, (snapshot, None)) == "installation"
        assert list_of(source, snapshot, ("*", None)) == "installation"
        # Whoever prices all models of a provider goes by no public price of it.
        assert list_of(source, snapshot, (base, None), ("*", None)) == "installation"
        # What was agreed with a client is of the model, whatever its dated name.
        assert list_of(source, snapshot, (base, "acme")) == "client"
        assert list_of(source, snapshot, (base, "acme"), (snapshot, None)) == "client"


def test_a_base_name_goes_before_all_models_for_as_long_as_those_have_a_price() -> None:
    begin, end = datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC)
    prices = PriceList(
        [
            ListedPrice(source="openai", model="gpt-4", input_usd=Decimal(5)),
            ListedPrice(
                source="openai",
                model="*",
                input_usd=Decimal(1),
                effective_from=begin,
                effective_until=end,
            ),
        ]
    )

    def usd(model: str, at: datetime) -> Decimal:
        usage = Usage(prompt_tokens=1_000_000)
        return prices.cost(source="openai", model=model, at=at, usage=usage).amount_usd

    moments = [begin - timedelta(microseconds=1), begin, end - timedelta(microseconds=1), end]
    assert [usd("gpt-4-0613", at) for at in moments] == [30, 5, 5, 30]
    assert [usd("gpt-4", at) for at in moments] == [5, 5, 5, 5]


@pytest.mark.parametrize(
    ("source", "model", "usd_per_million_in_and_out"),
    [
        ("openai", "gpt-4o", "12.5"),
        ("openai", "gpt-4o-2024-08-06", "12.5"),
        ("openai", "gpt-4o-2029-12-31", "12.5"),  # a snapshot that no list has yet
        ("openai", "gpt-4o-mini", "0.75"),
        ("openai", "gpt-4o-mini-2024-07-18", "0.75"),
        ("openai", "gpt-4.1", "10"),
        ("openai", "gpt-4.1-mini", "2"),
        ("openai", "gpt-4-turbo", "40"),
        ("openai", "gpt-4-turbo-2024-04-09", "40"),
        ("openai", "gpt-4-1106-preview", "40"),
        ("openai", "gpt-4-32k-0613", "180"),
        ("openai", "gpt-3.5-turbo-16k-0613", "7"),
        ("azure", "gpt-4o", "12.5"),
        ("anthropic", "claude-3-5-sonnet-20241022", "18"),
        ("anthropic", "claude-3-5-sonnet-latest", "18"),
        ("bedrock", "us.anthropic.claude-3-5-sonnet-20241022-v2:0", "18"),
    ],
)
def test_the_public_list(source: str, model: str, usd_per_million_in_and_out: str) -> None:
    answer = cost(source, model, prompt_tokens=1_000_000, completion_tokens=1_000_000)

    assert (answer.amount_usd, answer.basis) == (Decimal(usd_per_million_in_and_out), "priced")
    assert "public" in answer.note


@pytest.mark.parametrize(
    ("source", "model"),
    [
        ("openai", "gpt-4-13-45"),
        ("openai", "gpt-4-1345"),  # no such month
        ("openai", "gpt-4-0631-x"),
        ("openai", "gpt-4o-unheard-of"),
        ("openai", "my-gpt-4o"),
        ("openai", "gpt-4-mini"),
        ("anthropic", "claude-3-5-sonnet-lookalike"),  # genai-prices takes anything that begins like it
        ("my-openai-imitation", "gpt-4o"),  # and any provider with "openai" in its name
        ("nobody", "gpt-4"),
        ("azurex", "gpt-4"),
        ("openai", None),
        ("openai", ""),
        ("", "gpt-4"),
        ("whisper", "whisper-large-v3"),
    ],
)
def test_an_unknown_model_is_unpriced_and_never_free(source: str, model: str | None) -> None:
    answer = cost(source, model, prompt_tokens=150, completion_tokens=80)

    assert (answer.amount_usd, answer.basis) == (Decimal(0), "unpriced")
    assert answer.note.startswith("no price is known for")


@pytest.mark.parametrize(
    ("source", "model", "usd_per_million_in_and_out"),
    [
        ("openai", "gpt-4", "90"),
        ("openai", "gpt-4-0613", "90"),
        ("openai", "gpt-3.5-turbo", "2"),
        ("openai", "gpt-3.5-turbo-0125", "2"),
        ("openai", "gpt-3.5-turbo-1106", "3"),
        ("openai", "gpt-3.5-turbo-0613", "3.5"),
        ("openai", "gpt-3.5-turbo-0301", "3.5"),
        ("groq", "llama-3.1-8b-instant", "0.13"),
        ("groq", "llama-3.1-70b-versatile", "1.38"),
        ("groq", "llama-3.3-70b-versatile", "1.38"),
        ("groq", "llama3-70b-8192", "1.38"),
        ("groq", "meta-llama/llama-4-scout-17b-16e-instruct", "0.45"),
    ],
)
def test_the_public_list_where_the_installation_has_no_price(
    source: str, model: str, usd_per_million_in_and_out: str
) -> None:
    tokens = {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}
    answer = cost(source, model, **tokens, prices=PUBLIC_ONLY)

    assert (answer.amount_usd, answer.basis) == (Decimal(usd_per_million_in_and_out), "priced")
    assert answer.price["list"].startswith("genai-prices ")


@pytest.mark.parametrize("model", ["llama-3.3-70b", "llama-unheard-of", "*"])
def test_a_model_of_groq_that_no_list_knows_is_unpriced(model: str) -> None:
    assert cost("groq", model, prompt_tokens=1, prices=PUBLIC_ONLY).basis == "unpriced"


def test_groq_is_free() -> None:
    answer = cost("Groq", "llama-3.3-70b-versatile", prompt_tokens=10**12)

    assert (answer.amount_usd, answer.basis) == (Decimal(0), "priced")


@pytest.mark.parametrize(
    ("source", "model"), [("whisper", "whisper-1"), ("openai", "whisper-1"), ("whisper", None)]
)
@pytest.mark.parametrize(
    ("duration_seconds", "usd"),
    [(60, "0.006"), (0, "0"), (0.1, "0.00001"), (Decimal("90.5"), "0.00905")],
)
def test_whisper_is_priced_by_the_minute(
    source: str, model: str | None, duration_seconds: Decimal | float, usd: str
) -> None:
    answer = cost(source, model, duration_seconds=duration_seconds, prompt_tokens=5000)

    assert (answer.amount_usd, answer.basis) == (Decimal(usd), "priced")


def test_whisper_without_a_duration_is_unpriced_whatever_the_tokens() -> None:
    answer = cost("whisper", "whisper-1", prompt_tokens=5000, tokens_estimated=True)

    assert (answer.amount_usd, answer.basis) == (Decimal(0), "unpriced")
    assert "duration_seconds is needed" in answer.note


@pytest.mark.parametrize("tokens", [0, 5000])
def test_public_audio_prices_go_by_duration(tokens: int) -> None:
    answer = cost("mistral", "voxtral-mini-2602", duration_seconds=1800, prompt_tokens=tokens)

    assert (answer.amount_usd, answer.basis) == (Decimal("0.09"), "priced")
    assert cost("mistral", "voxtral-mini-2602", prompt_tokens=5000).basis == "unpriced"


@pytest.mark.parametrize(
    ("duration_seconds", "seconds_charged"),
    [(0, 0), (0.1, 10), (9.9, 10), (10, 10), (10.1, 10.1), (3600, 3600)],
)
@pytest.mark.parametrize(
    ("model", "usd_per_hour"), [("whisper-large-v3", "0.111"), ("whisper-large-v3-turbo", "0.04")]
)
def test_groq_charges_ten_seconds_of_audio_at_the_least(
    model: str, usd_per_hour: str, duration_seconds: float, seconds_charged: float
) -> None:
    answer = cost("groq", model, duration_seconds=duration_seconds, prices=PUBLIC_ONLY)

    usd = Decimal(usd_per_hour) * Decimal(str(seconds_charged)) / 3600
    assert (answer.amount_usd, answer.basis) == (round(usd, 20), "priced")
    assert cost("groq", model, prompt_tokens=5000, prices=PUBLIC_ONLY).basis == "unpriced"


def test_the_public_list_knows_the_guides_name_for_whisper() -> None:
    answer = cost("whisper", None, duration_seconds=30, prices=PUBLIC_ONLY)

    assert (answer.amount_usd, answer.basis) == (Decimal("0.003"), "priced")
    assert answer.price["list"].startswith("genai-prices ")


def test_openais_whisper_has_no_least_charge() -> None:
    assert cost(model="whisper-1", duration_seconds=1, prices=PUBLIC_ONLY).amount_usd == Decimal("0.0001")


@pytest.mark.parametrize(
    ("source", "model", "usage", "usd_per_million_calls"),
    [
        # 600 x 2.50 + 400 cached x 1.25
        ("openai", "gpt-4o", {"prompt_tokens": 1000, "details": {"cached_tokens": 400}}, 2000),
        # 100 x 15 + 1000 x 60, reasoning like other output
        (
            "openai",
            "o1",
            {"prompt_tokens": 100, "completion_tokens": 1000, "details": {"reasoning_tokens": 900}},
            61500,
        ),
        # 100 x 2 + 100 x 8 + 900 of reasoning x 3
        (
            "perplexity",
            "sonar-deep-research",
            {"prompt_tokens": 100, "completion_tokens": 1000, "details": {"reasoning_tokens": 900}},
            3700,
        ),
        # 500 x 3 + 300 cached x 0.30 + 200 written x 3.75
        (
            "anthropic",
            "claude-3-5-sonnet-20241022",
            {"prompt_tokens": 1000, "details": {"cached_tokens": 300, "cache_write_tokens": 200}},
            2340,
        ),
        # text 400 x 2.50, audio 600 x 32; text 200 x 10, audio 300 x 64
        (
            "openai",
            "gpt-audio",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 500,
                "details": {"prompt_audio_tokens": 600, "completion_audio_tokens": 300},
            },
            41400,
        ),
        # text 300 x 5, cached 100 x 2.50; audio 400 x 40, cached 200 x 2.50; text 200 x 20, audio 300 x 80
        (
            "openai",
            "gpt-4o-realtime-preview",
            {
                "prompt_tokens": 1000,
                "completion_tokens": 500,
                "details": {
                    "prompt_audio_tokens": 600,
                    "cached_tokens": 300,
                    "cached_audio_tokens": 200,
                    "completion_audio_tokens": 300,
                },
            },
            46250,
        ),
    ],
)
def test_parts_with_prices_of_their_own(
    source: str, model: str, usage: dict[str, object], usd_per_million_calls: int
) -> None:
    answer = cost(source, model, **usage)

    assert (answer.amount_usd * 1_000_000, answer.basis) == (usd_per_million_calls, "priced")


@pytest.mark.parametrize(
    ("model", "details"),
    [
        ("gpt-4o", {"prompt_audio_tokens": 600}),
        ("gpt-4o", {"completion_audio_tokens": 5}),
        ("gpt-4", {"prompt_audio_tokens": 600}),  # nor has the installation's list one of audio
        ("gpt-audio", {"prompt_audio_tokens": 1001}),  # more than the whole
    ],
)
def test_audio_tokens_are_never_priced_as_text(model: str, details: dict[str, int]) -> None:
    answer = cost(model=model, prompt_tokens=1000, completion_tokens=10, details=details)

    assert (answer.amount_usd, answer.basis) == (Decimal(0), "unpriced")


@pytest.mark.parametrize(
    ("model", "usd"), [("gpt-4o", None), ("gpt-4", None), ("text-embedding-3-small", "0.02")]
)
def test_a_total_that_is_not_divided_has_a_price_only_where_all_tokens_cost_the_same(
    model: str, usd: str | None
) -> None:
    prices = PriceList([ListedPrice(source="openai", model="gpt-4", input_usd=Decimal(1))])

    answer = prices.cost(source="openai", model=model, at=AT, usage=Usage(total_tokens=1_000_000))

    assert (answer.amount_usd, answer.basis) == (Decimal(usd or 0), "priced" if usd else "unpriced")


@pytest.mark.parametrize(
    ("tier", "usd", "basis"),
    [
        (None, "1.25", "priced"),
        ("default", "1.25", "priced"),
        ("flex", "0.625", "priced"),
        ("batch", "0.625", "priced"),
        ("priority", "2.5", "priced"),
        ("unheard-of", "1.25", "estimated"),
    ],
)
def test_a_service_tier_has_its_own_price(tier: str | None, usd: str, basis: str) -> None:
    at = datetime(2026, 11, 1, tzinfo=UTC)
    answer = cost(model="gpt-5", prompt_tokens=1_000_000, service_tier=tier, at=at)

    assert (answer.amount_usd, answer.basis) == (Decimal(usd), basis)


@pytest.mark.parametrize("model", ["whisper-1", "*"])
def test_a_duration_is_not_free_where_the_installation_prices_tokens(model: str) -> None:
    prices = PriceList(
        [ListedPrice(source="openai", model=model, input_usd=Decimal(0), output_usd=Decimal(5))]
    )

    answer = cost(model="whisper-1", duration_seconds=30, prices=prices)

    assert (answer.amount_usd, answer.basis) == (Decimal(0), "unpriced")
    assert answer.note.endswith("is of tokens, and only a duration is known")
    assert cost(model="whisper-1", duration_seconds=30, completion_tokens=1, prices=prices).basis == "priced"


@pytest.mark.parametrize("model", ["gpt-4o", "tts-1"])
def test_a_duration_where_only_something_else_has_a_price_is_unpriced(model: str) -> None:
    assert cost(model=model, duration_seconds=30).basis == "unpriced"


def test_an_embedding_has_no_completion() -> None:
    assert cost(model="text-embedding-3-small", prompt_tokens=1_000_000).amount_usd == Decimal("0.02")
    assert cost(model="text-embedding-3-small", completion_tokens=1).basis == "unpriced"


def test_estimated_tokens_make_an_estimated_cost() -> None:
    answer = cost(prompt_tokens=150, completion_tokens=80, tokens_estimated=True)

    assert (answer.amount_usd, answer.basis) == (Decimal("0.0093"), "estimated")


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        (datetime(2025, 6, 9, 23, 59, 59, tzinfo=UTC), "50"),
        (datetime(2025, 6, 10, 0, 0, 0, tzinfo=UTC), "10"),  # the day o3 became cheaper
    ],
)
def test_the_price_is_that_of_the_time_of_the_call(at: datetime, usd: str) -> None:
    answer = cost(model="o3", prompt_tokens=1_000_000, completion_tokens=1_000_000, at=at)

    assert answer.amount_usd == Decimal(usd)


@pytest.mark.parametrize(
    ("prompt_tokens", "usd_per_million"), [(128_000, "1.25"), (128_001, "2.5"), (0, "0")]
)
def test_prices_with_tiers(prompt_tokens: int, usd_per_million: str) -> None:
    answer = cost("google", "gemini-1.5-pro", prompt_tokens=prompt_tokens)

    assert answer.amount_usd == prompt_tokens * Decimal(usd_per_million) / 1_000_000


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": -1},
        {"completion_tokens": -1},
        {"duration_seconds": -0.1},
        {"duration_seconds": float("nan")},
        {"duration_seconds": Decimal("Infinity")},
        {"at": datetime(2025, 1, 1)},  # noqa: DTZ001 - no time zone is what it is about
    ],
)
def test_quantities_that_cannot_be(usage: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        cost(**usage)  # type: ignore[arg-type]
