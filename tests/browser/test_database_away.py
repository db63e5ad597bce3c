"""A database that goes away under open pages, in whatever way, and comes back: nobody has to click."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from analytics.database import Database, open_database, stop_embedded_postgresql
from analytics.migrations import apply_migrations
from tests import factories
from tests.browser.dashboard import running_dashboard
from tests.browser.visits import STILL
from tests.tcp_proxy import TcpProxy

AWAY = "The database does not answer"
NOTHING = "No numbers to show"
# Each with what it shows when it is there.
PAGES = {
    "": "Updated",
    "providers_and_models": "Updated",
    "conversations": "Updated",
    "live": "Requests / min",
    "prices": "Updated",
    "data_health": "Updated",
}


@pytest.fixture
def proxy(database: Database) -> Iterator[TcpProxy]:
    fill(database)
    with TcpProxy(database.url) as proxy:
        yield proxy


@pytest.fixture
def address(proxy: TcpProxy, tmp_path: Path) -> Iterator[str]:
    url = proxy.url.render_as_string(hide_password=False)
    with running_dashboard(
        tmp_path / "streamlit.log", DATABASE_URL=url, USAGE_DATA_DIR=str(tmp_path)
    ) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(**STILL)
    yield page
    page.close()


def fill(database: Database) -> None:
    client = factories.client(database, "Acme")
    now = datetime.now(UTC)
    for minutes in (5, 10):
        log = factories.usage_log(client, created_at=now - timedelta(minutes=minutes))
        factories.insert_usage(database, log)


def test_open_pages_say_so_and_recover(browser: Browser, proxy: TcpProxy, address: str) -> None:
    # One tab of each page, as all of them have to see it.
    with browser.new_context(**STILL) as context:
        tabs = {name: context.new_page() for name in PAGES}
        for name, tab in tabs.items():
            tab.goto(f"{address}/{name}")
            expect(tab.get_by_text(PAGES[name]).first).to_be_visible()

        proxy.fall_silent()
        for tab in tabs.values():
            expect(tab.get_by_text(AWAY)).to_be_visible()
        proxy.speak()
        for tab in tabs.values():
            expect(tab.get_by_text(AWAY)).to_have_count(0)


@pytest.mark.parametrize("way", ["refused", "silent"])
def test_a_page_that_was_opened_meanwhile_recovers(
    page: Page, proxy: TcpProxy, address: str, way: str
) -> None:
    proxy.go_away() if way == "refused" else proxy.fall_silent()
    page.goto(address)
    expect(page.get_by_text(NOTHING)).to_be_visible()
    proxy.come_back() if way == "refused" else proxy.speak()
    expect(page.get_by_test_id("stMetric").first).to_be_visible()
    expect(page.get_by_text(NOTHING)).to_have_count(0)


def test_the_embedded_database_is_started_again_and_ends_with_the_dashboard(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path / "data"))
    embedded = open_database()
    apply_migrations(embedded)
    fill(embedded)
    embedded.close()
    stop_embedded_postgresql()

    def postmaster() -> psutil.Process:
        written = tmp_path / "data" / "postgres" / "postmaster.pid"
        return psutil.Process(int(written.read_text().splitlines()[0]))

    with running_dashboard(tmp_path / "streamlit.log", **dict(os.environ)) as address:
        page.goto(address)
        expect(page.get_by_test_id("stMetric").first).to_be_visible()
        crashed = postmaster()
        crashed.kill()
        crashed.wait(timeout=60)
        page.goto(f"{address}/live")
        expect(page.get_by_text("Requests / min", exact=True)).to_be_visible()
        started_again = postmaster()
        assert started_again != crashed
    # The dashboard was told to end, as a service is.
    started_again.wait(timeout=60)
