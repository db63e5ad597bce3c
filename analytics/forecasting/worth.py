"""What this method would have said of past months, with what was known then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.forecasting.paths import TooShort
from analytics.forecasting.simulation import forecast


@dataclass(frozen=True, kw_only=True)
class PastForecast:
    """A month, what would have been said on its first morning (80 percent range), and what it was."""

    month: date
    """Its first day."""
    low_80: float
    high_80: float
    median: float
    actual: float

    @property
    def is_hit(self) -> bool:
        return self.low_80 <= self.actual <= self.high_80


@dataclass(frozen=True, kw_only=True)
class PastWorth:
    """Past months, newest last."""

    months: list[PastForecast]

    @property
    def hits(self) -> int:
        return sum(month.is_hit for month in self.months)

    @property
    def hit_rate(self) -> float | None:
        """The share of months within their 80 percent range; None without months."""
        return self.hits / len(self.months) if self.months else None


def past_worth(
    values: NDArray[np.float64],
    first: date,
    *,
    months: int = 6,
    periods: Sequence[tuple[date, date]] | None = None,
) -> PastWorth:
    """The last whole months before today, each forecast from the days before it alone.

    `periods` (first day, day after the last one) takes the place of calendar months, for budgets with other
    periods. Months before which too few days are known are left out. `values` as in forecast().
    """
    today = first + timedelta(days=len(values))
    found = []
    for begin, end in (periods if periods is not None else _months(first, today))[-months:]:
        start, stop = (begin - first).days, (end - first).days
        if not 0 <= start < stop <= len(values):
            continue
        said = forecast(values[:start], first, stop - start)
        if isinstance(said, TooShort):
            continue
        found.append(
            PastForecast(
                month=begin,
                low_80=said.total.low_80,
                high_80=said.total.high_80,
                median=said.total.median,
                actual=float(values[start:stop].sum()),
            )
        )
    return PastWorth(months=found)


def _months(first: date, today: date) -> list[tuple[date, date]]:
    """Whole months between a day and today, oldest first."""
    months = []
    begin = first if first.day == 1 else _next_month(first)
    while (end := _next_month(begin)) <= today:
        months.append((begin, end))
        begin = end
    return months


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
