"""A run each night, in the background of a server: of each client while its own clock shows night."""

from collections.abc import Callable
from datetime import datetime, timedelta

from analytics.background import Repeated
from analytics.database import Database
from analytics.retention.dropping import RunResult, run_retention
from analytics.retention.spans import Due

NIGHT = range(1, 5)
"""Hours of a client's clock in which its calls go."""
LATE = timedelta(days=3)
"""What is due for so long goes at any hour: the server may not run at night."""


class EveryNight(Repeated):
    """Drops what is due; ends after a bite."""

    first_after = timedelta(minutes=2)
    every = timedelta(minutes=10)
    if_it_fails = "calls could not be dropped"

    def __init__(self, open_database: Callable[[], Database]) -> None:
        super().__init__()
        self._open_database = open_database

    def look(self, now: datetime) -> RunResult:
        """Drops what is due now."""
        return run_retention(
            self._open_database(), now, by="server", wants=is_its_hour, is_ended=self._ended.is_set
        )


def is_its_hour(due: Due) -> bool:
    """Whether it is night for the client, or too late to wait for one."""
    return due.hour in NIGHT or (due.is_begun and due.end_date - due.first_date > LATE)
