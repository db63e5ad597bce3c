"""Gives the calls of a correction the costs back that they had before it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from analytics.calls.row import is_uuid
from analytics.corrections import record
from analytics.corrections.preview import Report
from analytics.corrections.record import Correction
from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.formatting import utc_moment

# The last of the corrections that changed some of its calls again.
_LATER_CORRECTIONS = """
    select later.id, later.corrected_at, later.reason
    from cost_corrections as later
    where
        later.client_id = %(client_id)s
        and later.corrected_at > %(corrected_at)s
        and later.undone_at is null
        and exists (
            select
            from cost_correction_items as its_call
            inner join cost_correction_items as our_call using (client_id, usage_log_id)
            where
                its_call.client_id = %(client_id)s
                and its_call.correction_id = later.id
                and our_call.correction_id = %(correction_id)s
        )
    order by later.corrected_at desc
    limit 1
"""

_UNDO_BATCH = """
    with batch as materialized (
        select
            usage_log_id, cost_before_usd, cost_after_usd, basis_before, basis_after, price_before,
            price_after, had_metadata
        from cost_correction_items
        where
            client_id = %(client_id)s and correction_id = %(correction_id)s
            and (%(after)s::uuid is null or usage_log_id > %(after)s)
        order by usage_log_id
        limit %(batch_rows)s
    ),

    present as materialized (
        select
            log.id, batch.cost_before_usd, batch.basis_before, batch.price_before, batch.had_metadata,
            log.cost_usd = batch.cost_after_usd
            and log.cost_basis = batch.basis_after
            and log.metadata -> 'price' is not distinct from batch.price_after as is_as_corrected,
            -- By an undoing that came to an end before this one.
            log.cost_usd = batch.cost_before_usd
            and log.cost_basis = batch.basis_before
            and log.metadata -> 'price' is not distinct from batch.price_before as is_as_before
        from batch
        inner join usage_logs as log on log.client_id = %(client_id)s and log.id = batch.usage_log_id
        order by log.id
        for no key update of log
    ),

    restored as (
        update usage_logs as log
        set
            cost_usd = present.cost_before_usd,
            cost_basis = present.basis_before,
            metadata = case
                when jsonb_typeof(log.metadata) is distinct from 'object' then log.metadata
                when present.price_before is not null
                    then log.metadata || jsonb_build_object('price', present.price_before)
                when present.had_metadata or log.metadata - 'price' <> '{}' then log.metadata - 'price'
            end
        from present
        where log.client_id = %(client_id)s and log.id = present.id and present.is_as_corrected
        returning log.id
    )

    select
        (select usage_log_id from batch order by usage_log_id desc limit 1) as last_id,
        (select count(*) from batch) as batch_count,
        (select count(*) from present) as present_count,
        (select count(*) from restored)
        + (select count(*) from present where is_as_before and not is_as_corrected) as restored_count
"""

_MARK_UNDONE = """
    update cost_corrections
    set undone_at = clock_timestamp(), undone_by = %(by)s
    where client_id = %(client_id)s and id = %(correction_id)s
"""


@dataclass(frozen=True, kw_only=True)
class UndoResult:
    """What became of the calls of a correction that was undone."""

    correction: Correction
    restored_count: int
    changed_count: int
    """Calls that were changed after the correction, and stay as they are."""
    deleted_count: int


def undo_correction(
    database: Database, correction_id: str, *, by: str, report: Report | None = None
) -> UndoResult:
    """Gives the calls of this correction the cost, basis and metadata.price back that they had before it.

    In batches, each in a transaction of its own. Calls that were changed or deleted after the correction stay
    so. What is interrupted may be run again, and goes on.

    Raises:
        InvalidInput: there is no such correction, it was undone, or a later one changed its calls again.
        DatabaseError: the batch at which it happened changed nothing.
    """
    by, correction_id = record.name_of(by), correction_id.strip()
    count = present_count = restored_count = 0
    after: UUID | None = None
    is_over = False
    while not is_over:
        with database.transaction() as connection:
            record.begin(connection)
            correction = _find(connection, database, correction_id)
            record.wait_for_others(connection, correction.client_id)
            # Again, now that nobody else can change it.
            correction = _find(connection, database, correction_id)
            names = {"client_id": correction.client_id, "correction_id": correction.id, "by": by}
            _require_undoable(connection, correction, is_begun=after is not None)
            after, batch_count, present, restored = record.run_batch(connection, _UNDO_BATCH, names, after)
            is_over = batch_count < record.BATCH_ROWS
            if is_over:
                connection.execute(_MARK_UNDONE, names)
        count, present_count = count + batch_count, present_count + present
        restored_count += restored
        if report:
            report(count)
    record.fold(database)
    return UndoResult(
        correction=correction,
        restored_count=restored_count,
        changed_count=present_count - restored_count,
        deleted_count=count - present_count,
    )


def _require_undoable(
    connection: "psycopg.Connection[Any]", correction: Correction, *, is_begun: bool
) -> None:
    if correction.undone_at is not None:
        raise InvalidInput(
            f"correction {correction.id} was undone by {correction.undone_by} at "
            f"{utc_moment(correction.undone_at)}: there is nothing left to undo"
        )
    if is_begun:
        # What came in between found calls that it could change; those stay as it left them.
        return
    later = connection.execute(
        _LATER_CORRECTIONS,
        {
            "client_id": correction.client_id,
            "correction_id": correction.id,
            "corrected_at": correction.corrected_at,
        },
    ).fetchone()
    if later is not None:
        later_id, later_at, reason = later
        raise InvalidInput(
            f"correction {correction.id} cannot be undone: correction {later_id} of {utc_moment(later_at)} "
            f'("{reason}") changed some of its calls again: undo that one first'
        )


def _find(connection: "psycopg.Connection[Any]", database: Database, correction_id: str) -> Correction:
    found = (
        record.find_corrections(connection, correction_id=UUID(correction_id))
        if is_uuid(correction_id)
        else []
    )
    if not found:
        raise InvalidInput(
            f'no correction has the id "{correction_id}" in {database.place}: '
            '"python -m analytics corrections" lists them'
        )
    return found[0]
