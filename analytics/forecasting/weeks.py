"""The last usual week repeated, and how much it weighs beside the smoothing models.

A timetable repeats last week; habits do not. Which one a series is, its own past tells: both are asked at
past days for what came then, and weigh by the inverse of their mean absolute errors, raised to a power.
Bates and Granger 1969, "The Combination of Forecasts", weigh by inverse squared errors; the power here is
higher, nearer to the better one alone. Measured: a lower one mixes too much of the worse one in.
"""

import numpy as np

from analytics.forecasting.models import WEEK, Floats, Smoothed, rhythm_of

_POWER = 16
_ORIGINS = 13  # a quarter of a year
_FIRST_ORIGIN = 28
_ODD_TIMES, _ODD_SHARE = 3.0, 0.15
_FARTHEST = 3.0


def usual_week(values: Floats) -> Floats:
    """The next seven days: last week's, but the week before's where only last week is odd (a holiday)."""
    last, before, earlier = values[-WEEK:], values[-2 * WEEK : -WEEK], values[-3 * WEEK : -2 * WEEK]
    middle = (before + earlier) / 2
    is_odd = np.abs(last - middle) > _ODD_TIMES * np.abs(before - earlier) + _ODD_SHARE * middle
    week: Floats = np.where(is_odd, before, last)
    return week


def drawn_to_usual_week(
    paths: Floats, values: Floats, level: Smoothed, logs: Smoothed, drifts: Floats
) -> Floats:
    """Paths (path, day) whose middle of each day lies between the models' and the usual week, by past errors.

    A path keeps its ratio to the middle: how far apart totals lie is not what a timetable changes.
    """
    weight = _weight_of_week(values, min(paths.shape[1], 30), level, logs, drifts)
    middle = np.median(paths, axis=0)
    wanted = (1 - weight) * middle + weight * np.resize(usual_week(values), len(middle))
    ratio = np.where(middle > 0, wanted / np.where(middle > 0, middle, 1), 1)
    drawn: Floats = paths * np.clip(ratio, 1 / _FARTHEST, _FARTHEST)
    return drawn


def _weight_of_week(values: Floats, horizon: int, level: Smoothed, logs: Smoothed, drifts: Floats) -> float:
    """0 to 1: by what both would have said once a week, of up to `horizon` days, as far as these are over."""
    count = len(values)
    usual_error = float(np.median(level.errors)) if len(level.errors) else 1.0
    by_models, by_week = [], []
    for origin in range(count - WEEK, max(_FIRST_ORIGIN, count - (_ORIGINS + 1) * WEEK), -WEEK):
        was = values[origin : origin + horizon]
        ahead = np.arange(len(was))
        factors = rhythm_of(values[:origin]).factors[(origin + ahead) % WEEK]
        theta = np.exp(logs.before[origin] + drifts[origin] * (ahead + 1 / logs.alpha))
        said = (theta + level.before[origin] * usual_error) / 2 * factors
        by_models.append(np.abs(said - was).mean())
        by_week.append(np.abs(np.resize(usual_week(values[:origin]), len(was)) - was).mean())
    if not by_week:
        return 0.0
    models, week = float(np.mean(by_models)), float(np.mean(by_week))
    if week <= 0 or models <= 0:
        return 1.0 if week < models else 0.0
    return float(1 / (1 + np.exp(_POWER * np.clip(np.log(week / models), -2, 2))))
