"""`retention`: for how long calls are kept, dropping them, and bringing them back. Sums stay for ever."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click

from analytics.clients import find_client
from analytics.commands.terminal import day_of, person, printable
from analytics.database import Database, Query
from analytics.errors import InvalidInput
from analytics.formatting import counted, utc_moment
from analytics.migrations import open_ready_database
from analytics.retention import (
    Rule,
    clear_rule,
    days_of_text,
    due_now,
    last_run,
    list_rules,
    list_spans,
    restore_calls,
    run_retention,
    set_rule,
)

_ALL = "all clients without a rule of their own"
_CALLS = """
    select coalesce(sum(request_count), 0)::bigint
    from usage_daily
    where client_id = %(client_id)s and usage_date >= %(first)s and usage_date < %(end)s
"""

_client = click.option("--client", help="Name or id; without it: all that have no rule of their own.")
_by = click.option("--by", help="Who; kept with it.  [default: the user of this machine]")


@click.group()
def retention() -> None:
    """For how long calls are kept: older ones go, and all their sums stay."""


@retention.command("set")
@_client
@click.option("--keep-raw", required=True, metavar="DAYS", help="Such as 400d, or forever.")
@click.option("--archive", help="A folder, or s3://bucket/folder: calls are written there before they go.")
@click.option("--without-archive", is_flag=True, help="They are written nowhere, and are gone for good.")
@_by
def set_command(
    client: str | None, keep_raw: str, archive: str | None, without_archive: bool, by: str | None
) -> None:
    """Says for how long calls are kept. Nothing is dropped before the next run."""
    try:
        keep_days = days_of_text(keep_raw)
    except InvalidInput as error:
        raise error.named("--keep-raw") from None
    if keep_days is not None and (archive is None) != without_archive:
        raise InvalidInput(
            "say where calls are written before they go with --archive FOLDER, or --without-archive if they "
            "are to be gone for good"
        )
    with closing(open_ready_database(report=click.echo)) as database:
        set_rule(database, client, keep_days=keep_days, archive=archive, by=person(by))
        for line in _rule_lines(list_rules(database)):
            click.echo(line)
        click.echo('see what would go: "python -m analytics retention run --dry-run"')


@retention.command()
@_client
def clear(client: str | None) -> None:
    """Removes a rule. What went stays gone: bring it back with restore."""
    with closing(open_ready_database(report=click.echo)) as database:
        if not clear_rule(database, client):
            raise InvalidInput(f"there is no rule for {client or _ALL}")
        for line in _rule_lines(list_rules(database)):
            click.echo(line)


@retention.command()
def show() -> None:
    """Shows the rules, what went, and the last run."""
    with closing(open_ready_database(report=click.echo)) as database:
        for line in (*_rule_lines(list_rules(database)), *_span_lines(database), *_run_lines(database)):
            click.echo(line)


@retention.command()
@click.option("--client", help="Name or id; only its calls.")
@click.option("--dry-run", is_flag=True, help="Says what would go, and drops nothing.")
def run(client: str | None, dry_run: bool) -> None:
    """Drops the calls that are older than the rules keep them, in bites; run it again if it breaks off."""
    now = datetime.now(UTC)
    with closing(open_ready_database(report=click.echo)) as database:
        client_id = None if client is None else find_client(database, client).id
        if dry_run:
            for line in _due_lines(database, now, client_id):
                click.echo(line)
            return
        result = run_retention(
            database,
            now,
            by=f"retention run, {person(None)}",
            client_id=client_id,
            report=lambda line: click.echo(printable(line)),
        )
    if not result.is_alone:
        raise InvalidInput("another run drops or restores calls right now: try again when it is over")
    click.echo(f"{counted(result.deleted_count, 'call')} dropped, {_megabytes(result.deleted_bytes)} of rows")


@retention.command()
@click.option("--client", required=True, help="Name or id.")
@click.option("--from", "first_date", metavar="DATE", help="Only what went since that day; else all.")
@click.option("--archive", help="Where the files are now, if they were moved.")
def restore(client: str, first_date: str | None, archive: str | None) -> None:
    """Brings calls back from the archive, each with all that it had; the newest that went come first.

    They stay for 30 days, whatever the rule says.
    """
    with closing(open_ready_database(report=click.echo)) as database:
        restore_lines(database, client, first_date, archive)


def is_archive(address: str) -> bool:
    """Whether calls that went are there: an address of fsspec, or a folder with manifests of clients."""
    return "://" in address or any(Path(address).glob("*/manifest.json"))


def restore_lines(database: Database, client: str, first_date: str | None, archive: str | None) -> None:
    """Brings calls back, and says so."""
    count = restore_calls(
        database,
        find_client(database, client),
        None if first_date is None else day_of("--from", first_date),
        archive=archive,
        report=lambda line: click.echo(printable(line)),
    )
    click.echo(f"{counted(count, 'call')} are back; no sum changed")


def _rule_lines(rules: list[Rule]) -> Iterator[str]:
    if not rules:
        yield "no rule: calls are kept for ever"
    for rule in rules:
        whose = _ALL if rule.client_id is None else f'"{printable(rule.client_name or "")}"'
        if rule.keep_days is None:
            kept = "kept for ever"
        else:
            where = f"written to {printable(rule.archive)}" if rule.archive else "written nowhere"
            kept = f"kept for {counted(rule.keep_days, 'day')}, {where} before they go"
        yield f"{whose}: calls are {kept} (set by {printable(rule.set_by)})"


def _span_lines(database: Database) -> Iterator[str]:
    for span in list_spans(database):
        state = (
            "being brought back"
            if span.restoring_at
            else f"{counted(span.deleted_count, 'call')} dropped"
            if span.dropped_at
            else f"under way, {counted(span.deleted_count, 'call')} dropped so far"
        )
        where = f", in {printable(span.archive)}" if span.archive else ", without an archive"
        yield f'"{printable(span.client_name)}" {span.first_date} to {span.last_date}: {state}{where}'


def _run_lines(database: Database) -> Iterator[str]:
    last = last_run(database)
    if last.begun_at is None:
        yield "no run dropped anything yet"
        return
    yield (
        f"last run: {utc_moment(last.begun_at)}, {counted(last.deleted_count or 0, 'call')} dropped, "
        f"{_megabytes(last.deleted_bytes or 0)} of rows{f'; {last.error}' if last.error else ''}"
    )


def _due_lines(database: Database, now: datetime, client_id: UUID | None) -> Iterator[str]:
    due = due_now(database, now, client_id)
    for each in due:
        parameters = {"client_id": each.client_id, "first": each.first_date, "end": each.end_date}
        [rows] = database.read(Query(statement=_CALLS, parameters=parameters))
        where = f"written to {each.archive}" if each.archive else "without an archive"
        yield (
            f'"{printable(each.client_name)}": {counted(rows.records[0][0], "call")} before {each.end_date} '
            f"would go, {where}"
        )
    if not due:
        yield "nothing would go"


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB"
