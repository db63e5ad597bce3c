"""The tracker of this process: one at a time, a new one after a fork, and closed when the process ends."""

import atexit
import logging
import os
import sys
import threading

from analytics import config
from analytics.errors import ConfigurationError
from analytics.tracking import loading
from analytics.tracking.tracker import Tracker

# How long the end of the application waits for calls that are still to be shipped.
EXIT_SECONDS = 2.0

current: Tracker | None = None
"""None before the first call, and after end()."""

_making = threading.Lock()
# Trackers of the parent process; kept referenced, so that the collector does not close the parent's files.
_inherited: list[Tracker] = []

log = logging.getLogger("analytics.tracking")


def begin() -> Tracker:
    """The tracker, made by the settings of the environment where there is none."""
    global current
    with _making:
        if current is None:
            try:
                settings = config.tracker_settings()
            except ConfigurationError as error:
                log.error("%s: going on without this setting", error)
                settings = config.tracker_settings(
                    spool_max_calls=config.SPOOL_MAX_CALLS, synchronous=False, strict=False
                )
            current = Tracker(settings, on_open=_exit_before_others)
        return current


def replace(settings: config.TrackerSettings) -> None:
    """Makes a tracker with these settings the current one, then closes the one before."""
    global current
    # Not closed first: calls of other threads must not go to where the environment says.
    with _making:
        before, current = current, Tracker(settings, on_open=_exit_before_others)
    if before is not None:
        before.close(EXIT_SECONDS)


def end(timeout_seconds: float) -> None:
    """Closes the tracker, if there is one; the next call begins another."""
    global current
    with _making:
        before, current = current, None
    if before is not None:
        before.close(timeout_seconds)


def _before_fork() -> None:
    loading.before_fork()
    _making.acquire()
    if current is not None:
        current.before_fork()


def _after_fork_in_parent() -> None:
    if current is not None:
        current.after_fork()
    _making.release()
    loading.after_fork_in_parent()


def _after_fork_in_child() -> None:
    global current, _making
    loading.after_fork_in_child()
    if current is not None:
        settings = current.settings
        _inherited.append(current)
        current = Tracker(settings, on_open=_exit_before_others)
    _making = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )


def _exit_before_others() -> None:
    # The embedded server ends at exit, too. What registered last runs first.
    atexit.unregister(_at_exit)
    atexit.register(_at_exit)


def _at_exit() -> None:
    end(EXIT_SECONDS)
    # It would stop by itself, but not where it only just started for the calls that were shipped above.
    if database := sys.modules.get("analytics.database"):
        database.stop_embedded_postgresql()


atexit.register(_at_exit)
