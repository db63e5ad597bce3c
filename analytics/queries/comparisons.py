"""The one rule by which a change is told, or why it is not, for all pages and statements.

Which days compare is decided in SQL, by compared_days(); what may be said of a number of theirs, here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from analytics import formatting

UNKNOWN_COST = "the cost of some calls is not known"


class Change(NamedTuple):
    """What may be told of a number beside what it was before."""

    text: str | None
    """formatting.change(); None where none is told."""
    why_not: str
    """Why none is told; empty where one is, or where there simply was nothing before."""


@dataclass(frozen=True, kw_only=True)
class ComparedDays:
    """How a period compares with an earlier one: see compared_days() in SQL."""

    first_date: date
    last_date: date
    """The first and the last day of the earlier one that count."""
    until_at: datetime | None
    """Until when, on the last day; None where all of it counts."""
    day_count: Decimal
    previous_day_count: Decimal
    """How many days count of each, the running ones in part."""
    no_comparison: str | None
    """Why nothing may be compared, as the end of a sentence; None where it may."""

    @property
    def is_equal(self) -> bool:
        """Whether both count as many days; else a change is one of the mean of a day."""
        return self.day_count == self.previous_day_count

    def change(self, current: Decimal | int, previous: Decimal | int) -> Change:
        """Of a sum of the two periods; where one is longer, of what comes to a day."""
        if self.no_comparison is None and not self.is_equal:
            text = formatting.change(current / self.day_count, previous / self.previous_day_count)
            return Change(text and f"{text} a day", "")
        return self.mean_change(Decimal(current), Decimal(previous))

    def cost_change(
        self,
        current: Decimal,
        previous: Decimal,
        *,
        unpriced_count: int,
        previous_unpriced_count: int,
    ) -> Change:
        """change(), of costs: withheld where a call of either period has no price."""
        if self.no_comparison is None and (unpriced_count or previous_unpriced_count):
            return _withheld(UNKNOWN_COST)
        return self.change(current, previous)

    def mean_change(self, current: Decimal, previous: Decimal) -> Change:
        """Of what does not grow with the days, such as the cost of 1,000 tokens."""
        if self.no_comparison is not None:
            return _withheld(self.no_comparison)
        return Change(formatting.change(current, previous), "")

    def described(self, timezone: str) -> str:
        """The days of the earlier period, `1 Mar to 7 Mar 2026, until 15:42 of the last day`."""
        days = (self.last_date - self.first_date).days + 1
        window = formatting.window(max(days, 1), self.last_date)
        if self.until_at is None:
            return window
        return f"{window}, until {self.until_at.astimezone(ZoneInfo(timezone)):%H:%M} of the last day"


def total_change(row: Mapping[Any, Any], name: str, no_comparison: str | None) -> Change:
    """Of a row with `name`, `previous_<name>` and both counts of calls without a price; days are as many."""
    if no_comparison is not None:
        return _withheld(no_comparison)
    if name == "total_cost" and (row["unpriced_count"] or row["previous_unpriced_count"]):
        return _withheld(UNKNOWN_COST)
    return Change(formatting.change(row[name], row[f"previous_{name}"]), "")


def _withheld(reason: str) -> Change:
    return Change(None, f"no comparison: {reason}")
