"""`python -m bench`: measures each part side by side with something known, and prints markdown tables.

Everything runs in an embedded PostgreSQL of its own, in a temporary directory that is removed at the end
(about 8 GB at 10 million rows, twenty minutes). Settings are the defaults; only while data is loaded is
fsync off.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.engine import URL, make_url

from bench import document
from bench.parts import PARTS, QUICK_ROWS, SERVED_ROWS, Effort
from bench.place import facts, new_place, running_server


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", default="100000,1000000,10000000", help="sizes of usage_logs, by commas")
    parser.add_argument("--quick", action="store_true", help="100,000 rows, few repetitions: some minutes")
    parser.add_argument("--only", choices=PARTS, nargs="+", help="these parts", metavar="PART")
    parser.add_argument(
        "--served", type=int, default=SERVED_ROWS, metavar="ROWS", help="the size for pages and answers"
    )
    parser.add_argument("--sessions", type=int, help="of the part visitors: how many pages are open")
    parser.add_argument("--minutes", type=int, help="of the part visitors: how long, after the first one")
    parser.add_argument(
        "--loaded",
        type=make_url,
        metavar="URL",
        help="a database with the data of --rows, one size, that nobody is at: a copy of it is measured",
    )
    parser.add_argument("--write", action="store_true", help="into docs/ and README.md, too")
    options = parser.parse_args()
    if options.write and options.quick:
        parser.error("--write wants a whole run: leave out --quick")
    if options.loaded and (options.only != ["reading"] or "," in options.rows):
        parser.error("--loaded wants --only reading and one size in --rows")
    rows = [QUICK_ROWS] if options.quick else [int(size) for size in options.rows.split(",")]
    effort = Effort(
        rows=rows,
        is_quick=options.quick,
        served_rows=options.served,
        sessions=options.sessions,
        minutes=options.minutes,
        loaded=options.loaded,
    )

    with (
        tempfile.TemporaryDirectory(prefix="bench-") as name,
        nullcontext(options.loaded.set(database="postgres"))
        if options.loaded
        else running_server(Path(name)) as url,
    ):
        measured = f"Measured on {datetime.now(UTC):%Y-%m-%d} at {_commit()}. {facts(url)}"
        print(measured, flush=True)
        tables = {}
        for part in options.only or PARTS:
            tables[part] = _table(part, effort, url, Path(name))
            print(f"\n{tables[part]}", flush=True)
    if options.write:
        document.write(tables, measured, {part: PARTS[part].document for part in tables})


def _table(name: str, effort: Effort, url: URL, directory: Path) -> str:
    """Measures all cases of a part."""
    part = PARTS[name]
    results = []
    for case in part.cases(effort):
        copied = effort.loaded.database if effort.loaded else None
        with new_place(url, directory, copied or "template1") as place:
            if case.rows and not copied:
                _say(f"{name}: loading {case.rows:,} rows{', the worst case' if case.is_spread else ''}")
            if not copied:
                part.prepare(place.connection, case)
            _say(f"{name}: measuring")
            results.append(part.measure(place, effort, case))
    return part.table(results)


def _commit() -> str:
    """The commit that is checked out, marked where files differ from it."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    found = subprocess.run(asked, cwd=document.PROJECT_DIRECTORY, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "an unknown commit"


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
