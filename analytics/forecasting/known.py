"""What is known beside the whole days: today until now, and changes that have a date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from analytics.errors import InvalidInput

_PROFILE_DAYS = 28
_MINUTES = 24 * 60


@dataclass(frozen=True, kw_only=True)
class PartOfDay:
    """Today until now: what was used, and how much of a usual day lies before now (0 to 1)."""

    so_far: float
    share: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.so_far) and self.so_far >= 0):
            raise InvalidInput(f"so_far must be 0 or more, not {self.so_far}")
        if not 0 <= self.share <= 1:
            raise InvalidInput(f"share must be between 0 and 1, not {self.share}")


@dataclass(frozen=True, kw_only=True)
class KnownChange:
    """From a day on, each day is `factor` times what it was, and `addition` more.

    A price that rises by a fifth is a factor of 1.2; a model that stops and has 40 percent of the cost, one
    of 0.6; a launch, an addition per day. A change that lies in the past holds for the days before it, which
    are brought to what they would be today.
    """

    from_date: date
    factor: float = 1.0
    addition: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.factor) and self.factor >= 0):
            raise InvalidInput(f"factor must be 0 or more, not {self.factor}")
        if not np.isfinite(self.addition):
            raise InvalidInput(f"addition must be a finite number, not {self.addition}")


def share_of_day(hourly: NDArray[np.float64], minutes: float) -> float:
    """How much of a usual day lies before a minute of the day (0 to 1), by the sums per hour.

    `hourly` has the shape (days, 24), the newest day last. Its last 28 days count, each with its own sum, so
    that hours weigh what they cost. Without any use an hour is a 24th of the day.
    """
    if hourly.ndim != 2 or hourly.shape[1] != 24:
        raise InvalidInput(f"hourly must have the shape (days, 24), not {hourly.shape}")
    if not 0 <= minutes <= _MINUTES:
        raise InvalidInput(f"minutes must be between 0 and {_MINUTES}, not {minutes}")
    recent = hourly[-_PROFILE_DAYS:].astype(float)
    largest = recent.max(initial=0.0)
    # Divided first, as the sum of huge values overflows. A little of an even day: no hour is impossible.
    profile = (recent / largest).sum(axis=0) if largest > 0 else np.ones(24)
    profile = profile / profile.sum() * 0.97 + 0.03 / 24
    share = np.interp(minutes, np.arange(0, _MINUTES + 1, 60), np.concatenate(([0.0], np.cumsum(profile))))
    return float(np.clip(share, 0, 1))


def brought_to_today(
    values: NDArray[np.float64], first: date, known: Sequence[KnownChange]
) -> NDArray[np.float64]:
    """The days of the past as they would be with the changes that have happened since."""
    values = values.copy()
    for change in sorted(known, key=lambda change: change.from_date):
        before = min(max((change.from_date - first).days, 0), len(values))
        if change.from_date < first + timedelta(days=len(values)):
            values[:before] = np.maximum(values[:before] * change.factor + change.addition, 0)
    return values


def with_changes(
    paths: NDArray[np.float64], begins_on: date, known: Sequence[KnownChange]
) -> NDArray[np.float64]:
    """Paths (path, day) with the changes that are still to come."""
    for change in sorted(known, key=lambda change: change.from_date):
        day = (change.from_date - begins_on).days
        if 0 <= day < paths.shape[1]:
            paths[:, day:] = np.maximum(paths[:, day:] * change.factor + change.addition, 0)
    return paths
