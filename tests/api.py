"""The HTTP API over a test's database, and keys for it."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import UUID

import psycopg
import uvicorn
from fastapi.testclient import TestClient
from prometheus_client import Histogram
from prometheus_client.parser import text_string_to_metric_families
from psycopg.rows import dict_row
from starlette.types import ASGIApp

from analytics.access.keys import Scope, create_key
from analytics.api import PATHS, Service, create_api
from analytics.database import Database
from tests.connections import dsn

MANY_REQUESTS = 1_000_000
_STATUSES = {str(status.value) for status in HTTPStatus}
_LABELS = {
    "route": {
        *PATHS,
        "/api/analytics",
        "/api/export",
        "/api/usage",
        "/api/litellm",
        "/api/alerts",
        "/api/budgets",
        "/api/budgets/check",
        "/api/docs",
        "/api/openapi.json",
        "unknown",
    },
    "method": {"GET", "HEAD", "POST", "other"},
    "status": {*_STATUSES, "cut", "stored", "updated", "duplicate", "rejected"},
    "origin": {"database", "cache"},
    "state": {"waiting", "failed"},
    "le": {"+Inf" if bound == float("inf") else str(bound) for bound in Histogram.DEFAULT_BUCKETS},
}
"""All that metrics may say about a request."""


def open_api(database: Database, *, requests_per_minute: int = MANY_REQUESTS) -> TestClient:
    """The API of a server that has just started."""
    return TestClient(create_api(Service(lambda: database), requests_per_minute=requests_per_minute))


def bearer(database: Database, client_id: UUID, scope: Scope = "read") -> dict[str, str]:
    """The headers of somebody with a new key."""
    return {"Authorization": f"Bearer {create_key(database, str(client_id), scope, 'test')}"}


def exact(body: bytes) -> Any:
    """JSON with all digits of its numbers."""
    return json.loads(body, parse_float=Decimal)


def words_of(metrics: str) -> str:
    """What metrics say in words, which are names that all installations share.

    Without their values: moments and seconds have so many digits that any number is among them by chance.
    """
    words = []
    for family in text_string_to_metric_families(metrics):
        words += [family.name, family.documentation]
        for sample in family.samples:
            assert sample.labels.keys() <= _LABELS.keys()
            assert all(value in _LABELS[label] for label, value in sample.labels.items()), sample
            words += [sample.name, *sample.labels.values()]
    assert words
    return "\n".join(words)


def logged(database: Database, columns: str = "*") -> list[dict[str, Any]]:
    """Rows of usage_logs, by time."""
    with psycopg.connect(dsn(database.url), row_factory=dict_row) as connection:
        return connection.execute(f"select {columns} from usage_logs order by created_at, id").fetchall()  # type: ignore[arg-type]  # noqa: S608


@contextmanager
def serving(database: Database) -> Iterator[str]:
    """A real server of the API on a port of this machine; its address."""
    api = create_api(Service(lambda: database), requests_per_minute=MANY_REQUESTS)
    with listening(api) as address:
        yield address


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    """A real server on a port of this machine; its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
