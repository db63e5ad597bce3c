"""`doctor`: what is wrong, and what to do about it."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

from analytics.clients import Client, find_client, list_clients
from analytics.commands.terminal import printable
from analytics.database import Database
from analytics.days import Days
from analytics.errors import AnalyticsError, InvalidInput
from analytics.health import Check, State, client_checks, installation_checks, shard_checks, sums_check, worst
from analytics.migrations import open_ready_database

LABEL_WIDTH = 7
_COLORS: dict[State, str] = {"ok": "green", "warn": "yellow", "fail": "red", "unknown": "bright_black"}


@click.command()
@click.option("--client", help="Only this one: name or id.  [default: all clients]")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 3660), help="Up to today.")
@click.pass_context
def doctor(context: click.Context, client: str | None, days: int) -> None:
    """Checks the database, this machine and the calls; ends with an error when a check fails."""
    now = datetime.now(UTC)
    try:
        opened = open_ready_database()
    except AnalyticsError as error:
        checks = [Check(name="Database", state="fail", finding=str(error), remedy="see docs/data.md")]
        show_checks("Installation", checks)
        context.exit(1)
    with closing(opened) as database:
        checks = list(installation_checks(database, Days.until(now.date(), days), now))
        show_checks("Installation", checks)
        if checks[0].state != "fail" and (of_shards := shard_checks(database)):
            show_checks("Shards", of_shards)
            checks += of_shards
        for found in _clients(database, client, checks):
            of_client = list(_client_checks(database, found, days, now))
            show_checks(f"{printable(found.name)}, last {days} days of {found.timezone}", of_client)
            checks += of_client
    states = [check.state for check in checks]
    click.echo(f"{len(states)} checks: {states.count('fail')} failed, {states.count('warn')} to look at")
    if worst(checks) == "fail":
        context.exit(1)


def _clients(database: Database, client: str | None, checks: list[Check]) -> list[Client]:
    if checks[0].state == "fail":
        return []  # without tables there is nobody to find
    if client is not None:
        return [find_client(database, client)]
    known = list_clients(database)
    if not known:
        raise InvalidInput(
            'there is no client yet: "python -m analytics client NAME" makes one, "python -m analytics '
            'import" loads a log'
        )
    return known


def _client_checks(database: Database, client: Client, days: int, now: datetime) -> Iterator[Check]:
    of_client = Days.until(now.astimezone(ZoneInfo(client.timezone)).date(), days)
    yield from client_checks(database, client.id, of_client, now)
    yield sums_check(database, client.id, of_client)


def show_checks(heading: str, checks: Iterable[Check]) -> None:
    """Prints them with what to do."""
    click.echo(click.style(heading, bold=True))
    for check in checks:
        label = click.style(f"{check.state:<{LABEL_WIDTH}}", fg=_COLORS[check.state])
        click.echo(f"  {label} {check.name}: {printable(check.finding)}")
        if check.remedy:
            click.echo(f"  {'':{LABEL_WIDTH}}   -> {printable(check.remedy)}")
    click.echo()
