"""The embedded PostgreSQL: it starts wherever it can, is nobody else's, and ends with its last user."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from sqlalchemy.engine import URL

from analytics import config
from analytics.config import PROJECT_DIRECTORY
from analytics.database import (
    Database,
    Query,
    connect_arguments,
    start_embedded_postgresql,
    stop_embedded_postgresql,
)
from analytics.embedded.account import account
from analytics.embedded.cluster import Cluster
from analytics.errors import DatabaseUnavailable
from tests.other_users import SOMEBODY, SOMEBODY_ELSE, as_user, needs_root, psql

HOLD = """
from analytics.database import start_embedded_postgresql
start_embedded_postgresql()
print("started", flush=True)
input()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that all users can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="usage-embedded-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A data directory with a cluster that does not run. Tests move it to where they want it, and back."""
    with tempfile.TemporaryDirectory(prefix="usage-made-", dir="/tmp") as directory:
        Path(directory).chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("USAGE_DATA_DIR", directory)
            start_embedded_postgresql()
            stop_embedded_postgresql()
        yield Path(directory)


@pytest.fixture
def data(made: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The data directory of this process, with a cluster that does not run yet."""
    directory = place / "data"
    move(made, directory)
    monkeypatch.setenv("USAGE_DATA_DIR", str(directory))
    yield directory
    stop_embedded_postgresql()
    move(directory, made)


def move(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    (source / "postgres").rename(target / "postgres")


def answer(url: URL, statement: str) -> Any:
    with psycopg.connect(**connect_arguments(url)) as connection:
        row = connection.execute(statement).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def sockets_of(url: URL) -> Path:
    return Path(str(url.query["host"]))


def postmaster(data: Path) -> psutil.Process:
    return psutil.Process(int((data / "postgres" / "postmaster.pid").read_text().splitlines()[0]))


# Where it starts -----------------------------------------------------------------------------------


def test_it_is_made_in_a_directory_of_any_name(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = place / 'it\'s a "dir" $HOME `id` \\ é 日本'
    monkeypatch.setenv("USAGE_DATA_DIR", str(data))
    try:
        url = start_embedded_postgresql()
        assert postmaster(data).cwd() == str(data / "postgres")
        # Everything that reads through our own door, too.
        database = Database(url)
        assert database.read(Query(statement="select lower('ÁÉ')"))[0].records == [("áé",)]
        database.close()
    finally:
        stop_embedded_postgresql()


@pytest.mark.parametrize("name", ["a" * 120, "one, two", "line\nline"], ids=["long", "comma", "line break"])
def test_where_a_socket_has_no_room_it_gets_a_closed_directory(
    data: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = data / name
    move(data, elsewhere)
    monkeypatch.setenv("USAGE_DATA_DIR", str(elsewhere))
    try:
        sockets = sockets_of(start_embedded_postgresql())
        found = sockets.lstat()
        assert (stat.S_ISDIR(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o700)
        assert found.st_uid == account().uid
    finally:
        stop_embedded_postgresql()
        move(elsewhere, data)
    assert not sockets.exists()


@pytest.mark.parametrize("temporary", ["missing", "closed", "long", "open to all"])
def test_an_odd_directory_for_temporary_files_does_not_matter(
    data: Path, temporary: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = data / ("a" * 120)
    move(data, elsewhere)
    odd = {"long": data / ("b" * 120)}.get(temporary, data / "tmp")
    if temporary != "missing":
        odd.mkdir()
        odd.chmod({"closed": 0o000, "open to all": 0o777}.get(temporary, 0o755))
    monkeypatch.setenv("USAGE_DATA_DIR", str(elsewhere))
    monkeypatch.setenv("TMPDIR", str(odd))
    try:
        sockets = sockets_of(start_embedded_postgresql())
        assert odd not in sockets.parents
    finally:
        stop_embedded_postgresql()
        move(elsewhere, data)


def test_settings_of_other_servers_are_theirs(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere", "PGPASSWORD": "x", "PGUSER": "me"}.items():
        monkeypatch.setenv(name, value)
    for name in ("PGDATA", "LANG", "LC_ALL", "TZ"):
        monkeypatch.setenv(name, "nowhere")
    assert answer(start_embedded_postgresql(), "select current_user::text") == "postgres"


@needs_root
def test_two_users_each_have_their_own(place: Path) -> None:
    def start() -> str:
        try:
            return str(answer(start_embedded_postgresql(), "show data_directory"))
        finally:
            stop_embedded_postgresql()

    for name in (SOMEBODY, SOMEBODY_ELSE):
        home = place / name
        home.mkdir()
        shutil.chown(home, name)
        # The project's directory is not theirs, so it is in their own.
        assert as_user(name, start, HOME=str(home)).startswith(f"{home}/.local/share/usage-analytics/")


@needs_root
@pytest.mark.parametrize("home", ["/nonexistent", "/proc", "/root"])
def test_without_a_place_it_says_what_to_set(home: str) -> None:
    def start() -> str:
        with pytest.raises(DatabaseUnavailable) as caught:
            start_embedded_postgresql()
        return str(caught.value)

    assert "set USAGE_DATA_DIR to a directory of yours" in as_user(SOMEBODY, start, HOME=home)


def test_somebody_without_a_home_has_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "PROJECT_DIRECTORY", tmp_path)
    monkeypatch.setattr(Path, "home", classmethod(lambda cls: (_ for _ in ()).throw(RuntimeError())))
    assert config.configured_database_url() is None


# Whose it is ---------------------------------------------------------------------------------------


@needs_root
@pytest.mark.parametrize("length", [1, 120], ids=["beside the data", "elsewhere"])
def test_another_user_cannot_connect(data: Path, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = data / ("a" * length)
    move(data, elsewhere)
    monkeypatch.setenv("USAGE_DATA_DIR", str(elsewhere))
    programs = Cluster.within(elsewhere).programs
    try:
        url = start_embedded_postgresql()
        sockets = sockets_of(url)
        refused = psql(SOMEBODY_ELSE, programs, sockets, "select 1")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "Permission denied" in refused.stderr

        # Nor where somebody has opened the directory.
        sockets.chmod(0o777)
        (sockets / ".s.PGSQL.5432").chmod(0o777)
        for place in (elsewhere, elsewhere.parent):
            place.chmod(0o755)
        refused = psql(SOMEBODY_ELSE, programs, sockets, "select 1")
        sockets.chmod(0o700)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "Peer authentication failed" in refused.stderr

        assert answer(url, "show listen_addresses") == ""
        assert not [each for each in postmaster(elsewhere).net_connections() if each.family != 1]
    finally:
        stop_embedded_postgresql()
        move(elsewhere, data)


@needs_root
def test_the_server_of_somebody_else_is_not_taken_for_ours(data: Path) -> None:
    url = start_embedded_postgresql()
    with pytest.raises(psycopg.OperationalError, match="requirepeer"):
        answer(url.update_query_dict({"requirepeer": SOMEBODY_ELSE}), "select 1")


def test_what_others_can_enter_is_refused(data: Path) -> None:
    cluster = data / "postgres"
    cluster.chmod(0o755)
    try:
        with pytest.raises(DatabaseUnavailable, match="has the mode 0755: run chmod 700"):
            start_embedded_postgresql()
    finally:
        cluster.chmod(0o700)


def test_a_link_is_refused(data: Path) -> None:
    (data / "postgres").rename(data / "there")
    (data / "postgres").symlink_to(data / "there")
    try:
        with pytest.raises(DatabaseUnavailable, match="is a link: set USAGE_DATA_DIR to where it leads"):
            start_embedded_postgresql()
    finally:
        (data / "postgres").unlink()
        (data / "there").rename(data / "postgres")


@needs_root
def test_the_directory_of_somebody_else_is_refused(data: Path) -> None:
    shutil.chown(data / "postgres", SOMEBODY)
    try:
        with pytest.raises(DatabaseUnavailable, match=f"belongs to the user {SOMEBODY}"):
            start_embedded_postgresql()
    finally:
        os.chown(data / "postgres", account().uid, account().gid)


def test_what_is_no_cluster_is_left_alone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USAGE_DATA_DIR", str(place))
    (place / "postgres").mkdir(mode=0o700)
    (place / "postgres" / "notes.txt").write_text("mine")
    with pytest.raises(DatabaseUnavailable, match="made by something else: move it away"):
        start_embedded_postgresql()
    assert (place / "postgres" / "notes.txt").read_text() == "mine"


def test_a_cluster_of_an_earlier_version_is_closed(data: Path) -> None:
    # As the wheel made it: whoever reaches the socket is let in.
    access = data / "postgres" / "pg_hba.conf"
    access.write_text("local all all trust\n")
    start_embedded_postgresql()
    assert access.read_text() == "local all all peer map=owner\n"


@needs_root
def test_root_opens_no_directory_to_others(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = data / "closed"
    move(data, closed / "data")
    closed.chmod(0o700)
    monkeypatch.setenv("USAGE_DATA_DIR", str(closed / "data"))
    try:
        assert answer(start_embedded_postgresql(), "select 1") == 1
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert postmaster(closed / "data").uids().effective == account().uid != 0
    finally:
        stop_embedded_postgresql()
        move(closed / "data", data)


# How long it lives ---------------------------------------------------------------------------------


def hold() -> "subprocess.Popen[str]":
    """A process that uses the server until it is told to end, or its input does."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        cwd=PROJECT_DIRECTORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def test_it_ends_with_its_last_user(data: Path) -> None:
    first, second = hold(), hold()
    server = postmaster(data)
    first.communicate("\n")
    assert server.is_running()
    second.communicate("\n")
    server.wait(timeout=60)


def test_a_user_that_was_killed_does_not_count(data: Path) -> None:
    killed, last = hold(), hold()
    server = postmaster(data)
    killed.kill()
    killed.communicate()
    last.communicate("\n")
    server.wait(timeout=60)


def test_what_a_killed_user_left_is_taken_up(data: Path) -> None:
    only = hold()
    only.kill()
    only.communicate()
    server = postmaster(data)
    start_embedded_postgresql()
    assert postmaster(data) == server


def test_after_a_crash_it_starts_again(data: Path) -> None:
    url = start_embedded_postgresql()
    crashed = postmaster(data)
    crashed.kill()
    assert start_embedded_postgresql() == url
    assert postmaster(data) != crashed
    assert answer(url, "select 1") == 1


def test_the_number_of_a_server_that_died_may_be_anybodys(data: Path) -> None:
    (data / "postgres" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{data}\n1\n5432\n{data}\n\n0 0\nready\n"
    )
    url = start_embedded_postgresql()
    assert answer(url, "select 1") == 1


@needs_root
def test_a_fork_leaves_the_server_to_its_parent(data: Path) -> None:
    url = start_embedded_postgresql()
    as_user(pwd.getpwuid(0).pw_name, stop_embedded_postgresql)
    assert answer(url, "select 1") == 1
