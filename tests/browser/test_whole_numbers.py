"""No number on any page is cut off, however small or large, on a phone, a laptop and wide screens."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page

from analytics.database import Database
from tests import factories
from tests.browser import dashboard
from tests.browser.visits import PLACES, await_rest, kept_scripts, open_place, visitor
from tests.clones import Clones

WIDTHS = (390, 1366, 1440, 1920)
HEIGHT = 1_000
UNPRICED = {"cost_usd": Decimal(0), "cost_basis": "unpriced", "model": "own"}
# What a call costs, and whether there is one of unknown cost beside it.
COSTS: dict[str, tuple[str | None, bool]] = {
    "Tiny": ("0.000000001", False),
    "Below compact": ("9999.99", True),
    "Compact": ("233333.33", True),
    "Billion": ("1000000000", True),
    "Unknown": (None, True),
}
THREADS = {name: UUID(int=number) for number, name in enumerate(COSTS, start=1)}
PAGES = ("Overview", "Live")
PAGES_OF_TABLES = ("Providers and models", "Prices", "Data health")
# Every text of a card, or with a number in it, that lies beyond what cuts it off: itself or anything around
# it that neither grows nor scrolls. Grids draw their cells on a canvas, charts see to theirs.
CUT_OFF = """() => {
    const told = [];
    const main = document.querySelector("[data-testid=stMain]");
    const texts = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode, parent = text.parentElement;
        if (!/[0-9]/.test(text.data) && !parent.closest("[data-testid=stMetric]")) continue;
        if (parent.closest("[data-testid=stDataFrame], svg, style, script")) continue;
        if (!parent.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
        const range = document.createRange();
        range.selectNodeContents(text);
        const seen = range.getBoundingClientRect();
        if (!seen.width) continue;
        for (let around = parent; around !== main; around = around.parentElement) {
            const {overflowX, overflowY} = getComputedStyle(around);
            const place = around.getBoundingClientRect();
            const isWide = seen.right > place.right + 1 || seen.left < place.left - 1;
            const isHigh = seen.bottom > place.bottom + 2 || seen.top < place.top - 2;
            if (["auto", "scroll"].includes(overflowX)) break;
            if (overflowX !== "visible" && isWide || overflowY !== "visible" && isHigh) {
                told.push(text.data);
                break;
            }
        }
        if (!parent.closest("[data-testid=stTable]") && (seen.right > innerWidth || seen.left < 0))
            told.push(`${text.data} (beyond the window)`);
    }
    return told;
}"""


@pytest.fixture(scope="module")
def address(
    clones: Clones, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with clones.copy(migrated_template) as database:
        for name, cost in COSTS.items():
            _fill(database, name, *cost)
        yield from _running(database, tmp_path_factory.mktemp("dashboard"))


def _running(database: Database, directory: Path) -> Iterator[str]:
    with (
        dashboard.running_dashboard(
            directory / "streamlit.log",
            DATABASE_URL=database.url.render_as_string(hide_password=False),
            USAGE_DATA_DIR=str(directory),
        ) as address,
        kept_scripts(address),
    ):
        yield address


def _fill(database: Database, name: str, cost: str | None, has_unknown: bool) -> None:
    """Calls of today, and of the days before, so that a change is told."""
    now, thread = datetime.now(UTC), THREADS[name]
    client_id = factories.client(database, name)
    factories.conversation(database, client_id, id=thread, name=f"{name} thread")
    for age in (timedelta(minutes=3), timedelta(days=8), timedelta(days=40)):
        made = {"conversation_id": thread, "created_at": now - age}
        calls = []
        if cost is not None:
            # As many as make a change that is no round number.
            calls += [
                factories.usage_log(
                    client_id,
                    source=source,
                    cost_usd=Decimal(cost),
                    prompt_tokens=987_654_321,
                    completion_tokens=123_456_789,
                    **made,
                )
                for source in ("openai", "openai", "groq", "whisper")[: 1 + age.days % 4]
            ]
        if has_unknown:
            calls.append(factories.usage_log(client_id, **made, **UNPRICED))
        factories.insert_usage(database, *calls)


def _cut_off(page: Page) -> Iterator[str]:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        await_rest(page)
        # Sizes follow the window in the next frame.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        yield from (f"{width}: {text}" for text in page.evaluate(CUT_OFF))


@pytest.mark.parametrize("name", COSTS)
def test_no_number_of_a_client_is_cut_off(browser: Browser, address: str, name: str) -> None:
    found = []
    with visitor(browser) as page:
        for label in (*PAGES, *(PAGES_OF_TABLES if name in ("Billion", "Unknown") else ())):
            open_place(page, address, PLACES[label], client=name, show="Cost")
            found += [f"{label} {each}" for each in _cut_off(page)]
        open_place(page, address, PLACES["Conversations"], client=name, timeline=str(THREADS[name]))
        found += [f"Conversation {each}" for each in _cut_off(page)]
    assert "\n".join(found) == ""


def test_no_number_of_all_clients_is_cut_off(browser: Browser, address: str) -> None:
    with visitor(browser) as page:
        open_place(page, address, PLACES["Clients"])
        assert "\n".join(_cut_off(page)) == ""
