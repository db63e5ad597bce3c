"""The clients of an installation, found by name or id."""

from uuid import UUID, uuid4

from analytics.database import Database
from analytics.errors import InvalidInput, UnknownClient
from analytics.records import is_uuid

# Whoever looks for a client by name, to create it when it is missing, holds this lock.
CLIENT_LOCK = 7511


def find_or_create_client(database: Database, name_or_id: str, *, timezone: str = "UTC") -> tuple[UUID, bool]:
    """The client with this id or else this name, and whether it was created just now, in that time zone.

    Raises:
        UnknownClient: an id that no client has.
        InvalidInput: several clients have this name.
    """
    name = name_or_id.strip()
    if not name or "\0" in name:
        raise InvalidInput("a client needs a name or an id")
    with database.transaction() as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", [CLIENT_LOCK])
        known = [
            client_id
            for (client_id,) in connection.execute(
                "select id from clients where id::text = lower(%(name)s) or name = %(name)s order by id",
                {"name": name},
            )
        ]
        if len(known) > 1:
            raise InvalidInput(
                f'{len(known)} clients are called "{name}": '
                f"give the id instead, {' or '.join(map(str, known))}"
            )
        if known:
            return known[0], False
        if is_uuid(name):
            raise UnknownClient(f"no client has the id {name} in {database.place}: give a name to create one")
        client_id = uuid4()
        connection.execute(
            "insert into clients (id, name, timezone) values (%s, %s, %s)", [client_id, name, timezone]
        )
        return client_id, True
