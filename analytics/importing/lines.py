"""The lines of a source as text, and the raw ones of the record that is being read."""

import csv
import hashlib
from collections import deque
from collections.abc import Iterator

from analytics.importing.opening import Source

MAX_LINE_BYTES = 1_048_576
"""Memory is bounded: a longer line, or a longer quoted field, cannot be read."""
MAX_RECORD_LINES = 10_000
_TOO_LONG = b"\0too long: "

# Python's own limit is an eighth of this, and prompts are logged too.
csv.field_size_limit(MAX_LINE_BYTES)


class Lines:
    """Raises InvalidInput where the source cannot be opened or read."""

    def __init__(self, source: Source, *, longest: int = MAX_LINE_BYTES) -> None:
        self._file = source.open()
        self._longest = longest
        self._given_back: deque[bytes] = deque()
        self.number = 0
        self.taken: list[bytes] = []
        self.is_damaged = False

    def __enter__(self) -> "Lines":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

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

    def first(self) -> str | None:
        """The next line that is not empty."""
        for line in self:
            if line.strip():
                return line
            self.begin()
        return None

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
        return f"a line of more than {self._longest:,} bytes" if too_long else "not UTF-8"

    @property
    def position(self) -> int:
        return self._file.position

    def _read(self) -> bytes:
        line = self._file.readline(self._longest)
        if self.number == 0 and line.startswith(b"\xef\xbb\xbf"):
            line = line[3:]
        return line if len(line) < self._longest or line.endswith(b"\n") else self._skip_line(line)

    def _skip_line(self, start: bytes) -> bytes:
        """Reads over the rest of a line that is too long; what stands for it is as unique as the line was."""
        content = hashlib.sha256(start)
        while part := self._file.readline(self._longest):
            content.update(part)
            if part.endswith(b"\n"):
                break
        return _TOO_LONG + content.hexdigest().encode() + b"\n"
