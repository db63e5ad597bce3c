"""Errors of the driver and the pool as errors of ours, with the object and the remedy."""

import re
from collections.abc import Callable

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from analytics.errors import DatabaseError, DatabaseUnavailable, DataRefused, SchemaMissing

_SCHEMA_ERRORS = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedObject,
)
_NO_READER = 'role "analytics_reader" does not exist'


def explained(error: Exception, *, place: str, is_back: Callable[[], bool]) -> DatabaseError:
    """The error as one of ours. `place` names the database, `is_back` says whether it answers again."""
    if isinstance(error, DatabaseError):
        return error
    cause = cause_of(error)
    text = first_line(cause)
    if isinstance(cause, _SCHEMA_ERRORS) or (isinstance(cause, psycopg.Error) and _NO_READER in text):
        return SchemaMissing(f'{text} in {place}: run "python -m analytics migrate"')
    if isinstance(cause, psycopg.errors.InsufficientPrivilege):
        return DatabaseError(f"{text} in {place}: connect as the user who ran the migrations, or grant it")
    if isinstance(cause, PoolTimeout):
        return DatabaseUnavailable(f"all connections to {place} are busy: try again in a moment")
    if is_disconnected(cause):
        return DatabaseUnavailable(
            f"cannot reach {place}: {text}: check that the server runs and that DATABASE_URL or "
            "[connections.usage] url in the secrets is right",
            is_back=is_back,
        )
    kind = DataRefused if _is_about_data(cause) else DatabaseError
    return kind(f"{place} refused a statement: {text}")


def cause_of(error: Exception) -> Exception:
    """The driver's own error, where SQLAlchemy has wrapped it."""
    return error.orig if isinstance(error, DBAPIError) and error.orig else error


def is_disconnected(error: BaseException) -> bool:
    """Whether the server could not be reached or went away; not: answered with an error."""
    if not isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return False
    # No code: an error of libpq, not of the server. The codes: connection errors, and a shutdown.
    # (psycopg also calls lock timeouts and deadlocks operational: those have other codes.)
    code = error.sqlstate
    return code is None or code.startswith("08") or code in ("57P01", "57P02", "57P03")


def _is_about_data(error: BaseException) -> bool:
    """Whether the data is at fault: a value, a constraint, a limit of size, a trigger that refuses."""
    code = error.sqlstate if isinstance(error, psycopg.Error) else None
    return code is not None and code[:2] in ("22", "23", "54", "P0")


def first_line(error: BaseException) -> str:
    """The part of a driver's message that a person can use: one line, without passwords in URLs."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"://[^@/\s]*@", "://", line).removeprefix("connection failed: ").rstrip(".")
