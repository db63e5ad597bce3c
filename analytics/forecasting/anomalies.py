"""Days and hours that cost far more than usual."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.errors import InvalidInput
from analytics.forecasting.models import NOTHING, WEEK, rhythm_of
from analytics.forecasting.simulation import NEEDED_DAYS, whole_days

SENSITIVITIES = {"low": (4.0, 1.0), "normal": (3.0, 0.5), "high": (2.5, 0.3)}
"""How many standard deviations, and how much more than expected (0.5: half more)."""
MIN_SHARE = 0.05
"""Of what a usual month spends, a day and a half's worth: less is not worth a mail."""
_MONTH_DAYS = 30
_ALPHA = 0.1
_SPREAD_DAYS = 56
_MIN_SPREAD = 0.1  # No day is like another.
_MEMORY_DAYS = 84
_BURST_SD, _BURST_TIMES = 4.0, 3.0


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

    A day stands out if all hold: it is more than 3 standard deviations and more than 50 percent above what
    weekday and level say, and the excess is at least 5 percent of what a usual month spends. The first
    14 days cannot stand out.

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
        expected = level * float(rhythm.factors[len(past) % WEEK])
        low, high = _usual_range(known, level, deviations)
        factor = expected / level if level > 0 else 1.0
        low, high = low * factor, max(high * factor, expected * (1 + more), expected + MIN_SHARE * usual)
        if days[day] > high:
            yield day, float(days[day]), expected, low, high
            clean[day] = high


def _usual_range(known: NDArray[np.float64], level: float, deviations: float) -> tuple[float, float]:
    """Around a level, as far as the last weeks' days (without their weekdays) were from their mean."""
    recent = known[-_SPREAD_DAYS:]
    mean = float(recent.mean())
    spread = max(float(recent.std()) / mean, _MIN_SPREAD) if mean > 0 else _MIN_SPREAD
    return level * max(1 - deviations * spread, 0.0), level * (1 + deviations * spread)


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
            expected + MIN_SHARE * usual,
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
