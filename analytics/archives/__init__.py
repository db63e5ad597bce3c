"""Calls in Parquet files, outside of the database: one folder per client, with a manifest.

places      where archives are: a folder, or an address that fsspec reaches
files       calls into a file and out of it, as PostgreSQL's own texts, and whether they are the same
manifest    what is in the files of a client: counts, sums, and hashes
rewriting   a file again with other values, such as those of a person who is forgotten

Who writes to the folder of a client holds locks.ARCHIVES of that client.
"""

from analytics.archives.files import Contents, calls_in, contents_of, write_calls
from analytics.archives.manifest import ArchivedFile, Manifest, read_manifest, write_manifest
from analytics.archives.places import Place, place_at
from analytics.archives.rewriting import rewrite_file

__all__ = [
    "ArchivedFile",
    "Contents",
    "Manifest",
    "Place",
    "calls_in",
    "contents_of",
    "place_at",
    "read_manifest",
    "rewrite_file",
    "write_calls",
    "write_manifest",
]
