"""What filters are chosen from, and what they are called: tags in use, and names of conversations."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from analytics.database import Database, Query
from analytics.days import Days
from analytics.queries.facts import TAG_KEYS
from analytics.queries.filters import NO_FILTERS, Filters

if TYPE_CHECKING:
    import pandas as pd

# By id, or by the handle of a phone that has calls in these days.
_NAMES = """
    select id::text, shown_name(name, phone), shown_phone(phone)
    from conversations
    where client_id = %(client_id)s and id = any(%(ids)s::uuid[])
    union all
    select handle, null, shown_phone(nullif(phone, E'\\x01'))
    from unnest(%(handles)s::text[]) as handle
    cross join lateral phone_of(%(client_id)s, handle, %(first_date)s, %(last_date)s) as phone
"""


def tag_keys(
    database: Database, client_id: UUID, days: Days, *, filters: Filters = NO_FILTERS
) -> "pd.DataFrame":
    """TAG_KEYS of these days."""
    return TAG_KEYS.ask(
        database,
        client_id=client_id,
        first_date=days.first,
        last_date=days.last,
        filters=filters.json(),
    )


def conversation_names(
    database: Database,
    client_id: UUID,
    days: Days,
    keys: Sequence[str],
    *,
    sees_phones: bool = False,
) -> dict[str, str]:
    """What conversations are called, by their ids and handles: the name, or else the phone.

    Both are masked unless the reader sees phones. One that has neither, or is not there, is left out.
    """
    parameters = {
        "client_id": client_id,
        "ids": [key for key in keys if "-" in key],
        "handles": [key for key in keys if key and "-" not in key],
        "first_date": days.first,
        "last_date": days.last,
    }
    [rows] = database.read(
        Query(statement=_NAMES, parameters=parameters), client_id=client_id, sees_phones=sees_phones
    )
    return {key: name or phone for key, name, phone in rows.records if name or phone}
