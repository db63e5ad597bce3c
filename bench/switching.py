"""Switching period and page in a real browser: from the click to the last chart painted, beside a bare app.

The bare app (bench.bare) has two pages with as many elements of each kind as the Overview and "Providers and
models" have, charts among them, and data that changes with the period. It runs with Streamlit's own settings.
Both apps are open in one Chromium, and take turns.

The pages draw charts as SVG, and note themselves when one of them changed last: the frame that shows it is
when the switch was done. What came to rest for a while is done.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode

from playwright.sync_api import Browser, Locator, Page

from analytics.database import Database
from bench.bare import running, write_bare_page
from bench.dashboard import require_equal, visit
from bench.data import CLIENTS
from tests.browser.dashboard import open_browser

ROUNDS = 15
TIMEOUT_MS = 60_000
# Whoever changes a chart once more, as its place changed its size, does so within this time.
REST_MS = 600
OVERVIEW, PROVIDERS = "Overview", "Providers and models"

# Notes, in the page, the click and each change of a chart: when the frame began that shows it.
_WATCH = """
(() => {
    window.switched = {clickedAt: 0, paintedAt: 0};
    const isOfChart = node => (node.nodeType === 1 ? node : node.parentElement)
        ?.closest("[data-testid=stVegaLiteChart] svg");
    const hasChart = node => node.nodeType === 1 && node.querySelector("[data-testid=stVegaLiteChart] svg");
    new MutationObserver(changes => {
        if (changes.some(change => isOfChart(change.target)
                || [...change.addedNodes].some(node => isOfChart(node) || hasChart(node)))) {
            requestAnimationFrame(at => { window.switched.paintedAt = at; });
        }
    }).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
    addEventListener("click", () => {
        window.switched = {clickedAt: performance.now(), paintedAt: 0};
    }, {capture: true});
})();
"""
_AT_REST = """
([charts, rest]) => {
    const {clickedAt, paintedAt} = window.switched;
    return document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]")
        && document.querySelectorAll("[data-testid=stVegaLiteChart] svg").length === charts
        && paintedAt > clickedAt && performance.now() - paintedAt > rest;
}
"""


@dataclass(frozen=True, kw_only=True)
class SwitchTime:
    """One kind of switch: milliseconds from the click to the last chart painted."""

    name: str
    ours: float
    ours_most: float
    """95 percent are done."""
    bare: float
    bare_most: float


def measure_switching(database: Database, directory: Path, rounds: int = ROUNDS) -> list[SwitchTime]:
    """Switches over a database with the benchmark's data that ends today, each round for another client."""
    bare_pages = directory / "switching"
    (bare_pages / "pages").mkdir(parents=True)
    first, second = bare_pages / "first.py", bare_pages / "pages" / "second.py"
    with running("streamlit_app.py", database, directory) as ours:
        overview, providers = (
            visit(ours.address, _query(1, "30d"), page) for page in ("", "providers_and_models")
        )
        write_bare_page(first, overview.elements)
        write_bare_page(second, providers.elements)
        with running(first, database, directory, bare_pages) as bare:
            require_equal(overview, visit(bare.address, ""))
            require_equal(providers, visit(bare.address, "", "second"))
            taken = _take_turns(ours.address, bare.address, (overview.charts, providers.charts), rounds)
    return [
        SwitchTime(
            name=name,
            ours=median(times["ours"]),
            ours_most=quantiles(times["ours"], n=20)[-1],
            bare=median(times["bare"]),
            bare_most=quantiles(times["bare"], n=20)[-1],
        )
        for name, times in taken.items()
    ]


def _take_turns(
    ours: str, bare: str, charts: tuple[int, int], rounds: int
) -> Mapping[str, Mapping[str, list[float]]]:
    """Milliseconds of each kind of switch, of ours and of the bare app."""
    taken: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    on_overview, on_providers = charts
    links = {"bare": {OVERVIEW: "first", PROVIDERS: "second"}}
    with open_browser() as browser:
        for number in range(rounds):
            linked = f"{ours}/?{_query(1 + number % CLIENTS, '30d')}"
            with (
                _opened(browser, linked, on_overview) as our_page,
                _opened(browser, bare, on_overview) as bare_page,
            ):
                for switch, click, charts_then in (
                    ("period, not looked at yet", "7d", on_overview),
                    ("period, back", "30d", on_overview),
                    ("page, not looked at yet", PROVIDERS, on_providers),
                    ("page, back", OVERVIEW, on_overview),
                ):
                    # Neither is always the first.
                    turns = [("ours", our_page), ("bare", bare_page)]
                    for app, page in turns if number % 2 else reversed(turns):
                        link = links.get(app, {}).get(click, click)
                        control = (
                            page.get_by_test_id("stSidebar").get_by_role("link", name=link)
                            if click in (OVERVIEW, PROVIDERS)
                            else page.get_by_role("radio", name=click).first
                        )
                        taken[switch][app].append(_switch(page, control, charts_then))
    return taken


@contextmanager
def _opened(browser: Browser, address: str, charts: int) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(TIMEOUT_MS)
    page.add_init_script(_WATCH)
    page.goto(address)
    page.wait_for_function(_AT_REST, arg=[charts, REST_MS], polling="raf")
    yield page
    page.close()


def _switch(page: Page, control: Locator, charts: int) -> float:
    page.bring_to_front()
    control.click()
    page.wait_for_function(_AT_REST, arg=[charts, REST_MS], polling="raf")
    times = page.evaluate("window.switched")
    return float(times["paintedAt"] - times["clickedAt"])


def _query(client: int, period: str) -> str:
    return urlencode({"client": f"Client {client}", "days": period})
