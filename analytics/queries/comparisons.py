"""Changes between two periods, or why there is none: one rule for all pages and statements.

The SQL function compared_days() decides which days compare; this module, which changes can be given.
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
    """The change of a number, or why it is withheld."""

    text: str | None
    """formatting.change(); None if it is withheld."""
    why_not: str
    """Why it is withheld; empty if it is not, or if there was nothing before."""


@dataclass(frozen=True, kw_only=True)
class ComparedDays:
    """The part of an earlier period that compares with the later one: compared_days() in SQL."""

    first_date: date
    last_date: date
    """The first and the last day of the earlier one that count."""
    until_at: datetime | None
    """Until when the last day counts; None: all of it."""
    day_count: Decimal
    previous_day_count: Decimal
    """How many days of each count; a running day counts in part."""
    no_comparison: str | None
    """Why nothing compares, as the end of a sentence; None if it does."""

    def lasting(self) -> tuple[object, ...]:
        """All but the minutes of a running day, which pass without a call."""
        until_at = self.until_at and self.until_at.replace(minute=0, second=0, microsecond=0)
        return (self.first_date, self.last_date, until_at, self.is_equal, self.no_comparison)

    @property
    def is_equal(self) -> bool:
        """Whether both have as many days; else changes are those of the daily mean."""
        return self.day_count == self.previous_day_count

    def change(self, current: Decimal | int, previous: Decimal | int) -> Change:
        """The change of a sum; of its daily mean, if one period is longer."""
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
        """The change of a cost; withheld if a call of either period has no price."""
        if self.no_comparison is None and (unpriced_count or previous_unpriced_count):
            return _withheld(UNKNOWN_COST)
        return self.change(current, previous)

    def row_change(self, row: Mapping[Any, Any], name: str) -> Change:
        """The change of a row's `name` from `previous_<name>`."""
        now, before = row[name], row[f"previous_{name}"]
        if name != "total_cost":
            return self.change(now, before)
        return self.cost_change(
            now,
            before,
            unpriced_count=row["unpriced_count"],
            previous_unpriced_count=row["previous_unpriced_count"],
        )

    def mean_change(self, current: Decimal, previous: Decimal) -> Change:
        """The change of a ratio, such as the cost of 1,000 tokens."""
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
    """The change of a row's `name` from `previous_<name>`, between periods of equal length."""
    if no_comparison is not None:
        return _withheld(no_comparison)
    if name == "total_cost" and (row["unpriced_count"] or row["previous_unpriced_count"]):
        return _withheld(UNKNOWN_COST)
    return Change(formatting.change(row[name], row[f"previous_{name}"]), "")


def _withheld(reason: str) -> Change:
    return Change(None, f"no comparison: {reason}")
