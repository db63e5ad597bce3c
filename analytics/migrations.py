"""Applies the files of `sql/`: migrations once each, functions when they change, whoever else is at it.

`migrations/` are tables, indexes, constraints, roles, policies and data, in the order of their numbers.
`functions/` are functions, views and triggers by topic, each applied whole whenever its text is another, or
something that it makes is gone. `adopt_original.sql` runs only where the tables of the guide's original are.
`citus/` is for databases that were distributed, of which applied_sql has its files: there a run that applies
anything applies all functions, as Citus needs them in another form, and `citus/` gives them that.
The table applied_sql (`bookkeeping.sql`) keeps what was applied.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import psycopg
from psycopg import sql
from psycopg.errors import Diagnostic
from tenacity import (
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    wait_fixed,
    wait_random,
)

from analytics import locks
from analytics.config import PROJECT_DIRECTORY, configured_database_url
from analytics.database import HAS_CITUS, Database, Query, connect_arguments, open_database
from analytics.errors import DatabaseError

# In a clone beside the package, in an installed package inside it.
SQL_DIRECTORY = next(
    (
        directory
        for directory in (PROJECT_DIRECTORY / "sql", PROJECT_DIRECTORY / "analytics" / "sql")
        if directory.is_dir()
    ),
    PROJECT_DIRECTORY / "sql",
)

_TOOLS = "functions/migrating"
"""What migrations call: the first of all files."""
_ACCESS = "functions/access"
"""Closes to visitors what is new: the last file of each transaction."""
_ADOPTION = "adopt_original"
_CLIENTS = "047_retention"
"""What the adoption needs of clients: beforehand, as writers would wait for it until the adoption is done."""
_ADOPTED_WITH = (
    *("011_analytics_usage_tracking", "022_call_facts", "027_hours_by_outcome", "041_conversation_weeks"),
    *("048_conversation_weeks_by_kind", "functions/retention", "functions/sums"),
    *("051_lifetimes_by_kind", _ADOPTION),
)
"""One transaction: what the adoption needs, and the adoption."""
_CITUS = ("citus/shards", "citus/tables", "citus/functions")
"""What a distributed database has besides, in this order, and behind all others."""
_LOCKING = ("functions/views", "functions/triggers")
"""Besides migrations, what locks tables that writers are at."""

_LOCK_TABLES = "lock_tables"
_BOOKKEEPING = "bookkeeping"
# Functions may stand in any order in any file; _ACCESS looks at their bodies when all are there.
_BODIES_LATER = "set local check_function_bodies = off"
_RECORD = "call record_applied_sql({}, {})"

_IS_ORIGINAL = """
    select to_regclass('public.usage_logs') is not null and not exists (
        select from pg_attribute where attrelid = to_regclass('public.usage_logs') and attname = 'cost_basis'
    )
"""
_IS_RECORDED = """
    select to_regclass('public.applied_sql') is not null, to_regclass('public._yoyo_migration') is not null
"""
_APPLIED = """
    select
        name,
        sha256,
        array(
            select unnest(makes)
            except
            (
                select proname || '(' || oidvectortypes(proargtypes) || ')'
                from pg_proc
                where pronamespace = 'public'::regnamespace
                union
                select relname from pg_class where relnamespace = 'public'::regnamespace
            )
        ) as missing
    from applied_sql
"""
_INDEX = re.compile(
    r"^create (?P<kind>unique index|index) if not exists (?P<name>\w+)\s+on (?P<of>\w+)[^;]+", re.M
)
"""As migrations make indexes; those of tables that stand are made beforehand."""
_TREE_BODY = re.compile(
    r"^(?P<head>    language sql\b[^\n]*\n(?:    cost [^\n]*\n)?)    return\s+(?P<body>.*?);\n", re.M | re.S
)
_TOKEN = re.compile(r"(\$\w*\$).*?\1|'(?:[^']|'')*'|--[^\n]*|;", re.S)
"""What may hold a semicolon that ends no statement, and those that do."""
_STANDING_INDEX = """
    select indisvalid from pg_index where indexrelid = to_regclass('public.' || %s)
"""
_SUM_ANEW = """
do $$
begin
    while sum_days_anew() > 0 loop null; end loop;
    while sum_lifetimes_by_kind() > 0 loop null; end loop;
end
$$
"""
_NODES = """
    select nodeid, result from run_command_on_all_nodes('select shards.make_here()') where not success
"""
_SHARD_COUNT = "set local citus.shard_count = {}"
_APPLIED_BY_YOYO = "select migration_id, null, '{}'::text[] from _yoyo_migration"


@dataclass(frozen=True, kw_only=True)
class SqlFile:
    """One file of `sql/`: its path there without `.sql`, for migrations without their directory."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()

    @property
    def is_migration(self) -> bool:
        return self.name[:3].isdigit()


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What a database says of one file: the hash of its text (None: not known), and what it lacks of it."""

    sha256: str | None
    missing: Sequence[str] = ()


def sql_files() -> Sequence[SqlFile]:
    """All files in the order in which they are applied; the adoption has its place among them."""
    migrations = [path.stem for path in sorted((SQL_DIRECTORY / "migrations").glob("*.sql"))]
    functions = [f"functions/{path.stem}" for path in sorted((SQL_DIRECTORY / "functions").glob("*.sql"))]
    first = [name for name in migrations if name < _ADOPTED_WITH[0]]
    names = dict.fromkeys([_TOOLS, *first, _CLIENTS, *_ADOPTED_WITH, *migrations, *functions])
    del names[_ACCESS]
    return [_file(name) for name in (*names, _ACCESS)]


def open_ready_database(
    secrets: Mapping[str, Any] | None = None, report: Callable[[str], object] = lambda line: None
) -> Database:
    """open_database(), with the embedded one brought up to date: it has no other administrator.

    Raises:
        ConfigurationError, DatabaseUnavailable, DatabaseError
    """
    database = open_database(secrets)
    if configured_database_url(secrets) is None:
        try:
            apply_migrations(database, report)
        except DatabaseError:
            database.close()
            raise
    return database


def applied_files(database: Database) -> Mapping[str, Applied]:
    """What the database says of the files that were applied to it, by name; nothing is changed.

    Raises:
        DatabaseUnavailable, DatabaseError
    """
    [(is_recorded, is_yoyos)] = database.read(Query(statement=_IS_RECORDED))[0].records
    if is_recorded:
        return _by_name(database.read(Query(statement=_APPLIED))[0].records)
    if is_yoyos:
        return _by_name(database.read(Query(statement=_APPLIED_BY_YOYO))[0].records)
    return {}


def pending_files(applied: Mapping[str, Applied]) -> list[SqlFile]:
    """What a database lacks to which these were applied, or has in another form, in order; no adoption."""
    numbers = {name[:3] for name in applied if name[:3].isdigit()}

    def is_pending(file: SqlFile) -> bool:
        if file.is_migration:
            return file.name[:3] not in numbers
        known = applied.get(file.name)
        return known is None or known.sha256 != file.sha256 or bool(known.missing)

    files = [file for file in sql_files() if file.name != _ADOPTION]
    if is_distributed(applied):
        files += citus_files()
    return [file for file in files if is_pending(file)]


def citus_files() -> Sequence[SqlFile]:
    """What distributes a database and its functions."""
    return [_file(name) for name in _CITUS]


def is_distributed(applied: Mapping[str, Applied]) -> bool:
    """Whether `python -m analytics distribute` was run on the database to which these were applied."""
    return any(name in applied for name in _CITUS)


def pending_migrations(database: Database) -> list[str]:
    """Names of the files that the database does not have yet, or not as they are now, in order."""
    return [file.name for file in pending_files(applied_files(database))]


def apply_migrations(
    database: Database, report: Callable[[str], object] = lambda line: None, *, shard_count: int | None = None
) -> list[str]:
    """Brings the database up to date; the names of the files that were applied, in order.

    With `shard_count` it is distributed, too, each table into so many shards; where it is already, only what
    was moved to other nodes is given its functions again.

    One transaction applies all or nothing. With the original's tables there are three, as the first and the
    last keep writers waiting: what comes before the adoption, the adoption, and the rest. Runs at the same
    time wait for each other. `report` receives each step, and the notices of long ones, as a line each.

    Raises:
        DatabaseUnavailable: the database cannot be reached.
        DatabaseError: a file was refused; the message says why.
    """
    applied: list[str] = []
    # The lock lives on a connection and in a transaction of its own: a transaction-mode pooler keeps the two
    # together, and a run that was killed leaves no lock behind.
    with database.transaction() as lock:
        _take_lock(lock)
        with psycopg.connect(
            **connect_arguments(database.url), autocommit=True, prepare_threshold=None
        ) as connection:
            connection.add_notice_handler(lambda notice: _report_notice(notice, report))
            connection.execute(_file(_BOOKKEEPING).text.encode())
            for step in _steps(connection):
                _apply(connection, step, report)
                applied += [file.name for file in step]
            was_distributed = is_distributed(_by_name(connection.execute(_APPLIED).fetchall()))
            if was_distributed and (applied or shard_count is not None):
                _make_groups(connection, report)
            _sum_days_anew(connection, report)
            _sum_lifetimes_by_kind(connection, report)
            if shard_count is not None and not was_distributed:
                files = [file for file in sql_files() if file.name.startswith("functions/")]
                step = [*(file for file in files if file.name != _ACCESS), _file(_ACCESS), *citus_files()]
                _apply(connection, step, report, shard_count)
                _make_groups(connection, report)
                applied += [file.name for file in step]
    return applied


def _apply(
    connection: "psycopg.Connection[Any]",
    step: Sequence[SqlFile],
    report: Callable[[str], object],
    shard_count: int | None = None,
) -> None:
    _make_indexes(connection, step, report)
    [(has_citus,)] = connection.execute(HAS_CITUS)
    with connection.transaction():
        if shard_count is not None:
            connection.execute(sql.SQL(_SHARD_COUNT).format(shard_count))
        for text in _statements(step, report):
            if has_citus:
                text = with_text_bodies(text)
            # Citus sends the whole text in which a statement stands to its nodes, which take one at a time.
            for statement in parted(text) if step[-1].name in _CITUS else [text]:
                connection.execute(statement.encode())


def with_text_bodies(text: str) -> str:
    """The same functions, with bodies that are texts.

    Citus distributes nothing that depends on itself, as the type of a row does by the tree of a function
    that takes it.
    """
    return _TREE_BODY.sub(r"\g<head>as $body$\n    select \g<body>\n$body$;\n", text)


def parted(text: str) -> Iterator[str]:
    """The statements of a file, one by one."""
    begin = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            yield text[begin : token.end()]
            begin = token.end()
    if rest := text[begin:].strip():
        yield rest


def _make_groups(connection: "psycopg.Connection[Any]", report: Callable[[str], object]) -> None:
    """Gives each group of shards its functions, on its node. Each node has a transaction of its own."""
    report("giving each shard its functions")
    if failures := connection.execute(_NODES).fetchall():
        raise DatabaseError(
            "not all nodes have the functions now, and calls of their clients are refused: "
            + "; ".join(f"node {node}: {result}" for node, result in failures)
            + ' -- run "python -m analytics distribute" again'
        )


def _take_lock(connection: "psycopg.Connection[Any]") -> None:
    """Waits until no other run goes on.

    It asks again and again, and by the simple protocol, as a statement that waits in the database has a
    snapshot, and so has one whose portal stays open: what a run makes while writers go on waits for those.
    """
    cursor = psycopg.ClientCursor(connection)

    def is_taken() -> bool:
        [(taken,)] = cursor.execute("select pg_try_advisory_xact_lock(%s)", [locks.MIGRATIONS]).fetchall()
        return bool(taken)

    Retrying(retry=retry_if_result(lambda taken: not taken), wait=wait_fixed(0.1))(is_taken)


def as_one_text() -> str:
    """All files as one text, for an SQL editor that sends it as one query; safe to repeat.

    For an empty database, the original's tables, and any database that was made by these files.
    """
    head = "-- All of sql/ as one text, made by: python -m analytics migrate --print"
    statements = [statement.strip().removesuffix(";") for statement in _statements(sql_files())]
    statements.append(_SUM_ANEW.strip())
    return ";\n\n".join([f"{head}\n\n{_file(_BOOKKEEPING).text.strip().removesuffix(';')}", *statements, ""])


def _make_indexes(
    connection: "psycopg.Connection[Any]", step: Sequence[SqlFile], report: Callable[[str], object]
) -> None:
    """Makes the indexes of the step that are on tables that stand, while writers go on.

    Those of later columns are left to the step.
    """
    if connection.execute(_IS_ORIGINAL).fetchall() == [(True,)]:
        return
    for file in step:
        for index in _INDEX.finditer(file.text) if file.is_migration else ():
            [(stands,)] = connection.execute("select to_regclass('public.' || %s) is not null", [index["of"]])
            known = connection.execute(_STANDING_INDEX, [index["name"]]).fetchone()
            if not stands or known == (True,):
                continue
            report(f"making {index['name']}, while writers go on")
            if known:
                # A run before was ended while it made it.
                connection.execute(f"drop index concurrently {index['name']}".encode())
            statement = index[0].replace(index["kind"], f"{index['kind']} concurrently", 1)
            with suppress(psycopg.errors.UndefinedColumn):
                connection.execute(statement.encode())


def _sum_days_anew(
    connection: "psycopg.Connection[Any]", report: Callable[[str], object] = lambda line: None
) -> None:
    """Brings over what calls from before 022 know, in bites; writers go on meanwhile."""
    left = None
    while left != 0:
        for attempt in Retrying(
            # A writer that changes earlier calls may have been in the way.
            retry=retry_if_exception_type((psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)),
            stop=stop_after_attempt(5),
            wait=wait_random(0.1, 1),
            reraise=True,
        ):
            with attempt:
                [(left,)] = connection.execute("select sum_days_anew()").fetchall()
        if left:
            report(f"summing earlier calls with their facts: {left:,} days of clients left")


def _sum_lifetimes_by_kind(
    connection: "psycopg.Connection[Any]", report: Callable[[str], object] = lambda line: None
) -> None:
    """Sums by kind what conversations had before 051, in bites; everybody goes on meanwhile."""
    count = 0
    while summed := connection.execute("select sum_lifetimes_by_kind()").fetchall()[0][0]:
        count += summed
        report(f"summing conversations by kind: {count:,} are done")


def _file(name: str) -> SqlFile:
    path = SQL_DIRECTORY / ("migrations" if name[:3].isdigit() else "") / f"{name}.sql"
    return SqlFile(name=name, text=path.read_text(encoding="utf-8"))


def _by_name(records: Iterable[tuple[Any, ...]]) -> Mapping[str, Applied]:
    return {name: Applied(sha256=digest, missing=missing) for name, digest, missing in records}


def _steps(connection: "psycopg.Connection[Any]") -> Iterator[Sequence[SqlFile]]:
    """The files to be applied, one transaction's after the other's."""
    applied = _by_name(connection.execute(_APPLIED).fetchall())
    pending = pending_files(applied)
    if not pending:
        return
    if is_distributed(applied):
        # sql/citus finds all functions as they are written.
        functions = [file for file in sql_files() if file.name.startswith("functions/")]
        migrations = [file for file in pending if file.is_migration]
        files = dict.fromkeys([_TOOLS, *(file.name for file in (*migrations, *functions))])
        yield [*map(_file, files), *citus_files()]
        return
    [(is_original,)] = connection.execute(_IS_ORIGINAL).fetchall()
    if is_original:
        if before := [file for file in pending if file.name == _TOOLS or _is_before_adoption(file)]:
            yield before
        yield [_file(name) for name in _ADOPTED_WITH]
        pending = [file for file in pending if file not in before and file.name not in _ADOPTED_WITH]
    yield [*(file for file in pending if file.name != _ACCESS), _file(_ACCESS)]


def _is_before_adoption(file: SqlFile) -> bool:
    return file.is_migration and (file.name < _ADOPTED_WITH[0] or file.name == _CLIENTS)


def _statements(
    step: Sequence[SqlFile], report: Callable[[str], object] = lambda line: None
) -> Iterator[str]:
    """What applies the files of one transaction, and notes that they were."""
    yield _BODIES_LATER
    # The adoption keeps writers waiting only at its end.
    is_adoption_alone = [file.name for file in step] == list(_ADOPTED_WITH)
    is_to_lock = not is_adoption_alone and any(file.is_migration or file.name in _LOCKING for file in step)
    for file in step:
        if is_to_lock and file.name != _TOOLS:
            yield _file(_LOCK_TABLES).text
            is_to_lock = False
        report(f"applying {file.name}")
        yield file.text
        yield _RECORD.format(sql.Literal(file.name).as_string(), sql.Literal(file.sha256).as_string())


def _report_notice(notice: Diagnostic, report: Callable[[str], object]) -> None:
    text = notice.message_primary or ""
    # PostgreSQL also remarks on every "if not exists" that had nothing to do.
    if text.startswith("adopting "):
        report(text)
