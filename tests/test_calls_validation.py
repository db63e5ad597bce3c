"""One call, three doors: tracker, API and import store the same rows, and refuse the same calls."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analytics import flush, log_usage
from analytics.__main__ import main
from analytics.calls.row import MAX_COST_USD, MAX_TEXT, MAX_TOKENS, NOT_UNDERSTOOD, USAGE_MISSING
from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.importing import import_file, plan_import
from tests import factories
from tests.api import bearer, logged, open_api
from tests.conftest import dsn

pytestmark = pytest.mark.usefixtures("tracker")

Call = Mapping[str, Any]
"""The arguments of log_usage(), with the counts of `usage` among them."""

JSON = {"Content-Type": "application/json"}
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
CANNOT_BE = "cannot be: left out"
MANY_DIGITS = "123456789012.1234567890123456789012"
A_CALL: Call = {"source": "openai", "model": "gpt-4", "created_at": factories.NOW, "prompt_tokens": 150}

NO_NUMBERS = st.sampled_from(
    [
        True,
        False,
        numpy.True_,
        "ten",
        "1_000",
        "0x1",
        "\u0661\u0662",
        "\0",
        "\ud800",
        "NaN",
        date(2026, 3, 18),
    ]
)
FLOATS = st.one_of(
    st.floats(),
    st.floats(0, float(MAX_COST_USD)),
    st.sampled_from([float("nan"), float("inf"), -0.0, 5e-324, 1e300, 0.1]),
)
INTEGERS = st.one_of(
    st.integers(0, MAX_TOKENS), st.integers(), st.sampled_from([MAX_TOKENS, MAX_TOKENS + 1, -1, 10**400])
)
# Whole and half ones, as JSON has no more digits than a float.
COUNT_DECIMALS = st.integers(0, 2 * 10**6).map(lambda half: Decimal(half) / 2)
AMOUNT_DECIMALS = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False),
    st.decimals(0, 10**12, places=25),
    st.sampled_from(["1e-30", "-0", "0e500", "1e12", "1.0e12", "1e999", MANY_DIGITS, "9" * 30]).map(Decimal),
)
TEXTS = st.one_of(
    st.none(),
    st.text(st.characters(codec=None), max_size=8),
    st.sampled_from(["", " ", "\t padded \n", "\0", "\ud800", "\\N", "\\.", "'", "\u2028", "INVOICE 17"]),
    st.integers(MAX_TEXT - 1, MAX_TEXT + 1).map(lambda length: "x" * length),
    st.uuids().map(lambda each: str(each).upper()),
    st.sampled_from([True, [], {"a": 1}]),
)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.one_of(
    st.datetimes(timezones=ZONES),
    st.sampled_from(
        [
            datetime(2000, 1, 1, tzinfo=UTC),
            datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC),
            datetime(2099, 12, 31, 23, 59, 59, 999_999, UTC),
            datetime(2100, 1, 1, tzinfo=UTC),
        ]
    ),
)
COUNTS_OF_ANY_KIND = st.one_of(
    st.none(), INTEGERS, FLOATS, COUNT_DECIMALS, NO_NUMBERS, st.integers(0, 9).map(numpy.int64)
)
CALLS = st.fixed_dictionaries(
    {"created_at": st.one_of(st.just(factories.NOW), MOMENTS)},
    optional={
        **dict.fromkeys(COUNTS, COUNTS_OF_ANY_KIND),
        "cost_usd": st.one_of(
            st.none(),
            FLOATS,
            INTEGERS,
            AMOUNT_DECIMALS,
            AMOUNT_DECIMALS.map(str),
            NO_NUMBERS,
            st.floats(0, 9).map(numpy.float64),
        ),
        "duration_seconds": st.one_of(st.none(), FLOATS, INTEGERS, NO_NUMBERS),
        "source": st.one_of(st.sampled_from(["openai", "Groq", " whisper ", "elsewhere"]), TEXTS),
        "model": st.one_of(st.sampled_from(["gpt-4", "gpt-4o", "whisper-1"]), TEXTS),
        "conversation_id": TEXTS,
        "phone": TEXTS,
        "id": TEXTS,
    },
).map(lambda call: {**A_CALL, **call})


@pytest.fixture
def writer(database: Database, acme: UUID) -> dict[str, str]:
    return bearer(database, acme, "write")


def through_tracker(client_id: UUID, calls: Sequence[Call]) -> None:
    for call in calls:
        arguments = {name: value for name, value in call.items() if name not in COUNTS}
        usage = {name: call[name] for name in COUNTS if name in call}
        try:
            log_usage(client_id, **arguments, usage=usage)
        except InvalidInput as error:
            assert str(error)  # noqa: PT017 - the others are stored
    assert flush()


def through_api(api: TestClient, headers: dict[str, str], calls: Sequence[Call]) -> None:
    records = []
    for call in calls:
        record = {name: _json(value, decimal=str) for name, value in call.items() if name not in COUNTS}
        record["usage"] = {name: _json(call[name], decimal=float) for name in COUNTS if name in call}
        records.append(record)

    results = api.post("/api/usage", content=json.dumps(records), headers=headers | JSON).json()["results"]

    assert len(results) == len(calls)
    assert all(result["status"] == "stored" or result["reason"] for result in results)


def through_import(database: Database, client_id: UUID, calls: Sequence[Call], log: Path) -> None:
    lines = []
    for call in calls:
        # A number with all the digits that it has.
        members = (
            f'"{name}": {value if isinstance(value, Decimal) else json.dumps(_json(value))}'
            for name, value in call.items()
        )
        lines.append(f"{{{', '.join(members)}}}\n")
    log.write_text("".join(lines), encoding="utf-8")

    report = import_file(database, plan_import(log), client_id=client_id)

    assert report.read == report.stored + report.rejected == len(calls)
    if report.rejects_path is not None:
        with report.rejects_path.open(encoding="utf-8", newline="") as rejects:
            assert all(row["reason"] for row in csv.DictReader(rejects))


def _json(value: Any, decimal: Callable[[Decimal], object] = str) -> Any:
    if isinstance(value, Decimal):
        return decimal(value)
    if isinstance(value, date):
        return value.isoformat()
    return value.item() if isinstance(value, numpy.generic) else value


def taken(database: Database) -> dict[UUID, Mapping[str, Any]]:
    """The calls that are in the database, by id, with the names of their conversations; they are removed."""
    with database.transaction() as connection:
        names = dict(connection.execute("select id, name from conversations").fetchall())
    rows = {
        row["id"]: row
        | {
            "conversation_name": names.get(row["conversation_id"]),
            "metadata": _without_words(row["metadata"]),
        }
        for row in logged(database)
    }
    with database.transaction() as connection:
        connection.execute("delete from usage_logs")
        connection.execute("delete from conversations")
    return rows


def _without_words(metadata: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The metadata, without the values that were not understood: JSON has not all types of Python."""
    if metadata is None or NOT_UNDERSTOOD not in metadata:
        return metadata
    kept = {name: value for name, value in metadata.items() if name not in ("usage", USAGE_MISSING, "price")}
    told = {
        name: CANNOT_BE if what.endswith(CANNOT_BE) else what
        for name, what in metadata[NOT_UNDERSTOOD].items()
    }
    return kept | {NOT_UNDERSTOOD: told, USAGE_MISSING: USAGE_MISSING in metadata}


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example(drawn=[A_CALL | {"cost_usd": Decimal(MANY_DIGITS)}, A_CALL | {"cost_usd": MANY_DIGITS}])
@example(drawn=[dict.fromkeys(A_CALL) | {"source": "openai", "created_at": factories.NOW}])
@example(drawn=[A_CALL | {"total_tokens": 0}, A_CALL | {"completion_tokens": MAX_TOKENS}])
@given(drawn=st.lists(CALLS, min_size=1, max_size=30))
def test_the_tracker_the_api_and_the_import_take_the_same_calls(
    database: Database, acme: UUID, writer: dict[str, str], tmp_path: Path, drawn: list[Call]
) -> None:
    calls = [
        {**call, "id": f"{number} {call_id}" if isinstance(call_id := call.get("id", ""), str) else call_id}
        for number, call in enumerate(drawn)
    ]
    calls = [call | {"id": str(number)} if call["id"] is None else call for number, call in enumerate(calls)]

    through_tracker(acme, calls)
    tracked = taken(database)
    through_api(open_api(database), writer, calls)
    sent = taken(database)
    through_import(database, acme, calls, tmp_path / "log.jsonl")
    imported = taken(database)

    # Where it was made a call is never lost. From outside it is refused where nothing of its usage is known,
    # and from a file where one of its counts cannot be: a column that was taken for another.
    told = {call: (row["metadata"] or {}).get(NOT_UNDERSTOOD, {}) for call, row in tracked.items()}
    assert sent == {
        call: row for call, row in tracked.items() if not (told[call] and row["metadata"][USAGE_MISSING])
    }
    assert imported == {call: row for call, row in tracked.items() if CANNOT_BE not in told[call].values()}


def test_a_cost_with_more_digits_than_are_kept_is_rounded_and_its_file_stored(
    database: Database, acme: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn(database.url))
    log = tmp_path / "log.csv"
    lines = [
        f"2026-03-18 12:00:0{number},openai,gpt-4,{cost}"
        for number, cost in enumerate(("1", MANY_DIGITS, "2"))
    ]
    log.write_text("\n".join(["created_at,source,model,cost_usd", *lines]), encoding="utf-8")

    result = CliRunner().invoke(main, ["import", str(log), "--client", "Acme"], catch_exceptions=False)

    assert "3 rows read: 3 stored, 0 already there, 0 rejected" in result.output
    assert sorted(row["cost_usd"] for row in logged(database)) == [
        Decimal(1), Decimal(2), Decimal("123456789012.12345678901234567890"),
    ]  # fmt: skip


def test_names_that_pages_group_by_have_no_phone(database: Database, acme: UUID) -> None:
    log_usage(
        acme,
        "openai",
        "gpt-4",
        usage={"prompt_tokens": 150, "completion_tokens": 80},
        operation="answer 5511999999999",
        service_tier="5511999999999",
        operation_id="answer 5511999999999",
    )
    assert flush(30)

    [row] = logged(database, "operation, service_tier, operation_id")
    assert row == {
        "operation": "answer ***9999",
        "service_tier": "***9999",
        "operation_id": "answer 5511999999999",  # masked for whoever may not see phones
    }
