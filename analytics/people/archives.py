"""The calls that are in archives, as they left the database: a person's are found there, and erased in files
that are written anew, with a manifest that tells of them."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from analytics import locks
from analytics.archives import Manifest, Place, calls_in, place_at, read_manifest, rewrite_file
from analytics.archives.files import Batch, columns_of
from analytics.clients import Client
from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.people.belongs import Belongs
from analytics.people.person import Named
from analytics.people.pseudonyms import Pseudonyms

_ADDRESSES = """
    select distinct archive
    from dropped_calls
    where client_id = %s and archive is not null
    order by archive
"""
_LOCK = "select pg_advisory_xact_lock(hashtextextended(%s, %s))"
_RENAME = "update dropped_calls set archived_as = %s, archived_bytes = %s where client_id = %s and id = %s"


@dataclass(frozen=True, kw_only=True)
class Archived:
    """What is in archives of one person."""

    count: int
    conversations: Sequence[UUID]
    phones: Sequence[str]
    sets: Mapping[int, bool]
    """Sets of tags, and whether all calls that have them are the person's."""


def archived_of(
    connection: "psycopg.Connection[Any]",
    client_id: UUID,
    named: Named,
    conversations: Iterable[UUID],
    phones: Iterable[str],
) -> Archived:
    """The calls of a person in archives, and which further conversations and phones they tell of.

    All files are read, and once more where they tell something new.

    Raises:
        InvalidInput: an archive cannot be read.
        ConfigurationError: a package is not installed that reads it.
    """
    places = [(place, manifest) for place, manifest in _archives(connection, client_id)]
    person = Belongs(client_id, named, conversations, phones)
    while True:
        known, count = person.size, 0
        sets: dict[int, bool] = {}
        for place, manifest in places:
            for file in manifest.files:
                with place.local(file.name_in(client_id)) as path:
                    names = tuple(columns_of(path))
                    for batch in calls_in(path):
                        rows = _Rows(names, person)
                        for row in batch:
                            told, set_id = rows.told(row), rows.set_of(row)
                            is_own = person.has(*told)
                            if set_id is not None:
                                sets[set_id] = sets.get(set_id, True) and is_own
                            if is_own:
                                count += 1
                                person.learn(*told)
        person.conclude()
        if known == person.size:
            break
    return Archived(
        count=count,
        conversations=sorted(person.conversations, key=str),
        phones=sorted(person.phones),
        sets=sets,
    )


def archived_rows(
    connection: "psycopg.Connection[Any]",
    client_id: UUID,
    named: Named,
    conversations: Iterable[UUID],
    phones: Iterable[str],
) -> Iterator[dict[str, str | None]]:
    """The calls of a person in archives, each with its texts by column; raises as archived_of()."""
    person = Belongs(client_id, named, conversations, phones)
    for place, manifest in _archives(connection, client_id):
        for file in manifest.files:
            with place.local(file.name_in(client_id)) as path:
                names = tuple(columns_of(path))
                rows = _Rows(names, person)
                for batch in calls_in(path):
                    found = (row for row in batch if person.has(*rows.told(row)))
                    yield from (dict(zip(names, row, strict=True)) for row in found)


def erase_archived(database: Database, client: Client, named: Named, pseudonyms: Pseudonyms) -> int:
    """Erases the person's calls in archives, and what others' metadata say of the person; how many calls.

    A file that does not tell of the person stays as it is.

    Raises:
        InvalidInput: an archive cannot be read or written, or is not what its manifest tells of.
        ConfigurationError: a package is not installed that reads it.
    """
    count = 0
    with database.transaction() as connection:
        connection.execute(_LOCK, [str(client.id), locks.ARCHIVES])
        for place, manifest in _archives(connection, client.id):
            for file in manifest.files:
                person = Belongs(client.id, named, pseudonyms.conversations, pseudonyms.phones)
                erasing = _Erasing(person, pseudonyms)
                manifest = rewrite_file(place, manifest, file, erasing.change)
                count += erasing.count
                now = manifest.find(file.drop_id)
                if now is not None and now != file:
                    connection.execute(
                        _RENAME, [now.name_in(client.id), now.contents.bytes, client.id, file.drop_id]
                    )
    return count


def _archives(connection: "psycopg.Connection[Any]", client_id: UUID) -> Iterator[tuple[Place, Manifest]]:
    for (address,) in connection.execute(_ADDRESSES, [client_id]).fetchall():
        place = place_at(str(address))
        manifest = read_manifest(place, client_id)
        if manifest is not None:
            yield place, manifest
        elif connection.execute(
            "select from dropped_calls where client_id = %s and archive = %s and archived_bytes > 0",
            [client_id, address],
        ).fetchone():
            raise InvalidInput(
                f"the archive {place.address} has no manifest of this client, whose calls were written "
                "there: erase again where it can be reached"
            )


class _Rows:
    """Rows of a file, by what tells whose they are."""

    def __init__(self, names: Sequence[str], person: Belongs) -> None:
        self._person = person
        self._set_at = names.index("tag_set_id")
        self._at = [names.index(name) for name in ("conversation_id", "phone", "tags")]

    def told(self, row: Sequence[str | None]) -> tuple[UUID | None, str | None, dict[str, str] | None]:
        conversation_id, phone, tags = (row[place] for place in self._at)
        return (
            None if conversation_id is None else UUID(conversation_id),
            phone,
            json.loads(tags) if tags and self._person.needs_tags else None,
        )

    def set_of(self, row: Sequence[str | None]) -> int | None:
        """The id of its set of tags."""
        text = row[self._set_at]
        return None if text is None else int(text)


class _Erasing:
    """Rows of a file as they are without the person."""

    def __init__(self, person: Belongs, pseudonyms: Pseudonyms) -> None:
        self._person, self._pseudonyms = person, pseudonyms
        self.count = 0

    def change(self, batch: Batch, columns: tuple[str, ...]) -> Batch:
        rows = _Rows(columns, self._person)
        return [self._changed(row, columns, *rows.told(row)) for row in batch]

    def _changed(
        self,
        row: tuple[str | None, ...],
        columns: tuple[str, ...],
        conversation_id: UUID | None,
        phone: str | None,
        tags: dict[str, str] | None,
    ) -> tuple[str | None, ...]:
        values = dict(zip(columns, row, strict=True))
        pseudonyms = self._pseudonyms
        if self._person.has(conversation_id, phone, tags):
            self.count += 1
            if conversation_id is not None:
                pseudonyms.add_conversation(conversation_id)
                values["conversation_id"] = str(pseudonyms.conversations[conversation_id])
            if phone is not None and self._person.is_phone(phone):
                pseudonyms.add_phone(phone)
                values["phone"] = pseudonyms.phones[phone]
            values["metadata"] = pseudonyms.erased_json(values["metadata"])
            values["response_id"] = None
            operation_id = values["operation_id"]
            values["operation_id"] = None if operation_id is None else pseudonyms.hashed(operation_id)
        else:
            if (metadata := values["metadata"]) is not None:
                values["metadata"] = pseudonyms.json(metadata)
            for name in ("response_id", "operation_id", "account"):
                if (text := values[name]) is not None:
                    values[name] = pseudonyms.text(text)
        if (text := values["tags"]) is not None:
            before = json.loads(text)
            after = {pseudonyms.key(key): pseudonyms.tag(key, value) for key, value in before.items()}
            values["tags"] = text if after == before else json.dumps(after, ensure_ascii=False)
        return tuple(values[name] for name in columns)
