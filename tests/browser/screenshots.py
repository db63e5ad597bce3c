"""`make screenshots`: the pictures of README and docs/pages.md, from demo data in a database of their own."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from analytics.config import PROJECT_DIRECTORY
from tests.browser import dashboard
from tests.browser.visits import PLACES, Place, await_rest, click_row, open_place

PICTURES = PROJECT_DIRECTORY / "docs" / "images"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1366, "height": 768}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
}
CONVERSATION = Place(label="Conversation", path="conversations", heading="Conversations")
BUDGET = Place(label="Budget", path="budgets", heading="Budgets", has_days=False)
CALL = Place(label="Call", path="calls", heading="Calls")


def main() -> None:
    """Takes each page whole, from its heading to its last row, in each look."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--to", type=Path, default=PICTURES, help="another directory, to compare")
    pictures = parser.parse_args().to
    pictures.mkdir(parents=True, exist_ok=True)
    # The first start makes demo data, which takes a busy machine minutes.
    expect.set_options(timeout=5 * dashboard.LOAD_TIMEOUT_MS)
    with (
        tempfile.TemporaryDirectory() as scratch,
        dashboard.running_dashboard(Path(scratch) / "streamlit.log", USAGE_DATA_DIR=scratch) as address,
        dashboard.open_browser() as browser,
    ):
        _make_budget(browser, address)
        for place in (*PLACES.values(), CONVERSATION, CALL, BUDGET):
            for look in LOOKS:
                name = f"{place.label.lower().replace(' ', '-')}-{look}.png"
                _take(browser, address, place, look, pictures / name)
                print(pictures / name)


def _take(browser: Browser, address: str, place: Place, look: str, picture: Path) -> None:
    page = browser.new_page(**LOOKS[look])
    open_place(page, address, place)
    if place in (CONVERSATION, CALL):
        _open_first(page, "All conversations" if place is CONVERSATION else "All calls")
    if place is BUDGET:
        page.locator(".st-key-budgets").get_by_role("link", name="All").first.click()
        expect(page.locator(".st-key-budget-cards")).to_be_visible()
        await_rest(page)
    # As tall as all of it: charts and tables are drawn anew for the taller window.
    height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": LOOKS[look]["viewport"]["width"], "height": height})
    await_rest(page)
    # A picture of what moves is none: tooltips fade, and grids draw once more.
    page.wait_for_timeout(1_500)
    page.screenshot(path=picture)
    page.close()


def _make_budget(browser: Browser, address: str) -> None:
    page = browser.new_page(**LOOKS["light"])
    open_place(page, address, PLACES["Budgets"])
    page.get_by_role("textbox", name="Limit").fill("30")
    page.get_by_role("button", name="Make the budget").click()
    expect(page.get_by_text("Made: ")).to_be_visible()
    page.close()


def _open_first(page: Page, way_back: str) -> None:
    expect(page.get_by_test_id("stDataFrame").locator("[role=gridcell]").first).to_be_attached()
    click_row(page, 1)
    expect(page.get_by_role("button", name=way_back)).to_be_visible()
    await_rest(page)


if __name__ == "__main__":
    main()
