"""Ranges that filters name: of moments and of milliseconds, from their first value until before their last.

`at=2026-11-27T10:00Z..2026-11-27T10:05Z` are the calls made in these five minutes; `latency=500..`,
`latency=..2000` and `latency=500..2000` those of which the answer took so many milliseconds; `first-token` is
the same of the answer's first token. A call that failed has no such time.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from analytics.formatting import NO_BREAK_SPACE, day

AT = "at"
RANGES = (AT, "latency", "first-token")
"""Names of conditions that have one range each, which is wanted."""
_TO = ".."
_MILLISECONDS = re.compile(r"([0-9]{0,9})\.\.([0-9]{0,9})")
_SMALLEST, _LARGEST = -1, 10**9  # milliseconds: where a range has no end
_STEP, _MIDDLE_OF_STEP = Decimal("1.04"), Decimal("1.02")
_OF_MOMENTS = "two moments in UTC, the earlier one first, such as 2026-11-27T10:00Z..2026-11-27T10:05Z"
_OF_MILLISECONDS = "a range of milliseconds such as 500..2000, 500.. or ..2000"


def span_text(first: datetime, end: datetime) -> str:
    """The span of time from one moment until before another, as a link has it."""
    return _spelled(AT, first, end)


def range_text(name: str, text: str) -> str:
    """The one spelling of a range.

    Raises:
        ValueError, OverflowError: it is none; shape_of() says what one looks like.
    """
    return _spelled(name, *_ends(name, text))


def slowest_from(percentile_ms: Decimal) -> str:
    """The range of milliseconds from a percentile on, as a link has it.

    A percentile is the middle of a step of 4 percent, see latency_bucket() in SQL: the range begins with the
    step, so that it has the call that is the percentile.
    """
    below = int(percentile_ms * _MIDDLE_OF_STEP / _STEP)
    return f"{below + 1 if below else 0}{_TO}"


def shape_of(name: str) -> str:
    """What a range of this name looks like, in words."""
    return _OF_MOMENTS if name == AT else _OF_MILLISECONDS


def overlap(name: str, text: str, other: str) -> str | None:
    """What is in both of two ranges; None where nothing is."""
    (first, end), (other_first, other_end) = _ends(name, text), _ends(name, other)
    first, end = max(first, other_first), min(end, other_end)
    return _spelled(name, first, end) if first < end else None


def range_in_words(name: str, text: str, timezone: str) -> str:
    """`27 Nov 2026, 10:00 to 10:05` on the clock of a time zone, or `from 500 ms`."""
    first, end = _ends(name, text)
    if name == AT:
        first, end = (moment.astimezone(ZoneInfo(timezone)) for moment in (first, end))
        is_one_day = first.date() == end.date()
        return f"{day(first)}, {_clock(first)} to {'' if is_one_day else f'{day(end)}, '}{_clock(end)}"
    begin, below = (f"{number:,}{NO_BREAK_SPACE}ms" for number in (first, end))
    if end == _LARGEST:
        return f"from {begin}"
    return f"below {below}" if first == _SMALLEST else f"from {begin} to below {below}"


def _ends(name: str, text: str) -> tuple[Any, Any]:
    """Moments in UTC, or milliseconds."""
    if name == AT:
        first, end = (_moment(part) for part in text.split(_TO))
        return _in_order(first, end)
    found = _MILLISECONDS.fullmatch(text.strip())
    if found is None or found[0] == _TO:
        raise ValueError(text)
    return _in_order(int(found[1] or _SMALLEST), int(found[2] or _LARGEST))


def _in_order(first: Any, end: Any) -> tuple[Any, Any]:
    if first >= end:
        raise ValueError(f"{first} is not before {end}")
    return first, end


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC)


def _spelled(name: str, first: Any, end: Any) -> str:
    if name == AT:
        return _TO.join(_in_utc(moment) for moment in (first, end))
    return f"{'' if first == _SMALLEST else first}{_TO}{'' if end == _LARGEST else end}"


def _in_utc(moment: datetime) -> str:
    """`2026-11-27T10:00Z`, with seconds where it has some."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.removesuffix(':00')}Z"


def _clock(moment: datetime) -> str:
    """`10:00`, with seconds where it has some."""
    return moment.time().isoformat("auto" if moment.second or moment.microsecond else "minutes")
