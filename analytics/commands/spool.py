"""`spool`: the calls of this machine that are not in the database yet."""

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import chain, islice
from pathlib import Path

import click

from analytics import config
from analytics.calls.row import row_of
from analytics.errors import InvalidInput
from analytics.formatting import counted
from analytics.migrations import open_ready_database
from analytics.tracking.shipping import BATCH_CALLS, Shipped, Shipper
from analytics.tracking.spool import Spool
from analytics.tracking.spool_file import (
    ENDINGS,
    TABLES,
    is_busy,
    is_damaged,
    readable,
    readable_set_aside,
)


@click.command()
@click.option("--replay", is_flag=True, help="Ships it now, and again what was set aside.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Another spool than that of the configured database, such as that of one which has moved.",
)
def spool(replay: bool, file: Path | None) -> None:
    """Shows the calls of this machine that are not in the database yet."""
    for line in replay_lines(file) if replay else spool_lines(file):
        click.echo(line)


def spool_lines(file: Path | None) -> Iterator[str]:
    """What is in `file`, or else in the spool of the configured database, a line each; then the other spools.

    Raises:
        InvalidInput: the file is no spool.
    """
    settings = config.tracker_settings()
    path = file or settings.spool_path
    with _sqlite_errors_explained(path):
        if not path.exists():
            yield f"nothing is waiting: there is no spool at {path}"
        else:
            yield from _lines_of(path, settings.spool_max_calls)
        for other in sorted(path.parent.glob("*.db")):
            if other != path:
                yield from _lines_of_another(other, settings.spool_max_calls)


def _lines_of(path: Path, max_calls: int) -> Iterator[str]:
    with closing(_open(path, max_calls)) as spool:
        waiting = counted(spool.waiting(), "call")
        yield f"{waiting} waiting in {path}, which holds {spool.max_calls:,} at most"
        if oldest := spool.read(1):
            yield f"the oldest was made at {row_of(oldest[0].line).created_at:%Y-%m-%d %H:%M:%S} UTC"
        refused = Counter(call.error for call in spool.set_aside())
        for error, count in refused.most_common():
            yield f"{counted(count, 'call')} set aside: {error}"
        if spool.waiting() or refused:
            yield 'ship them with "python -m analytics spool --replay"'


def _lines_of_another(path: Path, max_calls: int) -> Iterator[str]:
    try:
        with _sqlite_errors_explained(path), closing(_open(path, max_calls)) as spool:
            if count := spool.waiting() + spool.count_set_aside():
                yield f"{counted(count, 'call')} in the spool of another database: --file {path}"
    except InvalidInput as error:
        yield str(error)


def replay_lines(file: Path | None) -> Iterator[str]:
    """Ships what is waiting in the spool, and again what was set aside; what came of it, a line each.

    Raises:
        InvalidInput: the file is no spool, or another process is shipping from it.
        DatabaseError, ConfigurationError: it could not be shipped, and goes on waiting.
    """
    settings = config.tracker_settings()
    path = file or settings.spool_path
    with _sqlite_errors_explained(path):
        if not path.exists():
            yield f"nothing to ship: there is no spool at {path}"
            return
        try:
            spool = _open(path, settings.spool_max_calls)
            try:
                spool.replay()
            except BaseException:
                spool.close()
                raise
        except (sqlite3.Error, OSError) as error:
            if is_busy(error):
                raise
            yield from _ship_from_copy(path, error)
            return
        with closing(Shipper(spool, open_ready_database)) as shipper:
            shipper.ship()
            shipper.fold()
            yield from _result_lines(shipper, spool)


def _result_lines(shipper: Shipper, spool: Spool) -> Iterator[str]:
    shipped = shipper.shipped
    yield f"{_stored(shipped)}, {shipped.set_aside:,} set aside"
    if shipped.lost:
        raise InvalidInput(f"{spool.path} is damaged: {counted(shipped.lost, 'call')} could not be read")
    if waiting := spool.waiting():
        raise InvalidInput(
            f"{counted(waiting, 'call')} still waiting: a running application is shipping them"
        )
    for error, count in Counter(call.error for call in spool.set_aside()).most_common():
        yield f"{counted(count, 'call')} set aside: {error}"


def _stored(shipped: Shipped) -> str:
    updated = f"{shipped.updated:,} updated, " if shipped.updated else ""
    return f"{counted(shipped.stored, 'call')} stored, {updated}{shipped.already_there:,} there already"


def _ship_from_copy(path: Path, why: Exception) -> Iterator[str]:
    """Ships what can be read in a file that cannot be written, or that is damaged."""
    with tempfile.TemporaryDirectory(prefix="usage-spool-") as directory:
        copy = Path(directory) / path.name
        for ending in ENDINGS[:2]:
            source = path.with_name(f"{path.name}{ending}")
            if source.exists():
                shutil.copyfile(source, copy.with_name(f"{copy.name}{ending}"))
        with (
            closing(sqlite3.connect(copy)) as connection,
            closing(Shipper(None, open_ready_database)) as shipper,
        ):
            waiting = ((revision, line) for _, revision, line in readable(connection))
            calls = chain(waiting, readable_set_aside(connection))
            refused: Counter[str] = Counter()
            batch = list(islice(calls, BATCH_CALLS))
            if not batch and is_damaged(why):
                raise why
            while batch:
                refused.update(shipper.send(batch))
                batch = list(islice(calls, BATCH_CALLS))
            shipper.fold()
    shipped = shipper.shipped
    yield _stored(shipped)
    for error, count in refused.most_common():
        yield f"{counted(count, 'call')} refused: {error}"
    if is_damaged(why):
        raise InvalidInput(f"{path} is damaged ({why}): these are all of its calls that can be read")
    yield f"{path} cannot be written ({_reason(why)}) and keeps them: to ship them again adds nothing"


def _open(path: Path, max_calls: int) -> Spool:
    """The spool, if it is one: no table is made in somebody else's file."""
    if path.stat().st_size:
        with closing(sqlite3.connect(path)) as connection:
            found = {name for [name] in connection.execute("select name from sqlite_master")}
        if missing := sorted(TABLES - found):
            raise InvalidInput(f"{path} cannot be read as a spool: it has no table {missing[0]}")
    return Spool(path, max_calls=max_calls)


@contextmanager
def _sqlite_errors_explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise InvalidInput(f"{path} cannot be read as a spool: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if is_busy(error):
        return "another process has locked it; try again when that has ended"
    return (isinstance(error, OSError) and error.strerror) or str(error)
