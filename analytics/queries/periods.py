"""The days that a page or an answer is about."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from analytics import formatting
from analytics.database import Database, Query
from analytics.days import EARLIEST, LATEST, Days
from analytics.errors import InvalidInput

PERIOD_DAYS = (7, 30, 60, 90)
EVERYTHING = "everything"
"""From the client's first call on."""
NAMES = (
    *("today", "yesterday", "this-week", "last-week", "this-month", "last-month", "this-quarter"),
    *("last-quarter", "this-year", "last-year", EVERYTHING),
)
"""Periods that a link calls by name: the same words mean other days tomorrow. Weeks begin on Monday."""
DAILY_CHART_DAYS = 30
EVOLUTION_WEEKS = 12
Grain = Literal["hour", "day", "week", "month"]
# Up to so many days a chart has a bucket per grain by itself, and may have one at all.
_GRAIN_DAYS: dict[Grain, tuple[int, int]] = {
    "hour": (2, 31),
    "day": (92, 1_098),
    "week": (366, 7_320),
    "month": (36_525, 36_525),
}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}

_MAX_LABEL = 40


@dataclass(frozen=True, kw_only=True)
class Period:
    """Whole days of the client: the last `days` up to today, or up to `last` where one is chosen."""

    days: int = 30
    """0 in a period by name, until at() is asked for its days."""
    last: date | None = None
    name: str | None = None
    """One of NAMES."""

    @classmethod
    def of(cls, days: Days) -> "Period":
        """Exactly these days."""
        return cls(days=len(days), last=days.last)

    def at(self, today: date, first_day: date | None = None) -> "Period":
        """The same with its days, where `today` is the client's and `first_day` that of its first call."""
        if self.name is None:
            return self
        days = _days_of(self.name, today, first_day or today)
        return Period(days=len(days), last=days.last, name=self.name)

    @property
    def label(self) -> str:
        """As it stands in the selector and in a link: `30d`, `this-month`, or `2026-03-01..2026-03-31`."""
        if self.name is not None:
            return self.name
        if self.last is None:
            return f"{self.days}d"
        return str(self.range(self.last))

    @property
    def words(self) -> str:
        """What people call it: `last 30 days`, `this month`, or `1 to 31 Mar 2026`."""
        return formatting.window(self.days, self.last) if self.name is None else self.name.replace("-", " ")

    def __str__(self) -> str:
        """As it stands in a heading: `last 30 days`, or `this month, 1 to 27 Nov 2026`."""
        if self.name is None:
            return self.words
        return f"{self.words}, {formatting.window(self.days, self.last)}"

    @property
    def weeks(self) -> int:
        """How many weeks its evolution is read over: twelve, or as many as its days may lie in.

        Eight days are in up to three weeks.
        """
        return max(EVOLUTION_WEEKS, -(-(self.days + 6) // 7))

    @property
    def chart_days(self) -> int:
        """How many days its daily chart has: a month, or its own where those are more."""
        return max(DAILY_CHART_DAYS, self.days)

    def range(self, today: date) -> Days:
        """Its days, where `today` is the client's; not of a name without days."""
        return Days.until(self.last or today, self.days)

    def before(self, today: date) -> Days:
        """The days that it compares with: as many before, or those of the calendar that have their place.

        This month is compared with the last one, from its first day to the same day, and this week with the
        last one from its Monday.
        """
        days = self.range(today)
        kind = "" if self.name is None else self.name.partition("-")[2]
        if kind == "week":
            return Days(*(day - timedelta(days=7) for day in (days.first, days.last)))
        if kind not in _MONTHS:
            return days.before
        first = _months_before(days.first, _MONTHS[kind])
        end = days.first - timedelta(days=1)
        if self.name == f"last-{kind}":
            return Days(first, end)
        last = _a_year_before(days.last) if kind == "year" else first + timedelta(days=len(days) - 1)
        return Days(first, min(last, end))

    @property
    def compared(self) -> dict[str, date | None]:
        """Parameters of SQL: the days that it compares with; none where those are as many just before."""
        before = None if self.name is None or self.last is None else self.before(self.last)
        days = (None, None) if before is None else (before.first, before.last)
        return dict(zip(("previous_first_date", "previous_last_date"), days, strict=True))

    @classmethod
    def parse(cls, label: str) -> "Period":
        """The period that a link names; `30` is understood as `30d`. One by name has no days yet: see at().

        Raises:
            InvalidInput: no such period; the message lists those there are.
        """
        text = label.strip().lower()
        for length in PERIOD_DAYS:
            if text in (f"{length}d", str(length)):
                return cls(days=length)
        if (name := text.replace(" ", "-").replace("_", "-")) in NAMES:
            return cls(days=0, name=name)
        try:
            if days := Days.parse(text):
                return cls.of(days)
        except InvalidInput as error:
            raise error.named("days") from None
        choices = ", ".join([*(f"{length}d" for length in PERIOD_DAYS), *NAMES])
        raise InvalidInput(
            f"days must be one of {choices}, or two days such as 2026-03-01..2026-03-31, "
            f'not "{label[:_MAX_LABEL]}"'
        )


def first_usage_day(database: Database, client_id: UUID) -> date | None:
    """The day of the client's first call, of the years that there are; None where there is none."""
    statement = (
        "select case when first_date is not null"
        " then greatest(%(earliest)s, least(first_date, %(latest)s)) end"
        " from first_usage_date(%(client_id)s) as first_date"
    )
    parameters = {"client_id": client_id, "earliest": EARLIEST, "latest": LATEST}
    [rows] = database.read(Query(statement=statement, parameters=parameters), client_id=client_id)
    first: date | None = rows.records[0][0]
    return first


def grains_of(days: Days) -> list[Grain]:
    """The grains of a chart over these days, from the finest one that it has room for."""
    return [grain for grain, (_, most) in _GRAIN_DAYS.items() if len(days) <= most]


def usual_grain(days: Days) -> Grain:
    """The grain that a chart over these days has unless another one is chosen."""
    return next(grain for grain, (usual, _) in _GRAIN_DAYS.items() if len(days) <= usual)


def _days_of(name: str, today: date, first_day: date) -> Days:
    """The days of a period of NAMES."""
    if name == EVERYTHING:
        return Days(min(max(first_day, EARLIEST), today), today)
    if name in ("today", "yesterday"):
        return Days.until(today - timedelta(days=int(name == "yesterday")), 1)
    which, _, kind = name.partition("-")
    first = _begin(kind, today)
    if which == "this":
        return Days(first, today)
    end = first - timedelta(days=1)
    return Days(_begin(kind, end), end)


def _begin(kind: str, day: date) -> date:
    """The first day of the week, month, quarter or year that a day is in."""
    if kind == "week":
        return day - timedelta(days=day.weekday())
    months = _MONTHS[kind]
    return day.replace(month=day.month - (day.month - 1) % months, day=1)


def _months_before(first: date, months: int) -> date:
    """The first day of a month, so many months before."""
    year, month = divmod(12 * first.year + first.month - 1 - months, 12)
    return date(year, month + 1, 1)


def _a_year_before(day: date) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if is_leap_day else day.day)
