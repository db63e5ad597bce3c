"""HTML, script, Markdown and formulas in stored values: a real browser shows them, and does nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from psycopg.types.json import Jsonb

from analytics import queries
from analytics.clients import list_clients
from analytics.database import Database
from analytics.days import Days
from analytics.pricing.editing import add_price, checked_price
from tests import factories
from tests.browser import dashboard
from tests.browser.visits import PLACES, kept_scripts, open_place, visitor
from tests.clones import Clones

# Each would show by a dialog, a mark on the window, an element or a request.
VALUES = [
    "<script>window.harmed = 1; alert(1)</script>",
    "<img src=x class=injected onerror='window.harmed = 1; alert(1)'>",
    "<svg class=injected onload='window.harmed = 1'></svg>",
    "</title></style><b class=injected>bold</b>",
    "![picture](http://elsewhere.invalid/picture.png)",
    "[link](javascript:window.harmed=1)",
    "<iframe class=injected src='javascript:window.harmed=1'></iframe>",
    "www.elsewhere.invalid, <https://elsewhere.invalid> and eve@elsewhere.invalid",
    "${window.harmed=1} {{constructor.constructor('window.harmed=1')()}}",
    "=HYPERLINK(\"http://elsewhere.invalid\", 'x')",
    "$x^2$ and $$y$$ :material/home: :red[red] `code` **bold** for $5",
    "'); drop table usage_logs; --",
]
NAMES = (VALUES[0], VALUES[4])
"""Of the clients: markup, and a picture that would be fetched."""


@pytest.fixture(scope="module")
def hostile_database(clones: Clones, migrated_template: str) -> Iterator[Database]:
    with clones.copy(migrated_template) as database:
        yield database


@pytest.fixture(scope="module")
def address(hostile_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A dashboard over two clients; all that is stored of them, and a price for each model, is hostile."""
    now, directory = datetime.now(UTC), tmp_path_factory.mktemp("dashboard")
    for value in VALUES:
        price = checked_price(
            source=value, model=value, unit="minute", input_usd="1", client_id=None, effective_from=None
        )
        add_price(hostile_database, price, reference=value, note=value)
    for name in NAMES:
        client_id = factories.client(hostile_database, name)
        for value in VALUES:
            conversation_id = factories.conversation(hostile_database, client_id, name=value, phone=value)
            with hostile_database.transaction() as connection:
                tags = Jsonb({"feature": value, value[:200]: value})
                row = connection.execute("select intern_tags(%s, %s)", [client_id, tags]).fetchone()
            log = factories.usage_log(
                client_id,
                conversation_id=conversation_id,
                phone=value,
                source=value,
                model=value,
                metadata={value: value, "usage_not_understood": {value: value}, "price": {"reason": value}},
                tag_set_id=row and row[0],
                operation=value,
                service_tier=value,
                operation_id=value,
                response_id=value,
                account=value,
                outcome="ok",
                created_at=now,
                **({"cost_basis": "unpriced", "cost_usd": Decimal(0)} if value == VALUES[0] else {}),
            )
            factories.insert_usage(hostile_database, log)
    with (
        dashboard.running_dashboard(
            directory / "streamlit.log",
            DATABASE_URL=hostile_database.url.render_as_string(hide_password=False),
            USAGE_DATA_DIR=str(directory),
        ) as address,
        kept_scripts(address),
    ):
        yield address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with visitor(browser) as page:
        yield page


@pytest.fixture
def harm(page: Page, address: str) -> list[str]:
    """What was done on the page that nobody asked for."""
    harm: list[str] = []
    page.on("dialog", lambda dialog: (harm.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            None
            if urlsplit(request.url).netloc in ("", urlsplit(address).netloc)
            else harm.append(f"request {request.url}")
        ),
    )
    return harm


def assert_unharmed(page: Page, harm: list[str]) -> None:
    assert page.evaluate("window.harmed") is None
    injected = ".injected, [href^=javascript], [href^='http://elsewhere'], img[src*=elsewhere]"
    expect(page.locator(injected)).to_have_count(0)
    assert harm == []


def expect_told(page: Page, *values: str) -> None:
    """In the text of the page, or in what its tables hold for readers of the screen: as it is."""
    # What parts an address, so that it is none, has no width. Sources are kept in lower case.
    told = """value => document.querySelector("[data-testid=stMain]").textContent
        .replaceAll("\\u2060", "").toLowerCase().includes(value)"""
    for value in values:
        page.wait_for_function(told, arg=" ".join(value.split()).lower())


def test_the_overview_shows_stored_values_as_they_are(page: Page, address: str, harm: list[str]) -> None:
    for name in NAMES:
        open_place(page, address, PLACES["Overview"], client=name)
        expect(page.get_by_role("combobox", name="Client")).to_have_value(name)
        assert_unharmed(page, harm)

        page.get_by_text("Show phone numbers").click()
        for grid in (page.get_by_test_id("stDataFrame").first, page.get_by_test_id("stDataFrame").last):
            cells = grid.locator("[role=gridcell]")
            expect(cells.filter(has_text=name).first).to_be_attached()
        # Charts tell of what the pointer is on.
        for chart in page.get_by_test_id("stVegaLiteChart").all():
            chart.hover()
        assert_unharmed(page, harm)


def test_each_page_shows_stored_values_as_they_are(page: Page, address: str, harm: list[str]) -> None:
    for label in ("Providers and models", "Conversations", "Calls", "Live", "Prices", "Data health"):
        open_place(page, address, PLACES[label], client=VALUES[0])
        if label in ("Conversations", "Calls", "Live"):
            page.get_by_text("Show phone numbers").click()
        expect_told(page, *VALUES)
        for chart in page.get_by_test_id("stVegaLiteChart").all():
            chart.hover()
        assert_unharmed(page, harm)
    open_place(page, address, PLACES["Clients"])
    expect_told(page, *NAMES)
    assert_unharmed(page, harm)


def test_a_conversation_shows_stored_values_as_they_are(
    page: Page, address: str, hostile_database: Database, harm: list[str]
) -> None:
    client = next(client for client in list_clients(hostile_database) if client.name == VALUES[0])
    today = client.today(datetime.now(UTC))
    days = today - timedelta(days=1), today
    found = queries.found_conversations(hostile_database, client.id, Days(*days), sees_phones=True)
    assert sorted(found["conversation_name"]) == sorted(VALUES)
    with hostile_database.transaction() as connection:
        calls = dict(connection.execute("select conversation_id, id from usage_logs").fetchall())
    for name, conversation_id in zip(found["conversation_name"], found["conversation_id"], strict=True):
        if name not in VALUES[1:8:3]:
            continue
        open_place(page, address, PLACES["Conversations"], client=VALUES[0], timeline=str(conversation_id))
        page.get_by_text("Show phone numbers").click()
        expect(page.get_by_test_id("stMain").get_by_role("heading", level=2).first).to_be_visible()
        expect_told(page, name)
        assert_unharmed(page, harm)

        call = {"timeline": str(conversation_id), "call": str(calls[conversation_id])}
        open_place(page, address, PLACES["Conversations"], client=VALUES[0], **call)
        panel = page.locator(".st-key-call-facts")
        expect(panel.get_by_role("heading", level=2)).to_contain_text("Call of")
        expect(panel).to_contain_text("Response id")
        expect_told(page, name)
        assert_unharmed(page, harm)

        open_place(page, address, PLACES["Calls"], client=VALUES[0], call=str(calls[conversation_id]))
        expect(page.get_by_role("button", name="Timeline of")).to_be_visible()
        expect_told(page, name)
        assert_unharmed(page, harm)


def test_links_are_shown_as_they_are(page: Page, address: str, harm: list[str]) -> None:
    parameters = {
        "Overview": ("client", "days", "show"),
        "Providers and models": ("with", "grain", "target"),
        "Conversations": ("sort", "page", "timeline"),
        "Calls": ("page", "columns", "call"),
    }
    asked = [(PLACES[label], name) for label, names in parameters.items() for name in names]
    for number, (place, name) in enumerate(asked):
        value = VALUES[1 + number % 6]
        page.goto(f"{address}/{place.path}?{urlencode({name: f'{value} '})}")
        alert = page.get_by_test_id("stAlert").first
        expect(alert).to_contain_text(value[:15], ignore_case=True)
        assert_unharmed(page, harm)
