"""The Overview in a real browser: numbers equal to SQL, the period in the link, no error in the console."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from analytics import demo, formatting, queries
from analytics.database import Database
from tests.browser import dashboard

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        dashboard.chromium() is None and not os.environ.get("CI"),
        reason="no chromium, chromium-browser or google-chrome on the PATH",
    ),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with dashboard.open_browser() as browser:
        yield browser


@pytest.fixture
def address(database: Database, tmp_path: Path) -> Iterator[str]:
    """A dashboard over a database of its own, filled with demo data up to now."""
    demo.fill(database, end=datetime.now(UTC), weeks=8)
    with dashboard.running_dashboard(
        tmp_path / "streamlit.log", DATABASE_URL=database.url.render_as_string(hide_password=False)
    ) as address:
        yield address


def _cards_in_sql(database: Database, days: int) -> dict[str, str]:
    """What the cards of the first client by name must show."""
    client = queries.clients(database)[0]
    summary = queries.usage_summary(database, client.id, days, now=datetime.now(UTC)).set_index("provider")
    return {
        "Total tokens": formatting.compact(summary.loc["total", "total_tokens"]),
        "Total cost": formatting.cost(
            *summary.loc["total", ["total_cost", "unpriced_count", "request_count"]]
        ),
        "OpenAI": formatting.compact(summary.loc["openai", "total_tokens"]),
        "Groq": formatting.compact(summary.loc["groq", "total_tokens"]),
        "Other": formatting.compact(summary.loc["other", "total_tokens"]),
        "requests": formatting.plural(int(summary.loc["total", "request_count"]), "request"),
    }


def _cards_on_page(page: Page) -> dict[str, str]:
    cards = {}
    for card in page.get_by_test_id("stMetric").all():
        cards[card.get_by_test_id("stMetricLabel").inner_text().splitlines()[0]] = card.get_by_test_id(
            "stMetricValue"
        ).inner_text()
    requests = page.get_by_text("requests").first.inner_text().splitlines()[0]
    return cards | {"requests": requests}


def test_switching_the_period_changes_the_numbers_and_they_match_sql(
    browser: Browser, address: str, database: Database
) -> None:
    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))

    page.goto(address)
    dashboard.await_page(page)
    in_30_days = _cards_on_page(page)
    assert in_30_days == _cards_in_sql(database, days=30)

    page.get_by_role("radio", name="7d").or_(page.get_by_role("button", name="7d")).click()
    expect(page.get_by_text("Model comparison, last 7 days")).to_be_visible()
    dashboard.await_page(page)
    in_7_days = _cards_on_page(page)
    assert in_7_days == _cards_in_sql(database, days=7)
    assert in_7_days["Total tokens"] != in_30_days["Total tokens"]
    assert page.url.endswith("?days=7d")

    # The link opens the same view in another visitor's browser.
    visitor = browser.new_page()
    visitor.goto(page.url)
    dashboard.await_page(visitor)
    assert _cards_on_page(visitor) == in_7_days

    assert problems == []


def test_a_phone_shows_everything_without_scrolling_sideways(browser: Browser, address: str) -> None:
    phone = browser.new_page(viewport={"width": 390, "height": 844})
    phone.goto(address)
    dashboard.await_page(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    overflowing = phone.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMetric], [data-testid=stVegaLiteChart],'
            + '[data-testid=stDataFrame], h1, h5')]
            .filter(element => element.getBoundingClientRect().right > innerWidth)
            .map(element => element.innerText)"""
    )
    assert overflowing == []


def test_client_and_period_go_along_to_the_next_page_and_back(
    browser: Browser, address: str, database: Database
) -> None:
    client = queries.clients(database)[1]
    page = browser.new_page()
    page.goto(f"{address}/?client={quote(client.name)}&days=7d")
    dashboard.await_page(page)
    shown = _cards_on_page(page)

    page.get_by_role("link", name="Data health").click()
    heading = page.get_by_text(f"Calls of {client.name}, last 7 days")
    expect(heading).to_be_visible(timeout=dashboard.LOAD_TIMEOUT_MS)

    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_text("Model comparison, last 7 days")).to_be_visible(timeout=dashboard.LOAD_TIMEOUT_MS)
    dashboard.await_page(page)
    assert _cards_on_page(page) == shown


def test_the_statement_is_downloaded_as_pdf(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    dashboard.await_page(page)

    page.get_by_text("Download", exact=True).first.click()
    with page.expect_download(timeout=dashboard.LOAD_TIMEOUT_MS) as downloading:
        page.get_by_text("Statement (PDF)").click()

    assert downloading.value.suggested_filename.startswith("statement-")
    assert Path(downloading.value.path()).read_bytes().startswith(b"%PDF-")
