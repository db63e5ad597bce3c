"""Books calls with what they cost by the price lists as they are now: all of them or none.

Each call's change is recorded. What others do to a call meanwhile is left as they did it.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg

from analytics.corrections import record
from analytics.corrections.preview import Change, Repricing, Survey
from analytics.corrections.record import Correction
from analytics.corrections.selection import Selection
from analytics.database import Database

_CREATE_REPRICED = """
    create temporary table repriced_usage (
        id uuid not null,
        version xid not null,
        cost_usd numeric not null,
        cost_basis text not null,
        price jsonb not null
    ) on commit drop
"""
_COPY_REPRICED = "copy repriced_usage from stdin"
_INDEX_REPRICED = "create index on repriced_usage (id)"
_ANALYZE_REPRICED = "analyze repriced_usage"

_INSERT_CORRECTION = """
    insert into cost_corrections (
        client_id, corrected_by, reason, first_date, last_date, timezone, source, model
    )
    values (
        %(client_id)s, %(by)s, %(reason)s, %(first_date)s, %(last_date)s, %(timezone)s, %(source)s, %(model)s
    )
    returning id
"""

# One batch in key order. A row that has another version by now was changed since it was priced.
_CORRECT_BATCH = """
    with batch as materialized (
        select id, version, cost_usd, cost_basis, price
        from repriced_usage
        where %(after)s::uuid is null or id > %(after)s
        order by id
        limit %(batch_rows)s
    ),

    unchanged as materialized (
        select
            log.id,
            log.cost_usd as cost_before_usd,
            batch.cost_usd as cost_after_usd,
            log.cost_basis as basis_before,
            batch.cost_basis as basis_after,
            log.metadata -> 'price' as price_before,
            case when coalesce(jsonb_typeof(log.metadata), 'object') = 'object' then batch.price end
                as price_after,
            log.metadata is not null as had_metadata
        from batch
        inner join usage_logs as log
            on log.client_id = %(client_id)s and log.id = batch.id and log.xmin = batch.version
        order by log.id
        for no key update of log
    ),

    corrected as (
        update usage_logs as log
        set
            cost_usd = unchanged.cost_after_usd,
            cost_basis = unchanged.basis_after,
            metadata = case
                when unchanged.price_after is null then log.metadata
                else coalesce(log.metadata, '{}') || jsonb_build_object('price', unchanged.price_after)
            end
        from unchanged
        where log.client_id = %(client_id)s and log.id = unchanged.id
    ),

    recorded as (
        insert into cost_correction_items (
            client_id, correction_id, usage_log_id, cost_before_usd, cost_after_usd, basis_before,
            basis_after, price_before, price_after, had_metadata
        )
        select
            %(client_id)s, %(correction_id)s, id, cost_before_usd, cost_after_usd, basis_before, basis_after,
            price_before, price_after, had_metadata
        from unchanged
        returning usage_log_id
    )

    select
        (select id from batch order by id desc limit 1) as last_id,
        (select count(*) from batch) as batch_count,
        (select count(*) from recorded) as corrected_count
"""

_FINISH_CORRECTION = """
    update cost_corrections
    set
        request_count = items.request_count,
        cost_before_usd = items.cost_before_usd,
        cost_after_usd = items.cost_after_usd
    from (
        select
            count(*) as request_count,
            sum(cost_before_usd) as cost_before_usd,
            sum(cost_after_usd) as cost_after_usd
        from cost_correction_items
        where client_id = %(client_id)s and correction_id = %(correction_id)s
    ) as items
    where client_id = %(client_id)s and id = %(correction_id)s
"""
_FORGET_CORRECTION = "delete from cost_corrections where client_id = %(client_id)s and id = %(correction_id)s"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What correct() found and did."""

    repricing: Repricing
    correction: Correction | None
    """None: there was nothing to correct."""
    skipped_count: int
    """Calls that changed or went away while this was at work: they are as somebody else left them."""


def correct(database: Database, selection: Selection, *, by: str, reason: str) -> Outcome:
    """Books the calls with what they cost by the price lists as they are now, and records what it changed.

    All or nothing, in one transaction. A call whose cost its writer gave, and one for which no price is known
    now, keep the cost they have.

    Raises:
        InvalidInput: there are no such calls, or who or why is missing.
        DatabaseError: nothing was changed.
    """
    by, reason = record.text_of("--by", by), record.text_of("--reason", reason)
    with database.transaction() as connection:
        record.begin(connection)
        record.wait_for_others(connection, selection.client_id)
        survey = Survey(selection)
        connection.execute(_CREATE_REPRICED)
        with closing(survey.changes(connection)) as changes:
            for lines in _batches(map(_line, changes)):
                with connection.cursor().copy(_COPY_REPRICED) as copy:
                    copy.write("".join(lines))
        repricing = survey.result(connection)
        correction, skipped_count = None, 0
        if changed_count := repricing.total.changed_count:
            connection.execute(_INDEX_REPRICED)
            connection.execute(_ANALYZE_REPRICED)
            correction = _record(connection, selection, by, reason)
            skipped_count = changed_count - (correction.request_count if correction else 0)
    record.fold(database)
    return Outcome(repricing=repricing, correction=correction, skipped_count=skipped_count)


def _record(
    connection: "psycopg.Connection[Any]", selection: Selection, by: str, reason: str
) -> Correction | None:
    """Corrects the calls of repriced_usage; None if not one was left as it had been priced."""
    inserted = connection.execute(
        _INSERT_CORRECTION, {**vars(selection), "by": by, "reason": reason}
    ).fetchone()
    assert inserted is not None
    parameters = {"client_id": selection.client_id, "correction_id": inserted[0]}
    batches = record.run_batches(connection, _CORRECT_BATCH, parameters)
    if not sum(corrected for _batch_count, corrected in batches):
        connection.execute(_FORGET_CORRECTION, parameters)
        return None
    connection.execute(_FINISH_CORRECTION, parameters)
    return record.find_corrections(connection, **parameters)[0]


def _line(change: Change) -> str:
    """For COPY, of whose special characters JSON text has only the backslash."""
    call_id, version, cost = change
    price = json.dumps(dict(cost.price)).replace("\\", "\\\\")
    return f"{call_id}\t{version}\t{cost.amount_usd}\t{cost.basis}\t{price}\n"


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(lines)
    while batch := list(islice(remaining, record.BATCH_ROWS)):
        yield batch
