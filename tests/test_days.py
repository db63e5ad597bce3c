"""Days: what they are, what cannot be, and that each surface names its own option."""

from datetime import date
from uuid import UUID

import pytest
from click.testing import CliRunner

from analytics.__main__ import main
from analytics.api.models import DaysQuery
from analytics.database import Database
from analytics.days import Days
from analytics.errors import InvalidInput
from tests import factories
from tests.app import open_page

MARCH = Days(date(2026, 3, 1), date(2026, 3, 31))
OTHER_SURFACES = {"page": ("--from", "from and to"), "command": ("days:",), "api": ("--from", "days:")}


def test_both_days_count() -> None:
    assert len(MARCH) == 31
    assert len(Days(date(2026, 3, 1), date(2026, 3, 1))) == 1
    assert date(2026, 3, 1) in MARCH
    assert date(2026, 3, 31) in MARCH
    assert date(2026, 4, 1) not in MARCH
    assert Days.until(date(2026, 3, 31), 31) == MARCH


def test_as_in_a_link_and_back() -> None:
    assert str(MARCH) == "2026-03-01..2026-03-31"
    assert Days.parse(str(MARCH)) == MARCH
    for text in ("", "30d", "2026-03-01", "2026-03-01..", "2026-02-30..2026-03-01", ".."):
        assert Days.parse(text) is None


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (date(2026, 3, 2), date(2026, 3, 1), "2026-03-02 is after 2026-03-01: give the earlier day first"),
        (date(1999, 12, 31), date(2026, 3, 1), "1999-12-31 is not in the years 2000 to 2099"),
        (date(2026, 3, 1), date(2100, 1, 1), "2100-01-01 is not in the years 2000 to 2099"),
        (date.min, date.max, "0001-01-01 is not in the years 2000 to 2099"),
    ],
)
def test_days_that_cannot_be(first: date, last: date, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Days(first, last)
    assert str(refused.value) == message
    assert str(refused.value.named("days")) == f"days: {message}"


def test_the_outermost_days_are_allowed() -> None:
    assert len(Days(date(2000, 1, 1), date(2099, 12, 31))) == 36_525


@pytest.mark.parametrize(
    ("days", "before", "a_month_before"),
    [
        (MARCH, "2026-01-29..2026-02-28", "2026-02-01..2026-02-28"),
        (Days(date(2026, 3, 10), date(2026, 3, 31)), "2026-02-16..2026-03-09", "2026-02-10..2026-02-28"),
        (Days(date(2026, 2, 1), date(2026, 2, 28)), "2026-01-04..2026-01-31", "2026-01-01..2026-01-31"),
        # There is no day before the first one.
        (Days(date(2000, 1, 1), date(2000, 1, 2)), "2000-01-01..2000-01-01", "2000-01-01..2000-01-01"),
        (Days(date(2000, 1, 2), date(2000, 1, 3)), "2000-01-01..2000-01-01", "2000-01-01..2000-01-01"),
    ],
)
def test_the_days_before(days: Days, before: str, a_month_before: str) -> None:
    assert str(days.before) == before
    assert str(days.a_month_before) == a_month_before


def test_days_that_overlap() -> None:
    assert MARCH.overlaps(Days(date(2026, 3, 31), date(2026, 4, 1)))
    assert not MARCH.overlaps(Days(date(2026, 4, 1), date(2026, 4, 2)))
    assert not MARCH.overlaps(MARCH.before)


@pytest.mark.parametrize(
    "path", ["streamlit_app.py", "pages/prices.py", "pages/conversations.py", "pages/data_health.py"]
)
@pytest.mark.parametrize(
    "days", ["1999-01-01..1999-12-31", "2026-03-31..2026-03-01", "2026-03-01..2100-01-01"]
)
def test_a_page_names_its_own_part_of_the_link(
    configured: Database, acme: UUID, path: str, days: str
) -> None:
    factories.insert_usage(configured, factories.usage_log(acme))
    page = open_page(path, days=days)
    [error] = page.error
    text = error.value.replace("\\", "")
    assert "Days: " in text
    for other in OTHER_SURFACES["page"]:
        assert other not in text
    # What would reprice these days is not offered.
    assert [button.label for button in page.button] == ["Go on without it"]


@pytest.mark.parametrize("first", ["1999-12-31", "2026-03-19"])
@pytest.mark.parametrize("command", ["export", "reprice"])
def test_a_command_names_its_own_options(command: str, first: str) -> None:
    result = CliRunner().invoke(main, [command, "--client", "Acme", "--from", first, "--to", "2026-03-18"])
    assert "--from and --to: " in result.output + str(result.exception)
    for other in OTHER_SURFACES["command"]:
        assert other not in result.output


def test_the_api_names_its_own_parameters() -> None:
    with pytest.raises(InvalidInput) as refused:
        DaysQuery.model_validate({"from": "2026-03-19", "to": "2026-03-18"}).period()
    assert str(refused.value).startswith("from and to: 2026-03-19 is after 2026-03-18")
    for other in OTHER_SURFACES["api"]:
        assert other not in str(refused.value)
