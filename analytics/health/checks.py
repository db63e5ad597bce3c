"""The result of a check."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from analytics.formatting import NO_BREAK_SPACE, age

State = Literal["ok", "warn", "fail", "unknown"]
"""ok: as it should be · warn: look at it · fail: numbers are missing or wrong · unknown: cannot tell."""

_WORST_FIRST: tuple[State, ...] = ("fail", "warn", "ok", "unknown")


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check: its name, its state, the finding, and the remedy unless it is ok."""

    name: str
    state: State
    finding: str
    remedy: str = ""
    calls: Mapping[str, str] | None = None
    """Filters, as a link has them, that leave the calls that it tells of; None where it tells of none."""
    page: str | None = None
    """The path of the page that shows what it tells of, where that is no calls; the Overview has none."""
    days: str = ""
    """The days of these calls, as a link has them, where they are not those that were asked for."""


def worst(checks: Iterable[Check]) -> State:
    """The worst state of all checks."""
    states = {check.state for check in checks}
    return next((state for state in _WORST_FIRST if state in states), "ok")


def ago(moment: datetime, now: datetime) -> str:
    """`3 h ago`, with plain spaces: checks are for a terminal, too."""
    return age(moment, now).replace(NO_BREAK_SPACE, " ")


def span(length: timedelta) -> str:
    """`3 h`."""
    now = datetime.now(UTC)
    return ago(now - length, now).removesuffix(" ago")
