"""What calls cost by the price lists as they are now: which price, which days, which calls."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from analytics.calls.make import make_call
from analytics.calls.row import repriced_line
from analytics.calls.store import store_lines, store_new_lines
from analytics.corrections import ModelCosts, list_corrections, preview_costs
from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.pricing.price_list import Usage
from analytics.pricing.stored import load_price_list
from tests import factories
from tests.connections import dsn
from tests.factories import NOW
from tests.repricing import TODAY, add_price, apply, calls, corrected, costs, log, stored
from tests.test_usage_shapes import CASES

TIMEZONES = ["UTC", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Kiritimati", "Pacific/Pago_Pago"]


@pytest.fixture
def connection(database: Database) -> Iterator["psycopg.Connection[Any]"]:
    """Beside the pool."""
    with psycopg.connect(dsn(database.url), autocommit=True) as own:
        yield own


def test_a_preview_shows_booked_and_repriced_costs_and_changes_nothing(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    def rows_with_their_versions() -> list[tuple[Any, ...]]:
        return connection.execute("select xmin::text, ctid, * from usage_logs order by id").fetchall()

    add_price(connection, "new-model", "1000")
    factories.insert_usage(
        database,
        log(acme),
        log(acme, cost_usd=Decimal("0.0093")),
        log(acme, cost_usd=Decimal("7"), cost_basis="given"),
        log(acme, model="new-model", cost_usd=Decimal(0), cost_basis="unpriced"),
        log(acme, model="nobody-knows", cost_usd=Decimal("0.5")),
        log(acme, model="nobody-knows", cost_usd=Decimal(0), cost_basis="unpriced"),
        log(acme, model=None, source="groq", cost_usd=Decimal(0)),
    )
    before = rows_with_their_versions()

    repricing = preview_costs(database, calls(database, acme))

    # The largest difference first.
    assert list(repricing.by_model.items()) == [
        (
            ("openai", "new-model"),
            ModelCosts(request_count=1, repriced_usd=Decimal("0.23"), changed_count=1, unpriced_before=1),
        ),
        (
            ("openai", "gpt-4"),
            ModelCosts(
                request_count=3,
                booked_usd=Decimal("7.0293"),
                repriced_usd=Decimal("7.0186"),
                changed_count=1,
                given_count=1,
            ),
        ),
        (("groq", None), ModelCosts(request_count=1)),
        (
            ("openai", "nobody-knows"),
            ModelCosts(
                request_count=2,
                booked_usd=Decimal("0.5"),
                repriced_usd=Decimal("0.5"),
                unpriced_before=1,
                unpriced_after=1,
                kept_count=1,
            ),
        ),
    ]
    assert repricing.total == ModelCosts(
        request_count=7,
        booked_usd=Decimal("7.5293"),
        repriced_usd=Decimal("7.7486"),
        changed_count=2,
        unpriced_before=2,
        unpriced_after=1,
        given_count=1,
        kept_count=1,
    )
    assert rows_with_their_versions() == before
    assert list_corrections(database) == []


def test_an_unpriced_call_gets_its_price_once_there_is_one(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    call = log(acme, model="brand-new", cost_usd=None, metadata={"price": {"reason": "no price is known"}})
    factories.insert_usage(database, call)

    assert apply(database, acme).correction is None
    add_price(connection, "brand-new", "1000")
    apply(database, acme)

    ((cost, basis, metadata),) = stored(connection, call["id"])
    assert (Decimal(cost), basis) == (Decimal("0.23"), "priced")
    assert metadata == '{"price": {"list": "installation", "model": "brand-new"}}'
    assert connection.execute("select cost_usd, unpriced_count from usage_daily").fetchall() == [
        (Decimal("0.23"), 0)
    ]


def test_a_cost_that_only_the_provider_stated_gives_way_to_a_price(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    made = make_call(
        load_price_list(connection),
        acme,
        "openai",
        "new-model",
        usage=Usage(1_000_000, 0),
        stated_cost_usd=3,
        created_at=NOW,
    )
    with database.transaction() as other:
        store_new_lines(other, [made.line])
    kept = "select cost_usd, cost_basis, stated_cost_usd from usage_logs"
    assert connection.execute(kept).fetchall() == [(3, "given", 3)]
    assert apply(database, acme).correction is None

    add_price(connection, "new-model", "1000")
    apply(database, acme)
    assert connection.execute(kept).fetchall() == [(1000, "priced", 3)]


def test_what_a_subscription_pays_is_corrected_by_no_price(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    prices = load_price_list(connection)
    told = {"usage": Usage(1_000_000, 0), "stated_cost_usd": 3, "created_at": NOW, "response_id": "r1"}
    made = make_call(prices, acme, "openai", "new-model", plan="max", **told)  # type: ignore[arg-type]
    with database.transaction() as other:
        store_new_lines(other, [made.line])
    add_price(connection, "new-model", "1000")
    kept = "select cost_usd, cost_basis, stated_cost_usd from usage_logs"
    assert preview_costs(database, calls(database, acme)).total.given_count == 1

    assert apply(database, acme).correction is None
    # Who tells of the same call, and knows of no subscription, does not change that.
    again = make_call(prices, acme, "openai", "new-model", **told, attempt=2)  # type: ignore[arg-type]
    assert repriced_line(made.line, load_price_list(connection)) == made.line
    with database.transaction() as other:
        assert store_lines(other, [again.line]).updated
    assert connection.execute(kept).fetchall() == [(0, "plan", 3)]


def test_an_effective_date_divides_the_calls_of_a_model(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    add_price(connection, "gpt-4", "1000", effective_from=NOW)
    before, after = log(acme, created_at=NOW - timedelta(microseconds=1)), log(acme, created_at=NOW)
    factories.insert_usage(database, before, after)

    apply(database, acme)

    assert list(map(Decimal, costs(connection, before, after))) == [Decimal("0.0093"), Decimal("0.23")]


def test_a_client_has_its_own_prices(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    other = factories.client(database, name="Other")
    add_price(connection, "gpt-4", "1000", client_id=acme)
    mine, theirs = log(acme), log(other)
    factories.insert_usage(database, mine, theirs)

    apply(database, acme)

    assert list(map(Decimal, costs(connection, mine, theirs))) == [Decimal("0.23"), Decimal("0.02")]
    apply(database, other)
    assert list(map(Decimal, costs(connection, mine, theirs))) == [Decimal("0.23"), Decimal("0.0093")]


def test_only_calls_of_a_source_or_model(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    ours, dated, groq = log(acme), log(acme, model="gpt-4-0613"), log(acme, source="groq")
    factories.insert_usage(database, ours, dated, groq)

    by_model = corrected(database, acme, model="gpt-4", source=" OpenAI")
    by_source = corrected(database, acme, source="openai")

    assert (by_model.source, by_model.model, by_model.request_count) == ("openai", "gpt-4", 1)
    assert (by_source.source, by_source.model, by_source.request_count) == ("openai", None, 1)
    assert costs(connection, groq) == ["0.02"]


@pytest.mark.parametrize("timezone", TIMEZONES)
def test_days_are_those_of_the_client(
    database: Database, connection: "psycopg.Connection[Any]", timezone: str
) -> None:
    client_id = factories.client(database, timezone=timezone)
    midnight = connection.execute("select %s::date::timestamp at time zone %s::text", [TODAY, timezone])
    ((begin,),) = midnight.fetchall()
    end, moment = begin + timedelta(days=1), timedelta(microseconds=1)
    rows = [log(client_id, created_at=at) for at in (begin - moment, begin, end - moment, end)]
    factories.insert_usage(database, *rows)

    outcome = apply(database, client_id)

    assert [cost == "0.02" for cost in costs(connection, *rows)] == [True, False, False, True]
    assert outcome.repricing.total.request_count == 2
    assert connection.execute(
        "select request_count from usage_daily where client_id = %s and usage_date = %s", [client_id, TODAY]
    ).fetchone() == (2,)


def test_estimated_tokens_stay_estimated_whoever_said_so(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    ours = log(acme, cost_basis="estimated", metadata={"tokens_estimated": True})
    theirs = log(acme, cost_basis="estimated")
    factories.insert_usage(database, ours, theirs)

    apply(database, acme)

    assert connection.execute("select distinct cost_usd, cost_basis from usage_logs").fetchall() == [
        (Decimal("0.0093"), "estimated")
    ]
    assert apply(database, acme).correction is None


def test_a_price_that_was_estimated_for_want_of_the_tiers_own_is_no_longer(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    row = log(acme, cost_basis="estimated", metadata={"service_tier": "new"})
    factories.insert_usage(database, row)
    connection.execute(
        "insert into model_prices (source, model, service_tier, input_usd, output_usd)"
        " values ('openai', 'gpt-4', 'new', 30, 60)"
    )

    apply(database, acme)

    ((cost, basis, _),) = stored(connection, row["id"])
    assert (Decimal(cost), basis) == (Decimal("0.0093"), "priced")


def test_what_cannot_be_priced_keeps_its_cost(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    # Adopted tables may hold such rows.
    connection.execute("alter table usage_logs drop constraint usage_logs_tokens_are_not_negative")
    rows = [
        log(acme, prompt_tokens=-1),
        log(acme, metadata={"usage_missing": "the stream was cut"}),
        log(acme, source="whisper", model="whisper-1"),
    ]
    factories.insert_usage(database, *rows)

    outcome = apply(database, acme)

    assert costs(connection, *rows) == ["0.02"] * 3
    assert outcome.repricing.total.kept_count == 3


def test_metadata_that_means_something_else_is_passed_over(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    row = log(acme, metadata={"duration_seconds": "long", "cached_tokens": -1, "service_tier": ""})
    factories.insert_usage(database, row)

    apply(database, acme)

    assert list(map(Decimal, costs(connection, row))) == [Decimal("0.0093")]


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (date(2026, 3, 19), TODAY, "2026-03-19 is after 2026-03-18: give the earlier day first"),
        (date(1999, 12, 31), TODAY, "^1999-12-31 is not in the years 2000 to 2099$"),
        (TODAY, date(9999, 12, 31), "^9999-12-31 is not in the years 2000 to 2099$"),
    ],
)
def test_impossible_days(database: Database, acme: UUID, first: date, last: date, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        calls(database, acme, first, last)


def test_clients_that_cannot_be_meant(database: Database, acme: UUID) -> None:
    with pytest.raises(UnknownClient, match=r'no client is called "Acne" in .*: the clients .* are "Acme"'):
        calls(database, "Acne")
    factories.client(database)
    with pytest.raises(InvalidInput, match=rf'2 clients are called "Acme": give the id instead, .*{acme}'):
        calls(database, "Acme")


def test_no_calls_to_price(database: Database, acme: UUID) -> None:
    def error(**only: Any) -> str:
        with pytest.raises(InvalidInput) as found:
            preview_costs(database, calls(database, acme, **only))
        return str(found.value)

    assert error() == '"Acme" has no calls: log or import some first'

    factories.insert_usage(
        database, log(acme), log(acme, model=None, source="groq", created_at=NOW + timedelta(days=1))
    )

    assert error(model="gpt-5", source="openai") == (
        '"Acme" has no calls from 2026-03-18 to 2026-03-18 of openai gpt-5: it has some of openai gpt-4'
    )
    yesterday = TODAY - timedelta(days=1)
    assert error(first=yesterday, last=yesterday) == (
        '"Acme" has no calls from 2026-03-17 to 2026-03-17: '
        "its first one is of 2026-03-18, its last one of 2026-03-19"
    )
    with pytest.raises(InvalidInput, match='"Acme" has no calls from 2026-03-17'):
        apply(database, acme, first=yesterday, last=yesterday)


def test_an_unchanged_list_changes_no_call_of_any_kind(
    database: Database, acme: UUID, connection: "psycopg.Connection[Any]"
) -> None:
    prices = load_price_list(connection)
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    kinds: list[dict[str, Any]] = [
        {"source": case.source, "model": case.model, "usage": case.make()} for case in CASES
    ]
    of_openai = {"source": "openai", "model": "gpt-5"}
    kinds += [
        {**of_openai, "outcome": outcome, "usage": told, "service_tier": tier}
        for outcome in (None, "ok", "error", "refused", "cut")
        for told in (None, usage, {"prompt_tokens": -1, "tomorrow": 5})
        for tier in (None, "Batch", "scale")
    ]
    kinds += [
        {**of_openai, "usage": usage, **more}
        for more in (
            {"tokens_estimated": True},
            {"cost_usd": 1},
            {"stated_cost_usd": 1},
            {"source": "ours", "stated_cost_usd": 1},
            {"model": None},
            # What applications keep for themselves, by names that are columns, too.
            {"metadata": {"service_tier": "batch", "cached_tokens": 50, "operation": "invoice"}},
            {"metadata": {"duration_seconds": 3.5, "web_search_count": 2}},
            {"metadata": {"usage_missing": "nothing", "usage_not_understood": {}}},
            {"metadata": {"tokens_estimated": True}},
        )
    ]
    lines = [
        make_call(prices, acme, id=f"call {number}", created_at=NOW, **kind).line
        for number, kind in enumerate(kinds)
    ]
    with database.transaction() as writing:
        assert store_new_lines(writing, lines).stored == len(kinds)

    assert apply(database, acme).correction is None
