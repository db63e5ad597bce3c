"""Decides which column fills which argument of a call, before anything is read or created."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from analytics.errors import InvalidInput
from analytics.importing.parsing import COUNTS, OBJECTS, TAG, TARGETS, CallParser
from analytics.importing.reader import LogFile
from analytics.pricing.price_list import DETAILS

QUANTITIES = (*COUNTS, "cost_usd", "duration_seconds", "usage", *DETAILS)
_OWN_EXPORT = frozenset({"usage_date", "cost_basis", "metadata"})
"""Columns by which an export of our own is known."""


@dataclass(frozen=True, kw_only=True)
class ImportPlan:
    """Which column of the file, or which constant, fills what."""

    file: LogFile
    columns: Mapping[str, str]
    """Target -> column of the file."""
    constants: Mapping[str, str]
    timezone: ZoneInfo
    """Of timestamps that name none."""

    def parser(self) -> CallParser:
        return CallParser(
            list(self.columns),
            self.constants,
            self.timezone,
            is_own_export=_OWN_EXPORT.issubset(self.file.columns),
        )


def plan_import(
    path: Path,
    *,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    timezone: str = "UTC",
) -> ImportPlan:
    """Looks at the file's columns and maps them to the arguments of a call.

    `columns` maps a target to a column of the file; a column that is called like a target fills it by itself,
    unless there is a constant for it. A constant fills what has no column, and the empty values of one.

    Raises:
        InvalidInput: no such file, target, column or time zone; nothing for created_at, source or
            how much was used.
    """
    columns, constants = dict(columns or {}), dict(constants or {})
    for target in (*columns, *constants):
        if target not in TARGETS and not target.startswith(TAG):
            raise InvalidInput(f'unknown field "{target}"; allowed: {", ".join((*TARGETS, "tag.<key>"))}')
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):  # what zoneinfo raises for "Mars/Base", "../etc" and "America"
        raise InvalidInput(
            f'unknown time zone "{timezone}": give an IANA name such as "America/Sao_Paulo"'
        ) from None
    file = LogFile(path)
    listed = ", ".join(f'"{name}"' for name in file.columns)
    for target, name in columns.items():
        if name not in file.columns and not (target in OBJECTS and _is_object(file, name)):
            raise InvalidInput(f'{path} has no column "{name}" for {target}: it has {listed}')
    for target in TARGETS:
        if target in file.columns and target not in constants:
            columns.setdefault(target, target)
    for target in OBJECTS:
        # Taken as a whole, unless its fields are mapped.
        is_mapped = any(name.startswith(f"{target}.") for name in columns.values())
        if target not in constants and not is_mapped and _is_object(file, target):
            columns.setdefault(target, target)
    for name in file.columns:
        # In JSON the tags are one object, and taken as a whole.
        if name.startswith(TAG) and name not in constants and not file.is_json:
            columns.setdefault(name, name)
    for name in columns.values():
        if file.columns.count(name) > 1:
            raise InvalidInput(f'{path} has more than one column "{name}": rename all but one')
    for target in ("created_at", "source"):
        if target not in columns and target not in constants:
            raise InvalidInput(f"no column fills {target}: map one of {path}'s columns to it, {listed}")
    # Left out by mistake it could not be mended by importing again: the rows would be there already.
    if not any(target in columns or target in constants for target in QUANTITIES):
        raise InvalidInput(
            f"nothing says how much was used: map one of {path}'s columns to {' or '.join(QUANTITIES[:6])}: "
            f"it has {listed}"
        )
    return ImportPlan(file=file, columns=columns, constants=constants, timezone=zone)


def _is_object(file: LogFile, name: str) -> bool:
    """Whether what JSON has under this name is an object, of which the columns are the fields."""
    return file.is_json and any(column.startswith(f"{name}.") for column in file.columns)
