"""HTML, script, Markdown and formulas in stored values: a real browser shows them, and does nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from analytics.database import Database
from tests import factories
from tests.browser import dashboard

# Each would show by a dialog, a mark on the window, an element or a request.
VALUES = [
    "<script>window.harmed = 1; alert(1)</script>",
    "<img src=x class=injected onerror='window.harmed = 1; alert(1)'>",
    "<svg class=injected onload='window.harmed = 1'></svg>",
    "</title></style><b class=injected>bold</b>",
    "![picture](http://elsewhere.invalid/picture.png)",
    "[link](javascript:window.harmed=1)",
    "<iframe class=injected src='javascript:window.harmed=1'></iframe>",
    "javascript:window.harmed=1",
    "${window.harmed=1} {{constructor.constructor('window.harmed=1')()}}",
    "=HYPERLINK(\"http://elsewhere.invalid\", 'x')",
    "datum; window.harmed = 1 //",
    "'); drop table usage_logs; --",
]


@pytest.fixture
def address(database: Database, tmp_path: Path) -> Iterator[str]:
    """A dashboard over two clients whose names, models, conversations, phones and sources are all hostile."""
    now = datetime.now(UTC)
    for name in VALUES[:2]:
        client_id = factories.client(database, name)
        for value in VALUES:
            conversation_id = factories.conversation(database, client_id, name=value, phone=value)
            log = factories.usage_log(
                client_id,
                conversation_id=conversation_id,
                phone=value,
                source=value,
                model=value,
                created_at=now,
            )
            factories.insert_usage(database, log)
    with dashboard.running_dashboard(
        tmp_path / "streamlit.log", DATABASE_URL=database.url.render_as_string(hide_password=False)
    ) as address:
        yield address


def watched_page(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """A page, and the harm that is done on it."""
    page = browser.new_page()
    harm: list[str] = []
    page.on("dialog", lambda dialog: (harm.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("pageerror", lambda error: harm.append(f"error {error}"))
    page.on(
        "request",
        lambda request: (
            None
            if urlsplit(request.url).netloc in ("", urlsplit(address).netloc)
            else harm.append(f"request {request.url}")
        ),
    )
    return page, harm


def assert_unharmed(page: Page, harm: list[str]) -> None:
    assert page.evaluate("window.harmed") is None
    injected = "document.querySelectorAll('.injected, [href^=javascript], img[src*=elsewhere]').length"
    assert page.evaluate(injected) == 0
    assert harm == []


def test_stored_values_are_shown_as_they_are(browser: Browser, address: str) -> None:
    page, harm = watched_page(browser, address)
    for name in VALUES[:2]:
        page.goto(f"{address}/?client={quote(name)}")
        dashboard.await_page(page)
        expect(page.get_by_role("combobox", name="Client")).to_have_value(name)
        assert_unharmed(page, harm)

        page.get_by_text("Show phone numbers").click()
        dashboard.await_page(page)
        # What the grids hold for readers of the screen: the text, nothing of it understood.
        for grid in (page.get_by_test_id("stDataFrame").first, page.get_by_test_id("stDataFrame").last):
            cells = grid.locator("[role=gridcell]")
            expect(cells.filter(has_text=name).first).to_be_attached()
        # Charts tell of what the pointer is on.
        for chart in page.get_by_test_id("stVegaLiteChart").all():
            chart.hover()
        assert_unharmed(page, harm)


def test_links_are_shown_as_they_are(browser: Browser, address: str) -> None:
    page, harm = watched_page(browser, address)
    for parameter in ("client", "days", "show"):
        for value in VALUES[1:7]:
            page.goto(f"{address}/?{parameter}={quote(value + ' ')}")
            expect(page.get_by_test_id("stAlert").first).to_contain_text(value[:15], ignore_case=True)
            assert_unharmed(page, harm)
