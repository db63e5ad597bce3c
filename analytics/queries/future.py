"""What a client will use: to the end of the month and 30 days on, in all and by provider."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.database import Database, Query, Rows
from analytics.queries.sql_function import Unit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from analytics.forecasting import Band, PastWorth

DAYS_ON = 30
_LEARNED_DAYS = 400
_PROFILE_DAYS = 28

_DAILY = """
    select usage_date, source, sum(cost_usd)::float8 as cost, sum(total_tokens)::float8 as tokens,
        sum(unpriced_count)::bigint as unpriced_count, sum(request_count)::bigint as request_count
    from usage_daily
    where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
    group by usage_date, source
"""
_HOURS = """
    select hour, sum(cost_usd)::float8 as cost, sum(total_tokens)::float8 as tokens
    from usage_hourly
    where client_id = %(client_id)s and usage_date between %(last)s::date - %(days)s and %(last)s::date - 1
    group by hour
"""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is expected of a provider, or of all together (None), in tokens or US dollars."""

    source: str | None
    so_far: float | None
    """In the month that runs; None where it is a cost that is known of none of its calls."""
    month: "Band | None"
    """The whole of that month, what it has had included; None where too few days are known."""
    days_on: "Band | None"
    """The DAYS_ON days from now on, the rest of today with them."""
    why_not: str
    """Why there is no forecast; empty where there is one."""


@dataclass(frozen=True, kw_only=True)
class Future:
    """All together first, then the providers with the most of the month."""

    unit: Unit
    month: date
    """Its first day."""
    rows: Sequence[Expected]
    unpriced_count: int
    """Calls of the month that have no price: their cost is in none of it."""
    worth: "PastWorth"
    """What would have been said of the months before, of all together."""


def expected_usage(database: Database, client_id: UUID, time_zone: str, now: datetime, unit: Unit) -> Future:
    """What a client is expected to use, of its days in its own zone.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    import numpy as np

    from analytics.forecasting import past_worth, share_of_day

    clock = now.astimezone(ZoneInfo(time_zone))
    today = clock.date()
    first = today - timedelta(days=_LEARNED_DAYS)
    parameters = {"client_id": client_id, "first": first, "last": today, "days": _PROFILE_DAYS}
    daily, hours = database.read(
        Query(statement=_DAILY, parameters=parameters),
        Query(statement=_HOURS, parameters=parameters),
        client_id=client_id,
    )
    place = 2 if unit == "cost" else 3
    series: dict[str | None, NDArray[np.float64]] = {None: np.zeros(_LEARNED_DAYS + 1)}
    for row in daily.records:
        used = series.setdefault(row[1], np.zeros(_LEARNED_DAYS + 1))
        for each in (used, series[None]):
            each[(row[0] - first).days] += max(row[place], 0.0)
    profile = np.zeros((1, 24))
    for row in hours.records:
        profile[0, row[0]] += max(row[place - 1], 0.0)
    share = share_of_day(profile, clock.hour * 60 + clock.minute)
    rows = [_expected(source, used, first, today, share) for source, used in series.items()]
    if unit == "cost":
        rows = [_as_known(row, daily, today.replace(day=1)) for row in rows]
    rows.sort(key=lambda row: (row.source is not None, row.so_far is None, -(row.so_far or 0)))
    return Future(
        unit=unit,
        month=today.replace(day=1),
        rows=rows,
        unpriced_count=sum(row[4] for row in daily.records if row[0] >= today.replace(day=1)),
        worth=past_worth(series[None][:-1], first),
    )


def _as_known(row: Expected, daily: Rows, month: date) -> Expected:
    """Without amounts that only say that no call has a price."""
    of_source = [each for each in daily.records if row.source in (None, each[1])]
    of_month = [each for each in of_source if each[0] >= month]
    if of_source and all(each[4] == each[5] for each in of_source):
        return replace(row, so_far=None, month=None, days_on=None, why_not="")
    if of_month and all(each[4] == each[5] for each in of_month):
        return replace(row, so_far=None)
    return row


def _expected(
    source: str | None, used: "NDArray[np.float64]", first: date, today: date, share: float
) -> Expected:
    from analytics.forecasting import Forecast, PartOfDay, forecast

    begin = today.replace(day=1)
    end = (begin + timedelta(days=32)).replace(day=1)
    so_far = float(used[max((begin - first).days, 0) :].sum())
    part = PartOfDay(so_far=float(used[-1]), share=share)
    month = forecast(used[:-1], first, (end - today).days, today=part)
    days_on = forecast(used[:-1], first, DAYS_ON, today=part)
    if not isinstance(month, Forecast) or not isinstance(days_on, Forecast):
        return Expected(source=source, so_far=so_far, month=None, days_on=None, why_not=str(month))
    return Expected(
        source=source,
        so_far=so_far,
        month=month.at_end(so_far),
        days_on=days_on.total.plus(-float(used[-1])),
        why_not="",
    )
