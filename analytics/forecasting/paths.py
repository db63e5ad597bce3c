"""A forecast is a set of paths: ranges of the total and the day a limit is reached are read from them."""

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.errors import InvalidInput


@dataclass(frozen=True, kw_only=True)
class Band:
    """The middle, and where 80 and 95 of 100 lie."""

    median: float
    low_80: float
    high_80: float
    low_95: float
    high_95: float

    def plus(self, amount: float) -> "Band":
        """The band of what comes on top of an amount that is known."""
        return Band(
            median=self.median + amount,
            low_80=self.low_80 + amount,
            high_80=self.high_80 + amount,
            low_95=self.low_95 + amount,
            high_95=self.high_95 + amount,
        )


@dataclass(frozen=True, kw_only=True)
class TooShort:
    """No forecast: too few days are known."""

    days_needed: int
    days_there: int

    def __str__(self) -> str:
        there = "there is 1" if self.days_there == 1 else f"there are {self.days_there}"
        return f"a forecast needs {self.days_needed} whole days, {there}"


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The days from `made_for` on, the first of which is today."""

    made_for: date
    horizon_days: int
    is_rough: bool
    """So few days are known that only weekday and level were used."""
    total: Band
    """Of the whole horizon, with what was used today until now."""
    by_day: list[Band]
    """The total from `made_for` to the end of each day."""
    paths: NDArray[np.float64] = field(compare=False, repr=False)
    """What each path uses on each day: (path, day)."""
    so_far: float = 0.0
    """What was used today until now."""

    def at_end(self, spent: float) -> Band:
        """What will have been spent at the end, where `spent` is what is spent now, that of today with it."""
        return self.total.plus(spent - self.so_far)

    def chance_of(self, spent: float, limit: float) -> float:
        """The share of paths that end at the limit or above; `spent` as in at_end()."""
        return float(np.mean(self.paths.sum(axis=1) + (spent - self.so_far) >= limit))


@dataclass(frozen=True, kw_only=True)
class RunOut:
    """The day on which 10, 50 and 90 of 100 paths have reached a limit. None: not within the horizon."""

    earliest: date | None
    likely: date | None
    latest: date | None


def forecast_of(
    paths: NDArray[np.float64], *, made_for: date, is_rough: bool, so_far: float = 0.0
) -> Forecast:
    """Bands of paths (path, day)."""
    sums = np.cumsum(paths, axis=1)
    quantiles = np.quantile(sums, (0.5, 0.1, 0.9, 0.025, 0.975), axis=0)
    by_day = [
        Band(median=middle, low_80=low_80, high_80=high_80, low_95=low_95, high_95=high_95)
        for middle, low_80, high_80, low_95, high_95 in quantiles.T.tolist()
    ]
    return Forecast(
        made_for=made_for,
        horizon_days=paths.shape[1],
        is_rough=is_rough,
        total=by_day[-1],
        by_day=by_day,
        paths=paths,
        so_far=so_far,
    )


def run_out(forecast: Forecast, spent: float, limit: float) -> RunOut:
    """When `limit` is reached, where `spent` is what is spent now, that of today with it.

    Raises:
        InvalidInput: the limit is not more than 0.
    """
    if not limit > 0:
        raise InvalidInput(f"limit must be more than 0, not {limit}")
    if spent >= limit:
        return RunOut(earliest=forecast.made_for, likely=forecast.made_for, latest=forecast.made_for)
    reached = np.cumsum(forecast.paths, axis=1) + (spent - forecast.so_far) >= limit
    # A path that never gets there has a day after the last one.
    days = np.sort(np.where(reached[:, -1], reached.argmax(axis=1), forecast.horizon_days))

    def day(share: float) -> date | None:
        found = int(days[int(share * (len(days) - 1))])
        return None if found == forecast.horizon_days else forecast.made_for + timedelta(days=found)

    return RunOut(earliest=day(0.1), likely=day(0.5), latest=day(0.9))
