"""Rows of a Parquet file. pyarrow reads it, which is a part of the dashboard."""

import io
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any

from analytics.errors import InvalidInput
from analytics.importing.opening import Source

_BATCH_ROWS = 10_000
_MAX_IN_MEMORY_BYTES = 1_000_000_000


def parquet_columns(source: Source) -> Sequence[str]:
    """The names of its columns; raises InvalidInput where it is damaged, or pyarrow is not installed."""
    return list(_opened(source).schema_arrow.names)


def parquet_rows(source: Source) -> Iterator[tuple[dict[str, Any], float]]:
    """Its rows by column, each with how much of the file is read by then, from 0 to 1."""
    file = _opened(source)
    read, total = 0, max(file.metadata.num_rows, 1)
    for batch in file.iter_batches(_BATCH_ROWS):
        for row in batch.to_pylist():
            read += 1
            yield row, read / total


def _opened(source: Source) -> Any:
    if find_spec("pyarrow") is None:
        raise InvalidInput(f"{source.name} is a Parquet file, which pyarrow reads: pip install pyarrow")
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not source.member:
        given: Any = source.path
    else:  # it begins at its end, which a compressed member cannot
        if source.size_bytes > _MAX_IN_MEMORY_BYTES:
            raise InvalidInput(
                f"{source.name} has {source.size_bytes:,} bytes, too many to read out of an archive: "
                "unpack it first"
            )
        opened = source.open()
        given = io.BytesIO(opened.read())
        opened.close()
    try:
        return pq.ParquetFile(given)
    except (pa.ArrowInvalid, OSError) as error:
        raise InvalidInput(f"cannot read {source.name}: {error}") from None
