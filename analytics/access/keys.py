"""API keys: created, shown once, stored as hashes."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, NamedTuple, cast
from uuid import UUID, uuid4

from analytics.calls.row import is_uuid
from analytics.clients import find_client
from analytics.database import Database
from analytics.errors import InvalidInput

Scope = Literal["read", "write"]
SCOPES: tuple[Scope, ...] = ("read", "write")

# People and scanners for leaked secrets recognise a key by it.
_PREFIX = "usage_"
_SECRET_BYTES = 32
_MAX_NAME = 200

_FIND = "select id, client_id, scope, hash from api_keys where id = %s and revoked_at is null"
_LIST = """
    select
        api_keys.id,
        api_keys.name,
        api_keys.scope,
        clients.name,
        case
            when revoked_at is not null then to_char(revoked_at at time zone 'UTC', '"revoked" YYYY-MM-DD')
            when last_used_at is null then 'never used'
            else to_char(last_used_at at time zone 'UTC', '"last used" YYYY-MM-DD HH24:MI "UTC"')
        end
    from api_keys
    inner join clients on clients.id = api_keys.client_id
    order by clients.name, api_keys.created_at
"""


@dataclass(frozen=True, kw_only=True)
class Key:
    """A valid key: its client and scope."""

    id: UUID
    client_id: UUID
    scope: Scope


class ListedKey(NamedTuple):
    """A key as lists name it, without its secret."""

    id: UUID
    name: str
    scope: str
    client_name: str
    state: str
    """When it was revoked or last used, such as `last used 2026-03-18 12:00 UTC`."""


def create_key(database: Database, client: str, scope: str, name: str) -> str:
    """Creates a key for the client (name or id). Returns its text, which is stored nowhere.

    Raises:
        InvalidInput: no such scope, or no name.
        UnknownClient: no client has this name or id.
    """
    if scope not in SCOPES:
        raise InvalidInput(f'scope must be one of {", ".join(SCOPES)}, not "{scope}"')
    name = name.strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise InvalidInput(
            f"a key needs a name of at most {_MAX_NAME} characters, on one line, that says what it is for"
        )
    client_id = find_client(database, client).id
    key_id = uuid4()
    text = f"{_PREFIX}{key_id.hex}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    with database.transaction() as connection:
        connection.execute(
            "insert into api_keys (id, client_id, name, scope, hash) values (%s, %s, %s, %s, %s)",
            [key_id, client_id, name, scope, _hash(text)],
        )
    return text


def find_key(database: Database, text: str) -> Key | None:
    """The valid key with this text, else None. Records that it was used.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    key_id = key_id_in(text)
    if key_id is None:
        return None
    with database.transaction() as connection:
        row = connection.execute(_FIND, [key_id]).fetchone()
        # The id is no secret. The comparison takes the same time however much of the text is right.
        if row is None or not hmac.compare_digest(bytes(row[3]), _hash(text)):
            return None
        connection.execute("update api_keys set last_used_at = now() where id = %s", [key_id])
    return Key(id=row[0], client_id=row[1], scope=cast(Scope, row[2]))


def is_like_a_key(text: str) -> bool:
    """Whether the text has the form of a key. Reads nothing."""
    return key_id_in(text) is not None


def key_id_in(text: str) -> UUID | None:
    """The id that the text of a key has in it, which is no secret; None where it is no key."""
    before, prefix, rest = text.partition(_PREFIX)
    hexadecimal, _, secret = rest.partition("_")
    is_key = prefix and not before and secret and len(hexadecimal) == 32 and is_uuid(hexadecimal)
    return UUID(hexadecimal) if is_key else None


def revoke_key(database: Database, key_id: str) -> None:
    """Ends a key for good.

    Raises:
        InvalidInput: no valid key has this id.
    """
    text = key_id.strip()
    with database.transaction() as connection:
        if not is_uuid(text) or not (
            connection.execute(
                "update api_keys set revoked_at = now() where id = %s and revoked_at is null", [text]
            ).rowcount
        ):
            raise InvalidInput(f'no valid key has the id "{text[:60]}": see python -m analytics keys list')


def key_used_at(database: Database, key_id: UUID) -> datetime | None:
    """When a server last asked for the key, which it does once a minute; None where nobody used it."""
    with database.transaction() as connection:
        row = connection.execute("select last_used_at from api_keys where id = %s", [key_id]).fetchone()
    return row[0] if row else None


def list_keys(database: Database) -> list[ListedKey]:
    """All keys, revoked ones included, by client and age."""
    with database.transaction() as connection:
        return [ListedKey(*row) for row in connection.execute(_LIST)]


def _hash(text: str) -> bytes:
    # Surrogates cannot be in a key, and must not be an error.
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
