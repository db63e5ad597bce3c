"""check_budget(): whether another call is allowed, from what a thread of this process has read lately.

The caller never waits for a database, unless it asks to wait for the first answer. The thread begins with the
first question, reads the budgets of all clients that were asked about of late, and ends when nobody asks. It
reads what every page reads, get_budgets(): there is no counter.
"""

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from analytics.budgets.judging import BudgetAnswer, Rule, judge, mean_rate, rules_of
from analytics.calls.validation import scope_names, typed_tags
from analytics.errors import AnalyticsError, InvalidInput
from analytics.tracking import loading, process

if TYPE_CHECKING:
    from analytics.budgets.status import BudgetStatus
    from analytics.database import Database

REFRESH_SECONDS = 5.0
"""How often sums are read; where that takes long, a tenth of the time is spent on it at most."""
TRUSTED_SECONDS = 300.0
"""Sums that are older decide nothing."""
IDLE_SECONDS = 300.0
"""Clients that nobody has asked about for so long are read no more; without any the thread ends."""
_RATE_SECONDS = 300.0
_CLIENTS_AT_ONCE = 50

_Key = tuple[UUID, str | None]

log = logging.getLogger("analytics.budgets")


def check_budget(
    client_id: UUID | str,
    *,
    provider: str | None = None,
    model: str | None = None,
    operation: str | None = None,
    conversation_id: UUID | str | None = None,
    tags: Mapping[str, Any] | None = None,
    closed: bool = False,
    wait_seconds: float = 0.0,
) -> BudgetAnswer:
    """Whether the budgets allow another call. Ask before the call, with what log_usage() is told after it.

        if check_budget(client_id, model="gpt-4o", tags={"user": "ada"}):
            ...

    A call counts for the budgets of its client and of all clients together whose conditions it meets, and of
    one that is split by a tag for that tag's value. It is refused where one of them is used up.

    Args:
        closed: refuses where nothing is known: before the first answer of the database, or when it has been
            away for five minutes. Else such calls are allowed.
        wait_seconds: how long the first question about a client may wait for an answer.

    Returns:
        The answer, at once: from memory, at most some seconds old where the database answers. It never
        raises; an argument that cannot be is told in `reason`, and nothing is known.
    """
    try:
        names = scope_names(
            client_id, provider, model, operation, conversation_id, typed_tags(tags) if tags else ()
        )
    except (InvalidInput, TypeError, AttributeError) as error:
        return _unknown(closed, str(error))
    watch = _watch
    watched = watch.clients.get(client_id) or watch.begin(client_id)
    now = time.monotonic()
    watched.asked_at = now
    if not watch.is_running:
        watch.start()
    read = watched.read
    if read is None or now - read.at > TRUSTED_SECONDS:
        if wait_seconds > 0:
            watched.has_news.wait(wait_seconds)
            read, now = watched.read, time.monotonic()
        if read is None or now - read.at > TRUSTED_SECONDS:
            return _unknown(closed, watch.failure or "the budgets are not read yet")
    return judge(read.rules, names, time.time(), now - read.at)


def stop_checking() -> None:
    """Ends the thread, and forgets all that it has read; the next question begins anew."""
    global _watch
    watch, _watch = _watch, Watch()
    watch.stop()


class Read:
    """The rules of a client, as of a moment of time.monotonic()."""

    __slots__ = ("at", "rules")

    def __init__(self, rules: Sequence[Rule], at: float) -> None:
        self.rules, self.at = rules, at


class Watched:
    """A client that somebody asks about."""

    def __init__(self, client_id: UUID) -> None:
        self.client_id = client_id
        self.asked_at = time.monotonic()
        self.read: Read | None = None
        self.has_news = threading.Event()


class Watch:
    """The clients that are asked about, and the thread that reads their budgets."""

    def __init__(self) -> None:
        self.clients: dict[UUID | str, Watched] = {}
        self.is_running = False
        self.failure: str | None = None
        """Why the budgets cannot be read; None where they can."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_stopped = False
        self._thread: threading.Thread | None = None
        self._database: Database | None = None
        self._seen: deque[tuple[float, dict[_Key, float]]] = deque()

    def begin(self, client_id: UUID | str) -> Watched:
        """Begins to read the budgets of a client."""
        watched = Watched(client_id if isinstance(client_id, UUID) else UUID(client_id.strip()))
        with self._lock:
            watched = self.clients.setdefault(client_id, watched)
        self._wake.set()
        return watched

    def start(self) -> None:
        """Starts the thread where none runs."""
        with self._lock:
            if self.is_running or self._is_stopped:
                return
            self._thread = threading.Thread(target=self._run, name="budget-check", daemon=True)
            self.is_running = True
            try:
                self._thread.start()
            except RuntimeError as error:  # as many threads as may be, or the interpreter is ending
                self._thread, self.is_running = None, False
                self.failure = f"no thread can be started to read the budgets: {error}"

    def stop(self) -> None:
        """Ends the thread and waits for it, for a moment."""
        with self._lock:
            self._is_stopped = True
            thread = self._thread
        self._wake.set()
        if thread is not None:
            thread.join(2.0)

    def _run(self) -> None:
        due_at = 0.0
        try:
            while clients := self._wanted():
                self._wake.clear()
                begun = time.monotonic()
                # A client that is new is read at once; others wait for their time.
                is_due = begun >= due_at
                self._refresh(clients if is_due else [each for each in clients if each.read is None])
                if is_due:
                    took = time.monotonic() - begun
                    due_at = begun + took + max(REFRESH_SECONDS, 10 * took)
                self._wake.wait(max(due_at - time.monotonic(), 0.0))
        finally:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _wanted(self) -> list[Watched]:
        """The clients to read; none where the thread is to end."""
        with self._lock:
            oldest = time.monotonic() - IDLE_SECONDS
            for key in [key for key, watched in self.clients.items() if watched.asked_at < oldest]:
                del self.clients[key]
            if self._is_stopped or not self.clients:
                self.is_running, self._thread = False, None
                return []
            return list(self.clients.values())

    def _refresh(self, clients: Sequence[Watched]) -> None:
        try:
            # Under a lock of its own, so that no fork happens in the midst of an import.
            loading.load("analytics.budgets.status")
            self._read(clients)
            self.failure = None
        except AnalyticsError as error:
            self._failed(str(error))
        except Exception as error:
            log.exception("budgets could not be read")
            self._failed(f"{type(error).__name__}: {error}")
        for watched in clients:
            watched.has_news.set()

    def _failed(self, reason: str) -> None:
        if self.failure is None:
            log.warning("budgets cannot be read, so that check_budget() knows nothing new: %s", reason)
        self.failure = f"the budgets cannot be read: {reason}"

    def _read(self, clients: Sequence[Watched]) -> None:
        from analytics.budgets.status import budgets_of, budgets_query

        database = self._database = self._database or _open_database()
        for place in range(0, len(clients), _CLIENTS_AT_ONCE):
            some = clients[place : place + _CLIENTS_AT_ONCE]
            begun, now = time.monotonic(), datetime.now(UTC)
            ids = [None, *(watched.client_id for watched in some)]
            answers = database.read(*(budgets_query(client_id, now) for client_id in ids))
            shared, *own = (
                budgets_of(rows, client_id, now) for client_id, rows in zip(ids, answers, strict=True)
            )
            rates = self._rates([*shared, *(status for statuses in own for status in statuses)], begun)
            rules = rules_of(shared, rates)
            for watched, statuses in zip(some, own, strict=True):
                watched.read = Read([*rules_of(statuses, rates), *rules], begun)
                watched.has_news.set()

    def _rates(self, statuses: Sequence["BudgetStatus"], at: float) -> dict[_Key, float]:
        """US dollars per second: of the last minutes or since the period began, whichever is more."""
        spent = {status.key: float(status.cost_usd) for status in statuses}
        while self._seen and self._seen[0][0] < at - _RATE_SECONDS:
            self._seen.popleft()
        rates = {status.key: mean_rate(status) for status in statuses}
        for seen_at, seen in [self._seen[0], self._seen[-1]] if self._seen else []:
            for key in spent.keys() & seen.keys():
                if at > seen_at:
                    rates[key] = max(rates[key], (spent[key] - seen[key]) / (at - seen_at))
        self._seen.append((at, spent))
        return rates


def _open_database() -> "Database":
    """That of the tracker, where the application has configured one."""
    from analytics.database import Database
    from analytics.migrations import open_ready_database

    tracker = process.current
    if tracker is not None and tracker.settings.database_url is not None:
        return Database(tracker.settings.database_url)
    opened = open_ready_database()
    # The embedded server ends at exit, too. What registered last runs first.
    atexit.unregister(stop_checking)
    atexit.register(stop_checking)
    return opened


def _unknown(closed: bool, reason: str) -> BudgetAnswer:
    return BudgetAnswer(not closed, reason, None, None, None, None)


_watch = Watch()


def _after_fork_in_child() -> None:
    global _watch
    # The thread is the parent's, and so is its connection: it is kept, as the collector would close it.
    _inherited.append(_watch)
    clients, _watch = _watch.clients, Watch()
    for key, watched in list(clients.items()):
        mine = Watched(watched.client_id)
        mine.read = watched.read
        _watch.clients[key] = mine


_inherited: list[Watch] = []

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

atexit.register(stop_checking)
