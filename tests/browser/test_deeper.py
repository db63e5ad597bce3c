"""From a number to what it is made of: each click is one step in the address, and Back undoes it."""

import re
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, TimeoutError, expect

from analytics import queries
from analytics.days import Days
from analytics.queries import Filters
from tests.browser.demo import CLIENT, LIVE, LIVE_CALLS, Demo
from tests.browser.visits import PLACES, await_place, await_rest, metrics, open_place, table, until, visitor

FIRST_CLICK_MS = 5_000
FRESH = {"client": CLIENT}


def test_a_click_on_a_bar_shows_its_day(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, **FRESH)
        before = metrics(page)
        _click(page, _chart(page, "daily-chart"), 0.6)
        day = _days(page)
        assert len(day) == 1
        assert day.first in Days(shown.first, shown.last)
        expected = shown.sums(CLIENT, day.first, day.last)
        expect(page.locator(".st-key-card-Total-tokens")).to_contain_text(f"{expected.requests:,}")
        _undone(page, before)


def test_days_that_are_drawn_over_are_shown(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, **FRESH)
        before = metrics(page)
        _draw_over(page, _chart(page, "daily-chart"), 0.5, 0.9)
        days = _days(page)
        assert 8 <= len(days) <= 16
        expected = shown.sums(CLIENT, days.first, days.last)
        expect(page.locator(".st-key-card-Total-tokens")).to_contain_text(f"{expected.requests:,}")
        _undone(page, before)


def test_the_overview_has_a_grain_that_providers_share(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, **FRESH)
        before = metrics(page)
        expect(page.get_by_role("heading", name=re.compile("Daily usage, "))).to_be_visible()
        for grain, heading in (("Week", "Weekly usage, "), ("Month", "Monthly usage, ")):
            page.get_by_role("combobox", name="Per").click()
            page.get_by_role("option", name=f"Bars per {grain.lower()}", exact=True).click()
            expect(page.get_by_role("heading", name=re.compile(heading))).to_be_visible()
            await_rest(page)
            assert _query(page)["grain"] == grain.lower()
            assert metrics(page) == before
        page.get_by_role("link", name="Providers and models").click()
        expect(page.get_by_role("heading", name=re.compile("Usage per month"))).to_be_visible()
        await_rest(page)
        page.go_back()
        expect(page.get_by_role("heading", name=re.compile("Monthly usage, "))).to_be_visible()
        await_rest(page)
        page.go_back()
        expect(page.get_by_role("heading", name=re.compile("Weekly usage, "))).to_be_visible()
        await_rest(page)
        page.go_back()
        expect(page.get_by_role("heading", name=re.compile("Daily usage, "))).to_be_visible()
        await_rest(page)
        assert "grain" not in _query(page)


def test_a_bar_of_an_hour_of_the_overview_shows_that_hour(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        yesterday = str(Days(shown.last, shown.last))
        open_place(page, shown.address, PLACES["Overview"], days=yesterday, grain="hour", **FRESH)
        expect(page.get_by_role("heading", name=re.compile("Hourly usage, "))).to_be_visible()
        before = metrics(page)
        _click(page, _chart(page, "daily-chart"), 0.6)
        assert _days(page) == Days(shown.last, shown.last)
        assert 10 <= int(_query(page)["hour"]) <= 18
        _undone(page, before)


def test_a_point_of_a_line_shows_its_week(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, **FRESH)
        _click(page, _chart(page, "weekly-chart"), 0.7)
        week = _days(page)
        assert (len(week), week.first.weekday()) == (7, 0)


@pytest.mark.parametrize("group", ["provider", "operation", "hour", "weekday", "tag.feature"])
def test_an_entry_of_a_legend_shows_only_that(browser: Browser, shown: Demo, group: str) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, by=group, **FRESH)
        before = metrics(page)
        entries = page.locator("[class*=st-key-legend-of-share-chart-]").get_by_role("button")
        expect(entries.first).to_be_visible()
        # With the keyboard, as with the pointer.
        entries.first.focus()
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"[?&]{re.escape(group)}="))
        await_rest(page)
        chosen = _query(page)[group]
        frame = queries.usage_by_group(
            shown.database,
            shown.client().id,
            Days(shown.first, shown.last),
            "provider",
            filters=Filters.parse({group: chosen}),
        )
        requests = int(frame["request_count"].sum())
        assert 0 < requests < shown.sums(CLIENT, shown.first, shown.last).requests
        expect(page.locator(".st-key-card-Total-tokens")).to_contain_text(f"{requests:,}")
        _undone(page, before)


def test_the_rest_opens_too(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, by="model", **FRESH)
        legend = page.locator("[class*=st-key-legend-of-share-chart-]")
        legend.get_by_role("button", name=re.compile(r"Other \(\d+ more\)")).click()
        page.wait_for_url(re.compile("model(!|%21)="))
        await_rest(page)
        excluded = _query(page)["model!"].split(",")
        assert len(excluded) == queries.TOP_VALUES
        assert {row["Model"] for row in table(page)}.isdisjoint(excluded)


def test_a_slice_and_a_bar_of_a_model_are_filters(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, **FRESH)
        before = metrics(page)
        pie = _chart(page, "share-chart")
        box = pie.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2 + 85, box["y"] + box["height"] / 2)
        page.wait_for_url(re.compile("provider=openai"))
        await_rest(page)
        assert set(metrics(page)) >= {"OpenAI"}
        _undone(page, before)

        box = _chart(page, "models-chart").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 0.45 * box["width"], box["y"] + 18)
        page.wait_for_url(re.compile("model="))
        await_rest(page)
        assert {"model", "provider"} <= set(_query(page))
        _undone(page, before)


def test_an_hour_of_the_week_opens(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Providers and models"], days=shown.days, **FRESH)
        _click(page, _chart(page, "hours-chart"), 0.52)
        query = _query(page)
        expect(page.get_by_role("button", name=f"Hour: {query['hour']}:00")).to_be_visible()
        expect(page.get_by_role("button", name=f"Weekday: {query['weekday'].capitalize()}")).to_be_visible()
        expect(
            page.get_by_text(re.compile(f"Busiest: {query['weekday'].capitalize()} {query['hour']}:00"))
        ).to_be_visible()
        whole = shown.database, shown.client().id, Days(shown.first, shown.last)
        only = Filters.parse({name: query[name] for name in ("hour", "weekday")})
        requests = int(queries.usage_by_group(*whole, "weekday", filters=only)["request_count"].sum())
        assert 0 < requests < shown.sums(CLIENT, shown.first, shown.last).requests
        page.get_by_role("link", name="Overview").click()
        expect(page.locator(".st-key-card-Total-tokens")).to_contain_text(f"{requests:,}")
        page.go_back()
        expect(page.get_by_role("heading", name="Providers and models", level=1)).to_be_visible()
        await_rest(page)
        page.go_back()
        expect(page.get_by_role("button", name=re.compile("Weekday: "))).not_to_be_visible()
        await_rest(page)
        assert not {"hour", "weekday"} & {*_query(page)}


def test_a_bar_of_an_hour_shows_that_hour_of_its_day(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        yesterday = str(Days(shown.last, shown.last))
        open_place(page, shown.address, PLACES["Providers and models"], days=yesterday, grain="hour", **FRESH)
        _click(page, _chart(page, "over-time-chart"), 0.6)
        assert _days(page) == Days(shown.last, shown.last)
        assert 10 <= int(_query(page)["hour"]) <= 18
        page.go_back()
        expect(page.get_by_role("button", name=re.compile("Hour: "))).not_to_be_visible()


def test_an_hour_of_speed_and_errors_opens(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Speed and errors"], days=shown.days, **FRESH)
        _click(page, _chart(page, "failures-by-hour-chart"), 0.5)
        expect(page.get_by_role("button", name=f"Hour: {_query(page)['hour']}:00")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("button", name=re.compile("Hour: "))).not_to_be_visible()
        await_rest(page)
        page.get_by_role("button", name="Read every call").click()
        expect(page.get_by_role("heading", name="By model and hour")).to_be_visible()
        await_rest(page)
        grid = page.locator("[class*=st-key-model-hours-table]").get_by_test_id("stDataFrame")
        _click_row(page, grid, 0, "hour=")
        assert {"provider", "model", "hour"} <= {*_query(page)}


def test_a_row_of_a_table_opens_what_it_is_about(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, **FRESH)
        before = metrics(page)
        row = table(page)[1]
        _click_row(page, page.get_by_test_id("stDataFrame").first, 1, "model=")
        assert _query(page)["model"] == row["Model"]
        _undone(page, before)

        _click_row(page, page.get_by_test_id("stDataFrame").last, 0, r"/conversations\?.*timeline=")
        expect(page.get_by_role("button", name="All conversations")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("heading", name="Usage overview", level=1)).to_be_visible()


def test_the_group_is_the_same_on_all_pages_and_its_colours_too(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, by="model", **FRESH)
        overview = _colours(page, "share-chart")
        page.get_by_role("link", name="Providers and models").click()
        expect(page.get_by_role("heading", name="Providers and models", level=1)).to_be_visible()
        await_rest(page)
        assert _query(page)["by"] == "model"
        providers = _colours(page, "over-time-chart")
        both = {*overview} & {*providers}
        assert len(both) > 3
        assert {name: overview[name] for name in both} == {name: providers[name] for name in both}
        assert len(set(overview.values())) == len(overview)


def test_the_month_so_far_is_beside_the_last_one(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], days=shown.days, **FRESH)
        page.get_by_role("radio", name="Added up").click()
        expect(page.get_by_role("heading", name=f"{shown.last:%B %Y} so far")).to_be_visible()
        assert _query(page)["course"] == "added-up"
        page.go_back()
        expect(page.get_by_role("heading", name=re.compile("Daily usage"))).to_be_visible()


def test_minutes_of_live_are_their_calls(browser: Browser, shown: Demo) -> None:
    count = re.compile(rf"^{LIVE_CALLS}\s+calls, ")
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Live"], client=LIVE, show="Cost")
        for line, told in (
            ("in the last hour", count),
            ("of 6", count),
            ("without tokens", re.compile("No calls match these filters")),
        ):
            page.get_by_role("link", name=line).first.click()
            await_place(page, PLACES["Calls"])
            expect(page.get_by_text(told)).to_be_visible()
            expect(page.get_by_role("button", name=re.compile("Made: .* to "))).to_be_visible()
            page.go_back()
            await_place(page, PLACES["Live"])

        _draw_over(page, _chart(page, "minutes-chart"), 0.1, 0.97)
        await_place(page, PLACES["Calls"])
        expect(page.get_by_text(count)).to_be_visible()
        page.go_back()
        await_place(page, PLACES["Live"])

        _click(page, _chart(page, "minutes-chart"), 0.3)
        await_place(page, PLACES["Calls"])
        first, end = map(datetime.fromisoformat, _query(page)["at"].split(".."))
        assert end - first == timedelta(minutes=1)
        expect(page.get_by_text("No calls match these filters")).to_be_visible()
        page.go_back()
        await_place(page, PLACES["Live"])

        page.locator("[class*='st-key-legend-of-minutes-chart-']").get_by_role("button").first.click()
        expect(page.get_by_role("button", name="Provider: OpenAI")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("button", name="Provider: OpenAI")).to_have_count(0)


def _click_row(page: Page, grid: Locator, number: int, address: str) -> None:
    """Clicks a row, from 0, until the address is like this: a grid that is just drawn hears no click."""
    grid.scroll_into_view_if_needed()
    expect(grid.locator("[role=gridcell]").first).to_be_attached()
    for _ in range(5):
        grid.click(position={"x": 100, "y": 35 * (number + 1.5)})
        with suppress(TimeoutError):
            page.wait_for_url(re.compile(address), timeout=FIRST_CLICK_MS)
            break
    await_rest(page)


def _chart(page: Page, key: str) -> Locator:
    chart = page.locator(f"[class*='st-key-{key}']").get_by_test_id("stVegaLiteChart")
    chart.scroll_into_view_if_needed()
    expect(chart.locator("canvas, svg").first).to_be_visible()
    return chart


def _click(page: Page, chart: Locator, place: float) -> None:
    """Clicks into the middle of a chart, at this part of its width."""
    box = chart.bounding_box()
    assert box is not None
    address = page.url
    page.mouse.click(box["x"] + place * box["width"], box["y"] + box["height"] / 2)
    page.wait_for_url(lambda url: url != address)
    await_rest(page)


def _draw_over(page: Page, chart: Locator, begin: float, end: float) -> None:
    box = chart.bounding_box()
    assert box is not None
    address, height = page.url, box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + (begin + end) / 2 * box["width"], height, steps=5)
    page.mouse.move(box["x"] + end * box["width"], height, steps=5)
    page.mouse.up()
    page.wait_for_url(lambda url: url != address)
    await_rest(page)


def _undone(page: Page, numbers: dict[str, str]) -> None:
    """One Back shows the numbers of before."""
    page.go_back()
    expect(page.locator(".st-key-card-Total-tokens")).to_contain_text(numbers["Total tokens"])
    await_rest(page)
    until(lambda: metrics(page) == numbers, lambda: f"{metrics(page)} is not {numbers}")


def _query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def _days(page: Page) -> Days:
    days = Days.parse(_query(page)["days"])
    assert days is not None
    return days


def _colours(page: Page, key: str) -> dict[str, str]:
    """The colour of each entry of a legend, by its name."""
    entries = page.locator(f"[class*='st-key-legend-of-{key}-']").get_by_role("button")
    expect(entries.first).to_be_visible()
    colours: dict[str, str] = entries.evaluate_all(
        """buttons => Object.fromEntries(buttons.map(button => [
            button.textContent.trim(),
            getComputedStyle(button.querySelector("p"), "::before").backgroundColor,
        ]))"""
    )
    return colours
