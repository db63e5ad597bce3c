"""What a server does beside answering, again and again."""

import logging
import threading
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from analytics.errors import AnalyticsError


class Repeated(ABC):
    """A thread that looks what is to do, until it is stopped. It never ends a server, nor holds one up."""

    first_after: ClassVar[timedelta]
    """A server that starts has pages to serve first."""
    every: ClassVar[timedelta]
    if_it_fails: ClassVar[str]
    """What the log says then, before the reason."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends it after the step that it is at, for which this does not wait."""
        self._ended.set()

    @abstractmethod
    def look(self, now: datetime) -> object:
        """Does once what is due at this moment."""

    def _run(self) -> None:
        log = logging.getLogger(type(self).__module__)
        pause = self.first_after
        while not self._ended.wait(pause.total_seconds()):
            pause = self.every
            try:
                self.look(datetime.now(UTC))
            except AnalyticsError as error:
                log.warning("%s: %s", self.if_it_fails, error)
            except Exception:
                # A mistake of ours must not end the thread; the next time may have other numbers.
                log.exception("%s", self.if_it_fails)
