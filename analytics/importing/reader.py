"""Records of a CSV or JSON file, one at a time, each with its line number and a digest.

A record's digest is that of everything in the file up to and including its last line. It does not change
when the file grows, and two equal lines of one file have different ones: so it names the record. Line ends
are hashed as "\\n", because the last line of a growing log may not have its own yet. Of an element of an
array it is that of all elements so far.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from analytics.errors import InvalidInput
from analytics.importing.documents import (
    MAX_VALUE_CHARACTERS,
    Found,
    has_further_pages,
    records_in,
    values_of,
)
from analytics.importing.kinds import EXCELS_HINT, Kind, kind_of, refuse_error
from analytics.importing.lines import MAX_LINE_BYTES, Lines
from analytics.importing.opening import Source, sources_of
from analytics.importing.parquet import parquet_columns, parquet_rows

DELIMITERS = ",;\t|"
SAMPLE_RECORDS = 1_000
"""The keys of so many JSON objects count as the file's columns."""
_PROGRESS_RECORDS = 1_000
_LONE_RETURN = "a carriage return within a line, which is to end with a line feed"
_MAX_JSON_LINE_BYTES = 16 * MAX_LINE_BYTES


class Record(NamedTuple):
    """One record of a file; either `values`, in the order of the columns, or the `reason` for none."""

    line_number: int
    digest: bytes
    values: Any
    """Those of the columns that were asked for, or by name where all are wanted."""
    reason: str
    original: bytes


class LogFile:
    """A file of calls. CSV, JSON Lines or JSON, and the delimiter, are seen from its beginning.

    Raises:
        InvalidInput: the file cannot be opened, is empty, or has no header.
    """

    def __init__(self, source: Source | Path) -> None:
        self.source = source if isinstance(source, Source) else _only(source)
        self.path = self.source.path
        self.has_further_pages = False
        """Whether the last page of an API that was read says that there are others."""
        with Lines(self.source, longest=MAX_VALUE_CHARACTERS) as lines:
            first = lines.first()
            if first is not None and lines.is_damaged and first.startswith("\0"):
                raise InvalidInput(f"the first line of {self.source.name} cannot be read: {lines.damage()}")
        if first is None:
            raise InvalidInput(f"{self.source.name} is empty")
        self.kind: Kind = kind_of(first, self.source.name)
        if self.kind == "parquet":
            self.columns: Sequence[str] = parquet_columns(self.source)
            return
        told = EXCELS_HINT.match(first)
        self._delimiter = told[1] if told else max(DELIMITERS, key=first.count)
        self._has_hint = told is not None
        self.columns = self._header() if self.kind == "csv" else self._json_columns()

    @property
    def is_json(self) -> bool:
        return self.kind.startswith("json")

    @property
    def size_bytes(self) -> int:
        return self.source.size_bytes

    def sample(self) -> list[Mapping[str, Any]]:
        """The first records, by column."""
        return [
            record.values
            for record in islice(self.records(None), SAMPLE_RECORDS)
            if record.values is not None
        ]

    def records(
        self,
        columns: Sequence[str] | None,
        *,
        salt: bytes = b"",
        progress: Callable[[int], object] = lambda read_bytes: None,
    ) -> Iterator[Record]:
        """The records, each with the values of these columns, or of all by name.

        `salt` goes into each digest.
        `progress` receives how many bytes (compressed ones of a `.gz`) were read since the last time.

        Raises:
            InvalidInput: the file went away, or its compression is broken.
        """
        if self.kind in ("json", "parquet"):
            elements = self._elements if self.kind == "json" else self._rows
            yield from elements(columns, salt, progress)
            return
        with self._lines() as lines:
            parsed = self._csv_values(lines, columns) if self.kind == "csv" else _json_lines(lines)
            running = hashlib.sha256(salt)
            reported = 0
            for count, (values, reason) in enumerate(parsed, start=1):
                taken = lines.taken
                for line in taken:
                    running.update(line.rstrip(b"\r\n") + b"\n")
                if not count % _PROGRESS_RECORDS:
                    progress(lines.position - reported)
                    reported = lines.position
                if values is None and not reason:
                    continue
                if lines.is_damaged:
                    values, reason = None, lines.damage()
                number, original = lines.number - len(taken) + 1, b"".join(taken)
                if values is None or self.kind == "csv":
                    yield Record(number, running.digest(), values, reason, original)
                else:
                    yield from self._within(values, columns, number, running.digest(), original)
            progress(lines.position - reported)

    def _within(
        self, value: Mapping[str, Any], columns: Sequence[str] | None, number: int, digest: bytes, line: bytes
    ) -> Iterator[Record]:
        """The record of a line, or those of the page that the line is."""
        for place, record in enumerate(records_in(value)):
            if record is value:
                yield Record(number, digest, _picked(value, columns), "", line)
                return
            own = hashlib.sha256(digest + str(place).encode()).digest()
            yield Record(number, own, _picked(record, columns), "", _written(record))
        self.has_further_pages = has_further_pages(value)

    def _elements(
        self, columns: Sequence[str] | None, salt: bytes, progress: Callable[[int], object]
    ) -> Iterator[Record]:
        opened = self.source.open()
        running, reported = hashlib.sha256(salt), 0
        try:
            for number, value, reason in values_of(opened):
                progress(opened.position - reported)
                reported = opened.position
                for record, why in _records_of(Found(number, value, reason)):
                    original = _written(record)
                    running.update(original + b"\n")
                    values = None if why else _picked(record, columns)
                    yield Record(number, running.digest(), values, why, original)
                if isinstance(value, dict):
                    self.has_further_pages = has_further_pages(value)
            progress(opened.position - reported)
        finally:
            opened.close()

    def _rows(
        self, columns: Sequence[str] | None, salt: bytes, progress: Callable[[int], object]
    ) -> Iterator[Record]:
        running, reported = hashlib.sha256(salt), 0
        for number, (row, part) in enumerate(parquet_rows(self.source), start=1):
            original = _written(row)
            running.update(original + b"\n")
            yield Record(number, running.digest(), _picked(row, columns), "", original)
            if not number % _PROGRESS_RECORDS or part == 1:
                progress(round(part * self.size_bytes) - reported)
                reported = round(part * self.size_bytes)

    def _lines(self) -> Lines:
        return Lines(self.source, longest=MAX_LINE_BYTES if self.kind == "csv" else _MAX_JSON_LINE_BYTES)

    def _header(self) -> Sequence[str]:
        with self._lines() as lines:
            for fields, reason in self._csv_records(lines):
                if lines.is_damaged or reason:
                    raise InvalidInput(
                        f"the header of {self.source.name} cannot be read: {reason or lines.damage()}"
                    )
                if fields:
                    return [name.strip() for name in fields]
        raise InvalidInput(f"{self.source.name} has no header")

    def _csv_values(self, lines: Lines, columns: Sequence[str] | None) -> Iterator[tuple[Any, str]]:
        width = len(self.columns)
        pick: Callable[[Sequence[str]], Any]
        if columns is None:
            names = self.columns

            def pick(fields: Sequence[str]) -> Any:
                return dict(zip(names, fields, strict=True))
        else:
            pick = _picker([self.columns.index(name) for name in columns])
        header_is_ahead = True
        for fields, reason in self._csv_records(lines):
            if header_is_ahead and fields:
                header_is_ahead = False
                yield None, ""
            elif fields and len(fields) != width:
                yield None, f"{len(fields)} fields, the header has {width}"
            else:
                yield (pick(fields) if fields else None), reason

    def _csv_records(self, lines: Lines) -> Iterator[tuple[list[str], str]]:
        if self._has_hint:
            next(lines, None)
        # strict: a quote that is never closed is an error, and does not silently take the rest of the file.
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            lines.begin()
            try:
                yield next(reader), ""
            except StopIteration:
                return
            except csv.Error as error:
                lines.give_back_all_but_first()
                yield [], f"not CSV: {_LONE_RETURN if 'new-line character' in str(error) else error}"

    def _json_columns(self) -> Sequence[str]:
        names: dict[str, None] = {}
        reason = ""
        for record in islice(self.records(None), SAMPLE_RECORDS):
            if not names and record.values is not None and "error" in record.values:
                refuse_error(self.source.name, record.values)
            if record.values is not None:
                names.update(dict.fromkeys(_paths(record.values)))
            reason = reason or record.reason
        if not names:
            raise InvalidInput(
                f"no record at the beginning of {self.source.name} is a JSON object"
                f"{f': {reason}' if reason else ''}"
            )
        return list(names)


def record_id(digest: bytes) -> str:
    """A UUID of version 8 (RFC 9562: bits of one's own making) from the first half of a SHA-256, in hex."""
    bits = digest.hex()
    return f"{bits[:12]}8{bits[13:16]}{'89ab'[digest[8] & 3]}{bits[17:32]}"


def _only(path: Path) -> Source:
    sources = sources_of([path])
    if len(sources) > 1:
        raise InvalidInput(f"{path} holds {len(sources):,} files: read each of sources_of()")
    return sources[0]


def _json_lines(lines: Lines) -> Iterator[tuple[Mapping[str, Any] | None, str]]:
    while True:
        lines.begin()
        text = next(lines, None)
        if text is None:
            return
        if not text.strip():
            yield None, ""
            continue
        try:
            # Decimal: a cost is taken as it is written.
            value = json.loads(text, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            yield None, f"not JSON: {str(error).split(';')[0]}"
            continue
        yield (value, "") if isinstance(value, dict) else (None, "not a JSON object")


def _records_of(found: Found) -> Iterator[tuple[Any, str]]:
    if found.reason:
        yield found.value, found.reason
    elif isinstance(found.value, dict):
        for record in records_in(found.value):
            yield record, ""
    else:
        yield found.value, "not a JSON object"


def _written(value: Any) -> bytes:
    return json.dumps(value, default=str).encode("utf-8", "surrogatepass")


def _picked(value: Mapping[str, Any], columns: Sequence[str] | None) -> Any:
    return value if columns is None else [at_path(value, name) for name in columns]


def _paths(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of what an object holds; `usage.prompt_tokens` for what an object within it holds."""
    for key, inner in value.items():
        if isinstance(inner, dict) and prefix.count(".") < 3:
            yield from _paths(inner, f"{prefix}{key}.")
        else:
            yield prefix + key


def at_path(value: Mapping[str, Any], path: str) -> Any:
    if path in value:
        return value[path]
    head, is_nested, rest = path.partition(".")
    inner = value.get(head) if is_nested else None
    return at_path(inner, rest) if isinstance(inner, dict) else None


def _picker(indices: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    if len(indices) == 1:  # where itemgetter gives the bare value
        return lambda fields: (fields[indices[0]],)
    return itemgetter(*indices) if indices else lambda fields: ()
