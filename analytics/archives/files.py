"""Calls into a Parquet file and out of it, as PostgreSQL's own texts: nothing is rounded on the way.

Numbers of few digits, dates and moments are what they are in the file, so that other programs can count;
whatever has as many digits as somebody gave it (numeric), and uuid and jsonb, are texts. A batch is a
list of rows, each a tuple of texts in the order of the columns; None is null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from analytics.errors import ConfigurationError, InvalidInput

BATCH_ROWS = 10_000
_ROWS_PER_GROUP = 100_000
_add = Context(prec=80).add

Batch = Sequence[tuple[str | None, ...]]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a file holds: counts and sums that stay whatever is forgotten, and hashes that do not."""

    call_count: int
    request_count: int
    """The same, where sums of buckets count as many as they say."""
    total_tokens: int
    cost_usd: Decimal
    rows_sha256: str
    """Of all values of all rows in their order."""
    file_sha256: str
    bytes: int

    @property
    def sums(self) -> tuple[int, int, int, Decimal]:
        return self.call_count, self.request_count, self.total_tokens, self.cost_usd


def write_calls(path: Path, columns: Mapping[str, str], batches: Iterable[Batch]) -> Contents:
    """Writes calls to a new file of this machine, compressed by zstd.

    `columns` are names and types of PostgreSQL, such as {"id": "uuid"}; of a `timestamp with time zone` the
    texts are those of to_char(... at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"').

    Raises:
        InvalidInput: a value does not fit.
        ConfigurationError: pyarrow is not installed.
    """
    pa, pq = _arrow()
    schema = pa.schema([(name, _type(pa, kind)) for name, kind in columns.items()])
    schema = schema.with_metadata({f"postgresql.{name}": kind for name, kind in columns.items()})
    counted = _Counted(tuple(columns))
    waiting: list[Any] = []
    try:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in batches:
                if not batch:
                    continue
                counted.add(batch)
                waiting.append(_typed(pa, schema, batch))
                if sum(each.num_rows for each in waiting) >= _ROWS_PER_GROUP:
                    writer.write_table(pa.Table.from_batches(waiting, schema))
                    waiting = []
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting, schema))
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error}") from error
    return counted.contents(path)


def contents_of(path: Path) -> Contents:
    """What a file holds, by reading it; raises InvalidInput where it is damaged."""
    columns = columns_of(path)
    counted = _Counted(tuple(columns))
    for batch in calls_in(path):
        counted.add(batch)
    return counted.contents(path)


def calls_in(path: Path) -> Iterator[Batch]:
    """The calls of a file, as they were given to write_calls().

    Raises:
        InvalidInput: it is no such file, or damaged.
        ConfigurationError: pyarrow is not installed.
    """
    file = _opened(path)
    kinds = list(columns_of(path).values())
    pa, _ = _arrow()
    try:
        for batch in file.iter_batches(BATCH_ROWS):
            texts = [_texts(pa, column, kind) for column, kind in zip(batch.columns, kinds, strict=True)]
            yield list(zip(*texts, strict=True))
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(f"{path.name} is damaged: {error}") from error


def columns_of(path: Path) -> dict[str, str]:
    """The columns of a file, and their types of PostgreSQL; raises InvalidInput where it is no such file."""
    schema = _opened(path).schema_arrow
    known = schema.metadata or {}
    try:
        return {name: known[f"postgresql.{name}".encode()].decode() for name in schema.names}
    except KeyError:
        raise InvalidInput(f"{path.name} was not written as an archive") from None


class _Counted:
    """Adds rows up as they come by."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._tokens, self._cost = columns.index("total_tokens"), columns.index("cost_usd")
        self._bucket = columns.index("bucket_request_count")
        self._calls = self._requests = self._total = 0
        self._usd = Decimal(0)
        self._hash = sha256()

    def add(self, batch: Batch) -> None:
        self._calls += len(batch)
        self._requests += sum(int(row[self._bucket] or 1) for row in batch)
        self._total += sum(int(row[self._tokens] or 0) for row in batch)
        for row in batch:
            self._usd = _add(self._usd, Decimal(row[self._cost] or 0))
        # No text holds these two, as PostgreSQL takes no NUL.
        lines = ("\0".join("\0\0" if text is None else text for text in row) for row in batch)
        self._hash.update(("\0\0\0".join(lines) + "\0\0\0").encode())

    def contents(self, path: Path) -> Contents:
        with path.open("rb") as file:
            file_hash = sha256()
            while part := file.read(1 << 20):
                file_hash.update(part)
            size = file.tell()
        return Contents(
            call_count=self._calls,
            request_count=self._requests,
            total_tokens=self._total,
            cost_usd=self._usd,
            rows_sha256=self._hash.hexdigest(),
            file_sha256=file_hash.hexdigest(),
            bytes=size,
        )


def _type(pa: Any, kind: str) -> Any:
    of = {
        "smallint": pa.int16(),
        "integer": pa.int32(),
        "bigint": pa.int64(),
        "date": pa.date32(),
        "timestamp with time zone": pa.timestamp("us", tz="UTC"),
    }
    return of.get(kind, pa.string())


def _typed(pa: Any, schema: Any, batch: Batch) -> Any:
    columns = []
    for field, texts in zip(schema, zip(*batch, strict=True), strict=True):
        try:
            columns.append(pa.array(texts, pa.string()).cast(field.type))
        except pa.ArrowInvalid as error:
            raise InvalidInput(f"{field.name} of a call does not fit an archive: {error}") from None
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _texts(pa: Any, column: Any, kind: str) -> list[str | None]:
    if kind == "timestamp with time zone":
        return [
            None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}" for moment in column.to_pylist()
        ]
    texts: list[str | None] = column.cast(pa.string()).to_pylist()
    return texts


def _opened(path: Path) -> Any:
    pa, pq = _arrow()
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(f"{path.name} is damaged: {error}") from error


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise ConfigurationError(
            'an archive needs pyarrow, which comes with pip install "usage-analytics[archives]"'
        ) from None
    return pa, pq
