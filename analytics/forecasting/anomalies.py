"""Days and hours that cost far more than usual."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.errors import InvalidInput
from analytics.forecasting.models import NOTHING, WEEK, Rhythm, rhythm_of
from analytics.forecasting.simulation import NEEDED_DAYS, whole_days

SENSITIVITIES = {"low": (5.0, 1.0), "normal": (3.75, 0.5), "high": (3.0, 0.3)}
"""How many standard deviations, and how much more than expected (0.5: half more)."""
MIN_SHARE = 0.04
"""Of what a usual month spends, a little more than a day: less is not worth a mail."""
_MONTH_DAYS = 30
_ALPHA = 0.1
_SPREAD_DAYS = 56
_MIN_SPREAD = 0.1  # No day is like another.
_SD_OF_TENTH = 1.2816  # One in ten normal days is farther above the median.
_MEMORY_DAYS = 84
_BURST_SD, _BURST_TIMES, _BURST_SHARE = 4.0, 3.0, 0.05


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """A day above its one-step range."""

    date: date
    value: float
    expected: float
    low: float
    high: float
    """The end of the usual: what is above it stands out."""


@dataclass(frozen=True, kw_only=True)
class Burst:
    """An hour above what that hour uses."""

    date: date
    hour: int
    value: float
    expected: float
    high: float


def find_anomalies(values: NDArray[np.float64], first: date, *, sensitivity: str = "normal") -> list[Anomaly]:
    """Days of `values` (as in forecast()) that stand out against the days before them, oldest first.

    A day stands out if all hold: it is more than 3.75 standard deviations (see _spread()) and more than 50
    percent above what weekday and level say, and the excess is at least 4 percent of what a usual month
    spends. The first 14 days cannot stand out.

    Raises:
        InvalidInput: the sensitivity is unknown, or values are not finite.
    """
    if sensitivity not in SENSITIVITIES:
        raise InvalidInput(f'sensitivity must be one of {", ".join(SENSITIVITIES)}, not "{sensitivity}"')
    deviations, more = SENSITIVITIES[sensitivity]
    days = whole_days(values)
    largest = float(days.max(initial=0.0))
    if largest == 0:
        return []
    begin = int(np.flatnonzero(days)[0])
    return [
        Anomaly(
            date=first + timedelta(days=begin + day),
            value=value * largest,
            expected=expected * largest,
            low=low * largest,
            high=high * largest,
        )
        for day, value, expected, low, high in _standing_out(days[begin:] / largest, deviations, more)
    ]


def _standing_out(
    days: NDArray[np.float64], deviations: float, more: float
) -> Iterator[tuple[int, float, float, float, float]]:
    days = np.where(days < NOTHING, 0, days)
    clean = days.copy()  # One that stood out teaches no more than the end of the usual.
    for day in range(NEEDED_DAYS, len(days)):
        past = clean[max(day - _MEMORY_DAYS, 0) : day]
        rhythm = rhythm_of(past)
        known = rhythm.even[~np.isnan(rhythm.even)]
        weights = (1 - _ALPHA) ** np.arange(len(known))[::-1]
        # The day after a quiet week is no burst: the last four weeks count as well.
        level = max(float((known * weights).sum() / weights.sum()), float(np.median(known[-28:])))
        usual = float(past[-_MONTH_DAYS:].mean()) * _MONTH_DAYS
        of_day = float(rhythm.factors[len(past) % WEEK])
        expected = level * of_day
        spread = _spread(rhythm, of_day)
        low = expected * max(1 - deviations * spread, 0.0)
        high = max(expected * (1 + max(deviations * spread, more)), expected + MIN_SHARE * usual)
        if days[day] > high:
            yield day, float(days[day]), expected, low, high
            clean[day] = high


def _spread(rhythm: Rhythm, of_day: float) -> float:
    """One standard deviation of a weekday with the factor `of_day`, as a share of what is expected.

    From how far above the median the highest tenth of days begins (1.28 deviations, if days were normal):
    bursts of the past do not widen it as they widen a standard deviation, and days below say nothing about
    days above. A weekday with a quarter of the calls varies twice as much: sums of n calls by 1 / sqrt(n).
    """
    is_known = ~np.isnan(rhythm.even)
    known = rhythm.even[is_known][-_SPREAD_DAYS:]
    factors = rhythm.factors[rhythm.weekday[is_known]][-_SPREAD_DAYS:]
    middle = float(np.median(known))
    if middle <= 0 or of_day <= 0:
        return _MIN_SPREAD
    above = np.maximum(known / middle - 1, 0) * np.sqrt(factors)
    return max(float(np.quantile(above, 0.9)) / _SD_OF_TENTH, _MIN_SPREAD) / float(np.sqrt(of_day))


def find_bursts(hourly: NDArray[np.float64], first: date) -> list[Burst]:
    """Hours that stand out against the same hour of the 28 days before, oldest first.

    `hourly` has the shape (days, 24), the first day is `first`; hours that are not over yet are 0. An hour
    stands out that is more than 4 standard deviations above that hour's mean and more than three times
    that mean, and whose excess is at least 5 percent of what a usual month spends.

    Raises:
        InvalidInput: the shape is another, or values are not finite.
    """
    if hourly.ndim != 2 or hourly.shape[1] != 24:
        raise InvalidInput(f"hourly must have the shape (days, 24), not {hourly.shape}")
    hours = whole_days(hourly.reshape(-1)).reshape(-1, 24)
    largest = float(hours.max(initial=0.0))
    if largest == 0:
        return []
    hours = hours / largest
    clean = hours.copy()
    found = []
    for day in range(NEEDED_DAYS, len(hours)):
        past = clean[max(day - 28, 0) : day]
        usual = float(past.sum(axis=1).mean()) * _MONTH_DAYS
        expected = past.mean(axis=0)
        high = np.maximum(
            np.maximum(expected + _BURST_SD * past.std(axis=0), expected * _BURST_TIMES),
            expected + _BURST_SHARE * usual,
        )
        for hour in np.flatnonzero((hours[day] > high) & (usual > 0)):
            found.append(
                Burst(
                    date=first + timedelta(days=day),
                    hour=int(hour),
                    value=float(hours[day, hour] * largest),
                    expected=float(expected[hour] * largest),
                    high=float(high[hour] * largest),
                )
            )
            clean[day, hour] = high[hour]
    return found
