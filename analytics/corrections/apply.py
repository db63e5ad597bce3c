"""Books calls with what they cost by today's price lists: all of them or none.

Each change is recorded. A call that somebody else changes at the same time stays as they left it.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg

from analytics.corrections import record
from analytics.corrections.preview import Change, Repricing, RepricingPass
from analytics.corrections.record import Correction
from analytics.corrections.selection import Selection, no_calls
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

# One batch in key order. A row with another version was changed after it was priced.
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
class CorrectionResult:
    """What the calls cost, and the correction that was made of them."""

    repricing: Repricing
    correction: Correction | None
    """None: there was nothing to correct."""
    skipped_count: int
    """Calls that were changed or deleted at the same time: they stay as somebody else left them."""


def apply_correction(database: Database, selection: Selection, *, by: str, reason: str) -> CorrectionResult:
    """Books the calls with what they cost by today's price lists, and records each change.

    All or nothing, in one transaction. A call keeps its cost if its writer gave it, or if no list has a price
    for it now.

    Raises:
        InvalidInput: there are no such calls, or who or why is missing.
        DatabaseError: nothing was changed.
    """
    by, reason = record.name_of(by), record.reason_of(reason)
    with database.transaction() as connection:
        record.begin(connection)
        record.wait_for_others(connection, selection.client_id)
        repricing_pass = RepricingPass(selection)
        connection.execute(_CREATE_REPRICED)
        with closing(repricing_pass.changes(connection)) as changes:
            for lines in _batches(map(_line, changes)):
                with connection.cursor().copy(_COPY_REPRICED) as copy:
                    copy.write("".join(lines))
        repricing = repricing_pass.result()
        if not repricing.by_model:
            raise no_calls(connection, selection)
        correction, skipped_count = None, 0
        if changed_count := repricing.total.changed_count:
            connection.execute(_INDEX_REPRICED)
            connection.execute(_ANALYZE_REPRICED)
            correction = _record(connection, selection, by, reason)
            skipped_count = changed_count - (correction.request_count if correction else 0)
    record.fold(database)
    return CorrectionResult(repricing=repricing, correction=correction, skipped_count=skipped_count)


def _record(
    connection: "psycopg.Connection[Any]", selection: Selection, by: str, reason: str
) -> Correction | None:
    """Corrects the calls of repriced_usage; None if all of them were changed since they were priced."""
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
