"""The prices in the database: from when until when, whose go first, who sees which, and when they changed."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from analytics.database import Database
from analytics.errors import DatabaseError
from analytics.migrations import SQL_DIRECTORY, apply_migrations
from analytics.pricing.price_list import DEFAULT_PRICES, Cost, PriceList, Usage
from analytics.pricing.stored import load_price_list
from tests import factories, repricing
from tests.factories import NOW
from tests.test_row_level_security import reading_as

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
MILLION = 1_000_000


def insert_price(database: Database, **columns: Any) -> None:
    """A price for input of a model that no list has, unless `columns` say otherwise."""
    row = {"source": "openai", "model": "new-model", "input_usd": 1, **columns}
    with database.transaction() as connection:
        connection.execute(
            sql.SQL("insert into model_prices ({}) values ({})").format(
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(sql.Placeholder(name) for name in row),
            ),
            row,
        )


def execute(database: Database, statement: str) -> None:
    with database.transaction() as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def loaded(database: Database) -> PriceList:
    with database.transaction() as connection:
        return load_price_list(connection)


def revision(database: Database) -> str:
    with database.transaction() as connection:
        ((found,),) = connection.execute("select revision::text from price_list").fetchall()
    return str(found)


def stored_prices(database: Database) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return connection.execute("select model_prices::text from model_prices order by id").fetchall()


def cost_of_a_million(
    prices: PriceList,
    model: str = "new-model",
    client_id: UUID | None = None,
    at: datetime = NOW,
    source: str = "openai",
) -> str | None:
    """US dollars of a million tokens of input; None where there is no price."""
    cost = prices.cost(source=source, model=model, at=at, usage=Usage(MILLION), client_id=client_id)
    return None if cost.basis == "unpriced" else f"{cost.amount_usd.normalize():f}"


def test_an_installation_begins_with_the_list_of_the_guide(database: Database) -> None:
    with database.transaction() as connection:
        rows = connection.execute("""
            select
                source, model, unit, input_usd::text, cached_input_usd::text, output_usd::text,
                client_id, effective_from::text, effective_until::text
            from model_prices
            order by source, model
        """).fetchall()

    assert [row[:6] for row in rows] == [
        ("groq", "*", "1M tokens", "0", None, "0"),
        ("openai", "gpt-3.5-turbo", "1M tokens", "1.5", None, "2"),
        ("openai", "gpt-4", "1M tokens", "30", None, "60"),
        ("openai", "whisper-1", "minute", "0.006", None, "0"),
        ("whisper", "whisper-1", "minute", "0.006", None, "0"),
    ]
    assert {row[6:] for row in rows} == {(None, "-infinity", "infinity")}


def test_the_default_prices_are_those_that_the_migration_inserts(database: Database) -> None:
    assert loaded(database)._prices == DEFAULT_PRICES._prices


def test_the_guides_example(database: Database, acme: UUID) -> None:
    cost = loaded(database).cost(
        source="openai", model="gpt-4", at=NOW, usage=Usage(150, 80, 230), client_id=acme
    )

    assert cost == Cost(
        amount_usd=Decimal("0.0093"),
        basis="priced",
        note="installation's price of gpt-4",
        price={"list": "installation", "model": "gpt-4"},
    )


@pytest.mark.parametrize(
    "change",
    [
        "delete from model_prices where source = 'groq'",
        "update model_prices set input_usd = 7",
        "truncate model_prices",
    ],
)
def test_what_somebody_removed_or_changed_stays_so_when_the_migration_runs_again(
    database: Database, change: str
) -> None:
    execute(database, change)
    before = stored_prices(database), revision(database)

    apply_migrations(database)
    # As somebody who pastes it into Supabase's editor once more; apply_migrations knows what it did.
    execute(
        database,
        (SQL_DIRECTORY / "migrations" / "012_prices_and_corrections.sql").read_text(encoding="utf-8"),
    )

    assert (stored_prices(database), revision(database)) == before


@pytest.mark.parametrize(
    ("at", "usd"),
    [
        (JANUARY - MOMENT, None),
        (JANUARY, "1"),
        (JANUARY.astimezone(timezone(timedelta(hours=-3))), "1"),
        (FEBRUARY - MOMENT, "1"),
        (FEBRUARY, None),
    ],
)
def test_a_price_holds_from_its_first_moment_until_just_before_its_last(
    database: Database, at: datetime, usd: str | None
) -> None:
    insert_price(database, effective_from=JANUARY, effective_until=FEBRUARY)

    assert cost_of_a_million(loaded(database), at=at) == usd


@pytest.mark.parametrize(("at", "usd"), [(FEBRUARY - MOMENT, "30"), (FEBRUARY, "7")])
def test_a_new_price_takes_over_at_its_first_moment(database: Database, at: datetime, usd: str) -> None:
    insert_price(database, model="gpt-4", input_usd=7, effective_from=FEBRUARY)

    assert cost_of_a_million(loaded(database), "gpt-4", at=at) == usd


@pytest.mark.parametrize(
    ("effective_from", "effective_until"),
    [
        ("-infinity", "9999-12-31 23:59:59-03"),
        ("4713-01-01 BC", "12000-01-01"),
        ("0001-01-01+14", "infinity"),
    ],
)
def test_moments_beyond_pythons_calendar_are_for_ever(
    database: Database, effective_from: str, effective_until: str
) -> None:
    insert_price(database, effective_from=effective_from, effective_until=effective_until)

    with database.transaction() as connection:
        connection.execute("set local timezone = 'Asia/Tokyo'")
        prices = load_price_list(connection)

    cost = prices.cost(source="openai", model="new-model", at=NOW, usage=Usage(MILLION, 0, MILLION))
    assert cost.amount_usd == 1


@pytest.mark.parametrize("is_reversed", [False, True])
def test_of_prices_that_hold_at_once_the_one_that_began_last_goes(
    database: Database, is_reversed: bool
) -> None:
    rows: list[dict[str, Any]] = [
        {"input_usd": 1},
        {"input_usd": 2, "effective_from": JANUARY},
        {"input_usd": 3, "effective_from": JANUARY + 7 * MOMENT, "effective_until": FEBRUARY},
    ]
    for row in reversed(rows) if is_reversed else rows:
        insert_price(database, **row)

    prices = loaded(database)

    moments = [JANUARY - MOMENT, JANUARY, JANUARY + 7 * MOMENT, FEBRUARY - MOMENT, FEBRUARY]
    assert [cost_of_a_million(prices, at=at) for at in moments] == ["1", "2", "3", "3", "2"]


def test_a_clients_own_price_goes_before_the_installations(database: Database, acme: UUID) -> None:
    other = factories.client(database, "Other")
    insert_price(database, model="gpt-4", client_id=acme, input_usd=20, effective_from=FEBRUARY)
    # Even where the installation's is of the model itself, and began later.
    insert_price(database, model="*", client_id=other, input_usd=5)
    insert_price(database, model="gpt-4", input_usd=25, effective_from=FEBRUARY)

    prices = loaded(database)

    def usd(client_id: UUID | None) -> list[str | None]:
        return [cost_of_a_million(prices, "gpt-4", client_id, at) for at in (FEBRUARY - MOMENT, FEBRUARY)]

    assert usd(acme) == ["30", "20"]
    assert usd(other) == ["5", "5"]
    assert usd(None) == usd(uuid4()) == ["30", "25"]


def test_whose_price_it_was_is_told(database: Database, acme: UUID) -> None:
    insert_price(database, model="*", client_id=acme, input_usd=5)

    cost = loaded(database).cost(source="openai", model="gpt-4", at=NOW, usage=Usage(1), client_id=acme)

    assert cost.note == "client's price of all models of openai"
    assert cost.price == {"list": "client", "model": "*"}


def test_a_models_own_price_goes_before_that_of_its_base_name_and_of_all(database: Database) -> None:
    insert_price(database, model="*", input_usd=1)
    insert_price(database, model="new-model", input_usd=2)
    insert_price(database, model="new-model-0613", input_usd=3)

    prices = loaded(database)

    names = ["new-model-0613", "new-model-0314", "new-model", "new-model-mini", "gpt-4o"]
    assert [cost_of_a_million(prices, name) for name in names] == ["3", "2", "2", "1", "1"]
    assert cost_of_a_million(prices, "new-model", source="azure") is None


def test_what_no_row_covers_is_priced_by_the_public_list(database: Database) -> None:
    execute(database, "delete from model_prices")

    prices = loaded(database)

    assert cost_of_a_million(prices, "gpt-3.5-turbo") == "0.5"
    assert cost_of_a_million(prices, "llama-3.3-70b-versatile", source="groq") == "0.59"
    assert cost_of_a_million(prices) is None


def test_a_price_of_a_minute(database: Database) -> None:
    insert_price(database, unit="minute", input_usd=Decimal("0.12"))

    def cost(usage: Usage) -> Cost:
        return loaded(database).cost(source="openai", model="new-model", at=NOW, usage=usage)

    assert cost(Usage(duration_seconds=Decimal("90.5"))).amount_usd == Decimal("0.181")
    assert cost(Usage(MILLION)).basis == "unpriced"


@pytest.mark.parametrize(
    ("cached_input_usd", "usd"),
    [
        (Decimal("0.5"), "0.0019"),  # 600 x 2 + 400 x 0.5 + 50 x 10
        (Decimal(0), "0.0017"),
        (None, "0.0025"),
    ],
)
def test_a_price_of_cached_input(database: Database, cached_input_usd: Decimal | None, usd: str) -> None:
    insert_price(database, input_usd=2, cached_input_usd=cached_input_usd, output_usd=10)

    usage = Usage(1000, 50, 1050, details={"cached_tokens": 400})
    cost = loaded(database).cost(source="openai", model="new-model", at=NOW, usage=usage)

    assert (cost.amount_usd, cost.basis) == (Decimal(usd), "priced")


ARE_AMOUNTS = "model_prices_are_amounts"
ARE_LOWER_CASE = "model_prices_names_are_lower_case"
ENDS_AFTER_IT_BEGINS = "model_prices_ends_after_it_begins"
MINUTES_ARE_INPUT = "model_prices_kinds_are_of_tokens"


@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        *[
            ({column: Decimal(impossible)}, ARE_AMOUNTS)
            for column in ("input_usd", "cached_input_usd", "output_usd")
            for impossible in ("-0.01", "NaN", "Infinity", "-Infinity")
        ],
        ({"unit": "1K tokens"}, "model_prices_unit_is_known"),
        ({"model": "GPT-4"}, ARE_LOWER_CASE),
        ({"model": " gpt-4"}, ARE_LOWER_CASE),
        ({"model": ""}, ARE_LOWER_CASE),
        ({"source": "OpenAI"}, ARE_LOWER_CASE),
        ({"source": "openai "}, ARE_LOWER_CASE),
        ({"source": ""}, ARE_LOWER_CASE),
        ({"effective_from": FEBRUARY, "effective_until": JANUARY}, ENDS_AFTER_IT_BEGINS),
        ({"effective_from": FEBRUARY, "effective_until": FEBRUARY}, ENDS_AFTER_IT_BEGINS),
        ({"unit": "minute", "output_usd": 1}, MINUTES_ARE_INPUT),
        ({"unit": "minute", "cached_input_usd": 1}, MINUTES_ARE_INPUT),
        ({"client_id": uuid4()}, "model_prices_client_id_fkey"),
    ],
)
def test_prices_that_cannot_be_are_refused(
    database: Database, columns: dict[str, Any], constraint: str
) -> None:
    before = stored_prices(database), revision(database)

    with pytest.raises(DatabaseError, match=f'"{constraint}"'):
        insert_price(database, **columns)

    assert (stored_prices(database), revision(database)) == before


@pytest.mark.parametrize(
    "columns",
    [
        {"model": "gpt-4"},  # of the installation, from the beginning of time
        {"effective_from": JANUARY, "effective_until": FEBRUARY},
    ],
)
@pytest.mark.parametrize("is_clients", [False, True])
def test_a_second_price_from_the_same_moment_is_refused(
    database: Database, acme: UUID, columns: dict[str, Any], is_clients: bool
) -> None:
    row = {**columns, "client_id": acme if is_clients else None, "input_usd": 1}
    with database.transaction() as connection:
        connection.execute("delete from model_prices")
    insert_price(database, **row)

    with pytest.raises(DatabaseError, match='"model_prices_one_price_at_a_time"'):
        insert_price(database, **row | {"input_usd": 2, "effective_until": "infinity"})
    # Of somebody else, or from another moment on, it is another price.
    insert_price(database, **row | {"client_id": None if is_clients else acme})
    insert_price(database, **row | {"effective_from": JANUARY - MOMENT})


@pytest.mark.parametrize(
    "change",
    [
        "insert into model_prices (source, model, input_usd) values ('openai', 'gpt-7', 1)",
        "update model_prices set input_usd = 31 where model = 'gpt-4'",
        "delete from model_prices where source = 'groq'",
        "truncate model_prices",
        "delete from clients",  # and with them their prices
    ],
)
def test_the_revision_is_another_after_each_change(database: Database, acme: UUID, change: str) -> None:
    insert_price(database, client_id=acme)
    before = revision(database), stored_prices(database)

    execute(database, change)

    assert stored_prices(database) != before[1]
    assert revision(database) != before[0]


def test_the_revision_stays_while_prices_do(database: Database, acme: UUID) -> None:
    before = revision(database)

    factories.insert_usage(database, factories.usage_log(acme))
    repricing.correct_a_call(database, acme)
    database.fold()
    with database.transaction() as connection:
        connection.execute("update model_prices set input_usd = 31")
        raise psycopg.Rollback

    assert loaded(database).revision == revision(database) == before


def test_a_copy_can_be_told_from_what_came_after_it(database: Database) -> None:
    copy = loaded(database)

    insert_price(database, input_usd=2)

    newer = loaded(database)
    assert newer.revision == revision(database) != copy.revision
    assert (cost_of_a_million(copy), cost_of_a_million(newer)) == (None, "2")


def test_whoever_may_change_prices_renews_the_revision(role: sql.Identifier, database: Database) -> None:
    before = revision(database)
    with database.transaction() as connection:
        connection.execute(sql.SQL("grant insert on model_prices to {}").format(role))
        connection.execute(
            sql.SQL("create policy own on model_prices for insert to {} with check (true)").format(role)
        )
        connection.execute(sql.SQL("set local role {}").format(role))
        connection.execute("insert into model_prices (source, model, input_usd) values ('openai', 'x', 1)")

    assert revision(database) != before


def test_a_reader_sees_the_installations_prices_and_those_of_its_one_client(
    database: Database, acme: UUID
) -> None:
    other = factories.client(database, "Other")
    insert_price(database, input_usd=1)
    insert_price(database, client_id=acme, input_usd=2)
    insert_price(database, client_id=other, input_usd=3)

    def seen_by(reader: object) -> list[str | None]:
        with reading_as(database, reader) as connection:
            prices = load_price_list(connection)
        return [cost_of_a_million(prices, client_id=client_id) for client_id in (None, acme, other)]

    assert seen_by(acme) == ["1", "2", "1"]
    assert seen_by(other) == ["1", "1", "3"]
    assert seen_by(None) == seen_by("") == seen_by(uuid4()) == ["1", "1", "1"]


def test_a_list_without_prices_is_not_taken_for_a_hidden_one(database: Database) -> None:
    execute(database, "delete from model_prices")

    with reading_as(database, None) as connection:
        prices = load_price_list(connection)

    assert prices.revision == revision(database)
    assert cost_of_a_million(prices, "gpt-4o") == "2.5"


def test_a_role_from_which_the_prices_are_hidden_is_told_so(role: sql.Identifier, database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(sql.SQL("grant select on model_prices, price_list to {}").format(role))
        connection.execute(sql.SQL("set local role {}").format(role))

        with pytest.raises(DatabaseError, match=r'the prices are hidden from the user "\w+": connect as'):
            load_price_list(connection)
