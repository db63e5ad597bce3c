"""Usage with a price of one's own, at the public list's prices: exact, and where not that is said."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from analytics.calls.row import price_of_row
from analytics.database import Database
from analytics.days import Days
from analytics.pricing.at_list_prices import AtListPrices, OwnPriced, at_list_prices
from analytics.pricing.book import load_price_book
from analytics.pricing.price_list import DETAILS, PriceList, Usage
from analytics.pricing.stored import load_price_list
from analytics.pricing.switch import use_list
from analytics.queries import Period, load_overview
from tests import factories
from tests.factories import NOW

DAY = timedelta(days=1)
TODAY = NOW.date()
LLAMA, WHISPER, OSS = "llama-3.3-70b-versatile", "whisper-large-v3", "openai/gpt-oss-120b"


def use(database: Database, client_id: UUID, source: str, model: str | None, **columns: Any) -> None:
    """A call with the cost that it has by the list as it is."""
    log = factories.usage_log(client_id, source=source, model=model, **columns)
    with database.transaction() as connection:
        prices = load_price_list(connection)
    cost = cost_by(prices, client_id, {"metadata": None} | log)
    log |= {"cost_usd": cost.amount_usd, "cost_basis": cost.basis}
    factories.insert_usage(database, log)


def cost_by(prices: PriceList, client_id: UUID, log: dict[str, Any]) -> Any:
    usage = Usage(
        *(log["prompt_tokens"], log["completion_tokens"], log["total_tokens"], log.get("duration_seconds")),
        {name: log[name] for name in DETAILS if log.get(name) is not None},
    )
    return price_of_row(
        prices,
        client_id=client_id,
        usage=usage,
        service_tier=None,
        outcome=None,
        **{name: log[name] for name in ("source", "model", "metadata", "created_at")},
    )


def lines(database: Database, client_id: UUID, days: int = 30) -> dict[str | None, OwnPriced]:
    shown = load_overview(database, client_id, Period(days=days, last=TODAY), NOW).own_priced
    book = load_price_book(database, client_id, Days(TODAY - (days - 1) * DAY, TODAY), now=NOW)
    # One way to count.
    assert book.own_priced == shown
    return {line.model: line for line in shown}


def of(database: Database, client_id: UUID, provider: str | None = None) -> AtListPrices | None:
    overview = load_overview(database, client_id, Period(last=TODAY), NOW)
    booked = overview.summary.set_index("provider").loc[provider or "total", "total_cost"]
    return at_list_prices(overview.own_priced, booked, provider=provider)


def test_free_by_plan_and_what_it_is_at_list_prices(database: Database, acme: UUID) -> None:
    use(database, acme, "groq", LLAMA)
    use(database, acme, "openai", "gpt-3.5-turbo")
    use(database, acme, "openai", "gpt-4")  # as in public
    use(database, acme, "openai", "gpt-4o")  # priced there
    use(database, acme, "own", "new-1")  # nowhere

    assert lines(database, acme) == {
        LLAMA: OwnPriced(
            source="groq",
            model=LLAMA,
            request_count=1,
            booked_usd=Decimal(0),
            list_usd=Decimal("0.0001517"),  # 150 x 0.59 and 80 x 0.79 a million
            is_free=True,
            is_exact=True,
            unknown_count=0,
        ),
        "gpt-3.5-turbo": OwnPriced(
            source="openai",
            model="gpt-3.5-turbo",
            request_count=1,
            booked_usd=Decimal("0.000385"),
            list_usd=Decimal("0.000195"),
            is_free=False,
            is_exact=True,
            unknown_count=0,
        ),
    }
    assert str(of(database, acme, "groq")) == "free tier; $0.00015 at list prices"
    # gpt-4: 0.0093, gpt-4o: 150 x 2.5 and 80 x 10 a million
    assert of(database, acme, "openai") == AtListPrices(
        Decimal("0.000195") + Decimal("0.0093") + Decimal("0.001175"), True, True, False
    )
    assert of(database, acme, "other") is None
    assert str(of(database, acme)) == "$0.011 at list prices"


def test_audio_is_priced_by_its_length(database: Database, acme: UUID) -> None:
    audio = {"prompt_tokens": 0, "completion_tokens": 0, "duration_seconds": Decimal(90)}
    use(database, acme, "groq", WHISPER, created_at=NOW - DAY, **audio)

    assert lines(database, acme)[WHISPER].list_usd == Decimal("0.111") * 90 / 3600
    # Groq charges ten seconds at the least, which a sum of calls knows nothing of.
    assert str(of(database, acme, "groq")) == "free tier; about\N{NO-BREAK SPACE}$0.0028 at list prices"


def test_cached_tokens_count_as_such(database: Database, acme: UUID) -> None:
    use(database, acme, "groq", OSS, created_at=NOW - DAY, cached_tokens=100)

    # 50 x 0.15 and 100 x 0.075 and 80 x 0.6
    assert lines(database, acme)[OSS].list_usd == Decimal("0.0000630")
    assert str(of(database, acme, "groq")) == "free tier; $0.000063 at list prices"


def test_a_clients_own_price_counts_for_it_alone(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")
    with database.transaction() as connection:
        connection.execute(
            "insert into model_prices (client_id, source, model, input_usd, output_usd)"
            " values (%s, 'openai', 'gpt-4o', 1, 1)",
            [acme],
        )
    for client_id in (acme, other):
        use(database, client_id, "openai", "gpt-4o-2024-08-06")

    assert lines(database, acme)["gpt-4o-2024-08-06"].booked_usd == Decimal("0.00023")
    assert lines(database, other) == {}


def test_only_the_days_before_a_switch_differ(database: Database, acme: UUID) -> None:
    use(database, acme, "groq", LLAMA, created_at=NOW - DAY)
    use_list(database, "public", datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC), by="ana")
    use(database, acme, "groq", LLAMA)

    line = lines(database, acme)[LLAMA]
    assert (line.request_count, line.booked_usd, line.list_usd) == (1, 0, Decimal("0.0001517"))
    assert lines(database, acme, days=1) == {}
    assert str(of(database, acme, "groq")) == "$0.00030 at list prices"


@pytest.mark.parametrize("seed", range(3))
def test_the_sum_is_that_of_the_calls_by_the_public_list(database: Database, acme: UUID, seed: int) -> None:
    chance = random.Random(seed)
    public, expected, calls = PriceList(), Decimal(0), []
    for _ in range(40):
        source, model = chance.choice(
            [("groq", LLAMA), ("groq", OSS), ("openai", "gpt-3.5-turbo"), ("groq", WHISPER)]
        )
        prompt = chance.randrange(1, 5_000)
        facts: dict[str, Any] = {"cached_tokens": chance.randrange(prompt)} if model == OSS else {}
        if model == WHISPER:
            facts, prompt = {"duration_seconds": Decimal(chance.randrange(20, 500))}, 0
        columns = {
            "prompt_tokens": prompt,
            "completion_tokens": chance.randrange(900) if prompt else 0,
            **facts,
            "created_at": NOW - chance.randrange(1, 20) * DAY,
        }
        use(database, acme, source, model, **columns)
        log = factories.usage_log(acme, source=source, model=model, **columns) | {"metadata": None}
        calls.append(log)
        expected += cost_by(public, acme, log).amount_usd

    at_list = of(database, acme)
    assert at_list is not None
    assert abs(at_list.usd - expected) < Decimal("1e-15")
    assert (at_list.is_exact, at_list.is_whole) == (False, True)
