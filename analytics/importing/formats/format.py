"""What a format is: by which columns it is known, what each becomes, and how a row is one call."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from analytics.calls.row import BUCKET
from analytics.calls.validation import checked_count, number_in, quoted
from analytics.errors import InvalidInput
from analytics.importing.notation import Notation

REPORT = "report"
"""Key of the metadata: the format of which a row is, where it is one of a report and no single call."""

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_TRUE = frozenset({"true", "t", "yes", "1"})


class PassedOver(Exception):
    """The row is no call; the message says what it is, in the plural."""


def simple(name: str) -> str:
    """A column's name as names are compared: `Billed Cost` is `billedcost`."""
    return _NOT_IN_NAMES.sub("", name.lower())


class Row:
    """The values of a record by the names of their columns, however these are written."""

    def __init__(self, values: Mapping[str, Any], names: Mapping[str, str], notation: Notation) -> None:
        self._values, self._names, self._notation = values, names, notation

    def get(self, *names: str) -> Any:
        """The first that is not empty, or None."""
        for name in names:
            value = self._values.get(name)
            if value is None:
                value = self._values.get(self._names.get(simple(name), ""))
            if isinstance(value, str):
                value = value.strip()
            if value is not None and value != "":
                return value
        return None

    def text(self, *names: str) -> str | None:
        value = self.get(*names)
        return None if value is None else str(value)

    def count(self, *names: str) -> int | None:
        """A whole number; InvalidInput where it is none."""
        value = self.get(*names)
        if value is None:
            return None
        number = self._notation.number(value, is_count=True)
        if isinstance(number, float):
            number = number_in(number)
        return checked_count(names[0], number)

    def amount(self, *names: str) -> Decimal | None:
        """A number; InvalidInput where it is none."""
        value = self.get(*names)
        if value is None:
            return None
        number = number_in(self._notation.number(value))
        if number is None or not number.is_finite():
            raise InvalidInput(f"{names[0]} must be a number, not {quoted(value)}")
        return number

    def time(self, *names: str) -> datetime | None:
        value = self.get(*names)
        return None if value is None else self._notation.instant(value)

    def flag(self, *names: str) -> bool:
        value = self.get(*names)
        return value if isinstance(value, bool) else str(value).lower() in _TRUE

    def object(self, *names: str) -> dict[str, Any]:
        """An object, or the JSON of one; empty where there is none."""
        value = _json(self.get(*names))
        return value if isinstance(value, dict) else {}

    def within(self, name: str) -> "Row":
        """The row with the fields of an object that it has, under their own names."""
        return Row({**self._values, **self.object(name)}, self._names, self._notation)

    def list(self, *names: str) -> list[Any]:
        value = _json(self.get(*names))
        return value if isinstance(value, list) else []


Call = Mapping[str, Any]
"""Targets of an import with their values, and `metadata`."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """One kind of file that somebody writes."""

    name: str
    title: str
    known_by: Sequence[frozenset[str]]
    """Sets of columns; a file is of the format that has all of one of them."""
    becomes: Mapping[str, str]
    """Column -> what it becomes, as people read it; the targets of an import where it is one."""
    call: Callable[[Row], Call]
    """Raises PassedOver for rows that are no calls, InvalidInput for those that cannot be read."""
    unlike: frozenset[str] = frozenset()
    """A file with one of these columns is none."""
    date_format: str | None = None
    """Of days that would be two without it."""
    is_report: bool = False
    """Whether its rows are sums, of calls that something else may tell of one by one."""
    remark: str = ""
    """What is good to know before it is loaded."""

    def knows(self, columns: frozenset[str]) -> bool:
        """Whether a file with these columns, as simple() has them, is one."""
        if columns & {simple(name) for name in self.unlike}:
            return False
        return any({simple(name) for name in known} <= columns for known in self.known_by)


def middle(first: datetime, last: datetime | None) -> datetime:
    """When a bucket's row is: in its middle, so that a day of UTC is the same day in most time zones."""
    return first if last is None else first + (last - first) / 2


def bucket(
    report: str,
    first: datetime,
    last: datetime | None,
    requests: int | None,
    *,
    prompt_tokens_each: int | None = None,
    by: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """The metadata of a row that is the sum of a bucket. `by` is what the report is grouped by: a dimension
    without a value is none, as reports have columns for all."""
    told = {
        "requests": requests or None,
        "from_at": first.isoformat(),
        "until_at": None if last is None else last.isoformat(),
        "prompt_tokens_each": prompt_tokens_each,
        "by": None if by is None else sorted(name for name, value in by.items() if value not in (None, "")),
    }
    return {BUCKET: {name: value for name, value in told.items() if value is not None}, REPORT: report}


def natural_id(report: str, *parts: object) -> str:
    """An id by what a bucket is of: a later report of the same bucket is the same row, and replaces it."""
    told = [part.isoformat() if isinstance(part, datetime) else str(part or "") for part in parts]
    return f"{report} {hashlib.sha256('|'.join(told).encode('utf-8', 'surrogatepass')).hexdigest()}"


def known(**values: Any) -> dict[str, Any]:
    """What is not None."""
    return {name: value for name, value in values.items() if value is not None}


def tags(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """What is not empty."""
    return {name: value for name, value in pairs.items() if value is not None and value != ""}


def milliseconds(first: datetime | None, last: datetime | None) -> int | None:
    if first is None or last is None or last < first:
        return None
    return round((last - first).total_seconds() * 1000)


def outcome_of_status(status: str | None) -> str | None:
    """The outcome of an HTTP status, or of a word such as success."""
    if status is None:
        return None
    word = status.lower()
    if word in ("success", "ok", "succeeded") or (len(word) == 3 and word[0] in "23" and word.isdecimal()):
        return "ok"
    if word in ("429", "403", "451"):
        return "refused"
    return "cut" if word in ("-3", "cancelled", "499") else "error"


def _json(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in "[{":
        return value
    try:
        return json.loads(value, parse_float=Decimal)
    except (ValueError, RecursionError):
        return value


def texts(values: Sequence[Any]) -> Iterator[str]:
    return (str(value) for value in values if isinstance(value, (str, int)) and str(value).strip())
