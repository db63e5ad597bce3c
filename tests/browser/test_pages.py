"""Each page in a real browser: by a link and by the sidebar, its filters, its numbers against SQL, empty."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect

from analytics import formatting, queries
from analytics.days import Days
from analytics.health import sums_check
from analytics.pricing.at_list_prices import at_list_prices
from analytics.pricing.book import load_price_book
from analytics.queries import Period
from tests import sql_functions
from tests.browser.demo import CLIENT, LIVE, LIVE_CALLS, QUIET, THREAD, Demo
from tests.browser.visits import (
    PLACES,
    ROW_HEIGHT,
    await_place,
    await_rest,
    choose,
    choose_client,
    click_row,
    expect_overview,
    expect_table,
    metrics,
    open_place,
    table,
    tokens,
    total,
    visitor,
)

BY_TAG = 3
"""The number of the table of tags on its page."""


@pytest.fixture
def chosen(shown: Demo) -> dict[str, str]:
    """A link's client and days."""
    return {"client": CLIENT, "days": shown.days}


def test_overview(browser: Browser, shown: Demo, chosen: dict[str, str]) -> None:
    client = shown.client()
    period = Period.of(Days(shown.first, shown.last))
    overview = queries.load_overview(shown.database, client.id, period, datetime.now(UTC))
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], **chosen)
        expect_overview(page, shown.sums(CLIENT, shown.first, shown.last))
        expect_table(page, 1, tokens, overview.conversations["total_tokens"].tolist())

        choose(page, "Charts show", "Cost")
        expect(page.get_by_role("heading", name="Daily usage")).to_contain_text("Cost (USD)")

        choose(page, "Period", "7d")
        expect(page.get_by_role("heading", name="Model comparison, last 7 days")).to_be_visible()
        expect_overview(page, shown.sums(CLIENT, *shown.seven_days()))
        # Links of the sidebar are those of what has just been chosen.
        link = page.get_by_role("link", name="Prices", exact=True)
        expect(link).to_have_attribute("href", re.compile(r"client=Kaveri\+Foods&days=7d"))

        choose_client(page, QUIET)
        expect(page.get_by_text("No usage, last 7 days.")).to_be_visible()
        expect_overview(page, shown.sums(QUIET, *shown.seven_days()))


def test_any_days_are_picked_in_the_calendar(browser: Browser, shown: Demo) -> None:
    last = shown.client().today(datetime.now(UTC))
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT)
        page.get_by_role("button", name="Dates").click()
        page.get_by_role("radio", name="This month").click()
        expect(page).to_have_url(re.compile("days=this-month"))
        expect_overview(page, shown.sums(CLIENT, last.replace(day=1), last))


def test_providers_and_models(browser: Browser, shown: Demo, chosen: dict[str, str]) -> None:
    first, last = shown.first, shown.last
    expected = shown.sums(CLIENT, first, last)
    client = shown.client()
    over_time = queries.usage_over_time(shown.database, client.id, Days(first, last), "month")
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Providers and models"], **chosen)
        before = shown.sums(CLIENT, first - timedelta(days=shown.day_count), first - timedelta(days=1))
        expect_table(
            page,
            "providers compared",
            lambda rows: [int(rows[0][name]) for name in ("Tokens", "Tokens before", "Change")],
            [expected.tokens, before.tokens, expected.tokens - before.tokens],
        )

        by_tag = queries.usage_by_tag(shown.database, client.id, Days(first, last), "team")
        page.get_by_role("combobox", name="Tag").click()
        page.get_by_role("combobox", name="Tag").fill("team")
        page.get_by_role("option", name="team", exact=True).click()
        expect(page).to_have_url(re.compile("[?&]tag=team"))
        expect_table(page, BY_TAG, lambda rows: total(rows, "Tokens"), expected.tokens)
        expect_table(page, BY_TAG, lambda rows: total(rows, "Requests"), expected.requests)
        expect_table(page, BY_TAG, lambda rows: len(rows), len(by_tag))
        await_rest(page)
        page.go_back()
        # For a moment the one that goes is there beside the one that comes.
        expect(page.get_by_role("combobox", name="Tag").and_(page.locator("[value=feature]"))).to_be_visible()
        expect(page.get_by_role("combobox", name="Tag")).to_have_count(1)
        choose(page, "Compare with", "Same days last month")
        heading = page.get_by_role(
            "heading", name=f"{formatting.window(shown.day_count, last)} compared with"
        )
        expect(heading).not_to_contain_text(formatting.day(first - timedelta(days=1)))

        choose(page, "Per", "Month")
        expect(page.get_by_role("heading", name="Usage per month")).to_be_visible()
        assert over_time["total_tokens"].sum() == expected.tokens

        await_rest(page)  # what is drawn anew closes its list
        page.get_by_role("combobox", name="Everything on").click()
        page.get_by_role("combobox", name="Everything on").fill("gpt-4.1-nano")
        page.get_by_role("option", name="openai/gpt-4.1-nano", exact=True).click()
        expect(page.locator(".st-key-what-if-table")).to_contain_text("At openai/gpt-4.1-nano")

        choose(page, "Period", "7d")
        weekly = shown.sums(CLIENT, *shown.seven_days())
        expect_table(page, "providers compared", lambda rows: int(rows[0]["Tokens"]), weekly.tokens)

        choose_client(page, QUIET)
        expect(page.get_by_text("No usage, last 7 days.")).to_be_visible()


def test_speed_and_errors(browser: Browser, shown: Demo, chosen: dict[str, str]) -> None:
    client = shown.client()
    with shown.database.transaction() as connection:
        [(requests, failed, cost_usd)] = connection.execute(
            "select count(*), count(*) filter (where outcome in ('error', 'refused', 'cut')),"
            " sum(cost_usd) filter (where outcome in ('error', 'refused', 'cut'))"
            " from usage_logs where client_id = %s"
            " and (created_at at time zone %s)::date between %s and %s and outcome is not null",
            [client.id, client.timezone, shown.first, shown.last],
        ).fetchall()
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Speed and errors"], **chosen)
        cards = metrics(page)
        assert cards["Led to nothing"] == formatting.share(failed, requests)
        assert cards["Cost of these"] == formatting.compact_usd(cost_usd)

        # A row is a way into its model, and Back the way out.
        address = page.url
        number, model = next(
            (number, row["Model"])
            for number, row in enumerate(table(page, "speed table"), start=1)
            if row["Model"]
        )
        click_row(page, number, "speed table")
        expect(page).to_have_url(re.compile("[?&]model="))
        await_rest(page)
        expect_table(page, "speed table", lambda rows: [row["Model"] for row in rows], [model])
        page.go_back()
        expect(page).to_have_url(address)
        await_rest(page)

        page.get_by_role("button", name="Read every call").click()
        expect(page.get_by_role("heading", name="By model and hour")).to_be_visible()
        expect(page.get_by_role("heading", name="Tried more than once")).to_be_visible()
        await_rest(page)


def test_conversations(browser: Browser, shown: Demo, chosen: dict[str, str]) -> None:
    client = shown.client()
    days = (shown.first, shown.last)
    fewest = queries.found_conversations(shown.database, client.id, Days(*days), descending=False)
    with shown.database.transaction() as connection:
        [(count, most)] = connection.execute(
            """
            select count(*), max(tokens) from (
                select sum(total_tokens) as tokens from usage_logs
                where
                    client_id = %s
                    and (created_at at time zone %s)::date between %s and %s
                group by conversation_id
            ) as conversations
            """,
            [client.id, client.timezone, *days],
        )
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Conversations"], **chosen)
        expect(page.get_by_text(f"of {formatting.count(count)}. Click a row")).to_be_visible()
        expect_table(page, 0, lambda rows: tokens(rows)[0], int(most))
        rows = table(page)

        page.get_by_role("combobox", name="Sort by").click()
        page.get_by_role("option", name="Fewest tokens").click()
        expect(page).to_have_url(re.compile("sort=fewest-tokens"))
        expect_table(page, 0, lambda rows: tokens(rows)[0], fewest["total_tokens"].iloc[0])

        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text(f"51\N{EN DASH}{min(count, 100)} of")).to_be_visible()

        name = next(row["Conversation"] for row in rows if not row["Conversation"].startswith("("))
        page.get_by_role("searchbox", name="Search").fill(name)
        expect(page.get_by_text("1\N{EN DASH}1 of 1.")).to_be_visible()
        page.get_by_role("searchbox", name="Search").fill("nobody of that name")
        expect(page.get_by_text("No conversation matches")).to_be_visible()
        page.get_by_role("button", name="Show all conversations").click()
        expect(page.get_by_text(f"of {formatting.count(count)}. Click a row")).to_be_visible()

        choose(page, "Period", "7d")
        expect(page.get_by_role("heading", name="Conversations, last 7 days")).to_be_visible()
        choose_client(page, QUIET)
        expect(page.get_by_text("No usage, last 7 days.")).to_be_visible()


def test_one_conversation(browser: Browser, shown: Demo) -> None:
    acme = shown.client(LIVE)
    with shown.database.transaction() as connection:
        [(sum_of_tokens, cost, unpriced)] = connection.execute(
            "select sum(total_tokens), sum(cost_usd), count(*) filter (where cost_basis = 'unpriced')"
            " from usage_logs where client_id = %s and conversation_id = %s",
            [acme.id, THREAD],
        )
    timeline = queries.conversation_timeline(
        shown.database, acme.id, Days(*shown.seven_days(LIVE)), conversation_id=THREAD, phone_handle=None
    )
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Conversations"], client=LIVE, days="7d", timeline=str(THREAD))
        expect(page.get_by_role("heading", name="Ada")).to_be_visible()
        assert metrics(page) == {
            "Cost": formatting.cost(cost, unpriced, LIVE_CALLS),
            "Tokens": formatting.compact(int(sum_of_tokens)),
            "Calls": str(LIVE_CALLS),
            "Cost per call": formatting.usd(cost / (LIVE_CALLS - unpriced)),
        }
        expect_table(page, 1, tokens, timeline.calls["total_tokens"].tolist())
        expect_table(page, 1, lambda rows: int(rows[-1]["Tokens so far"]), int(sum_of_tokens))

        # A click on a call shows all that is known of it, and Back takes it away.
        call = timeline.calls.iloc[1]
        page.get_by_test_id("stDataFrame").last.click(position={"x": 60, "y": 2.5 * ROW_HEIGHT})
        panel = page.locator(".st-key-call-facts")
        expect(panel).to_contain_text(str(call["id"]))
        expect(panel).to_contain_text(formatting.exact_usd(call["cost_usd"]))
        expect(page).to_have_url(re.compile(f"[?&]call={call['id']}"))
        page.go_back()
        expect(panel).to_have_count(0)
        page.go_forward()
        expect(panel).to_contain_text(str(call["id"]))

        page.get_by_role("button", name="All conversations").click()
        expect(page).not_to_have_url(re.compile("call="))
        expect(page.get_by_text("1\N{EN DASH}1 of 1.")).to_be_visible()


def test_live(browser: Browser, shown: Demo) -> None:
    acme = shown.client(LIVE)
    expected = shown.sums(LIVE, *shown.seven_days(LIVE))
    calls = sql_functions.calls_since(shown.database, acme.id, datetime.now(UTC) - timedelta(days=1))
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Live"], client=LIVE)
        assert metrics(page)["Without price"] == str(expected.unpriced)
        expect(page.locator(".st-key-card-Without-price")).to_contain_text(
            f"of {formatting.plural(expected.requests, 'call')} in the last hour"
        )
        expect(page.locator(".st-key-card-Cost---hour")).to_contain_text(f"{expected.cost} in the last hour")
        expect_table(page, 0, tokens, calls["total_tokens"].tolist())

        choose(page, "Charts show", "Cost")
        expect(page.get_by_role("heading", name="Last hour, per minute")).to_contain_text("Cost (USD)")
        page.get_by_text("Pause", exact=True).click()
        expect(page.get_by_text("Paused · as of")).to_be_visible()

        choose_client(page, QUIET)
        expect(page.get_by_text("No calls in the last 24 hours.")).to_be_visible()
        expect(page.get_by_test_id("stDataFrame")).to_have_count(0)


def test_prices(browser: Browser, shown: Demo, chosen: dict[str, str]) -> None:
    expected = shown.sums(CLIENT, shown.first, shown.last)
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Prices"], **chosen)
        expect(
            page.get_by_text(f"{formatting.plural(expected.unpriced, 'call')} without a price")
        ).to_be_visible()
        expect_table(page, 0, lambda rows: total(rows, "Tokens"), expected.tokens)
        expect_table(page, 0, lambda rows: total(rows, "No price"), expected.unpriced)
        client = shown.client()
        book = load_price_book(
            shown.database, client.id, Days(shown.first, shown.last), now=datetime.now(UTC)
        )
        expect_table(page, 0, lambda rows: [row["Model"] for row in rows], [each.model for each in book.used])

        # What the gateway of one model says that it cost.
        differing = [each.model for each in book.stated if each.differs]
        assert differing == ["gpt-4o-2024-08-06"]
        expect_table(page, 1, lambda rows: [row["Model"] for row in rows], differing)

        # What is free by the guide's list, at list prices; and what the public list would make of these days.
        own = {line.model: at_list_prices([line]) for line in book.own_priced}
        assert {line.is_free for line in book.own_priced if line.source == "groq"} == {True}
        expect_table(
            page,
            2,
            lambda rows: {row["Model"]: float(row["At list prices"]) for row in rows},
            {model: float(at_list.usd) for model, at_list in own.items() if at_list},
        )
        switch = page.locator(".st-key-list-in-use")
        switch.get_by_text("Use the public list instead").click()
        await_rest(page)
        switch.get_by_role("button", name="Preview the switch").click()
        expect(switch.get_by_role("button", name="Use the public list", exact=True)).to_be_visible()
        expect(switch).to_contain_text(
            re.compile(r"Booked (≥\s)?\$[\d.]+, repriced (≥\s)?\$[\d.]+: a difference of")
        )
        page.reload()

        page.locator(".st-key-repricing").get_by_role("button", name="Compare now").click()
        booked = expected.cost
        expect(page.locator(".st-key-repricing")).to_contain_text(f"Booked {booked}, repriced")

        page.get_by_text("Ended and future prices").click()
        expect_table(page, 3, lambda rows: "State" in rows[0], True)

        choose(page, "Period", "7d")
        weekly = shown.sums(CLIENT, *shown.seven_days())
        expect(page.get_by_role("heading", name="Models in use, last 7 days")).to_be_visible()
        expect_table(page, 0, lambda rows: total(rows, "Tokens"), weekly.tokens)

        choose_client(page, QUIET)
        expect(page.locator(".st-key-used-models")).to_contain_text("No calls in these days.")


def test_data_health(browser: Browser, shown: Demo, chosen: dict[str, str]) -> None:
    expected = shown.sums(CLIENT, shown.first, shown.last)
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Data health"], **chosen)
        calls = formatting.plural(expected.requests, "call")
        expect(page.get_by_text(f"{calls} from {formatting.day(shown.first)}")).to_be_visible()
        expect(page.get_by_text(f"{formatting.plural(expected.unpriced, 'call')}, ")).to_be_visible()
        page.get_by_role("button", name="Compare now").click()
        expect(page.get_by_text("Compared at")).to_be_visible()
        client = shown.client()
        assert sums_check(shown.database, client.id, Days(shown.first, shown.last)).state == "ok"
        expect(page.locator(".st-key-sums")).to_contain_text("check_circle")

        choose(page, "Period", "7d")
        weekly = shown.sums(CLIENT, *shown.seven_days())
        expect(page.get_by_text(f"{formatting.plural(weekly.requests, 'call')} from")).to_be_visible()

        choose_client(page, QUIET)
        expect(page.get_by_text("; there are some from")).to_be_visible()


def test_clients(browser: Browser, shown: Demo) -> None:
    everybody = shown.sums(None, shown.first, shown.last)
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Clients"], days=shown.days)
        cards = metrics(page)
        assert cards["Total cost"] == everybody.cost
        assert cards["Total tokens"] == formatting.compact(everybody.tokens)
        assert cards["Requests"] == formatting.count(everybody.requests)
        rows = {row["Client"]: row for row in table(page)}
        assert int(rows[CLIENT]["Tokens"]) == shown.sums(CLIENT, shown.first, shown.last).tokens
        by_client = queries.usage_by_client(
            shown.database, None, shown.day_count, shown.last, now=datetime.now(UTC)
        ).set_index("client_name")
        assert {name: int(row["Requests"]) for name, row in rows.items()} == by_client[
            "request_count"
        ].to_dict()
        assert rows[QUIET]["Requests"] == "0"

        # A click on a client opens its Overview, with the same days.
        row = list(rows).index(CLIENT) + 1
        click_row(page, row)
        await_place(page, PLACES["Overview"])
        expect(page.get_by_role("combobox", name="Client")).to_have_value(CLIENT)
        expect_overview(page, shown.sums(CLIENT, shown.first, shown.last))
        assert f"client=Kaveri+Foods&days={shown.days}" in page.url

        page.get_by_role("link", name="Clients", exact=True).click()
        await_place(page, PLACES["Clients"])
        choose(page, "Period", "7d")
        expect(page.get_by_role("heading", name="Clients, last 7 days")).to_be_visible()

        # Days in which nobody made a call.
        open_place(page, shown.address, PLACES["Clients"], days="2001-01-01..2001-01-31")
        assert (metrics(page)["Total tokens"], metrics(page)["Requests"]) == ("0", "0")
        expect_table(page, 0, lambda rows: {row["Requests"] for row in rows}, {"0"})


def test_about_the_numbers(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["About the numbers"])
        assert page.get_by_role("heading", level=2).all_inner_texts() == [
            *("Days and weeks", "Tokens", "Other meters", "Outcomes and attempts", "Latency", "Tags"),
            *("OpenAI, Groq, Other", "Change", "Filters", "Cost", "Prices", "Conversations"),
            *("Budgets and what is foreseen", "Data health", "How fresh"),
        ]
