"""Checks of the database, of this machine's waiting calls, and of the price list."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from typing import Any

import psycopg
from psycopg import sql

from analytics import config, tracking
from analytics.calls.row import row_of
from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import AnalyticsError, DatabaseError
from analytics.formatting import counted, day
from analytics.health.checks import Check, ago, span
from analytics.health.facts import DAYS_TO_SUM, days_to_sum
from analytics.health.retention import retention_check
from analytics.migrations import Applied, applied_files, pending_files
from analytics.queries.alerts import alert_state
from analytics.tracking.spool import Spool

MANY_PENDING = 100_000
WAITING_TOO_LONG = timedelta(minutes=10)
NEARLY_FULL = 0.9
OLD_LIST = timedelta(days=120)
SLOW_QUERY_MS = 1_000
SLOWEST = 3

_ALERTS_LATE = timedelta(minutes=5)
# The columns that an index of each table has to begin with.
INDEXES: Mapping[str, Sequence[tuple[str, ...]]] = {
    "usage_logs": [
        *(("id", "client_id"), ("client_id", "created_at")),
        *(("conversation_id", "created_at"), ("client_id", "phone", "created_at")),
    ],
    "usage_pending": [("client_id", "usage_date")],
    "usage_daily_rollup": [("client_id", "usage_date")],
    "usage_conversation_daily_rollup": [("usage_date", "client_id", "conversation_id")],
    "usage_conversation_rollup": [
        *(("client_id", "conversation_id"), ("client_id", "total_tokens"), ("client_id", "cost_bound")),
    ],
    "usage_conversation_kind_rollup": [("client_id", "conversation_id", "week_start")],
    "usage_conversation_weekly_rollup": [("week_start", "client_id", "conversation_id")],
    "usage_hour_rollup": [("client_id", "usage_date")],
    "usage_tag_rollup": [("client_id", "usage_date")],
    "usage_latency_rollup": [("client_id", "usage_date")],
    "usage_kinds": [("client_id", "source")],
    "tag_sets": [("client_id", "id")],
}

TABLES = (
    *("alert_checks", "alert_deliveries", "alert_events", "alert_mutes", "budget_versions", "budgets"),
    *("api_keys", "clients", "conversations", "cost_correction_items", "cost_corrections", "dropped_calls"),
    *("erasures", "members", "model_prices", "phone_secret", "price_list", "retention_rules"),
    *("retention_runs", "tag_sets", "usage_conversation_daily_rollup"),
    "usage_conversation_kind_rollup",
    *("usage_conversation_rollup", "usage_conversation_weekly_rollup", "usage_daily_rollup"),
    *("usage_days_to_sum", "usage_hour_rollup", "usage_kinds", "usage_latency_rollup", "usage_logs"),
    *("usage_pending", "usage_tag_rollup"),
)

_MISSING_TABLES = """
    select unnest(%(tables)s::text[])
    except
    select relname from pg_class where relnamespace = 'public'::regnamespace
    order by 1
"""
_PENDING = "select count(*) from (select 1 from usage_pending limit %(many)s + 1) as pending"
_UNASSIGNED = """
    select coalesce(sum(request_count), 0)::bigint
    from usage_daily
    where client_id = unassigned_client_id() and usage_date between %(first)s and %(last)s
"""
_INDEXES = """
    select
        place.table_name,
        array(
            select columns.attname::text
            from unnest(index.indkey::int2[]) with ordinality as key (attnum, place)
            inner join pg_attribute as columns
                on columns.attrelid = index.indrelid and columns.attnum = key.attnum
            order by key.place
        ) as columns
    from unnest(%(tables)s::text[]) as place (table_name)
    inner join pg_index as index on index.indrelid = to_regclass(place.table_name) and index.indisvalid
    where
        index.indpred is null
        -- Each call is in one of these two.
        or pg_get_expr(index.indpred, index.indrelid)
        in ('(conversation_id IS NOT NULL)', '(conversation_id IS NULL)')
"""
_STATEMENTS = """
    select namespace.nspname::text
    from pg_class as relation
    inner join pg_namespace as namespace on namespace.oid = relation.relnamespace
    where relation.relname = 'pg_stat_statements'
"""
_SLOWEST = """
    select query, calls, mean_exec_time
    from {}.pg_stat_statements
    where dbid = (select oid from pg_database where datname = current_database())
    order by mean_exec_time desc
    limit {}
"""


def installation_checks(database: Database, days: Days, now: datetime) -> Sequence[Check]:
    """Checks of all that clients share. A check that cannot run fails; it raises no error."""
    checks = [_migrations(database)]
    if checks[0].state != "fail":
        for name, look in (
            ("Pending sums", lambda: _pending(database)),
            ("Facts of earlier calls", lambda: days_to_sum(*database.read(Query(statement=DAYS_TO_SUM)))),
            ("Calls without a client", lambda: _unassigned(database, days)),
            ("Indexes", lambda: _indexes(database)),
            ("Slowest queries", lambda: _slowest(database)),
            ("Alerts", lambda: _alerts(database, now)),
            ("Retention", lambda: retention_check(database, now)),
        ):
            checks.append(_or_failed(name, look))
    return [
        *checks,
        _or_failed("Calls waiting on this machine", lambda: _spool(now)),
        _duplicates(),
        _public_list(now),
    ]


def _or_failed(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except AnalyticsError as error:
        return Check(name=name, state="fail", finding=str(error), remedy="see the message")


def _migrations(database: Database) -> Check:
    name = "Database and migrations"
    try:
        version_of, missing_tables = database.read(
            Query(statement="select current_setting('server_version')"),
            Query(statement=_MISSING_TABLES, parameters={"tables": list(TABLES)}),
        )
        applied = _applied(database)
    except AnalyticsError as error:
        return Check(
            name=name,
            state="fail",
            finding=str(error),
            remedy='check DATABASE_URL, and that the server runs; "python -m analytics migrate" sets an '
            "empty one up",
        )
    server = f"PostgreSQL {version_of.records[0][0].split()[0]}, {database.place}"
    tables = [table for (table,) in missing_tables.records]
    if applied is None and not tables:
        return Check(
            name=name,
            state="unknown",
            finding=f"{server}: all tables exist; this user may not read which files of sql/ are applied",
            remedy="grant analytics_reader to it",
        )
    lacking, changed = _differences(applied or {}, tables)
    if lacking:
        return Check(
            name=name,
            state="fail",
            finding=f"{server} lacks {', '.join(lacking)}",
            remedy='run "python -m analytics migrate", or paste what "python -m analytics migrate --print" '
            "prints into the SQL editor",
        )
    if changed:
        return Check(
            name=name,
            state="warn",
            finding=f"{server}: {', '.join(changed)} applied as of another version",
            remedy='run "python -m analytics migrate", unless the database is the newer one',
        )
    return Check(name=name, state="ok", finding=f"{server}: all migrations applied")


def _applied(database: Database) -> Mapping[str, Applied] | None:
    """What is known of the files that were applied; None where this user may not know."""
    try:
        return applied_files(database)
    except DatabaseError as error:
        if isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
            return None
        raise


def _differences(applied: Mapping[str, Applied], tables: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is not there: files, or what is gone of those that were applied; and files that are other ones."""
    pending = pending_files(applied)
    never = [file.name for file in pending if file.name not in applied]
    gone = [
        *tables,
        *(name for file in pending if file.name in applied for name in applied[file.name].missing),
    ]
    # Without their tables functions are not worth a word.
    migrations = [file.name for file in pending if file.is_migration]
    return sorted(migrations) or [*never, *gone], [file.name for file in pending if file.name not in never]


def _pending(database: Database) -> Check:
    [rows] = database.read(Query(statement=_PENDING, parameters={"many": MANY_PENDING}))
    count = rows.records[0][0]
    is_many = count > MANY_PENDING
    finding = f"more than {MANY_PENDING:,} rows" if is_many else counted(count, "row")
    return Check(
        name="Pending sums",
        state="warn" if is_many else "ok",
        finding=f"{finding} to be folded; numbers are right either way",
        remedy='reads get slower: run "python -m analytics fold", and see docs/sums.md for pg_cron'
        if is_many
        else "",
    )


def _unassigned(database: Database, days: Days) -> Check:
    [rows] = database.read(Query(statement=_UNASSIGNED, parameters={"first": days.first, "last": days.last}))
    count = rows.records[0][0]
    if not count:
        return Check(name="Calls without a client", state="ok", finding="none: every call names its client")
    return Check(
        name="Calls without a client",
        state="warn",
        finding=f"{counted(count, 'call')} from {day(days.first)} to {day(days.last)}, which no page of a "
        "client shows",
        remedy="find the application that logs them and give it a client_id; they are listed under the "
        "client that keeps the calls without one",
        page="clients",
    )


def _indexes(database: Database) -> Check:
    [rows] = database.read(Query(statement=_INDEXES, parameters={"tables": list(INDEXES)}))
    missing = [
        (table, columns)
        for table, needed in INDEXES.items()
        for columns in needed
        if not any(name == table and tuple(there[: len(columns)]) == columns for name, there in rows.records)
    ]
    if not missing:
        return Check(name="Indexes", state="ok", finding=f"all there, on {counted(len(INDEXES), 'table')}")
    return Check(
        name="Indexes",
        state="fail",
        finding="missing on " + " and ".join(f"{table} ({', '.join(columns)})" for table, columns in missing),
        remedy="; ".join(
            f"create index concurrently on {table} ({', '.join(cols)})" for table, cols in missing
        ),
    )


def _slowest(database: Database) -> Check:
    name = "Slowest queries"
    [places] = database.read(Query(statement=_STATEMENTS))
    if not places.records:
        return Check(
            name=name,
            state="unknown",
            finding='the extension pg_stat_statements is not here; "Reading the Overview" is our own measure',
            remedy="create extension pg_stat_statements, on a server that loads it (Supabase does)",
        )
    schema = sql.Identifier(places.records[0][0])
    statement: Any = sql.SQL(_SLOWEST).format(schema, sql.Literal(SLOWEST))
    try:
        [rows] = database.read(Query(statement=statement))
    except DatabaseError as error:
        return Check(
            name=name, state="unknown", finding=f"the extension pg_stat_statements cannot be read: {error}"
        )
    is_slow = any(milliseconds > SLOW_QUERY_MS for *_, milliseconds in rows.records)
    return Check(
        name=name,
        state="warn" if is_slow else "ok",
        finding="; ".join(
            f"{milliseconds:,.0f} ms on average of {counted(calls, 'call')}: {' '.join(query.split())[:60]}"
            for query, calls, milliseconds in rows.records
        )
        or "none recorded yet",
        remedy='"python -m analytics fold"; check the indexes; explain analyze tells where the time goes'
        if is_slow
        else "",
    )


def _alerts(database: Database, now: datetime) -> Check:
    name = "Alerts"
    state = alert_state(database)
    if state.checked_at is None:
        if not state.has_budgets:
            return Check(name=name, state="ok", finding="there are no budgets yet, and nothing was checked")
        return Check(
            name=name,
            state="warn",
            finding="there are budgets, and they were never checked",
            remedy="a server checks every minute; elsewhere let cron run python -m analytics alerts check",
            page="budgets",
        )
    finding = f"last checked {ago(state.checked_at, now)}"
    if now - state.checked_at > _ALERTS_LATE and state.has_budgets:
        return Check(
            name=name,
            state="fail",
            finding=f"{finding}: nobody is told of anything",
            remedy="a server checks every minute; elsewhere let cron run python -m analytics alerts check",
            page="budgets",
        )
    if state.error is not None:
        return Check(
            name=name,
            state="warn",
            finding=f"{finding}; not all: {state.error}",
            remedy="see it",
            page="budgets",
        )
    if state.failed_count:
        return Check(
            name=name,
            state="warn",
            finding=f"{finding}; {counted(state.failed_count, 'message')} could not be delivered",
            remedy="python -m analytics alerts test says what is wrong with a channel",
            page="budgets",
        )
    waiting = f", {counted(state.waiting_count, 'message')} waiting" if state.waiting_count else ""
    return Check(name=name, state="ok", finding=f"{finding}{waiting}", page="budgets")


def _spool(now: datetime) -> Check:
    name = "Calls waiting on this machine"
    settings = config.tracker_settings()
    path = settings.spool_path
    if not path.exists():
        return Check(
            name=name, state="ok", finding="none: nothing was tracked on this machine for this database"
        )
    try:
        with closing(Spool(path, max_calls=settings.spool_max_calls)) as spool:
            waiting, set_aside, oldest = spool.waiting(), spool.count_set_aside(), spool.read(1)
    except Exception as error:  # what SQLite and the disk say
        return Check(
            name=name,
            state="fail",
            finding=f"{path} cannot be read: {error}",
            remedy="see docs/tracking.md",
        )
    made_at = row_of(oldest[0].line).created_at if oldest else now
    finding = f"{waiting:,} waiting" + (f", the oldest made {ago(made_at, now)}" if oldest else "")
    if set_aside:
        finding += f"; {set_aside:,} set aside, as the database refused them"
    is_full = waiting >= NEARLY_FULL * settings.spool_max_calls
    is_stuck = set_aside > 0 or now - made_at > WAITING_TOO_LONG
    return Check(
        name=name,
        state="fail" if is_full else "warn" if is_stuck else "ok",
        finding=finding,
        remedy='"python -m analytics spool" says why, "python -m analytics spool --replay" ships them'
        if is_full or is_stuck
        else "",
    )


def _duplicates() -> Check:
    name = "Duplicates refused"
    stats = tracking.current_stats()
    if stats is None:
        return Check(
            name=name,
            state="unknown",
            finding="only a process that tracks calls counts them, in analytics.stats().already_there",
        )
    updated = f", {stats.updated:,} updated as more was told" if stats.updated else ""
    lost = f"; {stats.lost:,} lost" if stats.lost else ""
    return Check(
        name=name,
        state="fail" if stats.lost else "ok",
        finding=f"{counted(stats.already_there, 'call')} sent again and stored once{updated}, of "
        f"{stats.logged:,} that this process logged{lost}",
        remedy="analytics.stats().last_error says what is wrong with the spool" if stats.lost else "",
    )


def _public_list(now: datetime) -> Check:
    changed = max((date_of for date_of in _price_changes() if date_of <= now.date()), default=None)
    finding = f"version {version('genai-prices')} of genai-prices"
    if changed is None:
        return Check(name="Public price list", state="unknown", finding=f"{finding} has no date")
    age_of = now - datetime.combine(changed, datetime.min.time(), UTC)
    is_old = age_of > OLD_LIST
    return Check(
        name="Public price list",
        state="warn" if is_old else "ok",
        finding=f"{finding}; its last price change is of {day(changed)}, {span(age_of)} ago",
        remedy="models that are newer have no price: pip install --upgrade genai-prices" if is_old else "",
        page="prices",
    )


def _price_changes() -> Iterator[date]:
    # Imported here, as it takes a quarter of a second.
    from genai_prices import data

    for provider in data.providers:
        for model in provider.models:
            for price in model.prices if isinstance(model.prices, list) else ():
                if begins := getattr(price.constraint, "start_date", None):
                    yield begins
