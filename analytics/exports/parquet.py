"""The raw calls of one client -> Parquet: the columns of the CSV, with types. Memory holds one batch."""

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import BinaryIO
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from analytics.database import Database
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.exports.calls import CALL_COLUMNS, TEXTS, call_records
from analytics.queries import NO_FILTERS, Filters

_EXACT = pa.decimal128(38, 18)  # costs that others booked may have more decimals than ours
_OTHERS = {
    "id": pa.string(),
    "conversation_id": pa.string(),
    "created_at": pa.timestamp("us", tz="UTC"),
    "usage_date": pa.date32(),
    "cost_usd": _EXACT,
    "stated_cost_usd": _EXACT,
    "duration_seconds": _EXACT,
}
SCHEMA = pa.schema(
    [(name, _OTHERS.get(name, pa.string() if name in TEXTS else pa.int64())) for name in CALL_COLUMNS]
)
_ROWS_PER_GROUP = 100_000


def write_parquet(
    database: Database,
    client_id: UUID,
    days: Days,
    file: BinaryIO,
    *,
    is_unmasked: bool,
    filters: Filters = NO_FILTERS,
    progress: Callable[[int], object] = lambda rows: None,
) -> None:
    """Writes the calls that calls_csv() writes, compressed by zstd; what is not known is null.

    cost_usd, stated_cost_usd and duration_seconds are decimals of 18 places, created_at is UTC, usage_date
    the client's day; metadata and tags are JSON. `progress` is told how many rows each batch holds.

    Raises:
        InvalidInput: a cost has more than 18 decimals.
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    batches = call_records(database, client_id, days, is_unmasked=is_unmasked, filters=filters)
    waiting: list[pa.RecordBatch] = []
    with closing(batches), pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for batch in batches:
            waiting.append(_typed(batch))
            progress(len(batch))
            if sum(each.num_rows for each in waiting) >= _ROWS_PER_GROUP:
                writer.write_table(pa.Table.from_batches(waiting, SCHEMA))
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, SCHEMA))


def _typed(batch: Sequence[tuple[str | None, ...]]) -> pa.RecordBatch:
    """Texts of PostgreSQL as what they are."""
    columns = []
    for field, texts in zip(SCHEMA, zip(*batch, strict=True), strict=True):
        try:
            columns.append(pa.array(texts, pa.string()).cast(field.type))
        except pa.ArrowInvalid as error:
            raise InvalidInput(
                f"{field.name} of a call does not fit a Parquet file ({error}): write it as csv"
            ) from None
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
