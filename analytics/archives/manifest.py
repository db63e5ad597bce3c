"""What is in the archive of a client: `<client id>/manifest.json`, beside the files that it names."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from analytics.archives.files import Contents
from analytics.archives.places import Place
from analytics.errors import InvalidInput

FORMAT = "usage-analytics archive 1"
_NAME = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class ArchivedFile:
    """One file: a span of the calls of one client, of one month at the most."""

    name: str
    """Within the folder of the client."""
    drop_id: UUID
    """Its row of dropped_calls."""
    first_date: date
    last_date: date
    """Days of `timezone`, both included."""
    end_at: datetime
    """The moment in which the last one ended."""
    timezone: str
    contents: Contents
    written_at: datetime
    restored_at: datetime | None = None
    """Since when its calls are in the database again."""

    def name_in(self, client_id: UUID) -> str:
        """Its name within the place."""
        return f"{client_id}/{self.name}"

    @property
    def month(self) -> str:
        """`2026-03`."""
        return f"{self.first_date:%Y-%m}"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """All files of a client, in the order in which they were written."""

    client_id: UUID
    client_name: str
    files: Sequence[ArchivedFile] = ()

    def find(self, drop_id: UUID) -> ArchivedFile | None:
        """The file of a row of dropped_calls."""
        return next((file for file in self.files if file.drop_id == drop_id), None)

    def with_file(self, file: ArchivedFile) -> Self:
        """The same with this file, in place of the one of the same row of dropped_calls."""
        others = [each for each in self.files if each.drop_id != file.drop_id]
        return replace(self, files=(*others, file))


def read_manifest(place: Place, client_id: UUID) -> Manifest | None:
    """The manifest of a client; None where the place has none.

    Raises:
        InvalidInput: it cannot be read, or is none.
    """
    name = f"{client_id}/{_NAME}"
    text = place.text(name)
    if text is None:
        return None
    try:
        said = json.loads(text, parse_float=Decimal)
        if said["format"] != FORMAT:
            raise InvalidInput(f"{name} in {place.address} is {said['format']!r}, not {FORMAT!r}")
        return Manifest(
            client_id=UUID(said["client_id"]),
            client_name=said["client_name"],
            files=tuple(_file(each) for each in said["files"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{name} in {place.address} is damaged: {error}") from None


def write_manifest(place: Place, manifest: Manifest) -> None:
    """Writes the manifest in place of the one that is there."""
    said = {
        "format": FORMAT,
        "client_id": str(manifest.client_id),
        "client_name": manifest.client_name,
        "files": [_said(file) for file in manifest.files],
    }
    place.put_text(json.dumps(said, indent=1) + "\n", f"{manifest.client_id}/{_NAME}")


def _said(file: ArchivedFile) -> dict[str, Any]:
    flat = {**asdict(file), **asdict(file.contents)}
    del flat["contents"]
    return {
        name: value if value is None or isinstance(value, int) else _text(value)
        for name, value in flat.items()
    }


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _file(said: dict[str, Any]) -> ArchivedFile:
    contents = {each.name: said[each.name] for each in fields(Contents)}
    restored_at = said["restored_at"]
    return ArchivedFile(
        name=said["name"],
        drop_id=UUID(said["drop_id"]),
        first_date=date.fromisoformat(said["first_date"]),
        last_date=date.fromisoformat(said["last_date"]),
        end_at=datetime.fromisoformat(said["end_at"]),
        timezone=said["timezone"],
        contents=Contents(**{**contents, "cost_usd": Decimal(contents["cost_usd"])}),
        written_at=datetime.fromisoformat(said["written_at"]),
        restored_at=restored_at and datetime.fromisoformat(restored_at),
    )
