"""Decides what a file is and what its columns become, before anything is read or created."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from analytics.calls.validation import quoted
from analytics.errors import InvalidInput
from analytics.importing.formats import FORMATS, Format, format_of, simple
from analytics.importing.naming import is_object, map_by_name, with_heads
from analytics.importing.notation import Notation, decimal_of
from analytics.importing.opening import Source
from analytics.importing.parsing import (
    AMOUNTS,
    COUNTS,
    TARGETS,
    CallParser,
    Reading,
    is_target,
)
from analytics.importing.reader import LogFile
from analytics.pricing.price_list import DETAILS

COLUMNS = "columns"
"""The format of files whose columns are taken by their names."""
QUANTITIES = (*COUNTS, "cost_usd", "duration_seconds", "usage", *DETAILS)
_SOME_DAY = datetime(2001, 2, 3, tzinfo=UTC)
_OWN_EXPORT = frozenset({"usage_date", "cost_basis", "metadata"})
"""Columns by which an export of our own is known."""
_COUNT_NAME = re.compile(r"token|requests|_count$|^count$|images|characters", re.IGNORECASE)
_AMOUNT_NAME = re.compile(r"cost|spend|amount|usd|price|usage$|quantity|seconds|latency|_ms$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Where:
    """Rows that are wanted: those whose column has one of these values, or none of them."""

    column: str
    values: frozenset[str]
    is_excluded: bool = False

    def takes(self, value: Any) -> bool:
        text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value).strip()
        return (text in self.values) != self.is_excluded


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """What a file is, and which of its columns, or which constant, fills what."""

    file: LogFile
    reading: Reading
    notation: Notation
    where: Sequence[Where] = field(default=())
    first_date: date | None = None
    last_date: date | None = None
    """Days of the time zone outside of which rows are left out."""

    def takes(self, created_at: datetime) -> bool:
        """Whether the call was made on the days that are wanted."""
        if self.first_date is None and self.last_date is None:
            return True
        day = created_at.astimezone(self.notation.timezone).date()
        return (self.first_date or day) <= day <= (self.last_date or day)

    @property
    def columns(self) -> Mapping[str, str]:
        """Target -> column of the file, of those that are taken as they are."""
        return self.reading.columns

    @property
    def format(self) -> Format | None:
        return self.reading.format

    def parser(self) -> CallParser:
        return CallParser(self.reading, self.notation)

    def became(self) -> Iterator[tuple[str, str]]:
        """Each column that is used, and what it became."""
        mapped: dict[str, list[str]] = {}
        for target, column in self.columns.items():
            mapped.setdefault(column, []).append(target)
        yield from ((column, ", ".join(targets)) for column, targets in mapped.items())
        if self.format is not None:
            words = {simple(name): word for name, word in self.format.becomes.items()}
            for column in self._columns_of_format():
                if column not in mapped and simple(column) in words:
                    yield column, words[simple(column)]

    def unused(self) -> list[str]:
        """Columns that nothing is taken from."""
        used = {column for column, _ in self.became()} | {condition.column for condition in self.where}
        of_objects = tuple(f"{name}." for name in used)
        return [name for name in self.file.columns if name not in used and not name.startswith(of_objects)]

    def _columns_of_format(self) -> list[str]:
        return list(dict.fromkeys(with_heads(self.file.columns)))


def plan_import(
    source: Source | Path,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    forced: Mapping[str, str] | None = None,
    where: Sequence[str] = (),
    format: str | None = None,
    timezone: str = "UTC",
    decimal: str | None = None,
    date_format: str | None = None,
    first_date: date | None = None,
    last_date: date | None = None,
) -> ImportPlan:
    """Sees what the file is, and maps its columns to the arguments of a call.

    `columns` maps a target to a column of the file; without a format a column that is called like a target
    fills it by itself, unless there is a constant for it. A constant fills what has no column, and the empty
    values of one; one of `forced` also what a format says. `where` are conditions such as `status=success`.

    Raises:
        InvalidInput: no such file, format, target, column or time zone; nothing for created_at, source or
            how much was used; numbers or days that may mean two things.
    """
    columns, constants, forced = dict(columns or {}), dict(constants or {}), dict(forced or {})
    for target, value in (*columns.items(), *constants.items(), *forced.items()):
        if not is_target(target):
            allowed = ", ".join((*TARGETS, "tag.<key>", "metadata.<key>"))
            turned = f"; it may be {value}={target} that is meant" if is_target(value) else ""
            raise InvalidInput(f'unknown field "{target}"; allowed: {allowed}{turned}')
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):  # what zoneinfo raises for "Mars/Base", "../etc" and "America"
        raise InvalidInput(
            f'unknown time zone "{timezone}": give an IANA name such as "America/Sao_Paulo"'
        ) from None
    if decimal not in (None, ".", ","):
        raise InvalidInput(f'--decimal must be . or , and not "{decimal}"')
    file = LogFile(source)
    found = _format(format, file)
    for target, name in columns.items():
        if name not in file.columns and not is_object(file, name):
            raise InvalidInput(
                f'{file.source.name} has no column "{name}" for {target}: it has {_listed(file)}'
            )
    if found is None:
        constants |= forced
        map_by_name(file, columns, constants)
    taken = {simple(name) for name in found.becomes} if found is not None else set()
    for name in (*columns.values(), *(name for name in file.columns if simple(name) in taken)):
        if file.columns.count(name) > 1:
            raise InvalidInput(f'{file.source.name} has more than one column "{name}": rename all but one')
    if found is None:
        _require_all(file, columns, constants)
    names = {simple(name): name for name in reversed(with_heads(file.columns))}
    if date_format is not None:
        _check_date_format(date_format, file, columns, found)
    return ImportPlan(
        file=file,
        reading=Reading(
            columns=columns,
            constants=constants,
            forced=forced if found is not None else {},
            format=found,
            names=names,
            is_own_export=file.kind == "csv" and _OWN_EXPORT.issubset(file.columns),
        ),
        notation=Notation(
            timezone=zone,
            decimal=decimal or _decimal(file, columns, found),
            date_format=date_format or (found.date_format if found else None),
        ),
        where=[_where(file, condition) for condition in where],
        first_date=first_date,
        last_date=last_date,
    )


def _format(name: str | None, file: LogFile) -> Format | None:
    if name is None:
        return format_of(with_heads(file.columns))
    if name == COLUMNS:
        return None
    by_name = {each.name: each for each in FORMATS}
    if name not in by_name:
        raise InvalidInput(f'unknown format "{name}"; allowed: {", ".join((*by_name, COLUMNS))}')
    found = by_name[name]
    known = {simple(column) for column in found.becomes}
    if known.isdisjoint(map(simple, with_heads(file.columns))):
        raise InvalidInput(f"{file.source.name} has no column of {found.title}: it has {_listed(file)}")
    return found


def _require_all(file: LogFile, columns: Mapping[str, str], constants: Mapping[str, str]) -> None:
    name = file.source.name
    for target in ("created_at", "source"):
        if target not in columns and target not in constants:
            raise InvalidInput(
                f"no column fills {target}: map one of {name}'s columns to it, "
                f"{_listed(file)}, with --column; or name its format with --format: "
                f"{', '.join(each.name for each in FORMATS)}"
            )
    # Left out by mistake it could not be mended by importing again: the rows would be there already.
    if not any(target in columns or target in constants for target in QUANTITIES):
        raise InvalidInput(
            f"nothing says how much was used: map one of {name}'s columns to {' or '.join(QUANTITIES[:6])}: "
            f"it has {_listed(file)}"
        )


def _decimal(file: LogFile, columns: Mapping[str, str], found: Format | None) -> str | None:
    """What stands before decimals, by the first records."""
    if file.kind != "csv":
        return None
    targets = {column: target for target, column in columns.items()}
    counts, amounts = set(), set()
    for name in file.columns:
        target = targets.get(name)
        if target in COUNTS or target in DETAILS or (found and _COUNT_NAME.search(name)):
            counts.add(name)
        elif target in AMOUNTS or (found and _AMOUNT_NAME.search(name)):
            amounts.add(name)
    counts_told, amounts_told = [], []
    for values in file.sample():
        counts_told += [values[name] for name in counts if values[name]]
        amounts_told += [values[name] for name in amounts if values[name]]
    return decimal_of(counts_told, amounts_told)


def _check_date_format(
    date_format: str, file: LogFile, columns: Mapping[str, str], found: Format | None
) -> None:
    """Says once what each row would say: that nothing can be read by it."""
    try:
        datetime.strptime(_SOME_DAY.strftime(date_format), date_format)  # noqa: DTZ007 - it is dropped
    except ValueError as error:
        raise InvalidInput(
            f'--date-format "{date_format}" is none: {error}; write it as strptime() of Python, such as '
            "%d/%m/%Y %H:%M"
        ) from None
    of_format = (
        ()
        if found is None
        else [simple(name) for name, told in found.becomes.items() if "created_at" in told]
    )
    wanted = [name for name in file.columns if name == columns.get("created_at") or simple(name) in of_format]
    texts = [
        text
        for values in file.sample()
        for name in wanted
        if isinstance(text := values.get(name), str) and text
    ]
    notation = Notation(date_format=date_format)
    if texts and not any(notation.reads(text) for text in texts):
        raise InvalidInput(
            f"no {wanted[0]} of {file.source.name} is like --date-format {date_format}: the first one is "
            f"{quoted(texts[0])}"
        )


def _where(file: LogFile, text: str) -> Where:
    name, equals, values = text.partition("=")
    is_excluded = name.endswith("!")
    name = name.removesuffix("!").strip()
    if not equals:
        raise InvalidInput(f'--where must be like status=success or status!=failure, not "{text}"')
    if name not in file.columns:
        raise InvalidInput(f'{file.source.name} has no column "{name}" for --where: it has {_listed(file)}')
    return Where(
        column=name,
        values=frozenset(value.strip() for value in values.split(",")),
        is_excluded=is_excluded,
    )


def _listed(file: LogFile) -> str:
    return ", ".join(f'"{name}"' for name in file.columns)
