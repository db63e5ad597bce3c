"""`export`: calls and sums of a client as a file."""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import click

from analytics import config
from analytics.clients import Client, find_client
from analytics.commands.terminal import days_of, filters_of
from analytics.database import Database
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.exports.calls import calls_csv, count_calls
from analytics.exports.files import CONTENT_TYPES
from analytics.exports.packages import dashboard_packages
from analytics.formatting import counted
from analytics.migrations import open_ready_database
from analytics.people.kept import kept_of
from analytics.people.person import Named
from analytics.queries import Filters, Period, load_overview
from analytics.queries.summed_days import sums_only

_FILES = {"pdf": "a PDF", "parquet": "Parquet"}
"""What standard output does not take."""
LONG = 20_000
"""From so many calls on there is a bar to see how far it is."""


@click.command()
@click.option("--client", required=True, help="Name or id.")
@click.option("--from", "first_date", metavar="DATE", help="First day, in the client's zone.")
@click.option("--to", "last_date", metavar="DATE", help="Last day, included.")
@click.option("--person", metavar="PHONE", help="All that is kept about one phone, of all days, as JSON.")
@click.option(
    "--format",
    "kind",
    type=click.Choice([*CONTENT_TYPES, "parquet", "json"]),
    help="csv, parquet: each call. focus: sums per day and model, by that specification. pdf: a statement. "
    "json: of one person.  [default: csv]",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Instead of standard output.")
@click.option("--unmasked", is_flag=True, help="With whole phones.")
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="NAME=VALUES",
    help="Only these calls: model=gpt-4o,o1, provider!=groq, tag.feature=chat; all of several hold.",
)
def export(
    client: str,
    first_date: str | None,
    last_date: str | None,
    person: str | None,
    kind: str | None,
    output: Path | None,
    unmasked: bool,
    conditions: Sequence[str],
) -> None:
    """Writes a client's calls, sums or statement of the days from --from to --to; or what is kept of one."""
    if person is not None or kind == "json":
        _export_person(client, person, kind, output, is_all=not (first_date or last_date or conditions))
        return
    if first_date is None or last_date is None:
        raise InvalidInput("--from and --to are missing: say of which days")
    kind = kind or "csv"
    days = days_of(first_date, last_date)
    filters = filters_of(conditions)
    if kind in ("pdf", "parquet") and output is None:
        raise InvalidInput(f"{_FILES[kind]} needs a file: give --output FILE.{kind}")
    with closing(open_ready_database()) as database:
        found = find_client(database, client)
        with _opened(output) as file:
            if kind in ("csv", "parquet"):
                is_parquet = kind == "parquet"
                written = _write_calls(
                    database, found, days, filters, file, is_unmasked=unmasked, is_parquet=is_parquet
                )
            elif kind == "focus":
                written = _write_focus(database, found, days, filters, file)
            else:
                written = _write_statement(database, found, days, filters, file, is_unmasked=unmasked)
    if output is not None:
        of_days = f"from {days.first} to {days.last}{', filtered,' if filters else ''}"
        click.echo(f'{written} of "{found.name}" {of_days} written to {output}', err=True)
    if told := sums_only(found, days, filters, are_calls=kind in ("csv", "parquet")):
        click.echo(told, err=True)


def _export_person(
    client: str, person: str | None, kind: str | None, output: Path | None, *, is_all: bool
) -> None:
    if person is None or kind not in (None, "json") or not is_all:
        raise InvalidInput(
            "--person PHONE writes JSON of all days: leave out --from, --to, --where and --format"
        )
    with closing(open_ready_database()) as database:
        spools = config.tracker_settings().spool_path.parent
        pieces = kept_of(database, client, Named(phones=[person]), at=datetime.now(UTC), spools=spools)
        with _opened(output) as file:
            for piece in pieces:
                file.write(piece.encode())


def _write_calls(
    database: Database,
    client: Client,
    days: Days,
    filters: Filters,
    file: BinaryIO,
    *,
    is_unmasked: bool,
    is_parquet: bool,
) -> str:
    length = count_calls(database, client.id, days, filters=filters, is_unmasked=is_unmasked)
    calls = 0
    with click.progressbar(length=length, label=client.name, file=sys.stderr, hidden=length < LONG) as bar:

        def progress(rows: int) -> None:
            nonlocal calls
            calls += rows
            bar.update(rows)

        if is_parquet:
            with dashboard_packages():
                from analytics.exports.parquet import write_parquet
            write_parquet(
                database, client.id, days, file, is_unmasked=is_unmasked, filters=filters, progress=progress
            )
            return counted(calls, "call")
        pieces: Iterable[bytes] = calls_csv(
            database, client.id, days, is_unmasked=is_unmasked, filters=filters, progress=progress
        )
        for piece in pieces:
            file.write(piece)
    return counted(calls, "call")


def _write_focus(database: Database, client: Client, days: Days, filters: Filters, file: BinaryIO) -> str:
    with dashboard_packages():
        from analytics.exports.focus import focus_csv
    content = focus_csv(database, client, days, filters=filters)
    file.write(content)
    return counted(content.count(b"\r\n") - 1, "charge")


def _write_statement(
    database: Database, client: Client, days: Days, filters: Filters, file: BinaryIO, *, is_unmasked: bool
) -> str:
    with dashboard_packages():
        from analytics.exports.statement import statement_pdf
    now = datetime.now(UTC)
    period = Period.of(days)
    overview = load_overview(database, client.id, period, now, sees_phones=is_unmasked, filters=filters)
    file.write(statement_pdf(overview, generated_at=now))
    return "statement"


@contextmanager
def _opened(output: Path | None) -> Iterator[BinaryIO]:
    """Where to write to. A file gets its name when it is whole: a failure leaves what was there before."""
    if output is None:
        yield sys.stdout.buffer
        return
    unfinished = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        if output.exists() and not output.is_file():  # a pipe or a device, such as /dev/null, stays one
            with output.open("wb") as file:
                yield file
            return
        with unfinished.open("wb") as file:
            yield file
        unfinished.replace(output)
    except OSError as error:
        raise InvalidInput(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
