"""The two models whose paths are pooled, and how much they have missed by.

Both work on days that are divided by their weekday's factor. (a) is the theta method (Assimakopoulos and
Nikolopoulos 2000) in the form of Hyndman and Billah (2003), exponential smoothing with half of the trend as
drift, on logs. (b) is an exponentially weighted level. Errors are drawn from those that each model made.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WEEK = 7
NOTHING = 1e-12
"""Of the largest day: a day of less has no use."""
_WEEKDAY_WEEKS = 12  # Older weeks say little about the rhythm of today.
_GAMMAS = np.array((0.0, 0.1, 0.8))
_CHANGING_WEEKS = 7  # Fewer do not tell whether a rhythm changes.
_OUTLIER = 1.5
_TREND_DAYS = 140
_ERROR_DAYS = 84
ALPHAS = np.array((0.05, 0.1))  # measured: a slower level misses growth, a faster one follows chance
FLOOR = 0.1  # of the median day: a day without any use has no log
_MAX_DAILY_DRIFT = 0.01  # doubles in ten weeks
_TRUSTED_WINDOWS = 2.0  # how many past totals the model's own spread counts for
_FAR = 20.0
_MIN_WIDENING, _MAX_WIDENING = 1.25, 2.5  # slow levels move less than totals; half a year has few to miss


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """The factors of the weekdays (their mean is 1), and for each day the sum without them."""

    factors: Floats
    weekday: NDArray[np.int64]
    """Of each day, 0 is that of the first day."""
    even: Floats
    is_sparse: bool
    """Days without use are usual: there is no log of them, and a level says only the mean."""


@dataclass(frozen=True, kw_only=True)
class Smoothed:
    """One-step levels of smoothing: before each day, and at the end; and the errors."""

    alpha: float
    before: Floats
    last: float
    errors: Floats


def rhythm_of(values: Floats) -> Rhythm:
    """Weekdays as shares of the seven days around them, smoothed from week to week.

    How fast a rhythm changes is what would have told the next week's best: a timetable changes at once,
    habits hardly ever.
    """
    count = len(values)
    weekday = np.arange(count) % WEEK
    sums = np.concatenate(([0.0], np.cumsum(values)))
    low = np.clip(np.arange(count) - 3, 0, count - WEEK)
    around = np.maximum(sums[low + WEEK] - sums[low], 0) / WEEK
    begin = max(count - _WEEKDAY_WEEKS * WEEK, 0)
    usual = values[begin:].mean()
    factors = _factors(values[begin:], around[begin:], usual)
    factors = np.roll(factors, begin % WEEK)
    is_used = factors[weekday] > 0
    even = np.where(is_used, values / np.where(is_used, factors[weekday], 1), np.nan)
    is_sparse = bool((even[begin:][is_used[begin:]] <= 1e-9 * usual).mean() > 0.1)
    if is_sparse:
        # Weekdays of a few single uses are chance.
        factors = np.where(factors > 0, 1.0, 0.0) / np.mean(factors > 0)
        even = np.where(is_used, values / np.where(is_used, factors[weekday], 1), np.nan)
    return Rhythm(factors=factors, weekday=weekday, even=even, is_sparse=is_sparse)


def _factors(values: Floats, around: Floats, usual: float) -> Floats:
    """Of the weekdays, the first one is that of the first day; their mean is 1."""
    weeks = -(-len(values) // WEEK)
    # Whole weeks from the end back, so that the last one is whole.
    lead = weeks * WEEK - len(values)
    taught = around > 0.05 * usual
    ratios = np.where(taught, values / np.where(taught, around, 1), np.nan)
    table = np.concatenate((np.full(lead, np.nan), ratios)).reshape(weeks, WEEK)
    is_known = ~np.isnan(table)
    shown = np.where(is_known, table, 0)
    seen = is_known.sum(axis=0)
    means = np.where(seen > 0, shown.sum(axis=0) / np.maximum(seen, 1), 1.0)
    # A single day that stands out is no rhythm.
    shown = np.where(is_known, np.clip(shown, means / _OUTLIER, means * _OUTLIER), 0)
    state = np.tile((means * seen + 1) / (seen + 1), (len(_GAMMAS), 1))
    misses = np.zeros(len(_GAMMAS))
    for week in range(weeks):
        errors = np.where(is_known[week], shown[week] - state, 0)
        if week >= weeks // 3:
            misses += np.abs(errors).sum(axis=1)
        state = state + _GAMMAS[:, None] * errors
    best = state[int(np.argmin(misses)) if weeks >= _CHANGING_WEEKS else 0]
    best = np.where((means < 1e-3) & (seen >= 2), 0, best)
    best = np.roll(best, -lead)
    factors: Floats = best / best.mean()
    return factors


def smoothed(series: Floats, *, is_ratio: bool, alphas: Floats = ALPHAS) -> Smoothed:
    """Exponential smoothing with that alpha whose one-step errors are the smallest.

    Errors are differences, or what the value is of the level (`is_ratio`). Days that are nan teach nothing.
    """
    known = ~np.isnan(series)
    start = series[known][:WEEK].mean()
    level = np.full(len(alphas), start)
    levels = np.empty((len(series), len(alphas)))
    for day, value in enumerate(np.where(known, series, 0).tolist()):
        levels[day] = level
        if known[day]:
            level = level + alphas * (value - level)
    misses = np.abs(np.where(known[:, None], series[:, None] - levels, 0))[WEEK:]
    best = int(np.argmin(np.square(misses).sum(axis=0)))
    before = levels[:, best]
    usable = known & (np.arange(len(series)) >= WEEK)
    if is_ratio:
        usable &= before > 0.02 * series[known].mean()
        errors = series[usable] / before[usable]
    else:
        errors = series[usable] - before[usable]
    return Smoothed(
        alpha=float(alphas[best]), before=before, last=float(level[best]), errors=errors[-_ERROR_DAYS:]
    )


def theta_paths(logs: Smoothed, drift: float, factors: Floats, draws: Floats, top: float) -> Floats:
    """Paths (path, day) of smoothing with drift on logs; `draws` (path, day) are uniform in 0 to 1."""
    errors = np.sort(logs.errors - logs.errors.mean()) if len(logs.errors) else np.zeros(1)
    drawn = errors[(draws * len(errors)).astype(int)]
    moved = np.concatenate((np.zeros((len(draws), 1)), np.cumsum(drawn, axis=1)[:, :-1]), axis=1)
    ahead = np.arange(draws.shape[1])
    # Smoothing lags behind a trend by 1 / alpha days.
    level = logs.last + drift * (ahead + 1 / logs.alpha) + logs.alpha * moved
    paths: Floats = np.exp(np.minimum(level + drawn, np.log(top))) * factors
    return paths


def level_paths(level: Smoothed, factors: Floats, draws: Floats, top: float, *, moves: bool) -> Floats:
    """Paths (path, day) around a level that each day moves a little, unless not `moves`."""
    errors = np.sort(level.errors) if len(level.errors) else np.ones(1)
    # The level's own mean is the best guess: errors that are 1 in the mean neither lift nor sink it.
    if moves and errors.mean() > 0:
        errors = errors / errors.mean()
    drawn = errors[(draws * len(errors)).astype(int)]
    if not moves:
        still: Floats = np.minimum(level.last * drawn, top) * factors
        return still
    steps = 1 + level.alpha * (drawn - 1)
    moved = np.concatenate((np.ones((len(draws), 1)), np.cumprod(steps, axis=1)[:, :-1]), axis=1)
    paths: Floats = np.minimum(np.minimum(level.last * moved, top) * drawn, top) * factors
    return paths


def drifts_of(logs: Floats) -> Floats:
    """Half of the slope of the last days, before each day and at the end, capped: the drift of theta."""
    known = np.where(np.isnan(logs), np.nanmean(logs), logs)
    count = len(known)
    days = np.arange(count, dtype=float)
    sums = np.stack([np.ones(count), days, known, days * known, days * days])
    sums = np.concatenate((np.zeros((5, 1)), np.cumsum(sums, axis=1)), axis=1)
    end = np.arange(count + 1)
    size, x, y, xy, xx = sums[:, end] - sums[:, np.maximum(end - _TREND_DAYS, 0)]
    below = size * xx - x * x
    slope = np.where(below > 0, (size * xy - x * y) / np.where(below > 0, below, 1), 0)
    # A slope of few days is chance.
    slope = slope * np.minimum(size / _TREND_DAYS, 1)
    drifts: Floats = np.clip(slope / 2, -_MAX_DAILY_DRIFT, _MAX_DAILY_DRIFT)
    return drifts


def widening(
    values: Floats,
    rhythm: Rhythm,
    level: Smoothed,
    logs: Smoothed | None,
    drifts: Floats | None,
    paths: Floats,
    origins_from: int,
) -> float:
    """By how much ranges have to be wider than the paths: past totals' misses against the paths' own spread.

    Rolling origins within the series: at each past day the total of the days after it, as both models would
    have put it.
    """
    count = len(values)
    length = min(paths.shape[1], 30, (count - origins_from) // 2)
    if length < WEEK:
        return 1.0
    origins = np.arange(origins_from, count - length + 1)
    ahead = np.arange(length)
    factors = rhythm.factors[(origins[:, None] + ahead) % WEEK]
    levels = np.append(level.before, level.last)[origins]
    said = levels * factors.sum(axis=1)
    if logs is not None and drifts is not None:
        ends = np.append(logs.before, logs.last)[origins]
        lift = float(np.mean(np.exp(np.minimum(logs.errors, 3)))) if len(logs.errors) else 1.0
        theta = np.exp(ends[:, None] + drifts[origins][:, None] * (ahead + 1 / logs.alpha)) * factors * lift
        said = (said + theta.sum(axis=1)) / 2
    sums = np.concatenate(([0.0], np.cumsum(values)))
    was = sums[origins + length] - sums[origins]
    comparable = (said > 0) & (was > 0)
    if comparable.sum() < WEEK:
        return 1.0
    misses = np.log(was[comparable] / said[comparable])
    totals = paths[:, :length].sum(axis=1)
    spread = float(np.log(totals[totals > 0]).std()) if (totals > 0).any() else 0.0
    if spread <= 1e-9:
        return 1.0
    ratio = float(np.sqrt(np.mean(np.square(np.clip(misses, -1.5, 1.5))))) / spread
    windows = len(origins) / length
    blended = np.sqrt((_TRUSTED_WINDOWS + windows * ratio**2) / (_TRUSTED_WINDOWS + windows))
    return float(np.clip(blended, _MIN_WIDENING, _MAX_WIDENING))


def widened(paths: Floats, by: float) -> Floats:
    """Paths (path, day) whose totals lie `by` times as far from their median, as ratios."""
    totals = paths.sum(axis=1)
    middle = float(np.median(totals))
    if middle <= 0 or by == 1:
        return paths
    # A total of another size than the middle says nothing about how far apart totals lie.
    ratio = np.clip(totals, middle / _FAR, middle * _FAR) / middle
    farther: Floats = paths * (ratio ** (by - 1))[:, None]
    return farther
