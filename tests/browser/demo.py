"""What the dashboard of these tests shows, and what it must say of it."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from analytics import demo, formatting
from analytics.clients import Client, list_clients
from analytics.database import Database
from tests import factories

WEEKS = 8
CLIENT = "Kaveri Foods"
LIVE, LIVE_CALLS = "Acme", 6
THREAD = UUID("5d6f3c1e-0000-4000-8000-000000000001")
CALL = UUID("5d6f3c1e-0000-4000-8000-000000000009")
"""The newest of LIVE's calls."""
QUIET = "Quiet Co"
ROWS = "Rows Inc"
ADA, BOB = UUID("5d6f3c1e-0000-4000-8000-000000000002"), UUID("5d6f3c1e-0000-4000-8000-000000000003")
"""Its conversations."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Of a client's calls, added up without any of our functions, views or rollups."""

    tokens: int
    cost_usd: Decimal
    requests: int
    unpriced: int

    @property
    def cost(self) -> str:
        """As pages show it."""
        return formatting.cost(self.cost_usd, self.unpriced, self.requests)


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A dashboard, its database, and whole days that are over, so that their numbers stay as they are."""

    address: str
    database: Database
    first: date
    last: date

    @property
    def days(self) -> str:
        """As a link names them."""
        return f"{self.first}..{self.last}"

    @property
    def day_count(self) -> int:
        return (self.last - self.first).days + 1

    def client(self, name: str = CLIENT) -> Client:
        return next(client for client in list_clients(self.database) if client.name == name)

    def seven_days(self, name: str = CLIENT) -> tuple[date, date]:
        """The last seven days of the client's own."""
        last = self.client(name).today(datetime.now(UTC))
        return last - timedelta(days=6), last

    def sums(self, client: str | None, first: date, last: date) -> Sums:
        """Of one client, or of all."""
        with self.database.transaction() as connection:
            [(tokens, cost_usd, requests, unpriced)] = connection.execute(
                """
                select
                    coalesce(sum(total_tokens), 0)::bigint,
                    coalesce(sum(cost_usd), 0),
                    count(*),
                    count(*) filter (where cost_basis = 'unpriced')
                from usage_logs
                join clients on clients.id = usage_logs.client_id
                where
                    coalesce(clients.name = %s, true)
                    and (usage_logs.created_at at time zone clients.timezone)::date between %s and %s
                """,
                [client, first, last],
            )
        return Sums(tokens=tokens, cost_usd=cost_usd, requests=requests, unpriced=unpriced)


def fill(database: Database, now: datetime) -> None:
    """Three demo clients up to now; one with calls of the last half hour; one without any;
    one of whose calls some have a conversation, one a phone, and one neither."""
    demo.fill(database, end=now, weeks=WEEKS)
    quiet = factories.client(database, QUIET, "Europe/Lisbon")
    # Longer ago than any page looks: a client who has never made a call is told how to log one.
    factories.insert_usage(database, factories.usage_log(quiet, created_at=now - timedelta(days=400)))
    live = factories.client(database, LIVE)
    factories.conversation(database, live, id=THREAD, name="Ada", phone="5511987654321")
    for number in range(LIVE_CALLS):
        newest = {"id": CALL, "cost_basis": "unpriced", "cost_usd": Decimal(0), "model": "own"}
        log = factories.usage_log(
            live,
            conversation_id=THREAD,
            total_tokens=1_000 + number,
            metadata={"operation": "chat"},
            created_at=now - timedelta(minutes=10 + 2 * number),
            **(newest if number == 0 else {}),
        )
        factories.insert_usage(database, log)
    rows = factories.client(database, ROWS)
    factories.conversation(database, rows, id=ADA, phone="5511987654321", name="Ada")
    factories.conversation(database, rows, id=BOB, phone="5511900000000", name="Bob")
    for conversation_id, phone, tokens in (
        (BOB, None, 300),
        (ADA, None, 100),
        (None, "5511955555555", 2),
        (None, None, 1),
    ):
        log = factories.usage_log(
            rows, conversation_id=conversation_id, phone=phone, total_tokens=tokens, created_at=now
        )
        factories.insert_usage(database, log)
    database.fold()
