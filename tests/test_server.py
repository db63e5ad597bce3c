"""The server as people start it: dashboard and API in one process, or the API alone."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from tests import factories
from tests.api import bearer
from tests.processes import await_start, free_port

BOTH_WAYS = {
    "streamlit": lambda port: (
        *("streamlit", "run", "analytics/server.py", "--server.headless", "true"),
        *("--server.address", "127.0.0.1", "--server.port", port),
    ),
    "uvicorn": lambda port: ("uvicorn", "analytics.server:app", "--port", port),
}
ALONE = {
    "uvicorn": lambda port: ("uvicorn", "--factory", "analytics.api:create_api", "--port", port),
}
CALL = {"source": "openai", "model": "gpt-4", "usage": {"prompt_tokens": 150, "completion_tokens": 80}}
MARCH_18 = {"from": "2026-03-18", "to": "2026-03-18"}


@pytest.fixture
def used(database: Database, acme: UUID) -> Database:
    factories.insert_usage(database, factories.usage_log(acme))
    return database


@contextmanager
def running(command: Callable[[str], Sequence[str]], log: Path, **environment: str) -> Iterator[httpx.Client]:
    """The server on a free port, as a client of it; it must end well when it is told to."""
    with started(command, log, **environment) as (_, client):
        yield client


@contextmanager
def started(
    command: Callable[[str], Sequence[str]],
    log: Path,
    *,
    file_descriptors: tuple[int, int] | None = None,
    **environment: str,
) -> Iterator[tuple["subprocess.Popen[bytes]", httpx.Client]]:
    """The server as running() has it, and its process. It begins with these limits, soft and hard."""

    def limit() -> None:
        if file_descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, file_descriptors)

    port = free_port()
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", *command(str(port))],
            cwd=PROJECT_DIRECTORY,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=limit,
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            await_start(server, log, lambda: is_healthy(client))
            yield server, client
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=60)
    assert "Traceback" not in log.read_text()


def is_healthy(client: httpx.Client) -> bool:
    try:
        return any(client.get(path).status_code == 200 for path in ("/healthz", "/_stcore/health"))
    except httpx.TransportError:
        return False


def configured(database: Database) -> dict[str, str]:
    return {"DATABASE_URL": database.url.render_as_string(hide_password=False)}


def assert_api(client: httpx.Client, database: Database, acme: UUID) -> None:
    """Reading and writing work, errors are the API's own."""
    reader, writer = bearer(database, acme), bearer(database, acme, "write")
    assert client.get("/readyz").json() == {"status": "ready"}
    answer = client.get("/api/analytics", params=MARCH_18, headers=reader)
    assert answer.json()["analytics"]["summary"]["total_tokens"] == 230
    assert client.post("/api/usage", json=CALL, headers=writer).json()["results"][0]["status"] == "stored"
    assert client.post("/v1/traces", json={}, headers=writer).json() == {}

    for path, status in (("/api/analytics", 401), ("/api/nothing", 404), ("/api/usage", 405)):
        refused = client.get(path)
        assert (refused.status_code, list(refused.json())) == (status, ["error"])
    assert client.get("/api/docs").status_code == 200
    document = client.get("/api/openapi.json")
    assert "/api/analytics" in document.json()["paths"]
    assert document.headers["Content-Encoding"] == "gzip"
    statement = client.get("/api/export", params={**MARCH_18, "format": "pdf"}, headers=reader)
    assert "Content-Encoding" not in statement.headers
    assert not client.cookies
    metrics = client.get("/metrics").text
    assert 'usage_api_requests_total{method="GET",route="/api/analytics",status="200"} 1.0' in metrics
    assert 'usage_api_requests_total{method="GET",route="unknown",status="404"} 1.0' in metrics


@pytest.mark.parametrize("way", BOTH_WAYS)
def test_dashboard_and_api_in_one_process(used: Database, acme: UUID, tmp_path: Path, way: str) -> None:
    with running(BOTH_WAYS[way], tmp_path / "server.log", **configured(used)) as client:
        assert_api(client, used, acme)
        for path in ("/", "/about_the_numbers"):
            page = client.get(path)
            assert page.status_code == 200
            assert "<title>Streamlit</title>" in page.text
        assert client.get("/_stcore/health").text == "ok"
        await_folding(used)


def await_folding(database: Database) -> None:
    """Until nothing is pending: the server folds by itself. A test that hangs says that it does not."""
    pending: list[Any] = [True]
    while pending:
        with database.transaction() as connection:
            pending = connection.execute("select from usage_pending limit 1").fetchall()
            connection.execute("select pg_sleep(0.1)")
    with database.transaction() as connection:
        [(tokens,)] = connection.execute("select sum(total_tokens) from usage_daily_rollup").fetchall()
    assert tokens == 2 * 230


def test_the_api_alone(used: Database, acme: UUID, tmp_path: Path) -> None:
    with running(ALONE["uvicorn"], tmp_path / "server.log", **configured(used)) as client:
        assert_api(client, used, acme)
        assert client.get("/").status_code == 404


def test_a_server_without_its_database(database: Database, acme: UUID, tmp_path: Path) -> None:
    away = {"DATABASE_URL": "postgresql://me:s3cret@127.0.0.1:1/usage"}
    headers = bearer(database, acme)
    log = tmp_path / "server.log"
    with running(BOTH_WAYS["streamlit"], log, **away) as client:
        assert client.get("/readyz").status_code == 503
        refused = client.get("/api/analytics", headers=headers)
        assert refused.status_code == 503
        assert refused.json()["last_good_at"] is None
        assert client.get("/").status_code == 200
    assert "s3cret" not in log.read_text()


@pytest.mark.parametrize("url", ["nonsense", "mysql://me:s3cret@host/usage"])
def test_a_server_that_is_configured_wrongly_says_so(acme: UUID, tmp_path: Path, url: str) -> None:
    log = tmp_path / "server.log"
    with running(BOTH_WAYS["uvicorn"], log, DATABASE_URL=url) as client:
        refused = client.get("/readyz")
        assert (refused.status_code, refused.json()) == (503, {"error": "the database does not answer"})
    assert "DATABASE_URL" in log.read_text()
    assert "s3cret" not in log.read_text()


def test_two_servers_on_one_database(used: Database, acme: UUID, tmp_path: Path) -> None:
    headers = bearer(used, acme)
    with (
        running(ALONE["uvicorn"], tmp_path / "one.log", **configured(used)) as one,
        running(ALONE["uvicorn"], tmp_path / "two.log", **configured(used)) as two,
    ):
        first = one.get("/api/analytics", params=MARCH_18, headers=headers)
        second = two.get(
            "/api/analytics", params=MARCH_18, headers=headers | {"If-None-Match": first.headers["ETag"]}
        )
        assert second.status_code == 304


def test_a_browser_is_opened_for_whoever_sits_here(database: Database, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    os.mkfifo(opened)
    browser = tmp_path / "xdg-open"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n', encoding="utf-8")
    browser.chmod(0o755)
    options = ("--server.address", "localhost", "--server.headless", "false", "--server.port")
    path = f"{tmp_path}:{os.environ['PATH']}"
    with running(
        lambda port: ("streamlit", "run", "streamlit_app.py", *options, port),
        tmp_path / "server.log",
        **configured(database),
        PATH=path,
    ) as client:
        assert opened.read_text(encoding="utf-8") == f"http://localhost:{client.base_url.port}\n"
