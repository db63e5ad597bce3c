"""Visiting pages of the dashboard as people do, and seeing what goes wrong on the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, WebSocket, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from analytics import formatting
from tests.browser.dashboard import LOAD_TIMEOUT_MS
from tests.browser.demo import Sums

ROW_HEIGHT = 35
WINDOW = {"width": 1600, "height": 1000}
"""So wide that tables show all their columns: what is out of sight is not in the document."""
Told = TypeVar("Told")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A page: what the sidebar calls it, where it is, and its heading."""

    label: str
    path: str
    heading: str
    has_client: bool = True
    has_days: bool = True


PLACES = {
    place.label: place
    for place in (
        Place(label="Overview", path="", heading="Usage overview"),
        Place(label="Providers and models", path="providers_and_models", heading="Providers and models"),
        Place(label="Conversations", path="conversations", heading="Conversations"),
        Place(label="Calls", path="calls", heading="Calls"),
        Place(label="Live", path="live", heading="Live", has_days=False),
        Place(label="Speed and errors", path="speed_and_errors", heading="Speed and errors"),
        Place(label="Budgets", path="budgets", heading="Budgets", has_days=False),
        Place(label="Prices", path="prices", heading="Prices"),
        Place(label="Connect", path="connect", heading="Connect", has_days=False),
        Place(label="Data health", path="data_health", heading="Data health"),
        Place(label="Clients", path="clients", heading="Clients", has_client=False),
        Place(
            label="About the numbers",
            path="about_the_numbers",
            heading="About the numbers",
            has_client=False,
            has_days=False,
        ),
    )
}

# Whoever opens a page by its own address makes Streamlit's frontend look for the server there first, at the
# page's path and then at the root, as it cannot know at which path an app is served (static/js/index.*.js
# takes the parts of the address away one by one). The server answers both looks 404 by intent
# (_RESERVED_STATIC_PATH_SUFFIXES in web/server/starlette/starlette_static_routes.py), and Chromium says so
# in its console. Seen in Streamlit 1.67.
LOOKED_FOR_AT_THE_PAGE = tuple(
    f"/{place.path}/_stcore/{name}" for place in PLACES.values() for name in ("health", "host-config")
)


GO_TO = """url => {
    history.pushState(null, "", url);
    dispatchEvent(new PopStateEvent("popstate"));
}"""
STILL = {"reduced_motion": "reduce"}
"""Each picture of an animation is drawn by the processor, at the expense of what is waited for."""
_KEPT: dict[str, list[tuple[dict[str, Any], BrowserContext]]] = {}
"""By the address of a dashboard, and by their looks."""
_SOCKETS: WeakKeyDictionary[Page, WebSocket] = WeakKeyDictionary()
"""By which each page talks with its dashboard."""


@contextmanager
def kept_scripts(address: str) -> Iterator[None]:
    """So long its visitors find its scripts loaded: these weigh more than all the rest of a page."""
    _KEPT[address] = []
    try:
        yield
    finally:
        for _, context in _KEPT.pop(address):
            context.close()


@contextmanager
def visitor(browser: Browser, **look: Any) -> Iterator[Page]:
    """A page as it is for somebody who comes for the first time, in which nothing may go wrong."""
    look = {"viewport": WINDOW, **STILL, **look}
    with ExitStack() as unless_kept:
        context = _kept(look) or browser.new_context(**look)
        unless_kept.callback(context.close)
        page = context.new_page()
        page.set_default_timeout(LOAD_TIMEOUT_MS)
        page.on("websocket", lambda socket: _SOCKETS.update({page: socket}))
        problems: list[str] = []
        page.on("console", lambda message: problems.extend(_problem(message)))
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
        assert problems == []
        visited = urlsplit(page.url)
        if (kept := _KEPT.get(f"{visited.scheme}://{visited.netloc}")) is not None:
            page.evaluate("localStorage.clear()")
            page.close()
            context.clear_cookies()
            kept.append((look, context))
            unless_kept.pop_all()


def _kept(look: dict[str, Any]) -> BrowserContext | None:
    """One that nobody uses now."""
    for contexts in _KEPT.values():
        for number, (its_look, context) in enumerate(contexts):
            if its_look == look:
                del contexts[number]
                return context
    return None


def _problem(message: ConsoleMessage) -> list[str]:
    if message.type != "error":
        return []
    url = message.location["url"]
    if "404" in message.text and urlsplit(url).path in LOOKED_FOR_AT_THE_PAGE:
        return []
    return [f"{message.text} ({url})"]


def open_place(page: Page, address: str, place: Place, **link: str) -> None:
    """Opens the page by a link and waits until all of it is there.

    Whoever is in this dashboard already goes to the link as Back and Forward do, which loads no script anew.
    """
    url = f"{address}/{place.path}{'?' if link else ''}{urlencode(link)}"
    if page.url.startswith(f"{address}/"):
        with _SOCKETS[page].expect_event("framereceived", _ends_a_run):
            page.evaluate(GO_TO, url)
    else:
        page.goto(url)
    await_place(page, place)


def _ends_a_run(frame: bytes | str) -> bool:
    """Whether the dashboard says by it that its script ran to the end."""
    if isinstance(frame, str):
        return False
    message = ForwardMsg.FromString(frame)
    ended = message.WhichOneof("type") == "script_finished"
    return ended and message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY


def await_place(page: Page, place: Place) -> None:
    """Waits until the page with its last panel is there and nothing is running any more."""
    expect(page.get_by_role("heading", name=place.heading, level=1, exact=True)).to_be_visible()
    await_rest(page)


def await_rest(page: Page) -> None:
    """Waits until nothing is running, nothing is being loaded and each chart is drawn."""
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()
    expect(page.locator("[data-testid=stSkeleton], [data-stale=true]")).to_have_count(0)
    # At each look anew: charts come and go while a page is drawn.
    drawn = page.locator("canvas:visible, svg:visible")
    expect(page.get_by_test_id("stVegaLiteChart").filter(has_not=drawn)).to_have_count(0)


def choose(page: Page, group: str, name: str) -> None:
    """Picks one of a row of choices."""
    page.get_by_role("radiogroup", name=group).get_by_role("radio", name=name, exact=True).click()


def metrics(page: Page) -> dict[str, str]:
    """The cards, by their labels."""
    return {
        card.get_by_test_id("stMetricLabel").inner_text().splitlines()[0]: card.get_by_test_id(
            "stMetricValue"
        ).inner_text()
        for card in page.get_by_test_id("stMetric").all()
    }


def choose_client(page: Page, name: str) -> None:
    """Picks a client in the selector."""
    page.get_by_role("combobox", name="Client").click()
    page.get_by_role("option", name=name, exact=True).click()


def table(page: Page, which: int | str = 0) -> list[dict[str, str]]:
    """What a table holds for readers of the screen: the rows in sight, by the heads of their columns.

    `which` is its number on the page, or its key. It is drawn once it stays as it is.
    """
    looks = [_rows(page, which)]

    def stays() -> bool:
        page.evaluate("new Promise(requestAnimationFrame)")
        looks.append(_rows(page, which))
        return looks[-2] == looks[-1]

    until(stays, lambda: f"goes from {looks[-2]} to {looks[-1]}")
    return looks[-1]


def _rows(page: Page, which: int | str) -> list[dict[str, str]]:
    """Those of table() that are drawn at this moment."""
    if isinstance(which, str):
        # After a click in it, its key has a number.
        grid = page.locator(f"[class*=st-key-{which.replace(' ', '-')}]").get_by_test_id("stDataFrame").first
    else:
        grid = page.get_by_test_id("stDataFrame").nth(which)
    expect(grid.locator("[role=gridcell]").first).to_be_attached()
    rows: list[dict[str, str]] = grid.evaluate(
        """grid => {
            const heads = {};
            for (const head of grid.querySelectorAll("[role=columnheader]"))
                heads[head.ariaColIndex] = head.textContent.trim();
            return [...grid.querySelectorAll("tbody [role=row]")].map(row => Object.fromEntries(
                [...row.querySelectorAll("[role=gridcell]")]
                    .map(cell => [heads[cell.ariaColIndex], cell.textContent])
            ));
        }"""
    )
    return rows


def until(is_so: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Waits for what comes some moments after the page is done, or says what there is instead."""
    end = time.monotonic() + LOAD_TIMEOUT_MS / 1_000
    while not is_so():
        assert time.monotonic() < end, otherwise()


def expect_table(
    page: Page, which: int | str, tell: Callable[[list[dict[str, str]]], Told], expected: Told
) -> None:
    """Waits until the table tells what is expected: a grid is drawn some moments after its page is done."""

    def is_drawn() -> bool:
        page.evaluate("new Promise(requestAnimationFrame)")
        # Half drawn it lacks rows, columns or texts.
        with suppress(LookupError, ValueError):
            return tell(_rows(page, which)) == expected
        return False

    until(is_drawn, lambda: f"{tell(table(page, which))} is not {expected}")


def click_row(page: Page, number: int, key: str = "") -> None:
    """Clicks into the first column of the only table, or of that with this key; rows from 1.

    What takes the pointer lies above the grid's canvas.
    """
    where = page.locator(f"[class*=st-key-{key.replace(' ', '-')}]").first if key else page
    # The box that selects a row is at its begin, where its table has one.
    x = 12 if key else 60
    where.get_by_test_id("stDataFrame").click(position={"x": x, "y": ROW_HEIGHT * (number + 0.5)})


def expect_overview(page: Page, expected: Sums) -> None:
    """Waits until the Overview shows these sums, on its cards and in its rows."""
    requests = formatting.plural(expected.requests, "request")
    expect(page.locator(".st-key-card-Total-tokens")).to_contain_text(requests)
    await_rest(page)
    cards = metrics(page)
    assert cards["Total tokens"] == formatting.compact(expected.tokens)
    assert cards["Total cost"] == expected.cost
    expect_table(
        page,
        0,
        lambda rows: (total(rows, "Tokens"), total(rows, "Requests")),
        (expected.tokens, expected.requests),
    )


def total(rows: list[dict[str, str]], column: str) -> int:
    """The sum of a column; of a table without rows, whose only line is empty, 0."""
    return sum(int(row[column] or 0) for row in rows)


def tokens(rows: list[dict[str, str]]) -> list[int]:
    return [int(row["Tokens"]) for row in rows]
