"""What is left of a spool's file that was removed, cut, replaced or damaged under a running application.

Two things are: what can still be read (an open file outlives its name), and copies in memory of what this
process logged last.
"""

import contextlib
import sqlite3
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from analytics.tracking.spool_file import PlainCall, readable, readable_set_aside

# How many calls of this process that are not shipped yet are in memory as well as on disk (5 MB).
COPIES = 10_000


class Copies:
    """The calls of this process that are not shipped yet: the newest of them whole, of others the number."""

    def __init__(self) -> None:
        self._calls: deque[PlainCall] = deque(maxlen=COPIES)
        self._older = array("Q")

    def keep(self, call: PlainCall) -> None:
        if len(self._calls) == COPIES:
            self._older.append(self._calls[0][0])
        self._calls.append(call)

    def forget(self, shipped: int) -> None:
        """All up to this number are in PostgreSQL."""
        calls = self._calls
        if calls and calls[-1][0] <= shipped:
            self._calls = deque(maxlen=COPIES)  # a thousand times as fast as one by one
        while calls and calls[0][0] <= shipped:
            calls.popleft()
        del self._older[: bisect_right(self._older, shipped)]

    def calls(self) -> list[PlainCall]:
        return list(self._calls)

    def numbers(self) -> set[int]:
        return {*self._older, *(number for number, _, _ in self._calls)}


@dataclass(kw_only=True)
class Renewal:
    """An old file, until all that is left of it is in its new place."""

    fault: str
    """What happened to it."""
    kept_as: Path | None
    """Where it was moved to, if it was still in its place."""
    connection: sqlite3.Connection | None
    is_told: bool = False
    copies: list[tuple[str, str]] = field(default_factory=list)
    """What memory has and the file has not."""
    found: int = 0
    """Calls that are left."""
    lost: int = 0
    """Calls of this process, or that were waiting when it came, of which nothing is left."""

    def look_through(self, copies: list[PlainCall], waiting: set[int]) -> None:
        """Counts what is left of the calls that were `waiting`, of which memory has `copies`."""
        known = {number: line for number, _, line in copies}
        only_in_memory = {line: revision for _, revision, line in copies}
        numbers = set(known)
        is_ours = True
        for number, _, line in self._readable():
            self.found += 1
            is_ours &= known.get(number, line) == line
            only_in_memory.pop(line, None)
            numbers.add(number)
        # Equal numbers in somebody else's file are other calls.
        self.lost = len(waiting - (numbers if is_ours else set(known)))
        self.copies = [(revision, line) for line, revision in only_in_memory.items()]
        self.found += len(self.copies)

    def calls(self) -> Iterator[tuple[str, str]]:
        """Price revision and line of each that is left, and of those that the database refused."""
        yield from self.copies
        for _, revision, line in self._readable():
            yield revision, line
        if self.connection is not None:
            yield from readable_set_aside(self.connection)

    def _readable(self) -> Iterator[PlainCall]:
        return iter(()) if self.connection is None else readable(self.connection)

    def close(self) -> None:
        if self.connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self.connection.close()
