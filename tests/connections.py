"""Connections of a test's own: beside the pool, and many at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from sqlalchemy.engine import URL

from analytics.database import Database


def dsn(url: URL) -> str:
    """As psycopg takes it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def at_once(*tasks: Callable[["psycopg.Connection[Any]"], Any], database: Database) -> list[Any]:
    """The results of `tasks`, each run in a thread and on an autocommit connection of its own."""
    start = threading.Barrier(len(tasks))

    def run(task: Callable[["psycopg.Connection[Any]"], Any]) -> Any:
        with psycopg.connect(dsn(database.url), autocommit=True) as connection:
            start.wait()
            return task(connection)

    with ThreadPoolExecutor(len(tasks)) as threads:
        return [future.result() for future in [threads.submit(run, task) for task in tasks]]
