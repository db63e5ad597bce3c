"""What a budget allows: so much, of which calls, in which period, and who is told when."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo, available_timezones

from analytics.errors import InvalidInput
from analytics.queries.filters import NO_FILTERS, TAG, Filters, is_storable, readable

Unit = Literal["usd", "tokens"]
Period = Literal["day", "week", "month", "quarter", "year"]
Basis = Literal["actual", "forecast"]
"""What a threshold is of: what is spent, or what is forecast to be spent by the end of the period."""

UNITS: tuple[Unit, ...] = get_args(Unit)
PERIODS: tuple[Period, ...] = get_args(Period)
BASES: tuple[Basis, ...] = get_args(Basis)
SCOPES = ("provider", "model", "operation", "conversation")
"""What the calls of a budget may be chosen by, besides tags: what is known of a call before it is made."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_MAX_START_DAY = {"week": 7, "month": 31}
_MAX_THRESHOLDS = 20
_MAX_PERCENT = 1_000
_MAX_LIMIT = Decimal(10) ** 15
_MAX_KEY = 500
_SMALLEST = Decimal("1e-10")
"""What costs are booked with."""


@dataclass(frozen=True, kw_only=True, order=True)
class Threshold:
    """A share of the limit whose crossing is told.

    Raises:
        InvalidInput: the percent is not above 0 and at most 1,000, or it is of something unknown.
    """

    percent: Decimal
    on: Basis = "actual"

    def __post_init__(self) -> None:
        if not (self.percent.is_finite() and 0 < self.percent <= _MAX_PERCENT):
            raise InvalidInput(
                f"a threshold must be above 0 and at most {_MAX_PERCENT:,} percent, not {self.percent}"
            )
        if self.on not in BASES:
            raise InvalidInput(f'a threshold must be on {_listed(BASES)}, not "{readable(self.on)}"')

    def __str__(self) -> str:
        """As parse() reads it: `80`, or `100 forecast`."""
        percent = f"{self.percent.normalize():f}"
        return percent if self.on == "actual" else f"{percent} {self.on}"

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        """A threshold such as `80`, `80%`, or `100 forecast`.

        Raises:
            InvalidInput: the text is none.
        """
        number, *on = text.replace("%", " ").split() or [""]
        try:
            percent = Decimal(number)
        except InvalidOperation:
            percent = Decimal("NaN")
        if not percent.is_finite() or len(on) > 1:
            raise InvalidInput(
                f'a threshold must be a percent such as 80, or "100 forecast", not "{readable(text)}"'
            )
        return cls(percent=percent, on=on[0] if on else "actual")  # type: ignore[arg-type]


DEFAULT_THRESHOLDS = tuple(Threshold(percent=Decimal(percent)) for percent in (50, 80, 100))


@dataclass(frozen=True, kw_only=True)
class BudgetPlan:
    """What a version of a budget says. Equal plans are equal, however they were written.

    Raises:
        InvalidInput: a value is not valid; the message names it, and what is allowed.
    """

    limit_amount: Decimal
    """In the unit, above 0."""
    unit: Unit = "usd"
    period: Period = "month"
    start_day: int = 1
    """Of a week 1 (Monday) to 7; of a month 1 to 31, its last day where it is shorter; else 1."""
    time_zone: str | None = None
    """An IANA zone; None is the client's own. A budget of all clients names one."""
    filters: Filters = NO_FILTERS
    """Which calls count: by SCOPES and tags."""
    split_by: str | None = None
    """A tag's key: each of its values has the limit for itself."""
    thresholds: tuple[Threshold, ...] = DEFAULT_THRESHOLDS
    """None where nothing is told."""
    repeats: bool = False
    """Whether crossing again within a period is told again."""

    def __post_init__(self) -> None:
        self._check_limit()
        if self.period not in PERIODS:
            raise InvalidInput(f'period must be {_listed(PERIODS)}, not "{readable(str(self.period))}"')
        self._check_start_day()
        if self.time_zone is not None and not _is_zone(self.time_zone):
            raise InvalidInput(
                f'unknown time zone "{readable(self.time_zone)}"; allowed: names such as America/Sao_Paulo '
                "or UTC"
            )
        for condition in self.filters:
            if condition.name not in SCOPES and not condition.name.startswith(TAG):
                raise InvalidInput(
                    f"a budget counts calls by {', '.join(SCOPES)} or {TAG}<key>, "
                    f"not by {readable(condition.name)}"
                )
        key = self.split_by
        if key is not None and not (key.strip() and is_storable(key)):
            raise InvalidInput(
                f"split_by must be the key of a tag, 1 to {_MAX_KEY} characters without NUL, "
                f'not "{readable(key)}"'
            )
        object.__setattr__(self, "limit_amount", _plain(self.limit_amount))
        object.__setattr__(self, "thresholds", _in_order(self.thresholds))

    def _check_limit(self) -> None:
        if self.unit not in UNITS:
            raise InvalidInput(f'unit must be {_listed(UNITS)}, not "{readable(str(self.unit))}"')
        limit = self.limit_amount
        if not (limit.is_finite() and _SMALLEST <= limit <= _MAX_LIMIT):
            raise InvalidInput(f"the limit must be an amount above 0 and at most {_MAX_LIMIT:,}, not {limit}")
        if self.unit == "tokens" and limit != limit.to_integral_value():
            raise InvalidInput(f"a limit in tokens must be a whole number, not {limit}")
        if limit != limit.quantize(_SMALLEST):
            raise InvalidInput(f"a limit in usd has at most 10 digits behind the point, not {limit}")

    def _check_start_day(self) -> None:
        last = _MAX_START_DAY.get(self.period, 1)
        if not 1 <= self.start_day <= last:
            allowed = {
                "week": "1 (Monday) to 7 (Sunday)",
                "month": "1 to 31, which is the last day of a shorter month",
            }.get(self.period, "1")
            raise InvalidInput(f"the start day of a {self.period} must be {allowed}, not {self.start_day}")

    @classmethod
    def of_columns(cls, columns: Mapping[str, Any]) -> "BudgetPlan":
        """The plan that a version's columns say."""
        return cls(
            limit_amount=columns["limit_amount"],
            unit=columns["unit"],
            period=columns["period"],
            start_day=columns["start_day"],
            time_zone=columns["time_zone"],
            filters=Filters.of_json(columns["filters"]),
            split_by=columns["split_by"],
            thresholds=thresholds_of(columns["thresholds"]),
            repeats=columns["repeats"],
        )

    @property
    def columns(self) -> Mapping[str, Any]:
        """What the table keeps; lists as JSON."""
        listed = [
            {"percent": _number(threshold.percent), "on": threshold.on} for threshold in self.thresholds
        ]
        return {
            "limit_amount": self.limit_amount,
            "unit": self.unit,
            "period": self.period,
            "start_day": self.start_day,
            "time_zone": self.time_zone,
            "filters": self.filters.json(),
            "split_by": self.split_by,
            "thresholds": json.dumps(listed),
            "repeats": self.repeats,
        }


def thresholds_of(listed: Sequence[Mapping[str, Any]]) -> tuple[Threshold, ...]:
    """The thresholds of the column."""
    return tuple(Threshold(percent=Decimal(str(each["percent"])), on=each["on"]) for each in listed)


def start_day_of(period: str, text: str) -> int:
    """A start day as people write it: `1` to `31`, or a weekday such as `sunday` or `sun`.

    Raises:
        InvalidInput: it is none.
    """
    if text.isascii() and text.isdecimal() and len(text) <= 2:
        return int(text)
    name = text.strip().lower()
    found = [
        place
        for place, weekday in enumerate(WEEKDAYS, start=1)
        if period == "week" and name in (weekday.lower(), weekday[:3].lower())
    ]
    if not found:
        allowed = "1 to 7 or monday to sunday" if period == "week" else "a number, 1 to 31"
        raise InvalidInput(f'the start day of a {period} must be {allowed}, not "{readable(text)}"')
    return found[0]


def amount_of(text: str) -> Decimal:
    """A limit as people write it: `1,000.50`, `$500`, or `2000000`.

    Raises:
        InvalidInput: it is no amount.
    """
    try:
        amount = Decimal(text.strip().removeprefix("$").replace(",", "").replace("_", ""))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise InvalidInput(f'the limit must be an amount such as 500 or 1,000.50, not "{readable(text)}"')
    return amount


def _is_zone(name: str) -> bool:
    # PostgreSQL knows others as well, and people cannot tell "EST" from a place that has summers.
    return name in available_timezones() and ZoneInfo(name).key == name


def _plain(amount: Decimal) -> Decimal:
    """Without zeros behind the point, so that 100 and 100.00 are one limit."""
    amount = amount.normalize()
    return amount.quantize(Decimal(1)) if amount == amount.to_integral_value() else amount


def _number(percent: Decimal) -> int | float:
    return int(percent) if percent == percent.to_integral_value() else float(percent)


def _in_order(thresholds: Sequence[Threshold]) -> tuple[Threshold, ...]:
    if len(thresholds) > _MAX_THRESHOLDS:
        raise InvalidInput(f"a budget has at most {_MAX_THRESHOLDS} thresholds, not {len(thresholds)}")
    return tuple(sorted({Threshold(percent=_plain(each.percent), on=each.on) for each in thresholds}))


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
