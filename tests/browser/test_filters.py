"""Filters: chosen from values with what they use, kept over pages, undone by Back, and right."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.demo import CLIENT, LIVE, THREAD, Demo, Sums
from tests.browser.test_accessibility import WHOLE, in_light_and_dark
from tests.browser.test_keyboard import press_until
from tests.browser.test_narrow import CUT_OFF, PHONE, SIDEWAYS
from tests.browser.visits import (
    PLACES,
    await_place,
    await_rest,
    expect_overview,
    metrics,
    open_place,
    visitor,
)

NO_TEAM = """coalesce(
    (
        select tags ->> 'team' from tag_sets
        where tag_sets.client_id = usage_logs.client_id and id = tag_set_id
    ),
    metadata #>> '{tags,team}'
) is null"""


def sums(shown: Demo, where: str, *values: object) -> Sums:
    """Of CLIENT's calls of the days that are over, without any of our functions, views or rollups."""
    client = shown.client()
    with shown.database.transaction() as connection:
        [row] = connection.execute(
            f"""
            select
                coalesce(sum(total_tokens), 0)::bigint, coalesce(sum(cost_usd), 0), count(*),
                count(*) filter (where cost_basis = 'unpriced')
            from usage_logs
            where client_id = %s and (created_at at time zone %s)::date between %s and %s and ({where})
            """,  # type: ignore[arg-type]  # noqa: S608 - constants of this file
            [client.id, client.timezone, shown.first, shown.last, *values],
        )
    return Sums(tokens=row[0], cost_usd=row[1], requests=row[2], unpriced=row[3])


def most(shown: Demo, column: str, number: int = 1) -> str:
    """The value of CLIENT's calls of these days with the most tokens, or the next ones."""
    client = shown.client()
    with shown.database.transaction() as connection:
        rows = connection.execute(
            f"""
            select {column} from usage_logs
            where client_id = %s and (created_at at time zone %s)::date between %s and %s
            group by {column} order by sum(total_tokens) desc limit %s
            """,  # type: ignore[arg-type]  # noqa: S608 - constants of this file
            [client.id, client.timezone, shown.first, shown.last, number],
        ).fetchall()
    return str(rows[-1][0])


@contextmanager
def choice(page: Page, name: str) -> Iterator[Page]:
    """The open popover, in which values of `name` are chosen; then they apply."""
    page.get_by_role("button", name="Filter", exact=False).first.click()
    page.get_by_role("combobox", name="Filter by").click()
    page.get_by_role("option", name=name, exact=True).click()
    # Until then there are those of another one.
    expect(page.get_by_role("combobox", name=name, exact=True)).to_be_visible()
    yield page
    await_rest(page)
    at = page.url
    page.get_by_role("button", name="Apply").click()
    expect(page).not_to_have_url(at)
    expect(page.get_by_role("button", name="Apply")).to_be_hidden()
    await_rest(page)


def pick(page: Page, label: str, value: str) -> str:
    """Chooses a value by typing its begin; what the list says of it."""
    box = page.get_by_role("combobox", name=label, exact=True)
    box.click()
    box.fill(value)
    option = page.get_by_role("option", name=re.compile(rf"^{re.escape(value)} · "))
    told = option.inner_text()
    option.click()
    page.keyboard.press("Escape")
    return told


def chips(page: Page) -> list[str]:
    return [text.split("\n")[0] for text in page.locator(".st-key-filters button").all_inner_texts()]


def test_filters_are_chosen_kept_over_pages_and_undone(browser: Browser, shown: Demo) -> None:
    first, second = most(shown, "model"), most(shown, "model", 2)
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT, days=shown.days)
        everything = page.url
        with choice(page, "Model"):
            told = pick(page, "Model", first)
        one = sums(shown, "model = %s", first)
        assert f"{one.requests:,}" in told
        assert one.cost in told
        expect(page).to_have_url(f"{everything}&model={first}")
        assert chips(page) == [f"Model: {first}", "Clear all"]
        expect_overview(page, one)

        # Of two values, each call has one; then all but those.
        with choice(page, "Model"):
            pick(page, "Model", second)
        expect_overview(page, sums(shown, "model in (%s, %s)", first, second))
        with choice(page, "Model"):
            page.get_by_role("radiogroup", name="Condition").get_by_role("radio", name="is not").click()
        assert chips(page)[0].startswith("Model: not ")
        expect_overview(page, sums(shown, "model is null or model not in (%s, %s)", first, second))
        filtered = page.url

        # It stays on other pages.
        page.get_by_role("link", name="Conversations").click()
        await_place(page, PLACES["Conversations"])
        assert chips(page)[0].startswith("Model: not ")
        page.get_by_role("link", name="Data health").click()
        await_place(page, PLACES["Data health"])
        expect(page.get_by_text("Filters do not apply to this page")).to_be_visible()
        page.go_back()
        page.go_back()
        await_place(page, PLACES["Overview"])
        expect(page).to_have_url(filtered)

        # Back undoes one at a time.
        page.go_back()
        page.go_back()
        expect(page).to_have_url(f"{everything}&model={first}")
        await_rest(page)
        expect_overview(page, one)
        page.go_back()
        expect(page).to_have_url(everything)
        expect(page.locator(".st-key-filters")).to_have_count(0)
        page.go_forward()
        await_rest(page)
        page.get_by_role("button", name=f"Model: {first}").click()
        expect(page).to_have_url(everything)
        expect_overview(page, sums(shown, "true"))


def test_a_link_filters_by_all_that_it_says(browser: Browser, shown: Demo) -> None:
    model = most(shown, "model")
    link = {"client": CLIENT, "days": shown.days}
    cases: list[tuple[dict[str, str], list[str], Sums]] = [
        ({"model": "", "provider!": "groq"}, ["Model: not told", "Provider: not Groq"],
         sums(shown, "model is null and source <> 'groq'")),
        ({"tag.team": "", "model": model}, [f"Model: {model}", "without team"],
         sums(shown, f"model = %s and {NO_TEAM}", model)),
    ]  # fmt: skip
    with visitor(browser) as page:
        for filters, texts, expected in cases:
            open_place(page, shown.address, PLACES["Overview"], **link, **filters)
            assert chips(page) == [*texts, "Clear all"]
            if expected.requests:
                expect_overview(page, expected)
        # What matches nothing is shown all the same, with a way on.
        hostile = '<b>a, b\\c</b> $1$ [x](http://y) :red[z] "q"'
        written = hostile.replace("\\", "\\\\").replace(",", "\\,")
        open_place(page, shown.address, PLACES["Overview"], **link, **{"tag.a!b": written})
        expect(page.get_by_text("No calls match these filters")).to_be_visible()
        assert chips(page)[0].startswith("a!b: <b>a, b\\c</b> $1$ [x](http")
        page.get_by_role("button", name="Clear filters").click()
        expect(page.get_by_text("No calls match these filters")).to_be_hidden()
        expect_overview(page, sums(shown, "true"))

        # A conversation goes by its name.
        open_place(page, shown.address, PLACES["Overview"], client=LIVE, conversation=str(THREAD))
        assert chips(page) == ["Conversation: Ada", "Clear all"]
        assert metrics(page)["Total tokens"] == "6.01K"
        open_place(page, shown.address, PLACES["Overview"], **link, model="a", **{"model!": "a"})
        expect(page.get_by_text("cannot be and not be")).to_be_visible()
        page.get_by_role("button", name="Go on without filters").click()
        expect_overview(page, sums(shown, "true"))


def test_by_keys_alone_for_readers_of_the_screen_and_on_a_phone(browser: Browser, shown: Demo) -> None:
    link: dict[str, Any] = {
        "client": LIVE, "model!": "gpt-4o,o1,o3", "provider": "openai", "tag.team": "", "outcome!": "error",
    }  # fmt: skip
    with visitor(browser, color_scheme="light", viewport=WHOLE) as page:
        open_place(page, shown.address, PLACES["Live"], **link)
        found = list(in_light_and_dark(page))
        page.emulate_media(color_scheme="light")
        press_until(page, "Tab", ".st-key-filters button")
        page.keyboard.press("Enter")
        expect(page.locator(".st-key-filters button")).to_have_count(4)
        open_place(page, shown.address, PLACES["Conversations"], client=LIVE)
        press_until(page, "Tab", "[class*='st-key-add-filter'] button")
        page.keyboard.press("Enter")
        expect(page.get_by_role("combobox", name="Filter by")).to_be_visible()
        found += [f"open: {violation}" for violation in in_light_and_dark(page)]
    assert "\n".join(found) == ""
    with visitor(browser, viewport=PHONE) as page:
        open_place(page, shown.address, PLACES["Overview"], **link)
        assert not page.evaluate(SIDEWAYS)
        assert page.evaluate(CUT_OFF) == []
