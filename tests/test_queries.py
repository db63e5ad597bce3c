"""The frames of the query layer: columns, types, and that nothing depends on there being rows."""

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

import pandas as pd
import pytest

from analytics import queries
from analytics.clients import list_clients
from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.queries import Period
from tests import factories, sql_functions
from tests.factories import NOW


@pytest.fixture
def acme(database: Database) -> UUID:
    """A client with one call of each provider, one of them unpriced."""
    client_id = factories.client(database, "Acme", "America/Sao_Paulo")
    factories.insert_usage(
        database,
        factories.usage_log(client_id),
        factories.usage_log(client_id, source="groq", model="llama-3.1-8b-instant", cost_usd=Decimal(0)),
        factories.usage_log(client_id, source="meta", model=None, cost_usd=Decimal(0), cost_basis="unpriced"),
    )
    return client_id


def _questions(database: Database, client_id: UUID) -> dict[str, pd.DataFrame]:
    return {
        "daily": sql_functions.daily_usage(database, client_id, 2, now=NOW),
        "weekly": sql_functions.weekly_evolution(database, client_id, 2, now=NOW),
        "monthly": sql_functions.monthly_summary(database, client_id, now=NOW),
        "summary": sql_functions.usage_summary(database, client_id, 2, now=NOW),
        "models": sql_functions.usage_by_model(database, client_id, 2, now=NOW),
        "conversations": sql_functions.usage_by_conversation(database, client_id, 2, now=NOW),
    }


def test_daily_usage(database: Database, acme: UUID) -> None:
    daily = sql_functions.daily_usage(database, acme, days=2, now=NOW)
    expected = pd.DataFrame(
        {
            "date": pd.to_datetime(["2026-03-17"] * 3 + ["2026-03-18"] * 3).astype("datetime64[s]"),
            "source": pd.Series(["groq", "meta", "openai"] * 2, dtype=object),
            "total_tokens": [0, 0, 0, 230, 230, 230],
            "total_cost": pd.Series([Decimal(0)] * 5 + [Decimal("0.0093")], dtype=object),
            "request_count": [0, 0, 0, 1, 1, 1],
            "unpriced_count": [0, 0, 0, 0, 1, 0],
        }
    )
    pd.testing.assert_frame_equal(daily, expected)


def test_cost_per_1k_tokens_is_missing_where_cost_is_unknown(database: Database, acme: UUID) -> None:
    models = sql_functions.usage_by_model(database, acme, days=2, now=NOW).set_index("source")
    assert models.loc["openai", "cost_per_1k_tokens"] == pytest.approx(Decimal("0.0404347826"))
    assert models.loc["groq", "cost_per_1k_tokens"] == 0
    assert models.loc["meta", "cost_per_1k_tokens"] is None
    assert models["tokens_per_request"].tolist() == [230.0, 230.0, 230.0]


def test_frames_have_the_same_types_with_and_without_rows(database: Database, acme: UUID) -> None:
    empty = factories.client(database, "Empty")
    for name, frame in _questions(database, acme).items():
        other = _questions(database, empty)[name]
        assert frame.dtypes.to_dict() == other.dtypes.to_dict(), name


def test_money_is_decimal_in_every_frame(database: Database, acme: UUID) -> None:
    for name, frame in _questions(database, acme).items():
        for column in frame.filter(regex="cost").columns:
            values = frame[column].dropna()
            assert all(isinstance(value, Decimal) for value in values), (name, column)


def test_an_overview_has_what_the_single_functions_answer(database: Database, acme: UUID) -> None:
    overview = queries.load_overview(database, acme, Period(days=60), NOW)
    assert overview.client.name == "Acme"
    assert overview.last_day == date(2026, 3, 18)
    assert overview.first_day == date(2026, 1, 18)
    assert not overview.has_many_pending
    for frame, expected in (
        (overview.summary, sql_functions.usage_summary(database, acme, 60, now=NOW)),
        (overview.daily, sql_functions.daily_usage(database, acme, 60, now=NOW)),
        (overview.weekly, sql_functions.weekly_evolution(database, acme, 12, now=NOW)),
        (overview.models, sql_functions.usage_by_model(database, acme, 60, now=NOW)),
        (
            overview.conversations.drop(columns="phone_handle"),
            sql_functions.usage_by_conversation(database, acme, 60, now=NOW),
        ),
    ):
        pd.testing.assert_frame_equal(frame, expected)


def test_a_short_period_still_has_thirty_days_for_the_chart(database: Database, acme: UUID) -> None:
    overview = queries.load_overview(database, acme, Period(days=7), NOW)
    assert overview.daily["date"].nunique() == 30


def test_an_unknown_client_is_named(database: Database) -> None:
    nobody = uuid4()
    with pytest.raises(UnknownClient, match=str(nobody)):
        queries.load_overview(database, nobody, Period(), NOW)


def test_clients_are_listed_by_name_and_the_unassigned_last(database: Database) -> None:
    for name in ("beta", "Alpha"):
        factories.client(database, name)
    factories.insert_usage(database, factories.usage_log(None))  # type: ignore[arg-type]
    names = [client.name for client in list_clients(database, with_unassigned=True)]
    assert names == ["Alpha", "beta", "Calls without a client"]


@pytest.mark.parametrize(("label", "days"), [("7d", 7), ("30", 30), (" 90D ", 90)])
def test_periods_of_a_link(label: str, days: int) -> None:
    assert Period.parse(label) == Period(days=days)


@pytest.mark.parametrize("label", ["abc", "", "8d", "-7d", "7d; drop table"])
def test_periods_that_are_none(label: str) -> None:
    with pytest.raises(InvalidInput, match="days must be one of 7d, 30d, 60d, 90d, today, yesterday,"):
        Period.parse(label)
