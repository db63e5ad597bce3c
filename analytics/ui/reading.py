"""The database behind the pages, and its reads, cached for a minute.

No cached function reads a clock: the moment comes in as an argument, outside the cache's key.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from analytics import config, demo, queries
from analytics.database import Database, Query
from analytics.errors import DatabaseError
from analytics.migrations import open_ready_database
from analytics.queries import Client, Overview, Period
from analytics.ui.states import explained

CACHE_SECONDS = 60
CACHED_VIEWS = 500
EMBEDDED = "embedded"

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

_remembering = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Numbers for a page; `failure` says why they could not be renewed, and is None where they could."""

    overview: Overview
    failure: str | None = None


def database(now: datetime) -> Database:
    """The configured database; without one the embedded, made ready and filled with demo data at first."""
    secrets = _secrets()
    url = config.configured_database_url(secrets)
    return _opened(url.render_as_string(hide_password=False) if url else EMBEDDED, secrets, now)


def clients(of: Database) -> list[Client]:
    """All clients that pages offer, at most a minute old."""
    return _clients(_place(of), of)


def read_overview(of: Database, client: Client, period: Period, now: datetime) -> Reading:
    """The Overview's numbers, at most a minute old while the database answers.

    Ends the page with an explanation where there are none.
    """
    with explained():
        return _overview(_place(of), client.id, period.days, of, now)


def forget() -> None:
    """The next reads ask the database."""
    _overview.clear()
    forget_clients()


def forget_clients() -> None:
    """The next read of the clients asks the database."""
    _clients.clear()


@st.cache_resource(
    on_release=Database.close,
    show_spinner="Starting the embedded database. The first start also makes demo data: some 15 seconds.",
)
def _opened(url: str, _secrets: dict[str, Any] | None, _now: datetime) -> Database:
    opened = open_ready_database(_secrets, report=log.info)
    if url == EMBEDDED:
        _fill_with_demo_data(opened, _now)
    return opened


def _fill_with_demo_data(opened: Database, now: datetime) -> None:
    """Fills an empty database, and one whose demo data ends before yesterday: it would look unused."""
    [rows] = opened.read(
        Query(
            statement="select count(*) filter (where not is_demo),"
            " (select max(usage_date) from usage_daily) >= %(now)s::date - 1 from clients",
            parameters={"now": now},
        )
    )
    real_clients, is_current = rows.records[0]
    if not real_clients and not is_current:
        demo.fill(opened, end=now)


def _secrets() -> dict[str, Any] | None:
    try:
        return st.secrets.to_dict()
    except StreamlitSecretNotFoundError:
        # There are none, or they cannot be read: config.py tells one from the other.
        return None


def _place(of: Database) -> str:
    """Tells databases apart in a cache's key."""
    return of.url.render_as_string(hide_password=True)


# An expired value is shown at once and renewed behind it; one that expired a minute ago is waited for.
@st.cache_data(ttl=CACHE_SECONDS, refresh_mode="background", show_spinner=False)
def _clients(place: str, _database: Database) -> list[Client]:
    known, _ = _or_last_good((place,), lambda: queries.clients(_database))
    return known


@st.cache_data(
    ttl=CACHE_SECONDS,
    refresh_mode="background",
    max_entries=CACHED_VIEWS,
    show_spinner="Adding up the usage",
)
def _overview(place: str, client_id: UUID, days: int, _database: Database, _now: datetime) -> Reading:
    overview, failure = _or_last_good(
        (place, client_id, days),
        lambda: queries.load_overview(_database, client_id, Period(days=days), _now),
    )
    if overview.has_many_pending and failure is None:
        threading.Thread(target=_fold, args=[_database], daemon=True).start()
    return Reading(overview=overview, failure=failure)


def _or_last_good(view: tuple[Hashable, ...], load: Callable[[], Answer]) -> tuple[Answer, str | None]:
    """What load() answers, or what it answered last and why it does not now. Raises if it never did."""
    kept = _last_good()
    try:
        answer = load()
    except DatabaseError as error:
        if view not in kept:
            raise
        log.warning("the last good numbers stay on screen: %s", error)
        return kept[view], str(error)
    with _remembering:
        kept[view] = answer
        kept.move_to_end(view)
        while len(kept) > CACHED_VIEWS:
            kept.popitem(last=False)
    return answer, None


@st.cache_resource
def _last_good() -> "OrderedDict[tuple[Hashable, ...], Any]":
    """What each view showed last, for the time when the database is away."""
    return OrderedDict()


def _fold(of: Database) -> None:
    try:
        of.fold()
    except DatabaseError as error:
        log.warning("could not fold; numbers stay right, reads get slower: %s", error)
