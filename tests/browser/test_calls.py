"""Calls in a browser: pages, columns, finding one, and the ways to a call and from it, with Back."""

import re
from uuid import UUID

from playwright.sync_api import Browser, Page, expect

from tests.browser.demo import CLIENT, LIVE, LIVE_CALLS, THREAD, Demo
from tests.browser.visits import (
    PLACES,
    await_place,
    await_rest,
    click_row,
    expect_table,
    open_place,
    table,
    visitor,
)

CALLS = PLACES["Calls"]


def ids(shown: Demo, limit: int) -> list[str]:
    """Of the newest calls of CLIENT in the days that are shown."""
    client = shown.client()
    with shown.database.transaction() as connection:
        rows = connection.execute(
            """
            select id
            from usage_logs
            where client_id = %s and (created_at at time zone %s)::date between %s and %s
            order by created_at desc, id desc
            limit %s
            """,
            [client.id, client.timezone, shown.first, shown.last, limit],
        ).fetchall()
    return [str(row[0]) for row in rows]


def rows_begin_with(page: Page, expected: list[str]) -> None:
    expect_table(page, 0, lambda rows: [row["Id"] for row in rows[:5]], expected[:5])


def test_pages_follow_each_other_and_back(browser: Browser, shown: Demo) -> None:
    newest = ids(shown, 150)
    with visitor(browser) as page:
        open_place(page, shown.address, CALLS, client=CLIENT, days=shown.days, columns="total_tokens,id")
        rows_begin_with(page, newest)
        for number in (1, 2):
            page.get_by_role("button", name="Next").click()
            rows_begin_with(page, newest[50 * number :])
        assert "page=older" in page.url
        page.get_by_role("button", name="Previous").click()
        rows_begin_with(page, newest[50:])
        page.go_back()
        rows_begin_with(page, newest[100:])
        page.go_back()
        rows_begin_with(page, newest[50:])
        page.get_by_role("button", name="Newest").click()
        rows_begin_with(page, newest)
        expect(page.get_by_role("button", name="Previous")).to_be_disabled()


def test_columns_and_the_file_are_as_chosen(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, CALLS, client=LIVE)
        page.get_by_role("button", name="Columns", exact=True).click()
        for name in ("Model", "Conversation", "Provider", "Latency", "Outcome"):
            page.get_by_test_id("stPopoverBody").get_by_role("button", name=name, exact=True).click()
            await_rest(page)
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="Prompt", exact=True).click()
        expect_table(page, 0, lambda rows: [*rows[0]][:4], ["Made", "Cost (USD)", "Tokens", "Prompt"])
        assert "columns=cost_usd%2Ctotal_tokens%2Cprompt_tokens" in page.url
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Download", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Every call (CSV)").click()
        lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
        assert lines[0] == "created_at,cost_usd,total_tokens,prompt_tokens"
        assert len(lines) == 1 + LIVE_CALLS


def test_a_call_is_opened_found_and_left(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, CALLS, client=LIVE, columns="cost_usd,id")
        expect_table(page, 0, len, LIVE_CALLS)
        call = table(page)[0]["Id"]
        click_row(page, 1)
        expect(page.get_by_role("heading", name="Call of")).to_be_visible()
        assert f"call={UUID(call)}" in page.url
        page.get_by_role("button", name="Timeline of Ada").click()
        expect(page.get_by_role("heading", name="Ada")).to_be_visible()
        assert f"timeline={THREAD}" in page.url
        page.go_back()
        expect(page.get_by_role("heading", name="Call of")).to_be_visible()
        page.go_back()
        expect_table(page, 0, len, LIVE_CALLS)

        page.get_by_role("searchbox", name="Find a call").fill(call)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Call of")).to_be_visible()
        await_rest(page)
        page.get_by_role("button", name="gpt-4", exact=True).or_(
            page.get_by_role("button", name="own")
        ).click()
        expect(page.get_by_role("heading", name="Calls, last 30 days")).to_be_visible()
        assert re.search(r"model=(own|gpt-4)", page.url)
        page.go_back()
        expect(page.get_by_role("heading", name="Call of")).to_be_visible()


def test_a_point_of_a_timeline_opens_its_call(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Conversations"], client=LIVE, timeline=str(THREAD))
        chart = page.get_by_test_id("stVegaLiteChart").first
        panel = page.locator(".st-key-call-facts")
        expect(panel).to_have_count(0)
        chart.click()
        expect(panel.get_by_role("heading", level=2)).to_contain_text("Call of")
        assert re.search(r"call=[0-9a-f-]{36}", page.url)
        page.go_back()
        expect(panel).to_have_count(0)


def test_a_filter_by_conversation_is_a_list_of_its_calls(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, CALLS, client=LIVE, conversation=str(THREAD), model="own")
        expect_table(page, 0, lambda rows: [row["Model"] for row in rows], ["own"])
        page.get_by_role("link", name="Conversations").click()
        await_place(page, PLACES["Conversations"])
        assert f"conversation={THREAD}" in page.url
