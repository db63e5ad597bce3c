"""Selects calls: those of one client on some of its days."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg

from analytics.clients import find_client
from analytics.database import Database
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.formatting import NO_MODEL

_MAX_NAMES = 10
BITE_CALLS = 20_000
"""About as many calls are corrected in one transaction: a few seconds in which their writers wait."""

_FIRST_AND_LAST_DAY = """
    select
        (min(created_at) at time zone %(timezone)s::text)::date,
        (max(created_at) at time zone %(timezone)s::text)::date
    from usage_logs
    where client_id = %(client_id)s
"""
_MODELS_OF_THESE_DAYS = """
    select distinct source, model
    from usage_daily
    where client_id = %(client_id)s and usage_date between %(first_date)s and %(last_date)s
    order by source, model
"""
_CALLS_OF_DAYS = """
    select usage_date, sum(request_count)::bigint
    from usage_daily
    where
        client_id = %(client_id)s and usage_date between %(first_date)s and %(last_date)s
        and (%(source)s::text is null or source = %(source)s)
        and (%(model)s::text is null or model = %(model)s)
    group by usage_date
    order by usage_date
"""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A client's calls on whole days of its time zone, `last_date` included."""

    client_id: UUID
    client_name: str
    timezone: str
    first_date: date
    last_date: date
    source: str | None
    """Only calls of this source; None: of all. The same holds for the model."""
    model: str | None
    payer: str | None = None
    """Only calls of which it was not known what pays: this plan does, or BY_THE_TOKEN."""


def select_calls(
    database: Database,
    client: str,
    days: Days,
    *,
    source: str | None = None,
    model: str | None = None,
    payer: str | None = None,
) -> Selection:
    """The calls of the client with this name or id; of days before its raw_since there are none.

    With `payer`, the plan that pays or "none", only those of which that was not known.

    Raises:
        UnknownClient: no client has it.
        InvalidInput: several clients have this name; a name is not valid; of these days only sums are kept.
    """
    for part, name in (("source", source), ("model", model), ("plan", payer)):
        if name is not None and (not name.strip() or "\0" in name):
            raise InvalidInput(f"the {part} must be a name, not {name!r}: leave it out for all of them")
    owner = find_client(database, client)
    since = owner.raw_since or days.first
    if days.last < since:
        raise InvalidInput(
            f'calls of "{owner.name}" before {since} are kept as sums only, whose costs stay as they are: '
            'to price them again, bring them back with "python -m analytics retention restore"'
        )
    return Selection(
        client_id=owner.id,
        client_name=owner.name,
        timezone=owner.timezone,
        first_date=max(days.first, since),
        last_date=days.last,
        source=source.strip().lower() if source else None,
        model=model.strip() if model else None,
        payer=payer.strip() if payer else None,
    )


def calls_in(database: Database, selection: Selection) -> int:
    """How many calls are selected, by their sums."""
    return sum(count for _, count in bites(database, selection))


def bites(database: Database, selection: Selection) -> Iterator[tuple[Selection, int]]:
    """The selection in parts of whole days with about BITE_CALLS calls, and how many calls each has.

    Together they are all of its days, also where the sums know of no calls. A day is never divided.
    """
    with database.transaction() as connection:
        days = connection.execute(_CALLS_OF_DAYS, vars(selection)).fetchall()
    first, count = selection.first_date, 0
    for day, calls in days:
        if count and count + calls > BITE_CALLS:
            yield replace(selection, first_date=first, last_date=day - timedelta(days=1)), count
            first, count = day, 0
        count += calls
    yield replace(selection, first_date=first), count


def no_calls(connection: "psycopg.Connection[Any]", selection: Selection) -> InvalidInput:
    """The error that says why there are no such calls, and which there are."""
    parameters = vars(selection)
    days = f"from {selection.first_date} to {selection.last_date}"
    here = f'"{selection.client_name}" has no calls {days}'
    models = connection.execute(_MODELS_OF_THESE_DAYS, parameters).fetchall()
    if models:
        wanted = " ".join(name for name in (selection.source, selection.model) if name)
        names = ", ".join(f"{source} {model or NO_MODEL}" for source, model in models[:_MAX_NAMES])
        return InvalidInput(f"{here} of {wanted}: it has some of {names}")
    first, last = connection.execute(_FIRST_AND_LAST_DAY, parameters).fetchone() or (None, None)
    if first is None:
        return InvalidInput(f'"{selection.client_name}" has no calls: log or import some first')
    return InvalidInput(f"{here}: its first one is of {first}, its last one of {last}")
