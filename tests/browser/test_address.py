"""The address is the truth: walks over all pages, with a second tab, Back and Forward, and a restart."""

import random
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import unified_diff
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import dashboard
from tests.browser.demo import CLIENT, LIVE, QUIET, Demo
from tests.browser.visits import (
    PLACES,
    STILL,
    WINDOW,
    await_place,
    await_rest,
    choose,
    choose_client,
    click_row,
    expect_overview,
    open_place,
    until,
    visitor,
)

STEPS = 4
CLIENTS = (CLIENT, LIVE, QUIET)
IS_SHOWN = "document.documentElement.dataset.shown === location.pathname + location.search"
LOOK = """() => {
    const main = document.querySelector("[data-testid=stMain]");
    const all = (selector, told) => [...main.querySelectorAll(selector)].map(told);
    const fleeting = all(".st-key-freshness", part => part.innerText);
    return {
        heading: all("h1", head => head.innerText),
        chosen: all("[role=radio][aria-checked=true]", choice => choice.innerText),
        fields: all("input[role=combobox], input[type=search]", input => input.value),
        text: fleeting.reduce((text, part) => text.replace(part, ""), main.innerText),
        cells: all("[role=gridcell]", cell => cell.textContent),
    };
}"""


def test_a_walk(browser: Browser, shown: Demo) -> None:
    """Each place is compared with what a new tab shows at its address."""
    with visitor(browser) as page, visitor(browser) as second_tab:
        walk = Walk(page=page, second_tab=second_tab, chance=random.Random(1))
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT, days="7d")
        walk.arrive()
        for _ in range(STEPS):
            walk.step()
        # Back undoes all of it.
        while walk.position:
            walk.go(-1)


def test_what_is_done_before_the_browser_heard_of_the_last_is_not_lost(browser: Browser, shown: Demo) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT)
        for group, name in (("Period", "60d"), ("Charts show", "Cost"), ("Period", "90d"), ("Period", "7d")):
            choose(page, group, name)
        expect(page).to_have_url(f"{shown.address}/?client=Kaveri+Foods&days=7d&show=Cost")
        expect(page.get_by_role("heading", name="Model comparison, last 7 days")).to_be_visible()
        expect_overview(page, shown.sums(CLIENT, *shown.seven_days()))

        page.evaluate("for (let step = 0; step < 4; step++) history.back()")
        expect(page).to_have_url(f"{shown.address}/?client=Kaveri+Foods")
        expect(page.get_by_role("heading", name="Model comparison, last 30 days")).to_be_visible()
        # A control of the run before may stand beside its successor until the run is over.
        await_rest(page)
        expect(page.get_by_role("radio", name="30d")).to_be_checked()
        expect(page.get_by_role("radio", name="Tokens")).to_be_checked()
        last = shown.seven_days()[1]
        expect_overview(page, shown.sums(CLIENT, last - timedelta(days=29), last))


def test_back_past_a_page_that_was_not_drawn_yet_leaves_the_history_as_it_is(
    browser: Browser, shown: Demo
) -> None:
    with visitor(browser) as page:
        open_place(page, shown.address, PLACES["Overview"], client=CLIENT)
        for place in (PLACES["Prices"], PLACES["Conversations"], PLACES["Data health"]):
            page.get_by_role("link", name=place.label, exact=True).click()
            await_place(page, place)
        length = page.evaluate("history.length")
        # As soon as the server works on the first step, the second is made.
        page.evaluate(
            """new Promise(done => {
                addEventListener("popstate", () => setTimeout(() => done(history.back()), 30), {once: true});
                history.back();
            })"""
        )
        await_place(page, PLACES["Prices"])
        for steps, place in ((1, "Conversations"), (1, "Data health"), (-3, "Overview")):
            page.evaluate("steps => history.go(steps)", steps)
            await_place(page, PLACES[place])
            assert page.evaluate("history.length") == length


def test_a_restart_of_the_server_changes_nothing(browser: Browser, shown: Demo, tmp_path: Path) -> None:
    url = shown.database.url.render_as_string(hide_password=False)
    log, settings = tmp_path / "streamlit.log", {"DATABASE_URL": url, "USAGE_DATA_DIR": str(tmp_path)}
    with closing(browser.new_context(viewport=WINDOW, **STILL)) as context:
        page = context.new_page()
        with dashboard.running_dashboard(log, **settings) as address:
            # Days that are over: their numbers are the same a minute later.
            open_place(page, address, PLACES["Overview"], client=CLIENT, days=shown.days)
            choose(page, "Charts show", "Cost")
            link = page.get_by_role("link", name="Providers and models")
            expect(link).to_have_attribute("href", re.compile("show=Cost"))
            link.click()
            await_place(page, PLACES["Providers and models"])
            choose(page, "Per", "Week")
            expect(page.get_by_role("heading", name="Usage per week")).to_be_visible()
            await_rest(page)
            before, at = looks(page), page.url
            assert at.endswith(f"?client=Kaveri+Foods&days={shown.days}&show=Cost&grain=week")
        expect(page.get_by_role("radio", name="30d")).to_be_disabled()
        with dashboard.running_dashboard(log, port=urlsplit(address).port, **settings):
            expect(page.get_by_role("radio", name="30d")).to_be_enabled()
            await_rest(page)
            until(lambda: looks(page) == before, lambda: f"{looks(page)} is not {before}")
            assert page.url == at

            page.go_back()
            expect(page.get_by_role("heading", name="Usage per day")).to_be_visible()
            page.go_back()
            await_place(page, PLACES["Overview"])
            expect_overview(page, shown.sums(CLIENT, shown.first, shown.last))


@dataclass(kw_only=True)
class Walk:
    """Somebody who clicks about, with what their browser's history must be."""

    page: Page
    second_tab: Page
    chance: random.Random
    entries: list[str] = field(default_factory=list)
    position: int = -1
    seen: dict[str, Any] = field(default_factory=dict)
    """What a new tab showed at each address."""
    length_before: int = 0

    def step(self) -> None:
        """One action of those that the page has, or a step through the history."""
        kinds: list[Callable[[], None]] = [self.reload, *[self.act] * 6]
        kinds += [lambda: self.go(-1)] * 2 if self.position else []
        kinds += [lambda: self.go(1)] * 2 if self.position + 1 < len(self.entries) else []
        self.chance.choice(kinds)()

    def act(self) -> None:
        """Changes what is looked at: that is one entry of the history."""
        at = self.page.url
        action = self.chance.choice([action for action in ACTIONS if action.is_there(self)])
        action.do(self)
        expect(self.page).not_to_have_url(at)
        self.arrive()

    def arrive(self) -> None:
        """At a new address."""
        del self.entries[self.position + 1 :]
        self.position += 1
        self.entries.append(self.page.url)
        self.compare()

    def go(self, steps: int) -> None:
        """Back or Forward."""
        self.page.evaluate("steps => history.go(steps)", steps)
        self.position += steps
        expect(self.page).to_have_url(self.entries[self.position])
        self.compare()

    def reload(self) -> None:
        self.page.reload()
        self.compare()

    def compare(self) -> None:
        """Address, controls and numbers, and how long the history is."""
        url = self.page.url
        # Until then it is the page before, whose charts may go at any moment.
        self.page.wait_for_function(IS_SHOWN)
        await_rest(self.page)
        # What a new tab showed a minute ago may have changed: some numbers go up to this hour.
        if looks(self.page) != self.seen.get(url):
            self.second_tab.goto(url)
            await_rest(self.second_tab)
            until(lambda: looks(self.page) == looks(self.second_tab), self.difference)
            self.seen[url] = looks(self.second_tab)
        await_rest(self.page)
        assert self.page.url == url == self.entries[self.position]
        length = self.page.evaluate("history.length")
        self.length_before = self.length_before or length - 1
        assert length == self.length_before + len(self.entries), self.entries
        query = dict(parse_qsl(urlsplit(url).query))
        for name, group in (("days", "Period"), ("show", "Charts show")):
            if (choices := self.page.get_by_role("radiogroup", name=group)).count() and name in query:
                is_shown = query[name].replace("-", " ").lower() == _chosen(self.page, choices).lower()
                assert is_shown or ".." in query[name]
        if (client := self.page.get_by_role("combobox", name="Client")).count() and "client" in query:
            assert client.input_value() == query["client"]

    def difference(self) -> str:
        """The way here, and line by line what the new tab shows, and what this one."""
        there, here = (
            [*map(str, look.values()), *look["text"].splitlines()]
            for look in (looks(self.second_tab), looks(self.page))
        )
        return "\n".join([*self.entries, *unified_diff(there, here, "new tab", "this tab", n=0)])


@dataclass(frozen=True, kw_only=True)
class Action:
    """What can be done where `control` finds something."""

    control: Callable[[Page], Locator]
    do: Callable[[Walk], None]

    def is_there(self, walk: Walk) -> bool:
        return self.control(walk.page).count() > 0


def looks(page: Page) -> dict[str, Any]:
    """What a page shows, but for what every second changes."""
    page.evaluate("new Promise(requestAnimationFrame)")
    look: dict[str, Any] = page.evaluate(LOOK)
    if look["heading"] == ["Live"]:
        look["text"], look["cells"] = "", []
    look["text"] = re.sub(r"\S+ \S+ ago|just now", "", look["text"])
    look["cells"] = [cell for cell in look["cells"] if not cell.endswith(("ago", "now"))]
    return look


def _chosen(page: Page, group: Locator) -> str:
    """Of a row of choices; where none of them is, on the button of the calendar."""
    chosen = group.get_by_role("radio", checked=True).or_(page.locator("[class*=st-key-chosen-] button p"))
    return chosen.inner_text()


def _another(walk: Walk, group: str) -> None:
    """Of a row of choices."""
    radios = walk.page.get_by_role("radiogroup", name=group)
    names = radios.get_by_role("radio", checked=False).all_inner_texts()
    choose(walk.page, group, walk.chance.choice(names))


def _radios(group: str) -> Action:
    return Action(
        control=lambda page: page.get_by_role("radiogroup", name=group), do=lambda walk: _another(walk, group)
    )


def _another_page(walk: Walk) -> None:
    elsewhere = [place for place in PLACES.values() if place.path != urlsplit(walk.page.url).path.strip("/")]
    place = walk.chance.choice(elsewhere)
    walk.page.get_by_role("link", name=place.label, exact=True).click()
    await_place(walk.page, place)


def _another_client(walk: Walk) -> None:
    now = walk.page.get_by_role("combobox", name="Client").input_value()
    choose_client(walk.page, walk.chance.choice([name for name in CLIENTS if name != now]))


def _another_order(walk: Walk) -> None:
    box = walk.page.get_by_role("combobox", name="Sort by")
    orders = ("Fewest tokens", "Used last", "Name, A to Z", "Most requests")
    name = walk.chance.choice([each for each in orders if each != box.input_value()])
    box.click()
    walk.page.get_by_role("option", name=name, exact=True).click()


def _another_target(walk: Walk) -> None:
    box = walk.page.get_by_role("combobox", name="Everything on")
    now = box.input_value()
    names = [name for name in ("openai/gpt-4.1-nano", "openai/gpt-4o") if name != now]
    name = walk.chance.choice(names)
    box.click()
    box.fill(name)
    walk.page.get_by_role("option", name=name, exact=True).click()


def _search(walk: Walk) -> None:
    box = walk.page.get_by_role("searchbox", name="Search")
    box.fill(
        walk.chance.choice([text for text in ("an", "ar", "nobody", "5511") if text != box.input_value()])
    )


def _this_month(walk: Walk) -> None:
    walk.page.get_by_role("button", name="Dates").click()
    walk.page.get_by_role("radio", name="This month").click()
    expect(walk.page.get_by_role("radio", name="This month")).to_be_hidden()


def _filter(walk: Walk) -> None:
    """Takes a filter away, or adds one."""
    chips = walk.page.locator(".st-key-filters button")
    if chips.count():
        chips.first.click()
        return
    walk.page.get_by_role("button", name="Filter").click()
    walk.page.get_by_role("combobox", name="Provider").click()
    walk.page.get_by_role("option").first.click()
    walk.page.keyboard.press("Escape")
    await_rest(walk.page)
    walk.page.get_by_role("button", name="Apply").click()


def _calendar(page: Page) -> Locator:
    """Where no days of the calendar are chosen yet."""
    return page.get_by_role("button", name="Dates" if "days=this-month" not in page.url else "none")


def _button(name: str) -> Action:
    return Action(
        control=lambda page: page.get_by_role("button", name=name, disabled=False),
        do=lambda walk: walk.page.get_by_role("button", name=name).click(),
    )


ACTIONS = (
    *[Action(control=lambda page: page.get_by_role("link", name="Overview", exact=True), do=_another_page)]
    * 3,
    *[Action(control=lambda page: page.get_by_role("combobox", name="Client"), do=_another_client)] * 2,
    *[_radios(group) for group in ("Period", "Charts show", "Compare with", "Per")],
    Action(control=_calendar, do=_this_month),
    Action(control=lambda page: page.get_by_test_id("stPopover").get_by_text("Filter"), do=_filter),
    Action(control=lambda page: page.get_by_role("combobox", name="Sort by"), do=_another_order),
    Action(control=lambda page: page.get_by_role("combobox", name="Everything on"), do=_another_target),
    Action(control=lambda page: page.get_by_role("searchbox", name="Search"), do=_search),
    *[
        Action(
            control=lambda page: page.get_by_text("Click a row to see its calls."),
            do=lambda walk: click_row(walk.page, walk.chance.randint(1, 1)),
        )
    ]
    * 2,
    Action(
        control=lambda page: page.get_by_text("Click a client to open its Overview"),
        do=lambda walk: click_row(walk.page, walk.chance.randint(1, 4)),
    ),
    *[_button(name) for name in ("Next", "Previous", "All conversations", "Show all conversations")],
)
