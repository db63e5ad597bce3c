"""Calls are repriced in the browser: from the Overview to the correction, and undone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from analytics.database import Database
from tests import factories
from tests.browser import dashboard
from tests.browser.visits import PLACES, await_place, await_rest, click_row, open_place, visitor


@pytest.fixture
def address(database: Database, tmp_path: Path) -> Iterator[str]:
    """A dashboard over three calls of a day: one without a price, one with a wrong one, and a right one."""
    client_id = factories.client(database)
    at = {"created_at": datetime.now(UTC) - timedelta(days=1)}
    factories.insert_usage(
        database,
        factories.usage_log(client_id, cost_usd=Decimal(7), **at),
        factories.usage_log(client_id, cost_usd=Decimal(0), cost_basis="unpriced", **at),
        factories.usage_log(client_id, cost_usd=Decimal("0.0093"), **at),
    )
    url = database.url.render_as_string(hide_password=False)
    with dashboard.running_dashboard(
        tmp_path / "streamlit.log", DATABASE_URL=url, USAGE_DATA_DIR=str(tmp_path)
    ) as address:
        yield address


def booked(database: Database) -> list[Decimal]:
    with database.transaction() as connection:
        return [cost for (cost,) in connection.execute("select cost_usd from usage_logs order by 1")]


def test_calls_are_repriced_and_the_correction_is_undone(
    browser: Browser, database: Database, address: str
) -> None:
    with visitor(browser) as page:
        open_place(page, address, PLACES["Overview"], days="7d", provider="openai")
        page.get_by_role("link", name="Reprice these calls").click()
        await_place(page, PLACES["Prices"])
        assert "days=7d" in page.url
        assert "provider=openai" in page.url
        expect(page.get_by_text("Only calls of openai")).to_be_visible()

        page.get_by_role("button", name="Compare now").click()
        page.get_by_role("textbox", name="Why are they corrected?").fill("a wrong price")
        page.get_by_role("button", name="Correct 2 calls").click()
        expect(page.get_by_text("Corrected 2 calls from $7.00 to $0.019")).to_be_visible()
        assert booked(database) == [Decimal("0.0093")] * 3

        await_rest(page)
        page.get_by_role("combobox", name="Undo a correction").click()
        page.get_by_role("option").first.click()
        await_rest(page)
        page.get_by_role("button", name="Undo it").click()
        expect(page.get_by_text("Undone: 2 calls cost again what they did before.")).to_be_visible()
        assert booked(database) == [Decimal(0), Decimal("0.0093"), Decimal(7)]

        # It opens the calls that it changed.
        await_rest(page)
        click_row(page, 1, "corrections table")
        await_place(page, PLACES["Calls"])
        expect(page.locator(".st-key-ways-calls")).to_contain_text(re.compile(r"^2\scalls,"))
        expect(page.get_by_role("button", name=re.compile("^Correction: "))).to_be_visible()
