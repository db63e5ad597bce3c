"""How fast calls come to be rows.

Shipping is timed from a spool that holds the calls until the last of them is committed, beside COPY of
calls that were logged alike, from memory, in batches of the same size. What COPY leaves out the shipper does:
it reads the spool, passes over what is stored already, and stores the conversations, one for every ten calls.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from uuid import UUID

import psycopg

from analytics.database import Database
from analytics.tracking.shipping import BATCH_CALLS
from analytics.tracking.spool import Spool
from analytics.tracking.tracker import LINGER_SECONDS
from bench.tracked import (
    Call,
    count_rows,
    create_client,
    flush,
    log_call,
    make_calls,
    require_all,
    tracking_to,
)

BLOCKS = 5
SHIPPED_PER_BLOCK = 40_000
SHIPPING_CLIENT = UUID("00000000-0000-4000-8000-000000000004")

# Takes a line of the spool without its last field, the conversation's name.
COPY = """
copy usage_logs (
    id, created_at, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis, metadata, source,
    model, client_id, conversation_id, phone
) from stdin
"""


@dataclass(frozen=True, kw_only=True)
class ShippingRates:
    """Median rows per second."""

    shipped: float
    """From the spool."""
    end_to_end: float
    """From the first log_*() of one thread to the last commit."""
    copied: float
    """By COPY with the triggers."""
    copied_without_triggers: float


def measure_shipping(
    database: Database, connection: psycopg.Connection, directory: Path, blocks: int = BLOCKS
) -> ShippingRates:
    """Times blocks of calls, through a spool in the directory into a migrated database."""
    create_client(connection, SHIPPING_CLIENT)
    calls = make_calls("shipped")
    with tracking_to(database, directory) as spool:
        shipping = _Shipping(database=database, connection=connection, spool=spool)
        arms = {
            "shipped": shipping.ship,
            "copied": shipping.copy,
            "end_to_end": shipping.log_and_ship,
            "copied_without_triggers": shipping.copy_without_triggers,
        }
        rates: dict[str, list[float]] = {name: [] for name in arms}
        for block in range(blocks + 1):  # the first one only warms up
            for name, seconds_for in arms.items():
                rate = SHIPPED_PER_BLOCK / seconds_for(list(islice(calls, SHIPPED_PER_BLOCK)))
                if block:
                    rates[name].append(rate)
    stored = count_rows(connection, SHIPPING_CLIENT)
    require_all("shipping", stored, of=len(arms) * (blocks + 1) * SHIPPED_PER_BLOCK)
    return ShippingRates(**{name: median(found) for name, found in rates.items()})


@dataclass(frozen=True, kw_only=True)
class _Shipping:
    """Ways of a block of calls into the table; each returns its seconds."""

    database: Database
    connection: psycopg.Connection
    spool: Spool

    def ship(self, calls: Sequence[Call]) -> float:
        with self._nobody_ships():
            for call in calls:
                log_call(SHIPPING_CLIENT, call)
            self._rest()
        start = time.perf_counter()
        flush()
        return time.perf_counter() - start

    def log_and_ship(self, calls: Sequence[Call]) -> float:
        self._rest()
        start = time.perf_counter()
        for call in calls:
            log_call(SHIPPING_CLIENT, call)
        flush()
        return time.perf_counter() - start

    def copy(self, calls: Sequence[Call]) -> float:
        payloads = self._payloads(calls)
        self._rest()
        start = time.perf_counter()
        for payload in payloads:
            with self.connection.cursor().copy(COPY) as copy:
                copy.write(payload)
        return time.perf_counter() - start

    def copy_without_triggers(self, calls: Sequence[Call]) -> float:
        self.connection.execute("alter table usage_logs disable trigger user")
        try:
            return self.copy(calls)
        finally:
            self.connection.execute("alter table usage_logs enable trigger user")

    def _payloads(self, calls: Sequence[Call]) -> list[bytes]:
        """The calls as the tracker logs them, taken from its spool."""
        with self._nobody_ships():
            for call in calls:
                log_call(SHIPPING_CLIENT, call)
            spooled = self.spool.read(len(calls))
            self.spool.mark_shipped(spooled[-1].number)
        rows = ["\t".join(call.line.split("\t")[:-1]) for call in spooled]
        return [
            "".join(f"{row}\n" for row in rows[start : start + BATCH_CALLS]).encode()
            for start in range(0, len(rows), BATCH_CALLS)
        ]

    @contextmanager
    def _nobody_ships(self) -> Iterator[None]:
        """Keeps the tracker's own thread from it, as a shipper in another process would."""
        while True:
            with self.spool.only_shipper() as is_chosen:
                if is_chosen:
                    yield
                    return
            time.sleep(LINGER_SECONDS)

    def _rest(self) -> None:
        """Everything folded, the disk and the shipper's thread idle."""
        time.sleep(2 * LINGER_SECONDS)
        self.database.fold()
        self.connection.execute("vacuum usage_pending")
        self.connection.execute("checkpoint")
