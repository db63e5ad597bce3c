"""The PDF statement: its text, its pages, and that no name is markup."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pandas as pd
import pytest
import typst

from analytics.database import Database
from analytics.days import Days
from analytics.exports import statement
from analytics.exports.statement import statement_pdf
from analytics.queries import Filters, Overview, Period, load_overview
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.skipif(
    shutil.which("pdftotext") is None and not os.environ.get("CI"),
    reason="no pdftotext on the PATH (poppler-utils)",
)

PHONE = "5511999991234"
MARCH = Period.of(Days(date(2026, 3, 1), date(2026, 3, 31)))


@pytest.fixture
def acme(database: Database) -> UUID:
    """A client with two priced calls in March, one call without a price, and one call in February."""
    client_id = factories.client(database, "Acme", "America/Sao_Paulo")
    factories.conversation(database, client_id, name=f"{PHONE}@s.whatsapp.net", phone=PHONE)
    factories.insert_usage(
        database,
        factories.usage_log(client_id, phone=PHONE, total_tokens=1_234_567, cost_usd=Decimal("12.3456789")),
        factories.usage_log(client_id, source="groq", model="llama-3.1-8b-instant", cost_usd=Decimal(0)),
        factories.usage_log(client_id, source="local", model="mine", cost_usd=0, cost_basis="unpriced"),
        factories.usage_log(
            client_id, created_at=NOW.replace(month=2, day=10), cost_usd=Decimal("6.17283945")
        ),
        factories.usage_log(client_id, created_at=NOW.replace(month=1, day=2)),
    )
    return client_id


@pytest.fixture
def overview(database: Database, acme: UUID) -> Overview:
    return load_overview(database, acme, MARCH, NOW)


def pages_of(pdf: bytes, order: str = "-layout") -> list[str]:
    """The text of each page, in lines across it or (`-raw`) block by block."""
    text = subprocess.run(
        ["pdftotext", order, "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()
    # Words apart by one space, and nothing that only tells where a line may break.
    return [re.sub(r"\s+", " ", page.replace("\u200b", "")) for page in text.split("\f")[:-1]]


def text_of(overview: Overview) -> str:
    return " ".join(pages_of(statement_pdf(overview, generated_at=NOW)))


def test_it_says_what_the_database_holds(overview: Overview) -> None:
    text = text_of(overview)

    for words in (
        "Acme",
        "1 to 31 Mar 2026 (31 days)",
        "America/Sao_Paulo",
        "18 Mar 2026, 12:00 UTC",
        "The period is not over",
        "1,235,027 tokens",
        "≥ $12.35",
        "at least 12.3456789 USD",
        "3 requests",
        "66.7%",
        "1 at unknown cost",
        "The cost of 1 request of 3 is not known and not included",
        "Tokens per day 1 to 31 Mar 2026",
        "12 weeks up to 31 Mar 2026",
        "OpenAI gpt-4 1 1,234,567 >99.9% $0.010 $12.35",
        "Groq llama-3.1-8b-instant 1 230 <0.1% $0.00 $0.00",
        "local mine 1 230 <0.1% — cost unknown",
        "Total 3 1,235,027 ≥ $12.35",
        "How these numbers come about",
        "Page 1 of",
    ):
        assert words in text, words


def test_a_filtered_one_says_so_first_and_how(database: Database, acme: UUID) -> None:
    filters = Filters.parse(
        {
            "provider": "groq,openai",
            "model!": "#let x,,*bold*",
            "tag.#feature": "a\\,b",
            "hour": "9,10",
            "weekday!": "sun",
            "operation": ",".join(f"number {number:02}" for number in range(30)) + ",",
        }
    )
    some = load_overview(database, acme, MARCH, NOW, filters=Filters.parse({"provider": "groq,openai"}))

    first, *_ = pages_of(statement_pdf(replace(some, filters=filters), generated_at=NOW))
    said = first[first.index("Filtered.") :]
    for words in (
        "Filtered. All that follows counts only calls with",
        "Provider: Groq or OpenAI",
        "Model: not (not told) or #let x or *bold*",
        "Tag #feature: a,b",
        "Hour: 09:00 or 10:00",
        "Weekday: not Sun",
        "number 00 or number 01",
        "or 11 more",
    ):
        assert words in said, words
    assert said.index("Filtered.") < said.index("Total tokens")
    assert "March, filtered" in first or "31 Mar 2026, filtered" in first
    assert "local" not in " ".join(pages_of(statement_pdf(some, generated_at=NOW)))

    none = load_overview(database, acme, MARCH, NOW, filters=Filters.parse({"model": "none's"}))
    assert "No call of this client that passes the filters was logged between these days." in text_of(none)


def test_a_change_is_told_of_equal_spans_only(overview: Overview) -> None:
    [first, *_] = pages_of(statement_pdf(overview, generated_at=NOW), "-raw")
    # Its cost is not compared, as some of it is not known.
    assert "no comparison: the cost of some calls is not known" in first
    assert "+200% vs 1 in the 31 days before, until 09:00 of 15 Feb 2026" in first


def test_phones_are_as_they_were_read(database: Database, acme: UUID, overview: Overview) -> None:
    assert PHONE not in text_of(overview)
    assert "•••• 1234 •••• 1234" in text_of(overview)
    whole = load_overview(database, acme, MARCH, NOW, sees_phones=True)
    assert f"{PHONE}@s.whatsapp.net {PHONE}" in text_of(whole)


def test_a_period_without_usage_is_a_page(database: Database, acme: UUID) -> None:
    empty = load_overview(database, acme, Period.of(Days(date(2020, 1, 1), date(2020, 1, 31))), NOW)

    [page] = pages_of(statement_pdf(empty, generated_at=NOW))

    assert "No usage in this period." in page
    assert "$0.00" in page
    assert "nothing to price" in page
    assert "Models" not in page
    assert "The period is not over" not in page


def test_a_cost_of_which_nothing_is_known(database: Database) -> None:
    client_id = factories.client(database)
    factories.insert_usage(database, factories.usage_log(client_id, cost_usd=0, cost_basis="unpriced"))

    text = text_of(load_overview(database, client_id, MARCH, NOW))

    assert "cost unknown" in text
    assert "no request with a price" in text
    assert "$0.00 in" not in text


HOSTILE = [
    '#set page(fill: red) #include "/etc/passwd"',
    "*bold* _emphasis_ `raw` $x^2$ <label> @reference",
    "= Heading \\u{41} // comment /* and */",
    '"}] #panic()',
    "[#eval(sys.inputs)]",
]


def test_a_name_is_never_markup(overview: Overview) -> None:
    models = pd.concat([overview.models.head(1)] * len(HOSTILE), ignore_index=True).assign(model=HOSTILE)
    conversations = pd.concat([overview.conversations.head(1)] * len(HOSTILE), ignore_index=True).assign(
        conversation_name=HOSTILE
    )
    client = replace(overview.client, name=" ".join(HOSTILE)[:160])

    pdf = statement_pdf(
        replace(overview, models=models, conversations=conversations, client=client), generated_at=NOW
    )

    # Lines break where they must, so letters are compared.
    letters = re.sub(r"\s", "", "".join(pages_of(pdf, "-raw")))
    assert re.sub(r"\s", "", client.name) in letters
    assert all(letters.count(re.sub(r"\s", "", name)) >= 2 for name in HOSTILE)  # one in each table


def test_long_names_and_many_models(overview: Overview) -> None:
    models = pd.concat([overview.models] * 20, ignore_index=True)
    models["model"] = [f"model-{number}-" + "x" * 80 for number in range(60)]

    pages = pages_of(statement_pdf(replace(overview, models=models), generated_at=NOW))

    text = " ".join(pages)
    assert all(f"model-{number}-" in text for number in range(60))
    assert all("Provider Model Requests" in page for page in pages if "model-" in page)
    [with_total] = [page for page in pages if "Total 3 1,235,027" in page and "model-59-" in page]
    assert f"Page {pages.index(with_total) + 1} of {len(pages)}" in with_total


def test_a_total_never_stands_alone(overview: Overview) -> None:
    data = statement._data(overview, NOW)
    for count in range(5, 65):
        data["models"] = data["models"][:1] * count
        pdf = typst.compile(statement.TEMPLATE, format="pdf", sys_inputs={"data": json.dumps(data)})

        assert "USD per 1K Cost (USD) Total" not in " ".join(pages_of(pdf)), count


NAMES_OF_THE_WORLD = {
    "株式会社オーロラ": "NotoSansCJKjp",
    "北京科技有限公司": "NotoSansCJKsc",
    "한국 데이터": "NotoSansCJKkr",
    "חברת נתונים": "LibertinusSerif",
    "شركة البيانات": "NotoSansArabic",
    "हिन्दी कंपनी": "NotoSansDevanagari",
    "ไทยคอม": "NotoSansThai",
    "ქართული": "NotoSansGeorgian",
    "Rocket \N{ROCKET}": "NotoEmoji",
}


def test_names_of_all_scripts_have_their_letters(overview: Overview) -> None:
    [row] = overview.conversations.head(1).to_dict("records")
    for name, font in NAMES_OF_THE_WORLD.items():
        conversations = pd.DataFrame([row | {"conversation_name": name}], dtype=object)
        pdf = statement_pdf(
            replace(
                overview, client=replace(overview.client, name=f"{name} & Co"), conversations=conversations
            ),
            generated_at=NOW,
        )

        fonts = subprocess.run(["pdffonts", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
        assert font in fonts, (name, fonts)
        assert _has_all_letters(pdf, name), name


def _has_all_letters(pdf: bytes, name: str) -> bool:
    """In whatever order: pdftotext parts what is written from right to left."""
    return set(name) <= set(" ".join(pages_of(pdf, "-raw")))


def test_no_page_has_a_row_or_two_alone(overview: Overview) -> None:
    data = statement._data(overview, NOW)
    conversations = [data["conversations"][0] | {"name": f"conversation-{number}"} for number in range(20)]
    for models in range(1, 30, 2):
        data["models"] = data["models"][:1] * models
        data["conversations"] = conversations
        pdf = typst.compile(statement.TEMPLATE, format="pdf", sys_inputs={"data": json.dumps(data)})

        rows = [page.count("conversation-") for page in pages_of(pdf)]
        assert sum(rows) == 20
        assert all(count == 0 or count >= 3 for count in rows), (models, rows)


def test_big_numbers(overview: Overview) -> None:
    summary = overview.summary.copy()
    summary.loc[0, ["total_tokens", "request_count"]] = [9 * 10**17, 10**12]
    summary.loc[0, "total_cost"] = Decimal("987654321098.123456789012345678901234567890")

    pdf = statement_pdf(replace(overview, summary=summary), generated_at=NOW)

    text = " ".join(pages_of(pdf, "-raw"))
    assert "900,000,000,000,000,000" in text
    assert "≥ $987,654,321,098.12" in text
    assert "987,654,321,098.12345678901234567890123456789USD" in text.replace(" ", "")
    assert "1,000,000,000,000 requests" in text


def test_charts_are_vectors_in_the_type_of_the_page(overview: Overview) -> None:
    pdf = statement_pdf(overview, generated_at=NOW)

    fonts = subprocess.run(["pdffonts", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    images = subprocess.run(
        ["pdfimages", "-list", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()

    assert {line.split()[0].partition("+")[2].partition("-")[0] for line in fonts.splitlines()[2:]} == {
        "LibertinusSerif"
    }
    assert images.splitlines()[2:] == []
    assert "Groq" in pages_of(pdf)[0]


def test_the_same_numbers_at_the_same_moment_are_the_same_file(overview: Overview) -> None:
    assert statement_pdf(overview, generated_at=NOW) == statement_pdf(overview, generated_at=NOW)
