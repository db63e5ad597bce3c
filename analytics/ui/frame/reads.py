"""The database behind the pages, and its reads, cached for a minute.

No cached function reads a clock: the moment comes in as an argument, outside the cache's key.
"""

import io
import logging
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, Generic, TypeVar, cast

import streamlit as st
from cachetools import LRUCache
from streamlit.errors import StreamlitSecretNotFoundError

from analytics import config, demo
from analytics.access.viewer import Identity, Viewer, decide_viewer
from analytics.config import AccessSettings
from analytics.database import Database, Query
from analytics.errors import DatabaseError
from analytics.migrations import open_ready_database
from analytics.ui.frame import sign_in
from analytics.ui.frame.messages import explained
from analytics.ui.frame.state import session

CACHE_SECONDS = 60
CACHED_VIEWS = 500
EMBEDDED = "embedded"

KEPT_PARTS = 1_000
"""Charts that are kept as they were made; one is some 20 kB."""

Answer = TypeVar("Answer")
Made = TypeVar("Made")

log = logging.getLogger(__name__)

_lock = threading.Lock()
_made: LRUCache[Hashable, object] = LRUCache(KEPT_PARTS)


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[Answer]):
    """An answer of the database for a page."""

    value: Answer
    loaded_at: datetime
    failure: str | None
    """Why the value could not be renewed; None where it could."""
    renew: Callable[[datetime], "Reading[Answer]"]
    """Reads again at a later moment: the same value until it is a minute old. Raises errors as they are."""
    key: Hashable
    """Of these very numbers: equal keys have equal values."""
    fingerprint: bytes = b""
    """Equal for equal numbers, whenever they were read; see fingerprint_of()."""

    def made(self, name: Hashable, make: Callable[[], Made]) -> Made:
        """What make() makes of the value under this name: once for all visitors of these numbers, who share
        it and change nothing of it."""
        with _lock:
            made = _made.get((self.key, name))
        if made is None:
            made = make()
            with _lock:
                _made[self.key, name] = made
        return cast(Made, made)


class _Pickler(pickle.Pickler):
    """Leaves out what changes by itself while time goes on: a value says by `lasting()` what does not."""

    def reducer_override(self, value: Any) -> Any:
        lasting = getattr(value, "lasting", None)
        return (tuple, (lasting(),)) if callable(lasting) and not isinstance(value, type) else NotImplemented


def fingerprint_of(value: object) -> bytes:
    """A digest of an answer that was just read: equal ones are drawn in the same way."""
    dumped = io.BytesIO()
    _Pickler(dumped).dump(value)
    return sha256(dumped.getbuffer()).digest()


def open_database(now: datetime) -> Database:
    """Opens the configured database, or else the embedded one, migrated and filled with demo data."""
    values = secrets()
    settings = config.access_settings(values)
    # Set before the database says who is looking, as it may not answer: people at this machine run it.
    is_operator = sign_in.is_at_this_machine() and (settings.is_local or settings.is_embedded)
    session().is_operator = is_operator
    url = config.configured_database_url(values)
    return _opened(url.render_as_string(hide_password=False) if url else EMBEDDED, values, now)


def current_viewer(database: Database) -> Viewer:
    """The viewer and what they may see, at most a minute old.

    Raises:
        AccessRefused: they may not see anything.
    """
    settings = config.access_settings(secrets())
    decided = _viewer(_place(database), settings, sign_in.identity(), sign_in.is_at_this_machine(), database)
    session().is_operator = decided.sees_all_clients
    return decided


def fold(database: Database, loaded_at: datetime) -> None:
    """Folds in the background: once, however many visitors see numbers of this moment."""
    _fold_once(_place(database), loaded_at, database)


def read(
    database: Database, view: tuple[Hashable, ...], load: Callable[[datetime], Answer], now: datetime
) -> Reading[Answer]:
    """What load(now) returns, at most a minute old while the database answers; `view` is its cache key.

    Ends the page with an explanation where there is no answer. Numbers that are young enough are shown with a
    failure, too, where the database has gone away since.
    """
    with explained():
        return _read(database, view, load, now)


def _read(
    database: Database, view: tuple[Hashable, ...], load: Callable[[datetime], Answer], now: datetime
) -> Reading[Answer]:
    (value, loaded_at, fingerprint), failure = _or_last_good(
        (_place(database), *view), lambda: _cached(_place(database), view, load, now)
    )
    return Reading(
        value=value,
        fingerprint=fingerprint,
        loaded_at=loaded_at,
        failure=failure or database.failure(),
        renew=partial(_read, database, view, load),
        key=(_place(database), view, loaded_at),
    )


def forget() -> None:
    """Clears the cache, so that the next reads ask the database."""
    _cached.clear()
    forget_viewers()


def forget_viewers() -> None:
    """Clears the viewers, so that the next decision who may see what asks the database."""
    _viewer.clear()


@st.cache_resource(
    on_release=Database.close,
    show_spinner="Starting the embedded database. The first start creates demo data, in about 15 seconds.",
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


def secrets() -> dict[str, Any] | None:
    """Streamlit's secrets; None where there are none, or they are not readable."""
    try:
        return st.secrets.to_dict()
    except StreamlitSecretNotFoundError:
        # config.py tells the two apart.
        return None


def _place(database: Database) -> str:
    """The part of a cache key that tells databases apart."""
    return database.url.render_as_string(hide_password=True)


# All visitors share what these return, and change nothing of it: a copy would take as long as a chart does.
# Not renewed in the background: former members see nothing after a minute.
@st.cache_resource(ttl=CACHE_SECONDS, max_entries=CACHED_VIEWS, show_spinner=False)
def _viewer(
    place: str, settings: AccessSettings, who: Identity | None, is_at_this_machine: bool, _database: Database
) -> Viewer:
    decided, _ = _or_last_good(
        (place, settings, who, is_at_this_machine),
        lambda: decide_viewer(_database, settings, who, is_at_this_machine=is_at_this_machine),
    )
    return decided


# An expired value is returned at once and renewed in the background; after another minute it is read first.
# Failures are not cached: as soon as the database is back, there are numbers.
@st.cache_resource(
    ttl=CACHE_SECONDS,
    refresh_mode="background",
    max_entries=CACHED_VIEWS,
    show_spinner="Adding up usage",
)
def _cached(
    place: str, view: tuple[Hashable, ...], _load: Callable[[datetime], Any], _now: datetime
) -> tuple[Any, datetime, bytes]:
    value = _load(_now)
    # Now, as a frame that was used keeps more than its numbers.
    return value, _now, fingerprint_of(value)


# The first of many visitors who see the same numbers folds.
@st.cache_resource(ttl=CACHE_SECONDS, max_entries=CACHED_VIEWS, show_spinner=False)
def _fold_once(place: str, loaded_at: datetime, _database: Database) -> None:
    threading.Thread(target=_fold, args=[_database], name="keep sums", daemon=True).start()


def _or_last_good(view: tuple[Hashable, ...], load: Callable[[], Answer]) -> tuple[Answer, str | None]:
    """What load() returns; where it fails, its last answer and the reason. Raises if there is none."""
    last_good = _last_good()
    try:
        answer = load()
    except DatabaseError as error:
        if view not in last_good:
            raise
        log.warning("the last good numbers stay on screen: %s", error)
        return last_good[view], str(error)
    except Exception:
        # A former member must not become one again when the database goes away.
        with _lock:
            last_good.pop(view, None)
        raise
    with _lock:
        last_good[view] = answer
        last_good.move_to_end(view)
        while len(last_good) > CACHED_VIEWS:
            last_good.popitem(last=False)
    return answer, None


@st.cache_resource
def _last_good() -> "OrderedDict[tuple[Hashable, ...], Any]":
    """The last answer of each view, for when the database does not answer."""
    return OrderedDict()


def _fold(database: Database) -> None:
    try:
        database.fold()
    except DatabaseError as error:
        log.warning("could not fold; numbers stay right, reads get slower: %s", error)
