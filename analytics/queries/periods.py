"""The days that a page or an answer is about."""

from dataclasses import dataclass
from datetime import date

from analytics import formatting
from analytics.days import Days
from analytics.errors import InvalidInput

PERIOD_DAYS = (7, 30, 60, 90)
DAILY_CHART_DAYS = 30
EVOLUTION_WEEKS = 12

_MAX_LABEL = 40


@dataclass(frozen=True, kw_only=True)
class Period:
    """Whole days of the client: the last `days` up to today, or up to `last` where one is chosen."""

    days: int = 30
    last: date | None = None

    @classmethod
    def of(cls, days: Days) -> "Period":
        """Exactly these days."""
        return cls(days=len(days), last=days.last)

    @property
    def label(self) -> str:
        """As it stands in the selector and in a link: `30d`, or `2026-03-01..2026-03-31`."""
        if self.last is None:
            return f"{self.days}d"
        return str(self.range(self.last))

    def __str__(self) -> str:
        """As it stands in a heading: `last 30 days`, or `1 to 31 Mar 2026`."""
        return formatting.window(self.days, self.last)

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
        """Its days, where `today` is the client's."""
        return Days.until(self.last or today, self.days)

    @classmethod
    def parse(cls, label: str) -> "Period":
        """The period that a link names; `30` is understood as `30d`.

        Raises:
            InvalidInput: no such period; the message lists those there are.
        """
        text = label.strip().lower()
        for length in PERIOD_DAYS:
            if text in (f"{length}d", str(length)):
                return cls(days=length)
        try:
            if days := Days.parse(text):
                return cls.of(days)
        except InvalidInput as error:
            raise error.named("days") from None
        choices = ", ".join(f"{length}d" for length in PERIOD_DAYS)
        raise InvalidInput(
            f"days must be one of {choices}, or two days such as 2026-03-01..2026-03-31, "
            f'not "{label[:_MAX_LABEL]}"'
        )
