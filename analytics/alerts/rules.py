"""What is worth telling: each rule sees what is so now, by the numbers that the pages show."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from urllib.parse import urlencode
from uuid import UUID

from analytics.alerts.events import ALWAYS, Event, Key
from analytics.budgets import BudgetStatus, Outlook, Threshold, drivers, load_budgets, outlook
from analytics.budgets.causes import REASONS
from analytics.clients import Client
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import AnalyticsError
from analytics.formatting import NO_BREAK_SPACE, NO_MODEL, cost, counted, plural, usd
from analytics.health.calls import client_checks
from analytics.queries import usage_comparison, what_moved
from analytics.queries.unusual import unusual_days

NEW_DAYS = 7
"""A model without a price is told of when it had calls in so many days."""
_BURST_DAYS = 35
_TOLD_DAYS = 2
"""Anomalies of so many last days are told of: who looks for the first time gets no history."""

_UNPRICED = """
    select source, model, sum(unpriced_count)::bigint
    from usage_daily
    where client_id = %(client_id)s and usage_date > %(last)s::date - %(days)s::integer and unpriced_count > 0
    group by source, model
    order by source, model
"""
_HOURLY = """
    select usage_date, hour, sum(cost_usd)::float8
    from usage_hourly
    where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
    group by usage_date, hour
"""


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """What budgets tell."""

    events: Sequence[Event]
    looked_at: frozenset[tuple[UUID, datetime]]
    """Budgets with the periods that were looked at: what is not told of them is no more so."""


def crossings(
    database: Database,
    client: Client | None,
    now: datetime,
    known: Container[Key] = (),
    *,
    is_slow_due: bool = True,
) -> Crossed:
    """The thresholds of a client's budgets, or of those of all together (None), that are reached.

    In the periods that run, and in those before them, of which a late call may be: by the version that held
    at their end. Of what is `known` already no more is worked out than that it still is so.
    """
    client_id = client.id if client else None
    statuses = load_budgets(database, client_id, now)
    begins = {status.budget_id: status.starts_at for status in statuses}
    before = [
        status
        for starts_at in sorted(set(begins.values()))
        for status in load_budgets(database, client_id, starts_at - timedelta(microseconds=1))
        if begins.get(status.budget_id) == status.resets_at == starts_at
    ]
    events: list[Event] = []
    for status in (*statuses, *before):
        is_over = status.resets_at <= now
        seen = _Seen(database, status, now, is_over=is_over, is_slow_due=is_slow_due)
        for threshold in status.thresholds if status.limit_amount is not None else ():
            if seen.reaches(threshold):
                event = _crossing(client, status, threshold)
                events.append(event if event.key in known else replace(event, lines=seen.lines))
    return Crossed(
        events=events,
        looked_at=frozenset((status.budget_id, status.starts_at) for status in (*statuses, *before)),
    )


def unpriced_models(database: Database, client: Client, now: datetime) -> Iterator[Event]:
    """The models whose newest calls have no price: their cost is missing from all sums."""
    [rows] = database.read(
        Query(
            statement=_UNPRICED,
            parameters={"client_id": client.id, "last": client.today(now), "days": NEW_DAYS},
        ),
        client_id=client.id,
    )
    for source, model, count in rows.records:
        name = f"{source} {model or NO_MODEL}"
        yield Event(
            kind="unpriced",
            client_id=client.id,
            subject=name,
            period_at=ALWAYS,
            repeats=True,
            title=f"{client.name}: {name} has no price",
            lines=[
                f"{counted(count, 'call')} of the last {NEW_DAYS} days are missing from all costs",
                'add a price on the page "Prices", and reprice these calls there',
            ],
            link=link_of("calls", client, basis="unpriced", model=model or "", days=f"{NEW_DAYS}d"),
        )


def health_findings(database: Database, client: Client, now: datetime) -> Iterator[Event]:
    """What Data health finds of a client: silence for longer than ever, and costs that providers state."""
    today = client.today(now)
    for check in client_checks(database, client.id, Days.until(today, 30), now):
        is_silence = check.name.startswith("Last call of ")
        if check.state in ("ok", "unknown") or not (is_silence or check.name == "Costs that providers state"):
            continue
        subject = check.name.removeprefix("Last call of ") if is_silence else check.name
        yield Event(
            kind="silence" if is_silence else "prices",
            client_id=client.id,
            subject=subject,
            period_at=ALWAYS,
            repeats=True,
            title=f"{client.name}: {subject} is silent" if is_silence else f"{client.name}: {check.name}",
            lines=[line for line in (check.finding, check.remedy) if line],
            link=link_of("data_health", client),
        )


def unusual_times(database: Database, client: Client, now: datetime) -> Iterator[Event]:
    """The last days and hours on which a client spent far more than usual, with what drove them."""
    import numpy as np

    from analytics.forecasting import find_bursts

    today = client.today(now)
    hours_first = today - timedelta(days=_BURST_DAYS)
    parameters = {"client_id": client.id, "first": hours_first, "last": today - timedelta(days=1)}
    [hourly] = database.read(Query(statement=_HOURLY, parameters=parameters), client_id=client.id)
    for told in unusual_days(database, client.id, today):
        if (today - told.date).days > _TOLD_DAYS:
            continue
        days = Days(told.date, told.date)
        week_before = told.date - timedelta(days=7)
        expected = usd(Decimal(str(round(told.expected, 6))))
        yield Event(
            kind="anomaly",
            client_id=client.id,
            period_at=datetime.combine(told.date, time(12), UTC),
            title=f"{client.name}: {_day(told.date)} cost far more than usual",
            lines=[
                f"{usd(Decimal(str(told.value)))}, usually {expected}",
                *_drivers(database, client, days, Days(week_before, week_before), now),
            ],
            link=link_of("providers_and_models", client, days=f"{told.date}..{told.date}"),
            facts={"value": told.value, "expected": told.expected, "day": told.date},
        )
    grid = np.zeros((_BURST_DAYS, 24))
    for day, hour, spent in hourly.records:
        grid[(day - hours_first).days, hour] += spent
    for burst in find_bursts(grid, hours_first):
        if (today - burst.date).days > _TOLD_DAYS:
            continue
        yield Event(
            kind="burst",
            client_id=client.id,
            subject=f"{burst.hour:02}",
            period_at=datetime.combine(burst.date, time(12), UTC),
            title=f"{client.name}: far more than usual at {burst.hour:02}:00 on {_day(burst.date)}",
            lines=[
                f"{usd(Decimal(str(burst.value)))}, usually {usd(Decimal(str(round(burst.expected, 6))))}"
            ],
            link=link_of("calls", client, days=f"{burst.date}..{burst.date}", hour=f"{burst.hour:02}"),
            facts={"value": burst.value, "expected": burst.expected, "day": burst.date, "hour": burst.hour},
        )


def link_of(page: str, client: Client | None, **parts: str) -> str:
    """The path and query of a page of the dashboard."""
    query = urlencode({**({"client": client.name} if client else {}), **parts})
    return f"/{page}?{query}" if query else f"/{page}"


class _Seen:
    """A budget, and where it is going, looked at when that is first asked for."""

    def __init__(
        self, database: Database, status: BudgetStatus, now: datetime, *, is_over: bool, is_slow_due: bool
    ) -> None:
        self.database, self.status, self.now = database, status, now
        # Of all clients together it takes as long as they are many.
        self.is_going = not is_over and (status.client_id is not None or is_slow_due)
        self.is_over = is_over

    @cached_property
    def outlook(self) -> Outlook | None:
        if not self.is_going:
            return None
        return outlook(self.database, self.status.client_id, self.status, self.now)

    def reaches(self, threshold: Threshold) -> bool:
        """Whether so much is spent, or will be on half of all ways to go on."""
        assert self.status.limit_amount is not None
        amount = self.status.limit_amount * Decimal(threshold.percent) / 100
        if threshold.on == "actual":
            return self.status.spent >= amount
        at_end = self.outlook.at_end if self.outlook is not None else None
        return at_end is not None and at_end.median >= float(amount)

    @cached_property
    def lines(self) -> list[str]:
        """Spent, pace, what will be, run-out and driver."""
        status = self.status
        if self.is_over:
            last = status.end_date - timedelta(days=1)
            lines = [
                f"spent {status.spent_text} from {_day(status.first_date)} to {_day(last)}, which is over"
            ]
            return [line.replace(NO_BREAK_SPACE, " ") for line in lines]
        lines = [f"spent {status.spent_text}, {status.resets_text}"]
        if status.pace is not None:
            lines.append(f"pace: {status.pace:.2f} times an even course")
        if self.outlook is not None:
            if (end := self.outlook.at_end) is not None:
                low, high = (_amount(status, value) for value in (end.low_80, end.high_80))
                lines.append(f"at its end likely {low} to {high}")
            run_out = self.outlook.run_out
            if run_out is not None and run_out.likely is not None and not status.is_exceeded:
                days = [day for day in (run_out.earliest, run_out.latest) if day is not None]
                lines.append(f"runs out {' to '.join(dict.fromkeys(_day(day) for day in days))}")
            found = drivers(self.database, status, self.now)
            if found.leading is not None:
                why = f", {found.reason}" if found.reason else ""
                lines.append(f"driver: {found.leading.label}{why}")
        return [line.replace(NO_BREAK_SPACE, " ") for line in lines]


def _crossing(client: Client | None, status: BudgetStatus, threshold: Threshold) -> Event:
    assert status.share is not None
    assert status.limit_amount is not None
    is_actual = threshold.on == "actual"
    reached = f"{threshold.percent.normalize():f} %"
    said = f"reached {reached} of" if is_actual else f"will likely reach {reached} of"
    limit = _amount(status, status.limit_amount)
    whose = client.name if client else "All clients"
    value = {} if status.split_by is None else {"value": status.subject or ""}
    return Event(
        kind="actual" if is_actual else "forecast",
        client_id=status.client_id,
        version_id=status.version_id,
        subject=status.subject or "",
        period_at=status.starts_at,
        threshold=Decimal(threshold.percent),
        repeats=status.repeats,
        title=f"{whose}: {status.title} {said} {limit}, {_spent(status)} spent".replace(NO_BREAK_SPACE, " "),
        link=link_of("budgets", client, budget=str(status.budget_id), **value),
        facts={
            "budget": status.name,
            "spent": status.spent,
            "limit": status.limit_amount,
            "unit": status.unit,
            "percent": round(status.share * 100, 2),
            "rule": str(threshold),
            "resets_at": status.resets_at,
            "unpriced_count": status.unpriced_count,
        },
    )


def _drivers(database: Database, client: Client, days: Days, other: Days, now: datetime) -> list[str]:
    """The model that grew most beside other days, in a line; nothing where nothing compares."""
    try:
        compared = usage_comparison(database, client.id, days, other, now=now)
    except AnalyticsError:
        return []
    for moved in what_moved(compared.models, compared.days, "cost").models:
        if moved.change is not None and moved.change > 0 and moved.parts is not None:
            largest = max(moved.parts._fields, key=lambda name: getattr(moved.parts, name))
            return [
                f"driver: {moved.source} {moved.model or NO_MODEL} +{usd(moved.change)}, {REASONS[largest]}"
            ]
    return []


def _amount(status: BudgetStatus, value: Decimal | float) -> str:
    if status.unit == "usd":
        return usd(Decimal(str(value)))
    return plural(int(value), "token")


def _spent(status: BudgetStatus) -> str:
    if status.unit == "tokens":
        return plural(status.total_tokens, "token")
    return cost(status.cost_usd, status.unpriced_count, status.request_count)


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"
