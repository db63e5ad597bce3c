"""Where archives are: a folder of this machine, or whatever fsspec reaches (s3://, gs://, memory://)."""

import os
import re
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from analytics.errors import ConfigurationError, InvalidInput

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)?")


class Place(ABC):
    """Files by name, such as "<client id>/manifest.json". A file is there as a whole, or not at all."""

    def __init__(self, address: str) -> None:
        self.address = address

    @abstractmethod
    def _put(self, path: Path, name: str) -> None:
        """Takes a file of this machine, in place of the one that has its name."""

    @abstractmethod
    def _local(self, name: str, directory: Path) -> Path:
        """The file on this machine, if need be a copy in the directory; raises FileNotFoundError."""

    @abstractmethod
    def _remove(self, name: str) -> None: ...

    def put(self, path: Path, name: str) -> None:
        """Copies a file of this machine to the place; raises InvalidInput where it cannot be written."""
        with self._explained(f"cannot write {name} to {self.address}"):
            self._put(path, _checked(name))

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """A file of the place on this machine, to be read.

        Raises:
            InvalidInput: it is not there, or cannot be read.
        """
        with tempfile.TemporaryDirectory(prefix="usage-archive-") as directory:
            with self._explained(f"cannot read {name} in {self.address}"):
                path = self._local(_checked(name), Path(directory))
            yield path

    def text(self, name: str) -> str | None:
        """What a file says; None where it is not there."""
        try:
            with self.local(name) as path:
                return path.read_text(encoding="utf-8")
        except InvalidInput as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def put_text(self, text: str, name: str) -> None:
        """Writes a small file."""
        with tempfile.TemporaryDirectory(prefix="usage-archive-") as directory:
            path = Path(directory) / "text"
            path.write_text(text, encoding="utf-8")
            self.put(path, name)

    def remove(self, name: str) -> None:
        """Removes a file, if it is there."""
        with self._explained(f"cannot remove {name} from {self.address}"), suppress(FileNotFoundError):
            self._remove(_checked(name))

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InvalidInput(f"{what}: {error.strerror or error}") from error
        except InvalidInput:
            raise
        except Exception as error:  # whatever a library for S3 or GCS says
            raise InvalidInput(f"{what}: {type(error).__name__}: {error}") from error


def place_at(address: str) -> Place:
    """The place with this address: the path of a folder, or `s3://bucket/folder`.

    Raises:
        InvalidInput: it is empty.
        ConfigurationError: the package that reaches it is not installed.
    """
    address = address.strip().rstrip("/")
    if not address:
        raise InvalidInput("an archive is a folder or an address such as s3://bucket/folder, not nothing")
    if "://" not in address:
        return _Folder(str(Path(address).expanduser().absolute()))
    if find_spec("fsspec") is None:
        raise ConfigurationError(
            f'{address} needs fsspec, which comes with pip install "usage-analytics[archives]"'
        )
    return _Remote(address)


class _Folder(Place):
    """Only for who made it: calls have phones."""

    def _put(self, path: Path, name: str) -> None:
        target = Path(self.address) / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        with path.open("rb") as source, os.fdopen(_private(part), "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        part.replace(target)
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _local(self, name: str, directory: Path) -> Path:
        path = Path(self.address) / name
        if not path.is_file():
            raise FileNotFoundError(2, "it is not there")
        return path

    def _remove(self, name: str) -> None:
        (Path(self.address) / name).unlink()


class _Remote(Place):
    """What fsspec reaches; keys come from the environment, as the library of each takes them."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        import fsspec

        self._files: Any
        try:
            self._files, self._root = fsspec.core.url_to_fs(address)
        except ImportError as error:
            raise ConfigurationError(f"{address}: {error}") from None
        except ValueError as error:
            raise InvalidInput(f"{address}: {error}") from None

    def _put(self, path: Path, name: str) -> None:
        self._files.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)
        self._files.put_file(str(path), f"{self._root}/{name}")

    def _local(self, name: str, directory: Path) -> Path:
        path = directory / "copy"
        self._files.invalidate_cache()
        self._files.get_file(f"{self._root}/{name}", str(path))
        return path

    def _remove(self, name: str) -> None:
        self._files.rm_file(f"{self._root}/{name}")


def _private(path: Path) -> int:
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def _checked(name: str) -> str:
    # Names also come from manifests, which strangers may have written.
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is no name of a file of an archive")
    return name
