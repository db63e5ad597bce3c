"""Cards and cells lead to what their numbers are made of, where the same number stands; Back returns."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser.demo import CLIENT, Demo
from tests.browser.visits import PLACES, await_place, await_rest, metrics, open_place, visitor

CALLS = PLACES["Calls"]
CARDS = "[data-testid=stMain] [class*=st-key-card-]"
WITHOUT_A_WAY = {"Clients": {"Total cost"}}
"""A card whose rows are in its order already."""


def _come_to_calls(page: Page) -> str:
    """What the list of calls says of all that it has."""
    expect(page.get_by_role("heading", name="Calls", level=1, exact=True)).to_be_visible()
    await_rest(page)
    return page.locator(".st-key-ways-calls").inner_text().replace("\xa0", " ")


def _number(text: str) -> str:
    found = re.search(r"[\d,]+(?= (calls?|requests?|further))|[\d,]+(?= at unknown)|(?<=not on )[\d,]+", text)
    assert found, text
    return found[0]


def test_each_card_is_a_link_and_what_it_counts_is_there(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        for label in ("Overview", "Speed and errors", "Clients", "Live"):
            open_place(page, shown.address, PLACES[label], client=CLIENT, days=shown.days)
            cards = page.locator(CARDS)
            expect(cards.first).to_be_visible()
            without = {
                card.get_by_test_id("stMetricLabel").inner_text().splitlines()[0]
                for card in cards.all()
                if not card.locator("[class*=st-key-open-] a[href]").count()
            }
            assert without == WITHOUT_A_WAY.get(label, set())

        # Lines of cards that count calls open that many.
        for label in ("Overview", "Speed and errors"):
            open_place(page, shown.address, PLACES[label], client=CLIENT, days=shown.days)
            lines = page.locator(f"{CARDS} a[href*='calls?']:not([class*=st-key-open-] a)")
            links = [
                (each.inner_text().replace("\xa0", " "), each.get_attribute("href")) for each in lines.all()
            ]
            counted = [
                (text, href)
                for text, href in links
                if re.search(r"\d+ requests?$|further|unknown|not on", text)
            ]
            assert len(counted) >= 2
            for text, href in counted[:4]:
                page.goto(f"{shown.address}/{href}")
                assert re.search(rf"(of |^){_number(text)} calls?,?", _come_to_calls(page)), (text, href)


def test_a_card_opens_by_a_click_and_by_keys_and_back_returns(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT, days=shown.days)
        before = metrics(page)
        # The provider's own page of numbers: its total is that of the card.
        page.locator(".st-key-card-Groq").click(position={"x": 40, "y": 60})
        page.wait_for_url(re.compile("provider=groq"))
        expect(page.locator(".st-key-card-Total-tokens")).to_contain_text(before["Groq"])
        await_rest(page)
        assert metrics(page)["Total tokens"] == before["Groq"]
        page.go_back()
        expect(page.locator(".st-key-card-Total-tokens")).to_contain_text(before["Total tokens"])
        await_rest(page)

        page.locator(".st-key-open-Total-cost a").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Providers and models", level=1)).to_be_visible()
        await_rest(page)
        assert "show=Cost" in page.url
        page.go_back()
        expect(page.get_by_role("heading", name="Usage overview", level=1)).to_be_visible()
        await_rest(page)

        # A line above the card's own link.
        unpriced = page.locator(".st-key-card-Total-cost").get_by_text("at unknown cost")
        count = _number(unpriced.inner_text().replace("\xa0", " "))
        unpriced.click()
        assert _come_to_calls(page).startswith((f"{count} call", f"50 of {count} call"))
        assert "basis=unpriced" in page.url
        page.go_back()
        expect(page.get_by_role("heading", name="Usage overview", level=1)).to_be_visible()


def test_a_check_opens_its_calls(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Data health"], client=CLIENT, days=shown.days)
        check = page.locator("[data-testid=stMarkdownContainer]", has_text="Their cost is unknown").first
        count = _number(check.inner_text().replace("\xa0", " "))
        page.locator("[class*=st-key-ways-Calls-without-a-price] a").click()
        assert _come_to_calls(page).startswith((f"{count} call", f"50 of {count} call"))
        page.go_back()
        expect(page.get_by_role("heading", name="Data health", level=1)).to_be_visible()


def test_a_percentile_opens_the_calls_that_took_as_long(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Speed and errors"], client=CLIENT, days=shown.days)
        page.locator(".st-key-card-Answer--median").get_by_role("link", name=re.compile("^p95")).click()
        told = _come_to_calls(page)
        [least] = re.findall(r"latency=(\d+)\.\.", page.url)
        with shown.database.transaction() as connection:
            [(count, most)] = connection.execute(
                """
                select
                    count(*) filter (where latency_ms >= %s),
                    0.05 * count(*)
                from usage_logs
                join clients on clients.id = usage_logs.client_id
                where
                    clients.name = %s and latency_ms is not null and outcome is distinct from 'error'
                    and (usage_logs.created_at at time zone clients.timezone)::date between %s and %s
                """,
                [int(least), CLIENT, shown.first, shown.last],
            )
        assert count >= most > 0
        assert re.search(rf"(of |^){count:,} calls?,", told), (told, count)
        expect(page.get_by_role("button", name=re.compile("Latency: from"))).to_be_visible()
        page.go_back()
        await_place(page, PLACES["Speed and errors"])
