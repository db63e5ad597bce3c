"""Real logs into usage_logs: what is read, what is rejected, and that nothing is stored twice."""

import csv
import gzip
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.api.service import Service
from analytics.clients import find_or_create_client
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import InvalidInput, UnknownClient
from analytics.exports.calls import calls_csv
from analytics.importing import TARGETS, ImportReport, import_file, plan_import, reader, run, sources_of
from analytics.importing.lines import MAX_LINE_BYTES
from tests import factories

AZURE_TRACE = PROJECT_DIRECTORY.parent / "shared" / "data" / "azure_llm_conversations_2023.csv"
AZURE_COLUMNS = {
    "created_at": "TIMESTAMP",
    "prompt_tokens": "ContextTokens",
    "completion_tokens": "GeneratedTokens",
}
HEADER = "created_at,source,model,prompt_tokens,completion_tokens"
CALL = "2025-03-18T12:00:00Z,openai,gpt-4,150,80"


@pytest.fixture
def client_id(database: Database) -> UUID:
    return factories.client(database)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.csv"


def load(
    database: Database,
    path: Path,
    client_id: UUID,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    timezone: str = "UTC",
    shift_to: datetime | None = None,
) -> ImportReport:
    plan = plan_import(path, columns=columns, constants=constants, timezone=timezone)
    return import_file(database, plan, client_id=client_id, shift_to=shift_to)


def stored(database: Database, columns: str, table: str = "usage_logs") -> list[tuple[Any, ...]]:
    statement = f"select {columns} from {table} order by {columns}"  # noqa: S608 - a test's own words
    (rows,) = database.read(Query(statement=statement))
    return list(rows.records)


def write(path: Path, *lines: str, header: str = HEADER) -> None:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def rejects(report: ImportReport) -> list[tuple[int, str, str]]:
    assert report.rejects_path is not None
    with report.rejects_path.open(encoding="utf-8", newline="") as file:
        return [(int(row["line_number"]), row["reason"], row["original"]) for row in csv.DictReader(file)]


def test_a_csv_log_is_stored_with_its_costs(database: Database, log: Path, client_id: UUID) -> None:
    write(log, CALL, "2025-03-18 13:00:00,Groq,llama-3.1-8b-instant,10,0", "2025-03-18,x,y,1,2")

    report = load(database, log, client_id)

    assert report == ImportReport(
        read=3,
        stored=3,
        unpriced=1,
        first_at=datetime(2025, 3, 18, tzinfo=UTC),
        last_at=datetime(2025, 3, 18, 13, tzinfo=UTC),
    )
    assert stored(database, "source, model, total_tokens, cost_usd, cost_basis") == [
        ("groq", "llama-3.1-8b-instant", 10, Decimal(0), "priced"),
        ("openai", "gpt-4", 230, Decimal("0.0093"), "priced"),
        ("x", "y", 3, Decimal(0), "unpriced"),
    ]
    assert not log.with_name("log.csv.rejects.csv").exists()
    assert stored(database, "total_tokens", "usage_daily_rollup") == [(3,), (10,), (230,)]


def test_columns_are_mapped_and_constants_fill_what_is_missing(
    database: Database, log: Path, client_id: UUID
) -> None:
    write(log, "2025-03-18 12:00,7,", "2025-03-18 12:00,8,gpt-4o", header="When,In,model")

    load(
        database,
        log,
        client_id,
        columns={"created_at": "When", "prompt_tokens": "In", "model": "model"},
        constants={"source": "OpenAI", "model": "gpt-4"},
    )

    assert stored(database, "source, model, prompt_tokens") == [
        ("openai", "gpt-4", 7),
        ("openai", "gpt-4o", 8),
    ]


def test_a_constant_stands_instead_of_a_column_that_nobody_mapped(
    database: Database, log: Path, client_id: UUID
) -> None:
    write(log, CALL)

    load(database, log, client_id, constants={"model": "gpt-4o"})

    assert stored(database, "model") == [("gpt-4o",)]


def test_a_cost_in_the_file_is_kept_as_it_is(database: Database, log: Path, client_id: UUID) -> None:
    write(log, f"{CALL},0.12345678901234567", f"{CALL},", f"{CALL},1e-30", header=f"{HEADER},cost_usd")

    load(database, log, client_id)

    assert stored(database, "cost_usd, cost_basis") == [
        (Decimal(0), "given"),
        (Decimal("0.0093"), "priced"),
        (Decimal("0.12345678901234567"), "given"),
    ]


@pytest.mark.parametrize(
    ("row", "tokens"),
    [
        ("150,80,", (150, 80, 230)),
        ("150,80,999", (150, 849, 999)),  # tokens that somebody billed; told, and the cost is an estimate
        ("150,,230", (150, 80, 230)),
        (",80,230", (150, 80, 230)),
        ("150.0,8e1,", (150, 80, 230)),
        ("150,,100", (150, 0, 150)),
        (",,", (0, 0, 0)),
        ("1000000000000,0,", (10**12, 0, 10**12)),
    ],
)
def test_token_counts(
    database: Database, log: Path, client_id: UUID, row: str, tokens: tuple[int, int, int]
) -> None:
    write(
        log,
        f"2025-03-18,openai,{row}",
        header="created_at,source,prompt_tokens,completion_tokens,total_tokens",
    )

    load(database, log, client_id)

    assert stored(database, "prompt_tokens, completion_tokens, total_tokens") == [tokens]


def test_a_total_without_its_parts_has_no_price(database: Database, log: Path, client_id: UUID) -> None:
    write(
        log,
        "2025-03-18,openai,gpt-4,230",
        "2025-03-18,groq,llama,230",
        header="created_at,source,model,total_tokens",
    )

    load(database, log, client_id)

    assert stored(database, "source, cost_basis") == [("groq", "priced"), ("openai", "unpriced")]


def test_whisper_is_priced_by_its_duration(database: Database, log: Path, client_id: UUID) -> None:
    write(
        log,
        "2025-03-18,whisper,whisper-1,90",
        "2025-03-18,whisper,whisper-1,",
        header="created_at,source,model,duration_seconds",
    )

    load(database, log, client_id)

    without, by_duration = stored(database, "cost_usd, cost_basis, metadata, duration_seconds")
    assert without[:2] == (Decimal(0), "unpriced")
    reason = "the usage has neither token counts nor seconds"
    assert without[2] == {"usage_missing": reason, "price": {"reason": reason}}
    assert by_duration == (
        Decimal("0.009"),
        "priced",
        {"price": {"list": "installation", "model": "whisper-1"}},
        90,
    )


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2023-11-16 18:15:46.6805900", datetime(2023, 11, 16, 18, 15, 46, 680590, UTC)),
        ("2023-11-16T18:15:46Z", datetime(2023, 11, 16, 18, 15, 46, tzinfo=UTC)),
        ("2023-11-16T18:15:46+05:30", datetime(2023, 11, 16, 12, 45, 46, tzinfo=UTC)),
        ("2023-11-16", datetime(2023, 11, 16, tzinfo=UTC)),
        ("20231116", datetime(2023, 11, 16, tzinfo=UTC)),
        ("1700158546", datetime(2023, 11, 16, 18, 15, 46, tzinfo=UTC)),
        ("1700158546.5", datetime(2023, 11, 16, 18, 15, 46, 500000, UTC)),
        ("1700158546500", datetime(2023, 11, 16, 18, 15, 46, 500000, UTC)),
        ("1700158546500000", datetime(2023, 11, 16, 18, 15, 46, 500000, UTC)),
        ("1700158546500000000", datetime(2023, 11, 16, 18, 15, 46, 500000, UTC)),
        ("1.7001585465e9", datetime(2023, 11, 16, 18, 15, 46, 500000, UTC)),
        ("2000-01-01", datetime(2000, 1, 1, tzinfo=UTC)),
    ],
)
def test_timestamps(database: Database, log: Path, client_id: UUID, text: str, at: datetime) -> None:
    write(log, f"{text},openai,1", header="created_at,source,total_tokens")

    load(database, log, client_id)

    assert stored(database, "created_at") == [(at,)]


def test_a_naive_timestamp_is_one_of_the_time_zone(database: Database, log: Path, client_id: UUID) -> None:
    write(
        log,
        "2025-03-18 12:00,openai,1",
        "2025-03-18 12:00Z,openai,1",
        header="created_at,source,total_tokens",
    )

    load(database, log, client_id, timezone="America/Sao_Paulo")

    noon = datetime(2025, 3, 18, 12, tzinfo=UTC)
    assert stored(database, "created_at") == [(noon,), (noon + timedelta(hours=3),)]


TOKENS_MUST_BE = "must be a whole number between 0 and 1,000,000,000,000"
BAD_ROWS = [
    ("openai,gpt-4,1,2", "4 fields, the header has 5"),
    (",openai,gpt-4,1,2", "created_at is missing"),
    ("yesterday,openai,gpt-4,1,2", "created_at must be a time such as 2026-03-18T12:00:00Z, not 'yesterday'"),
    ("infinity,openai,gpt-4,1,2", "created_at must be a time such as 2026-03-18T12:00:00Z, not 'infinity'"),
    ("1999-12-31T23:59:59Z,openai,gpt-4,1,2", "created_at must be between 2000 and 2100, not 1999"),
    ("2100-01-01,openai,gpt-4,1,2", "created_at must be between 2000 and 2100, not 2100"),
    ("0001-01-01T00:00:00+14:00,openai,gpt-4,1,2", "created_at must be a time such as"),
    ("0,openai,gpt-4,1,2", "created_at must be between 2000 and 2100, not 1970"),
    ("1e999,openai,gpt-4,1,2", "created_at must be a time such as 2026-03-18T12:00:00Z, not '1e999'"),
    ("2025-03-18, ,gpt-4,1,2", "source must name the provider"),
    ("2025-03-18,open\0ai,gpt-4,1,2", "source holds a NUL character"),
    (f"2025-03-18,openai,{'m' * 201},1,2", "model is longer than 200 characters"),
    ("2025-03-18,openai,gpt-4,-1,2", f"prompt_tokens {TOKENS_MUST_BE}, not -1"),
    ("2025-03-18,openai,gpt-4,1.5,2", f"prompt_tokens {TOKENS_MUST_BE}, not 1.5"),
    ("2025-03-18,openai,gpt-4,1,many", f"completion_tokens {TOKENS_MUST_BE}, not 'many'"),
    ("2025-03-18,openai,gpt-4,1,NaN", f"completion_tokens {TOKENS_MUST_BE}, not 'NaN'"),
    ("2025-03-18,openai,gpt-4,1,1e999", f"completion_tokens {TOKENS_MUST_BE}, not 1E+999"),
    ("2025-03-18,openai,gpt-4,1000000000001,2", f"prompt_tokens {TOKENS_MUST_BE}, not 1000000000001"),
    ("2025-03-18,openai,gpt-4,1_000,1", f"prompt_tokens {TOKENS_MUST_BE}, not '1_000'"),
    ("2025-03-18,openai,gpt-4,\u0661\u0662,1", f"prompt_tokens {TOKENS_MUST_BE}, not "),
    ('2025-03-18,openai,"gpt-4"x,1,2', "not CSV: "),
    ('2025-03-18,openai,"gpt-4,1,2', "not CSV: "),
]


def test_rows_that_cannot_be_read_are_rejected_and_the_rest_is_stored(
    database: Database, log: Path, client_id: UUID
) -> None:
    rows = [line for bad, _ in BAD_ROWS for line in (bad, CALL)]
    write(log, *rows)

    report = load(database, log, client_id)

    assert (report.read, report.stored, report.rejected) == (len(rows), len(BAD_ROWS), len(BAD_ROWS))
    assert report.rejects_path == log.with_name("log.csv.rejects.csv")
    for number, (row, reason) in enumerate(BAD_ROWS):
        line_number, reported, original = rejects(report)[number]
        assert (line_number, original) == (2 * number + 2, row)
        assert reported.startswith(reason)


@pytest.mark.parametrize(
    ("cost", "reason"),
    [
        ("-0.01", "cost_usd must be between 0 and 1,000,000,000,000, not '-0.01'"),
        ("NaN", "cost_usd must be a number, not 'NaN'"),
        ("Infinity", "cost_usd must be a number, not 'Infinity'"),
        ("1e13", "cost_usd must be between 0 and 1,000,000,000,000, not '1e13'"),
        ("1e999", "cost_usd must be between 0 and 1,000,000,000,000, not '1e999'"),
        ("€5", "cost_usd must be a number, not '€5'"),
    ],
)
def test_costs_that_cannot_be(database: Database, log: Path, client_id: UUID, cost: str, reason: str) -> None:
    write(log, f"{CALL},{cost}", header=f"{HEADER},cost_usd")

    report = load(database, log, client_id)

    assert [row[1].startswith(reason) for row in rejects(report)] == [True]


def test_bytes_that_are_no_text(database: Database, log: Path, client_id: UUID) -> None:
    log.write_bytes(
        f"\ufeff{HEADER}\r\n{CALL}\r\n".encode()
        + b"2025-03-18,openai,gpt\xff,1,2\r\n"
        + b"2025-03-18,openai," + b"x" * (2 * MAX_LINE_BYTES) + b",1,2\r\n"
        + CALL.encode()
    )  # fmt: skip

    report = load(database, log, client_id)

    assert (report.stored, report.rejected) == (2, 2)
    assert [row[:2] for row in rejects(report)] == [
        (3, "not UTF-8"),
        (4, f"a line of more than {MAX_LINE_BYTES:,} bytes"),
    ]


AWKWARD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.sampled_from(
        ["", "\0", "\ud800", "-0", "1e-999", "1e999", "0x1", "'", "\\N", "\\.", "9" * 30, "\t", "\u2028"]
    ),
    st.datetimes().map(str),
    st.text(st.characters(codec=None), max_size=8),
    st.text(max_size=3).map(lambda text: text * 100),
)


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_row_ever_fails_its_batch(
    database: Database, tmp_path: Path, client_id: UUID, data: st.DataObject
) -> None:
    good = {"created_at": "2025-03-18", "source": "openai", "prompt_tokens": 1}
    awkward = st.dictionaries(st.sampled_from(TARGETS), AWKWARD, max_size=4)
    calls = [{**good, **each} for each in data.draw(st.lists(awkward, min_size=1, max_size=40))]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, [*calls, dict.fromkeys(TARGETS) | good])), encoding="utf-8")

    report = load(database, log, client_id)

    assert report.read == len(calls) + 1
    assert report.read == report.stored + report.already_there + report.rejected
    assert report.rejected < report.read


def test_meters_facts_and_tags_are_columns(database: Database, log: Path, client_id: UUID) -> None:
    write(
        log,
        "1200,300,1000,,search,support,acompletion,ok,1500.4,2,flex,resp_1,0.01",
        "8,,0,2,,,aembedding,,,,,,",
        header="prompt_tokens,completion_tokens,cached_tokens,image_count,tag.feature,tag.team,operation,outcome,"
        "latency_ms,attempt,service_tier,response_id,stated_cost_usd",
    )
    constants = {"created_at": "2025-03-18T12:00Z", "source": "Azure.AI.OpenAI", "model": "gpt-4o"}

    assert load(database, log, client_id, constants=constants).stored == 2

    columns = (
        "source, prompt_tokens, completion_tokens, cached_tokens, image_count, operation, outcome, "
        "latency_ms, attempt, service_tier, response_id, stated_cost_usd"
    )
    assert stored(database, columns) == [
        ("azure", 8, 0, 0, 2, "embeddings", None, None, None, None, None, None),
        ("azure", 1200, 300, 1000, None, "chat", "ok", 1500, 2, "flex", "resp_1", Decimal("0.01")),
    ]
    assert stored(database, "tags", "tag_sets") == [({"feature": "search", "team": "support"},)]


@pytest.mark.parametrize("is_json", [True, False])
def test_a_whole_usage_object_is_a_column(
    database: Database, tmp_path: Path, client_id: UUID, is_json: bool
) -> None:
    usage = {
        "input_tokens": 20,
        "cache_read_input_tokens": 1000,
        "output_tokens": 300,
        "a_meter_of_tomorrow": 7,
    }
    record = {"created_at": "2025-03-18", "source": "anthropic", "model": "claude-sonnet-4-5", "usage": usage}
    record |= {"tags": {"feature": "search", "rate": 0.5}, "metadata": {"ours": {"a": 1.5}}}
    if is_json:
        log = tmp_path / "log.jsonl"
        log.write_text(json.dumps(record) + "\n", encoding="utf-8")
    else:
        log = tmp_path / "log.csv"
        cells = {
            name: json.dumps(value) if isinstance(value, dict) else value for name, value in record.items()
        }
        with log.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, cells)
            writer.writeheader()
            writer.writerow(cells)

    assert load(database, log, client_id).stored == 1

    assert stored(database, "prompt_tokens, cached_tokens, cost_basis") == [(1020, 1000, "estimated")]
    [(metadata,)] = stored(database, "metadata")
    assert metadata["ours"] == {"a": 1.5}
    assert metadata["usage"] == usage
    assert stored(database, "tags", "tag_sets") == [({"feature": "search", "rate": "0.5"},)]


def test_a_response_id_is_the_calls_identity(database: Database, log: Path, client_id: UUID) -> None:
    write(log, f"{CALL},chatcmpl-1", f"{CALL},chatcmpl-1", f"{CALL},", header=f"{HEADER},response_id")

    report = load(database, log, client_id)

    assert (report.stored, report.already_there) == (2, 1)


@pytest.mark.parametrize(
    ("header", "value", "reason"),
    [
        ("outcome", "success", "outcome must be one of ok, error, refused, cut, not 'success'"),
        ("attempt", "0", "attempt must be between 1 and 1,000,000, not 0"),
        ("usage", "5", "usage must be a JSON object, not 5"),
        ("tags", "x", "tags must be a JSON object, not 'x'"),
        (
            "cached_tokens",
            "-1",
            "cached_tokens must be a whole number between 0 and 1,000,000,000,000, not -1",
        ),
        ("latency_ms", "soon", "latency_ms must be a number, not 'soon'"),
    ],
)
def test_a_fact_that_cannot_be_is_rejected(
    database: Database, log: Path, client_id: UUID, header: str, value: str, reason: str
) -> None:
    write(log, f"{CALL},{value}", header=f"{HEADER},{header}")

    [(_, told, _)] = rejects(load(database, log, client_id))

    assert told.startswith(reason)


def test_an_export_of_our_own_comes_back_equal(database: Database, tmp_path: Path, client_id: UUID) -> None:
    usage = {
        "prompt_tokens": 1200,
        "completion_tokens": 300,
        "prompt_tokens_details": {"cached_tokens": 1000},
    }
    calls: list[dict[str, Any]] = [
        {
            "usage": usage,
            "conversation_id": "invoice 17",
            "phone": "+5511999999999",
            "tags": {"feature": "=1"},
        },
        {
            "usage": usage | {"tomorrow": 5},
            "metadata": {"ours": [1, 2]},
            "operation": "chat",
            "latency_ms": 1500,
        },
        {"usage": usage, "cost_usd": "0.0123", "conversation_id": str(uuid4()), "response_id": "chatcmpl-1"},
        {"usage": None, "outcome": "error", "attempt": 2, "operation_id": "answer 17"},
        {"usage": None, "outcome": "cut"},
        {"usage": {"id": "resp_1", "object": "response", "usage": usage, "usage_breakdown": {"models": [1]}}},
        {"usage": {"total_tokens": 75}, "tokens_estimated": True, "duration_seconds": 30.5},
        {"usage": usage, "plan": "max", "stated_cost_usd": "0.02"},
        {"usage": usage, "source": "ours", "model": "'x'", "stated_cost_usd": "0.02", "account": "proj_1"},
        {
            "usage": {
                "input_tokens": 10,
                "output_tokens": 1056,
                "output_tokens_details": {"image_tokens": 1056},
            }
        },
    ]
    service = Service(lambda: database)
    described = [
        {"source": "openai", "model": "gpt-4o", "created_at": factories.NOW + timedelta(seconds=number)}
        | call
        for number, call in enumerate(calls)
    ]
    assert {result.status for result in service.store(client_id, described)} == {"stored"}
    days = Days(factories.NOW.date(), factories.NOW.date())
    exported = b"".join(calls_csv(database, client_id, days, is_unmasked=True))
    with database.transaction() as connection:
        connection.execute("delete from usage_logs")
        connection.execute("delete from conversations")
    log = tmp_path / "calls.csv"
    log.write_bytes(exported)

    assert load(database, log, client_id).stored == len(calls)

    again = b"".join(calls_csv(database, client_id, days, is_unmasked=True))
    assert again.decode().splitlines() == exported.decode().splitlines()


def test_a_rejects_file_tells_of_the_last_run_only(database: Database, log: Path, client_id: UUID) -> None:
    write(log, "bad,openai,gpt-4,1,2")
    first = load(database, log, client_id)
    write(log, CALL)

    second = load(database, log, client_id)

    assert first.rejects_path is not None
    assert second.rejects_path is None
    assert not first.rejects_path.exists()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_dialects(database: Database, log: Path, client_id: UUID, delimiter: str) -> None:
    lines = [HEADER.replace(",", delimiter), "", CALL.replace(",", delimiter)]
    quoted = CALL.replace("gpt-4", '"of two\r\nlines ""or"" more"').replace(",", delimiter)
    log.write_bytes("\r\n".join([*lines, quoted]).encode())

    report = load(database, log, client_id)

    assert report.rejected == 0
    assert stored(database, "model") == [("gpt-4",), ('of two\r\nlines "or" more',)]


@pytest.mark.parametrize(
    "model", ["\\N", "\\.", "a\tb", "a\\tb", "a\r\nb", "a\\", "{}", "NULL", "naïve-\U0001f600"]
)
def test_texts_arrive_as_they_are(database: Database, tmp_path: Path, client_id: UUID, model: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        json.dumps({"created_at": "2025-03-18", "source": "openai", "model": model, "cost_usd": 0}), "utf-8"
    )

    load(database, log, client_id)

    assert stored(database, "model") == [(model,)]


def test_json_lines(database: Database, tmp_path: Path, client_id: UUID) -> None:
    log = tmp_path / "log.jsonl"
    calls: Iterable[str] = [
        json.dumps(
            {"ts": 1742299200, "source": "openai", "model": "gpt-4", "usage": {"in": 150, "out": 80.0}}
        ),
        "",
        json.dumps({"ts": 1742299200.5, "source": "openai", "model": None, "phone": 5511999999999}),
        '{"ts": 1742299200, "source": "openai", "cost_usd": 0.1000000000000000055}',
        '{"ts": 1742299200, "source": "openai", "cost_usd": NaN}',
        '{"ts": 1742299200, "source": "open\\ud800ai"}',
        '{"ts": true, "source": "openai"}',
        '{"ts": 1742299200, "source": ["openai"]}',
        '{"ts": 1742299200, "source": "openai"',
        "[1]",
        "[" * 100_000,
        '{"ts": ' + "9" * 5000 + "}",
    ]
    log.write_text("\n".join(calls), encoding="utf-8")

    report = load(
        database,
        log,
        client_id,
        columns={"created_at": "ts", "prompt_tokens": "usage.in", "completion_tokens": "usage.out"},
    )

    assert stored(database, "total_tokens, cost_usd, cost_basis, phone") == [
        (0, Decimal(0), "unpriced", "5511999999999"),
        (0, Decimal("0.1000000000000000055"), "given", None),
        (230, Decimal("0.0093"), "priced", None),
    ]
    assert [(line, reason.split(": ")[0]) for line, reason, _ in rejects(report)] == [
        (5, "cost_usd must be between 0 and 1,000,000,000,000, not nan"),
        (6, "source holds half a character (a lone surrogate)"),
        (7, "created_at must be a time such as 2026-03-18T12:00:00Z, not True"),
        (8, "source must be a text, not list"),
        (9, "not JSON"),
        (10, "not a JSON object"),
        (11, "not JSON"),
        (12, "not JSON"),
    ]


def test_a_compressed_log(database: Database, tmp_path: Path, client_id: UUID) -> None:
    log = tmp_path / "log.csv.gz"
    log.write_bytes(gzip.compress(f"{HEADER}\n{CALL}\n".encode()))

    assert load(database, log, client_id).stored == 1

    log.write_bytes(log.read_bytes()[:-12])
    with pytest.raises(InvalidInput, match="cannot read"):
        load(database, log, client_id)


def test_the_same_file_twice_adds_nothing(database: Database, log: Path, client_id: UUID) -> None:
    write(log, CALL, CALL, CALL)  # three calls, though they look alike
    load(database, log, client_id)

    again = load(database, log, client_id, constants={"model": "gpt-4o"}, shift_to=factories.NOW)

    assert (again.read, again.stored, again.already_there) == (3, 0, 3)
    assert stored(database, "model") == [("gpt-4",)] * 3


def test_a_log_that_has_grown_adds_only_what_is_new(database: Database, log: Path, client_id: UUID) -> None:
    log.write_bytes(f"{HEADER}\r\n{CALL}\r\n{CALL}".encode())
    load(database, log, client_id)
    log.write_bytes(f"{HEADER}\r\n{CALL}\r\n{CALL}\r\n{CALL}\r\nbad\r\n{CALL}".encode())

    grown = load(database, log, client_id)

    assert (grown.stored, grown.already_there, grown.rejected) == (2, 2, 1)


def test_two_clients_may_have_the_same_log(database: Database, log: Path, client_id: UUID) -> None:
    write(log, CALL)
    load(database, log, client_id)

    other = load(database, log, factories.client(database, name="Other"))

    assert other.stored == 1


def test_ids_of_the_file_are_kept(database: Database, log: Path, client_id: UUID) -> None:
    known = uuid4()
    write(log, f"{known},{CALL}", f"call-7,{CALL}", f"call-7,{CALL}", f",{CALL}", header=f"id,{HEADER}")

    report = load(database, log, client_id)

    assert (report.stored, report.already_there) == (3, 1)
    assert (known,) in stored(database, "id")


def test_a_row_that_says_more_of_a_call_updates_it(database: Database, log: Path, client_id: UUID) -> None:
    calls = [f"call-7,2025-03-18,openai,gpt-4,10,{tokens}" for tokens in (1, 3, 2)]
    write(log, *calls[:2], header="id,created_at,source,model,prompt_tokens,completion_tokens")
    report = load(database, log, client_id)
    assert (report.read, report.stored, report.updated, report.already_there) == (2, 1, 1, 0)

    write(log, calls[2], header="id,created_at,source,model,prompt_tokens,completion_tokens")
    report = load(database, log, client_id)

    assert (report.read, report.stored, report.updated, report.already_there) == (1, 0, 0, 1)
    assert stored(database, "completion_tokens") == [(3,)]


def test_several_batches_and_a_bad_row_in_each(
    database: Database, log: Path, client_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BATCH_ROWS", 3)
    write(log, *[CALL, "bad", CALL] * 5)
    read_bytes: list[int] = []

    report = import_file(
        database, plan_import(log), client_id=client_id, progress=lambda more: read_bytes.append(more)
    )

    assert (report.read, report.stored, report.rejected) == (15, 10, 5)
    assert sum(read_bytes) == log.stat().st_size


def test_an_import_that_broke_off_goes_on(
    database: Database, log: Path, client_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "BATCH_ROWS", 3)
    write(log, *[CALL] * 20)
    plan = plan_import(log)

    def break_off(read_bytes: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # when all is read, and the last batches wait
        import_file(database, plan, client_id=client_id, progress=break_off)
    [(before,)] = stored(database, "count(*)")
    report = import_file(database, plan, client_id=client_id)

    assert 0 < before < 20
    assert (report.stored, report.already_there) == (20 - before, before)
    assert stored(database, "count(*)") == [(20,)]


def test_shift_to_moves_the_last_readable_call_and_prices_it_at_its_own_time(
    database: Database, log: Path, client_id: UUID
) -> None:
    write(
        log,
        "2025-06-09T12:00:00Z,openai,o3,1000000,0",  # before o3 became cheaper
        "2025-06-10T12:00:00Z,openai,o3,1000000,0",
        "2025-06-11T12:00:00Z,openai,o3,-1,0",
    )

    report = load(database, log, client_id, shift_to=factories.NOW)

    assert report.last_at == factories.NOW
    assert stored(database, "created_at, cost_usd") == [
        (factories.NOW - timedelta(days=1), Decimal(10)),
        (factories.NOW, Decimal(2)),
    ]


def test_conversations_get_a_row_with_their_name_and_phone(
    database: Database, log: Path, client_id: UUID
) -> None:
    known = uuid4()
    write(
        log,
        f"{CALL},Ana,",
        f"{CALL},Ana,551",
        f"{CALL},Bruno,551",  # a phone belongs to one conversation
        f"{CALL},{known},552",
        f"{CALL},,553",
        header=f"{HEADER},conversation_id,phone",
    )

    load(database, log, client_id)
    load(database, log, client_id)

    named = [("Ana", "551"), ("Bruno", None), (None, "552")]
    assert stored(database, "name, phone", "conversations") == named
    ids = dict(stored(database, "name, id", "conversations"))
    assert sorted(stored(database, "conversation_id, phone"), key=str) == sorted(
        [(ids["Ana"], None), (ids["Ana"], "551"), (ids["Bruno"], "551"), (known, "552"), (None, "553")],
        key=str,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"tokens": "model"}}, 'unknown field "tokens"; allowed: id, created_at,'),
        ({"constants": {"price": "1"}}, 'unknown field "price"; allowed: id, created_at'),
        ({"columns": {"phone": "Phone"}}, 'has no column "Phone" for phone: it has "created_at", "source"'),
        ({"timezone": "Mars/Base"}, 'unknown time zone "Mars/Base"'),
        ({"timezone": "America"}, 'unknown time zone "America"'),
        ({"timezone": "../etc"}, "unknown time zone"),
        ({"date_format": "%Q"}, """--date-format "%Q" is none: 'Q' is a bad directive in format '%Q'"""),
        ({"date_format": "%d/%m/%Y"}, "is like --date-format %d/%m/%Y: the first one is '2025-03-18T12"),
    ],
)
def test_options_that_cannot_be(log: Path, options: dict[str, Any], message: str) -> None:
    write(log, CALL)

    with pytest.raises(InvalidInput) as caught:
        plan_import(log, **options)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("source,model\nopenai,gpt-4\n", "no column fills created_at"),
        ("created_at,model\n2025-03-18,gpt-4\n", "no column fills source"),
        ("created_at,source,source\n2025-03-18,a,b\n", 'more than one column "source"'),
        ("created_at,source\n2025-03-18,openai\n", "nothing says how much was used"),
        ('created_at,"source\n', "the header of"),
    ],
)
def test_files_that_cannot_be(log: Path, content: str, message: str) -> None:
    log.write_text(content, encoding="utf-8")

    with pytest.raises(InvalidInput) as caught:
        plan_import(log)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0" * 1_000, "has NUL bytes and is no text: name its encoding with --encoding"),
        (
            f"{HEADER}\n{CALL}\n".replace("\n", "\r").encode(),
            "cannot be read: not CSV: a carriage return within",
        ),
        (b"\n" * 20_000, "log.csv is empty"),
        (
            b"start_time,end_time,num_model_requests,model,input_tokens,input_tokens,output_tokens\n",
            'has more than one column "input_tokens": rename all but one',
        ),
    ],
)
def test_bytes_that_are_no_log(log: Path, content: bytes, message: str) -> None:
    log.write_bytes(content)

    with pytest.raises(InvalidInput) as refused:
        plan_import(log)

    assert message in str(refused.value)


def test_encodings_and_long_lines(
    database: Database, tmp_path: Path, client_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    for encoding, model in (("utf-32", "gpt-4"), ("cp1252", "gpt\u2013é")):
        path = tmp_path / f"{encoding}.csv"
        path.write_text(f"\n\n{HEADER}\n{CALL.replace('gpt-4', model)}\n", encoding=encoding)
        assert load(database, path, client_id).stored == 1
    assert stored(database, "model") == [("gpt-4",), ("gpt\u2013é",)]

    for encoding in ("idna", "punycode", "base64", "klingon"):
        with pytest.raises(InvalidInput, match=f'unknown encoding "{encoding}": give one such as'):
            sources_of([path], encoding=encoding)
    monkeypatch.setattr(reader, "MAX_VALUE_CHARACTERS", 100)
    path.write_text(f'[{{"note": "{"x" * 200}"}}]')
    with pytest.raises(
        InvalidInput, match=r"the first line of .* cannot be read: a line of more than 100 bytes"
    ):
        plan_import(path)


def test_no_file_and_no_client(database: Database, log: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        plan_import(log)
    with pytest.raises(InvalidInput, match="nothing to import in the folder"):
        plan_import(tmp_path)
    write(log, CALL)
    with pytest.raises(UnknownClient):
        load(database, log, uuid4())


def test_a_client_is_found_by_id_or_name_or_created(database: Database, client_id: UUID) -> None:
    assert find_or_create_client(database, "Acme") == (client_id, False)
    assert find_or_create_client(database, str(client_id).upper()) == (client_id, False)

    new_id, is_new = find_or_create_client(database, "Other", timezone="Asia/Kolkata")

    assert is_new
    assert (new_id, "Other", "Asia/Kolkata") in stored(database, "id, name, timezone", "clients")


def test_a_client_that_cannot_be_told(database: Database, client_id: UUID) -> None:
    factories.client(database)

    with pytest.raises(InvalidInput, match="2 clients are called"):
        find_or_create_client(database, "Acme")
    with pytest.raises(UnknownClient, match="give a name to create one"):
        find_or_create_client(database, str(uuid4()))
    with pytest.raises(InvalidInput, match="needs a name"):
        find_or_create_client(database, " ")


@pytest.mark.skipif(not AZURE_TRACE.is_file(), reason=f"no {AZURE_TRACE}")
def test_the_azure_trace(database: Database, tmp_path: Path, client_id: UUID) -> None:
    # Azure Public Dataset, LLM inference trace 2023, conversations; CC-BY.
    log = tmp_path / "azure.csv"
    log.write_bytes(AZURE_TRACE.read_bytes())
    constants = {"source": "openai", "model": "gpt-4"}

    report = load(database, log, client_id, columns=AZURE_COLUMNS, constants=constants)
    again = load(database, log, client_id, columns=AZURE_COLUMNS, constants=constants)

    assert (report.read, report.stored, report.rejected, report.unpriced) == (19_366, 19_366, 0, 0)
    assert (again.stored, again.already_there) == (0, 19_366)
    assert report.last_at == datetime(2023, 11, 16, 19, 14, 8, 402527, UTC)
    (sums,) = database.read(
        Query(statement="select sum(prompt_tokens), sum(completion_tokens), sum(cost_usd) from usage_logs")
    )
    prompt, completion, usd = sums.records[0]
    assert usd == prompt * Decimal("0.00003") + completion * Decimal("0.00006")
