"""What the forecast is worth: rolling origins on daily series, beside last week's days repeated.

The parameters of the models were chosen on every other series of each group, and are reported on the others
(`measured on`) as on all. Anomalies are counted on the series as they are, and on each with a day tripled.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from analytics.demo.profiles import DEMO_CLIENTS
from analytics.forecasting import Forecast, find_anomalies, forecast
from bench.daily_series import Series, demo_series, real_series

SEEDS = tuple(range(1, 11))
HORIZON = 30
FIRST_ORIGIN = 56
TRIPLED_DAYS = 8
DAYS_OF_MONTH = 30.4


@dataclass(frozen=True, kw_only=True)
class Worth:
    """Of a group of series."""

    name: str
    series: int
    forecasts: int
    daily: float
    """Mean absolute error of days, of seasonal naive's: geometric mean over series."""
    totals: float
    """The same of the 30-day total."""
    covered_80: float
    covered_95: float
    months: int
    months_covered: float
    """Of calendar months, forecast on their first morning."""
    milliseconds: float
    """The median of one forecast."""
    false_alarms: float
    """Per series and month."""
    found: float
    """The share of tripled days that stood out."""


def measure_forecasts(step: int) -> list[Worth]:
    """All groups, with an origin each `step` days."""
    demo, real = demo_series(SEEDS), real_series()
    timetables = [series for series in real if series.name.startswith("departures")]
    demand = [series for series in real if not series.name.startswith("departures")]
    half = len(demo) // 2
    return [
        _worth("demo, all", demo, step),
        _worth("demo, not tuned on", demo[half:], step),
        _worth("real, all", real, step),
        _worth("real, not tuned on", [*timetables[1::2], *demand[1::2]], step),
        _worth("of these: births, calls, views, electricity", demand, step),
        _worth("of these: timetables of flights", timetables, step),
    ]


def table(worth: Sequence[Worth]) -> str:
    """Markdown."""
    lines = [
        "| series | number | forecasts | error of days | of 30-day totals | 80 % range covers | 95 % range "
        "| months, 80 % range | ms per forecast | false alarms per month | tripled days found |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.series} | {one.forecasts:,} | **{one.daily:.3f}** | {one.totals:.3f} "
        f"| **{one.covered_80:.0%}** | {one.covered_95:.0%} | {one.months_covered:.0%} of {one.months} "
        f"| {one.milliseconds:.1f} | {one.false_alarms:.2f} | {one.found:.0%} |"
        for one in worth
    ]
    return "\n".join(lines)


def _worth(name: str, group: Sequence[Series], step: int) -> Worth:
    daily, totals, hits_80, hits_95, times, months = [], [], [], [], [], []
    for series in group:
        errors = np.zeros(4)
        for origin in range(FIRST_ORIGIN, len(series.values) - HORIZON + 1, step):
            began = time.perf_counter()
            said = _said(series, origin, HORIZON)
            times.append(time.perf_counter() - began)
            was = series.values[origin : origin + HORIZON]
            naive = np.resize(series.values[origin - 7 : origin], HORIZON)
            days = np.median(said.paths, axis=0)
            errors += (
                np.abs(days - was).mean(),
                np.abs(naive - was).mean(),
                abs(said.total.median - was.sum()),
                abs(naive.sum() - was.sum()),
            )
            hits_80.append(said.total.low_80 <= was.sum() <= said.total.high_80)
            hits_95.append(said.total.low_95 <= was.sum() <= said.total.high_95)
        daily.append(errors[0] / errors[1])
        totals.append(errors[2] / errors[3])
        for origin in range(FIRST_ORIGIN, len(series.values)):
            begin = series.first + timedelta(days=origin)
            length = ((begin + timedelta(days=32)).replace(day=1) - begin).days
            if begin.day == 1 and origin + length <= len(series.values):
                said, was = _said(series, origin, length), series.values[origin : origin + length]
                months.append(said.total.low_80 <= was.sum() <= said.total.high_80)
    alarms, month_count, found, tripled = _alarms(group)
    return Worth(
        name=name,
        series=len(group),
        forecasts=len(times),
        daily=float(np.exp(np.log(daily).mean())),
        totals=float(np.exp(np.log(totals).mean())),
        covered_80=float(np.mean(hits_80)),
        covered_95=float(np.mean(hits_95)),
        months=len(months),
        months_covered=float(np.mean(months)),
        milliseconds=float(np.median(times)) * 1_000,
        false_alarms=alarms / month_count,
        found=found / tripled,
    )


def _said(series: Series, origin: int, horizon: int) -> Forecast:
    said = forecast(series.values[:origin], series.first, horizon)
    assert isinstance(said, Forecast)
    return said


def _alarms(group: Sequence[Series]) -> tuple[int, float, int, int]:
    """False alarms, the months they are of, tripled days that were found, and how many there were."""
    alarms, months, found, tripled = 0, 0.0, 0, 0
    for number, series in enumerate(group):
        busy = _busy_days(series)
        alarms += sum(anomaly.date not in busy for anomaly in find_anomalies(series.values, series.first))
        months += (len(series.values) - 14) / DAYS_OF_MONTH
        chance = np.random.default_rng(number)
        used = np.flatnonzero(series.values[28:]) + 28
        for day in chance.choice(used, TRIPLED_DAYS, replace=False).tolist():
            known = series.values[: day + 1].copy()
            known[day] *= 3
            standing_out = find_anomalies(known, series.first)
            tripled += 1
            found += bool(standing_out) and standing_out[-1].date == series.first + timedelta(days=day)
    return alarms, months, found, tripled


def _busy_days(series: Series) -> set[object]:
    """Days that the demo makes stand out on purpose."""
    for profile in DEMO_CLIENTS:
        if series.name.startswith(profile.name):
            last = series.first + timedelta(days=len(series.values))
            monday = last - timedelta(days=last.weekday() + 7 * profile.burst_weeks_ago)
            return {monday + timedelta(days=1), monday + timedelta(days=2)}
    return set()
