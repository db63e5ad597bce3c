"""A change is told of equal spans only, and the same one wherever it is told."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from analytics import queries
from analytics.database import Database
from analytics.days import Days
from analytics.queries import ComparedDays, Filters, Period, load_overview, total_change
from tests import factories
from tests.api import bearer, open_api
from tests.factories import NOW

TODAY = NOW.date()
HOUR = timedelta(hours=1)
UNPRICED = {"cost_usd": Decimal(0), "cost_basis": "unpriced", "model": "own"}


def call_at(database: Database, client_id: UUID, at: datetime, **columns: object) -> None:
    factories.insert_usage(database, factories.usage_log(client_id, created_at=at, **columns))


def told(
    database: Database, client_id: UUID, period: Period, now: datetime = NOW
) -> dict[str, tuple[str | None, str]]:
    """The changes of the total, as three ways of asking have them: they must be the same."""
    names = ("total_tokens", "total_cost")
    overview = load_overview(database, client_id, period, now)
    [total] = overview.summary[overview.summary["provider"] == "total"].to_dict("records")
    on_overview = {name: total_change(total, name, overview.compared.no_comparison) for name in names}

    days = period.range(TODAY)
    comparison = queries.usage_comparison(database, client_id, days, days.before, now=now)
    sums = comparison.models.drop(columns=["source", "model"]).sum().to_dict()
    assert (
        comparison.days.change(sums["total_tokens"], sums["previous_total_tokens"])
        == (on_overview["total_tokens"])
    )
    assert on_overview["total_cost"] == comparison.days.cost_change(
        Decimal(sums["total_cost"]),
        Decimal(sums["previous_total_cost"]),
        unpriced_count=sums["unpriced_count"],
        previous_unpriced_count=sums["previous_unpriced_count"],
    )

    [row] = queries.usage_by_client(database, (client_id,), period.days, period.last, now=now).to_dict(
        "records"
    )
    assert {name: total_change(row, name, row["no_comparison"]) for name in names} == on_overview
    return {name: tuple(change) for name, change in on_overview.items()}


def test_a_day_that_runs_is_compared_until_the_same_time(database: Database, acme: UUID) -> None:
    """Twenty calls a day, one an hour from 4:00 on; it is noon."""
    for days_ago in range(20):
        begin = datetime(TODAY.year, TODAY.month, TODAY.day, 4, tzinfo=UTC) - timedelta(days=days_ago)
        for hour in range(20):
            if begin + hour * HOUR <= NOW:
                call_at(database, acme, begin + hour * HOUR)
    # Read from the sums that are pending, and then from the rollups.
    for is_folded in (False, True):
        if is_folded:
            database.fold()
        for days in (1, 7):
            changes = told(database, acme, Period(days=days))
            assert changes == dict.fromkeys(changes, ("0%", ""))

    # Yesterday is over: all of it counts, as does all of the day before.
    yesterday = Period.of(Days(TODAY - timedelta(days=1), TODAY - timedelta(days=1)))
    assert told(database, acme, yesterday)["total_tokens"] == ("0%", "")


def test_the_time_is_that_of_the_client(database: Database) -> None:
    tokyo = factories.client(database, "Tokyo", "Asia/Tokyo")
    now = datetime(2026, 3, 18, 1, tzinfo=UTC)  # 10:00 there
    call_at(database, tokyo, now - timedelta(days=9))
    for minutes, tokens in ((-1, 1), (1, 10)):
        call_at(database, tokyo, now - timedelta(days=1) + timedelta(minutes=minutes), total_tokens=tokens)
    call_at(database, tokyo, now, total_tokens=3)

    overview = load_overview(database, tokyo, Period(days=1), now)

    assert overview.summary[["total_tokens", "previous_total_tokens"]].values[0].tolist() == [3, 1]
    assert overview.compared.until_at == now - timedelta(days=1)
    assert overview.compared.described("Asia/Tokyo") == "17 Mar 2026, until 10:00 of the last day"


def test_what_began_within_the_days_before_is_not_compared(database: Database, acme: UUID) -> None:
    for days_ago in range(100):
        call_at(database, acme, NOW - timedelta(days=days_ago))
    for fold in (False, True):
        if fold:
            database.fold()
        began = TODAY - timedelta(days=99)
        reason = f"no comparison: data begin on {began.day} {began:%b %Y}"
        assert told(database, acme, Period(days=90)) == {
            "total_tokens": (None, reason),
            "total_cost": (None, reason),
        }
        assert told(database, acme, Period(days=50))["total_tokens"] == ("0%", "")
        assert told(database, acme, Period(days=30))["total_tokens"] == ("0%", "")


def test_a_cost_of_which_some_is_unknown_has_no_change(database: Database, acme: UUID) -> None:
    for days_ago in range(0, 40):
        call_at(database, acme, NOW - timedelta(days=days_ago))
    call_at(database, acme, NOW - timedelta(days=8), **UNPRICED)
    for days in (7, 10):
        cost = told(database, acme, Period(days=days))["total_cost"]
        assert cost == (None, f"no comparison: {queries.UNKNOWN_COST}")
    assert told(database, acme, Period(days=3))["total_cost"] == ("0%", "")


def test_a_client_without_calls(database: Database, acme: UUID) -> None:
    assert told(database, acme, Period())["total_tokens"] == (None, "no comparison: there are no calls yet")


@pytest.mark.parametrize(
    ("first", "last", "before_first", "before_last", "expected"),
    [
        # Months of 31 and of 28 days, with a call a day: as much a day.
        (date(2026, 3, 1), date(2026, 3, 31), date(2026, 2, 1), date(2026, 2, 28), "0% a day"),
        (date(2026, 2, 1), date(2026, 2, 28), date(2026, 1, 4), date(2026, 1, 31), "0%"),
    ],
)
def test_months_of_other_lengths_compare_by_the_day(
    database: Database,
    acme: UUID,
    first: date,
    last: date,
    before_first: date,
    before_last: date,
    expected: str,
) -> None:
    later = datetime(2026, 5, 1, tzinfo=UTC)
    for days_ago in range(1, 125):
        call_at(database, acme, later - timedelta(days=days_ago))
    found = queries.usage_comparison(
        database, acme, Days(first, last), Days(before_first, before_last), now=later
    )

    sums = found.models[["total_tokens", "previous_total_tokens"]].sum()
    assert found.days.change(*map(int, sums)).text == expected


def test_days_that_are_not_over_are_nothing_to_compare_with(database: Database, acme: UUID) -> None:
    call_at(database, acme, NOW - timedelta(days=60))
    found = queries.usage_comparison(
        database,
        acme,
        Days(TODAY - timedelta(days=9), TODAY - timedelta(days=5)),
        Days(TODAY, TODAY),
        now=NOW,
    )
    assert found.days.no_comparison == "the days compared with are not over"


def test_the_api_leaves_out_what_cannot_be_compared_and_says_why(database: Database, acme: UUID) -> None:
    days = {"from": "2026-03-09", "to": "2026-03-18"}
    call_at(database, acme, NOW)
    call_at(database, acme, NOW - timedelta(days=12))
    api, headers = open_api(database), bearer(database, acme)

    summary = api.get("/api/analytics", params=days, headers=headers).json()["analytics"]["summary"]
    assert summary["compared_with"] == {
        "from": "2026-02-27",
        "to": "2026-03-08",
        "is_running": False,
        "no_comparison": "data begin on 6 Mar 2026",
    }
    for row in (summary, *summary["by_provider"]):
        assert {row[name] for name in row if name.startswith("previous_")} == {None}


def test_a_mean_is_not_told_by_the_day() -> None:
    days = ComparedDays(
        first_date=TODAY,
        last_date=TODAY,
        until_at=None,
        day_count=Decimal(31),
        previous_day_count=Decimal(28),
        no_comparison=None,
    )
    assert days.mean_change(Decimal(2), Decimal(1)).text == "+100%"
    assert days.change(310, 140).text == "+100% a day"
    assert days.change(1, 0).text is None


def test_a_part_of_a_day_has_only_the_hours_that_are_wanted(database: Database) -> None:
    client_id = factories.client(database, "Acme", "Asia/Kolkata")  # 5:30 ahead
    for day, clock, tokens in (
        (10, "08:30Z", 1),  # 14:00 to 14:59
        (10, "09:29Z", 2),
        (10, "09:30Z", 40),  # 15:00
        (10, "09:45Z", 300),  # later than it is today
        (11, "09:29Z", 5_000),
    ):
        moment = f"2026-03-{day} {clock}"
        factories.insert_usage(
            database, factories.usage_log(client_id, created_at=moment, total_tokens=tokens)
        )
        if tokens != 40:
            database.fold()
    now = datetime(2026, 3, 11, 9, 40, tzinfo=UTC)
    for query, expected in (
        ({}, (5_000, 43)),
        ({"hour": "14"}, (5_000, 3)),
        ({"hour": "15"}, (0, 40)),
        ({"hour!": "14"}, (0, 40)),
        ({"weekday": "tue"}, (0, 43)),
        ({"weekday": "wed", "hour": "14"}, (5_000, 0)),
    ):
        overview = load_overview(database, client_id, Period(days=1), now, filters=Filters.parse(query))
        total = overview.summary.to_dict("records")[0]
        assert (total["total_tokens"], total["previous_total_tokens"]) == expected


def test_a_month_is_compared_with_the_one_before_up_to_the_same_day_and_clock(database: Database) -> None:
    client_id = factories.client(database, "Acme", "UTC")
    for moment, tokens in (
        ("2026-02-28 23:00Z", 4_000),  # of no period that is looked at
        ("2026-03-01 12:00Z", 100),
        ("2026-03-18 11:00Z", 20),
        ("2026-03-18 13:00Z", 500),  # after the hour of today
        ("2026-03-25 12:00Z", 7_000),
        ("2026-04-01 12:00Z", 60),
        ("2026-04-18 11:00Z", 180),
    ):
        factories.insert_usage(
            database, factories.usage_log(client_id, created_at=moment, total_tokens=tokens)
        )
    now = datetime(2026, 4, 18, 12, tzinfo=UTC)
    period = Period.parse("this-month").at(now.date())
    overview = load_overview(database, client_id, period, now)

    total = overview.summary.to_dict("records")[0]
    assert (total["total_tokens"], total["previous_total_tokens"]) == (240, 120)
    assert overview.compared.described("UTC") == "1 to 18 Mar 2026, until 12:00 of the last day"
    # Data begin within the month before only by a day of February, which is not looked at.
    assert overview.compared.row_change(total, "total_tokens").text == "+100%"

    last = load_overview(database, client_id, Period.parse("last-month").at(now.date()), now)
    total = last.summary.iloc[0]
    assert (total["total_tokens"], total["previous_total_tokens"]) == (7_620, 4_000)
    assert last.compared.described("UTC") == "1 to 28 Feb 2026"

    [row] = queries.usage_by_client(
        database, (client_id,), period.days, period.last, period.before(now.date()), now=now
    ).to_dict("records")
    assert (row["total_tokens"], row["previous_total_tokens"]) == (240, 120)
