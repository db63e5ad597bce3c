"""Records of a CSV or JSON Lines file, one at a time, each with its line number and a digest.

A record's digest is that of everything in the file up to and including its last line. It does not change
when the file grows, and two equal lines of one file have different ones: so it names the record. Line ends
are hashed as "\\n", because the last line of a growing log may not have its own yet.
"""

import csv
import gzip
import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from analytics.errors import InvalidInput

MAX_LINE_BYTES = 1_048_576
"""Memory is bounded: a longer line, or a longer quoted field, cannot be read."""
MAX_RECORD_LINES = 10_000

DELIMITERS = ",;\t|"
_SAMPLE_RECORDS = 1_000  # the keys of so many JSON objects count as the file's columns
_PROGRESS_RECORDS = 1_000
_TOO_LONG = b"\0too long: "

# Python's own limit is an eighth of this, and prompts are logged too.
csv.field_size_limit(MAX_LINE_BYTES)


class Record(NamedTuple):
    """One record of a file; either `values`, in the order of the columns, or the `reason` for none."""

    line_number: int
    digest: bytes
    values: Sequence[Any] | None
    reason: str
    original: bytes


class LogFile:
    """A file of calls, `.gz` or not. CSV or JSON Lines and the delimiter are seen from its first line.

    Raises:
        InvalidInput: the file cannot be opened, is empty, or has no header.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._lines() as lines:
            first = next((line for line in lines if line.strip()), None)
        if first is None:
            raise InvalidInput(f"{path} is empty")
        self.is_json = first.lstrip().startswith("{")
        self._delimiter = max(DELIMITERS, key=first.count)
        self.columns: Sequence[str] = self._json_columns() if self.is_json else self._header()

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    def records(
        self,
        columns: Sequence[str],
        *,
        salt: bytes = b"",
        progress: Callable[[int], object] = lambda read_bytes: None,
    ) -> Iterator[Record]:
        """The records, each with the values of these columns; `salt` goes into each digest.

        `progress` receives how many bytes (compressed ones of a `.gz`) were read since the last time.

        Raises:
            InvalidInput: the file went away, or its compression is broken.
        """
        with self._lines() as lines:
            parsed = self._json_values(lines, columns) if self.is_json else self._csv_values(lines, columns)
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
                yield Record(lines.number - len(taken) + 1, running.digest(), values, reason, b"".join(taken))
            progress(lines.position - reported)

    def _lines(self) -> "_Lines":
        return _Lines(self.path)

    def _header(self) -> Sequence[str]:
        with self._lines() as lines:
            for fields, reason in self._csv_records(lines):
                if lines.is_damaged or reason:
                    raise InvalidInput(
                        f"the header of {self.path} cannot be read: {reason or lines.damage()}"
                    )
                if fields:
                    return [name.strip() for name in fields]
        raise InvalidInput(f"{self.path} has no header")

    def _csv_values(
        self, lines: "_Lines", columns: Sequence[str]
    ) -> Iterator[tuple[Sequence[str] | None, str]]:
        width = len(self.columns)
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

    def _csv_records(self, lines: "_Lines") -> Iterator[tuple[list[str], str]]:
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
                yield [], f"not CSV: {error}"

    def _json_columns(self) -> Sequence[str]:
        names: dict[str, None] = {}
        with self._lines() as lines:
            for count, (value, _) in enumerate(_json_records(lines)):
                if count == _SAMPLE_RECORDS:
                    break
                if value is not None:
                    names.update(dict.fromkeys(_paths(value)))
        if not names:
            raise InvalidInput(f"no line at the beginning of {self.path} is a JSON object")
        return list(names)

    def _json_values(
        self, lines: "_Lines", columns: Sequence[str]
    ) -> Iterator[tuple[Sequence[Any] | None, str]]:
        for value, reason in _json_records(lines):
            yield ([_at_path(value, name) for name in columns] if value is not None else None), reason


class _Lines:
    """The lines of a file as text, and the raw ones of the record that is being read."""

    def __init__(self, path: Path) -> None:
        try:
            self._raw: BinaryIO = path.open("rb")
        except OSError as error:
            raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
        self._file: Any = gzip.GzipFile(fileobj=self._raw) if path.suffix == ".gz" else self._raw
        self._path = path
        self._given_back: deque[bytes] = deque()
        self.number = 0
        self.taken: list[bytes] = []
        self.is_damaged = False

    def __enter__(self) -> "_Lines":
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._given_back.popleft() if self._given_back else self._read()
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        if len(self.taken) > MAX_RECORD_LINES:
            raise csv.Error(f"a quote is not closed within {MAX_RECORD_LINES:,} lines")
        try:
            text = line.decode()
        except UnicodeDecodeError:
            self.is_damaged = True
            return line.decode(errors="replace")
        if line.startswith(_TOO_LONG):
            self.is_damaged = True
        return text

    def begin(self) -> None:
        """Forgets the record before: the next one begins here."""
        self.taken = []
        self.is_damaged = False

    def give_back_all_but_first(self) -> None:
        """Ends the record after its first line; the others are read again, on their own."""
        self._given_back.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]

    def damage(self) -> str:
        too_long = any(line.startswith(_TOO_LONG) for line in self.taken)
        return f"a line of more than {MAX_LINE_BYTES:,} bytes" if too_long else "not UTF-8"

    @property
    def position(self) -> int:
        return self._raw.tell()

    def _read(self) -> bytes:
        try:
            line: bytes = self._file.readline(MAX_LINE_BYTES)
            if self.number == 0 and line.startswith(b"\xef\xbb\xbf"):
                line = line[3:]
            return line if len(line) < MAX_LINE_BYTES or line.endswith(b"\n") else self._skip_line(line)
        except (OSError, EOFError) as error:
            raise InvalidInput(f"cannot read {self._path}: {error}") from None

    def _skip_line(self, start: bytes) -> bytes:
        """Reads over the rest of a line that is too long; what stands for it is as unique as the line was."""
        content = hashlib.sha256(start)
        while part := self._file.readline(MAX_LINE_BYTES):
            content.update(part)
            if part.endswith(b"\n"):
                break
        return _TOO_LONG + content.hexdigest().encode() + b"\n"


def _json_records(lines: _Lines) -> Iterator[tuple[Mapping[str, Any] | None, str]]:
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


def _paths(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Names of what an object holds; `usage.prompt_tokens` for what an object within it holds."""
    for key, inner in value.items():
        if isinstance(inner, dict) and prefix.count(".") < 3:
            yield from _paths(inner, f"{prefix}{key}.")
        else:
            yield prefix + key


def _at_path(value: Mapping[str, Any], path: str) -> Any:
    if path in value:
        return value[path]
    head, is_nested, rest = path.partition(".")
    inner = value.get(head) if is_nested else None
    return _at_path(inner, rest) if isinstance(inner, dict) else None


def _picker(indices: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    if len(indices) == 1:  # where itemgetter gives the bare value
        return lambda fields: (fields[indices[0]],)
    return itemgetter(*indices) if indices else lambda fields: ()
