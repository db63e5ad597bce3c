"""Batches of calls into PostgreSQL, each one transaction, and what to do when one is refused.

Apart from shipping.py, so that SQLAlchemy and psycopg are loaded to ship calls, not to log them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from analytics.calls.row import repriced_line, row_of
from analytics.calls.store import Stored, store_bisecting, store_lines, store_new_lines
from analytics.database import Database
from analytics.errors import DatabaseError, DatabaseUnavailable, DataRefused, SchemaMissing
from analytics.pricing.price_list import DEFAULT_PRICES
from analytics.pricing.stored import load_price_list
from analytics.tracking.spool_file import PlainCall


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What became of some calls."""

    stored: int = 0
    updated: int = 0
    already_there: int = 0
    refused: Sequence[tuple[PlainCall, str]] = ()
    """Calls that were not stored, and why."""


class Delivery:
    """Stores calls in one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.prices = DEFAULT_PRICES
        """As of the last batch."""

    def store(self, calls: Sequence[PlainCall]) -> Iterator[Delivered]:
        """Stores the calls, in one part or, where the database refuses some, in several.

        Raises:
            DatabaseError, ConfigurationError: the parts before are stored, the rest is not.
        """
        for part, stored in store_bisecting(calls, self._store_batch):
            if isinstance(stored, DataRefused):
                yield Delivered(refused=[(part[0], str(stored))])
                continue
            yield Delivered(
                stored=stored.stored,
                updated=len(stored.updated),
                already_there=len(part)
                - stored.stored
                - len(stored.updated)
                - len(stored.unknown_clients)
                - len(stored.of_summed_days),
                refused=self._refused(part, stored),
            )

    def _store_batch(self, calls: Sequence[PlainCall]) -> Stored:
        try:
            return self._store_by(store_new_lines, calls)
        except (DatabaseUnavailable, SchemaMissing):
            raise
        except DatabaseError:
            # Seldom: some are there already, or their client is not, or one of them is refused.
            return self._store_by(store_lines, calls)

    def _store_by(
        self, store: Callable[["psycopg.Connection[Any]", list[str]], Stored], calls: Sequence[PlainCall]
    ) -> Stored:
        with self.database.transaction() as connection:
            found = connection.execute("select revision::text from price_list").fetchone()
            if found is None or found[0] != self.prices.revision:
                self.prices = load_price_list(connection)
            return store(
                connection,
                [
                    line if revision == self.prices.revision else repriced_line(line, self.prices)
                    for _, revision, line in calls
                ],
            )

    def _refused(self, calls: Sequence[PlainCall], stored: Stored) -> list[tuple[PlainCall, str]]:
        """Calls whose client is not there, or of whose day only sums are kept, and why."""
        reasons: dict[tuple[UUID | None, UUID], str] = {
            (
                client_id,
                call_id,
            ): f"no client has the id {client_id} in {self.database.place}: create it, then "
            'run "python -m analytics spool --replay"'
            for client_id, call_id in stored.unknown_clients
        }
        reasons |= {(client_id, call_id): why for client_id, call_id, why in stored.of_summed_days}
        refused = []
        for call in calls if reasons else ():
            row = row_of(call[2])
            client_id = UUID(row.client_id) if row.client_id else None
            if why := reasons.get((client_id, UUID(row.id))):
                refused.append((call, why))
        return refused
