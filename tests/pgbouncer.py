"""PgBouncer as people run it in front of PostgreSQL: one server connection, handed on at each transaction."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL

from tests.processes import await_start, free_port, listens


def is_installed() -> bool:
    return _program() is not None


@contextmanager
def pgbouncer(url: URL) -> Iterator[URL]:
    """The URL of the same database through a PgBouncer in transaction mode, with one server connection."""
    port = free_port()
    host = url.host or str(url.query["host"])
    with tempfile.TemporaryDirectory(prefix="usage-pgbouncer-") as directory:
        settings = Path(directory) / "pgbouncer.ini"
        log = Path(directory) / "pgbouncer.log"
        settings.write_text(_settings(url, host, port), encoding="utf-8")
        user = _unprivileged_user(host)
        if user is not None:
            shutil.chown(directory, user)
            shutil.chown(settings, user)
        pooled = url.set(host="127.0.0.1", port=port, query={"sslmode": "disable", "gssencmode": "disable"})
        with log.open("wb") as output:
            pooler = subprocess.Popen(
                [str(_program()), str(settings)],
                user=user,
                extra_groups=None if user is None else [],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                await_start(pooler, log, lambda: listens(port))
                yield pooled
            finally:
                pooler.terminate()
                pooler.wait(timeout=30)


def _program() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


def _settings(url: URL, host: str, port: int) -> str:
    server = {
        "host": host,
        "port": str(url.port or 5432),
        "user": url.username or "postgres",
        "password": str(url.password or ""),
    }
    parameters = " ".join(
        # An empty text in quotes would be taken for a quote.
        f"{name}='{value.replace(chr(39), chr(39) * 2)}'"
        for name, value in server.items()
        if value
    )
    return f"""
        [databases]
        * = {parameters}

        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = 1
        reserve_pool_size = 0
        query_wait_timeout = 20
    """.replace("\n        ", "\n")


def _unprivileged_user(host: str) -> str | None:
    """As whom it runs, as it refuses to be root: whoever may enter the directory of the server's socket."""
    if os.geteuid() != 0:
        return None
    return Path(host).owner() if Path(host).is_absolute() else "nobody"
