"""Forecast of daily sums: simulated paths of two models, pooled, as wide as past totals were missed by.

Random numbers are the same each time: the same days give the same answer on the page, in an alert and in the
API, and a threshold on the forecast is not crossed by chance when somebody looks again.
"""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analytics.errors import InvalidInput
from analytics.forecasting import models
from analytics.forecasting.known import KnownChange, PartOfDay, brought_to_today, with_changes
from analytics.forecasting.paths import Forecast, TooShort, forecast_of
from analytics.forecasting.weeks import drawn_to_usual_week

NEEDED_DAYS = 14
ENOUGH_DAYS = 42
"""Until then, weekday and level only."""
MAX_HORIZON = 400
_USED_DAYS = 182
_PATHS = 500
"""Of each model."""
_SEED = 13
_TOP = 3.0  # A path has no day of more than so many times the largest one.
_ROUGH = 1.3


def forecast(
    values: NDArray[np.float64],
    first: date,
    horizon: int,
    *,
    today: PartOfDay | None = None,
    known: Sequence[KnownChange] = (),
) -> Forecast | TooShort:
    """The next `horizon` days from today on, as paths, with 80 and 95 percent ranges of their total.

    `values` has one sum (USD, or tokens) per whole day, the first one of `first`, the last one of yesterday;
    below 0 counts as 0. Days before the first use are no data, unless nothing was ever used. Today is the
    first day of the horizon: with `today` what was used until now, and the rest of the day by its hours.

    Raises:
        InvalidInput: values are not finite or not of one dimension, or the horizon is not 1 to 400 days.
    """
    if not 1 <= horizon <= MAX_HORIZON:
        raise InvalidInput(f"horizon must be between 1 and {MAX_HORIZON} days, not {horizon}")
    days = whole_days(values)
    made_for = date.fromordinal(first.toordinal() + len(days))
    days = brought_to_today(days, first, known)
    days = np.where(days < models.NOTHING * days.max(initial=0.0), 0, days)
    used = np.flatnonzero(days)
    if len(used):
        days = days[used[0] :]
    if len(days) < NEEDED_DAYS:
        return TooShort(days_needed=NEEDED_DAYS, days_there=len(days))
    days = days[-_USED_DAYS:]
    is_rough = len(days) <= ENOUGH_DAYS
    largest = float(days.max())
    # As a share of the largest day: no size of numbers is special, and none overflows.
    paths = (
        _paths(days / largest, horizon, is_rough=is_rough) * largest
        if largest > 0
        else np.zeros((2 * _PATHS, horizon))
    )
    paths = with_changes(paths, made_for, known)
    so_far = 0.0
    if today is not None:
        so_far = today.so_far
        # The later it is, the more today's own pace tells about the rest of the day.
        rest = 1 - today.share
        paths[:, 0] = so_far + rest * (rest * paths[:, 0] + so_far)
    return forecast_of(paths, made_for=made_for, is_rough=is_rough, so_far=so_far)


def whole_days(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values as they can be used, at least 0.

    Raises:
        InvalidInput
    """
    days = np.asarray(values, dtype=float)
    if days.ndim != 1:
        raise InvalidInput(f"values must be one number per day, not an array of the shape {days.shape}")
    if not np.isfinite(days).all():
        raise InvalidInput(f"values must be finite, that of day {int(np.argmin(np.isfinite(days)))} is not")
    at_least_0: NDArray[np.float64] = np.maximum(days, 0)
    return at_least_0


def _paths(days: NDArray[np.float64], horizon: int, *, is_rough: bool) -> NDArray[np.float64]:
    """Paths (path, day) of days of which the largest one is 1."""
    rhythm = models.rhythm_of(days)
    factors = rhythm.factors[(len(days) + np.arange(horizon)) % models.WEEK]
    top = _TOP * float(np.nanmax(rhythm.even))
    draws = _draws(horizon)
    level = models.smoothed(rhythm.even, is_ratio=True)
    logs = drifts = None
    if not is_rough and not rhythm.is_sparse:
        floor = models.FLOOR * float(np.nanmedian(rhythm.even))
        series = np.log(np.maximum(rhythm.even, floor))
        logs, drifts = models.smoothed(series, is_ratio=False), models.drifts_of(series)
        paths = np.concatenate(
            (
                models.theta_paths(logs, float(drifts[-1]), factors, draws[:_PATHS], top),
                models.level_paths(level, factors, draws[_PATHS:], top, moves=True),
            )
        )
    else:
        paths = models.level_paths(level, factors, draws, top, moves=not rhythm.is_sparse)
    if is_rough:
        return np.minimum(models.widened(paths, _ROUGH), _TOP)
    by = models.widening(days, rhythm, level, logs, drifts, paths, models.WEEK * 4)
    paths = models.widened(paths, by)
    if logs is not None and drifts is not None:
        paths = drawn_to_usual_week(paths, days, level, logs, drifts)
    return np.minimum(paths, _TOP)


@lru_cache(maxsize=16)
def _draws(horizon: int) -> NDArray[np.float64]:
    """Uniform in 0 to 1: (path, day). Those of a longer horizon begin with those of a shorter one."""
    draws: NDArray[np.float64] = np.random.default_rng(_SEED).random((horizon, 2 * _PATHS)).T
    return draws
