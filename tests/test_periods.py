"""Periods by name: their days, what they compare with, and how finely charts divide them."""

from datetime import UTC, date, datetime

import pytest

from analytics.clients import list_clients
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from analytics.days import Days
from analytics.queries import NAMES, Period, first_usage_day, grains_of, usual_grain
from tests import factories
from tests.app import metrics_of, open_page

PAGES = PROJECT_DIRECTORY / "pages"
TODAY = date(2026, 11, 27)  # a Friday
FIRST_DAY = date(2024, 5, 6)


@pytest.mark.parametrize(
    ("name", "days", "before", "heading"),
    [
        ("today", "2026-11-27..2026-11-27", "2026-11-26..2026-11-26", "today, 27 Nov 2026"),
        ("yesterday", "2026-11-26..2026-11-26", "2026-11-25..2026-11-25", "yesterday, 26 Nov 2026"),
        ("this-week", "2026-11-23..2026-11-27", "2026-11-16..2026-11-20", "this week, 23 to 27 Nov 2026"),
        ("last-week", "2026-11-16..2026-11-22", "2026-11-09..2026-11-15", "last week, 16 to 22 Nov 2026"),
        ("this-month", "2026-11-01..2026-11-27", "2026-10-01..2026-10-27", "this month, 1 to 27 Nov 2026"),
        ("last-month", "2026-10-01..2026-10-31", "2026-09-01..2026-09-30", "last month, 1 to 31 Oct 2026"),
        (
            *("this-quarter", "2026-10-01..2026-11-27", "2026-07-01..2026-08-27"),
            "this quarter, 1 Oct to 27 Nov 2026",
        ),
        (
            *("last-quarter", "2026-07-01..2026-09-30", "2026-04-01..2026-06-30"),
            "last quarter, 1 Jul to 30 Sep 2026",
        ),
        ("this-year", "2026-01-01..2026-11-27", "2025-01-01..2025-11-27", "this year, 1 Jan to 27 Nov 2026"),
        ("last-year", "2025-01-01..2025-12-31", "2024-01-01..2024-12-31", "last year, 1 Jan to 31 Dec 2025"),
        (
            *("everything", "2024-05-06..2026-11-27", "2021-10-13..2024-05-05"),
            "everything, 6 May 2024 to 27 Nov 2026",
        ),
    ],
)
def test_names(name: str, days: str, before: str, heading: str) -> None:
    period = Period.parse(name).at(TODAY, FIRST_DAY)

    assert str(period.range(TODAY)) == days
    assert str(period.before(TODAY)) == before
    assert str(period) == heading
    assert period.label == name
    assert Period.parse(f" {name.replace('-', ' ').upper()} ") == Period.parse(name)


@pytest.mark.parametrize(
    ("name", "today", "before"),
    [
        # The month before is shorter: all of it.
        ("this-month", date(2026, 3, 30), "2026-02-01..2026-02-28"),
        ("this-month", date(2026, 1, 15), "2025-12-01..2025-12-15"),
        ("this-quarter", date(2026, 5, 31), "2026-01-01..2026-03-02"),
        ("this-year", date(2028, 2, 29), "2027-01-01..2027-02-28"),
        ("this-year", date(2029, 12, 31), "2028-01-01..2028-12-31"),
    ],
)
def test_as_far_into_the_one_before(name: str, today: date, before: str) -> None:
    assert str(Period.parse(name).at(today).before(today)) == before


@pytest.mark.parametrize(
    "today", [date(2028, 2, 29), date(2026, 1, 1), date(2026, 12, 31), date(2026, 3, 31)]
)
@pytest.mark.parametrize("name", NAMES)
def test_on_any_day_there_are_days_of_each_name(name: str, today: date) -> None:
    period = Period.parse(name).at(today)
    days, before = period.range(today), period.before(today)

    assert days.last <= today
    assert before.last < days.first
    assert period.at(today) == period


def test_days_and_two_days_compare_with_as_many_before() -> None:
    assert str(Period(days=7).before(TODAY)) == "2026-11-14..2026-11-20"
    assert str(Period.parse("2026-11-01..2026-11-10").before(TODAY)) == "2026-10-22..2026-10-31"


@pytest.mark.parametrize(
    ("count", "usual", "finest"),
    [
        (1, "hour", "hour"),
        (2, "hour", "hour"),
        (3, "day", "hour"),
        (31, "day", "hour"),
        (92, "day", "day"),
        (93, "week", "day"),
        (366, "week", "day"),
        (367, "month", "day"),
        (1_099, "month", "week"),
        (36_525, "month", "month"),
    ],
)
def test_the_range_chooses_the_grain(count: int, usual: str, finest: str) -> None:
    days = Days.until(date(2099, 12, 31), count)

    assert usual_grain(days) == usual
    assert grains_of(days)[0] == finest
    assert usual in grains_of(days)
    assert grains_of(days)[-1] == "month"


@pytest.mark.parametrize(
    ("made", "first"),
    [
        ([], None),
        (["2024-05-06 12:00Z", "2026-05-06 12:00Z"], date(2024, 5, 6)),
        (["1970-01-01 12:00Z", "infinity", "-infinity"], date(2000, 1, 1)),
    ],
)
def test_everything_begins_with_the_first_call(
    database: Database, made: list[str], first: date | None
) -> None:
    client_id = factories.client(database, "Acme", "UTC")
    with database.transaction() as connection:
        # As in a table of which the rows were there before ours was.
        connection.execute("alter table usage_logs drop constraint usage_logs_created_at_is_finite")
    for moment in made:
        factories.insert_usage(database, factories.usage_log(client_id, created_at=moment))

    assert first_usage_day(database, client_id) == first
    database.fold()
    assert first_usage_day(database, client_id) == first
    [client] = list_clients(database)
    assert client.first_day == (first if first and first.year > 2000 else None)


@pytest.mark.parametrize("path", [None, *sorted(file.name for file in PAGES.glob("*.py"))])
def test_every_page_shows_everything_of_many_years(configured: Database, path: str | None) -> None:
    client_id = factories.client(configured, "Acme", "UTC")
    with configured.transaction() as connection:
        connection.execute("alter table usage_logs drop constraint usage_logs_created_at_is_finite")
    for moment in ("2009-05-06 12:00Z", "infinity", "-infinity", datetime.now(UTC)):
        factories.insert_usage(
            configured, factories.usage_log(client_id, created_at=moment, total_tokens=1_000)
        )
    page = open_page(path and f"pages/{path}", days="everything")

    assert not page.exception
    assert not page.error
    if path is None:
        assert metrics_of(page)["Total tokens"] == "2.00K"
