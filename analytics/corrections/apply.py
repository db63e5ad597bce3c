"""Books calls with what they cost by today's price lists, in bites: all calls of a bite or none.

Each change is recorded, all of them under one correction, which is right after each bite. A call that
somebody else changes at the same time stays as they left it. Writers of other calls never wait; those of a
call wait for one bite at the most.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any
from uuid import UUID

import psycopg

from analytics.corrections import record
from analytics.corrections.preview import Change, Report, Repricing, RepricingPass, repricing_of
from analytics.corrections.record import Correction
from analytics.corrections.selection import Selection, bites, no_calls
from analytics.database import Database
from analytics.errors import CorrectionStopped, DatabaseError
from analytics.formatting import counted

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
        returning cost_before_usd, cost_after_usd
    )

    select
        (select id from batch order by id desc limit 1) as last_id,
        (select count(*) from batch) as batch_count,
        count(*) as corrected_count,
        coalesce(sum(cost_before_usd), 0) as cost_before_usd,
        coalesce(sum(cost_after_usd), 0) as cost_after_usd
    from recorded
"""

_ADD_TO_CORRECTION = """
    update cost_corrections
    set
        request_count = request_count + %(request_count)s,
        cost_before_usd = cost_before_usd + %(cost_before_usd)s,
        cost_after_usd = cost_after_usd + %(cost_after_usd)s
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


def apply_correction(
    database: Database, selection: Selection, *, by: str, reason: str, report: Report | None = None
) -> CorrectionResult:
    """Books the calls with what they cost by today's price lists, and records each change.

    A bite after the other, each in a transaction of its own. A call keeps its cost if its writer gave it, or
    if no list has a price for it now.

    Raises:
        InvalidInput: there are no such calls, or who or why is missing.
        CorrectionStopped: the database refused a bite, which changed nothing. Those before it are corrected.
        DatabaseError: nothing was changed.
    """
    by, reason = record.name_of(by), record.reason_of(reason)
    run = _Run(database=database, selection=selection, by=by, reason=reason)
    done = 0
    for bite, count in bites(database, selection):
        try:
            run.correct(bite)
        except DatabaseError as error:
            if run.correction_id is None:
                raise
            raise run.stopped(error) from error
        done += count
        if report:
            report(done)
    return run.result()


class _Run:
    """A correction that is being made."""

    def __init__(self, *, database: Database, selection: Selection, by: str, reason: str) -> None:
        self._database = database
        self._selection = selection
        self._words = {"by": by, "reason": reason}
        self._repricings: list[Repricing] = []
        self._corrected_count = 0
        self.correction_id: UUID | None = None
        """None: no call was changed yet."""

    def correct(self, bite: Selection) -> None:
        """One bite, all of it or nothing."""
        with self._database.transaction() as connection:
            record.begin(connection)
            record.wait_for_others(connection, bite.client_id)
            repricing_pass = RepricingPass(bite)
            connection.execute(_CREATE_REPRICED)
            with closing(repricing_pass.changes(connection)) as changes:
                for lines in _batches(map(_line, changes)):
                    with connection.cursor().copy(_COPY_REPRICED) as copy:
                        copy.write("".join(lines))
            repricing = repricing_pass.result()
            correction_id, corrected_count = self.correction_id, 0
            if repricing.total.changed_count:
                connection.execute(_INDEX_REPRICED)
                connection.execute(_ANALYZE_REPRICED)
                correction_id, corrected_count = self._record(connection)
        # Committed.
        self.correction_id = correction_id
        self._corrected_count += corrected_count
        self._repricings.append(repricing)

    def _record(self, connection: "psycopg.Connection[Any]") -> tuple[UUID | None, int]:
        """Corrects the calls of repriced_usage; their correction, if there is one, and their number."""
        correction_id = self.correction_id
        if correction_id is None:
            words = {**vars(self._selection), **self._words}
            inserted = connection.execute(_INSERT_CORRECTION, words).fetchone()
            assert inserted is not None
            [correction_id] = inserted
        names = {"client_id": self._selection.client_id, "correction_id": correction_id}
        count, before, after = 0, Decimal(0), Decimal(0)
        for _, corrected, cost_before, cost_after in record.run_batches(connection, _CORRECT_BATCH, names):
            count += corrected
            before, after = record.add(before, cost_before), record.add(after, cost_after)
        if not count and self.correction_id is None:
            # All of them were changed since they were priced.
            connection.execute(_FORGET_CORRECTION, names)
            return None, 0
        sums = {"request_count": count, "cost_before_usd": before, "cost_after_usd": after}
        connection.execute(_ADD_TO_CORRECTION, names | sums)
        return correction_id, count

    def result(self) -> CorrectionResult:
        """What was changed.

        Raises:
            InvalidInput: there were no calls.
        """
        repricing = repricing_of(self._selection, (each.by_model for each in self._repricings))
        correction = None
        with self._database.transaction() as connection:
            if not repricing.by_model and self._selection.payer is None:
                raise no_calls(connection, self._selection)
            if self.correction_id is not None:
                [correction] = record.find_corrections(
                    connection, client_id=self._selection.client_id, correction_id=self.correction_id
                )
        record.fold(self._database)
        skipped_count = repricing.total.changed_count - self._corrected_count
        return CorrectionResult(repricing=repricing, correction=correction, skipped_count=skipped_count)

    def stopped(self, error: DatabaseError) -> CorrectionStopped:
        """The error, with what was done until then."""
        calls = counted(self._corrected_count, "call")
        done = f"{calls} were corrected until then, in correction {self.correction_id}"
        return CorrectionStopped(error, f"{done}: run it again to correct the others, or undo that one")


def _line(change: Change) -> str:
    """For COPY, of whose special characters JSON text has only the backslash."""
    call_id, version, cost = change
    price = json.dumps(dict(cost.price)).replace("\\", "\\\\")
    return f"{call_id}\t{version}\t{cost.amount_usd}\t{cost.basis}\t{price}\n"


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(lines)
    while batch := list(islice(remaining, record.BATCH_ROWS)):
        yield batch
