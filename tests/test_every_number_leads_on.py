"""Each card, table and sum on each page leads to what it is made of; the next page is among them."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from streamlit.testing.v1 import AppTest

from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from analytics.ui.frame.page import PAGES
from analytics.ui.frame.ways import of_models
from tests import factories
from tests.app import cool_caches, open_page
from tests.clones import Clones
from tests.connections import dsn

ADA = UUID(int=101)
VIEWS: list[tuple[str, dict[str, str]]] = [
    *((file, {}) for file, _, _ in PAGES),
    ("pages/conversations.py", {"timeline": str(ADA)}),
    ("pages/calls.py", {"find": "the-call"}),
    ("pages/budgets.py", {"budget": str(UUID(int=7))}),
    ("streamlit_app.py", {"show": "Cost"}),
]
READS_MORE = ("Compare now", "Read every call")
"""Buttons behind which there are further tables."""
IS_SHOWN = {("pages/clients.py", "Total cost")}
"""Cards that lead to the order in which the rows are already."""
SUM = re.compile(r"\$\d|\d\s(calls?|requests?|tokens?|attempts?)\b|\d %|\d%")
LEADS_ON_BESIDE = (
    # Of a list, which is what they count.
    *("Click a row to see all that is known", "^Last .* within a day"),
    # Lines of ways, or rows of a table, stand below them.
    *("instead of .* as booked", "Left out of all sums", "without a price", "at list prices", "^Booked "),
    *("we would have said", "have no price, and are not in it", "Measured on", "came from a cache"),
    # Of a card, which is a link as a whole.
    *("of all tokens", "of all cost", "of all known cost", "of the limit", "^of ", "at its end"),
    # Of the budget that is open.
    *("(below|ahead of) plan",),
    # What a word or a column means.
    *("95 and 99 of 100", "range of 80 %", "among the newest"),
    # What people entered, and what happened then: the heading is the way.
    *("a month, ", "told at", "replaced by a later one"),
)
"""Sums in sentences that are no links, as what they are made of is beside them."""


@pytest.fixture(scope="module")
def used(
    clones: Clones, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """What the dashboard of these tests, which only read, is configured with."""
    with clones.copy(migrated_template) as database, pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL", dsn(database.url))
        environment.setenv("USAGE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        fill(database)
        yield database
        cool_caches()


def fill(database: Database) -> None:
    """A client with calls of all kinds, now and a while ago, and a budget."""
    now = datetime.now(UTC)
    client_id = factories.client(database)
    factories.client(database, "Beta")
    factories.conversation(database, client_id, id=ADA, name="Ada")
    kinds = [
        {"latency_ms": 900, "time_to_first_token_ms": 90, "outcome": "ok", "operation": "chat"},
        {"latency_ms": 2000, "outcome": "error", "operation_id": "a", "attempt": 1},
        {"outcome": "ok", "operation_id": "a", "attempt": 2, "cached_tokens": 20},
        {"model": "own", "cost_usd": Decimal(0), "cost_basis": "unpriced"},
        {"source": "groq", "model": "llama-3.1-8b-instant", "cost_usd": Decimal(0)},
        {"source": "mistral", "model": None, "stated_cost_usd": Decimal(9)},
    ]
    factories.insert_usage(
        database,
        *(
            factories.usage_log(client_id, conversation_id=ADA, created_at=now - ago, **kind)
            for ago in (timedelta(minutes=3), timedelta(days=2), timedelta(days=31), timedelta(days=62))
            for kind in kinds
        ),
    )
    factories.budget(database, client_id, id=UUID(int=7), limit_amount=1, split_by=None)


@pytest.mark.parametrize(("file", "link"), VIEWS, ids=lambda part: str(part).rpartition("/")[2])
def test_each_card_table_and_sum_of_a_page(used: Database, file: str, link: dict[str, str]) -> None:
    page = open_page(None if file == "streamlit_app.py" else file, client="Acme", days="30d", **link)
    for label in READS_MORE:
        for button in [each for each in page.button if each.label == label]:
            button.click().run()
    assert not page.exception
    assert [table.value.columns.tolist() for table in page.dataframe if not table.proto.selection_mode] == []
    assert [label for label in cards_without_a_way(page) if (file, label) not in IS_SHOWN] == []
    if file == "pages/data_health.py":
        # One way for each check that counts something.
        counting = [each for each in page.main.markdown if re.search(r"\d.*\.", each.value)]
        links = page.main.get("page_link")
        assert len(links) >= len([each for each in counting if not each.value.startswith("## ")])
    else:
        assert sums_that_lead_nowhere(page) == []


def cards_without_a_way(page: AppTest) -> list[str]:
    links = [each.proto.label for each in page.main.get("page_link")]
    labels = [metric.label for metric in page.metric]
    return [label for label in labels if not any(link.startswith(f"{label}: ") for link in links)]


def sums_that_lead_nowhere(page: AppTest) -> list[str]:
    texts = [
        each.value for kind in ("markdown", "caption", "info", "warning") for each in page.main.get(kind)
    ]
    plain = [text.replace("\\", "").replace("\N{NO-BREAK SPACE}", " ") for text in texts]
    return [
        text
        for text in plain
        if not text.startswith("## ")
        and SUM.search(text)
        and not any(re.search(beside, text) for beside in LEADS_ON_BESIDE)
    ]


GPT, LLAMA, OTHERS_GPT, NONE = ("openai", "gpt"), ("groq", "llama"), ("azure", "gpt"), ("groq", None)


@pytest.mark.parametrize(
    ("models", "others", "filters"),
    [
        ([GPT, LLAMA], [], {}),
        ([GPT], [LLAMA, NONE], {"model!": ",llama"}),
        # A name that both have says nothing; their providers do.
        ([GPT], [OTHERS_GPT, NONE], {"provider!": "azure,groq"}),
        ([GPT, ("azure", "own,1")], [OTHERS_GPT], None),
        # More than a filter names are left out, or let through.
        ([GPT], [("azure", str(number)) for number in range(101)], {"model": "gpt"}),
        ([("openai", f"a{number}") for number in range(101)], [GPT], {"model!": "gpt"}),
        (*([("azure", f"{name}{number}") for number in range(101)] for name in "ab"), None),
    ],
)
def test_several_models_together_are_told_from_others(
    models: list[tuple[str, str | None]], others: list[tuple[str, str | None]], filters: dict[str, str] | None
) -> None:
    assert of_models(models, others) == filters


def test_numbers_are_drawn_by_parts_that_ask_where_they_lead() -> None:
    drawn = {
        (path.name, node.attr)
        for room in ("analytics/ui", "pages")
        for path in (PROJECT_DIRECTORY / room).glob("**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "st"
        and node.attr in ("dataframe", "table", "metric", "data_editor")
    }
    assert drawn == {("tables.py", "dataframe"), ("cards.py", "metric")}
