"""The page Connect in the browser: a tool, a key, its lines run in a shell, and the call that comes."""

import subprocess
from pathlib import Path

from playwright.sync_api import Browser, expect

from analytics.access.keys import list_keys
from analytics.database import Database
from tests import factories
from tests.browser import dashboard
from tests.browser.test_accessibility import WHOLE, in_light_and_dark
from tests.browser.visits import PLACES, await_place, await_rest, open_place, visitor


def test_the_lines_of_the_page_bring_the_call_that_it_shows(
    browser: Browser, database: Database, tmp_path: Path
) -> None:
    factories.client(database)
    url = database.url.render_as_string(hide_password=False)
    with (
        dashboard.running_dashboard(
            log := tmp_path / "streamlit.log",
            script="analytics/server.py",
            DATABASE_URL=url,
            USAGE_DATA_DIR=str(tmp_path),
        ) as address,
        visitor(browser, viewport=WHOLE) as page,
    ):
        # From the page of a client without calls.
        open_place(page, address, PLACES["Overview"])
        page.get_by_role("link", name="Connect Claude Code, an SDK or another tool").click()
        await_place(page, PLACES["Connect"])
        page.get_by_role("radio", name="Any program (curl)").click()
        await_rest(page)
        expect(page.get_by_text("stands for a key that may write")).to_be_visible()

        # By keys, as by a click.
        page.mouse.move(0, 0)
        page.get_by_role("button", name="Make a key and fill it in").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("is filled in below")).to_be_visible()
        await_rest(page)
        assert "\n".join(in_light_and_dark(page)) == ""
        lines = page.get_by_test_id("stCode").last.locator("code").inner_text()
        assert f"curl -s {address}/api/usage" in lines
        ran = subprocess.run(["bash", "-c", lines], capture_output=True, text=True, timeout=60, check=True)
        assert '"stored"' in ran.stdout

        arrival = page.locator(".st-key-arrival")
        expect(arrival).to_contain_text(
            "A call has come, while the key Connect: Any program (curl) was in use"
        )
        key = lines.partition("Bearer ")[2].partition('"')[0]
        arrival.get_by_role("link", name="230 tokens").click()
        await_place(page, PLACES["Calls"])
        expect(page.get_by_role("heading", name="Call of")).to_be_visible()

        # Whoever comes back finds the key gone.
        page.go_back()
        await_place(page, PLACES["Connect"])
        expect(page.get_by_text("stands for a key that may write")).to_be_visible()
        assert key not in page.content()
    assert len(list_keys(database)) == 1
    assert key not in log.read_text(encoding="utf-8")
