"""What people do with events: they acknowledge them, and ask not to be told for a while."""

from datetime import datetime
from uuid import UUID

from analytics.config import ALERT_KINDS
from analytics.database import Database
from analytics.errors import InvalidInput


def acknowledge(database: Database, client_id: UUID | None, event_id: UUID, who: str) -> None:
    """Notes who has seen an event of a client, or of all clients (None).

    Raises:
        InvalidInput: there is no such event.
    """
    with database.transaction() as connection:
        changed = connection.execute(
            "update alert_events set acknowledged_at = clock_timestamp(), acknowledged_by = %s"
            " where id = %s and client_id is not distinct from %s",
            [who, event_id, client_id],
        ).rowcount
    if not changed:
        raise InvalidInput(f"no alert has the id {event_id}")


def mute(
    database: Database,
    client_id: UUID | None,
    until: datetime,
    who: str,
    *,
    budget_id: UUID | None = None,
    kind: str | None = None,
) -> None:
    """Tells no channel until then: of a client (None: of any), of a budget or of a kind. Events are kept.

    Raises:
        InvalidInput: the kind is unknown.
    """
    if kind is not None and kind not in ALERT_KINDS:
        raise InvalidInput(f'kind must be one of {", ".join(ALERT_KINDS)}, not "{kind}"')
    with database.transaction() as connection:
        connection.execute(
            "insert into alert_mutes (client_id, budget_id, kind, muted_until, muted_by)"
            " values (%s, %s, %s, %s, %s)",
            [client_id, budget_id, kind, until, who],
        )


def unmute(database: Database, client_id: UUID | None) -> int:
    """Ends all mutes of a client, or of all clients together (None). How many."""
    with database.transaction() as connection:
        return connection.execute(
            "delete from alert_mutes where client_id is not distinct from %s", [client_id]
        ).rowcount
