"""Many visitors for long: 200 sessions over 50 clients on one process, beside a bare Streamlit app.

Each session is a WebSocket that does what a browser does: it stays open, takes every message, and asks for
what runs by itself (every page asks every four seconds whether there are newer numbers, and runs again when
there are). Its visitor does something every minute, at a moment of their own: another page, period or filter
at random. A visit ends with its script, with all of the page delivered.

The bare app (bench.bare) has for each page one with as many elements of each kind, our settings, and as many
sessions. It has a window after each second one of ours: what else the machine does meets both. While visitors
are at one, sessions of the other stay open and send nothing.
"""

import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from urllib.parse import urlencode

import aiohttp
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from analytics.database import Database
from bench.api import cpu_seconds
from bench.bare import Server, running, write_bare_page
from bench.dashboard import visit
from bench.data import CLIENTS

SESSIONS = 200
WINDOW_SECONDS = 60
MINUTES = 10
"""At ours, after a first one in which all sessions open, and which is not timed."""
VISIT_SECONDS = 120.0
PAGES = ("", "providers_and_models", "conversations", "clients")
PERIODS = ("7d", "30d", "60d", "90d")
FILTERS: Sequence[Mapping[str, str]] = ({}, {}, {"provider": "openai"}, {"provider": "groq"})
NEWS = "usage_news"
"""The component by which a page asks whether there are newer numbers."""
SETTLED = 3
"""Minutes after which memory should grow no more."""


@dataclass(frozen=True, kw_only=True)
class Visits:
    """All visits of one app: seconds until a full page, and the server's processor time for one."""

    name: str
    half: float
    most: float
    """95 percent are done."""
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Visitors:
    """Both apps; what failed at either, and what our server held after each window."""

    ours: Visits
    bare: Visits
    sessions: int
    visits: int
    """At ours."""
    failures: Sequence[str]
    megabytes: Sequence[float]
    descriptors: Sequence[int]

    @property
    def settled_megabytes(self) -> float:
        """After the first minutes."""
        return self.megabytes[min(SETTLED, len(self.megabytes) - 1)]


def measure_visitors(
    database: Database, directory: Path, sessions: int = SESSIONS, minutes: int = MINUTES
) -> Visitors:
    """Visits over a database with the benchmark's data that ends today.

    After each minute at ours it says what the server holds.
    """
    bare_pages = directory / "visitors"
    (bare_pages / "pages").mkdir(parents=True)
    with running("analytics/server.py", database, directory) as ours:
        for page in PAGES:
            file = bare_pages / "pages" / f"{page}.py" if page else bare_pages / "bare.py"
            write_bare_page(file, visit(ours.address, _query(1, "30d"), page).elements)
        with running(bare_pages / "bare.py", database, directory) as bare:
            return asyncio.run(_take_turns(ours, bare, sessions, minutes))


async def _take_turns(ours: Server, bare: Server, sessions: int, minutes: int) -> Visitors:
    taken: dict[str, list[float]] = {"ours": [], "bare": []}
    cpu = dict.fromkeys(taken, 0.0)
    failures: list[str] = []
    megabytes, descriptors = [], []
    async with _opened(ours, sessions) as at_ours, _opened(bare, sessions) as at_bare:
        for window in range(minutes + 1):
            turns = [("ours", ours, at_ours), ("bare", bare, at_bare)]
            for name, server, guests in turns if window % 2 == 0 else turns[:1]:
                before = cpu_seconds(server.pid)
                found = await asyncio.gather(*(guest.window() for guest in guests), return_exceptions=True)
                failures += [
                    f"{name}: {type(each).__name__}: {each}" for each in found if not isinstance(each, float)
                ]
                if window:
                    taken[name] += [each for each in found if isinstance(each, float)]
                    cpu[name] += cpu_seconds(server.pid) - before
            megabytes.append(_megabytes(ours.pid))
            descriptors.append(sum(1 for _ in Path(f"/proc/{ours.pid}/fd").iterdir()))
            print(
                f"minute {window}: {megabytes[-1]:,.0f} MB, {descriptors[-1]:,} descriptors, "
                f"{len(taken['ours']):,} visits, {len(failures):,} failed",
                file=sys.stderr,
                flush=True,
            )
    return Visitors(
        ours=_visits("**ours**", taken["ours"], cpu["ours"]),
        bare=_visits("a bare app with as many elements, with our settings", taken["bare"], cpu["bare"]),
        sessions=sessions,
        visits=len(taken["ours"]),
        failures=failures,
        megabytes=megabytes,
        descriptors=descriptors,
    )


class _Guest:
    """A session that stays open; client is the number of the one that it looks at."""

    def __init__(
        self, connection: ClientConnection, requests: aiohttp.ClientSession, address: str, number: int
    ) -> None:
        self._connection = connection
        self._requests = requests
        self._address = address
        self._client = 1 + number % CLIENTS
        self._random = random.Random(number)
        self._finished: asyncio.Future[None] | None = None
        self._is_here = False
        self._clocks: dict[str, asyncio.Task[None]] = {}
        self._page = self._query = ""

    async def window(self) -> float:
        """One visit, at a random moment of a window that lasts WINDOW_SECONDS; how long it took."""
        self._is_here = True
        try:
            pause = self._random.uniform(0, WINDOW_SECONDS)
            await asyncio.sleep(pause)
            taken = await self._visit()
            await asyncio.sleep(max(0.0, WINDOW_SECONDS - pause - taken))
            return taken
        finally:
            self._is_here = False

    async def _visit(self) -> float:
        self._page = self._random.choice(PAGES)
        self._query = _query(self._client, self._random.choice(PERIODS), self._random.choice(FILTERS))
        self._finished = asyncio.get_running_loop().create_future()
        start = perf_counter()
        await self._run()
        await asyncio.wait_for(self._finished, VISIT_SECONDS)
        return perf_counter() - start

    async def _run(self) -> None:
        request = BackMsg()
        request.rerun_script.query_string = self._query
        request.rerun_script.page_name = self._page
        await self._connection.send(request.SerializeToString())

    async def listen(self) -> None:
        """Takes what comes, until the connection is closed."""
        async for data in self._connection:
            assert isinstance(data, bytes)
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "new_session" and not message.metadata.run.fragment_ids:
                self._stop_clocks()
            elif kind == "auto_rerun":
                fragment_id, seconds = message.auto_rerun.fragment_id, message.auto_rerun.interval
                self._repeat(fragment_id, self._run_again(fragment_id, seconds))
            elif kind == "delta" and message.delta.new_element.bidi_component.component_name == NEWS:
                news = json.loads(message.delta.new_element.bidi_component.json)
                self._repeat(NEWS, self._ask_for_news(news["path"], news["seconds"]))
            elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "exception":
                self._end(message.delta.new_element.exception.message)
            elif kind == "script_finished":
                if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                    self._end()
                elif message.script_finished == ForwardMsg.FINISHED_WITH_COMPILE_ERROR:
                    self._end("the script cannot be compiled")
        self._stop_clocks()
        self._end("the server hung up")

    def _repeat(self, name: str, asking: Coroutine[None, None, None]) -> None:
        """A browser asks for it by itself from now on. It is told so again at each run."""
        if (earlier := self._clocks.pop(name, None)) is not None:
            earlier.cancel()
        self._clocks[name] = asyncio.create_task(asking)

    async def _ask_for_news(self, path: str, seconds: float) -> None:
        """As analytics/ui/frame/news.js does; with news the whole page runs again."""
        is_new = False
        while not is_new:
            await asyncio.sleep(seconds)
            if self._is_here:
                # A browser asks again at the next time, too.
                with suppress(aiohttp.ClientConnectionError):
                    async with self._requests.get(f"{self._address}/{path}") as answer:
                        is_new = (await answer.json())["is_new"]
        await self._run()

    async def _run_again(self, fragment_id: str, seconds: float) -> None:
        request = BackMsg()
        request.rerun_script.fragment_id = fragment_id
        request.rerun_script.is_auto_rerun = True
        while True:
            await asyncio.sleep(seconds)
            if self._is_here:
                await self._connection.send(request.SerializeToString())

    def _stop_clocks(self) -> None:
        for clock in self._clocks.values():
            clock.cancel()
        self._clocks.clear()

    def _end(self, failure: str | None = None) -> None:
        if self._finished is not None and not self._finished.done():
            if failure is None:
                self._finished.set_result(None)
            else:
                self._finished.set_exception(RuntimeError(failure))


@asynccontextmanager
async def _opened(server: Server, sessions: int) -> AsyncIterator[Sequence[_Guest]]:
    stream = f"{server.address.replace('http', 'ws')}/_stcore/stream"
    guests, listening, requests = [], [], []
    for number in range(sessions):
        # Each browser keeps a connection of its own.
        requests.append(aiohttp.ClientSession())
        connection = await connect(
            stream,
            origin=Origin(server.address),
            max_size=None,
            subprotocols=[Subprotocol("streamlit")],
            open_timeout=VISIT_SECONDS,
            # No browser hangs up because a server is slow.
            ping_interval=None,
        )
        guests.append(_Guest(connection, requests[-1], server.address, number))
        listening.append(asyncio.create_task(guests[-1].listen()))
    yield guests
    for each in listening:
        each.cancel()
    await asyncio.gather(*listening, *(each.close() for each in requests), return_exceptions=True)


def _visits(name: str, taken: Sequence[float], cpu: float) -> Visits:
    return Visits(name=name, half=median(taken), most=quantiles(taken, n=20)[-1], cpu=cpu / len(taken))


def _megabytes(pid: int) -> float:
    """That the process has in memory."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]
    return int(pages) * 4096 / 1e6


def _query(client: int, period: str, filters: Mapping[str, str] | None = None) -> str:
    return urlencode({"client": f"Client {client}", "days": period, **(filters or {})})
