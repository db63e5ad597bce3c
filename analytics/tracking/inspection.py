"""What `python -m analytics spool` shows and does."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from analytics import config
from analytics.errors import InvalidInput
from analytics.formatting import counted
from analytics.migrations import open_ready_database
from analytics.records import row_of
from analytics.tracking.shipping import Shipper
from analytics.tracking.spool import Spool


def spool_lines(file: Path | None) -> Iterator[str]:
    """What is in `file`, or else in the spool of the configured database, a line each; then the other spools.

    Raises:
        InvalidInput: the file is no spool.
    """
    settings = config.tracker_settings()
    path = file or settings.spool_path
    if not path.exists():
        yield f"nothing is waiting: there is no spool at {path}"
    else:
        with closing(_open(path, settings.spool_max_calls)) as spool:
            waiting = counted(spool.waiting(), "call")
            yield f"{waiting} waiting in {path}, which holds {spool.max_calls:,} at most"
            if oldest := spool.read(1):
                yield f"the oldest was made at {row_of(oldest[0].line).created_at:%Y-%m-%d %H:%M:%S} UTC"
            refused = Counter(call.error for call in spool.set_aside())
            for error, count in refused.most_common():
                yield f"{counted(count, 'call')} set aside: {error}"
            if spool.waiting() or refused:
                yield 'ship them with "python -m analytics spool --replay"'
    for other in sorted(path.parent.glob("*.db")):
        if other != path:
            with closing(_open(other, settings.spool_max_calls)) as spool:
                if count := spool.waiting() + spool.count_set_aside():
                    yield f"{counted(count, 'call')} in the spool of another database: --file {other}"


def replay_lines(file: Path | None) -> Iterator[str]:
    """Ships what is waiting in the spool, and again what was set aside; what came of it, a line each.

    Raises:
        InvalidInput: the file is no spool, or another process is shipping from it.
        DatabaseError, ConfigurationError: it could not be shipped, and goes on waiting.
    """
    settings = config.tracker_settings()
    path = file or settings.spool_path
    if not path.exists():
        yield f"nothing to ship: there is no spool at {path}"
        return
    with closing(Shipper(_open(path, settings.spool_max_calls), open_ready_database)) as shipper:
        assert shipper.spool is not None
        shipper.spool.replay()
        shipper.ship()
        shipper.fold()
        shipped = shipper.shipped
        yield (
            f"{counted(shipped.stored, 'call')} stored, {shipped.already_there:,} there already, "
            f"{shipped.set_aside:,} set aside"
        )
        if waiting := shipper.spool.waiting():
            raise InvalidInput(
                f"{counted(waiting, 'call')} still waiting: a running application is shipping them"
            )
        for error, count in Counter(call.error for call in shipper.spool.set_aside()).most_common():
            yield f"{counted(count, 'call')} set aside: {error}"


def _open(path: Path, max_calls: int) -> Spool:
    try:
        return Spool(path, max_calls=max_calls)
    except Exception as error:
        raise InvalidInput(f"{path} cannot be read as a spool: {error}") from error
