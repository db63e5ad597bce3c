"""What exporting many calls costs: rows per second, and how far memory rises above an idle process.

Each export is a process of its own, whose peak Linux remembers; the idle one imports the same, reads once and
writes nothing.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL

from analytics.config import PROJECT_DIRECTORY, postgresql_url
from analytics.database import Database
from analytics.days import Days
from analytics.exports.calls import calls_csv, count_calls
from bench.data import DAYS, LARGEST_CLIENT, NOW

ROWS = 1_000_000

# Beside the calls of bench.data, which have no metadata; a fold, as every installation does.
CALLS = """
    insert into usage_logs (
        client_id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,
        cost_usd, cost_basis, metadata, created_at
    )
    select
        %(client_id)s,
        md5((number %% 20000)::text)::uuid,
        '+55' || (11900000000 + number %% 20000),
        'openai',
        'gpt-4o-mini',
        150 + number %% 4000,
        80,
        230 + number %% 4000,
        round(0.0000001523 * number, 10),
        'priced',
        jsonb_build_object(
            'operation', 'chat', 'response_id', 'chatcmpl-' || md5(number::text), 'latency_ms', number
        ),
        %(now)s::timestamptz - interval '1 day' * (%(days)s * number / %(rows)s::float)
    from generate_series(0, %(rows)s - 1) as number
"""


@dataclass(frozen=True, kw_only=True)
class ExportCost:
    """One export: how many rows, how long, and the highest memory above that of an idle process."""

    rows: int
    size_bytes: int
    seconds: float
    extra_bytes: int


def measure_exports(
    database: Database, connection: psycopg.Connection, directory: Path, rows: int = ROWS
) -> list[ExportCost]:
    """Raw calls as CSV, masked: a tenth of the rows, and all. In a migrated database without usage.

    Raises:
        AssertionError: a file has another number of rows than the database.
    """
    connection.execute(
        "insert into clients (id, name, timezone) values (%s, 'Exported', 'America/Sao_Paulo')",
        [LARGEST_CLIENT],
    )
    connection.execute(CALLS, {"client_id": LARGEST_CLIENT, "rows": rows, "days": DAYS, "now": NOW})
    connection.execute("select fold_usage()")
    connection.execute("analyze usage_logs")
    idle = _run(database.url, 0, directory)
    costs = []
    for days in (DAYS // 10, DAYS + 1):
        measured = _run(database.url, days, directory)
        costs.append(
            ExportCost(
                rows=int(measured["rows"]),
                size_bytes=int(measured["size_bytes"]),
                seconds=measured["seconds"],
                extra_bytes=int(measured["peak_bytes"] - idle["peak_bytes"]),
            )
        )
    assert costs[-1].rows == rows, costs
    return costs


def _run(url: URL, days: int, directory: Path) -> dict[str, float]:
    command = [
        *(sys.executable, "-m", "bench.exports", url.render_as_string(hide_password=False)),
        *(str(days), str(directory / "calls.csv")),
    ]
    done = subprocess.run(command, cwd=PROJECT_DIRECTORY, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _export(url: URL, days: int, path: Path) -> dict[str, float]:
    """In the process that is measured: the last `days` days, or nothing but what idling needs."""
    database = Database(url)
    last = NOW.date()
    count_calls(database, LARGEST_CLIENT, Days(last, last))
    rows = 0

    def count(batch: int) -> None:
        nonlocal rows
        rows += batch

    start = time.perf_counter()
    with path.open("wb") as file:
        if days:
            first = last - timedelta(days=days - 1)
            for piece in calls_csv(
                database, LARGEST_CLIENT, Days(first, last), is_unmasked=False, progress=count
            ):
                file.write(piece)
    seconds = time.perf_counter() - start
    database.close()
    return {
        "rows": rows,
        "size_bytes": path.stat().st_size,
        "seconds": seconds,
        "peak_bytes": _peak_memory_bytes(),
    }


def _peak_memory_bytes() -> int:
    """Of this program since it began: getrusage() would know what the process was before, too."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("peak memory is read from /proc/self/status, which only Linux has")


if __name__ == "__main__":
    address, period_days, file_name = sys.argv[1:]
    measured_here = _export(
        postgresql_url(address, origin="the first argument"), int(period_days), Path(file_name)
    )
    print(json.dumps(measured_here))
