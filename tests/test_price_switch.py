"""The installation's list: the guide's or the public one, from a moment on, and back without a trace."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from analytics.corrections import apply_correction, select_calls, undo_correction
from analytics.corrections.price_changes import preview_days, preview_switch
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.pricing.editing import add_price, checked_price
from analytics.pricing.price_list import GUIDE_PRICES, PriceList, Usage
from analytics.pricing.stored import load_price_list, read_entries
from analytics.pricing.switch import (
    ListInUse,
    ListName,
    list_in_use,
    use_list,
)
from tests import factories
from tests.factories import NOW

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
TODAY = NOW.date()
MODELS = [
    ("groq", "llama-3.3-70b-versatile"),
    ("groq", "whisper-large-v3"),
    ("openai", "gpt-4"),
    ("openai", "gpt-3.5-turbo"),
    ("openai", "gpt-3.5-turbo-1106"),
    ("openai", "gpt-4o-mini"),
    ("openai", "whisper-1"),
    ("whisper", "whisper-1"),
    ("own", "new-1"),
]
MOMENTS = [NOW + number * DAY + offset for number in range(-3, 4) for offset in (-MOMENT, 0 * MOMENT)]


def rows(database: Database) -> list[tuple[Any, ...]]:
    """All that prices calls."""
    statement = """
        select
            client_id, source, model, unit, input_usd::text, cached_input_usd::text, output_usd::text,
            effective_from::text, effective_until::text, reference
        from model_prices
        order by client_id, source, model, effective_from
    """
    [found] = database.read(Query(statement=statement))
    return list(found.records)


def loaded(database: Database) -> PriceList:
    with database.transaction() as connection:
        return load_price_list(connection)


def in_use(database: Database, at: datetime) -> ListInUse:
    with database.transaction() as connection:
        return list_in_use(read_entries(connection), at)


def costs(prices: PriceList, client_id: UUID | None = None) -> list[Any]:
    usage = Usage(1_000, 500, 1_500, Decimal(90))
    return [
        prices.cost(source=source, model=model, at=at, usage=usage, client_id=client_id)
        for source, model in MODELS
        for at in MOMENTS
    ]


def own_price(database: Database, **given: Any) -> None:
    price = checked_price(
        **{"source": "openai", "model": "gpt-4", "unit": "1M tokens", "input_usd": "25", "output_usd": "50",
           "client_id": None, "effective_from": NOW - 2 * DAY, **given}
    )  # fmt: skip
    add_price(database, price)


def test_the_public_list_decides_from_the_moment_on(database: Database) -> None:
    use_list(database, "public", NOW, by="ana")

    guide, public, now = PriceList(GUIDE_PRICES), PriceList(), loaded(database)
    for source, model in MODELS:
        for at in MOMENTS:
            asked: dict[str, Any] = {
                "source": source,
                "model": model,
                "at": at,
                "usage": Usage(1_000, 500, 1_500, Decimal(90)),
            }
            assert now.cost(**asked) == (guide if at < NOW else public).cost(**asked)
    assert in_use(database, NOW).name == "public"
    assert (in_use(database, NOW).since, in_use(database, NOW).own) == (NOW, [])
    before = in_use(database, NOW - MOMENT)
    assert (before.name, before.since, before.until, len(before.guide)) == ("guide", None, NOW, 5)


@pytest.mark.parametrize("first", ["public", "guide"])
def test_there_and_back_at_one_moment_leaves_no_trace(
    database: Database, acme: UUID, first: ListName
) -> None:
    own_price(database)
    own_price(database, model="gpt-3.5-turbo", client_id=acme)
    if first == "guide":
        use_list(database, "public", NOW - DAY, by="ana")
    before, costs_before = rows(database), costs(loaded(database), acme)

    for name in ("public", "guide") if first == "public" else ("guide", "public"):
        use_list(database, name, NOW, by="ana")
        assert (rows(database) == before) == (name != first)

    assert costs(loaded(database), acme) == costs_before


def test_after_any_switches_each_moment_goes_by_the_last_one_that_concerns_it(database: Database) -> None:
    guide, public = PriceList(GUIDE_PRICES), PriceList()
    chance = random.Random(9)
    switches: list[tuple[ListName, datetime]] = []
    for _ in range(12):
        switch: tuple[ListName, datetime] = (
            chance.choice(["guide", "public"]),
            NOW + chance.randrange(-3, 4) * DAY,
        )
        switches.append(switch)
        use_list(database, *switch, by="ana")

        now = loaded(database)
        for at in MOMENTS:
            decided = [name for name, since in switches if since <= at]
            expected = public if decided and decided[-1] == "public" else guide
            asked: dict[str, Any] = {"source": "openai", "model": "gpt-3.5-turbo", "at": at}
            assert now.cost(**asked, usage=Usage(1)) == expected.cost(**asked, usage=Usage(1)), switches
            assert in_use(database, at).name == ("public" if expected is public else "guide")
        assert use_list(database, *switch, by="ana").changes == []


def test_prices_of_one_s_own_stay(database: Database, acme: UUID) -> None:
    own_price(database)
    own_price(database, model="gpt-4o", client_id=acme)

    switch = use_list(database, "public", NOW, by="ana")
    assert [(price.source, price.model) for price in switch.own] == [("openai", "gpt-4")]
    assert [price.input_usd for price in in_use(database, NOW).own] == [25]
    # It would go before the own one, as it would begin later.
    use_list(database, "guide", NOW + DAY, by="bob")

    at = NOW + 2 * DAY
    usage = Usage(1_000_000)
    prices = loaded(database)
    assert prices.cost(source="openai", model="gpt-4", at=at, usage=usage).amount_usd == 25
    assert prices.cost(source="openai", model="gpt-4o", at=at, usage=usage, client_id=acme).amount_usd == 25
    assert prices.cost(source="groq", model="x", at=at, usage=usage).basis == "priced"


def test_who_did_it_is_kept(database: Database) -> None:
    use_list(database, "public", NOW, by=" ana ")
    use_list(database, "guide", NOW + DAY, by="bob")

    [found] = database.read(Query(statement="select distinct note from model_prices order by note"))
    assert found.records == [("ended by ana",), ("used from then on by bob",)]
    with pytest.raises(
        InvalidInput, match="a switch is stored with the name of who makes it, which cannot be ''"
    ):
        use_list(database, "public", NOW, by=" ")


def test_the_preview_says_what_repricing_then_books_and_all_of_it_is_undone(
    database: Database, acme: UUID
) -> None:
    for source, model, cost in (
        ("groq", "llama-3.3-70b-versatile", "0"),
        ("openai", "gpt-3.5-turbo", "0.000385"),
        ("openai", "gpt-4", "0.0093"),
    ):
        for at in (NOW - DAY, NOW):
            row = factories.usage_log(
                acme, source=source, model=model, cost_usd=Decimal(cost), created_at=at,
                metadata={"price": {"list": "installation", "model": model}},
            )  # fmt: skip
            factories.insert_usage(database, row)
    calls_statement = Query(
        statement="select id, cost_usd::text, cost_basis, metadata::text from usage_logs order by id"
    )
    [booked] = database.read(calls_statement)
    prices = rows(database)

    midnight = datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC)
    preview = preview_switch(database, acme, "public", midnight, Days(TODAY - DAY, TODAY))
    # 150 x 0.59 + 80 x 0.79, and 150 x 0.5 + 80 x 1.5, a million each; of one of the two days.
    assert preview.total.difference_usd == Decimal("0.0001517") + Decimal("0.000195") - Decimal("0.000385")
    assert preview.total.changed_count == 2
    assert rows(database) == prices

    use_list(database, "public", midnight, by="ana")
    assert database.read(calls_statement)[0].records == booked.records
    outcome = apply_correction(
        database, select_calls(database, str(acme), Days(TODAY - DAY, TODAY)), by="ana", reason="paid plan"
    )
    assert outcome.repricing.total == preview.total

    assert outcome.correction is not None
    undo_correction(database, str(outcome.correction.id), by="ana")
    use_list(database, "guide", midnight, by="ana")
    assert database.read(calls_statement)[0].records == booked.records
    assert rows(database) == prices


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOW - 3 * DAY, (Days(TODAY - 3 * DAY, TODAY), NOW - 3 * DAY)),
        (NOW, (Days(TODAY - 29 * DAY, TODAY), datetime(2026, 2, 17, tzinfo=UTC))),
        (NOW + DAY, (Days(TODAY - 29 * DAY, TODAY), datetime(2026, 2, 17, tzinfo=UTC))),
    ],
)
def test_the_days_that_a_switch_concerns(at: datetime, expected: tuple[Any, ...]) -> None:
    assert preview_days(at, "UTC", NOW) == expected
