"""Forecasts of daily sums: what must hold of any series, and what they come to on known ones."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from analytics.errors import InvalidInput
from analytics.forecasting import (
    Forecast,
    KnownChange,
    PartOfDay,
    TooShort,
    find_anomalies,
    find_bursts,
    forecast,
    past_worth,
    run_out,
    share_of_day,
)
from analytics.forecasting.models import drifts_of, smoothed, theta_paths

FIRST = date(2026, 1, 5)  # a Monday
OFFICE = np.array([1.1, 1.1, 1.1, 1.1, 1.0, 0.4, 0.2])

any_days = arrays.arrays(
    float,
    st.integers(14, 120),
    elements=st.one_of(st.just(0.0), st.floats(0, 1e12), st.floats(0, 1)),
)


def office(days: int, *, noise: float = 0.15, seed: int = 1) -> Any:
    """100 a day, less at weekends."""
    chance = np.random.default_rng(seed)
    return 100 * np.resize(OFFICE, days) * chance.lognormal(-(noise**2) / 2, noise, days)


def said(values: Any, horizon: int = 30, **options: Any) -> Forecast:
    answer = forecast(values, FIRST, horizon, **options)
    assert isinstance(answer, Forecast)
    return answer


@settings(max_examples=150, deadline=None)
@example(values=np.array([1.0] * 7 + [2.3e8] + [1.0] * 6), horizon=1)
@example(values=np.array([2e8] + [6e-298] * 6 + [2e10] + [6e-298] * 11), horizon=1)
@given(values=any_days, horizon=st.integers(1, 62))
def test_any_series_has_nested_ranges_that_are_finite_and_not_negative(values: Any, horizon: int) -> None:
    answer = forecast(values, FIRST, horizon)

    if isinstance(answer, TooShort):
        assert answer.days_there < answer.days_needed
        return
    assert answer.made_for == FIRST + timedelta(days=len(values))
    assert answer.paths.shape[1] == answer.horizon_days == len(answer.by_day) == horizon
    assert answer.total == answer.by_day[-1]
    before = 0.0
    for band in answer.by_day:
        assert 0 <= band.low_95 <= band.low_80 <= band.median <= band.high_80 <= band.high_95 < np.inf
        assert band.median >= before
        before = band.median
    # Paths are capped: nothing is forecast of another size than what was seen.
    assert answer.paths.max() <= 3 * values.max()


@settings(max_examples=50, deadline=None)
@given(values=any_days, scale=st.sampled_from((0.5, 1024.0, 2.0**400, 2.0**-30)))
def test_the_same_days_in_another_unit_have_the_same_forecast(values: Any, scale: float) -> None:
    # Smaller numbers lose digits in another unit.
    assume(values.max() == 0 or values.max() > 1e-200)
    answer = forecast(values, FIRST, 30)
    other = forecast(values * scale, FIRST, 30)

    if isinstance(answer, TooShort):
        assert other == answer
    else:
        assert isinstance(other, Forecast)
        assert other.total.high_95 == pytest.approx(answer.total.high_95 * scale, rel=1e-9)


def test_the_same_days_have_the_same_answer() -> None:
    np.testing.assert_array_equal(said(office(90)).paths, said(office(90)).paths)


@pytest.mark.parametrize("days", [0, 1, 13])
def test_too_few_days_are_refused(days: int) -> None:
    answer = forecast(office(days), FIRST, 30)

    assert answer == TooShort(days_needed=14, days_there=days)
    assert str(answer).startswith("a forecast needs 14 whole days, there ")


def test_days_before_the_first_use_are_no_data() -> None:
    late = np.concatenate((np.zeros(100), office(10)))

    assert forecast(late, FIRST, 30) == TooShort(days_needed=14, days_there=10)


@pytest.mark.parametrize(("days", "is_rough"), [(14, True), (42, True), (43, False)])
def test_few_days_are_told_to_be_rough(days: int, is_rough: bool) -> None:
    answer = said(office(days))

    assert answer.is_rough is is_rough
    assert answer.total.low_80 < office(30, noise=0).sum() < answer.total.high_80


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_theta_is_that_of_statsmodels(seed: int) -> None:
    from statsmodels.tsa.forecasting.theta import ThetaModel  # only here: it takes seconds to import

    chance = np.random.default_rng(seed)
    logs = 4 + 0.004 * np.arange(140) + np.cumsum(chance.normal(0, 0.03, 140)) + chance.normal(0, 0.15, 140)
    fitted = ThetaModel(pd.Series(logs, pd.date_range(FIRST, periods=140)), deseasonalize=False).fit()
    ours = smoothed(logs, is_ratio=False, alphas=np.array([fitted.params["alpha"]]))
    without_errors = replace(ours, errors=np.zeros(1))

    (path,) = theta_paths(without_errors, float(drifts_of(logs)[-1]), np.ones(30), np.zeros((1, 30)), np.inf)

    np.testing.assert_allclose(np.log(path), fitted.forecast(30), atol=1e-6)


def test_a_rhythm_of_weekdays_goes_on() -> None:
    # The first day of the forecast is a Thursday.
    middle = np.median(said(office(94, noise=0.05), 14).paths, axis=0)

    np.testing.assert_allclose(middle, 100 * np.resize(np.roll(OFFICE, -(94 % 7)), 14), rtol=0.15)


@pytest.mark.parametrize("has_holiday", [False, True])
def test_a_timetable_repeats_last_week_but_no_holiday(has_holiday: bool) -> None:
    # It changes at once; a level alone would still be a tenth to a fifth too high after three weeks.
    week = np.array([9.0, 9, 8, 9, 9, 4, 6])
    days = np.concatenate([np.resize(week * level, count) for level, count in ((1, 56), (4, 84), (2, 21))])
    if has_holiday:
        days[-3] = 0

    middle = np.median(said(days, 28).paths, axis=0)

    np.testing.assert_allclose(middle, np.resize(week * 2, 28), rtol=0.02)


def test_days_that_never_have_use_have_none() -> None:
    closed = np.resize([100.0, 110, 90, 100, 105, 0, 0], 91)

    assert said(closed, 7).paths[:, 5:].max() == 0
    assert said(closed, 7).total.median == pytest.approx(505, rel=0.05)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        pytest.param(np.zeros(60), 0, 0, id="nothing"),
        pytest.param(np.full(60, 7.0), 209.9, 210.1, id="always the same"),
        pytest.param(np.concatenate((office(120), np.zeros(60))), 0, 30, id="stopped"),
        pytest.param(np.concatenate((np.zeros(60), office(60))), 2_000, 3_000, id="began"),
        pytest.param(office(120) * 1e200, 2e203, 3e203, id="huge"),
        pytest.param(office(120) * 1e-200, 2e-197, 3e-197, id="tiny"),
        pytest.param(-office(60), 0, 0, id="negative"),
    ],
)
def test_unusual_series_have_sane_middles(values: Any, low: float, high: float) -> None:
    assert low <= said(values).total.median <= high


def test_sparse_use_has_a_wide_range_around_its_mean() -> None:
    chance = np.random.default_rng(5)
    sparse = np.where(chance.random(180) < 0.15, chance.lognormal(3, 0.5, 180), 0)

    total = said(sparse).total

    assert total.low_95 <= sparse.mean() * 30 <= total.high_95
    assert total.high_95 < 30 * sparse.max()


def test_a_range_covers_what_comes_as_often_as_it_says() -> None:
    hits = tries = 0
    for seed in range(60):
        chance = np.random.default_rng(seed)
        level = np.exp(np.cumsum(chance.normal(0, 0.03, 150)))
        days = 100 * level * np.resize(OFFICE, 150) * chance.lognormal(0, 0.3, 150)
        total = said(days[:120]).total
        hits += total.low_80 <= days[120:].sum() <= total.high_80
        tries += 1

    assert 0.7 <= hits / tries <= 0.95


def test_a_part_of_today_is_never_taken_as_a_day() -> None:
    whole = said(office(90), 10)
    early = said(office(90), 10, today=PartOfDay(so_far=5.0, share=0.05))

    assert early.total.median == pytest.approx(whole.total.median, rel=0.02)
    assert min(early.paths[:, 0]) >= 5


def test_a_day_that_is_nearly_over_is_nearly_known() -> None:
    late = said(office(90), 10, today=PartOfDay(so_far=300.0, share=0.99))

    assert late.by_day[0].low_95 >= 300
    assert late.by_day[0].high_95 < 310


def test_the_share_of_a_day_follows_its_hours() -> None:
    hourly = np.zeros((40, 24))
    hourly[:, 9:17] = 1.0

    assert share_of_day(hourly, 9 * 60) < 0.02
    assert share_of_day(hourly, 13 * 60) == pytest.approx(0.5, abs=0.02)
    assert share_of_day(hourly, 24 * 60) == pytest.approx(1)
    assert share_of_day(np.zeros((0, 24)), 6 * 60) == pytest.approx(0.25)


def test_a_price_that_changes_next_week_changes_the_days_from_then_on() -> None:
    plain = said(office(90), 20)
    dearer = said(
        office(90), 20, known=[KnownChange(from_date=plain.made_for + timedelta(days=7), factor=1.5)]
    )

    np.testing.assert_array_equal(dearer.paths[:, :7], plain.paths[:, :7])
    np.testing.assert_allclose(dearer.paths[:, 7:], plain.paths[:, 7:] * 1.5)


def test_a_launch_adds_and_a_stop_takes_all() -> None:
    plain = said(office(90), 20)
    launched = said(office(90), 20, known=[KnownChange(from_date=plain.made_for, addition=50)])
    stopped = said(office(90), 20, known=[KnownChange(from_date=plain.made_for, factor=0)])

    assert launched.total.median == pytest.approx(plain.total.median + 1_000)
    assert stopped.total.high_95 == 0


def test_a_change_of_the_past_holds_for_the_days_before_it() -> None:
    days = office(90)
    changed = days.copy()
    changed[60:] *= 2

    known = [KnownChange(from_date=FIRST + timedelta(days=60), factor=2)]

    assert said(changed, known=known).total == said(days * 2).total


@pytest.mark.parametrize("limit", [50.0, 400.0, 2_500.0, 1e9])
def test_the_day_a_limit_is_reached_is_that_of_the_paths(limit: float) -> None:
    answer = said(office(90), 30, today=PartOfDay(so_far=20.0, share=0.2))
    days = []
    for path in answer.paths.tolist():
        spent = 100.0 - 20.0  # 100 are spent, 20 of which are of today
        found = 30
        for day, use in enumerate(path):
            spent += use
            if spent >= limit:
                found = day
                break
        days.append(found)
    days.sort()

    found_run_out = run_out(answer, 100.0, limit)

    for share, day in (
        (0.1, found_run_out.earliest),
        (0.5, found_run_out.likely),
        (0.9, found_run_out.latest),
    ):
        expected = days[int(share * (len(days) - 1))]
        if limit == 50.0:
            expected = 0
        assert day == (None if expected == 30 else answer.made_for + timedelta(days=expected))
    assert answer.chance_of(100.0, limit) == pytest.approx(np.mean([day < 30 for day in days]))


def test_what_is_spent_today_counts_once() -> None:
    answer = said(office(90), 30, today=PartOfDay(so_far=20.0, share=0.2))

    assert answer.at_end(100.0).median == pytest.approx(answer.total.median + 80)


def test_past_months_are_forecast_from_what_was_known_then() -> None:
    days = office(200)
    worth = past_worth(days, FIRST)

    assert [month.month for month in worth.months] == [date(2026, month, 1) for month in (2, 3, 4, 5, 6)]
    may = worth.months[-2]
    known = (date(2026, 5, 1) - FIRST).days
    at_that_time = said(days[:known], 31).total
    assert (may.low_80, may.high_80) == (at_that_time.low_80, at_that_time.high_80)
    assert may.actual == pytest.approx(days[known : known + 31].sum())
    assert worth.hits == sum(month.low_80 <= month.actual <= month.high_80 for month in worth.months)
    assert worth.hit_rate == worth.hits / 5


def test_without_a_whole_month_nothing_is_said_of_the_past() -> None:
    worth = past_worth(office(20), FIRST)

    assert worth.months == []
    assert worth.hit_rate is None


def test_a_tripled_day_stands_out_alone() -> None:
    days = office(90)
    days[80] *= 3

    (anomaly,) = find_anomalies(days, FIRST)

    assert anomaly.date == FIRST + timedelta(days=80)
    assert anomaly.value == days[80]
    assert 0 <= anomaly.low <= anomaly.expected < anomaly.high < anomaly.value
    assert anomaly.expected == pytest.approx(100 * OFFICE[80 % 7], rel=0.2)


def test_a_burst_does_not_hide_the_next_one() -> None:
    days = office(90)
    for day in (60, 66, 72, 80):
        days[day] *= 3

    assert [found.date for found in find_anomalies(days, FIRST)] == [
        FIRST + timedelta(days=day) for day in (60, 66, 72, 80)
    ]


def test_usual_days_do_not_stand_out() -> None:
    assert find_anomalies(office(180, noise=0.25), FIRST) == []


def test_small_days_are_not_worth_a_mail() -> None:
    # Ten times of a Sunday that has a hundredth of a day.
    days = np.resize([100.0, 100, 100, 100, 100, 100, 1], 91)
    days[90] = 10

    assert find_anomalies(days, FIRST) == []


def test_sensitivity_is_chosen() -> None:
    days = office(90)
    days[79] *= 2.6

    assert [len(find_anomalies(days, FIRST, sensitivity=name)) for name in ("low", "high")] == [1, 1]
    with pytest.raises(InvalidInput, match='sensitivity must be one of low, normal, high, not "loud"'):
        find_anomalies(days, FIRST, sensitivity="loud")


@settings(max_examples=50, deadline=None)
@given(values=any_days)
def test_any_series_can_be_looked_through(values: Any) -> None:
    for anomaly in find_anomalies(values, FIRST):
        assert anomaly.value > anomaly.high >= anomaly.expected >= 0


def test_an_hour_that_bursts_is_found() -> None:
    chance = np.random.default_rng(2)
    hourly = np.zeros((40, 24))
    hourly[:, 8:20] = chance.lognormal(0, 0.2, (40, 12))
    hourly[35, 3] = 30.0

    (burst,) = find_bursts(hourly, FIRST)

    assert (burst.date, burst.hour, burst.value) == (FIRST + timedelta(days=35), 3, 30.0)
    assert burst.expected == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: forecast(office(60), FIRST, 0), "horizon must be between 1 and 400 days, not 0"),
        (lambda: forecast(np.array([1.0, np.nan]), FIRST, 9), "values must be finite, that of day 1 is not"),
        (lambda: forecast(np.zeros((2, 2)), FIRST, 9), "one number per day"),
        (lambda: PartOfDay(so_far=-1, share=0.5), "so_far must be 0 or more, not -1"),
        (lambda: PartOfDay(so_far=1, share=1.5), "share must be between 0 and 1, not 1.5"),
        (lambda: KnownChange(from_date=FIRST, factor=-1), "factor must be 0 or more, not -1"),
        (lambda: share_of_day(np.zeros((2, 23)), 5), "shape"),
        (lambda: share_of_day(np.zeros((2, 24)), 1441), "minutes must be between 0 and 1440, not 1441"),
        (lambda: find_bursts(np.zeros((2, 23)), FIRST), "shape"),
        (lambda: run_out(said(office(60)), 0, 0), "limit must be more than 0, not 0"),
    ],
)
def test_what_cannot_be_is_refused_by_name(call: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        call()
