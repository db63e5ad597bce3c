"""Everything on a page follows its controls: headings say window and measure, and the first row has the most.

What is the most is asked of usage_logs, in plain SQL.
"""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect

from analytics import formatting
from tests.browser.dashboard import LOAD_TIMEOUT_MS
from tests.browser.demo import CLIENT, LIVE, THREAD, Demo
from tests.browser.visits import (
    PLACES,
    await_place,
    await_rest,
    choose,
    click_row,
    expect_table,
    metrics,
    open_place,
    table,
    visitor,
)

MEASURES = {"Tokens": "total_tokens", "Cost": "cost_usd"}
ANY_DAYS = r"\d+( \w{3})?( \d{4})? to \d+ \w{3} \d{4}"
WINDOW = re.compile(rf"[Ll]ast (hour|\d+\s(days|weeks|calls?))|\d+ weeks to \d+ \w{{3}} \d{{4}}|{ANY_DAYS}")
# Pages whose panels all show what is measured in the days that are chosen.
MEASURED = ("Overview", "Providers and models", "Live")
VIEWS: list[tuple[str, dict[str, str]]] = [
    *((label, {"client": CLIENT} if place.has_client else {}) for label, place in PLACES.items()),
    ("Conversations", {"client": LIVE, "timeline": str(THREAD)}),
    ("Live", {"client": LIVE}),
]
# Whether all tables are as wide as their columns, and whether the second column of each is in sight, whole.
GRIDS = """const grids = [...document.querySelectorAll("[data-testid=stDataFrame]")].map(grid => {
    const scroller = grid.querySelector(".dvn-scroller");
    const heads = [...grid.querySelectorAll("[role=columnheader]")].map(head => head.textContent.trim());
    return {wide: scroller?.scrollWidth, seen: scroller?.clientWidth, heads};
});"""
NONE_IS_CUT = f"""() => {{ {GRIDS}
    return grids.every(({{wide, seen, heads}}) => heads.length && wide <= seen + 1);
}}"""
MEASURE_IS_IN_SIGHT = f"""() => {{ {GRIDS}
    return grids.every(({{wide, seen, heads}}) => seen < 400
        && ["Tokens", "Cost (USD)", "As booked"].includes(heads[1])
        && (heads.length > 2 || wide <= seen + 1));
}}"""


def most(
    shown: Demo, column: str, by: str, first: date, last: date, limit: int = 1
) -> list[tuple[Any, Decimal]]:
    """What CLIENT's calls of these days have the most of, `by` something: that, and how much."""
    client = shown.client()
    with shown.database.transaction() as connection:
        return connection.execute(
            f"""
            select {by}, sum({column})
            from usage_logs
            where client_id = %s and (created_at at time zone %s)::date between %s and %s
            group by {by}
            order by 2 desc
            limit %s
            """,  # type: ignore[arg-type]  # noqa: S608 - constants of this file
            [client.id, client.timezone, first, last, limit],
        ).fetchall()


def headings(page: Page) -> list[str]:
    """Those of the panels."""
    return page.get_by_test_id("stMain").get_by_role("heading", level=2).all_inner_texts()


@pytest.fixture
def periods(shown: Demo) -> dict[str, tuple[date, date]]:
    """Labels of the control, with their days."""
    last = shown.client().today(datetime.now(UTC))
    return {f"{days}d": (last - timedelta(days=days - 1), last) for days in (7, 60, 90)}


def test_the_overview_follows_period_and_measure(
    browser: Browser, shown: Demo, periods: dict[str, tuple[date, date]]
) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT, days=shown.days)
        past = {"": (shown.first, shown.last)}
        # Each period and each measure, but not each with each.
        shown_in = {"": ("Tokens", "Cost"), "7d": ("Tokens",), "60d": ("Cost",), "90d": ("Tokens",)}
        for period, (first, last) in (past | periods).items():
            count = (last - first).days + 1
            if period:
                choose(page, "Period", period)
                heading = page.get_by_role("heading", name="Model comparison")
                expect(heading).to_contain_text(f"last {count} days")
            for measure in shown_in[period]:
                column = MEASURES[measure]
                choose(page, "Charts show", measure)
                unit = measure.lower()
                expect(page.get_by_role("heading", name=f"conversations by {unit}")).to_be_visible()
                await_rest(page)
                told = headings(page)
                assert len(told) == 4
                assert [each for each in told if not WINDOW.search(each) or unit not in each.lower()] == []
                chart_days = max(30, count)
                assert any(
                    formatting.window(chart_days, None if period else last) in each for each in told
                ), told
                weeks = max(12, (last - first + timedelta(days=first.weekday())).days // 7 + 1)
                assert any(f"{weeks} weeks" in each for each in told), told
                expect(page.get_by_text("Pale: days before")).to_have_count(1 if chart_days > count else 0)
                expect(page.get_by_text("Pale: weeks before")).to_have_count(1 if count < 78 else 0)
                share = re.compile(f"^Share of (known )?{unit}$")
                expect(page.locator("strong", has_text=share)).to_be_visible()

                shown_column = {"Tokens": "Tokens", "Cost": "Cost (USD)"}[measure]
                [(model, _)] = most(shown, column, "model", first, last)
                expect_table(page, 0, lambda rows: rows[0]["Model"], model)
                top = most(shown, column, "conversation_id", first, last, limit=20)
                expect_table(
                    page,
                    1,
                    lambda rows: [float(row[shown_column]) for row in rows],  # noqa: B023
                    [float(amount) for _, amount in top],
                )
                openai = dict(most(shown, column, "source", first, last, limit=9))["openai"]
                assert metrics(page)["OpenAI"] in (
                    formatting.compact(float(openai)),
                    formatting.usd(openai) if measure == "Cost" else "",
                )


def test_providers_and_models_follow_the_measure(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Providers and models"], client=CLIENT, days=shown.days)
        for measure, column in MEASURES.items():
            choose(page, "Charts show", measure)
            expect(page.get_by_role("heading", name="Hours of the week")).to_contain_text(measure)
            await_rest(page)
            wrong = [
                each
                for each in headings(page)
                if not WINDOW.search(each) or measure.lower() not in each.lower()
            ]
            # What if is about costs, whatever is shown.
            assert [each for each in wrong if not each.startswith("What if")] == []
            [(_, amount)] = most(shown, column, "client_id", shown.first, shown.last)
            heading = "Cost (USD)" if measure == "Cost" else measure
            expect_table(
                page,
                "providers compared",
                lambda rows: float(rows[0][heading]),  # noqa: B023 - at once
                float(amount),
            )


def test_conversations_are_in_the_order_that_the_heading_names(browser: Browser, shown: Demo) -> None:
    orders = {"Most tokens": "total_tokens", "Highest cost": "cost_usd", "Most requests": "1"}
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Conversations"], client=CLIENT, days=shown.days)
        for order, column in orders.items():
            page.get_by_role("combobox", name="Sort by").click()
            page.get_by_role("option", name=order, exact=True).click()
            expect(page.get_by_role("heading", name="Conversations, ", exact=False).last).to_contain_text(
                order
            )
            [(_, amount)] = most(shown, column, "conversation_id", shown.first, shown.last)
            expect_table(page, 0, lambda rows: float([*rows[0].values()][1]), float(amount))


def test_clients_are_counted_searched_and_opened(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Clients"], days=shown.days)
        with shown.database.transaction() as connection:
            ranked = connection.execute(
                """
                select clients.name, coalesce(sum(cost_usd), 0)
                from clients
                left join usage_logs
                    on usage_logs.client_id = clients.id
                    and (usage_logs.created_at at time zone timezone)::date between %s and %s
                where clients.id <> unassigned_client_id()
                group by clients.id, clients.name
                order by 2 desc
                """,
                [shown.first, shown.last],
            ).fetchall()
        heading = page.get_by_role("heading", name="Clients, ")
        expect(heading).to_contain_text(f"{formatting.plural(len(ranked), 'client')}, highest known cost")
        expect_table(page, 0, lambda rows: len(rows), len(ranked))
        expect_table(page, 0, lambda rows: rows[0]["Client"], ranked[0][0])

        page.get_by_role("searchbox", name="Search").fill("clinicas")
        expect(heading).to_contain_text(f"1 of {formatting.plural(len(ranked), 'client')}")
        expect_table(page, 0, lambda rows: [row["Client"] for row in rows], ["Aurora Clínicas"])
        page.get_by_role("searchbox", name="Search").fill("nobody")
        expect(page.get_by_text("No client matches")).to_be_visible()
        page.get_by_role("searchbox", name="Search").fill("KAVERI")
        expect_table(page, 0, lambda rows: [row["Client"] for row in rows], [CLIENT])
        click_row(page, 1)
        await_place(page, PLACES["Overview"])
        expect(page.get_by_role("combobox", name="Client")).to_have_value(CLIENT)


def test_live_opens_calls_and_these_their_conversations(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        # From days in which the conversation was not used.
        open_place(
            page, shown.address, PLACES["Live"], client=LIVE, days="2001-01-01..2001-01-31", show="Cost"
        )
        assert [each for each in headings(page) if not WINDOW.search(each)] == []
        expect_table(page, 0, lambda rows: {row["Conversation"] for row in rows}, {"Ada"})
        assert list(table(page)[0])[1] == "Cost (USD)"
        click_row(page, 1)
        await_place(page, PLACES["Calls"])
        expect(page.get_by_role("heading", name="Call of")).to_be_visible()
        page.get_by_role("button", name="Timeline of Ada").click()
        expect(page.get_by_role("heading", name="Ada")).to_be_visible()
        await_rest(page)
        assert f"timeline={THREAD}" in page.url
        page.go_back()
        await_place(page, PLACES["Calls"])
        page.go_back()
        await_place(page, PLACES["Live"])


def test_courses_on_cards_tell_day_and_unit(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT, days=shown.days)
        for label, unit in (("Total tokens", "Tokens"), ("Total cost", "$"), ("Groq", "Tokens")):
            course = page.locator(f".st-key-card-{label.replace(' ', '-')}").get_by_test_id("stVegaLiteChart")
            course.hover()
            tooltip = page.locator("#vg-tooltip-element")
            expect(tooltip).to_contain_text(re.compile(r"\w{3} \d+ \w{3} \d{4}"))
            expect(tooltip).to_contain_text(unit)


def test_no_column_is_cut_at_1440_and_a_phone_shows_what_is_measured_beside_the_name(
    browser: Browser, shown: Demo
) -> None:
    wrong = []
    with visitor(browser) as page:
        for label, link in VIEWS:
            for measure in MEASURES if label in MEASURED else ("Tokens",):
                page.set_viewport_size({"width": 1440, "height": 1000})
                open_place(page, shown.address, PLACES[label], **link, show=measure)
                looks = {1440: NONE_IS_CUT, 390: MEASURE_IS_IN_SIGHT}
                if label in ("Budgets", "Prices", "Data health", "Speed and errors"):
                    # Those are about limits, prices, checks and times.
                    del looks[390]
                for width, is_right in looks.items():
                    page.set_viewport_size({"width": width, "height": 1000})
                    try:
                        page.wait_for_function(is_right, timeout=LOAD_TIMEOUT_MS / 4)
                    except TimeoutError:
                        wrong.append(
                            (label, measure, width, page.evaluate(f"() => {{ {GRIDS} return grids; }}"))
                        )
    assert wrong == []
