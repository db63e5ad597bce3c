"""An installation on several machines: Citus distributes its tables, a client's rows to one node.

`sql/citus/` is all that differs there. docs/scale.md says when it is worth it, and what it does not do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from analytics.database import HAS_CITUS, Database, Query
from analytics.errors import DatabaseError
from analytics.migrations import applied_files, apply_migrations, is_distributed, pending_migrations

_NODES = """
    select nodename || ':' || nodeport
    from pg_dist_node
    where isactive and shouldhaveshards
    order by nodename, nodeport
"""
_COORDINATOR = "select exists (select from pg_dist_node where groupid = 0)"
_UNFINISHED = """
    select
        (select count(*) from usage_days_to_sum) as days_to_sum,
        (select min(name) from clients where raw_since is not null) as dropped_client
"""
_SUMS = """
    select
        client_id, sum(request_count)::bigint, sum(total_tokens)::numeric, sum(cost_usd),
        sum(unpriced_count)::bigint
    from usage_daily
    group by client_id
    order by client_id
"""
_CALLS = "select count(*) from usage_logs"


@dataclass(frozen=True, kw_only=True)
class Distributed:
    """What lies on the nodes after distribute(), compared with what there was before."""

    calls: int
    clients: int
    """Clients with calls."""
    nodes: list[str]


def is_on_citus(database: Database) -> bool:
    """Whether this installation was distributed.

    Raises:
        DatabaseUnavailable, DatabaseError
    """
    return is_distributed(applied_files(database))


def distribute(
    database: Database, *, shard_count: int, report: Callable[[str], object] = lambda line: None
) -> Distributed:
    """Distributes all clients' rows over the nodes of Citus.

    Where they are already, shards that were moved are given their functions. Writers wait while it copies.
    One transaction distributes all or nothing. The sums of each client are compared with those of before;
    `health.shard_checks()` looks at the rest.

    Raises:
        DatabaseUnavailable
        DatabaseError: Citus is not there, or what is there cannot be distributed; the message says why.
    """
    nodes = _nodes(database)
    if is_on_citus(database):
        report("distributed already: each shard is given its functions again")
        apply_migrations(database, report, shard_count=shard_count)
        sums, calls = _sums(database)
        return Distributed(calls=calls, clients=len(sums), nodes=nodes)
    apply_migrations(database, report)
    _require_finished(database)
    before, calls_before = _sums(database)
    report(f"distributing {calls_before:,} calls of {len(before):,} clients over {', '.join(nodes)}")
    apply_migrations(database, report, shard_count=shard_count)
    # What distributing set holds for connections that are made from now on.
    database.engine.dispose()
    after, calls = _sums(database)
    if (before, calls_before) != (after, calls):
        others = sorted(
            str(client) for client in before.keys() | after if before.get(client) != after.get(client)
        )
        raise DatabaseError(
            f"there were {calls_before:,} calls before, and {calls:,} now; other sums have: "
            f"{', '.join(others[:10]) or 'none'} -- did somebody write meanwhile?"
        )
    if lost := pending_migrations(database):
        raise DatabaseError(f"distributing lost what these make: {', '.join(lost)}")
    report(f"the sums of all {len(after):,} clients are those of before")
    return Distributed(calls=calls, clients=len(after), nodes=nodes)


def _nodes(database: Database) -> list[str]:
    [there] = database.read(Query(statement=HAS_CITUS))
    if there.records != [(True,)]:
        raise DatabaseError(
            f"{database.place} has no Citus: install it on all nodes, and run there"
            ' "create extension citus"; docs/scale.md has the steps'
        )
    nodes, coordinator = database.read(Query(statement=_NODES), Query(statement=_COORDINATOR))
    if coordinator.records != [(True,)]:
        raise DatabaseError(
            f"{database.place} is not known to the nodes: run"
            " \"select citus_set_coordinator_host('its name', 5432)\""
        )
    if not nodes.records:
        raise DatabaseError(
            f"{database.place} has no nodes for shards: run for each"
            " \"select citus_add_node('its name', 5432)\""
        )
    return [node for (node,) in nodes.records]


def _require_finished(database: Database) -> None:
    [rows] = database.read(Query(statement=_UNFINISHED))
    [(days_to_sum, dropped_client)] = rows.records
    if days_to_sum:
        raise DatabaseError(
            'earlier calls are not summed by their facts yet: run "python -m analytics migrate"'
        )
    if dropped_client is not None:
        raise DatabaseError(
            f'calls of "{dropped_client}" are kept as sums only, which is not done on Citus: bring them back '
            'with "python -m analytics retention restore", or stay on one machine'
        )


def _sums(database: Database) -> tuple[dict[UUID, tuple[Any, ...]], int]:
    sums, calls = database.read(Query(statement=_SUMS), Query(statement=_CALLS))
    return {client: tuple(rest) for client, *rest in sums.records}, calls.records[0][0]
