"""What is worth telling: each rule sees what is so now, by the numbers that the pages show."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from analytics.alerts.events import ALWAYS, Event
from analytics.budgets.causes import REASONS
from analytics.clients import Client
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import AnalyticsError
from analytics.formatting import NO_MODEL, counted, usd
from analytics.health.calls import client_checks
from analytics.queries import NO_FILTERS, Filters, usage_comparison, what_moved
from analytics.queries.filters import spelled
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
            link=link_of(
                "calls",
                client,
                basis="unpriced",
                provider=spelled(source),
                model=spelled(model or ""),
                days=f"{NEW_DAYS}d",
            ),
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


def unusual_times(
    database: Database, client: Client, now: datetime, sensitivity: str = "normal"
) -> Iterator[Event]:
    """The last days and hours on which a client spent far more than usual, with what drove them."""
    import numpy as np

    from analytics.forecasting import find_bursts

    today = client.today(now)
    hours_first = today - timedelta(days=_BURST_DAYS)
    parameters = {"client_id": client.id, "first": hours_first, "last": today}
    [hourly] = database.read(Query(statement=_HOURLY, parameters=parameters), client_id=client.id)
    for told in unusual_days(database, client.id, today, sensitivity):
        if (today - told.date).days > _TOLD_DAYS:
            continue
        days = Days(told.date, told.date)
        week_before = told.date - timedelta(days=7)
        expected = usd(Decimal(str(round(told.expected, 6))))
        yield Event(
            kind="anomaly",
            client_id=client.id,
            period_at=datetime.combine(told.date, time(12), UTC),
            title=f"{client.name}: {day_text(told.date)} cost far more than usual",
            lines=[
                f"{usd(Decimal(str(told.value)))}, usually {expected}",
                *_drivers(database, client, days, Days(week_before, week_before), now),
            ],
            link=link_of("providers_and_models", client, days=f"{told.date}..{told.date}"),
            facts={"value": told.value, "expected": told.expected, "day": told.date},
        )
    # Today as well: what an hour has so far may already be far too much.
    grid = np.zeros((_BURST_DAYS + 1, 24))
    for day, hour, spent in hourly.records:
        grid[(day - hours_first).days, hour] += spent
    for burst in find_bursts(grid, hours_first):
        if (today - burst.date).days > _TOLD_DAYS:
            continue
        days = Days(burst.date, burst.date)
        week_before = burst.date - timedelta(days=7)
        hour = Filters.parse({"hour": f"{burst.hour:02}"})
        yield Event(
            kind="burst",
            client_id=client.id,
            subject=f"{burst.hour:02}",
            period_at=datetime.combine(burst.date, time(12), UTC),
            title=f"{client.name}: far more than usual at {burst.hour:02}:00 on {day_text(burst.date)}",
            lines=[
                f"{usd(Decimal(str(burst.value)))}, usually {usd(Decimal(str(round(burst.expected, 6))))}",
                *_drivers(database, client, days, Days(week_before, week_before), now, hour),
            ],
            link=link_of("calls", client, days=f"{burst.date}..{burst.date}", **hour.query()),
            facts={"value": burst.value, "expected": burst.expected, "day": burst.date, "hour": burst.hour},
        )


def link_of(page: str, client: Client | None, **parts: str) -> str:
    """The path and query of a page of the dashboard."""
    query = urlencode({**({"client": client.name} if client else {}), **parts})
    return f"/{page}?{query}" if query else f"/{page}"


def _drivers(
    database: Database,
    client: Client,
    days: Days,
    other: Days,
    now: datetime,
    filters: Filters = NO_FILTERS,
) -> list[str]:
    """The model that grew most beside other days, in a line; nothing where nothing compares."""
    try:
        compared = usage_comparison(database, client.id, days, other, now=now, filters=filters)
    except AnalyticsError:
        return []
    for moved in what_moved(compared.models, compared.days, "cost").models:
        if moved.change is not None and moved.change > 0 and moved.parts is not None:
            largest = max(moved.parts._fields, key=lambda name: getattr(moved.parts, name))
            return [
                f"driver: {moved.source} {moved.model or NO_MODEL} +{usd(moved.change)}, {REASONS[largest]}"
            ]
    return []


def day_text(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"
