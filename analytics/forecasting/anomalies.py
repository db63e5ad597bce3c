"""Days and hours that cost far more than usual."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.errors import InvalidInput
from analytics.forecasting.models import WEEK, rhythm_of
from analytics.forecasting.simulation import NEEDED_DAYS, whole_days

SENSITIVITIES = {"low": (4.0, 1.0), "normal": (3.0, 0.5), "high": (2.5, 0.3)}
"""How many standard deviations, and how much more than expected (0.5: half more)."""
MIN_SHARE = 0.05
"""Of what a usual month spends per day: less is not worth a mail."""
_ALPHA = 0.1
_MEMORY_DAYS = 84
_BURST_SD, _BURST_TIMES, _BURST_SHARE = 4.0, 2.0, 0.15


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
    weekday and level say, and the excess is at least 5 percent of what a usual month spends per day. The
    first 14 days cannot stand out.

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
    clean = days.copy()
    """What days teach: one that stood out teaches no more than the end of the usual."""
    for day in range(NEEDED_DAYS, len(days)):
        past = clean[max(day - _MEMORY_DAYS, 0) : day]
        rhythm = rhythm_of(past)
        even = rhythm.even
        known = even[~np.isnan(even)]
        if not len(known):
            continue
        weights = (1 - _ALPHA) ** np.arange(len(known))[::-1]
        level = float((known * weights).sum() / weights.sum())
        factor = float(rhythm.factors[len(past) % WEEK])
        usual = float(past[-30:].mean())
        expected = level * factor
        # Errors against the days around them, as a share; at least a tenth, as no day is like another.
        around = np.convolve(np.pad(known, (3, 3), mode="edge"), np.ones(7) / 7, mode="valid")
        used = around > 0
        spread = float(np.sqrt(np.mean(np.square(known[used] / around[used] - 1)))) if used.any() else 1.0
        deviation = max(spread, 0.1) * max(expected, 0.1 * level)
        high = max(expected + deviations * deviation, expected * (1 + more), expected + MIN_SHARE * usual)
        low = max(expected - deviations * deviation, 0.0)
        if days[day] > high:
            yield day, float(days[day]), expected, low, high
            clean[day] = high


def find_bursts(hourly: NDArray[np.float64], first: date) -> list[Burst]:
    """Hours that stand out against the same hour of the 28 days before, oldest first.

    `hourly` has the shape (days, 24), the first day is `first`; hours that are not over yet are 0. An hour
    stands out that is more than 4 standard deviations above that hour's mean and more than twice that mean,
    and whose excess is at least 15 percent of a usual day.

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
        usual = float(past.sum(axis=1).mean())
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
