"""CSV: what is read back is what PostgreSQL holds, no spreadsheet runs it, and it shows no phone."""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import duckdb
import pandas as pd
import pytest
from psycopg.types.json import Jsonb

from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.exports.calls import CALL_COLUMNS, calls_csv, count_calls
from analytics.exports.cells import BYTE_ORDER_MARK, csv_lines, number_cell, text_cell
from analytics.pricing.price_list import DETAILS
from tests import factories
from tests.csv_cells import original_text
from tests.factories import NOW

DAY = NOW.date()
TEXTS = ("source", "model", "conversation_name", "phone", "metadata")
FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "\uff1d1",
    "\uff0b1",
    "\uff0d1",
    "\uff201",
    "'=1",
]
AMOUNTS = ["0.0093", "0.00000042", "0", "123456789012.123456789012345678901", "100.10", "1e-30"]

Reader = Callable[[bytes, Path], list[dict[str, str]]]


def by_pandas(content: bytes, path: Path) -> list[dict[str, str]]:
    frame = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def by_duckdb(content: bytes, path: Path) -> list[dict[str, str]]:
    (path / "calls.csv").write_bytes(content)
    with duckdb.connect() as connection:
        answer = connection.execute(
            "select * from read_csv(?, header = true, all_varchar = true, delim = ',', quote = '\"')",
            [str(path / "calls.csv")],
        )
        names = [column[0] for column in answer.description or ()]
        return [
            {name: value or "" for name, value in zip(names, row, strict=True)} for row in answer.fetchall()
        ]


READERS = pytest.mark.parametrize("read", [by_pandas, by_duckdb])


def exported(
    database: Database, client_id: UUID, first: date = DAY, last: date = DAY, *, is_unmasked: bool = True
) -> bytes:
    return b"".join(calls_csv(database, client_id, Days(first, last), is_unmasked=is_unmasked))


@READERS
def test_calls_read_back_equal_sql(read: Reader, database: Database, acme: UUID, tmp_path: Path) -> None:
    conversation_id = factories.conversation(database, acme, name='Ana "a", b', phone="5511988887777")
    factories.insert_usage(
        database,
        *(
            factories.usage_log(
                acme,
                cost_usd=Decimal(amount),
                prompt_tokens=10**12 - number,
                completion_tokens=number,
                conversation_id=conversation_id,
                metadata={"operation": "chat", "text": 'a,"b"\n', "n": 12345678901234567890},
            )
            for number, amount in enumerate(AMOUNTS)
        ),
        factories.usage_log(acme, model=None, phone=None, cost_usd=Decimal(0), cost_basis="unpriced"),
    )
    [sql] = database.read(
        Query(
            statement="select id::text, prompt_tokens, completion_tokens, total_tokens,"
            # What is not known is empty, not 0.
            " case when cost_basis <> 'unpriced' then cost_usd end, cost_basis,"
            " coalesce(metadata::text, ''), created_at from usage_logs order by created_at, id"
        )
    )

    rows = read(exported(database, acme), tmp_path)

    assert [tuple(row) for row in rows] == [CALL_COLUMNS] * len(AMOUNTS) + [CALL_COLUMNS]
    assert [
        (
            row["id"],
            int(row["prompt_tokens"]),
            int(row["completion_tokens"]),
            int(row["total_tokens"]),
            Decimal(row["cost_usd"]) if row["cost_usd"] else None,
            row["cost_basis"],
            original_text(row["metadata"]),
            datetime.fromisoformat(row["created_at"]),
        )
        for row in rows
    ] == list(sql.records)
    assert not any("e" in row["cost_usd"].lower() for row in rows)
    assert {row["conversation_name"] for row in rows} == {'Ana "a", b', ""}


def test_sums_that_duckdb_makes_itself_equal_sql(database: Database, acme: UUID, tmp_path: Path) -> None:
    factories.insert_usage(
        database, *(factories.usage_log(acme, cost_usd=Decimal(n) / 10**12) for n in (1, 22, 333))
    )
    path = tmp_path / "calls.csv"
    path.write_bytes(exported(database, acme))

    with duckdb.connect() as connection:
        found = connection.execute(
            "select sum(cost_usd), sum(total_tokens) from"
            " read_csv(?, types = {'cost_usd': 'decimal(38, 20)', 'total_tokens': 'bigint'})",
            [str(path)],
        ).fetchone()

    [sql] = database.read(Query(statement="select sum(cost_usd), sum(total_tokens) from usage_logs"))
    assert found == sql.records[0]


@READERS
@pytest.mark.parametrize("formula", FORMULAS)
def test_no_text_begins_a_formula(
    formula: str, read: Reader, database: Database, acme: UUID, tmp_path: Path
) -> None:
    conversation_id = factories.conversation(database, acme, name=formula)
    factories.insert_usage(
        database,
        factories.usage_log(
            acme, source=formula, model=formula, phone=formula, conversation_id=conversation_id, metadata={}
        ),
    )
    [sql] = database.read(Query(statement="select source from usage_logs"))  # in lower case

    [row] = read(exported(database, acme), tmp_path)

    for column in ("source", "model", "conversation_name", "phone"):
        assert row[column].startswith("'")
    assert {original_text(row[column]) for column in ("model", "conversation_name", "phone")} == {formula}
    assert original_text(row["source"]) == sql.records[0][0]


def test_facts_are_columns_and_what_is_not_known_is_empty(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    tags = {"feature": "=search", "user": "5511987654321"}
    with database.transaction() as connection:
        [tag_set_id] = connection.execute("select intern_tags(%s, %s)", [acme, Jsonb(tags)]).fetchone() or (
            0,
        )
    known = {
        **{name: number for number, name in enumerate(DETAILS)},
        "duration_seconds": Decimal("1.25"),
        "operation": "chat",
        "outcome": "cut",
        "service_tier": "flex",
        "latency_ms": 1200,
        "time_to_first_token_ms": 0,
        "operation_id": "+5511987654321",
        "attempt": 2,
        "response_id": "resp_1",
        "account": "=org",
        "stated_cost_usd": Decimal("0.00000042"),
    }
    factories.insert_usage(
        database,
        factories.usage_log(acme, model="a", tag_set_id=tag_set_id, **known),
        factories.usage_log(acme, model="b", tag_set_id=0, metadata={"tags": {"feature": "kept"}}),
        factories.usage_log(acme, model="c"),
    )

    whole = {row["model"]: row for row in by_pandas(exported(database, acme), tmp_path)}
    assert {name: original_text(whole["a"][name]) for name in known} == {
        name: str(value) if name != "stated_cost_usd" else "0.00000042" for name, value in known.items()
    }
    assert whole["a"]["account"] == "'=org"
    assert json.loads(whole["a"]["tags"]) == tags
    assert json.loads(whole["b"]["tags"]) == {"feature": "kept"}
    assert {whole["c"][name] for name in (*known, "tags")} == {""}

    masked = exported(database, acme, is_unmasked=False)
    assert b"5511987654321" not in masked
    [row] = [row for row in by_pandas(masked, tmp_path) if row["model"] == "a"]
    assert json.loads(row["tags"]) == {"feature": "=search", "user": "•••• 4321"}
    assert row["operation_id"] == "•••• 4321"


def test_a_json_number_is_no_formula(database: Database, acme: UUID, tmp_path: Path) -> None:
    with database.transaction() as connection:
        connection.execute(
            "insert into usage_logs (client_id, source, cost_usd, metadata, created_at)"
            " values (%s, 'openai', 0, '-1', %s)",
            [acme, NOW],
        )

    [row] = by_pandas(exported(database, acme), tmp_path)

    assert row["metadata"] == "'-1"


def test_excel_reads_it() -> None:
    content = BYTE_ORDER_MARK + csv_lines([["Café"], ["a\nb"], ['say "x"']])

    assert content == '\ufeffCafé\r\n"a\nb"\r\n"say ""x"""\r\n'.encode()


def test_phones_are_masked_by_default(database: Database, acme: UUID, tmp_path: Path) -> None:
    phone = "5511999991234"
    conversation_id = factories.conversation(database, acme, name="+55 11 99999-1234", phone=phone)
    factories.insert_usage(
        database,
        factories.usage_log(
            acme,
            phone=phone,
            conversation_id=conversation_id,
            metadata={
                "to": f"{phone}@s.whatsapp.net",
                "number": int(phone),
                "note": f"call {phone} back",
                "other": "+44 20 7946 0958",
                "at": "2026-03-18",
                "price": "0.00000123456",
            },
        ),
        factories.usage_log(acme, phone=phone),
    )

    content = exported(database, acme, is_unmasked=False)

    assert b"99991234" not in content
    assert b"99999-1234" not in content
    rows = by_pandas(content, tmp_path)
    assert {row["phone"] for row in rows} == {"•••• 1234"}
    assert {row["conversation_name"] for row in rows} == {"•••• 1234"}  # also of the call that names none
    [metadata] = [json.loads(row["metadata"]) for row in rows if row["metadata"]]
    assert metadata == {
        "to": "•••• 1234",
        "number": "•••• 1234",
        "note": "call •••• 1234 back",
        "other": "•••• 0958",
        "at": "2026-03-18",
        "price": "0.00000123456",
    }


def test_a_day_is_one_of_the_client(database: Database, tmp_path: Path) -> None:
    # In Havana the clocks go back at one in the night: there is a half past midnight twice.
    havana = factories.client(database, "Havana", "America/Havana")
    moments = {
        "before": datetime(2026, 11, 1, 3, 59, 59, 999999, tzinfo=UTC),
        "first half past midnight": datetime(2026, 11, 1, 4, 30, tzinfo=UTC),
        "second half past midnight": datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
        "last": datetime(2026, 11, 2, 4, 59, 59, 999999, tzinfo=UTC),
        "after": datetime(2026, 11, 2, 5, tzinfo=UTC),
    }
    factories.insert_usage(
        database,
        *(factories.usage_log(havana, model=name, created_at=moment) for name, moment in moments.items()),
    )
    day = date(2026, 11, 1)

    rows = by_pandas(exported(database, havana, day, day), tmp_path)

    assert [row["model"] for row in rows] == ["first half past midnight", "second half past midnight", "last"]
    assert {row["usage_date"] for row in rows} == {"2026-11-01"}
    assert rows[-1]["created_at"] == "2026-11-02T04:59:59.999999Z"
    assert count_calls(database, havana, Days(day, day)) == 3


def test_an_empty_period_is_a_header(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, factories.usage_log(acme))
    day = date(2020, 1, 1)

    assert exported(database, acme, day, day) == b"\xef\xbb\xbf" + ",".join(CALL_COLUMNS).encode() + b"\r\n"
    assert count_calls(database, acme, Days(day, day)) == 0


def test_days_in_the_wrong_order_are_refused_at_once(database: Database, acme: UUID) -> None:
    with pytest.raises(InvalidInput, match="2026-03-19 is after 2026-03-18"):
        calls_csv(database, acme, Days(date(2026, 3, 19), date(2026, 3, 18)), is_unmasked=False)


def test_only_the_clients_own_calls(database: Database, acme: UUID, tmp_path: Path) -> None:
    other = factories.client(database, "Other")
    conversation_id = uuid4()
    factories.conversation(database, acme, id=conversation_id, name="ours")
    factories.conversation(database, other, id=conversation_id, name="theirs", phone="5511999999999")
    factories.insert_usage(
        database,
        factories.usage_log(acme, conversation_id=conversation_id),
        factories.usage_log(acme, model="by phone"),
        factories.usage_log(other, conversation_id=conversation_id, model="theirs"),
    )

    rows = by_pandas(exported(database, acme), tmp_path)

    assert {(row["model"], row["conversation_name"]) for row in rows} == {("gpt-4", "ours"), ("by phone", "")}


def test_progress_adds_up(database: Database, acme: UUID) -> None:
    factories.insert_usage(database, *(factories.usage_log(acme) for _ in range(3)))
    told: list[int] = []

    pieces = list(calls_csv(database, acme, Days(DAY, DAY), is_unmasked=False, progress=told.append))

    assert sum(told) == count_calls(database, acme, Days(DAY, DAY)) == 3
    assert len(pieces) == 1 + len(told)


@pytest.mark.parametrize(
    ("number", "cell"),
    [
        (Decimal("-0.00000042"), "-0.00000042"),
        (Decimal("1E+3"), "1000"),
        (Decimal("12345678901234567890.123456789"), "12345678901234567890.123456789"),
        (10**18, "1000000000000000000"),
        (-3, "-3"),
        (1e-7, "0.0000001"),
        (-2.5, "-2.5"),
    ],
)
def test_a_number_keeps_all_digits(number: Decimal | float, cell: str) -> None:
    assert number_cell(number) == cell


@pytest.mark.parametrize("text", [*FORMULAS, "'", "", "plain", "a=1", "''", " =1"])
def test_every_text_comes_back(text: str) -> None:
    assert original_text(text_cell(text)) == text
