"""Numbers and times as people write them: `$0.0125`, `1,000`, `2025-10-05 10:00:00 UTC`, seconds since 1970.

What may mean two things is not guessed: `12.000` tokens may be twelve, or twelve thousand.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from analytics.calls.validation import number_in, quoted
from analytics.errors import InvalidInput

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_NANOSECONDS = 10**20

_MONEY = re.compile(r"^(?:US\$|USD|\$)\s*|\s*(?:US\$|USD|\$)$", re.IGNORECASE)
_SPACES = str.maketrans("", "", "\u00a0\u202f\u2009'\u2019 ")
_GROUPED = {
    ".": re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?", re.ASCII),
    ",": re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d*)?", re.ASCII),
}
_PLAIN = {
    ".": re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII),
    ",": re.compile(r"[+-]?(?:\d+(?:,\d*)?|,\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII),
}
_AMBIGUOUS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_SLASHES = re.compile(r"\d{1,2}/\d{1,2}/\d{2,4}\b.*", re.ASCII)
_ZONE = re.compile(r"\s*(?:UTC|GMT|Z|z)$")
_OFFSET = re.compile(r"\s([+-]\d{2}):?(\d{2})(?:\s+[A-Z]{3,4})?$")
# What is written in words, and German dates: no two of these read one text.
_WRITTEN = (
    *("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d"),
    *("%b %d, %Y, %I:%M:%S %p", "%b %d, %Y, %I:%M %p", "%b %d, %Y %I:%M:%S %p", "%b %d, %Y %I:%M %p"),
    *("%b %d, %Y %H:%M:%S", "%b %d, %Y %H:%M", "%b %d, %Y", "%B %d, %Y", "%d %b %Y %H:%M:%S", "%d %b %Y"),
    *("%d %B %Y", "%a %b %d %H:%M:%S %Y", "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p"),
)


@dataclass(frozen=True, kw_only=True)
class Notation:
    """How a file writes numbers and times."""

    timezone: tzinfo = UTC
    """Of times that name none."""
    decimal: str | None = None
    """What stands before decimals, `.` or `,`; None where the file does not show it."""
    date_format: str | None = None
    """As strptime() has it."""

    def number(self, value: Any, *, is_count: bool = False) -> Any:
        """The number that a text says; the value itself where it is no text, or no number.

        Raises:
            InvalidInput: it may be two numbers.
        """
        if type(value) is not str:
            return value
        if len(value) <= 12 and value.isascii() and value.isdecimal():
            return int(value)
        text = _MONEY.sub("", value.strip(), 1).translate(_SPACES)
        if self.decimal is None and _AMBIGUOUS.fullmatch(text) and ("." in text) == is_count:
            raise InvalidInput(two_numbers(value))
        mark = self.decimal or "."
        if _PLAIN[mark].fullmatch(text):
            return Decimal(text.replace(",", "."))
        if _GROUPED[mark].fullmatch(text):
            return Decimal(text.replace("," if mark == "." else ".", "").replace(",", "."))
        return value

    def instant(self, value: Any) -> datetime:
        """The moment, in UTC.

        Raises:
            InvalidInput: it is none, or may be two.
        """
        try:
            moment = self._instant(value)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=self.timezone)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError, TypeError):
            pass
        if self.date_format is not None:
            raise InvalidInput(
                f"created_at must be a time like {self.date_format}, not {quoted(value)}: see --date-format"
            )
        if isinstance(value, str) and _SLASHES.fullmatch(value):
            raise InvalidInput(
                f"created_at may be two days, {quoted(value)}: say which with --date-format, such as "
                "%m/%d/%Y or %d/%m/%Y"
            )
        raise InvalidInput(f"created_at must be a time such as 2026-03-18T12:00:00Z, not {quoted(value)}")

    def reads(self, value: Any) -> bool:
        """Whether it is a moment."""
        try:
            self.instant(value)
        except InvalidInput:
            return False
        return True

    def _instant(self, value: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        if self.date_format is not None and isinstance(value, str):
            return datetime.strptime(value, self.date_format)  # noqa: DTZ007 - instant() adds the zone
        number = None
        # A text of eight digits is a date.
        if type(value) is not str or (value[4:5] != "-" and len(value) != len("20240131")):
            number = number_in(value)
        if number is not None:
            return _since_1970(number)
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return _written(value)


def _since_1970(number: Decimal) -> datetime:
    """Of seconds, milli-, micro- or nanoseconds, as their size tells."""
    if not number.is_finite() or abs(number) > _LATEST_NANOSECONDS:
        raise ValueError
    for _finer_unit in range(3):
        if abs(number) >= 100_000_000_000:  # as seconds: the year 5138
            number /= 1000
    return _EPOCH + timedelta(microseconds=int(number * 1_000_000))


def _written(text: str) -> datetime:
    zone: tzinfo | None = None
    bare = _ZONE.sub("", text)
    if bare != text:
        zone = UTC
    if found := _OFFSET.search(bare):  # Go's: 2025-10-05 10:00:00.5 +0000 UTC
        bare, zone = f"{bare[: found.start()]}{found[1]}:{found[2]}", None
    if bare != text:
        try:
            moment = datetime.fromisoformat(bare)
            return moment if moment.tzinfo else moment.replace(tzinfo=zone)
        except ValueError:
            pass
    for form in _WRITTEN:
        try:
            return datetime.strptime(bare, form).replace(tzinfo=zone)
        except ValueError:
            continue
    return parsedate_to_datetime(text)


def two_numbers(text: str) -> str:
    """What is wrong with a number that may be two."""
    digits = re.sub(r"[^\d.,]", "", text)
    whole, _, rest = re.split(r"([.,])", digits, maxsplit=1)
    return (
        f"{quoted(text)} may be {whole}.{rest} or {whole},{rest}: say what stands before decimals with "
        "--decimal . or --decimal ,"
    )


def decimal_of(counts: Iterable[str], amounts: Iterable[str]) -> str | None:
    """What stands before decimals, as these texts show; None where no text shows it.

    Raises:
        InvalidInput: they show both, or may mean two things.
    """
    shown: dict[str, str] = {}
    ambiguous = ""
    for texts, is_count in ((counts, True), (amounts, False)):
        for text in texts:
            bare = _MONEY.sub("", text.strip(), 1).translate(_SPACES)
            if "." not in bare and "," not in bare:
                continue
            if _AMBIGUOUS.fullmatch(bare):
                if ("." in bare) == is_count:
                    ambiguous = ambiguous or text
                continue
            for mark in ".,":
                other = "," if mark == "." else "."
                if _GROUPED[mark].fullmatch(bare) or (mark in bare and _PLAIN[mark].fullmatch(bare)):
                    if other not in shown or not _GROUPED[other].fullmatch(bare):
                        shown.setdefault(mark, text)
                    break
    if len(shown) == 2:
        raise InvalidInput(
            f"numbers are written in two ways, {quoted(shown['.'])} and {quoted(shown[','])}: say what "
            "stands before decimals with --decimal . or --decimal ,"
        )
    if not shown and ambiguous:
        raise InvalidInput(two_numbers(ambiguous))
    return next(iter(shown), None)
