"""An application in a process of its own, which does what it is told line by line, and can be killed.

with Application(acme, database_url, directory) as application:
    application.tell("log", 0, 100)
    assert application.heard(100) == list(range(100))
"""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

from sqlalchemy.engine import URL

import analytics
from analytics.config import PROJECT_DIRECTORY, data_directory
from analytics.tracking import process
from analytics.tracking.spool import Spool
from tests import small_disk
from tests.tracked_calls import log_call

# Nothing here takes as long: it ends what hangs.
PATIENCE_SECONDS = 60


class Application:
    """The process, from outside. A command is answered with one line, "log" with one per call taken."""

    def __init__(
        self,
        client_id: UUID,
        database_url: URL,
        directory: Path,
        *,
        keys: str = "",
        beginning: tuple[str, ...] = (),
        **environment: str,
    ) -> None:
        """The command line is `beginning`, such as that of small_disk.mounting(), and then ours."""
        self._process = subprocess.Popen(
            [
                *beginning,
                # That a fork takes one thread only is what some applications are about.
                *(sys.executable, "-W", "error", "-W", "ignore:This process"),
                *("-m", "tests.tracked_application", str(client_id), keys),
            ],
            cwd=PROJECT_DIRECTORY,
            env={
                **os.environ,
                "DATABASE_URL": database_url.set(drivername="postgresql").render_as_string(
                    hide_password=False
                ),
                "USAGE_DATA_DIR": str(directory),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "Application":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()

    def tell(self, command: str, *arguments: int) -> None:
        assert self._process.stdin is not None
        print(command, *arguments, file=self._process.stdin, flush=True)

    def heard(self, count: int) -> list[int]:
        """Numbers of the next `count` calls that were taken."""
        return [int(self._line()) for _ in range(count)]

    def ask(self, command: str, *arguments: int) -> Any:
        """The answer to the command."""
        self.tell(command, *arguments)
        return json.loads(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the application ended: {self._process.communicate()[1]}"
        return line

    def kill(self) -> list[int]:
        """Kills it in whatever it is doing; the numbers of calls that it had taken and nobody heard yet."""
        assert self._process.stdout is not None
        self._process.kill()
        said = self._process.stdout.read()  # communicate() would pass over what is buffered
        self._process.communicate(timeout=PATIENCE_SECONDS)
        return [int(line) for line in said.splitlines()]

    def end(self) -> str:
        """Lets it end by itself, as applications do; what it printed as errors."""
        _, errors = self._process.communicate(timeout=PATIENCE_SECONDS)
        assert self._process.returncode == 0, errors
        return errors


class _Inside:
    """The process, from inside."""

    def __init__(self, client_id: UUID, keys: str) -> None:
        self.client_id = client_id
        self.keys = keys

    def run(self) -> None:
        for line in iter(sys.stdin.readline, ""):
            name, *numbers = line.split()
            command: Callable[..., Any] = getattr(self, name)
            answer = command(*map(int, numbers))
            if name != "log":
                _say(json.dumps(answer))

    def log(self, first: int, end: int) -> None:
        """Logs calls, and says of each that it was taken."""
        for number in range(first, end):
            self.log_one(number)
            _say(str(number))

    def log_one(self, number: int) -> None:
        key = f"{self.keys}{number}" if self.keys else None
        assert log_call(self.client_id, number, id=key) is not None

    def log_all(self, first: int, end: int) -> None:
        for number in range(first, end):
            self.log_one(number)

    def flush(self) -> bool:
        return analytics.flush(PATIENCE_SECONDS)

    def stats(self) -> dict[str, Any]:
        return json.loads(json.dumps(asdict(analytics.stats()), default=str))  # type: ignore[no-any-return]

    def limit_files(self, size: int) -> None:
        """A disk that is full: no file can grow beyond `size` bytes; 0 lifts that."""
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size or hard, hard))

    def mount_disk(self, megabytes: int) -> None:
        small_disk.mount_disk(data_directory(), megabytes)

    def mount_ext4(self, megabytes: int) -> None:
        small_disk.mount_ext4(data_directory(), megabytes)

    def break_disk(self) -> None:
        small_disk.break_disk(data_directory())

    def fill_disk(self) -> None:
        small_disk.fill_disk(data_directory())

    def remount_read_only(self) -> None:
        small_disk.remount_read_only(data_directory())

    def log_in_another_process(self, first: int, end: int) -> None:
        """One that ends, and leaves no file open."""
        subprocess.run(
            [sys.executable, "-m", "tests.tracked_application", str(self.client_id), self.keys],
            input=f"log_all {first} {end}\n",
            text=True,
            check=True,
            capture_output=True,
        )

    def make_room(self) -> None:
        small_disk.make_room(data_directory())

    def replay(self) -> str:
        """What `python -m analytics spool --replay` says here, where this process has its own disk."""
        return subprocess.run(
            [sys.executable, "-m", "analytics", "spool", "--replay"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def refuse_threads(self) -> None:
        """As on a machine that runs as many threads as it may: no stack of this size can be had."""
        threading.stack_size(1 << 46)

    def fork_while_logging(self, children: int, calls: int) -> None:
        """Two threads log while the process forks; each child logs as many, and ends as applications do."""
        threads = [
            threading.Thread(target=self.log_all, args=(thread * calls, (thread + 1) * calls))
            for thread in range(2)
        ]
        for thread in threads:
            thread.start()
        forked = [self._fork(2 + child, calls) for child in range(children)]
        for thread in threads:
            thread.join()
        for child in forked:
            _require_success(child)

    def _fork(self, place: int, calls: int) -> int:
        if child := os.fork():
            return child
        self.log_all(place * calls, (place + 1) * calls)
        sys.exit()

    def start_multiprocessing(self, children: int, calls: int) -> None:
        """As above, with multiprocessing, whose children end without atexit."""
        context = multiprocessing.get_context("fork")
        workers = [
            context.Process(target=self.log_all, args=(place * calls, (place + 1) * calls))
            for place in range(1, children + 1)
        ]
        for worker in workers:
            worker.start()
        self.log_all(0, calls)
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0

    def orphan(self, calls: int) -> None:
        """The parent has logged and goes; its child logs on, and is killed."""
        self.log_one(0)
        has_logged, log_on = os.pipe(), os.pipe()
        child = os.fork()
        if not child:
            self.log_one(1)
            os.write(has_logged[1], b"!")
            os.read(log_on[0], 1)
            self.log_all(2, calls)
            os.kill(os.getpid(), signal.SIGKILL)
        os.read(has_logged[0], 1)
        analytics.close(1)
        os.write(log_on[1], b"!")
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL

    def fork_while_shipping(self) -> dict[str, bool]:
        """Who may ship: somebody else while the parent does, in spite of the fork; the child after that."""
        self.log_one(0)
        assert self.flush()
        reading, writing = os.pipe()
        with _spool().only_shipper() as is_chosen:
            assert is_chosen
            child = os.fork()
            if not child:
                os.read(reading, 1)
                with _spool().only_shipper() as is_child_chosen:
                    os._exit(not is_child_chosen)
            with closing(Spool(_spool().path, max_calls=1)) as other, other.only_shipper() as is_other_chosen:
                pass
        os.write(writing, b"!")
        return {"somebody else": is_other_chosen, "child": os.waitpid(child, 0)[1] == 0}


def _spool() -> Spool:
    """That of this process's tracker."""
    assert process.current is not None
    spool = process.current._shipper.spool
    assert spool is not None
    return spool


def _require_success(child: int) -> None:
    _, status = os.waitpid(child, 0)
    assert status == 0


def _say(line: str) -> None:
    # Not print(): what is buffered would be lost by a kill, and doubled by a fork.
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    _Inside(UUID(sys.argv[1]), sys.argv[2]).run()
