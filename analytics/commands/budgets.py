"""`budgets`: made, changed, archived, looked at, and asked before a call."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import click

from analytics.budgets import (
    DEFAULT_THRESHOLDS,
    PERIODS,
    BudgetPlan,
    BudgetStatus,
    PastPeriod,
    Threshold,
    Version,
    archive_budget,
    change_budget,
    create_budget,
    load_budgets,
    past_periods,
    versions_of,
)
from analytics.budgets.changes import find_budget, named_budget
from analytics.budgets.judging import judge
from analytics.budgets.plans import UNITS, amount_of, start_day_of
from analytics.budgets.status import budgets_json, read_rules
from analytics.calls.validation import scope_names, typed_tags
from analytics.clients import find_client, list_clients
from analytics.commands.terminal import filters_of, person, printable
from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.formatting import counted, spaced, usd, utc_moment
from analytics.migrations import open_ready_database
from analytics.queries import TAG

REFUSED = 3
"""The exit code of a check that refuses."""
_EVERYBODY = "all clients together"

_client = click.option("--client", help="Name or id.")
_all_clients = click.option("--all-clients", is_flag=True, help="The budget of all clients together.")
_by = click.option("--by", help="Who; kept with it.  [default: the user of this machine]")
_json = click.option("--json", "as_json", is_flag=True, help="As one line of JSON, with all digits.")


@click.group()
def budgets() -> None:
    """What may be used: budgets of a client, or of all clients together."""


@budgets.command("list")
@_client
@_json
def list_budgets(client: str | None, as_json: bool) -> None:
    """Shows the budgets that hold, with what is spent of them; without --client those of everybody."""
    now = datetime.now(UTC)
    with closing(open_ready_database()) as database:
        whose = _whose(database, client)
        if as_json:
            click.echo(told(database, whose, now))
            return
        lines = [
            line
            for client_id, name in whose
            for status in load_budgets(database, client_id, now)
            for line in _status_lines(status, name)
        ]
    for line in lines or ["no budgets yet: python -m analytics budgets set NAME --client CLIENT --limit 500"]:
        click.echo(line)


@budgets.command("set")
@click.argument("name")
@_client
@_all_clients
@click.option("--limit", help="Such as 500, or 2000000 with --unit tokens; a new budget needs it.")
@click.option("--unit", type=click.Choice(UNITS), help="[default: usd]")
@click.option("--period", type=click.Choice(PERIODS), help="[default: month]")
@click.option("--start-day", help="Of a week (monday), or of a month (1 to 31).  [default: the first]")
@click.option("--time-zone", help="Such as America/Sao_Paulo.  [default: the client's]")
@click.option(
    "--where", multiple=True, help="Only calls such as model=gpt-4o,o1 or tag.team!=qa; repeatable."
)
@click.option("--split-by", help="A tag's key, of which each value has the limit for itself.")
@click.option("--threshold", multiple=True, help='Such as 80, or "100 forecast"; repeatable.')
@click.option("--repeats/--once", default=None, help="Whether crossing again in one period is told again.")
@click.option("--rename", help="Another name.")
@_by
def set_budget(
    name: str,
    client: str | None,
    all_clients: bool,
    rename: str | None,
    by: str | None,
    **said: Any,
) -> None:
    """Makes a budget, or changes the one that has this name: what is left out stays as it is.

    An empty text takes back: --where "", --split-by "", --time-zone "", --threshold "".
    """
    now, who = datetime.now(UTC), person(by)
    with closing(open_ready_database()) as database:
        client_id = _one(database, client, all_clients)
        budget_id = named_budget(database, client_id, name)
        before = None if budget_id is None else versions_of(database, client_id, budget_id)[0].plan
        plan = _planned(before, said)
        if budget_id is None:
            create_budget(database, client_id, rename or name, plan, by=who, now=now)
            done = "is made"
        else:
            is_changed = change_budget(database, client_id, budget_id, plan, by=who, now=now, name=rename)
            done = "is changed" if is_changed else "is so already: nothing was changed"
    click.echo(f'budget "{printable(rename or name)}" {done}')


@budgets.command("archive")
@click.argument("name")
@_client
@_all_clients
@_by
def archive(name: str, client: str | None, all_clients: bool, by: str | None) -> None:
    """Ends a budget. Its history stays."""
    now = datetime.now(UTC)
    with closing(open_ready_database()) as database:
        client_id = _one(database, client, all_clients)
        budget_id = find_budget(database, client_id, name)
        archive_budget(database, client_id, budget_id, by=person(by), now=now)
    click.echo(f'budget "{printable(name)}" is archived')


@budgets.command("history")
@click.argument("name")
@_client
@_all_clients
def history(name: str, client: str | None, all_clients: bool) -> None:
    """Shows the versions of a budget, and its past periods with the limit that held."""
    now = datetime.now(UTC)
    with closing(open_ready_database()) as database:
        client_id = _one(database, client, all_clients)
        budget_id = find_budget(database, client_id, name)
        versions = versions_of(database, client_id, budget_id)
        periods = past_periods(database, client_id, budget_id, now)
    for version in versions:
        click.echo(_version_line(version))
    for period in periods:
        click.echo(_period_line(period))


@budgets.command("check")
@click.option("--client", required=True, help="Name or id.")
@click.option("--provider", help="Such as openai.")
@click.option("--model", help="Such as gpt-4o.")
@click.option("--operation", help="Such as chat.")
@click.option("--conversation", help="A UUID, or the name that your application gives it.")
@click.option("--tag", "tags", multiple=True, help="KEY=VALUE; repeatable.")
@_json
def check(
    client: str,
    provider: str | None,
    model: str | None,
    operation: str | None,
    conversation: str | None,
    tags: Sequence[str],
    as_json: bool,
) -> None:
    """Says whether the budgets allow another call; ends with 3 where they do not."""
    now = datetime.now(UTC)
    with closing(open_ready_database()) as database:
        client_id = find_client(database, client).id
        names = scope_names(
            client_id, provider, model, operation, conversation, typed_tags(dict(map(_tag, tags)))
        )
        answer = judge(read_rules(database, client_id, now), names, now.timestamp(), 0.0)
    if as_json:
        click.echo(json.dumps(answer._asdict() | {"until": answer.until and answer.until.isoformat()}))
    else:
        click.echo(f"{'allowed' if answer else 'refused'}: {printable(answer.reason)}")
    if not answer:
        raise SystemExit(REFUSED)


def _one(database: Database, client: str | None, all_clients: bool) -> UUID | None:
    """The client that is meant; None for all together."""
    if (client is None) is not all_clients:
        raise InvalidInput("say whose budget it is: give --client NAME, or --all-clients")
    return None if client is None else find_client(database, client).id


def _whose(database: Database, client: str | None) -> list[tuple[UUID | None, str]]:
    """The client, or all of them and all together."""
    if client is not None:
        found = find_client(database, client)
        return [(found.id, found.name)]
    everybody = [(each.id, each.name) for each in list_clients(database, with_unassigned=True)]
    return [*everybody, (None, _EVERYBODY)]


def told(database: Database, whose: Sequence[tuple[UUID | None, str]], now: datetime) -> str:
    """The same JSON as the API's, of each client; money has all its digits."""
    listed = []
    for client_id, _ in whose:
        id_text = json.dumps(client_id and str(client_id))
        listed.append(f'{{"client_id":{id_text},"budgets":{budgets_json(database, client_id, now)}}}')
    return f"[{','.join(listed)}]"


def _planned(before: BudgetPlan | None, said: dict[str, Any]) -> BudgetPlan:
    """The plan with what the options say."""
    changes: dict[str, Any] = {
        name: said[name] for name in ("unit", "period", "repeats") if said[name] is not None
    }
    if said["limit"] is not None:
        changes["limit_amount"] = amount_of(said["limit"])
    period = changes.get("period", before.period if before else "month")
    if said["start_day"] is not None:
        changes["start_day"] = start_day_of(period, said["start_day"])
    elif before is not None and period != before.period:
        changes["start_day"] = 1
    for name in ("time_zone", "split_by"):
        if said[name] is not None:
            changes[name] = said[name] or None
    if said["where"]:
        changes["filters"] = filters_of([condition for condition in said["where"] if condition])
    if said["threshold"]:
        changes["thresholds"] = tuple(Threshold.parse(text) for text in said["threshold"] if text)
    if before is not None:
        return replace(before, **changes)
    if "limit_amount" not in changes:
        raise InvalidInput("a new budget needs a limit: give --limit 500")
    return BudgetPlan(**{"thresholds": DEFAULT_THRESHOLDS, **changes})


def _tag(text: str) -> tuple[str, str]:
    key, equals, value = text.removeprefix(TAG).partition("=")
    if not equals or not key:
        raise InvalidInput(f'--tag must be KEY=VALUE, not "{printable(text[:60])}"')
    return key, value


def _status_lines(status: BudgetStatus, whose: str) -> Iterator[str]:
    head = f"{printable(whose)}  {printable(status.title)}  {spaced(status.spent_text)}"
    if status.limit_amount is None or status.share is None or status.left is None:
        yield f"{head}, no limit"
        return
    left = _amount(status.left, status.unit)
    yield (
        f"{head} of {_amount(status.limit_amount, status.unit)} a {status.period} "
        f"({status.share:.1%}), {left} left, {status.resets_text}"
    )


def _version_line(version: Version) -> str:
    plan = version.plan
    parts = [f"{_amount(plan.limit_amount, plan.unit)} a {plan.period}"]
    if plan.start_day != 1:
        parts.append(f"from day {plan.start_day}")
    if plan.time_zone is not None:
        parts.append(plan.time_zone)
    parts += [f"{condition.parameter}={condition.text}" for condition in plan.filters]
    if plan.split_by is not None:
        parts.append(f"each {plan.split_by}")
    if plan.thresholds:
        parts.append(f"told at {', '.join(f'{threshold}%' for threshold in plan.thresholds)}")
    until = version.valid_until or version.archived_at
    span = f"since {utc_moment(version.valid_from)}" + (f" until {utc_moment(until)}" if until else "")
    return printable(f"{span}: {', '.join(parts)}, by {version.changed_by}")


def _period_line(period: PastPeriod) -> str:
    limit = "no limit yet"
    if period.limit_amount is not None and period.share is not None:
        limit = f"of {_amount(period.limit_amount, period.unit)} ({period.share:.1%})"
    return f"{period.first_date} to {period.last_date}: {spaced(period.spent_text)} {limit}"


def _amount(amount: Decimal, unit: str) -> str:
    return usd(amount) if unit == "usd" else counted(int(amount), "token")
