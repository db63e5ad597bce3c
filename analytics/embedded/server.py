"""Starting, using and stopping the embedded server: one for all processes of a data directory."""

import atexit
import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from analytics import config
from analytics.embedded.cluster import LOOK_EVERY_SECONDS, START_SECONDS, Cluster
from analytics.errors import DatabaseUnavailable

_starting = threading.RLock()
_is_over = False
_in_use: tuple[int, Cluster, int] | None = None
"""The process that uses a server, and the file that it has locked. The kernel frees those of the dead."""


def start() -> URL:
    """Starts the server where it does not run (makes it at first); the URL of its maintenance database.

    Raises:
        ModuleNotFoundError: the package that brings it is not installed.
        DatabaseUnavailable: it does not start; the message says why and what to do.
    """
    data = config.data_directory().absolute()
    with _starting:
        if _is_over:
            raise DatabaseUnavailable("the embedded PostgreSQL has ended, and so does this process")
        try:
            cluster = Cluster.within(data)
            with _locked(cluster):
                sockets = cluster.running()
                _use(cluster)
        except (OSError, subprocess.SubprocessError) as error:
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL in {data} does not start: {error}: set USAGE_DATA_DIR to a "
                "directory of yours, or DATABASE_URL to a server of your own"
            ) from error
        return cluster.url(sockets)


def stop() -> None:
    """Ends this process's use of the server, if it has any; the last one that does stops it."""
    global _in_use
    with _starting:
        used, _in_use = _in_use, None
        if used is None:
            return
        process_id, cluster, users = used
        try:
            # After a fork the lock is the parent's, too.
            if process_id == os.getpid():
                with _locked(cluster):
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    cluster.stop()
        except BlockingIOError:
            return  # somebody else uses it
        finally:
            os.close(users)


def end() -> None:
    """At the end of the process: stop(), and what still reads does not start it again."""
    global _is_over
    with _starting:
        _is_over = _is_over or _in_use is not None
        stop()


def _use(cluster: Cluster) -> None:
    """Says that this process uses the server, until it stops or ends."""
    global _in_use
    if _in_use is not None:
        process_id, known, users = _in_use
        if process_id == os.getpid() and known == cluster:
            return
        os.close(users)
    users = _open(cluster, "users")
    fcntl.flock(users, fcntl.LOCK_SH)
    if _in_use is None:
        atexit.register(end)
    _in_use = os.getpid(), cluster, users


@contextmanager
def _locked(cluster: Cluster) -> Iterator[None]:
    """Keeps all others from starting and stopping the server meanwhile."""
    lock = _open(cluster, "lock")
    deadline = time.monotonic() + 2 * START_SECONDS
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(LOOK_EVERY_SECONDS)
            else:
                break
        yield
    finally:
        os.close(lock)


def _open(cluster: Cluster, name: str) -> int:
    path: Path = cluster.directory.with_name(f"{cluster.directory.name}.{name}")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
