"""Whether shards of Citus are as closed, as watched and as exact as the tables of one machine.

Each of these went wrong in silence when Citus was tried: readers saw all clients, the first conversations
were none, the price list kept its revision. So each is looked for where it would be seen, too.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time

from analytics.database import Database, Query
from analytics.distribution import is_on_citus
from analytics.errors import AnalyticsError
from analytics.formatting import counted
from analytics.health.checks import Check

_AGAIN = 'run "python -m analytics distribute" again; until then trust no number of clients on these nodes'
_KINDS = {
    "policies": "Row-level security on shards",
    "grants": "Rights on shards",
    "triggers": "Triggers on shards",
    "functions": "Functions on shards",
}
_MOST_FINDINGS = 5

_FAULTS = """
    select nodeid, success, result
    from run_command_on_all_nodes(
        'select coalesce(json_agg(json_build_array(kind, finding)), ''[]'') from shards.faults_here()'
    )
    order by nodeid
"""
_A_CLIENT = """
    select client_id, max(last_date)
    from usage_conversation_rollup
    where client_id = (select client_id from usage_conversation_rollup limit 1)
    group by client_id
"""
_SEEN_BY_READER = """
    select
        (select count(*) from clients where id <> %(client_id)s),
        (select count(*) from (select 1 from usage_logs where client_id <> %(client_id)s limit 1) as others)
"""
_CONVERSATIONS = "select count(*) from get_usage_by_conversation(%(client_id)s, 1, 1, %(now)s)"
_CALLS = """
    select coalesce(sum(request_count), 0)::bigint
    from usage_daily
    where client_id = %(client_id)s and usage_date = %(last_date)s
"""
_REVISION = "select revision from price_list"
_PRICE = """
    insert into model_prices (source, model, input_usd) values ('doctor', 'doctor-looks-for-revisions', 0)
"""


def shard_checks(database: Database) -> Sequence[Check]:
    """What only a distributed installation can have wrong; no check where this is none."""
    if not is_on_citus(database):
        return []
    checks: list[Check] = []
    for names, look in (
        (tuple(_KINDS.values()), _faults),
        (("Readers see one client", "Top conversations"), _reading),
        (("Price list revision",), _revision),
    ):
        checks += _or_failed(names, database, look)
    return checks


def _or_failed(
    names: Sequence[str], database: Database, look: Callable[[Database], Sequence[Check]]
) -> Sequence[Check]:
    try:
        return look(database)
    except AnalyticsError as error:
        return [
            Check(name=name, state="fail", finding=str(error), remedy="see the message") for name in names
        ]


def _faults(database: Database) -> Sequence[Check]:
    [rows] = database.read(Query(statement=_FAULTS))
    found: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for node, is_answered, result in rows.records:
        if not is_answered:
            for findings in found.values():
                findings.append(f"node {node} does not tell: {result}")
            continue
        for kind, finding in json.loads(result):
            found[kind].append(f"node {node}: {finding}")
    nodes = counted(len(rows.records), "node")
    return [
        Check(
            name=_KINDS[kind],
            state="fail" if findings else "ok",
            finding="; ".join(findings[:_MOST_FINDINGS]) + (" ..." if len(findings) > _MOST_FINDINGS else "")
            if findings
            else f"as on one machine, on {nodes}",
            remedy=_AGAIN if findings else "",
        )
        for kind, findings in found.items()
    ]


def _reading(database: Database) -> Sequence[Check]:
    names = ("Readers see one client", "Top conversations")
    [rows] = database.read(Query(statement=_A_CLIENT))
    if not rows.records:
        return [Check(name=name, state="ok", finding="no calls are folded yet to look at") for name in names]
    [(client_id, last_date)] = rows.records
    now = datetime.combine(last_date, time(12), UTC)
    parameters = {"client_id": client_id, "last_date": last_date, "now": now}
    calls = Query(statement=_CALLS, parameters=parameters)
    [[(there,)]] = [rows.records for rows in database.read(calls)]
    seen, conversations, seen_calls = database.read(
        Query(statement=_SEEN_BY_READER, parameters=parameters),
        Query(statement=_CONVERSATIONS, parameters=parameters),
        calls,
        client_id=client_id,
    )
    [(other_clients, other_calls)] = seen.records
    [(listed,)] = conversations.records
    [(own,)] = seen_calls.records
    is_closed = not other_clients and not other_calls and own == there
    has_all = bool(listed) or not there
    return [
        Check(
            name=names[0],
            state="ok" if is_closed else "fail",
            finding=f"a reader of client {client_id} sees {own} of its {counted(there, 'call')} of "
            f"{last_date}, {counted(other_clients, 'other client')}, and "
            f"{'calls' if other_calls else 'no call'} of others",
            remedy="" if is_closed else _AGAIN,
        ),
        Check(
            name=names[1],
            state="ok" if has_all else "fail",
            finding=f"client {client_id} has {counted(there, 'call')} on {last_date}, and "
            f"{'conversations' if listed else 'no conversation'} then",
            remedy="" if has_all else _AGAIN,
        ),
    ]


def _revision(database: Database) -> Sequence[Check]:
    """Changes a price, and takes it back."""
    with database.transaction() as connection, connection.transaction(force_rollback=True):
        before = connection.execute(_REVISION).fetchall()
        connection.execute(_PRICE)
        after = connection.execute(_REVISION).fetchall()
    is_renewed = before != after
    return [
        Check(
            name="Price list revision",
            state="ok" if is_renewed else "fail",
            finding="a changed price renews it"
            if is_renewed
            else "a changed price does not renew it: trackers go on with old prices",
            remedy="" if is_renewed else 'run "python -m analytics migrate"',
        )
    ]
