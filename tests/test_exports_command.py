"""`python -m analytics export`: files, standard output, and what it says when it cannot."""

import csv
import io
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from click.testing import CliRunner, Result

from analytics.__main__ import main
from analytics.commands import export as command
from analytics.database import Database
from tests import factories
from tests.factories import NOW

DAYS = ("--from", "2026-03-01", "--to", "2026-03-18")


def run(database: Database, *arguments: object) -> Result:
    url = database.url.render_as_string(hide_password=False)
    return CliRunner().invoke(main, ["export", *map(str, arguments)], env={"DATABASE_URL": url})


@pytest.fixture
def acme(database: Database) -> UUID:
    """A client with two calls, and one after the days that are asked for."""
    client_id = factories.client(database)
    factories.insert_usage(
        database,
        factories.usage_log(client_id),
        factories.usage_log(client_id),
        factories.usage_log(client_id, created_at=NOW + timedelta(days=1)),
    )
    return client_id


def test_calls_to_standard_output(database: Database, acme: UUID) -> None:
    result = run(database, "--client", "Acme", *DAYS)

    assert (result.exit_code, result.stderr) == (0, "")
    rows = list(csv.DictReader(io.StringIO(result.stdout_bytes.decode("utf-8-sig"), newline="")))
    assert [row["phone"] for row in rows] == ["•••• 9999"] * 2


def test_calls_to_a_file_unmasked(database: Database, acme: UUID, tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("of yesterday", encoding="utf-8")

    result = run(database, "--client", acme, *DAYS, "--output", path, "--unmasked")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f'2 calls of "Acme" from 2026-03-01 to 2026-03-18 written to {path}\n'
    assert path.read_bytes().count(b",5511999999999,") == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_pipe_is_written_to_and_stays_one(database: Database, acme: UUID, tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    os.mkfifo(path)
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(path.read_text)
        run(database, "--client", "Acme", *DAYS, "--output", path)
        assert "id,created_at" in read.result()
    assert path.is_fifo()


def test_a_long_export_shows_how_far_it_is(
    database: Database, acme: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = run(database, "--client", "Acme", *DAYS, "--output", tmp_path / "calls.csv")
    monkeypatch.setattr(command, "LONG", 2)

    loud = run(database, "--client", "Acme", *DAYS, "--output", tmp_path / "calls.csv")

    assert loud.stderr == f"Acme\n{quiet.stderr}"  # the bar itself only where somebody sees it move


def test_focus(database: Database, acme: UUID, tmp_path: Path) -> None:
    path = tmp_path / "focus.csv"

    printed = run(database, "--client", "Acme", *DAYS, "--format", "focus")
    written = run(database, "--client", "Acme", *DAYS, "--format", "focus", "--output", path)

    assert (printed.exit_code, written.exit_code) == (0, 0)
    assert written.stderr == f'2 charges of "Acme" from 2026-03-01 to 2026-03-18 written to {path}\n'
    assert path.read_bytes() == printed.stdout_bytes
    rows = csv.DictReader(io.StringIO(printed.stdout_bytes.decode(), newline=""))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("0.0186")


def test_pdf(database: Database, acme: UUID, tmp_path: Path) -> None:
    path = tmp_path / "statement.pdf"

    result = run(database, "--client", "Acme", *DAYS, "--format", "pdf", "--output", path)

    assert result.exit_code == 0
    assert result.stderr.startswith('statement of "Acme"')
    assert path.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("where", "count"),
    [
        (("model=gpt-4",), 2),
        (("model=o1, comma\\,",), 0),
        (("model=gpt-4o,gpt-4", "provider!=groq", "tag.feature="), 2),
        (("model!=gpt-4",), 0),
        (("operation!=", "model=gpt-4"), 0),
    ],
)
def test_only_some_calls(
    database: Database, acme: UUID, tmp_path: Path, where: tuple[str, ...], count: int
) -> None:
    conditions = [word for condition in where for word in ("--where", condition)]

    calls = run(database, "--client", "Acme", *DAYS, *conditions)
    charges = run(database, "--client", "Acme", *DAYS, "--format", "focus", *conditions)
    path = tmp_path / "statement.pdf"
    pdf = run(database, "--client", "Acme", *DAYS, "--format", "pdf", "--output", path, *conditions)

    assert len(list(csv.DictReader(io.StringIO(calls.stdout_bytes.decode("utf-8-sig"), newline="")))) == count
    rows = csv.DictReader(io.StringIO(charges.stdout_bytes.decode(), newline=""))
    assert sum(int(row["x_RequestCount"]) for row in rows) == count
    assert pdf.stderr == f'statement of "Acme" from 2026-03-01 to 2026-03-18, filtered, written to {path}\n'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--client", "Acme", *DAYS, "--where", "modell=x"),
            '--where must be NAME=VALUES or NAME!=VALUES, not "modell=x"; names: provider, model, operation, '
            "outcome, conversation, hour, weekday, basis, correction, at, latency, first-token, has.latency, "
            "has.first-token, has.retry, has.usage, has.stated-cost, has.cache, has.cached, has.cache-write, "
            "has.unread, has.bucket, has.attempts, has.replaced, tag.<key>",
        ),
        (("--client", "Acme", *DAYS, "--where", "model"), 'NAME!=VALUES, not "model"'),
        (("--client", "Acme", *DAYS, "--where", "model!!=x"), 'NAME!=VALUES, not "model!!=x"'),
        (("--client", "Acme", *DAYS, "--where", "\x1b[2J"), 'NAME!=VALUES, not "?[2J"'),
        (
            ("--client", "Acme", *DAYS, "--where", "conversation=551"),
            'or empty for calls without one, not "551"',
        ),
        (("--client", "Acme", *DAYS, "--where", "model=\udc80"), 'without NUL, not "?"'),
        (("--client", "Acme", *DAYS, "--format", "pdf"), "a PDF needs a file: give --output FILE.pdf"),
        (("--client", "Nobody", *DAYS), 'no client is called "Nobody"'),
        (
            ("--client", "Acme", "--from", "March", "--to", "2026-03-18"),
            "--from must be a day such as 2026-03-18",
        ),
        (
            ("--client", "Acme", "--from", "2026-03-19", "--to", "2026-03-18"),
            "--from and --to: 2026-03-19 is after 2026-03-18: give the earlier day first",
        ),
        (
            ("--client", "Acme", *DAYS, "--output", "/nowhere/calls.csv"),
            "cannot write /nowhere/calls.csv: No such file",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: tuple[str, ...], message: str, database: Database, acme: UUID
) -> None:
    result = run(database, *arguments)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_failure_leaves_what_was_there(database: Database, acme: UUID, tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("of yesterday", encoding="utf-8")
    with database.transaction() as connection:
        connection.execute("alter table usage_logs rename column metadata to gone")

    result = run(database, "--client", "Acme", *DAYS, "--output", path)

    assert result.exit_code == 1
    assert 'run "python -m analytics migrate"' in result.stderr
    assert path.read_text(encoding="utf-8") == "of yesterday"
    assert list(tmp_path.iterdir()) == [path]


SUMMED = (
    *(
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cost_usd",
        "stated_cost_usd",
        "duration_seconds",
    ),
    "latency_ms",
)


def test_parquet_has_what_the_csv_has(database: Database, acme: UUID, tmp_path: Path) -> None:
    factories.insert_usage(
        database,
        factories.usage_log(
            acme, cost_usd=Decimal("0.1234567890123"), metadata={"a": [1]}, latency_ms=12, created_at=NOW
        ),
        factories.usage_log(acme, cost_usd=0, cost_basis="unpriced", model=None),
        factories.usage_log(acme, source="whisper", duration_seconds=Decimal("61.5"), prompt_tokens=0),
        # Sums that floats would not have.
        *(
            factories.usage_log(
                acme,
                cost_usd=Decimal(cost),
                stated_cost_usd=Decimal("0.1"),
                duration_seconds=Decimal(seconds),
            )
            for cost, seconds in (("98765432109.5", "0.1"), ("0.000000000000000001", "0.2"), ("0.1", "0.3"))
        ),
    )
    path = tmp_path / "calls.parquet"

    result = run(database, "--client", "Acme", *DAYS, "--format", "parquet", "--output", path)
    assert result.stderr == f'8 calls of "Acme" from 2026-03-01 to 2026-03-18 written to {path}\n'
    text = run(database, "--client", "Acme", *DAYS).stdout_bytes.decode("utf-8-sig")
    lines = list(csv.DictReader(io.StringIO(text, newline="")))

    with duckdb.connect() as reader:
        rows = reader.execute("select * from read_parquet($1)", [str(path)])
        names = [column[0] for column in rows.description]
        records = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
        sums = ", ".join(f"sum({name})" for name in SUMMED)
        of_file = reader.execute(f"select {sums} from read_parquet($1)", [str(path)]).fetchone()  # noqa: S608
    with database.transaction() as connection:
        of_table = connection.execute(
            f"select {sums} from usage_logs where id = any (%s::uuid[])",  # noqa: S608
            [[line["id"] for line in lines]],
        ).fetchone()
    assert of_file == of_table
    assert names == list(lines[0])
    for record, line in zip(records, lines, strict=True):
        assert {name: line[name] or None for name in names} == {
            name: None if value is None else as_csv(name, value) for name, value in record.items()
        }


def as_csv(name: str, value: object) -> str:
    """A value of the Parquet file as the CSV writes it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)


def test_parquet_and_pdf_go_to_files(database: Database, acme: UUID) -> None:
    for kind, what in (("parquet", "Parquet"), ("pdf", "a PDF")):
        result = run(database, "--client", "Acme", *DAYS, "--format", kind)
        assert (result.exit_code, result.stderr) == (
            1,
            f"error: {what} needs a file: give --output FILE.{kind}\n",
        )
