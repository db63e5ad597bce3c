"""For how long calls are kept: a rule per client, and one for all others; without a rule for ever."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from analytics.archives import place_at
from analytics.clients import find_client
from analytics.database import Database, Query
from analytics.errors import InvalidInput

FEWEST_DAYS, MOST_DAYS = 1, 36_525
_LIST = """
    select rule.client_id, client.name, rule.keep_days, rule.archive, rule.set_by, rule.set_at
    from retention_rules as rule
    left join clients as client on client.id = rule.client_id
    order by rule.client_id is not null, lower(client.name), rule.client_id
"""
_SET = """
    insert into retention_rules (client_id, keep_days, archive, set_by)
    values (%(client_id)s, %(keep_days)s, %(archive)s, %(by)s)
    on conflict (client_id) do update set
        keep_days = excluded.keep_days,
        archive = excluded.archive,
        set_by = excluded.set_by,
        set_at = clock_timestamp()
"""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """For how long calls are kept."""

    client_id: UUID | None
    """None: of all clients that have no rule of their own."""
    client_name: str | None
    keep_days: int | None
    """None: for ever."""
    archive: str | None
    """Where they are written before they go; None: nowhere."""
    set_by: str
    set_at: datetime


def days_of_text(text: str) -> int | None:
    """The days of `400d`; None for `forever`.

    Raises:
        InvalidInput: it is neither.
    """
    if text.strip().lower() == "forever":
        return None
    found = re.fullmatch(r"([0-9]{1,5})d", text.strip().lower())
    if not found or not FEWEST_DAYS <= int(found[1]) <= MOST_DAYS:
        raise InvalidInput(f'must be days such as 400d, 1d to {MOST_DAYS}d, or forever, not "{text}"')
    return int(found[1])


def list_rules(database: Database) -> list[Rule]:
    """The rule of all others first, if there is one, then those of clients by name."""
    [rows] = database.read(Query(statement=_LIST))
    names = ("client_id", "client_name", "keep_days", "archive", "set_by", "set_at")
    return [Rule(**dict(zip(names, record, strict=True))) for record in rows.records]


def set_rule(
    database: Database, client: str | None, *, keep_days: int | None, archive: str | None, by: str
) -> None:
    """Keeps the calls of the client with this name or id, or of all others, for so long. Drops nothing.

    Raises:
        UnknownClient, InvalidInput: no such client; the address of the archive is not valid.
        ConfigurationError: what reaches the archive is not installed.
    """
    address = None if archive is None else place_at(archive).address
    client_id = None if client is None else find_client(database, client).id
    with database.transaction() as connection:
        connection.execute(
            _SET, {"client_id": client_id, "keep_days": keep_days, "archive": address, "by": by}
        )


def clear_rule(database: Database, client: str | None) -> bool:
    """Removes a rule; whether there was one. What went before stays gone."""
    client_id = None if client is None else find_client(database, client).id
    with database.transaction() as connection:
        removed = connection.execute(
            "delete from retention_rules where client_id is not distinct from %s", [client_id]
        )
        return removed.rowcount > 0
