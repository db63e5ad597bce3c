"""The page "Live" under AppTest."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from analytics import charts
from analytics.charts import MEASURES
from analytics.database import Database
from tests import factories, sql_functions
from tests.app import metrics_of, open_page, text_of
from tests.factories import NOW
from tests.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("cold_caches")

PATH = "pages/live.py"


def _use(database: Database, client_id: UUID, ago: timedelta = timedelta(0), **columns: Any) -> None:
    row = {"created_at": datetime.now(UTC) - ago, **columns}
    factories.insert_usage(database, factories.usage_log(client_id, **row))


def test_new_calls_appear_at_the_next_refresh(configured: Database) -> None:
    client_id = factories.client(configured)
    _use(configured, client_id, timedelta(seconds=30), total_tokens=11, phone="5511987654321")
    page = open_page(PATH)
    assert not page.exception
    assert page.dataframe[0].value["Tokens"].tolist() == [11]
    assert page.dataframe[0].value["Phone"].tolist() == ["•••• 4321"]

    _use(configured, client_id, total_tokens=22, cost_usd=Decimal(0), cost_basis="unpriced")
    page.run()
    assert page.dataframe[0].value["Tokens"].tolist() == [22, 11]
    assert page.dataframe[0].value["Cost"].isna().tolist() == [True, False]
    assert metrics_of(page)["Without price"] == "1"
    assert "of 2\N{NO-BREAK SPACE}calls in the last hour" in text_of(page)
    assert "0 without tokens" in text_of(page)


def test_calls_say_how_they_ended(configured: Database) -> None:
    client_id = factories.client(configured)
    _use(configured, client_id, timedelta(seconds=30))
    page = open_page(PATH)
    assert "Outcome" not in page.dataframe[0].value

    none = {"prompt_tokens": 0, "completion_tokens": 0, "cost_usd": Decimal(0)}
    _use(configured, client_id, outcome="error", **none)
    page.run()
    assert page.dataframe[0].value["Outcome"].fillna("").tolist() == ["error", ""]
    # A call that failed used nothing; that is no gap.
    assert "0 without tokens" in text_of(page)


def test_rates_are_shown(configured: Database) -> None:
    client_id = factories.client(configured)
    # In each of the last minutes, whichever the test runs in.
    for minute in range(8):
        _use(configured, client_id, timedelta(minutes=minute), total_tokens=1000, cost_usd=Decimal("0.10"))
    page = open_page(PATH)
    assert metrics_of(page) == {
        "Requests / min": "1",
        "Tokens / min": "1.00K",
        "Cost / hour": "$6.00",
        "Without price": "0",
    }


def test_a_page_that_is_paused_asks_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = factories.client(database)
    _use(database, client_id, total_tokens=11)
    with TcpProxy(database.url) as proxy:
        monkeypatch.setenv("DATABASE_URL", proxy.url.render_as_string(hide_password=False))
        page = open_page(PATH)
        asked = proxy.round_trips
        page.run()
        assert proxy.round_trips == asked + 1

        page.toggle(key="paused").set_value(True).run()
        _use(database, client_id, total_tokens=22)
        page.run()
        assert proxy.round_trips == asked + 1
        assert page.dataframe[0].value["Tokens"].tolist() == [11]
        assert "Paused" in text_of(page)

        page.toggle(key="paused").set_value(False).run()
        assert page.dataframe[0].value["Tokens"].tolist() == [22, 11]


def test_the_last_good_numbers_stay_while_the_database_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use(database, factories.client(database), total_tokens=11)
    with TcpProxy(database.url) as proxy:
        monkeypatch.setenv("DATABASE_URL", proxy.url.render_as_string(hide_password=False))
        page = open_page(PATH)
        proxy.go_away()
        page.run()
        assert not page.exception
        assert "The database does not answer" in page.warning[0].value
        assert page.dataframe[0].value["Tokens"].tolist() == [11]

        proxy.come_back()
        page.run()
        assert not page.warning


def test_a_client_without_calls_of_today_is_told_so(configured: Database) -> None:
    factories.quiet_client(configured)
    page = open_page(PATH)
    assert not page.exception
    assert "No calls in the last 24 hours" in text_of(page)
    assert metrics_of(page)["Cost / hour"] == "$0.00"
    assert not page.dataframe


def test_each_client_has_a_feed_of_its_own(configured: Database) -> None:
    _use(configured, factories.client(configured, "Acme"), total_tokens=11)
    _use(configured, factories.client(configured, "Beta"), total_tokens=22)
    page = open_page(PATH)
    assert page.dataframe[0].value["Tokens"].tolist() == [11]
    page.selectbox(key="client").set_value("Beta").run()
    assert page.dataframe[0].value["Tokens"].tolist() == [22]


def test_minutes_without_calls_are_on_the_chart(database: Database, acme: UUID) -> None:
    for source, tokens in (("openai", 10), ("groq", 5), ("mistral", 1), ("whisper", 2)):
        factories.insert_usage(database, factories.usage_log(acme, source=source, total_tokens=tokens))
    minutes = sql_functions.usage_by_minute(database, acme, NOW, NOW + timedelta(minutes=1))
    chart = charts.by_minute(
        minutes,
        MEASURES["Tokens"],
        first_at=NOW - timedelta(minutes=59),
        last_at=NOW,
        timezone="America/Sao_Paulo",
    ).to_dict()
    bars, columns = chart["datasets"].values()
    assert len(columns) == 60
    assert len(bars) == 240
    assert sum(bar["value"] for bar in bars) == 18
    assert (columns[0]["heading"], columns[-1]["heading"]) == ("08:01", "09:00")
    used = {bar["name"]: bar["value"] for bar in bars if bar["value"]}
    assert used == {"OpenAI": 10, "Groq": 5, "Whisper": 2, "Mistral": 1}
