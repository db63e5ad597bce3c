"""The dashboard: how long 50 people who open it at once wait, beside a bare Streamlit page.

Each session is a WebSocket that does what a browser does: it opens, asks for the page and takes every message
until the script has finished. Its time ends there, with all of the page delivered. Browsers would take both
cores for themselves, and what they then measure is Chromium; what they draw costs the same on both pages.

The bare page draws as many elements of each kind as the Overview did just before (checked, see BARE_PAGE),
charts and tables of the same size among them, out of constants: no database, no cache, no link, no access,
charts of one layer. Both pages run under `streamlit run` with the same settings, each in a process of its
own that has served a page before, and take turns. Ours is asked twice: by 50 people who look at one client,
whose numbers are there, and by one for each of the 50 clients whose numbers nobody has asked for yet. So
that this can be seen more than once, each round asks for another period.

Beside the wait stands the processor time that the server spends on a page: what else the machine does changes
the first a lot, and the second little.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect

from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from bench.api import cpu_seconds
from bench.data import CLIENTS

SESSIONS = 50
PERIODS = ("30d", "60d", "90d")
PAGE_SECONDS = 120.0
START_SECONDS = 60.0
AT_THIS_MACHINE = "[access]\nlocal = true\n"

BARE_PAGE = """
import altair as alt
import pandas as pd
import streamlit as st

NAMES = ["OpenAI", "Groq", "Other"]
DAYS = pd.DataFrame(
    [(f"2025-06-{day:02}", name, 1000 * day) for day in range(1, 31) for name in NAMES],
    columns=["date", "provider", "value"],
)
WEEKS = pd.DataFrame(
    [(f"2025-{week:02}-01", name, 7000 * week) for week in range(1, 13) for name in NAMES],
    columns=["date", "provider", "value"],
)
SHARES = pd.DataFrame({"provider": NAMES, "value": [60, 30, 10]})
CHARTS = [
    alt.Chart(WEEKS).mark_line().encode(x="date:T", y="value:Q", color="provider:N"),
    alt.Chart(DAYS).mark_bar().encode(x="date:T", y="value:Q", color="provider:N"),
    alt.Chart(SHARES).mark_arc().encode(theta="value:Q", color="provider:N"),
]
TABLES = [
    pd.DataFrame({f"column {column}": range(column, column + rows) for column in range(9)})
    for rows in (6, 20)
]
CLIENTS = [f"Client {number}" for number in range(1, 51)]
TREND = list(range(30))
DRAW = {
    "button": lambda name: st.button(name),
    "button_group": lambda name: st.segmented_control(name, ["7d", "30d", "60d", "90d"], default="30d"),
    "checkbox": lambda name: st.toggle(name),
    "dataframe": lambda name: st.dataframe(TABLES.pop(), hide_index=True),
    "date_input": lambda name: st.date_input(name, "2025-06-30"),
    "download_button": lambda name: st.download_button(name, name),
    "heading": lambda name: st.title(name),
    "markdown": lambda name: st.caption(name),
    "metric": lambda name: st.metric(name, "1.2M", "3 %", chart_data=TREND, chart_type="area", help=name),
    "page_link": lambda name: st.page_link(f"https://example.com/{name}", label=name),
    "selectbox": lambda name: st.selectbox(name, CLIENTS),
    "vega_lite_chart": lambda name: st.altair_chart(CHARTS.pop()),
}

st.set_page_config(page_title="Bare", layout="wide")
for kind, number in COUNTS.items():
    with st.container(border=True):
        for each in range(number):
            DRAW[kind](f"{kind} {each}")
"""


@dataclass(frozen=True, kw_only=True)
class PageTime:
    """Seconds until a full page: of all sessions, the medians of what each round came to."""

    name: str
    half: float
    most: float
    """95 percent are done."""
    cpu: float
    """Of the server, for one page."""


@dataclass(frozen=True, kw_only=True)
class PageTimes:
    """The pages, the bare one last; how many sessions were opened, and how many of them failed."""

    times: Sequence[PageTime]
    sessions: int
    failures: Sequence[str]
    elements: int
    """That each page draws."""


@dataclass(frozen=True, kw_only=True)
class _Server:
    address: str
    pid: int


@dataclass(frozen=True, kw_only=True)
class _Visit:
    seconds: float
    elements: Counter[str]
    failure: str | None


def measure_dashboard(database: Database, directory: Path, rounds: int = len(PERIODS)) -> PageTimes:
    """Opens sessions over a database with the benchmark's data that ends today."""
    bare_page = directory / "bare.py"
    secrets = directory / "secrets.toml"
    secrets.write_text(AT_THIS_MACHINE, encoding="utf-8")
    one = [_query(1, PERIODS[0])] * SESSIONS
    with _running("analytics/server.py", database, secrets) as ours:
        [page] = asyncio.run(_visit_all(ours.address, one[:1]))
        bare_page.write_text(BARE_PAGE.replace("COUNTS", repr(dict(page.elements))), encoding="utf-8")
        with _running(str(bare_page), database, secrets) as bare:
            [bare_visit] = asyncio.run(_visit_all(bare.address, [""]))
            _require_equal(page, bare_visit)
            found: dict[str, list[list[_Visit]]] = {}
            cpu: defaultdict[str, float] = defaultdict(float)
            for period in PERIODS[:rounds]:
                each = [_query(1 + session % CLIENTS, period) for session in range(SESSIONS)]
                for name, server, queries in (
                    ("Overview, all on one client", ours, one),
                    ("Overview, each on a client that nobody has looked at yet", ours, each),
                    ("bare Streamlit page", bare, [""] * SESSIONS),
                ):
                    before = cpu_seconds(server.pid)
                    found.setdefault(name, []).append(asyncio.run(_visit_all(server.address, queries)))
                    cpu[name] += cpu_seconds(server.pid) - before
    visits = [visit for all_rounds in found.values() for visits in all_rounds for visit in visits]
    return PageTimes(
        times=[_time(name, all_rounds, cpu[name]) for name, all_rounds in found.items()],
        sessions=len(visits),
        failures=[visit.failure for visit in visits if visit.failure is not None],
        elements=sum(page.elements.values()),
    )


def _require_equal(page: _Visit, bare: _Visit) -> None:
    for visit in (page, bare):
        if visit.failure is not None:
            raise RuntimeError(f"a page cannot be drawn, so there is nothing to time: {visit.failure}")
    if page.elements != bare.elements:
        raise RuntimeError(f"the bare page draws {bare.elements}, and the Overview {page.elements}")


def _query(client: int, period: str) -> str:
    return urlencode({"client": f"Client {client}", "days": period})


def _time(name: str, rounds: Sequence[Sequence[_Visit]], cpu: float) -> PageTime:
    seconds = [[visit.seconds for visit in visits] for visits in rounds]
    return PageTime(
        name=name,
        half=median(median(each) for each in seconds),
        most=median(quantiles(each, n=20)[-1] for each in seconds),
        cpu=cpu / sum(map(len, seconds)),
    )


async def _visit_all(address: str, queries: Sequence[str]) -> list[_Visit]:
    return list(await asyncio.gather(*(_visit(address, query) for query in queries)))


async def _visit(address: str, query: str) -> _Visit:
    """One session, from opening the connection to the last element."""
    drawn: dict[tuple[int, ...], str] = {}
    start = time.perf_counter()
    try:
        async with asyncio.timeout(PAGE_SECONDS):
            failure = await _draw(address, query, drawn)
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    elements = Counter(drawn.values())
    if failure is None and (elements["vega_lite_chart"], elements["dataframe"]) != (3, 2):
        failure = f"charts or tables are missing: {dict(elements)}"
    return _Visit(seconds=time.perf_counter() - start, elements=elements, failure=failure)


async def _draw(address: str, query: str, drawn: dict[tuple[int, ...], str]) -> str | None:
    """Puts the kinds of elements by their places into `drawn`; returns what went wrong."""
    stream = f"{address.replace('http', 'ws')}/_stcore/stream"
    async with connect(stream, max_size=None, subprotocols=["streamlit"]) as connection:  # type: ignore[list-item]
        request = BackMsg()
        request.rerun_script.query_string = query
        await connection.send(request.SerializeToString())
        async for data in connection:
            assert isinstance(data, bytes)
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                element = str(message.delta.new_element.WhichOneof("type"))
                if element == "exception":
                    return f"exception: {message.delta.new_element.exception.message}"
                drawn[tuple(message.metadata.delta_path)] = element
            if kind == "script_finished":
                status = ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)
                if status == "FINISHED_SUCCESSFULLY":
                    return None
                if status != "FINISHED_EARLY_FOR_RERUN":
                    return status
    return "the server hung up"


@contextmanager
def _running(script: str, database: Database, secrets: Path) -> Iterator[_Server]:
    """`streamlit run script` on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = secrets.with_name("streamlit.log")
    environment = {
        "DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False),
        "USAGE_DATA_DIR": str(secrets.parent),
        "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS": "full",  # What fails is to say why.
    }
    with log.open("ab") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", script, "--secrets.files", str(secrets)),
                *("--server.headless", "true", "--server.address", "127.0.0.1"),
                *("--server.port", str(port)),
            ],
            cwd=PROJECT_DIRECTORY,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _await_health(address, server, log)
            yield _Server(address=address, pid=server.pid)
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await_health(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"streamlit does not start:\n{log.read_text()}")
