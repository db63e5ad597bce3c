"""Whether a database answers; ends the waiting for one that does not.

A statement waits for ever for a server that has fallen silent, as the other kernel may still be alive. So
when a statement has waited for a while, a connection is tried. If the server grants none within seconds, all
waiting ends; as long as it grants one, a statement may take its time.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

PATIENCE_SECONDS = 3
"""How long a statement waits before a connection is tried."""
SILENCE_SECONDS = 5
"""How long a try may take before the database counts as unavailable."""
ASK_EVERY_SECONDS = 3
"""How old the result of a try may be while somebody asks."""
FORGET_AFTER_SECONDS = 15
"""How old a result may be when nobody has asked meanwhile."""


@dataclass(frozen=True)
class _Waiting:
    connection: "psycopg.Connection[Any]"
    since: float


class Pulse:
    """The state of one database: `ask` tries it, and raises the driver's error if it does not answer."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._changed = threading.Condition()
        self._waiting: dict[int, _Waiting] = {}
        self._watcher: threading.Thread | None = None
        self._asking_since: float | None = None
        self._known_at = float("-inf")
        self._failure: Exception | None = None

    def failure(self) -> Exception | None:
        """Why the database does not answer, as of the last seconds; None where it does. Never waits."""
        with self._changed:
            now = time.monotonic()
            if self._asking_since is not None and now - self._asking_since >= SILENCE_SECONDS:
                # The try may still end; nobody waits for it.
                self._asking_since = None
                self._failure, self._known_at = _silence(), now
            if self._asking_since is None and now - self._known_at >= ASK_EVERY_SECONDS:
                self._asking_since = now
                asking = threading.Thread(target=self._ask_once, args=[now], name="database pulse")
                asking.daemon = True
                asking.start()
            return self._failure if now - self._known_at < FORGET_AFTER_SECONDS else None

    def check(self) -> None:
        """Raises if the database was silent a moment ago: another try would take as long."""
        with self._changed:
            now = time.monotonic()
            is_silent = isinstance(self._failure, psycopg.errors.ConnectionTimeout)
            if is_silent and now - self._known_at < ASK_EVERY_SECONDS:
                raise _silence()

    def answered(self) -> None:
        """The database has just answered."""
        self._note(None)

    def lost(self, error: Exception) -> None:
        """The database has just failed to answer."""
        self._note(error)

    @contextmanager
    def waiting(self, connection: "psycopg.Connection[Any]") -> Iterator[None]:
        """Around a statement, which is cut off if the database does not answer."""
        key = id(connection)
        with self._changed:
            self._waiting[key] = _Waiting(connection, time.monotonic())
            # Threads do not survive a fork.
            if self._watcher is None or not self._watcher.is_alive():
                watcher = threading.Thread(target=self._watch, name="database pulse", daemon=True)
                # Without a thread nobody cuts the statement off; it runs all the same.
                with suppress(RuntimeError):
                    watcher.start()
                    self._watcher = watcher
        try:
            yield
        finally:
            with self._changed:
                self._waiting.pop(key, None)

    def _ask_once(self, began: float) -> None:
        failure: Exception | None = None
        try:
            self._ask()
        except Exception as error:  # whatever a driver or the embedded server's start may raise
            failure = error
        with self._changed:
            # Unless this took too long and another try has begun.
            if self._asking_since == began:
                self._asking_since = None
                self._failure, self._known_at = failure, time.monotonic()

    def _note(self, failure: Exception | None) -> None:
        with self._changed:
            self._failure, self._known_at = failure, time.monotonic()

    def _watch(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._changed.wait(PATIENCE_SECONDS)
                    if not self._waiting:
                        self._watcher = None
                        return
                since = min(each.since for each in self._waiting.values())
                self._changed.wait(max(0.1, since + PATIENCE_SECONDS - time.monotonic()))
            self._cut_off_if_gone()

    def _cut_off_if_gone(self) -> None:
        with self._changed:
            now = time.monotonic()
            overdue = [each for each in self._waiting.values() if now - each.since >= PATIENCE_SECONDS]
        if not overdue or self.failure() is None:
            return
        with self._changed:
            # A connection whose statement has ended meanwhile belongs to somebody else.
            for each in overdue:
                if self._waiting.get(id(each.connection)) is each:
                    _cut(each.connection)


def _silence() -> psycopg.OperationalError:
    return psycopg.errors.ConnectionTimeout(f"no answer within {SILENCE_SECONDS} seconds")


def _cut(connection: "psycopg.Connection[Any]") -> None:
    """Ends the waiting on this connection."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
