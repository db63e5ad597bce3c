"""Clients: the numbers of each and of all, who may see them, and the way to one of them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from analytics import queries
from analytics.database import Database
from analytics.ui.frame import reads
from tests import factories
from tests.app import AT_THIS_MACHINE, metrics_of, open_page, text_of
from tests.factories import NOW

pytestmark = pytest.mark.usefixtures("cold_caches")

PAGE = "pages/clients.py"
UNKNOWN = {"cost_basis": "unpriced", "cost_usd": Decimal(0)}


@pytest.fixture
def two(database: Database) -> tuple[UUID, UUID]:
    """Acme with 3 calls, of which one has no price, after one before; Bolt with the dearest call."""
    acme, bolt = factories.client(database, "Acme"), factories.client(database, "Bolt", "Asia/Tokyo")
    factories.insert_usage(
        database,
        factories.usage_log(acme),
        factories.usage_log(acme, created_at=NOW - timedelta(days=6)),
        factories.usage_log(acme, model="new", **UNKNOWN),
        factories.usage_log(acme, created_at=NOW - timedelta(days=7)),
        factories.usage_log(bolt, cost_usd=Decimal("1.5"), created_at=NOW - timedelta(minutes=5)),
    )
    return acme, bolt


def test_each_client_and_its_days_before(database: Database, two: tuple[UUID, UUID]) -> None:
    acme, bolt = two

    frame = queries.usage_by_client(database, None, 7, None, now=NOW)

    columns = ["client_id", "total_cost", "total_tokens", "request_count", "unpriced_count"]
    assert frame[columns].values.tolist() == [
        [bolt, Decimal("1.5"), 230, 1, 0],
        [acme, Decimal("0.0186"), 690, 3, 1],
    ]
    columns = ["previous_total_cost", "previous_total_tokens", "last_call_at"]
    assert frame[columns].values.tolist() == [
        [Decimal(0), 0, NOW - timedelta(minutes=5)],
        [Decimal("0.0093"), 230, NOW],
    ]


def test_days_are_those_of_each_client(database: Database, two: tuple[UUID, UUID]) -> None:
    evening = datetime(2026, 3, 18, 20, 0, tzinfo=UTC)  # tomorrow in Tokyo

    frame = queries.usage_by_client(database, None, 1, None, now=evening)

    days = dict(zip(frame["client_name"], frame["last_date"].dt.date, strict=True))
    assert days == {"Acme": date(2026, 3, 18), "Bolt": date(2026, 3, 19)}
    requests = dict(zip(frame["client_name"], frame["request_count"], strict=True))
    assert requests == {"Acme": 2, "Bolt": 0}


def test_chosen_days(database: Database, two: tuple[UUID, UUID]) -> None:
    frame = queries.usage_by_client(database, None, 3, NOW.date() - timedelta(days=5), now=NOW)

    assert dict(zip(frame["client_name"], frame["request_count"], strict=True)) == {"Acme": 2, "Bolt": 0}


def test_one_by_one_is_the_same_as_all_at_once(database: Database, two: tuple[UUID, UUID]) -> None:
    at_once = queries.usage_by_client(database, None, 30, None, now=NOW)

    one_by_one = queries.usage_by_client(database, two, 30, None, now=NOW)

    assert at_once.equals(one_by_one)
    only = queries.usage_by_client(database, two[:1], 30, None, now=NOW)
    assert only["client_name"].tolist() == ["Acme"]


def test_no_clients(database: Database) -> None:
    assert queries.usage_by_client(database, None, 30, None, now=NOW).empty
    assert queries.usage_by_client(database, (), 30, None, now=NOW).empty


def _log_now(database: Database, name: str, **columns: object) -> UUID:
    client_id = factories.client(database, name)
    factories.insert_usage(database, factories.usage_log(client_id, created_at=datetime.now(UTC), **columns))
    return client_id


def _links(page: AppTest) -> list[str]:
    return [element.proto.label for element in page.sidebar.get("page_link")]


def test_rows_add_up_to_the_total(configured: Database) -> None:
    _log_now(configured, "Acme")
    _log_now(configured, "Bolt", cost_usd=Decimal("1.5"))
    _log_now(configured, "Crane", **UNKNOWN)
    page = open_page(PAGE)

    assert not page.exception
    assert metrics_of(page) == {
        "Total cost": "≥\N{NO-BREAK SPACE}$1.51",
        "Total tokens": "690",
        "Requests": "3",
        "Clients": "3",
    }
    assert "66.7% priced, 1 at unknown cost" in text_of(page)
    [table] = page.dataframe
    assert table.value["Client"].tolist() == ["Bolt", "Acme", "Crane"]
    assert table.value["Cost"].isna().tolist() == [False, False, True]
    assert table.value["Priced"].tolist() == [1, 1, 0]


def test_the_link_to_it_is_for_those_who_see_several(configured: Database) -> None:
    _log_now(configured, "Acme")
    assert "Clients" not in _links(open_page())

    _log_now(configured, "Bolt")
    reads.forget()
    links = _links(open_page())

    assert links.index("Clients") == len(links) - 2
    assert links[-1] == "About the numbers"


def test_a_public_client_is_the_only_one(configured: Database) -> None:
    _log_now(configured, "Acme")
    _log_now(configured, "Bolt")

    page = open_page(PAGE, secrets={"access": {"public_client": "Acme"}})

    assert page.dataframe[0].value["Client"].tolist() == ["Acme"]
    assert metrics_of(page)["Clients"] == "1"
    assert "Clients" not in _links(page)


def test_what_one_viewer_saw_is_not_shown_to_another(configured: Database) -> None:
    _log_now(configured, "Acme")
    _log_now(configured, "Bolt")

    assert len(open_page(PAGE, secrets=AT_THIS_MACHINE).dataframe[0].value) == 2
    other = open_page(PAGE, secrets={"access": {"public_client": "Acme"}})

    assert len(other.dataframe[0].value) == 1


def test_other_days(configured: Database) -> None:
    client_id = _log_now(configured, "Acme")
    factories.insert_usage(
        configured, factories.usage_log(client_id, created_at=datetime.now(UTC) - timedelta(days=20))
    )

    assert metrics_of(open_page(PAGE))["Requests"] == "2"
    assert metrics_of(open_page(PAGE, days="7d"))["Requests"] == "1"


def test_there_is_no_choice_of_one_client(configured: Database) -> None:
    _log_now(configured, "Acme")
    _log_now(configured, "Bolt")
    page = open_page(PAGE, client="Bolt", days="7d")

    assert not page.selectbox
    assert page.dataframe[0].value["Client"].tolist() == ["Acme", "Bolt"]
