"""FOCUS: the specification's columns, the sums of PostgreSQL, and the FinOps Foundation's own validator."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path
from uuid import UUID

import pytest
from psycopg.types.json import Jsonb

from analytics.clients import Client, find_client
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.exports.days import daily_usage_by_model
from analytics.exports.focus import focus_csv
from tests import factories, focus_validator
from tests.csv_cells import original_text
from tests.factories import NOW

# Of FOCUS 1.0: the columns that every dataset must have, those of them that may not be null, and the rest.
MANDATORY = {
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd"),
    *("ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost"),
    *("PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
}
NOT_NULL = MANDATORY - {"ChargeClass"}
OTHERS = {
    *("AvailabilityZone", "ChargeFrequency", "CommitmentDiscountCategory", "CommitmentDiscountId"),
    *("CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType", "ConsumedQuantity"),
    *("ConsumedUnit", "ContractedUnitPrice", "ListUnitPrice", "PricingCategory", "RegionId", "RegionName"),
    *("ResourceId", "ResourceName", "ResourceType", "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName"),
    "Tags",
}
# The validator asks for these, and for ChargeCategory in one rule, by the names that they had before
# FOCUS 1.0, whatever version it is told to check.
NAMES_OF_THE_VALIDATOR = {
    "ProviderName": "Provider",
    "PublisherName": "Publisher",
    "InvoiceIssuerName": "InvoiceIssuer",
    "ResourceId": "ResourceID",
}

COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")

FIRST, LAST = date(2026, 3, 17), date(2026, 3, 18)


@pytest.fixture
def saopaulo(database: Database) -> Client:
    """A client with calls of two days, three sources and a model that no list prices."""
    client_id = factories.client(database, "=São Paulo", "America/Sao_Paulo")
    factories.insert_usage(
        database,
        factories.usage_log(client_id, cost_usd=Decimal("0.000000001234567890123")),
        factories.usage_log(client_id, cost_usd=Decimal("98765432109.5"), total_tokens=10**12),
        factories.usage_log(client_id, created_at=NOW.replace(hour=2), model="gpt-4o"),  # the day before
        factories.usage_log(client_id, source="@meta", model="+llama", cost_usd=0, cost_basis="unpriced"),
        factories.usage_log(
            client_id,
            source="whisper",
            model=None,
            prompt_tokens=0,
            completion_tokens=0,
            cost_usd=Decimal("0.003"),
        ),
    )
    return find_client(database, str(client_id))


def exported(database: Database, client: Client) -> bytes:
    return focus_csv(daily_usage_by_model(database, client.id, Days(FIRST, LAST)), client)


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def priced(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The lines of which some cost is known."""
    return [row for row in rows if row["x_UnpricedRequestCount"] != row["x_RequestCount"]]


def test_columns_of_the_specification(database: Database, saopaulo: Client) -> None:
    rows = rows_of(exported(database, saopaulo))

    assert {name for name in rows[0] if not name.startswith("x_")} == MANDATORY | OTHERS
    assert {name for row in priced(rows) for name in NOT_NULL if not row[name]} == set()
    # Only what a cost that is not known may be: null, as the specification has no other word for it.
    assert {name for row in rows for name in NOT_NULL if not row[name]} == set(COSTS)
    assert {row["ServiceCategory"] for row in rows} == {"AI and Machine Learning"}
    assert {row["ChargeCategory"] for row in rows} == {"Usage"}
    assert {row["BillingCurrency"] for row in rows} == {"USD"}
    assert {row["SubAccountId"] for row in rows} == {str(saopaulo.id)}


def test_one_row(database: Database, saopaulo: Client) -> None:
    [row] = [row for row in rows_of(exported(database, saopaulo)) if row["x_Model"] == "gpt-4o"]

    given = {name: value for name, value in row.items() if value}
    assert json.loads(given.pop("Tags")) == {"source": "openai", "model": "gpt-4o"}
    assert given == {
        **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), "0.0093"),
        **dict.fromkeys(
            ("ProviderName", "PublisherName", "InvoiceIssuerName", "BillingAccountName"), "OpenAI"
        ),
        **dict.fromkeys(("ConsumedQuantity", "PricingQuantity"), "230.0"),
        **dict.fromkeys(("ConsumedUnit", "PricingUnit"), "Tokens"),
        **dict.fromkeys(("SkuId", "SkuPriceId"), "openai/gpt-4o"),
        "BillingAccountId": "openai",
        "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-03-01T03:00:00Z",
        "BillingPeriodEnd": "2026-04-01T03:00:00Z",
        "ChargePeriodStart": "2026-03-17T03:00:00Z",
        "ChargePeriodEnd": "2026-03-18T03:00:00Z",
        "ChargeCategory": "Usage",
        "ChargeDescription": "1 request to openai/gpt-4o, 230 tokens",
        "ChargeFrequency": "Usage-Based",
        "PricingCategory": "Standard",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "OpenAI API",
        "SubAccountId": str(saopaulo.id),
        "SubAccountName": "'=São Paulo",
        "x_Source": "openai",
        "x_Model": "gpt-4o",
        "x_UsageDate": "2026-03-17",
        "x_TotalTokens": "230",
        "x_PromptTokens": "150",
        "x_CompletionTokens": "80",
        "x_CachedTokens": "0",
        "x_RequestCount": "1",
        "x_UnpricedRequestCount": "0",
    }


def test_sums_equal_sql(database: Database, saopaulo: Client) -> None:
    [sql] = database.read(
        Query(statement="select sum(cost_usd), sum(total_tokens), count(*) from usage_logs")
    )

    rows = rows_of(exported(database, saopaulo))

    with localcontext(prec=60):
        for column in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
            assert sum(Decimal(row[column]) for row in priced(rows)) == sql.records[0][0]
    tokens = [Decimal(row["ConsumedQuantity"]) for row in rows if row["ConsumedUnit"] == "Tokens"]
    assert (sum(tokens), sum(int(row["x_RequestCount"]) for row in rows)) == sql.records[0][1:]


def test_a_cost_that_is_not_known_is_not_free(database: Database, saopaulo: Client) -> None:
    [row] = [row for row in rows_of(exported(database, saopaulo)) if row["x_UnpricedRequestCount"] == "1"]

    assert {row[name] for name in COSTS} == {""}
    assert row["ChargeDescription"].endswith("what they cost is not known")

    # Free at a known price is an amount; a part that is not known is told beside the rest.
    factories.insert_usage(
        database,
        factories.usage_log(saopaulo.id, source="groq", model="free", cost_usd=Decimal(0)),
        factories.usage_log(saopaulo.id, source="groq", model="free", cost_usd=0, cost_basis="unpriced"),
    )
    [row] = [row for row in rows_of(exported(database, saopaulo)) if row["x_Model"] == "free"]
    assert {row[name] for name in COSTS} == {"0.0"}
    assert row["ChargeDescription"].endswith("the cost of 1 of them is not known and not included")


def test_calls_without_tokens_are_counted_as_requests(database: Database, saopaulo: Client) -> None:
    [row] = [row for row in rows_of(exported(database, saopaulo)) if row["x_Source"] == "whisper"]

    assert (row["ConsumedQuantity"], row["ConsumedUnit"], row["SkuId"]) == ("1.0", "Requests", "whisper")


def test_other_meters_are_consumed_where_there_are_no_tokens(database: Database, acme: UUID) -> None:
    none = {"prompt_tokens": 0, "completion_tokens": 0}
    factories.insert_usage(
        database,
        factories.usage_log(acme, model="a", duration_seconds=Decimal("12.5"), **none),
        factories.usage_log(acme, model="b", character_count=900, **none),
        factories.usage_log(acme, model="c", image_count=2, **none),
        factories.usage_log(acme, model="d", outcome="error", **none),
    )

    rows = rows_of(exported(database, find_client(database, str(acme))))
    assert [(row["ConsumedQuantity"], row["ConsumedUnit"]) for row in rows] == [
        *(("12.5", "Seconds"), ("900.0", "Characters"), ("2.0", "Images"), ("1.0", "Requests")),
    ]


def test_tags_are_those_of_the_calls_and_every_call_is_in_one_line(database: Database, acme: UUID) -> None:
    with database.transaction() as connection:
        sets = [
            connection.execute("select intern_tags(%s, %s)", [acme, Jsonb(tags)]).fetchone()
            for tags in ({"team": "=core", "feature": "search"}, {"user": "5511987654321"})
        ]
    [first], [second] = [found or (None,) for found in sets]
    factories.insert_usage(
        database,
        factories.usage_log(acme, tag_set_id=first, operation="chat"),
        factories.usage_log(acme, tag_set_id=first, operation="chat", outcome="ok"),
        factories.usage_log(acme, tag_set_id=second),
        factories.usage_log(acme, tag_set_id=0),
        factories.usage_log(acme, operation="chat"),
        factories.usage_log(acme),
    )
    lines = []
    for _ in range(2):
        rows = rows_of(exported(database, find_client(database, str(acme))))
        lines.append(rows)
        database.fold()

    own = {"source": "openai", "model": "gpt-4"}
    assert lines[0] == lines[1]
    assert [(json.loads(row["Tags"]), row["x_Operation"], row["x_RequestCount"]) for row in lines[0]] == [
        (own, "", "1"),
        (own, "", "1"),
        (own | {"user": "•••• 4321"}, "", "1"),
        (own, "chat", "1"),
        (own | {"team": "=core", "feature": "search"}, "chat", "2"),
    ]
    assert ["too many to keep apart" in row["ChargeDescription"] for row in lines[0]].count(True) == 1
    assert sum(Decimal(row["BilledCost"]) for row in lines[0]) == 6 * Decimal("0.0093")


def test_no_text_begins_a_formula(database: Database, saopaulo: Client) -> None:
    rows = rows_of(exported(database, saopaulo))

    begins = {cell[0] for row in rows for cell in row.values() if cell}
    assert begins & set("=+-@\t\r") == set()
    assert "@meta" in {original_text(row["ProviderName"]) for row in rows}
    assert "+llama" in {original_text(row["x_Model"]) for row in rows}


def test_another_client_is_not_in_it(database: Database, saopaulo: Client, acme: UUID) -> None:
    before = exported(database, saopaulo)
    factories.insert_usage(database, factories.usage_log(acme, model="of Acme"))

    assert exported(database, saopaulo) == before


def test_an_empty_period_is_a_header(database: Database, acme: UUID) -> None:
    content = exported(database, find_client(database, str(acme)))

    assert content.startswith(b"AvailabilityZone,BilledCost,")
    assert content.count(b"\r\n") == 1


def test_days_in_the_wrong_order_are_refused(database: Database, acme: UUID) -> None:
    with pytest.raises(InvalidInput, match="2026-03-18 is after 2026-03-17"):
        daily_usage_by_model(database, acme, Days(LAST, FIRST))


@pytest.fixture(scope="session")
def validate() -> Callable[[bytes, Path], str]:
    """Runs the FinOps Foundation's validator on a file; what it prints."""
    went_wrong = focus_validator.install()
    if went_wrong and not os.environ.get("CI"):
        pytest.skip(f"the FOCUS validator cannot be installed: {went_wrong[-300:]}")
    assert went_wrong == ""

    def run(content: bytes, directory: Path) -> str:
        header, *rows = csv.reader(io.StringIO(content.decode(), newline=""))
        names = [NAMES_OF_THE_VALIDATOR.get(name, name) for name in header]
        category = header.index("ChargeCategory")
        with (directory / "focus.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([[*names, "ChargeType"], *([*row, row[category]] for row in rows)])
        # It looks for its list of currencies below the current directory.
        return subprocess.run(
            [
                *(sys.executable, "-m", "focus_validator.main", "--validate-version", "1.0"),
                *("--data-file", str(directory / "focus.csv")),
            ],
            cwd=focus_validator.HOME,
            env=os.environ | {"PYTHONPATH": str(focus_validator.HOME)},
            capture_output=True,
            text=True,
        ).stdout

    return run


def test_the_foundations_validator_passes_it(
    database: Database, saopaulo: Client, validate: Callable[[bytes, Path], str], tmp_path: Path
) -> None:
    said = validate(exported(database, saopaulo), tmp_path)
    # That a cost is not known is all that it misses: see analytics/exports/focus.py.
    assert set(re.findall(r"^(\w+) failed:", said, re.MULTILINE)) <= {f"{name}_NotNull" for name in COSTS}

    with database.transaction() as connection:
        connection.execute("delete from usage_logs where cost_basis = 'unpriced'")
    assert validate(exported(database, saopaulo), tmp_path) == "Validation succeeded.\n"


def test_the_foundations_validator_would_notice(
    database: Database, saopaulo: Client, validate: Callable[[bytes, Path], str], tmp_path: Path
) -> None:
    with database.transaction() as connection:
        connection.execute("delete from usage_logs where cost_basis = 'unpriced'")
    content = exported(database, saopaulo)
    for right, wrong in (
        (b"EffectiveCost", b"Effective"),
        (b"AI and Machine Learning", b"Chatting"),
        (b",USD,", b",US$,"),
        (b"2026-03-17T03:00:00Z", b"2026-03-17T00:00:00-03:00"),
        (b"OpenAI", b""),
    ):
        assert right in content
        content = content.replace(right, wrong)

    said = validate(content, tmp_path)

    assert re.findall(r"^(\w+) failed:", said, re.MULTILINE) == [
        "BillingCurrency_IsCurrencyCode",
        "ChargePeriodStart_IsDateTime",
        "EffectiveCost_Required",
        "InvoiceIssuer_NotNull",
        "Provider_NotNull",
        "Publisher_NotNull",
        "ServiceCategory_Enum",
    ]
