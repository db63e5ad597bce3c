"""A run each night, in the background of a server: of each client while its own clock shows night."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from analytics.database import Database
from analytics.errors import AnalyticsError
from analytics.retention.dropping import RunResult, run_retention
from analytics.retention.spans import Due

FIRST_AFTER = timedelta(minutes=2)
EVERY = timedelta(minutes=10)
NIGHT = range(1, 5)
"""Hours of a client's clock in which its calls go."""
LATE = timedelta(days=3)
"""What is due for so long goes at any hour: the server may not run at night."""

log = logging.getLogger(__name__)


class EveryNight:
    """A thread that drops what is due, until it is stopped. It never ends a server, nor holds one up."""

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open_database = open_database
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it after the bite that it is at."""
        self._ended.set()

    def look(self, now: datetime) -> RunResult:
        """Drops what is due now."""
        return run_retention(
            self._open_database(), now, by="server", wants=is_its_hour, is_ended=self._ended.is_set
        )

    def _run(self) -> None:
        pause = FIRST_AFTER
        while not self._ended.wait(pause.total_seconds()):
            pause = EVERY
            try:
                self.look(datetime.now(UTC))
            except AnalyticsError as error:
                log.warning("calls could not be dropped: %s", error)
            except Exception:
                # A mistake of ours must not end the thread.
                log.exception("calls could not be dropped")


def is_its_hour(due: Due) -> bool:
    """Whether it is night for the client, or too late to wait for one."""
    return due.hour in NIGHT or (due.is_begun and due.end_date - due.first_date > LATE)
