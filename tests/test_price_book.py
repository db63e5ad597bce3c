"""The price lists: what holds, beside the public list; a new price, its effect beforehand, and its end."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from analytics.corrections import preview_costs, select_calls
from analytics.corrections.price_changes import preview_price
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.pricing.book import PriceBook, Quote, UsedModel, load_price_book, quote
from analytics.pricing.editing import add_price, checked_price, end_price
from analytics.pricing.listed import FEES, TOKEN_PRICES, ListedPrice
from analytics.pricing.price_list import PriceList
from tests import factories
from tests.factories import NOW

TODAY = NOW.date()
UNKNOWN = {"model": "new-1", "source": "own", "cost_basis": "unpriced", "cost_usd": Decimal(0)}


def book_of(database: Database, client_id: UUID, now: datetime = NOW) -> PriceBook:
    return load_price_book(database, client_id, Days(TODAY, TODAY), now=now)


def used(database: Database, client_id: UUID, model: str | None, now: datetime = NOW) -> UsedModel:
    [found] = [each for each in book_of(database, client_id, now).used if each.model == model]
    return found


def price(client_id: UUID | None = None, **given: Any) -> ListedPrice:
    """Two dollars for input and three for output of new-1, since ever."""
    return checked_price(
        **{
            "source": "own",
            "model": "new-1",
            "unit": "1M tokens",
            "input_usd": "2",
            "output_usd": "3",
            "client_id": client_id,
            "effective_from": None,
            **given,
        }
    )


def booked(database: Database) -> list[tuple[Any, ...]]:
    [rows] = database.read(Query(statement="select cost_usd, cost_basis from usage_logs order by id"))
    return list(rows.records)


def test_the_list_begins_with_the_guide_s(database: Database, acme: UUID) -> None:
    entries = book_of(database, acme).entries

    assert {(each.price.source, each.price.model) for each in entries} == {
        ("openai", "gpt-4"),
        ("openai", "gpt-3.5-turbo"),
        ("openai", "whisper-1"),
        ("groq", "*"),
        ("whisper", "whisper-1"),
    }
    assert {each.price.client_id for each in entries} == {None}
    assert {each.price.effective_from for each in entries} == {None}


def test_each_model_with_the_list_that_decides(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database,
        factories.usage_log(acme, model="gpt-3.5-turbo"),
        factories.usage_log(acme, model="gpt-4o-mini"),
        factories.usage_log(acme, source="whisper", model="whisper-1"),
        factories.usage_log(acme, **UNKNOWN),
    )

    ours = used(database, acme, "gpt-3.5-turbo")
    assert ours.quote is not None
    assert (ours.quote.list_name, ours.quote.unit) == ("installation", "1M tokens")
    assert (ours.quote.input_usd, ours.quote.output_usd) == (Decimal("1.5"), Decimal(2))
    public = used(database, acme, "gpt-4o-mini")
    assert public.quote is not None
    assert public.quote.list_name.startswith("genai-prices ")
    assert (public.quote, public.differs) == (public.public, False)
    minute = used(database, acme, "whisper-1").quote
    assert minute is not None
    assert (minute.unit, minute.input_usd, minute.output_usd) == ("minute", Decimal("0.006"), None)
    unknown = used(database, acme, "new-1")
    assert (unknown.quote, unknown.public, unknown.unpriced_count) == (None, None, 1)
    assert book_of(database, acme).used[0] == unknown


def test_where_ours_differs_from_the_public_list(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database, factories.usage_log(acme, model="gpt-3.5-turbo"), factories.usage_log(acme)
    )

    # 1.5 / 2 against 0.5 / 1.5 dollars.
    assert used(database, acme, "gpt-3.5-turbo").ratios == (Decimal(3), Decimal(2) / Decimal("1.5"))
    assert used(database, acme, "gpt-3.5-turbo").differs
    assert not used(database, acme, "gpt-4").differs


def test_audio_by_the_minute_beside_the_public_list(database: Database, acme: UUID) -> None:
    for source, model in (("groq", "whisper-large-v3"), ("whisper", "whisper-1"), ("whisper", None)):
        factories.insert_usage(database, factories.usage_log(acme, source=source, model=model))

    free = used(database, acme, "whisper-large-v3")
    assert free.quote is not None
    assert free.public is not None
    # 0.111 dollars an hour.
    assert (free.quote.unit, free.quote.input_usd) == ("minute", 0)
    assert (free.public.unit, free.public.input_usd) == ("minute", Decimal("0.00185"))
    assert (free.ratios, free.differs) == ((0, None), True)
    for model in ("whisper-1", None):
        same = used(database, acme, model)
        assert (same.ratios, same.differs) == ((1, None), False)


def test_a_public_price_of_nothing_is_another_price_than_ours(database: Database, acme: UUID) -> None:
    one, nothing = (
        Quote(list_name="", unit="1M tokens", input_usd=Decimal(amount), output_usd=Decimal(amount))
        for amount in (1, 0)
    )
    sums = {"source": "own", "model": "x", "request_count": 1, "total_tokens": 1, "unpriced_count": 0}
    assert UsedModel(**sums, quote=one, public=nothing).differs
    assert not UsedModel(**sums, quote=one, public=one).differs
    assert not UsedModel(**sums, quote=one, public=None).differs


def test_of_one_name_the_price_that_began_last_comes_first(database: Database, acme: UUID) -> None:
    for day in (3, 1, 2):
        add_price(
            database,
            price(
                source="openai", model="gpt-4", effective_from=NOW - timedelta(days=day), input_usd=str(day)
            ),
        )

    found = [entry.price for entry in book_of(database, acme).entries if entry.price.model == "gpt-4"]
    assert [each.input_usd for each in found] == [1, 2, 3, 30]


def test_a_client_s_own_price_decides_for_it_alone(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")
    factories.insert_usage(database, factories.usage_log(acme), factories.usage_log(other))

    add_price(database, price(acme, source="openai", model="gpt-4", input_usd="7.125"))

    own, theirs = used(database, acme, "gpt-4").quote, used(database, other, "gpt-4").quote
    assert own is not None
    assert theirs is not None
    assert (own.list_name, own.input_usd, own.output_usd) == ("client", Decimal("7.125"), Decimal(3))
    assert (theirs.list_name, theirs.input_usd) == ("installation", Decimal(30))
    assert str(acme) not in {each.price.client_id for each in book_of(database, other).entries}


def test_a_price_holds_from_its_moment_on(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme, **UNKNOWN))
    add_price(database, price(acme))
    add_price(database, price(acme, input_usd="5", effective_from=NOW))

    before = used(database, acme, "new-1", NOW - timedelta(seconds=1)).quote
    after = used(database, acme, "new-1", NOW).quote

    assert before is not None
    assert after is not None
    assert (before.input_usd, after.input_usd) == (Decimal(2), Decimal(5))


def test_the_same_moment_twice_is_refused(database: Database, acme: UUID) -> None:
    add_price(database, price(acme, effective_from=NOW))

    with pytest.raises(InvalidInput, match="own new-1 has a price from that very moment already"):
        add_price(database, price(acme, effective_from=NOW, input_usd="9"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": " "}, "needs a provider and a model"),
        ({"input_usd": ""}, 'the price of input must be US dollars such as 0.15, not ""'),
        ({"input_usd": "-1"}, 'not "-1"'),
        ({"output_usd": "NaN"}, "the price of output"),
        ({"more_usd": {"cached_input_usd": "1e9"}}, "the price of cached input"),
        ({"unit": "minute"}, "a price by the minute has none for output: leave them empty"),
    ],
)
def test_what_is_no_price(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        price(**given)


def test_an_amount_keeps_all_its_digits(database: Database, acme: UUID) -> None:
    add_price(database, price(acme, input_usd=" $0.0123456789012345678 "), reference=" contract 7 ", note="")

    [entry] = [each for each in book_of(database, acme).entries if each.price.client_id]
    assert entry.price.input_usd == Decimal("0.0123456789012345678")
    assert (entry.reference, entry.note) == ("contract 7", None)


def test_a_preview_shows_the_effect_and_changes_nothing(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database,
        factories.usage_log(acme, **UNKNOWN),
        factories.usage_log(acme, **UNKNOWN, created_at=NOW - timedelta(hours=1)),
        factories.usage_log(acme, source="own", cost_basis="given", cost_usd=Decimal(4)),
        factories.usage_log(factories.client(database, "Other"), **UNKNOWN),
    )
    before = booked(database)
    new = price(acme, effective_from=NOW - timedelta(minutes=30))

    effect = preview_price(database, acme, new, Days(TODAY, TODAY))

    costs = effect.by_model["own", "new-1"]
    # 150 tokens for 2 and 80 for 3 dollars a million, of the one call after the price's beginning.
    assert (costs.booked_usd, costs.repriced_usd) == (Decimal(0), Decimal("0.00054"))
    assert (costs.changed_count, costs.unpriced_before, costs.unpriced_after) == (1, 2, 1)
    assert effect.by_model["own", "gpt-4"].repriced_usd == Decimal(4)
    assert booked(database) == before
    assert not [each for each in book_of(database, acme).entries if each.price.source == "own"]


def test_a_preview_is_what_repricing_finds_once_it_is_saved(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database,
        factories.usage_log(acme, **UNKNOWN),
        factories.usage_log(acme, **UNKNOWN | {"model": "new-1-0613"}),
    )
    effect = preview_price(database, acme, price(), Days(TODAY, TODAY))

    add_price(database, price())

    today = select_calls(database, str(acme), Days(TODAY, TODAY))
    assert preview_costs(database, today).by_model == effect.by_model
    assert effect.total.changed_count == 2


def test_a_preview_without_such_calls(database: Database, acme: UUID) -> None:
    assert preview_price(database, acme, price(), Days(TODAY, TODAY)).by_model == {}


def test_an_ended_price_stays_for_the_time_before(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme, **UNKNOWN))
    price_id = add_price(database, price(acme))

    end_price(database, price_id, NOW, client_id=acme)

    assert used(database, acme, "new-1", NOW).quote is None
    assert used(database, acme, "new-1", NOW - timedelta(seconds=1)).quote is not None
    [entry] = [each for each in book_of(database, acme).entries if each.id == price_id]
    assert entry.price.effective_until == NOW
    with pytest.raises(InvalidInput, match="has ended by 2026-03-18 12:00 UTC already"):
        end_price(database, price_id, NOW, client_id=acme)


def test_what_cannot_be_ended(database: Database, acme: UUID) -> None:
    mine = add_price(database, price(acme, effective_from=NOW))
    installation = add_price(database, price())

    with pytest.raises(InvalidInput, match="has not begun by 2026-03-18 12:00 UTC"):
        end_price(database, mine, NOW, client_id=acme)
    # Whoever may change one list may not change the other by an id.
    for price_id, client_id in ((installation, acme), (mine, None), (uuid4(), acme)):
        with pytest.raises(InvalidInput, match="no price has the id"):
            end_price(database, price_id, NOW + timedelta(days=1), client_id=client_id)


def test_other_copies_of_the_list_notice(database: Database, acme: UUID) -> None:
    revision = Query(statement="select revision from price_list")
    [first] = database.read(revision)
    price_id = add_price(database, price(acme))
    [second] = database.read(revision)
    end_price(database, price_id, datetime.now(UTC), client_id=acme)
    [third] = database.read(revision)

    assert len({rows.records[0][0] for rows in (first, second, third)}) == 3


def test_every_kind_of_a_price_is_kept(database: Database, acme: UUID) -> None:
    kinds = {name: str(number) for number, name in enumerate((*TOKEN_PRICES, *FEES), start=1)}
    whole = price(acme, more_usd=kinds, service_tier=" Batch ", above_prompt_tokens="272,000")
    others = [
        price(unit="1M characters", output_usd="", more_usd={"web_search_usd": "10"}),
        price(unit="image", output_usd="", model="draws"),
        price(input_usd="", output_usd="", discount_percent=" -12.5 % ", model="*"),
        price(acme, service_tier="default"),
    ]
    for each in (whole, *others):
        add_price(database, each)

    kept = [each.price for each in book_of(database, acme).entries if each.price.source == "own"]
    assert sorted(map(repr, kept)) == sorted(map(repr, (whole, *others)))
    assert (whole.service_tier, whole.above_prompt_tokens) == ("batch", 272_000)
    assert whole.code_run_usd == Decimal(12)
    assert others[2].discount_percent == Decimal("-12.5")
    assert others[3].service_tier is None


def test_one_price_at_a_time_of_each_tier_and_length(database: Database, acme: UUID) -> None:
    for given in ({}, {"service_tier": "batch"}, {"above_prompt_tokens": "1000"}):
        add_price(database, price(acme, **given))
        with pytest.raises(InvalidInput, match="has a price from that very moment already"):
            add_price(database, price(acme, **given))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"discount_percent": "20"}, "a discount is on the whole public price: leave all amounts empty"),
        ({"input_usd": "", "output_usd": "", "discount_percent": "101"}, 'not "101"'),
        ({"input_usd": "", "output_usd": "", "discount_percent": "much"}, "percent such as 20"),
        ({"above_prompt_tokens": "long"}, 'tokens such as 272000, not "long"'),
        (
            {"unit": "image", "output_usd": "", "more_usd": {"audio_input_usd": "1"}},
            "a price by the picture has none for audio input: leave them empty",
        ),
        (
            {"unit": "1M characters", "output_usd": "", "above_prompt_tokens": "5"},
            "a price by the character has none for long prompts",
        ),
        ({"more_usd": {"web_search_usd": "free"}}, "the price of web searches must be US dollars"),
    ],
)
def test_what_does_not_go_together(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        price(**given)


def test_what_providers_state_beside_what_was_booked(database: Database, acme: UUID) -> None:
    factories.insert_usage(
        database,
        # 0.0093 booked for each.
        factories.usage_log(acme, stated_cost_usd=Decimal("0.01")),
        factories.usage_log(acme, stated_cost_usd=Decimal("0.02")),
        factories.usage_log(acme),
        factories.usage_log(acme, model="gpt-4-0613", stated_cost_usd=Decimal("0.00931")),
        factories.usage_log(factories.client(database, "Other"), model="other", stated_cost_usd=Decimal(1)),
    )

    first, second = book_of(database, acme).stated
    assert (first.model, first.request_count) == ("gpt-4", 2)
    assert (first.stated_usd, first.booked_usd) == (Decimal("0.03"), Decimal("0.0186"))
    assert first.differs
    # A tenth of a percent is rounding.
    assert (second.model, second.differs) == ("gpt-4-0613", False)


def test_the_quote_of_each_unit(database: Database, acme: UUID) -> None:
    at = NOW
    for model, given in {
        "speaks": {"unit": "1M characters", "input_usd": "15", "output_usd": ""},
        "draws": {"unit": "image", "input_usd": "0.04", "output_usd": ""},
        "hears": {"unit": "minute", "input_usd": "0.01", "output_usd": ""},
    }.items():
        found = quote(PriceList([price(model=model, **given)]), "own", model, None, at)
        assert found is not None
        assert (found.unit, found.input_usd) == (given["unit"], Decimal(given["input_usd"]))
    discount = price(source="openai", model="gpt-4o", input_usd="", output_usd="", discount_percent="20")
    found = quote(PriceList([discount]), "openai", "gpt-4o", None, at)
    assert found is not None
    assert (found.list_name, found.input_usd, found.cached_usd, found.output_usd) == (
        *("installation", 2),
        *(1, 8),
    )
