"""A file again with other values; counts and sums stay."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from analytics.archives.files import Batch, Contents, calls_in, columns_of, contents_of, write_calls
from analytics.archives.manifest import ArchivedFile, Manifest, write_manifest
from analytics.archives.places import Place
from analytics.errors import InvalidInput

Change = Callable[[Batch, tuple[str, ...]], Batch]
"""Rows, and the names of their columns -> the rows as they should be; the same where nothing changes."""


def put_file(place: Place, path: Path, name: str, contents: Contents) -> None:
    """Puts a file into the place and reads it back.

    Raises:
        InvalidInput: it cannot be written, or what is read back is something else.
    """
    place.put(path, name)
    with place.local(name) as there:
        if contents_of(there) != contents:
            raise InvalidInput(f"{name} in {place.address} is not what was written: it is not to be trusted")


def verified(place: Place, file: ArchivedFile, client_id: UUID, path: Path) -> None:
    """Raises InvalidInput where a file is not the one that the manifest tells of."""
    if contents_of(path) != file.contents:
        raise InvalidInput(
            f"{file.name_in(client_id)} in {place.address} is not the file that its manifest tells of: it "
            "was changed or is damaged"
        )


def rewrite_file(place: Place, manifest: Manifest, file: ArchivedFile, change: Change) -> Manifest:
    """The manifest with the file as `change` makes it, both written and read back; the old file is gone.

    Where nothing changes, the file stays. Whoever calls this holds locks.ARCHIVES of the client.

    Raises:
        InvalidInput: the file is damaged, or its counts or sums would change.
    """
    with (
        place.local(file.name_in(manifest.client_id)) as path,
        tempfile.TemporaryDirectory(prefix="usage-archive-") as directory,
    ):
        verified(place, file, manifest.client_id, path)
        columns = columns_of(path)
        written = Path(directory) / "calls.parquet"
        changed = write_calls(written, columns, (change(batch, tuple(columns)) for batch in calls_in(path)))
        if changed.rows_sha256 == file.contents.rows_sha256:
            return manifest
        if changed.sums != file.contents.sums:
            raise InvalidInput(
                f"{file.name} would be another sum: {changed.sums} instead of {file.contents.sums}"
            )
        # Another name, so that the manifest never tells of a file that is half the old one.
        stem = file.name.removesuffix(".parquet").partition("_")[0]
        name = f"{stem}_{sha256(changed.rows_sha256.encode()).hexdigest()[:8]}.parquet"
        renamed = replace(file, name=name, contents=changed)
        put_file(place, written, renamed.name_in(manifest.client_id), changed)
    made = replace(
        manifest, files=tuple(renamed if each.drop_id == file.drop_id else each for each in manifest.files)
    )
    write_manifest(place, made)
    place.remove(file.name_in(manifest.client_id))
    return made
