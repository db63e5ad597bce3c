"""Ways to a page: by a link into a new server, through the sidebar, and out of a link that does not work."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, expect

from analytics import formatting
from analytics.queries.conversations import CALLS_PER_TIMELINE
from tests import factories
from tests.browser import dashboard
from tests.browser.demo import CLIENT, THREAD, Demo
from tests.browser.visits import PLACES, await_place, expect_overview, open_place, visitor
from tests.clones import Clones


def test_the_first_visit_to_a_new_server_is_by_a_link_to_a_page(
    browser: Browser, shown: Demo, tmp_path: Path
) -> None:
    """The other pages are opened by a link, each in a new browser context, in their own tests below."""
    url = shown.database.url.render_as_string(hide_password=False)
    log = tmp_path / "streamlit.log"
    with (
        dashboard.running_dashboard(log, DATABASE_URL=url, USAGE_DATA_DIR=str(tmp_path)) as address,
        visitor(browser) as page,
    ):
        open_place(page, address, PLACES["Data health"], client=CLIENT, days="7d")
        expect(page.get_by_role("heading", name=f"Calls of {CLIENT}, last 7 days")).to_be_visible()
        assert page.url == f"{address}/data_health?client=Kaveri+Foods&days=7d"

        page.get_by_role("link", name="Overview", exact=True).click()
        await_place(page, PLACES["Overview"])
        expect_overview(page, shown.sums(CLIENT, *shown.seven_days()))


def test_what_is_chosen_goes_through_all_pages_of_the_sidebar(browser: Browser, shown: Demo) -> None:
    calls = formatting.plural(shown.sums(CLIENT, shown.first, shown.last).requests, "call")
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT, days=shown.days)
        for label in ("Data health", *PLACES):
            place = PLACES[label]
            page.get_by_role("link", name=label, exact=True).click()
            await_place(page, place)
            if place.has_client:
                expect(page.get_by_role("combobox", name="Client")).to_have_value(CLIENT)
                assert "client=Kaveri+Foods" in page.url
            if place.has_days:
                days = formatting.window(shown.day_count, shown.last).removesuffix(f" {shown.last.year}")
                expect(page.get_by_role("button", name=days, exact=True)).to_be_visible()
                assert f"days={shown.days}" in page.url
            if label == "Data health":
                expect(page.get_by_text(f"{calls} from {formatting.day(shown.first)}")).to_be_visible()


def test_a_link_to_the_overview_opens_it_in_a_new_tab_too(browser: Browser, shown: Demo) -> None:
    kept = "show=Cost&grain=week&model=gpt-4o"
    with visitor(browser) as page:
        open_place(
            page, shown.address, PLACES["Overview"], client=CLIENT, days="7d",
            show="Cost", grain="week", model="gpt-4o",
        )  # fmt: skip
        for label in ("Overview", "Calls", "Live"):
            page.get_by_role("link", name=label, exact=True).click()
            await_place(page, PLACES[label])
            link = page.get_by_role("link", name="Overview", exact=True)
            with page.context.expect_page() as opened:
                link.click(button="middle")
            other = opened.value
            await_place(other, PLACES["Overview"])
            assert other.url == f"{shown.address}/?client=Kaveri+Foods&days=7d&{kept}"
            expect(other.get_by_role("button", name="Model: gpt-4o")).to_be_visible()
            # What the browser copies.
            assert link.evaluate("link => link.href") == other.url
            other.close()
        page.get_by_role("link", name="Overview", exact=True).click()
        await_place(page, PLACES["Overview"])
        page.go_back()
        await_place(page, PLACES["Live"])

        # Where nothing is chosen, it is a link without parts.
        open_place(page, shown.address, PLACES["Calls"])
        link = page.get_by_role("link", name="Overview", exact=True)
        expect(link).to_have_attribute("href", "/")


def test_a_link_that_does_not_work_has_a_way_on(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Data health"], client="nobody", days="7d")
        expect(page.get_by_text("This link does not work.")).to_be_visible()
        page.get_by_role("button", name="Go on without it").click()
        await_place(page, PLACES["Data health"])
        expect(page.get_by_role("heading", name="last 7 days")).to_be_visible()
        assert page.url == f"{shown.address}/data_health?days=7d"


def test_all_calls_of_a_long_timeline_are_a_click_away(
    browser: Browser, clones: Clones, migrated_template: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    with clones.copy(migrated_template) as database:
        client = factories.client(database, "Long Co")
        factories.conversation(database, client, id=THREAD, name="Ada")
        calls = [
            factories.usage_log(client, conversation_id=THREAD, created_at=now - timedelta(seconds=number))
            for number in range(CALLS_PER_TIMELINE + 1)
        ]
        factories.insert_usage(database, *calls)
        database.fold()
        url = database.url.render_as_string(hide_password=False)
        with (
            dashboard.running_dashboard(
                tmp_path / "streamlit.log", DATABASE_URL=url, USAGE_DATA_DIR=str(tmp_path)
            ) as address,
            visitor(browser) as page,
        ):
            open_place(page, address, PLACES["Conversations"], days="7d", timeline=str(THREAD))
            button = page.get_by_role("button", name=re.compile(r"All 1,001\s+calls, page by page"))
            expect(button).to_be_visible()
            button.click()
            await_place(page, PLACES["Calls"])
            expect(page.get_by_text(re.compile(r"50 of 1,001\s+calls"))).to_be_visible()
            assert page.url == f"{address}/calls?days=7d&conversation={THREAD}"
            page.go_back()
            expect(button).to_be_visible()
