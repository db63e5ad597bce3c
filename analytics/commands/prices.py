"""`prices`: which list the installation goes by, switching it, and prices of one's own."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from typing import get_args

import click

from analytics.clients import Client, find_client, list_clients
from analytics.commands.moments import moment
from analytics.commands.prices_compare import compare
from analytics.commands.prices_set import set_price
from analytics.commands.terminal import person, printable
from analytics.corrections.preview import ModelCosts
from analytics.corrections.price_changes import preview_days, preview_switch
from analytics.database import Database
from analytics.formatting import counted, spaced, usd, utc_moment
from analytics.migrations import open_ready_database
from analytics.pricing.listed import ListedPrice
from analytics.pricing.public_list import list_name
from analytics.pricing.stored import read_entries
from analytics.pricing.switch import (
    ListInUse,
    ListName,
    Switch,
    list_in_use,
    plan_switch,
    use_list,
)
from analytics.pricing.words import in_words

_OTHER: dict[ListName, ListName] = {"guide": "public", "public": "guide"}


@click.group()
def prices() -> None:
    """Which list prices calls: the guide's, in which Groq is free, or the public one; and own prices."""


prices.add_command(set_price)
prices.add_command(compare)


@prices.command("list")
def list_prices() -> None:
    """Shows which list decides, since when, and the prices of one's own."""
    now = datetime.now(UTC)
    with closing(open_ready_database()) as database, database.transaction() as connection:
        in_use = list_in_use(read_entries(connection), now)
    for line in _state_lines(in_use):
        click.echo(line)


@prices.command("use")
@click.argument("name", metavar="guide|public", type=click.Choice(get_args(ListName)))
@click.option(
    "--from", "begin", metavar="MOMENT", help="A day or a time, in UTC unless it says.  [default: now]"
)
@click.option("--client", help="Previews only the calls of this one: name or id.  [default: all clients]")
@click.option(
    "--preview", "is_preview", is_flag=True, help="Shows what would become of costs, and stops there."
)
@click.option("--by", help="Who; kept with the prices.  [default: the user of this machine]")
def use(name: ListName, begin: str | None, client: str | None, is_preview: bool, by: str | None) -> None:
    """Goes by the guide's list or the public one from a moment on; booked costs stay as they are."""
    now = datetime.now(UTC)
    at = now if begin is None else moment(begin)
    with closing(open_ready_database(report=click.echo)) as database:
        days = []
        for found in _clients(database, client):
            previewed, held_from = preview_days(at, found.timezone, now)
            total = preview_switch(database, found.id, name, held_from, previewed).total
            as_if = "" if held_from == at else ", had it held then"
            of_days = f"{previewed.first} to {previewed.last}{as_if}"
            click.echo(f"{printable(found.name)}, {of_days}: {_costs(total)}")
            days += [previewed.first, previewed.last]
        if is_preview:
            with database.transaction() as connection:
                switch = plan_switch(read_entries(connection), name, at)
            lines = _plan_lines(switch)
        else:
            is_past = at < now
            lines = _done_lines(
                use_list(database, name, at, by=person(by)),
                (min(days), max(days)) if is_past and days else None,
            )
        for line in lines:
            click.echo(line)


def _clients(database: Database, client: str | None) -> list[Client]:
    if client is not None:
        return [find_client(database, client)]
    return list_clients(database)


def _costs(total: ModelCosts) -> str:
    if not total.request_count:
        return "no calls"
    calls = counted(total.request_count, "call")
    if not total.changed_count:
        return f"{calls} booked with {spaced(total.booked)} would cost the same"
    difference = f": a difference of {usd(total.difference_usd)}" if total.has_difference else ";"
    return (
        f"booked {spaced(total.booked)}, by that list {spaced(total.repriced)}{difference} in "
        f"{total.changed_count:,} of {calls}"
    )


def _plan_lines(switch: Switch) -> Iterator[str]:
    if not switch.changes:
        yield f"the {_list(switch.to)} decides from {utc_moment(switch.at)} on already"
    else:
        yield f"nothing was changed: the same again without --preview switches {_names(switch)}"


def _done_lines(switch: Switch, days: tuple[date, date] | None) -> Iterator[str]:
    if not switch.changes:
        yield f"the {_list(switch.to)} decides from {utc_moment(switch.at)} on already: nothing was changed"
        return
    yield f"from {utc_moment(switch.at)} on the {_list(switch.to)} decides about {_names(switch)}"
    if switch.own:
        yield f"the installation's own prices stay: {', '.join(map(_name, switch.own))}"
    undo = f"python -m analytics prices use {_OTHER[switch.to]} --from {switch.at.isoformat()}"
    yield f'booked costs are as they were; to undo it: "{undo}"'
    if days:
        yield (
            'to book the calls since then anew, in the open: "python -m analytics reprice --client NAME '
            f'--from {days[0]} --to {days[1]}"'
        )
    else:
        yield 'for calls of before: the same with --from DATE, then "python -m analytics reprice"'


def _state_lines(in_use: ListInUse) -> Iterator[str]:
    since = "always" if in_use.since is None else utc_moment(in_use.since)
    until = "" if in_use.until is None else f", until {utc_moment(in_use.until)}"
    yield f"the {_list(in_use.name)} decides, since {since}{until}"
    for price in in_use.guide:
        yield f"  {printable(in_words(price))}"
    yield f"the installation's own prices: {'' if in_use.own else 'none'}".rstrip()
    for price in in_use.own:
        yield f"  {printable(in_words(price))}"
    if in_use.guide:
        yield f"what has no price here is priced by the {_list('public')}"


def _list(name: ListName) -> str:
    return f"public list ({list_name()})" if name == "public" else "guide's list"


def _names(switch: Switch) -> str:
    prices = [change.after or change.before for change in switch.changes]
    return ", ".join(dict.fromkeys(_name(price) for price in prices if price is not None))


def _name(price: ListedPrice) -> str:
    return f"{price.source} {price.model}"
