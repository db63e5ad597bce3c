"""What is to be imported, as sources: files, folders, globs, archives and standard input, in any encoding.

A source is opened again and again: to see what it is, and to read it. What comes out of it is UTF-8.
"""

import atexit
import codecs
import gzip
import io
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import IO, Any, BinaryIO

from analytics.errors import InvalidInput

STANDARD_INPUT = "-"
SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".log", ".parquet")
"""Of files that are read in folders and archives; `.gz` may follow, and `.zip` is one."""

_SAMPLE_BYTES = 65_536
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file, or one member of an archive."""

    path: Path
    member: str = ""
    """Within a `.zip`."""
    encoding: str = "utf-8"
    is_standard_input: bool = False

    @property
    def name(self) -> str:
        if self.is_standard_input:
            return "standard input"
        return f"{self.path}: {self.member}" if self.member else str(self.path)

    @property
    def size_bytes(self) -> int:
        """As many as open() reads of the disk."""
        if self.member:
            with zipfile.ZipFile(self.path) as archive:
                return archive.getinfo(self.member).file_size
        return self.path.stat().st_size

    def open(self) -> "Opened":
        """Raises InvalidInput where it cannot be opened."""
        return Opened(self)


class Opened:
    """An open source: its bytes as UTF-8, and how far they were read."""

    def __init__(self, source: Source) -> None:
        self._source = source
        try:
            self._raw: IO[bytes] = _raw(source)
            file: Any = gzip.GzipFile(fileobj=self._raw) if _is_gzip(self._raw) else self._raw
        except (OSError, zipfile.BadZipFile, KeyError) as error:
            raise InvalidInput(f"cannot read {source.name}: {_reason(error)}") from None
        if source.encoding != "utf-8":
            # A line ends with a line feed alone: fields may hold other ends.
            file = _Utf8(io.TextIOWrapper(file, source.encoding, errors="backslashreplace", newline="\n"))
        self._file = file

    def read(self, size: int = -1) -> bytes:
        try:
            found: bytes = self._file.read(size)
        except (OSError, EOFError, zipfile.BadZipFile) as error:
            raise InvalidInput(f"cannot read {self._source.name}: {error}") from None
        return found

    def readline(self, size: int) -> bytes:
        try:
            found: bytes = self._file.readline(size)
        except (OSError, EOFError, zipfile.BadZipFile) as error:
            raise InvalidInput(f"cannot read {self._source.name}: {error}") from None
        return found

    @property
    def position(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        self._raw.close()


class _Utf8:
    """A text as UTF-8."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text

    def read(self, size: int = -1) -> bytes:
        return self._text.read(size).encode("utf-8", "surrogatepass")

    def readline(self, size: int) -> bytes:
        return self._text.readline(size).encode("utf-8", "surrogatepass")


def sources_of(inputs: Sequence[str | Path], *, encoding: str | None = None) -> list[Source]:
    """The sources of files, folders, globs and `-`, in order, each once.

    Raises:
        InvalidInput: there is nothing to read at one of them, or the encoding is not known.
    """
    if encoding is not None:
        try:
            # As it is read: some have no text, and some cannot replace what is damaged.
            "a".encode(encoding).decode(encoding, "backslashreplace")
        except (LookupError, UnicodeError):
            raise InvalidInput(f'unknown encoding "{encoding}": give one such as utf-16 or latin-1') from None
    found: dict[tuple[Path, str], Source] = {}
    for given in inputs:
        for source in _sources(given):
            found.setdefault(
                (source.path, source.member), _encoded(source, encoding) if encoding else _seen(source)
            )
    return list(found.values())


def _sources(given: str | Path) -> Iterator[Source]:
    if str(given) == STANDARD_INPUT:
        yield _standard_input()
        return
    path = Path(given).expanduser()
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and _is_data(each.name))
        if not found:
            listed = ", ".join(SUFFIXES)
            raise InvalidInput(f"nothing to import in the folder {path}: it has no file of {listed}")
    elif not path.exists() and has_magic(str(path)):
        root = Path(path.anchor or ".")
        pattern = str(path.relative_to(root)) if path.anchor else str(path)
        found = sorted(each for each in root.glob(pattern) if each.is_file())
        if not found:
            raise InvalidInput(f"no file is named like {given}")
    else:
        found = [path]
    for each in found:
        if each.suffix.lower() == ".zip" and each.is_file():
            yield from _members(each)
        else:
            yield Source(path=each)


def _members(path: Path) -> Iterator[Source]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [
                each.filename for each in archive.infolist() if not each.is_dir() and _is_data(each.filename)
            ]
            encrypted = next((each.filename for each in archive.infolist() if each.flag_bits & 1), None)
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidInput(f"cannot read {path}: {_reason(error)}") from None
    if encrypted:
        raise InvalidInput(f"cannot read {path}: {encrypted} has a password; unpack it first")
    names = [name for name in names if not name.startswith("__MACOSX/")]
    if not names:
        raise InvalidInput(f"nothing to import in {path}: it has no file of {', '.join(SUFFIXES)}")
    yield from (Source(path=path, member=name) for name in sorted(names))


def _standard_input() -> Source:
    """Kept in a file, as it is read more than once."""
    with tempfile.NamedTemporaryFile(prefix="usage-import-", delete=False) as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
    atexit.register(Path(kept.name).unlink, missing_ok=True)
    return Source(path=Path(kept.name), is_standard_input=True)


def _is_data(name: str) -> bool:
    name = name.lower().removesuffix(".gz")
    return name.endswith((*SUFFIXES, ".zip")) and not name.endswith(".rejects.csv")


def _encoded(source: Source, encoding: str) -> Source:
    return Source(
        path=source.path,
        member=source.member,
        encoding=encoding,
        is_standard_input=source.is_standard_input,
    )


def _seen(source: Source) -> Source:
    """The source with the encoding that its beginning shows."""
    opened = source.open()
    try:
        sample = opened.read(_SAMPLE_BYTES)
    finally:
        opened.close()
    encoding = _encoding_of(sample)
    return source if encoding == "utf-8" else _encoded(source, encoding)


def _encoding_of(sample: bytes) -> str:
    if sample.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if sample.startswith(b"\xef\xbb\xbf"):
        return "utf-8"
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 4 > len(sample) > 1:  # half of plain text is NUL in UTF-16
        return "utf-16-be" if even > odd else "utf-16-le"
    try:
        sample[:-4].decode()
    except UnicodeDecodeError:
        # One that has letters of UTF-8 is UTF-8 with damage.
        return "utf-8" if _MULTIBYTE.search(sample) else "cp1252"
    return "utf-8"


def _raw(source: Source) -> IO[bytes]:
    if source.member:
        return zipfile.ZipFile(source.path).open(source.member)
    opened: BinaryIO = source.path.open("rb")
    return opened


def _is_gzip(raw: IO[bytes]) -> bool:
    begin = raw.read(2)
    raw.seek(0)
    return begin == b"\x1f\x8b"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
