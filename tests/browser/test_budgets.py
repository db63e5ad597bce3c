"""A budget in the browser: looked at before it is made, made, told of, opened and muted; Back returns."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, expect

from analytics.budgets import load_budgets
from analytics.database import Database
from tests import factories
from tests.browser import dashboard
from tests.browser.test_accessibility import WHOLE, in_light_and_dark
from tests.browser.visits import PLACES, await_place, await_rest, open_place, visitor


@pytest.fixture
def acme(database: Database) -> UUID:
    """A client that spent a dollar on each of 60 days."""
    client_id = factories.client(database)
    now = datetime.now(UTC)
    factories.insert_usage(
        database,
        *(
            factories.usage_log(client_id, cost_usd=Decimal(1), created_at=now - timedelta(days=day))
            for day in range(60)
        ),
    )
    return client_id


@pytest.fixture
def address(database: Database, acme: UUID, tmp_path: Path) -> Iterator[str]:
    """A dashboard over its database."""
    url = database.url.render_as_string(hide_password=False)
    with dashboard.running_dashboard(
        tmp_path / "streamlit.log", DATABASE_URL=url, USAGE_DATA_DIR=str(tmp_path)
    ) as address:
        yield address


def test_a_budget_is_made_tells_and_is_opened(
    browser: Browser, database: Database, acme: UUID, address: str
) -> None:
    with visitor(browser, viewport=WHOLE) as page:
        open_place(page, address, PLACES["Budgets"])
        page.get_by_role("textbox", name="Name").fill("Today")
        page.get_by_role("textbox", name="Limit").fill("2")
        page.get_by_role("combobox", name="Per").click()
        page.get_by_role("option", name="day", exact=True).click()
        page.get_by_role("button", name="What it would be now").click()
        expect(page.get_by_text("Now $1.00 of $2.00, 50 %. It tells at once: 50 %.")).to_be_visible()

        page.get_by_role("button", name="Make the budget").click()
        expect(page.get_by_text("Made: Today, $2.00 a day")).to_be_visible()
        alert = page.get_by_role("link", name="Acme: Today reached 50 % of $2.00")
        expect(alert).to_be_visible()
        expect(page.get_by_test_id("stSidebar").get_by_role("link", name="Budgets 1")).to_be_visible()
        [status] = load_budgets(database, acme, datetime.now(UTC))
        assert (status.name, status.spent, status.limit_amount) == ("Today", 1, 2)

        # By keys, as by a click.
        alert.focus()
        page.keyboard.press("Enter")
        cards = page.locator(".st-key-budget-cards")
        expect(cards).to_contain_text("$1.00")
        assert f"budget={status.budget_id}" in page.url
        await_rest(page)
        assert list(in_light_and_dark(page)) == []

        # The number opens the calls that it counts.
        cards.locator("[class*=st-key-open-] a").first.click()
        await_place(page, PLACES["Calls"])
        expect(page.locator(".st-key-ways-calls")).to_contain_text("1 call")
        page.go_back()
        expect(cards).to_contain_text("$1.00")
        # So does the point of its course, and what is foreseen says how.
        await_rest(page)
        page.locator("[class*=st-key-budget-course]").get_by_test_id("stVegaLiteChart").click()
        await_place(page, PLACES["Calls"])
        expect(page.locator(".st-key-ways-calls")).to_contain_text("1 call")
        page.go_back()
        expect(cards).to_contain_text("$1.00")
        page.get_by_role("link", name="How this is foreseen", exact=True).click()
        await_place(page, PLACES["About the numbers"])
        page.go_back()
        expect(cards).to_contain_text("$1.00")
        page.go_back()
        expect(cards).to_have_count(0)

        await_rest(page)
        page.get_by_role("button", name="Mute", exact=True).click()
        expect(page.get_by_text('No channel is told of the budget "Today"')).to_be_visible()
        await_rest(page)
        page.get_by_role("button", name="Seen").click()
        expect(page.get_by_test_id("stSidebar").get_by_role("link", name="Budgets 1")).to_have_count(0)
