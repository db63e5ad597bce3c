"""Budgets are made, changed and archived. A change is a new version; none is ever changed or removed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from analytics.budgets.plans import BudgetPlan
from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.queries.filters import is_storable, readable

_MAX_NAME = 200

_INSERT_BUDGET = """
    insert into budgets (id, client_id, name, created_at, created_by)
    values (%(id)s, %(client_id)s, %(name)s, %(now)s, %(by)s)
"""
_INSERT_VERSION = """
    insert into budget_versions (
        budget_id, client_id, valid_from, changed_by, limit_amount, unit, period, start_day, time_zone,
        filters, split_by, thresholds, repeats
    )
    values (
        %(id)s, %(client_id)s, %(valid_from)s, %(by)s, %(limit_amount)s, %(unit)s, %(period)s, %(start_day)s,
        %(time_zone)s, %(filters)s::jsonb, %(split_by)s, %(thresholds)s::jsonb, %(repeats)s
    )
"""
_LAST_VERSION = """
    select
        valid_from, limit_amount, unit, period, start_day, time_zone, filters, split_by, thresholds, repeats
    from budget_versions
    where budget_id = %(id)s
    order by valid_from desc
    limit 1
"""
_LOCK = """
    select id, name, archived_at
    from budgets
    where id = %(id)s and client_id is not distinct from %(client_id)s
    for update
"""
_RENAME = "update budgets set name = %(name)s where id = %(id)s"
_ARCHIVE = "update budgets set archived_at = %(now)s, archived_by = %(by)s where id = %(id)s"
_FIND = """
    select id
    from budgets
    where
        client_id is not distinct from %(client_id)s
        and (id::text = lower(%(name)s) or lower(name) = lower(%(name)s))
        and archived_at is null
"""
_NAMES = """
    select name
    from budgets
    where client_id is not distinct from %(client_id)s and archived_at is null
    order by lower(name), id
    limit 20
"""


def create_budget(
    database: Database, client_id: UUID | None, name: str, plan: BudgetPlan, *, by: str, now: datetime
) -> UUID:
    """Makes a budget of a client, or of all clients together (None), that holds from now on; its id.

    Raises:
        InvalidInput: the client has a budget with this name, the name or `by` cannot be, or a budget of all
            clients has no time zone or counts a conversation, which is of one client.
        UnknownClient, DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    budget_id = uuid4()
    values = {
        "id": budget_id,
        "client_id": client_id,
        "name": _name(name),
        "by": _person(by),
        "now": now,
        "valid_from": now,
        **_columns(plan, client_id),
    }
    with database.transaction() as connection:
        _check_client(connection, client_id)
        with _unique_name(values):
            connection.execute(_INSERT_BUDGET, values)
        connection.execute(_INSERT_VERSION, values)
    return budget_id


def change_budget(
    database: Database,
    client_id: UUID | None,
    budget_id: UUID,
    plan: BudgetPlan,
    *,
    by: str,
    now: datetime,
    name: str | None = None,
) -> bool:
    """Makes a new version that holds from now on, and gives the budget another name where one is given.

    False where that changes nothing, and nothing is written.

    Raises:
        InvalidInput: as create_budget(), or the client has no such budget, or it is archived.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    values = {
        "id": budget_id,
        "client_id": client_id,
        "by": _person(by),
        "name": None if name is None else _name(name),
        **_columns(plan, client_id),
    }
    with database.transaction() as connection:
        before = _locked(connection, values)
        is_changed = False
        if name is not None and values["name"] != before["name"]:
            with _unique_name(values):
                connection.execute(_RENAME, values)
            is_changed = True
        last = connection.cursor(row_factory=dict_row).execute(_LAST_VERSION, values).fetchone()
        if last is None or BudgetPlan.of_columns(last) != plan:
            # After the last one, also by a clock that is behind that of who made it.
            values["valid_from"] = (
                now if last is None else max(now, last["valid_from"] + timedelta(microseconds=1))
            )
            connection.execute(_INSERT_VERSION, values)
            is_changed = True
    return is_changed


def archive_budget(
    database: Database, client_id: UUID | None, budget_id: UUID, *, by: str, now: datetime
) -> None:
    """Ends a budget from now on. Its history stays, and its name is free again.

    Raises:
        InvalidInput: the client has no such budget, it is archived already, or `by` cannot be.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    values = {"id": budget_id, "client_id": client_id, "by": _person(by), "now": now}
    with database.transaction() as connection:
        _locked(connection, values)
        connection.execute(_ARCHIVE, values)


def named_budget(database: Database, client_id: UUID | None, name_or_id: str) -> UUID | None:
    """The budget of a client, or of all clients (None), that has this name or id and is not archived.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    with database.transaction() as connection:
        found = connection.execute(_FIND, {"client_id": client_id, "name": _sought(name_or_id)}).fetchone()
    return None if found is None else found[0]


def find_budget(database: Database, client_id: UUID | None, name_or_id: str) -> UUID:
    """named_budget(), which must be there.

    Raises:
        InvalidInput: there is none; the message names those that there are.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    found = named_budget(database, client_id, name_or_id)
    if found is not None:
        return found
    with database.transaction() as connection:
        rows = connection.execute(_NAMES, {"client_id": client_id}).fetchall()
    listed = ", ".join(f'"{readable(name)}"' for (name,) in rows) or "none yet"
    raise InvalidInput(f'no budget is called "{readable(name_or_id)}"; there are: {listed}')


@contextmanager
def _unique_name(values: dict[str, Any]) -> Iterator[None]:
    """Around a statement that gives a budget its name: a name that is taken is told as such."""
    try:
        yield
    except psycopg.errors.UniqueViolation:
        whose = "all clients together" if values["client_id"] is None else "this client"
        raise InvalidInput(
            f'a budget of {whose} is called "{readable(values["name"])}" already: change that one, or give '
            "another name"
        ) from None


def _sought(name: str) -> str:
    """A name as it is kept; one that cannot be kept finds nothing."""
    name = " ".join(name.split())
    return name if is_storable(name) else ""


def _locked(connection: "psycopg.Connection[Any]", values: dict[str, Any]) -> dict[str, Any]:
    """The budget, which nobody else changes until the transaction ends."""
    found = connection.cursor(row_factory=dict_row).execute(_LOCK, values).fetchone()
    if found is None:
        whose = "all clients together have" if values["client_id"] is None else "this client has"
        raise InvalidInput(f"{whose} no budget with the id {values['id']}")
    if found["archived_at"] is not None:
        raise InvalidInput(
            f'the budget "{readable(found["name"])}" is archived since {found["archived_at"]:%Y-%m-%d}: make '
            "a new one"
        )
    return found


def _check_client(connection: "psycopg.Connection[Any]", client_id: UUID | None) -> None:
    if client_id is None:
        return
    # Locked, so that it is not deleted before the budget is there.
    found = connection.execute("select from clients where id = %s for key share", [client_id]).fetchone()
    if found is None:
        raise UnknownClient(f"no client has the id {client_id}")


def _columns(plan: BudgetPlan, client_id: UUID | None) -> dict[str, Any]:
    if client_id is None and plan.time_zone is None:
        raise InvalidInput("a budget of all clients needs a time zone, such as UTC or America/Sao_Paulo")
    if client_id is None and plan.filters.get("conversation") is not None:
        raise InvalidInput("a conversation is of one client: make the budget one of that client")
    return dict(plan.columns)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > _MAX_NAME or not is_storable(name):
        raise InvalidInput(
            f'the name of a budget has 1 to {_MAX_NAME} characters, without NUL, not "{readable(text)}"'
        )
    return name


def _person(by: str) -> str:
    name = " ".join(by.split())
    if not name or not is_storable(name):
        raise InvalidInput(
            f"a budget is kept with the name of who makes or changes it, which cannot be {by!r}"
        )
    return name
