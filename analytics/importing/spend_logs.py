"""LiteLLM's own database: its table of spend logs as a file that is imported like any other.

What was read before is not read again: the begin of the newest call is kept in the data directory. LiteLLM
writes a call when it is over, so a day before that is read once more, which adds nothing.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import psycopg

from analytics.config import data_directory, postgresql_url
from analytics.errors import InvalidInput

_AGAIN = timedelta(days=1)
_BATCH_ROWS = 2_000
# What was said to the model, and what it answered, is not read.
_LOGS = """
    select
        log."startTime",
        (to_jsonb(log) - 'messages' - 'response' - 'proxy_server_request')::text
    from "LiteLLM_SpendLogs" as log
    where log."startTime" >= %(since)s::timestamp
    order by log."startTime"
"""


def copy_spend_logs(url: str, path: Path, *, client: str) -> tuple[int, Callable[[], None]]:
    """Writes the spend logs that are new for the client as JSON Lines: how many, and what marks them as read.

    Raises:
        ConfigurationError: the address is none of PostgreSQL.
        InvalidInput: the database cannot be read, or has no spend logs.
    """
    address = postgresql_url(url, origin="--url").set(drivername="postgresql")
    known = _known()
    name = sha256(f"{address.host} {address.port} {address.database} {client}".encode()).hexdigest()[:16]
    read_to = datetime.fromisoformat(known[name]) if name in known else None
    since = "-infinity" if read_to is None else (read_to - _AGAIN).isoformat()
    count = 0
    try:
        with (
            path.open("w", encoding="utf-8") as file,
            psycopg.connect(address.render_as_string(hide_password=False), connect_timeout=10) as connection,
            connection.cursor("spend_logs") as cursor,
        ):
            connection.read_only = True
            cursor.itersize = _BATCH_ROWS
            for started_at, line in cursor.execute(_LOGS, {"since": since}):
                read_to = started_at if read_to is None else max(read_to, started_at)
                file.write(f"{line}\n")
                count += 1
    except psycopg.errors.UndefinedTable:
        raise InvalidInput(
            f'the database {address.database} has no table "LiteLLM_SpendLogs": --url is that of LiteLLM, its'
            " DATABASE_URL"
        ) from None
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InvalidInput(f"the database of LiteLLM cannot be read: {reason}") from None

    def mark() -> None:
        if read_to is not None:
            data_directory().mkdir(parents=True, exist_ok=True)
            _path().write_text(json.dumps({**_known(), name: read_to.isoformat()}), encoding="utf-8")

    return count, mark


def _path() -> Path:
    return data_directory() / "spend_logs.json"


def _known() -> dict[str, str]:
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # all is read again, and adds nothing
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
