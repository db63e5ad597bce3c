"""Calls in files outside of the database: what is read is what was written, or it is said why not."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import duckdb
import pytest

from analytics.archives import (
    ArchivedFile,
    Manifest,
    calls_in,
    place_at,
    read_manifest,
    rewrite_file,
    write_calls,
    write_manifest,
)
from analytics.archives.rewriting import put_file
from analytics.errors import InvalidInput

ACME = UUID(int=1)
COLUMNS = {
    "id": "uuid",
    "created_at": "timestamp with time zone",
    "phone": "text",
    "total_tokens": "bigint",
    "cost_usd": "numeric",
    "metadata": "jsonb",
    "attempt": "smallint",
    "bucket_request_count": "bigint",
}
ROWS = [
    (
        *(
            str(UUID(int=7)),
            "2026-03-01T00:00:00.000001Z",
            "5511987650001",
            "230",
            "0.00930000000000000000001",
        ),
        *('{"a": "b\\n\\t\\\\\u00e9"}', "2", None),
    ),
    (str(UUID(int=8)), "2026-03-31T23:59:59.999999Z", None, "1000000000000", "1.50", None, None, "40"),
]


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_what_is_read_back_is_what_was_written(tmp_path: Path, kind: str) -> None:
    place = place_at(str(tmp_path / "archive") if kind == "folder" else f"memory://{uuid4()}")
    written = tmp_path / "calls.parquet"
    contents = write_calls(written, COLUMNS, [ROWS[:1], [], ROWS[1:]])
    assert contents.sums == (2, 41, 1_000_000_000_230, Decimal("1.50930000000000000000001"))
    file = ArchivedFile(
        name="2026-03.parquet",
        drop_id=UUID(int=5),
        first_date=date(2026, 3, 1),
        last_date=date(2026, 3, 31),
        end_at=datetime(2026, 4, 1, tzinfo=UTC),
        timezone="UTC",
        contents=contents,
        written_at=datetime(2026, 4, 2, tzinfo=UTC),
    )
    manifest = Manifest(client_id=ACME, client_name="Acme").with_file(file)
    assert read_manifest(place, ACME) is None
    put_file(place, written, file.name_in(ACME), contents)
    write_manifest(place, manifest)

    assert read_manifest(place, ACME) == manifest
    with place.local(file.name_in(ACME)) as path:
        assert [row for batch in calls_in(path) for row in batch] == ROWS
        # Other programs read it, too.
        sums = duckdb.read_parquet(str(path)).aggregate("sum(total_tokens)").fetchall()
        assert sums == [(1_000_000_000_230,)]

    # A person is forgotten: other hashes, the same sums, and no trace.
    changed = rewrite_file(
        place,
        manifest,
        file,
        lambda batch, columns: [
            tuple(
                "gone" if name == "phone" and text else text for name, text in zip(columns, row, strict=True)
            )
            for row in batch
        ],
    )
    [renamed] = changed.files
    assert read_manifest(place, ACME) == changed
    assert renamed.contents.sums == contents.sums
    with place.local(renamed.name_in(ACME)) as path:
        assert [row[2] for batch in calls_in(path) for row in batch] == ["gone", None]
    with (
        pytest.raises(InvalidInput, match=r"cannot read .*2026-03\.parquet"),
        place.local(file.name_in(ACME)),
    ):
        pass
    assert rewrite_file(place, changed, renamed, lambda batch, columns: batch) == changed
    with pytest.raises(InvalidInput, match="another sum"):
        rewrite_file(place, changed, renamed, lambda batch, columns: batch[:1])


def test_what_is_wrong_with_an_archive_is_said(tmp_path: Path) -> None:
    place = place_at(str(tmp_path))
    written = tmp_path / "calls.parquet"
    contents = write_calls(written, COLUMNS, [ROWS])
    (tmp_path / str(ACME)).mkdir()
    manifest = tmp_path / str(ACME) / "manifest.json"

    manifest.write_text("{")
    with pytest.raises(InvalidInput, match=r"manifest\.json in .* is damaged"):
        read_manifest(place, ACME)
    manifest.write_text(json.dumps({"format": "another"}))
    with pytest.raises(InvalidInput, match="is 'another', not 'usage-analytics archive 1'"):
        read_manifest(place, ACME)
    with pytest.raises(InvalidInput, match="no name of a file"), place.local("../../etc/passwd"):
        pass
    with pytest.raises(InvalidInput, match="is not what was written"):
        put_file(place, written, f"{ACME}/1.parquet", write_calls(tmp_path / "other", COLUMNS, [ROWS[:1]]))
    written.write_bytes(written.read_bytes()[:-20])
    with pytest.raises(InvalidInput, match="is damaged"):
        put_file(place, written, f"{ACME}/1.parquet", contents)
    with pytest.raises(InvalidInput, match="not nothing"):
        place_at(" ")
    with pytest.raises(InvalidInput, match="Protocol not known"):
        place_at("nowhere://bucket")
