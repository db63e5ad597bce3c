"""Never lost, never twice: processes, disks and servers fail, and each call that was taken is there once."""

import logging
import os
import random
import secrets
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner

import analytics
from analytics.__main__ import main
from analytics.database import Database
from analytics.tracking import renewal
from analytics.tracking.spool import Spool
from tests import factories, small_disk
from tests.connections import dsn
from tests.own_server import own_server
from tests.tcp_proxy import TcpProxy
from tests.tracked_application import Application
from tests.tracked_calls import log_call, require_stored_once, stored_numbers

mounts = pytest.mark.skipif(small_disk.mounting() is None, reason="this system lets nobody mount a disk")
breaks = pytest.mark.skipif(not small_disk.can_break(), reason="only root can break a disk, on Linux")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


@pytest.fixture
def proxy(database: Database) -> Iterator[TcpProxy]:
    with TcpProxy(database.url) as proxy:
        yield proxy


@pytest.fixture
def log_of_errors(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.ERROR, "analytics.tracking"):
        yield caplog


def replay(database: Database, directory: Path, *options: str) -> str:
    """What `python -m analytics spool --replay` says."""
    environment = {"DATABASE_URL": dsn(database.url), "USAGE_DATA_DIR": str(directory)}
    replayed = CliRunner().invoke(main, ["spool", "--replay", *options], env=environment)
    assert replayed.exit_code == 0, replayed.output
    return replayed.output


def waiting(directory: Path) -> int:
    """How many calls the one spool in the directory holds."""
    [path] = directory.glob("spool/*.db")
    with closing(Spool(path, max_calls=1)) as spool:
        return spool.waiting()


def test_killed_in_mid_stream(database: Database, acme: UUID, tmp_path: Path) -> None:
    taken: list[int] = []
    in_flight = 0
    for _ in range(3):
        first = len(taken) + in_flight
        with Application(acme, database.url, tmp_path) as application:
            application.tell("log", first, first + 1_000_000)
            heard = application.heard(random.randrange(3_000, 10_000))
            heard += application.kill()
        taken += heard
        in_flight += 1  # the call after the last one that was taken may be there, or not

    replay(database, tmp_path)

    # A call whose logging did not return is allowed to be there; of those that returned none may be missing.
    stored = stored_numbers(database)
    assert set(taken) <= set(stored)
    assert len(stored) - len(taken) <= in_flight
    require_stored_once(database, stored)
    assert waiting(tmp_path) == 0


def test_what_a_killed_process_left_is_shipped_by_the_next(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path
) -> None:
    proxy.go_away()
    with Application(acme, proxy.url, tmp_path) as application:
        application.tell("log", 0, 200)
        taken = application.heard(200)
        application.kill()
    proxy.come_back()

    with Application(acme, proxy.url, tmp_path) as application:
        assert application.ask("log_all", 200, 201) is None
        assert application.end() == ""

    require_stored_once(database, [*taken, 200])


def test_postgresql_stopped_and_started_while_calls_are_logged(tmp_path: Path) -> None:
    with own_server() as (server, database):
        acme = factories.client(database)
        with Application(acme, database.url, tmp_path) as application:
            application.tell("log", 0, 500)
            numbers = application.heard(500)
            for mode in ("fast", "immediate"):
                server.stop(mode)
                application.tell("log", len(numbers), len(numbers) + 500)
                numbers += application.heard(500)
                assert application.ask("stats")["waiting"] >= 500
                # In the middle of this batch it is back.
                application.tell("log", len(numbers), len(numbers) + 5_000)
                server.start()
                numbers += application.heard(5_000)
            assert application.ask("flush")
            stats = application.ask("stats")
            errors = application.end()

        require_stored_once(database, numbers)
        assert (stats["logged"], stats["waiting"], stats["lost"]) == (11_500, 0, 0)
        assert "calls cannot be shipped and wait: cannot reach" in errors
        assert "Traceback" not in errors


@pytest.mark.usefixtures("tracker")
@pytest.mark.parametrize("client_bytes", [1_000, 20_000, 200_000])
def test_cut_in_mid_copy(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path, client_bytes: int
) -> None:
    analytics.configure(database_url=dsn(proxy.url), directory=tmp_path)
    proxy.cut_after(client_bytes)

    for number in range(1_000):
        log_call(acme, number)

    assert analytics.flush()
    require_stored_once(database, range(1_000))
    assert proxy.cuts == 1
    assert (analytics.stats().stored, analytics.stats().already_there) == (1_000, 0)


@pytest.mark.usefixtures("tracker")
def test_cut_after_the_commit_and_before_its_answer(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path
) -> None:
    analytics.configure(database_url=dsn(proxy.url), directory=tmp_path)
    log_call(acme, 0)
    assert analytics.flush()  # the first connection has transactions of its own
    proxy.go_away()
    for number in range(1, 1_001):
        log_call(acme, number)
    proxy.cut_at_answer_to(b"COMMIT\0")
    proxy.come_back()

    assert analytics.flush()

    require_stored_once(database, range(1_001))
    assert proxy.cuts == 1
    stats = analytics.stats()
    assert stats.stored + stats.already_there == 1_001
    # The batch of whose commit nobody heard: of the calls, those that were logged when it was read.
    assert stats.already_there > 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_full_disk(database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path) -> None:
    proxy.go_away()
    with Application(acme, proxy.url, tmp_path) as application:
        application.ask("log_all", 0, 100)
        application.ask("limit_files", 300_000)
        application.tell("log", 100, 3_000)
        application.heard(2_900)
        stats = application.ask("stats")
        assert stats["in_memory"] > 0
        assert (stats["logged"], stats["waiting"] + stats["in_memory"], stats["lost"]) == (3_000, 3_000, 0)

        proxy.come_back()
        assert application.ask("flush")
        stats = application.ask("stats")
        assert (stats["waiting"], stats["in_memory"], stats["lost"]) == (0, 0, 0)
        require_stored_once(database, range(3_000))

        # And when there is room again, the disk is where calls wait.
        application.ask("limit_files", 0)
        proxy.go_away()
        application.ask("log_all", 3_000, 3_100)
        assert application.ask("stats")["in_memory"] == 0
        errors = application.end()
        proxy.come_back()

    replay(database, tmp_path, "--file", str(next(tmp_path.glob("spool/*.db"))))
    require_stored_once(database, range(3_100))
    assert "the spool takes no calls" in errors
    assert "Traceback" not in errors


def test_many_processes_share_a_spool(database: Database, acme: UUID, tmp_path: Path) -> None:
    with ExitStack() as running:
        applications = [
            running.enter_context(Application(acme, database.url, tmp_path, keys="call ")) for _ in range(4)
        ]
        # The last 1,000 of each are logged by the next one, too.
        for place, application in enumerate(applications):
            application.tell("log_all", place * 2_000, place * 2_000 + 3_000)
        assert [application.end() for application in applications] == [""] * 4

    require_stored_once(database, range(9_000))
    assert waiting(tmp_path) == 0


@forks
def test_forks_while_threads_are_logging(database: Database, acme: UUID, tmp_path: Path) -> None:
    with Application(acme, database.url, tmp_path) as application:
        application.ask("fork_while_logging", 6, 300)
        assert application.end() == ""

    replay(database, tmp_path)
    require_stored_once(database, range(8 * 300))


@forks
def test_multiprocessing_children_log_while_their_parent_does(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    with Application(acme, database.url, tmp_path) as application:
        application.ask("start_multiprocessing", 4, 300)
        assert application.ask("flush")
        assert application.end() == ""

    require_stored_once(database, range(5 * 300))


@forks
def test_a_child_outlives_its_parents_tracker_and_is_killed(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path
) -> None:
    proxy.go_away()
    with Application(acme, proxy.url, tmp_path) as application:
        application.ask("orphan", 500)
        application.end()

    replay(database, tmp_path, "--file", str(next(tmp_path.glob("spool/*.db"))))
    require_stored_once(database, range(500))


def test_an_application_that_logs_and_ends(database: Database, acme: UUID, tmp_path: Path) -> None:
    with Application(acme, database.url, tmp_path) as application:
        application.ask("log_all", 0, 3)
        assert application.end() == ""

    require_stored_once(database, range(3))
    assert waiting(tmp_path) == 0


def test_an_application_that_ends_while_the_database_is_away_leaves_its_calls_on_disk(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path
) -> None:
    proxy.go_away()
    with Application(acme, proxy.url, tmp_path) as application:
        application.ask("log_all", 0, 3)
        errors = application.end()

    assert errors.count("\n") == 1
    assert "calls cannot be shipped and wait: cannot reach" in errors
    assert waiting(tmp_path) == 3


def test_an_application_ends_although_the_database_is_silent(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    # Connections are taken by the operating system, and nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = database.url.set(host="127.0.0.1", port=silent.getsockname()[1], query={})
        with Application(acme, url, tmp_path) as application:
            application.ask("log_all", 0, 3)
            errors = application.end()

    assert "Traceback" not in errors
    assert waiting(tmp_path) == 3


def test_calls_wait_where_no_thread_can_be_started(database: Database, acme: UUID, tmp_path: Path) -> None:
    with Application(acme, database.url, tmp_path) as application:
        application.ask("refuse_threads")
        application.ask("log_all", 0, 3)
        assert application.ask("stats")["waiting"] == 3
        errors = application.end()

    # At the end the main thread ships them.
    require_stored_once(database, range(3))
    assert errors.count("\n") == 1
    assert "no thread can be started to ship them" in errors


@pytest.mark.usefixtures("tracker")
def test_calls_that_the_spool_did_not_take_are_flushed_when_it_takes_them_again(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path
) -> None:
    analytics.configure(database_url=dsn(proxy.url), directory=tmp_path)
    proxy.go_away()
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as busy:
        busy.execute("begin immediate")
        for number in range(3):
            log_call(acme, number)
        assert analytics.stats().in_memory == 3

    # They are in the spool by now, and that is not enough.
    assert not analytics.flush(timeout_seconds=1)
    assert (analytics.stats().in_memory, analytics.stats().waiting) == (0, 3)
    proxy.come_back()
    assert analytics.flush()
    require_stored_once(database, range(3))


@pytest.mark.usefixtures("tracker")
def test_the_tracker_is_replaced_while_threads_are_logging(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    def log_some(thread: int) -> None:
        for number in range(thread * 2_000, (thread + 1) * 2_000):
            log_call(acme, number)

    with ThreadPoolExecutor(3) as threads:
        logging_threads = [threads.submit(log_some, thread) for thread in range(3)]
        while not all(thread.done() for thread in logging_threads):
            analytics.configure(database_url=dsn(database.url), directory=tmp_path)

    analytics.configure(database_url=dsn(database.url), directory=tmp_path)
    assert analytics.flush()
    assert analytics.stats().in_memory == 0
    require_stored_once(database, range(6_000))


def _each(pattern: str, harm: Callable[[Path], object]) -> Callable[[Path], None]:
    def do(spool: Path) -> None:
        for path in sorted(spool.glob(pattern)):
            harm(path)

    return do


def _cut(path: Path) -> None:
    os.truncate(path, 0)


def _overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(secrets.token_bytes(path.stat().st_size))


def _replace(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"no spool " * 500)


def _restore_older(spool: Path) -> None:
    """As `cp -r backup/. spool/` does, into the same files."""
    for path in (spool.parent / "backup").iterdir():
        shutil.copyfile(path, spool / path.name)


def _restore_older_directory(spool: Path) -> None:
    shutil.rmtree(spool)
    (spool.parent / "backup").rename(spool)


HARM: dict[str, Callable[[Path], object]] = {
    "directory removed": shutil.rmtree,
    "directory renamed": lambda spool: spool.rename(spool.with_name("renamed")),
    "table removed": _each("*.db", Path.unlink),
    "log removed": _each("*.db-wal", Path.unlink),
    "index removed": _each("*.db-shm", Path.unlink),
    "table cut": _each("*.db", _cut),
    "log cut": _each("*.db-wal", _cut),
    "index cut": _each("*.db-shm", _cut),
    "all cut": _each("*.db*", _cut),
    "table overwritten": _each("*.db", _overwrite),
    "table and log overwritten": _each("*.db*[!m]", _overwrite),
    "table and log cut": _each("*.db*[!m]", _cut),
    "table replaced": _each("*.db", _replace),
    "restored from a backup": _restore_older,
    "restored as a directory": _restore_older_directory,
}


@pytest.mark.parametrize("is_away", [False, True], ids=["database up", "database away"])
@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_a_spool_that_is_harmed_while_it_is_used_loses_nothing_that_memory_has(
    database: Database,
    proxy: TcpProxy,
    acme: UUID,
    tmp_path: Path,
    harm: Callable[[Path], object],
    is_away: bool,
) -> None:
    spool = tmp_path / "spool"
    with Application(acme, proxy.url, tmp_path) as application:
        if is_away:
            proxy.go_away()
        application.ask("log_all", 0, 100)
        shutil.copytree(spool, tmp_path / "backup")
        application.ask("log_all", 100, 300)
        harm(spool)
        application.ask("log_all", 300, 600)
        proxy.come_back()

        assert application.ask("flush")
        stats = application.ask("stats")
        errors = application.end()

    assert (stats["logged"], stats["waiting"], stats["in_memory"], stats["lost"]) == (600, 0, 0, 0)
    require_stored_once(database, range(600))
    assert "Traceback" not in errors
    assert waiting(tmp_path) == 0


@pytest.mark.usefixtures("tracker")
@pytest.mark.parametrize("harm", ["table and log cut", "directory removed"])
def test_what_is_lost_with_a_spool_is_counted(
    database: Database,
    proxy: TcpProxy,
    acme: UUID,
    tmp_path: Path,
    log_of_errors: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    harm: str,
) -> None:
    spool = tmp_path / "spool"
    monkeypatch.setattr(renewal, "COPIES", 40)
    analytics.configure(database_url=dsn(proxy.url), directory=spool)
    proxy.go_away()
    for number in range(100):
        log_call(acme, number)
    HARM[harm](spool)
    log_call(acme, 100)

    stats = analytics.stats()
    proxy.come_back()
    assert analytics.flush()

    lost = 0 if harm == "directory removed" else 61
    assert (stats.logged, stats.lost) == (101, lost)
    assert analytics.stats().stored == 101 - lost
    require_stored_once(database, range(lost, 101))
    assert f"{lost} are lost" in log_of_errors.text


@mounts
def test_a_full_disk_ships_while_the_database_is_up_and_is_used_again_when_it_has_room(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path
) -> None:
    beginning = small_disk.mounting() or ()
    with Application(acme, proxy.url, tmp_path / "disk", beginning=beginning) as application:
        application.ask("mount_disk", 4)
        application.ask("log_all", 0, 300)
        application.ask("fill_disk")
        application.ask("log_all", 300, 600)
        assert application.ask("flush")
        stats = application.ask("stats")
        assert (stats["waiting"], stats["in_memory"], stats["lost"]) == (0, 0, 0)
        require_stored_once(database, range(600))

        # What waits on disk and in memory comes, too, without room.
        application.ask("make_room")
        proxy.go_away()
        application.ask("log_all", 600, 800)
        application.ask("fill_disk")
        application.ask("log_all", 800, 1_000)
        stats = application.ask("stats")
        assert (stats["waiting"] + stats["in_memory"], stats["lost"]) == (400, 0)
        assert stats["in_memory"] > 0
        proxy.come_back()
        assert application.ask("flush")
        require_stored_once(database, range(1_000))

        application.ask("make_room")
        proxy.go_away()
        application.ask("log_all", 1_000, 1_100)
        assert application.ask("stats")["in_memory"] == 0
        proxy.come_back()
        assert application.ask("flush")
        assert application.ask("replay") == "0 calls stored, 0 there already, 0 set aside\n"
        errors = application.end()

    require_stored_once(database, range(1_100))
    assert "the spool takes no calls (database or disk is full)" in errors
    assert "Traceback" not in errors


@breaks
@pytest.mark.parametrize("is_away", [False, True], ids=["database up", "database away"])
def test_a_disk_that_turns_read_only(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path, is_away: bool
) -> None:
    beginning = small_disk.mounting() or ()
    with Application(acme, proxy.url, tmp_path / "disk", beginning=beginning) as application:
        application.ask("mount_ext4", 16)
        if is_away:
            proxy.go_away()
        application.ask("log_all", 0, 300)
        application.ask("break_disk")
        application.ask("log_all", 300, 600)
        stats = application.ask("stats")
        assert (stats["logged"], stats["lost"]) == (600, 0)
        proxy.come_back()

        assert application.ask("flush")
        stats = application.ask("stats")
        assert (stats["waiting"], stats["in_memory"], stats["lost"]) == (0, 0, 0)
        assert "cannot be written" in application.ask("replay")
        assert "Traceback" not in application.end()

    require_stored_once(database, range(600))


@pytest.mark.usefixtures("tracker")
def test_a_spool_whose_directory_cannot_be_made_begins_when_it_can(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path, log_of_errors: pytest.LogCaptureFixture
) -> None:
    proxy.go_away()
    place = tmp_path / "elsewhere"
    place.write_text("no directory")
    analytics.configure(database_url=dsn(proxy.url), directory=place)
    log_call(acme, 0)
    assert (analytics.stats().in_memory, analytics.stats().waiting) == (1, 0)

    place.unlink()
    assert not analytics.flush(timeout_seconds=0.5)
    assert (analytics.stats().in_memory, analytics.stats().waiting) == (0, 1)

    proxy.come_back()
    assert analytics.flush()
    require_stored_once(database, range(1))
    assert f"no spool at {place}/" in log_of_errors.text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be somebody else")
def test_permissions_that_are_taken_away_while_the_spool_is_open(
    database: Database, proxy: TcpProxy, acme: UUID, tmp_path: Path
) -> None:
    # Root is never refused, so that the application is somebody else, who may go through pytest's directory.
    with tempfile.TemporaryDirectory(prefix="usage-spool-") as place:
        directory = Path(place)
        os.chown(directory, 65_534, 65_534)
        beginning = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        with Application(acme, proxy.url, directory, beginning=beginning) as application:
            proxy.go_away()
            application.ask("log_all", 0, 100)
            spool = directory / "spool"
            spool.chmod(0)
            application.ask("log_all", 100, 200)
            stats = application.ask("stats")
            assert (stats["waiting"] + stats["in_memory"], stats["lost"]) == (200, 0)
            proxy.come_back()
            assert application.ask("flush")
            assert "Traceback" not in application.end()

    require_stored_once(database, range(200))


@pytest.mark.usefixtures("tracker")
def test_a_spool_that_is_damaged_when_it_is_opened_is_kept_aside_and_a_new_one_begins(
    database: Database, acme: UUID, tmp_path: Path, log_of_errors: pytest.LogCaptureFixture
) -> None:
    analytics.configure(database_url=dsn(database.url), directory=tmp_path)
    log_call(acme, 0)
    assert analytics.flush()
    analytics.close()
    [path] = tmp_path.glob("*.db")
    noise = secrets.token_bytes(5_000)
    path.write_bytes(noise)

    analytics.configure(database_url=dsn(database.url), directory=tmp_path)
    log_call(acme, 1)

    assert analytics.flush()
    require_stored_once(database, range(2))
    [damaged] = tmp_path.glob("*.damaged-*")
    assert damaged.read_bytes() == noise
    assert f"{path} is damaged (file is not a database): it is kept as {damaged}" in log_of_errors.text
