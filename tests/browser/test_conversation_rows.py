"""A click on a row of "Conversations" opens its calls, by a link that opens them again."""

import re
from contextlib import suppress

from playwright.sync_api import Browser, Page, expect

from tests.browser.demo import ADA, ROWS, Demo
from tests.browser.visits import PLACES, await_place, visitor

FIRST_CLICK_MS = 5_000


def test_a_click_on_a_row_opens_it(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        address = f"{shown.address}/conversations?client={ROWS.replace(' ', '+')}"
        page.goto(address)
        await_place(page, PLACES["Conversations"])
        open_row(page, 1, "Ada")
        assert page.url == f"{address}&timeline={ADA}"

        # A phone opens its calls, too, by a link in which it is not; the calls of neither have one as well.
        page.get_by_role("button", name="All conversations").click()
        open_row(page, 2, "(unnamed)")
        expect(page.get_by_text("phone •••• 5555")).to_be_visible()
        link = page.url
        assert re.fullmatch(re.escape(address) + r"&timeline=p[0-9a-f]{32}", link)

        page.get_by_role("button", name="All conversations").click()
        open_row(page, 3, "(calls without a conversation)")
        assert page.url == f"{address}&timeline=none"
        page.goto(link)
        expect(page.get_by_text("phone •••• 5555")).to_be_visible()


def open_row(page: Page, number: int, name: str) -> None:
    """Rows from 0."""
    grid = page.get_by_test_id("stDataFrame")
    expect(page.get_by_text("Click a row")).to_be_visible()
    expect(grid).to_have_count(1)
    expect(grid.locator("[role=gridcell]").first).to_be_attached()
    heading = page.get_by_role("heading", name=name)
    for _ in range(5):
        page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        # A grid that was drawn in this moment does not hear its first click.
        grid.click(position={"x": 150, "y": 35 * (number + 1.5)})
        with suppress(AssertionError):
            expect(heading).to_be_visible(timeout=FIRST_CLICK_MS)
            return
    expect(heading).to_be_visible()
