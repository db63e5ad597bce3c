"""`make soak`: the faults of test_tracking_faults.py at full size, all on one spool, and then a count.

Each call has an id of its own. One whose logging a kill interrupted is logged again under the same id, so
that at the end exactly as many rows must be there as there were calls.
"""

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from analytics.database import Database
from analytics.formatting import counted
from analytics.tracking.shipping import Shipper
from analytics.tracking.spool import Spool
from tests import factories, small_disk
from tests.own_server import OwnServer, own_server
from tests.tcp_proxy import TcpProxy
from tests.tracked_application import Application
from tests.tracked_calls import cost_usd, require_stored_once

PROCESSES = 4
# A full disk leaves memory, which holds so many calls; more would be lost, as documented.
CALLS_IN_MEMORY = 2_000
DISK_MEGABYTES = 200
_IN_OWN_NAMESPACE = "USAGE_SOAK_MAY_MOUNT"


class Worker:
    """An application that is started again after each kill."""

    def __init__(self, client_id: UUID, proxy: TcpProxy, directory: Path) -> None:
        self.kills = 0
        self._start = partial(Application, client_id, proxy.url, directory, keys="call ")
        self.application = self._start()

    def log(self, numbers: range) -> None:
        self.application.tell("log", numbers.start, numbers.stop)
        assert self.application.heard(len(numbers)) == list(numbers)

    def log_and_be_killed(self, numbers: range) -> None:
        """Logs all, in a second process what was not taken when the first one was killed."""
        self.application.tell("log", numbers.start, numbers.stop)
        taken = self.application.heard(random.randrange(len(numbers)))
        taken += self.application.kill()
        self.kills += 1
        assert taken == list(numbers[: len(taken)])
        self.application = self._start()
        self.log(numbers[len(taken) :])

    def end(self) -> None:
        assert "Traceback" not in self.application.end()


class Soak:
    """Calls in phases, each with its fault."""

    def __init__(
        self,
        calls: int,
        server: OwnServer,
        database: Database,
        proxy: TcpProxy,
        directory: Path,
        disk: Path | None,
    ) -> None:
        """`disk`: where the directory's file system is mounted, if it has its own."""
        acme = factories.client(database)
        self.calls = calls
        self.logged = 0
        self.server, self.database, self.proxy = server, database, proxy
        self.directory, self.disk = directory, disk
        self.workers = [Worker(acme, proxy, directory) for _ in range(PROCESSES)]
        self._threads = ThreadPoolExecutor(PROCESSES)
        self._phases: list[tuple[str, Callable[[int], str]]] = [
            ("nothing wrong", self.nothing_wrong),
            ("kill -9", self.kills),
            ("PostgreSQL stopped", self.stops),
            ("connections cut", self.cuts),
            ("files limited", self.limited_files),
            ("spool removed", self.removed),
            ("spool cut", self.cut_files),
            ("all at once", self.all_at_once),
        ]
        if disk is not None:
            self._phases += [("disk full, then room", self.full_disk), ("disk read-only", self.broken_disk)]

    def run(self) -> None:
        """Prints a line per phase.

        Raises:
            AssertionError: a call is missing, or there twice.
        """
        for place, (name, phase) in enumerate(self._phases, start=1):
            began, before = time.monotonic(), self.logged
            what = phase(self.calls * place // len(self._phases) - before)
            seconds = time.monotonic() - began
            print(f"{name:<20}{self.logged - before:>8,} calls {seconds:>6.1f} s   {what}", flush=True)
        for worker in self.workers:
            worker.end()
        self._threads.shutdown()
        sent, waiting = self._replay()
        print(f"{'replay':<20}{sent:>8,} calls            {counted(waiting, 'call')} left", flush=True)
        assert self.logged == self.calls
        require_stored_once(self.database, range(self.calls))

    def nothing_wrong(self, calls: int) -> str:
        for part in _parts(calls, 5):
            self._log(part)
        return f"{PROCESSES} processes, one spool"

    def kills(self, calls: int) -> str:
        before = self._killed()
        for part in _parts(calls, 10):
            self._log(part, Worker.log_and_be_killed)
        return counted(self._killed() - before, "kill")

    def stops(self, calls: int) -> str:
        for place, part in enumerate(_parts(calls, 6)):
            before, away, after = _parts(part, 3)
            with self._logging(before):
                self.server.stop("immediate" if place % 2 else "fast")
            self._log(away)
            with self._logging(after):
                self.server.start()
            self._flush()
        return "6 stops, 3 of them crashes"

    def cuts(self, calls: int) -> str:
        before = self.proxy.cuts
        for place, part in enumerate(_parts(calls, 20)):
            if place % 2:
                self.proxy.cut_at_answer_to(b"COMMIT\0")
            else:
                self.proxy.cut_after(random.randrange(100_000))
            self._log(part)
            self._flush()
        return f"{counted(self.proxy.cuts - before, 'cut')}, in mid COPY and after COMMIT"

    def limited_files(self, calls: int) -> str:
        in_memory = 0
        # Room for some of the calls.
        self._each(lambda worker: worker.application.ask("limit_files", 1_000_000))
        for part in _parts(calls, -(-calls // CALLS_IN_MEMORY)):
            self.proxy.go_away()
            self._log(part)
            in_memory += sum(self._each(lambda worker: int(worker.application.ask("stats")["in_memory"])))
            self.proxy.come_back()
            self._flush()
        self._each(lambda worker: worker.application.ask("limit_files", 0))
        assert in_memory
        return f"{counted(in_memory, 'call')} waited in memory, the others on disk"

    def removed(self, calls: int) -> str:
        """The directory goes while all log; what is in it can still be read by who has it open."""
        for place, part in enumerate(_parts(calls, 6)):
            self._harm(part, lambda: shutil.rmtree(self.directory / "spool"), is_away=bool(place % 2))
        return "6 times, 3 of them while the database was away"

    def cut_files(self, calls: int) -> str:
        for place, part in enumerate(_parts(calls, -(-calls // CALLS_IN_MEMORY))):
            self._harm(part, self._cut, is_away=bool(place % 2))
        return "table and log cut to nothing, with the database up and away"

    def _cut(self) -> None:
        for ending in ("", "-wal"):
            for path in self.directory.glob(f"spool/*.db{ending}"):
                os.truncate(path, 0)

    def _harm(self, calls: int, harm: Callable[[], object], *, is_away: bool) -> None:
        before, after = _parts(calls, 2)
        if is_away:
            self.proxy.go_away()
        self._log(before)
        with self._logging(after):
            harm()
        self.proxy.come_back()
        self._flush()

    def full_disk(self, calls: int) -> str:
        assert self.disk is not None
        in_memory = 0
        for place, part in enumerate(_parts(calls, 2 * -(-calls // CALLS_IN_MEMORY))):
            if place % 2:
                self.proxy.go_away()
            self._log(part // 2)
            small_disk.fill_disk(self.disk)
            self._log(part - part // 2)
            in_memory += sum(self._each(lambda worker: int(worker.application.ask("stats")["in_memory"])))
            self.proxy.come_back()
            self._flush()
            small_disk.make_room(self.disk)
        return f"filled to the last byte, {counted(in_memory, 'call')} waited in memory"

    def broken_disk(self, calls: int) -> str:
        assert self.disk is not None
        before, up, away = _parts(calls, 3)
        self._log(before)
        with self._logging(up):
            small_disk.break_disk(self.disk)
        self._flush()
        for part in _parts(away, -(-away // CALLS_IN_MEMORY)):
            self.proxy.go_away()
            self._log(part)
            self.proxy.come_back()
            self._flush()
        return "an error of the file system, with the database up and away"

    def all_at_once(self, calls: int) -> str:
        killed, cut = self._killed(), self.proxy.cuts
        for place, part in enumerate(_parts(calls, 6)):
            first, second, third = _parts(part, 3)
            with self._logging(first, Worker.log_and_be_killed):
                self.server.stop("fast" if place % 2 else "immediate")
            self.proxy.cut_after(random.randrange(100_000))
            with self._logging(second, Worker.log_and_be_killed):
                self.server.start()
            self.proxy.cut_at_answer_to(b"COMMIT\0")
            self._log(third)
            self._flush()
        return f"{self._killed() - killed} kills, 6 stops, {counted(self.proxy.cuts - cut, 'cut')}"

    def _log(self, calls: int, how: Callable[[Worker, range], None] = Worker.log) -> None:
        with self._logging(calls, how):
            pass

    @contextmanager
    def _logging(self, calls: int, how: Callable[[Worker, range], None] = Worker.log) -> Iterator[None]:
        """All workers log their part while the block does its harm."""
        tasks = []
        for worker, part in zip(self.workers, _parts(calls, PROCESSES), strict=True):
            tasks.append(self._threads.submit(how, worker, range(self.logged, self.logged + part)))
            self.logged += part
        yield
        for task in tasks:
            task.result()

    def _flush(self) -> None:
        flushed = self._each(lambda worker: worker.application.ask("flush"))
        assert all(flushed), self._each(lambda worker: worker.application.ask("stats"))

    def _each(self, task: Callable[[Worker], Any]) -> list[Any]:
        return list(self._threads.map(task, self.workers))

    def _killed(self) -> int:
        return sum(worker.kills for worker in self.workers)

    def _replay(self) -> tuple[int, int]:
        """Ships what the applications left, as `python -m analytics spool --replay` does."""
        place = self.directory / "spool"
        if self.disk is not None:  # by now it can only be read
            place = shutil.copytree(place, self.disk.with_name("copy"))
        [path] = place.glob("*.db")
        with closing(Shipper(Spool(path, max_calls=1), lambda: Database(self.proxy.url))) as shipper:
            assert shipper.spool is not None
            shipper.ship()
            return shipper.shipped.stored + shipper.shipped.already_there, shipper.spool.waiting()


def _parts(total: int, count: int) -> list[int]:
    """`total` in `count` parts that differ by one at most."""
    return [total * (place + 1) // count - total * place // count for place in range(count)]


@click.command()
@click.option("--calls", default=100_000, show_default=True, type=click.IntRange(min=5_000))
def main(calls: int) -> None:
    """Logs calls through kills, stops of PostgreSQL, cuts and failing disks, and counts the rows."""
    if small_disk.can_break() and _IN_OWN_NAMESPACE not in os.environ:
        # What is mounted there goes with this process.
        command = (*(small_disk.mounting() or ()), sys.executable, "-m", "tests.soak", *sys.argv[1:])
        os.execvpe(command[0], command, {**os.environ, _IN_OWN_NAMESPACE: "1"})
    began = time.monotonic()
    with ExitStack() as opened:
        place = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="usage-soak-")))
        directory = place / "disk"
        if _IN_OWN_NAMESPACE in os.environ:
            small_disk.mount_ext4(directory, DISK_MEGABYTES)
            opened.callback(small_disk.unmount, directory)
        else:
            print("nobody may mount a disk here: it is neither filled nor broken")
        server, database = opened.enter_context(own_server())
        proxy = opened.enter_context(TcpProxy(database.url))
        disk = directory if _IN_OWN_NAMESPACE in os.environ else None
        soak = Soak(calls, server, database, proxy, directory, disk)
        for worker in soak.workers:
            opened.callback(lambda worker=worker: worker.application.__exit__(None, None, None))
        try:
            soak.run()
        except AssertionError as error:
            print(f"FAILED: {error}")
            sys.exit(1)
    seconds = time.monotonic() - began
    print(
        f"passed: {calls:,} calls logged, {calls:,} rows, none missing and none twice, "
        f"{cost_usd(range(calls))} USD in calls and rollups alike, in {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
