"""Whole days, from a first to a last one."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from analytics.errors import InvalidInput

MIN_YEAR, MAX_YEAR = 2000, 2099
"""The years that a call may be of."""
EARLIEST, LATEST = date(MIN_YEAR, 1, 1), date(MAX_YEAR, 12, 31)
_BETWEEN = ".."


@dataclass(frozen=True)
class Days:
    """The days from `first` to `last`, both included.

    Raises:
        InvalidInput: the first day is after the last, or a year is not one of 2000 to 2099. The message names
            no option: see InvalidInput.of().
    """

    first: date
    last: date

    def __post_init__(self) -> None:
        for day in (self.first, self.last):
            if not MIN_YEAR <= day.year <= MAX_YEAR:
                raise InvalidInput(f"{day} is not in the years {MIN_YEAR} to {MAX_YEAR}")
        if self.first > self.last:
            raise InvalidInput(f"{self.first} is after {self.last}: give the earlier day first")

    @classmethod
    def until(cls, last: date, count: int) -> "Days":
        """As many days up to `last`."""
        return cls(last - timedelta(days=count - 1), last)

    @classmethod
    def parse(cls, text: str) -> "Days | None":
        """The days of a link, such as `2026-03-01..2026-03-31`; None where the text is no two days.

        Raises:
            InvalidInput: two days that cannot be.
        """
        first, _, last = text.partition(_BETWEEN)
        try:
            days = date.fromisoformat(first), date.fromisoformat(last)
        except ValueError:
            return None
        return cls(*days)

    def __str__(self) -> str:
        """As in a link: `2026-03-01..2026-03-31`."""
        return f"{self.first}{_BETWEEN}{self.last}"

    def __len__(self) -> int:
        return (self.last - self.first).days + 1

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def overlaps(self, other: "Days") -> bool:
        """Whether a day is in both."""
        return self.first <= other.last and other.first <= self.last

    @property
    def before(self) -> "Days":
        """As many days just before; those of the first year where there are none."""
        first, last = (max(day - timedelta(days=len(self)), EARLIEST) for day in (self.first, self.last))
        return Days(first, last)

    @property
    def a_month_before(self) -> "Days":
        """The same days of the month before. Whole months stay whole: all of February stands before March."""
        is_to_the_end = (
            self.first.day == 1 and self.last.day == monthrange(self.last.year, self.last.month)[1]
        )
        return Days(_in_month_before(self.first), _in_month_before(self.last, to_the_end=is_to_the_end))


def _in_month_before(day: date, *, to_the_end: bool = False) -> date:
    end = day.replace(day=1) - timedelta(days=1)
    return max(end if to_the_end else end.replace(day=min(day.day, end.day)), EARLIEST)
