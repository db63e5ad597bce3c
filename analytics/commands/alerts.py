"""`alerts`: what there is to tell of, and who is told."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click

from analytics.alerts import Channel, acknowledge, check, deliver, mute, read_channels, test_channel
from analytics.clients import find_client, list_clients
from analytics.commands.terminal import person, printable
from analytics.config import ALERT_KINDS, dashboard_url
from analytics.database import Database
from analytics.errors import AnalyticsError, InvalidInput
from analytics.formatting import counted
from analytics.migrations import open_ready_database
from analytics.queries.alerts import load_alerts

_CLIENT = click.option("--client", help="Name or id; without it, of all clients together.")
_BY = click.option("--by", help="Who.  [default: the user of this machine]")


@click.group()
def alerts() -> None:
    """What there is to tell of, and who is told."""


@alerts.command("check")
def check_now() -> None:
    """Looks now, and delivers what is due: for cron, where no server does it every minute."""
    now = datetime.now(UTC)
    with closing(open_ready_database()) as database:
        found = check(database, now) or 0
        taken, failed = deliver(database, _channels(database), datetime.now(UTC), dashboard_url())
    click.echo(f"{counted(found, 'new alert')}; {counted(taken, 'message')} delivered, {failed} not")
    if failed:
        raise AnalyticsError(
            f"{counted(failed, 'message')} were not delivered: python -m analytics alerts test says why"
        )


@alerts.command("list")
@_CLIENT
def show_alerts(client: str | None) -> None:
    """Shows alerts, open ones first."""
    with closing(open_ready_database()) as database:
        known = load_alerts(database, _client_id(database, client))
    if not known:
        click.echo("no alerts")
    for alert in known:
        state = "open" if alert.is_open else "resolved" if alert.resolved_at else "acknowledged"
        click.echo(
            printable(f"{alert.event_id}  {alert.occurred_at:%Y-%m-%d %H:%M} UTC  {state}  {alert.title}")
        )


@alerts.command("ack")
@click.argument("alert_id")
@_CLIENT
@_BY
def acknowledge_alert(alert_id: str, client: str | None, by: str | None) -> None:
    """Notes that somebody has seen an alert."""
    try:
        event_id = UUID(alert_id)
    except ValueError:
        raise InvalidInput(
            f'"{printable(alert_id)}" is no id of an alert; python -m analytics alerts list shows them'
        ) from None
    with closing(open_ready_database()) as database:
        acknowledge(database, _client_id(database, client), event_id, person(by))
    click.echo(f"{event_id} is acknowledged")


@alerts.command("mute")
@_CLIENT
@click.option("--kind", type=click.Choice(ALERT_KINDS), help="Only alerts of this kind.")
@click.option("--hours", type=click.FloatRange(0, 24 * 366), default=24, show_default=True)
@_BY
def mute_alerts(client: str | None, kind: str | None, hours: float, by: str | None) -> None:
    """Tells no channel for a while; alerts are still kept and shown."""
    until = datetime.now(UTC) + timedelta(hours=hours)
    with closing(open_ready_database()) as database:
        mute(database, _client_id(database, client), until, person(by), kind=kind)
    click.echo(f"muted until {until:%Y-%m-%d %H:%M} UTC")


@alerts.command("test")
@click.argument("channel", required=False)
def test(channel: str | None) -> None:
    """Sends a test message to a channel, or to all."""
    with closing(open_ready_database()) as database:
        channels = _channels(database)
    wanted = [each for each in channels if channel is None or each.name == channel.lower()]
    if not wanted:
        names = ", ".join(each.name for each in channels) or "none: docs/budgets.md says how to set one up"
        raise InvalidInput(f'no channel is called "{printable(channel or "")}"; there are {names}')
    refusals = 0
    for each in wanted:
        reason = test_channel(each, datetime.now(UTC))
        refusals += reason is not None
        click.echo(f"{each.name}: {'delivered' if reason is None else printable(reason)}")
    if refusals:
        raise AnalyticsError(f"{counted(refusals, 'channel')} did not take the message")


def _client_id(database: Database, client: str | None) -> UUID | None:
    return None if client is None else find_client(database, client).id


def _channels(database: Database) -> list[Channel]:
    known = list_clients(database)
    return read_channels(
        None, {name: each.id for each in known for name in (each.name.lower(), str(each.id))}
    )
