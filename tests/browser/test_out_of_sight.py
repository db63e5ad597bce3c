"""The page "Live" in a browser: what it asks while it is in sight, and that it stops."""

from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, WebSocket, expect

from analytics.database import Database
from tests import factories
from tests.browser import dashboard
from tests.browser.visits import PLACES, await_place, visitor
from tests.tcp_proxy import TcpProxy


def test_a_page_out_of_sight_asks_nothing(browser: Browser, database: Database, tmp_path: Path) -> None:
    log = factories.usage_log(factories.client(database), total_tokens=11, created_at=datetime.now(UTC))
    factories.insert_usage(database, log)
    with (
        TcpProxy(database.url) as proxy,
        dashboard.running_dashboard(
            tmp_path / "streamlit.log", DATABASE_URL=proxy.url.render_as_string(hide_password=False)
        ) as address,
        visitor(browser) as page,
        visitor(browser) as left,
    ):
        with page.expect_websocket() as opening:
            page.goto(f"{address}/live")
        socket = opening.value
        expect(page.get_by_text("Every 3 seconds")).to_be_visible(timeout=dashboard.LOAD_TIMEOUT_MS)
        _await_round_trips(socket, proxy, 2)

        # Another visitor was there, and went on to a page that asks nothing.
        with left.expect_websocket() as opening:
            left.goto(f"{address}/live")
        expect(left.get_by_text("Every 3 seconds")).to_be_visible()
        left.get_by_role("link", name="About the numbers").click()
        await_place(left, PLACES["About the numbers"])
        sent: list[str | bytes] = []
        opening.value.on("framesent", lambda frame: sent.append(frame))

        _show(page, "hidden")
        expect(page.get_by_text("Paused while this tab is hidden")).to_be_visible()
        # What looks for alerts asks once a minute, which falls into one of these at the most; the first time
        # it opens its database.
        asked = [_asked_meanwhile(socket, proxy) for _ in range(2)]
        assert 0 in asked
        assert sent == []

        _show(page, "visible")
        _await_round_trips(socket, proxy, 2)


def _asked_meanwhile(socket: WebSocket, proxy: TcpProxy) -> int:
    """The round trips while the page goes on calling: the server has nothing to ask for it."""
    before = proxy.round_trips
    for _ in range(3):
        socket.wait_for_event("framesent", timeout=dashboard.LOAD_TIMEOUT_MS)
    return proxy.round_trips - before


def _show(page: Page, state: str) -> None:
    """What a browser tells a page when its tab goes out of sight and comes back."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, "visibilityState", {configurable: true, get: () => state});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        state,
    )


def _await_round_trips(socket: WebSocket, proxy: TcpProxy, count: int) -> None:
    wanted = proxy.round_trips + count
    while proxy.round_trips < wanted:
        socket.wait_for_event("framesent", timeout=dashboard.LOAD_TIMEOUT_MS)
