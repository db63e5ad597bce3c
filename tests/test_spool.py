"""The file of waiting calls, and the command that shows it."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

import analytics
from analytics.__main__ import main
from analytics.database import Database
from analytics.tracking import spool as spool_module
from analytics.tracking.spool import Spool, SpoolFull
from tests import factories, small_disk
from tests.connections import dsn
from tests.tcp_proxy import TcpProxy
from tests.tracked_application import Application
from tests.tracked_calls import log_call, require_stored_once, stored_numbers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "calls.db"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    with closing(Spool(path, max_calls=3)) as spool:
        yield spool


def append(spool: Spool, *lines: str) -> None:
    for line in lines:
        spool.append("1", line)


def lines(spool: Spool) -> list[str]:
    return [call.line for call in spool.read(100)]


def test_calls_are_read_in_the_order_of_their_logging(spool: Spool) -> None:
    append(spool, "a", "b")
    spool.append_many([("2", "c")])

    assert [(call.price_revision, call.line) for call in spool.read(100)] == [
        ("1", "a"),
        ("1", "b"),
        ("2", "c"),
    ]
    assert [call.line for call in spool.read(2)] == ["a", "b"]


def test_what_was_shipped_is_not_read_again(spool: Spool, path: Path) -> None:
    append(spool, "a", "b", "c")

    spool.mark_shipped(spool.read(2)[-1].number)

    assert lines(spool) == ["c"]
    assert spool.waiting() == 1
    with closing(Spool(path, max_calls=3)) as other:
        assert lines(other) == ["c"]


def test_a_process_that_is_late_does_not_take_shipping_back(spool: Spool, path: Path) -> None:
    append(spool, "a", "b", "c")
    first, _, last = spool.read(3)

    with closing(Spool(path, max_calls=3)) as other:
        other.mark_shipped(last.number)
        spool.mark_shipped(first.number)

        assert (spool.waiting(), other.waiting()) == (0, 0)
    with closing(Spool(path, max_calls=3)) as later:
        assert lines(later) == []


def test_numbers_never_come_again(spool: Spool, path: Path) -> None:
    append(spool, "a", "b")
    shipped = spool.read(2)
    spool.mark_shipped(shipped[-1].number)
    spool.close()

    with closing(Spool(path, max_calls=3)) as later:
        append(later, "c")
        [call] = later.read(100)

    assert call.number > shipped[-1].number


def test_a_full_spool_has_room_again_when_its_calls_are_shipped(spool: Spool, path: Path) -> None:
    append(spool, "a", "b", "c")

    with pytest.raises(SpoolFull, match=rf"^3 calls are waiting in {path}: no more are kept there$"):
        append(spool, "d")
    with pytest.raises(SpoolFull):
        spool.append_many([("1", "d")])
    # Another process ships them.
    with closing(Spool(path, max_calls=3)) as other:
        other.mark_shipped(other.read(2)[-1].number)
    spool.append_many([("1", "d"), ("1", "e")])

    assert lines(spool) == ["c", "d", "e"]
    with pytest.raises(SpoolFull):
        append(spool, "f")


def test_many_calls_are_kept_together_or_not_at_all(spool: Spool) -> None:
    append(spool, "a")

    with pytest.raises(SpoolFull):
        spool.append_many([("1", "b"), ("1", "c"), ("1", "d")])

    assert lines(spool) == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_nobody_else_may_read_it(spool: Spool, path: Path) -> None:
    append(spool, "a")

    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.glob("*.db*")} == {0o600}
    assert len(list(path.parent.glob("*.db*"))) == 3


def test_calls_that_were_set_aside_are_replayed_after_what_waits(spool: Spool) -> None:
    append(spool, "a", "b", "c")
    first, second, _ = spool.read(3)

    spool.mark_shipped(second.number, [(first, "no such client")])
    [aside] = spool.set_aside()
    assert (aside.line, aside.error, spool.count_set_aside()) == ("a", "no such client", 1)
    assert spool.replay() == 1

    assert lines(spool) == ["c", "a"]
    assert (spool.waiting(), spool.count_set_aside(), spool.replay()) == (2, 0, 0)


def test_one_ships_at_a_time(spool: Spool, path: Path) -> None:
    with closing(Spool(path, max_calls=3)) as other, spool.only_shipper() as is_chosen:
        with other.only_shipper() as is_other_chosen, spool.only_shipper() as is_chosen_twice:
            assert (is_chosen, is_other_chosen, is_chosen_twice) == (True, False, False)
        with other.only_shipper() as is_other_chosen:
            assert not is_other_chosen
    with closing(Spool(path, max_calls=3)) as other, other.only_shipper() as is_chosen:
        assert is_chosen


def test_who_only_tries_to_ship_keeps_nobody_from_it(spool: Spool, path: Path) -> None:
    with closing(sqlite3.connect(path.with_suffix(".lock"), isolation_level=None)) as trying:
        # As far as another process is when it asks for the lock.
        trying.execute("begin")
        trying.execute("select * from sqlite_master").fetchall()

        with spool.only_shipper() as is_chosen:
            assert is_chosen


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_was_forked_while_its_parent_shipped_may_ship_after_it(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    with Application(acme, database.url, tmp_path) as application:
        assert application.ask("fork_while_shipping") == {"somebody else": False, "child": True}
        application.end()


def test_many_open_a_new_spool_at_once(path: Path) -> None:
    def open_one(_: int) -> None:
        Spool(path, max_calls=100).close()

    for _ in range(20):
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(open_one, range(8)))
        for file in path.parent.iterdir():
            file.unlink()


def test_the_log_does_not_grow_while_the_database_is_away(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    with TcpProxy(database.url) as proxy:
        proxy.go_away()
        analytics.configure(database_url=dsn(proxy.url), directory=tmp_path, synchronous=True)
        for number in range(300):
            log_call(acme, number)
        [log] = tmp_path.glob("*.db-wal")
        size = log.stat().st_size
        assert analytics.stats().waiting == 300
        proxy.come_back()
        assert analytics.flush()
        analytics.close()

    # A call takes a kilobyte and more in the log.
    assert size < 100_000
    require_stored_once(database, range(300))


def test_a_log_that_is_long_begins_anew(spool: Spool, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "MANY_LOG_BYTES", 10_000)
    append(spool, "a" * 20_000, "b")
    log = path.with_name(f"{path.name}-wal")
    assert log.stat().st_size > 10_000

    spool.tidy()

    assert log.stat().st_size == 0
    assert [line[0] for line in lines(spool)] == ["a", "b"]


class Command:
    """`python -m analytics spool`, of a machine with one database."""

    def __init__(self, database: Database, directory: Path) -> None:
        self._environment = {"DATABASE_URL": dsn(database.url), "USAGE_DATA_DIR": str(directory)}
        self.directory = directory / "spool"

    def __call__(self, *options: str) -> Result:
        return CliRunner().invoke(main, ["spool", *options], env=self._environment)

    @property
    def path(self) -> Path:
        [path] = self.directory.glob("test_*.db")
        return path


@pytest.fixture
def command(database: Database, tmp_path: Path) -> Command:
    return Command(database, tmp_path)


def log_while_away(database: Database, directory: Path, client_id: UUID, calls: int) -> None:
    """Leaves calls in the spool of this database, as if it had been away."""
    analytics.configure(database_url=dsn(database.url), directory=directory, synchronous=True)
    [path] = directory.glob("test_*.db")
    with closing(Spool(path, max_calls=1)) as spool, spool.only_shipper():
        for number in range(calls):
            log_call(client_id, number)
        analytics.close(0)


def test_the_command_without_a_spool(command: Command) -> None:
    for options in ((), ("--replay",)):
        result = command(*options)

        assert result.exit_code == 0
        assert "there is no spool at " in result.output
        assert not command.directory.exists()


def test_the_command_shows_what_waits_and_ships_it(command: Command, database: Database, acme: UUID) -> None:
    log_while_away(database, command.directory, acme, 3)

    shown = command().output.splitlines()

    assert shown[0] == f"3 calls waiting in {command.path}, which holds 1,000,000 at most"
    assert shown[1].startswith("the oldest was made at 20")
    assert shown[2:] == ['ship them with "python -m analytics spool --replay"']
    assert command("--replay").output == "3 calls stored, 0 there already, 0 set aside\n"
    assert command("--replay").output == "0 calls stored, 0 there already, 0 set aside\n"
    require_stored_once(database, range(3))


def test_the_command_shows_what_was_set_aside(command: Command, database: Database) -> None:
    late = uuid4()
    log_while_away(database, command.directory, late, 2)

    assert command("--replay").output.startswith("0 calls stored, 0 there already, 2 set aside\n")
    assert f"2 calls set aside: no client has the id {late}" in command().output
    factories.client(database, "Late", id=late)

    assert command("--replay").output == "2 calls stored, 0 there already, 0 set aside\n"
    require_stored_once(database, range(2))


def test_the_command_names_the_spools_of_other_databases(
    command: Command, database: Database, acme: UUID
) -> None:
    log_while_away(database, command.directory, acme, 1)
    with closing(Spool(command.directory / "other.db", max_calls=10)) as other:
        append(other, "a", "b")

    shown = command().output.splitlines()

    place = command.directory / "other.db"
    assert shown[-1] == f"2 calls in the spool of another database: --file {place}"


def test_the_command_says_who_is_shipping(command: Command, database: Database, acme: UUID) -> None:
    log_while_away(database, command.directory, acme, 1)

    with closing(Spool(command.path, max_calls=1)) as running, running.only_shipper():
        result = command("--replay")

    assert result.exit_code == 1
    assert "error: 1 call still waiting: a running application is shipping them" in result.output


@pytest.mark.parametrize("options", [(), ("--replay",)])
def test_a_file_that_is_no_spool_gives_one_clear_line(
    command: Command, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a spool, and long enough to be looked at " * 100)

    result = command("--file", str(file), *options)

    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == (
        f"error: {file} cannot be read as a spool: file is not a database"
    )
    assert "Traceback" not in result.output


def test_somebody_elses_database_is_no_spool_and_stays_as_it_is(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("create table calls (of_somebody_else)")
    before = file.read_bytes()

    for options in ((), ("--replay",)):
        result = command("--file", str(file), *options)

        assert result.exit_code == 1
        assert result.output == f"error: {file} cannot be read as a spool: it has no table set_aside\n"
    assert file.read_bytes() == before


def test_what_can_be_read_of_a_damaged_file_is_shipped(
    command: Command, database: Database, acme: UUID
) -> None:
    log_while_away(database, command.directory, acme, 200)
    size = command.path.stat().st_size
    with command.path.open("r+b") as file:
        file.seek(size // 2 // 2_048 * 2_048)
        file.write(b"\0" * (size // 4))

    result = command("--replay")

    assert result.exit_code == 1
    stored = len(stored_numbers(database))
    assert 0 < stored < 200
    assert result.output.startswith(f"{stored} calls stored, 0 there already, 0 set aside\n")
    assert f"is damaged: {200 - stored} calls could not be read" in result.output
    assert "Traceback" not in result.output


def test_a_table_that_was_cut_to_nothing_is_read_from_its_log(
    database: Database, acme: UUID, tmp_path: Path, command: Command
) -> None:
    with TcpProxy(database.url) as proxy:
        proxy.go_away()
        with Application(acme, proxy.url, tmp_path) as application:
            application.ask("log_all", 0, 100)
            application.kill()
    [path] = command.directory.glob("*.db")
    os.truncate(path, 0)

    result = command("--file", str(path), "--replay")

    assert result.output == "100 calls stored, 0 there already, 0 set aside\n"
    require_stored_once(database, range(100))


def test_a_file_that_another_process_has_locked_is_said_to_be(
    command: Command, database: Database, acme: UUID
) -> None:
    log_while_away(database, command.directory, acme, 1)
    with closing(sqlite3.connect(command.path, isolation_level=None)) as other:
        other.execute("begin exclusive")
        result = command("--replay")

    assert result.exit_code == 1
    assert "another process has locked it" in result.output
    assert "Traceback" not in result.output


def test_a_directory_that_is_a_file_has_no_spool(command: Command) -> None:
    command.directory.write_text("no directory")

    for options in ((), ("--replay",)):
        result = command(*options)

        assert result.exit_code == 0
        assert "there is no spool at " in result.output


@pytest.mark.skipif(small_disk.mounting() is None, reason="this system lets nobody mount a disk")
@pytest.mark.parametrize("is_read_only", [False, True], ids=["full", "read-only"])
def test_a_spool_on_a_disk_without_room_is_shipped(
    database: Database, acme: UUID, tmp_path: Path, is_read_only: bool
) -> None:
    beginning = small_disk.mounting() or ()
    with (
        TcpProxy(database.url) as proxy,
        Application(acme, proxy.url, tmp_path / "disk", beginning=beginning) as application,
    ):
        application.ask("mount_disk", 2)
        proxy.go_away()
        application.ask("log_in_another_process", 0, 100)
        application.ask("remount_read_only" if is_read_only else "fill_disk")
        proxy.come_back()
        first, second = application.ask("replay"), application.ask("replay")
        application.end()

    assert first.startswith("100 calls stored, 0 there already")
    assert second.startswith("0 calls stored, 100 there already")
    assert "cannot be written" in first
    require_stored_once(database, range(100))


def test_a_missing_file_is_named(command: Command, tmp_path: Path) -> None:
    result = command("--file", str(tmp_path / "missing.db"))

    assert result.exit_code == 2
    assert f"'{tmp_path / 'missing.db'}' does not exist" in result.output
