"""Where a budget is going: the total at the end of its period, when it runs out, and the period before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from analytics.budgets.history import BUDGET_DAYS, BUDGET_PERIODS, PastPeriod
from analytics.budgets.plans import Period, Unit
from analytics.budgets.status import BudgetStatus
from analytics.database import Database
from analytics.days import EARLIEST
from analytics.forecasting import (
    Band,
    Forecast,
    KnownChange,
    PartOfDay,
    RunOut,
    TooShort,
    forecast,
    run_out,
    share_of_day,
)
from analytics.queries import SqlFunction

BUDGET_HOURS = SqlFunction(
    function="get_budget_hours",
    arguments=("client_id", "budget_id", "first_date", "last_date", "subject"),
    columns={"hour": "int64", "cost_usd": "object", "total_tokens": "int64"},
)

_LEARNED_DAYS = 182
"""What a forecast looks back at."""
_PROFILE_DAYS = 28
_LONGEST: Mapping[Period, int] = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
"""Days of a period."""


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """A budget's period, from its first day to its end, with the period before. Amounts are in the unit."""

    status: BudgetStatus
    forecast: Forecast | TooShort
    """From today to the end of the period; TooShort where too few days are known."""
    at_end: Band | None
    """What will have been spent when the period ends; None where there is no forecast."""
    run_out: RunOut | None
    """The days on which the limit may be reached; None without a limit or forecast."""
    chance: float | None
    """How likely the limit is reached by the end, 0 to 1."""
    days: Sequence[tuple[date, Decimal]]
    """What each day of the period used, up to today."""
    last_period: PastPeriod | None
    """None before the first usage."""
    last_days: Sequence[tuple[date, Decimal]]
    """What each day of the period before used."""

    @property
    def course(self) -> list[tuple[date, Decimal]]:
        """What had been spent at the end of each day, up to today."""
        return _added_up(self.days)

    @property
    def last_course(self) -> list[tuple[date, Decimal]]:
        """The same of the period before."""
        return _added_up(self.last_days)


def outlook(
    database: Database,
    client_id: UUID | None,
    status: BudgetStatus,
    now: datetime,
    *,
    known: Sequence[KnownChange] = (),
) -> Outlook:
    """Where a budget of load_budgets() is going, in one network round trip. `known` are changes to come.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    today = now.astimezone(ZoneInfo(status.time_zone)).date()
    begin = status.first_date - timedelta(days=_LONGEST[status.period])
    first = max(min(begin, today - timedelta(days=_LEARNED_DAYS)), EARLIEST)
    parameters: dict[str, Any] = {
        "client_id": client_id,
        "budget_id": status.budget_id,
        "subject": status.subject,
        "now": now,
        "count": 1,
        "first_date": first,
        "last_date": today,
    }
    recently = parameters | {"first_date": today - timedelta(days=_PROFILE_DAYS), "last_date": today}
    days, hours, periods = database.read(
        BUDGET_DAYS.query(**parameters),
        BUDGET_HOURS.query(**recently),
        BUDGET_PERIODS.query(**parameters),
        client_id=client_id,
    )
    used = {day["usage_date"]: _amount(day, status.unit) for day in BUDGET_DAYS.records(days)}
    past = [PastPeriod(**record) for record in BUDGET_PERIODS.records(periods)]
    last = past[0] if past else None
    by_hour = [float(_amount(hour, status.unit)) for hour in BUDGET_HOURS.records(hours)]
    predicted = forecast(
        np.array([float(amount) for day, amount in used.items() if day < today]),
        first,
        max((status.end_date - today).days, 1),
        today=PartOfDay(
            so_far=max(float(used[today]), 0.0),
            share=share_of_day(np.array([by_hour]), _minutes(now, status.time_zone)),
        ),
        known=known,
    )
    spent, limit = float(status.spent), status.limit_amount
    at_end = runs_out = chance = None
    if isinstance(predicted, Forecast):
        at_end = predicted.at_end(spent)
        if limit is not None:
            runs_out = run_out(predicted, spent, float(limit))
            chance = predicted.chance_of(spent, float(limit))
    return Outlook(
        status=status,
        forecast=predicted,
        at_end=at_end,
        run_out=runs_out,
        chance=chance,
        days=[(day, amount) for day, amount in used.items() if day >= status.first_date],
        last_period=last,
        last_days=[
            (day, amount)
            for day, amount in used.items()
            if last is not None and last.first_date <= day < last.end_date
        ],
    )


def _amount(record: Mapping[str, Any], unit: Unit) -> Decimal:
    cost: Decimal = record["cost_usd"]
    return cost if unit == "usd" else Decimal(record["total_tokens"])


def _minutes(now: datetime, time_zone: str) -> float:
    """Of the day's clock."""
    clock = now.astimezone(ZoneInfo(time_zone))
    return clock.hour * 60 + clock.minute + clock.second / 60


def _added_up(days: Sequence[tuple[date, Decimal]]) -> list[tuple[date, Decimal]]:
    total = Decimal(0)
    course = []
    for day, amount in days:
        total += amount
        course.append((day, total))
    return course
