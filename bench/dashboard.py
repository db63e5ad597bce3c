"""The dashboard: how long 50 people who open it at once wait, beside a bare Streamlit page.

Each session is a WebSocket that does what a browser does: it opens, asks for the page and takes every message
until the script has finished. Its time ends there, with all of the page delivered. Browsers would take both
cores for themselves, and what they then measure is Chromium; what they draw costs the same on both pages.

The bare page (bench.bare) draws as many elements of each kind as the Overview did just before (checked),
charts and tables of the same size among them. Both run under `streamlit run`, each in a process of its own
that has served a page before, and take turns; the bare one with Streamlit's settings and with ours. Ours is
asked twice: by 50 people who look at one client, whose numbers are there, and by one for each of the 50
clients whose numbers nobody has asked for yet. So that this can be seen more than once, each round asks for
another period.

Beside the wait stands the processor time that the server spends on a page: what else the machine does changes
the first a lot, and the second little.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from analytics.database import Database
from bench.api import cpu_seconds
from bench.bare import running, write_bare_page
from bench.data import CLIENTS

SESSIONS = 50
PERIODS = ("30d", "60d", "90d")
PAGE_SECONDS = 120.0
BARE = "a bare Streamlit page with as many elements"
UNSEEN = {"bidi_component"}  # Code for the browser, which shows nothing.


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
class Visit:
    """Of one session: how long until it had all of the page, of which kinds of elements that is."""

    seconds: float
    elements: Counter[str]
    failure: str | None

    @property
    def charts(self) -> int:
        """How many there are on the page, those within cards not counted."""
        return self.elements["vega_lite_chart"]


def measure_dashboard(database: Database, directory: Path, rounds: int = len(PERIODS)) -> PageTimes:
    """Opens sessions over a database with the benchmark's data that ends today."""
    bare_page = directory / "bare" / "bare.py"
    bare_page.parent.mkdir()
    one = [_query(1, PERIODS[0])] * SESSIONS
    with running("analytics/server.py", database, directory) as ours:
        page = visit(ours.address, one[0])
        write_bare_page(bare_page, page.elements)
        with (
            running(bare_page, database, directory) as set_as_ours,
            running(bare_page, database, directory, bare_page.parent) as bare,
        ):
            for each_bare in (set_as_ours, bare):
                require_equal(page, visit(each_bare.address, ""))
            found: dict[str, list[list[Visit]]] = {}
            cpu: defaultdict[str, float] = defaultdict(float)
            for period in PERIODS[:rounds]:
                each = [_query(1 + session % CLIENTS, period) for session in range(SESSIONS)]
                for name, server, queries in (
                    ("**Overview**, all on one client", ours, one),
                    ("Overview, each on a client that nobody has looked at yet", ours, each),
                    (
                        "a bare Streamlit page with as many elements, with our settings",
                        set_as_ours,
                        [""] * SESSIONS,
                    ),
                    ("the same with Streamlit's own settings", bare, [""] * SESSIONS),
                ):
                    before = cpu_seconds(server.pid)
                    found.setdefault(name, []).append(asyncio.run(visit_all(server.address, queries)))
                    cpu[name] += cpu_seconds(server.pid) - before
    visits = [each for all_rounds in found.values() for in_round in all_rounds for each in in_round]
    return PageTimes(
        times=[_time(name, all_rounds, cpu[name]) for name, all_rounds in found.items()],
        sessions=len(visits),
        failures=[each.failure for each in visits if each.failure is not None],
        elements=sum(page.elements.values()),
    )


def require_equal(page: Visit, bare: Visit) -> None:
    """Raises RuntimeError where two pages do not draw as many elements of each kind."""
    for drawn in (page, bare):
        if drawn.failure is not None:
            raise RuntimeError(f"a page cannot be drawn, so there is nothing to time: {drawn.failure}")
    if page.elements != bare.elements:
        raise RuntimeError(f"the bare page draws {bare.elements}, and the page beside it {page.elements}")


def _query(client: int, period: str) -> str:
    return urlencode({"client": f"Client {client}", "days": period})


def _time(name: str, rounds: Sequence[Sequence[Visit]], cpu: float) -> PageTime:
    seconds = [[each.seconds for each in in_round] for in_round in rounds]
    return PageTime(
        name=name,
        half=median(median(each) for each in seconds),
        most=median(quantiles(each, n=20)[-1] for each in seconds),
        cpu=cpu / sum(map(len, seconds)),
    )


def visit(address: str, query: str, page: str = "") -> Visit:
    """One session alone; `page` as links name it."""
    return asyncio.run(_visit(address, query, page))


async def visit_all(address: str, queries: Sequence[str]) -> list[Visit]:
    """A session for each query, all at once, on the first page."""
    return list(await asyncio.gather(*(_visit(address, query) for query in queries)))


async def _visit(address: str, query: str, page: str = "") -> Visit:
    """One session, from opening the connection to the last element."""
    drawn: dict[tuple[int, ...], str] = {}
    start = time.perf_counter()
    try:
        async with asyncio.timeout(PAGE_SECONDS):
            failure = await _draw(address, query, page, drawn)
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    elements = Counter(drawn.values())
    if failure is None and not elements["vega_lite_chart"]:
        failure = f"there is no chart: {dict(elements)}"
    return Visit(seconds=time.perf_counter() - start, elements=elements, failure=failure)


async def _draw(address: str, query: str, page: str, drawn: dict[tuple[int, ...], str]) -> str | None:
    """Puts the kinds of elements by their places into `drawn`; returns what went wrong."""
    stream = f"{address.replace('http', 'ws')}/_stcore/stream"
    # As a browser at this machine: who sends no origin is none, and sees nothing.
    async with connect(
        stream, origin=Origin(address), max_size=None, subprotocols=[Subprotocol("streamlit")]
    ) as connection:
        request = BackMsg()
        request.rerun_script.query_string = query
        request.rerun_script.page_name = page
        await connection.send(request.SerializeToString())
        async for data in connection:
            assert isinstance(data, bytes)
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                element = str(message.delta.new_element.WhichOneof("type"))
                if element == "exception":
                    return f"exception: {message.delta.new_element.exception.message}"
                if element not in UNSEEN:
                    drawn[tuple(message.metadata.delta_path)] = element
            if kind == "script_finished":
                status = ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)
                if status == "FINISHED_SUCCESSFULLY":
                    return None
                if status != "FINISHED_EARLY_FOR_RERUN":
                    return status
    return "the server hung up"
