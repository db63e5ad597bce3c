"""The API: requests per second and latency of a warm answer, beside a bare FastAPI route with the same bytes.

The bytes are those of the whole answer, its headers included: Cache-Control, Age, ETag, Vary.

Both are served by uvicorn with the same settings, one worker, each in a process of its own that was started
alike. wrk keeps CONNECTIONS connections busy, first at one, then at the other, in short blocks that take
turns, so that what else the machine does meets both. wrk is compiled and takes little of the second core.
Both get the same request, key included; the bare route looks at none of it. What lies between the two is what
the API does for a request: find the key, count it against its rate, check the parameters, find the answer,
count the request for Prometheus.

Rates suffer from whatever else runs on the machine, and not evenly; the processor time of a server divided by
its requests hardly does, so it is given as well. A server that has a core for itself is as fast as that says.

The database is reached through a proxy that counts round trips. All blocks fit into the minute for which an
answer is kept, so that none may be seen. The rate limit is lifted, as one key asks for all.
"""

import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

import uvicorn
from fastapi import FastAPI, Response
from sqlalchemy.engine import make_url

from analytics.access.keys import create_key
from analytics.api import Service, create_api
from analytics.api.routes import ANSWER_SECONDS
from analytics.database import Database
from bench.bare import running
from bench.data import LARGEST_CLIENT
from tests.tcp_proxy import TcpProxy

BLOCKS = 21
BLOCK_SECONDS = 1
CONNECTIONS = 16
ONE_BY_ONE = 300
WARM_UP = 20
PATH = "/api/analytics?days=30"
NO_LIMIT = 1_000_000_000
START_SECONDS = 60.0
# What the API adds to an answer. No others are copied: "connection: close", which urllib asks for, would have
# the bare route connect anew for every request.
_HEADERS = ("cache-control", "age", "etag", "vary")
NO_WRK = "wrk is missing, so the API is not measured: apt-get install wrk"

# Called once, at wrk's end: nothing is run for a request.
REPORT = """
function done(summary, latency, requests)
    local errors = summary.errors
    io.stderr:write(string.format(
        '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d}',
        summary.requests, summary.duration / 1e6,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True, kw_only=True)
class RouteRate:
    """What one route does: medians of its blocks. Times in milliseconds."""

    name: str
    requests_per_second: float
    p50: float
    p99: float
    cpu: float
    """Of the server, for one request."""


@dataclass(frozen=True, kw_only=True)
class ApiRates:
    """Both routes, and what happened while they were loaded."""

    ours: RouteRate
    bare: RouteRate
    kept: float
    """Of the bare route's rate: the median of what each block of ours is to its neighbour."""
    body_bytes: int
    requests: int
    """To ours, all blocks."""
    failures: int
    """Of those to either: answers other than 200, and connections that broke."""
    round_trips: int
    """To the database, while ours was loaded."""
    one_by_one: Mapping[str, float]
    """Milliseconds for an answer on a connection that is kept, one after the other, by what answers."""


@dataclass(frozen=True, kw_only=True)
class _Server:
    address: str
    pid: int


@dataclass(frozen=True, kw_only=True)
class _Answer:
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class _Block:
    requests: int
    seconds: float
    p50: float
    p99: float
    refused: int
    broken: int
    cpu_seconds: float
    """Of the server."""

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def measure_api(database: Database, blocks: int = BLOCKS) -> ApiRates | None:
    """Loads both routes over a database with the benchmark's data that ends today; None without wrk."""
    if shutil.which("wrk") is None:
        return None
    key = create_key(database, str(LARGEST_CLIENT), "read", "bench")
    with (
        TcpProxy(database.url) as proxy,
        _serving(_make_ours, proxy.url.render_as_string(hide_password=False)) as ours,
    ):
        answer = _get(ours, key)
        with _serving(_make_bare, answer) as bare:
            if _get(bare, key) != answer:
                raise RuntimeError("the two routes do not answer the same")
            start = time.monotonic()
            round_trips = proxy.round_trips
            found = _load({"ours": ours, "bare": bare}, key, blocks)
            round_trips = proxy.round_trips - round_trips
            if time.monotonic() - start >= ANSWER_SECONDS - 1:
                raise RuntimeError("the load took longer than an answer is kept, so round trips mean nothing")
            with _dashboard(database) as dashboard:
                one_by_one = _one_by_one(
                    {
                        "`uvicorn`": ours.address,
                        "`streamlit run analytics/server.py`": dashboard,
                        "the bare route": bare.address,
                    },
                    key,
                )
    every = found["ours"] + found["bare"]
    return ApiRates(
        ours=_rate("**ours**, with key, rate and metrics", found["ours"]),
        bare=_rate("a bare FastAPI route with the same bytes", found["bare"]),
        kept=median(
            block.rate / beside.rate for block, beside in zip(found["ours"], found["bare"], strict=True)
        ),
        body_bytes=len(answer.body),
        requests=sum(block.requests for block in found["ours"]),
        failures=sum(block.refused + block.broken for block in every),
        round_trips=round_trips,
        one_by_one=one_by_one,
    )


@contextmanager
def _dashboard(database: Database) -> Iterator[str]:
    """The address of dashboard and API in one process, as people start them."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-api-") as directory,
        running("analytics/server.py", database, Path(directory)) as server,
    ):
        yield server.address


def _one_by_one(addresses: Mapping[str, str], key: str) -> dict[str, float]:
    """Medians in milliseconds of an answer on a connection that is kept; all take turns."""
    connections = {
        name: HTTPConnection(address.removeprefix("http://")) for name, address in addresses.items()
    }
    for address in addresses.values():
        # Opens its database, while no connection waits.
        urlopen(Request(f"{address}{PATH}", headers={"Authorization": f"Bearer {key}"})).close()
    taken: dict[str, list[float]] = {name: [] for name in addresses}
    for request in range(WARM_UP + ONE_BY_ONE):
        for name, connection in connections.items():
            start = time.perf_counter()
            connection.request("GET", PATH, headers={"Authorization": f"Bearer {key}"})
            connection.getresponse().read()
            if request >= WARM_UP:
                taken[name].append(1_000 * (time.perf_counter() - start))
    for connection in connections.values():
        connection.close()
    return {name: median(times) for name, times in taken.items()}


def cpu_seconds(pid: int) -> float:
    """How long a process has kept processors busy; zero where /proc does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _load(servers: dict[str, _Server], key: str, blocks: int) -> dict[str, list[_Block]]:
    found: dict[str, list[_Block]] = {name: [] for name in servers}
    for block in range(blocks + 1):  # the first one only warms up
        for name, server in servers.items():
            result = _wrk(server, key)
            if block:
                found[name].append(result)
    return found


def _wrk(server: _Server, key: str) -> _Block:
    before = cpu_seconds(server.pid)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(REPORT)
        script.flush()
        run = subprocess.run(
            [
                *("wrk", "--threads", "1", "--connections", str(CONNECTIONS)),
                *("--duration", f"{BLOCK_SECONDS}s", "--script", script.name),
                *("--header", f"Authorization: Bearer {key}", f"{server.address}{PATH}"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    if run.returncode:
        raise RuntimeError(f"wrk failed: {run.stderr.strip() or run.stdout}")
    return _Block(**json.loads(run.stderr), cpu_seconds=cpu_seconds(server.pid) - before)


def _rate(name: str, blocks: list[_Block]) -> RouteRate:
    return RouteRate(
        name=name,
        requests_per_second=median(block.rate for block in blocks),
        p50=median(block.p50 for block in blocks),
        p99=median(block.p99 for block in blocks),
        cpu=1000 * sum(block.cpu_seconds for block in blocks) / sum(block.requests for block in blocks),
    )


def _get(server: _Server, key: str) -> _Answer:
    request = Request(f"{server.address}{PATH}", headers={"Authorization": f"Bearer {key}"})
    with urlopen(request) as answer:
        headers = {name: answer.headers[name] for name in _HEADERS}
        return _Answer(body=answer.read(), headers=headers)


def _make_ours(database_url: str) -> FastAPI:
    service = Service(lambda: Database(make_url(database_url)))
    return create_api(service, requests_per_minute=NO_LIMIT)


def _make_bare(answer: _Answer) -> FastAPI:
    api = FastAPI()

    @api.get("/api/analytics")
    async def analytics() -> Response:
        return Response(answer.body, media_type="application/json", headers=answer.headers)

    return api


@contextmanager
def _serving(make: Callable[..., FastAPI], argument: str | _Answer) -> Iterator[_Server]:
    """What `make` makes of the argument, in a process of its own."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_serve, args=(its, make, argument), daemon=True
    )
    process.start()
    its.close()  # Else nobody would notice that the process has ended.
    try:
        if not ours.poll(START_SECONDS):
            raise RuntimeError("the server does not start")
        assert process.pid is not None
        yield _Server(address=f"http://127.0.0.1:{ours.recv()}", pid=process.pid)
    finally:
        process.terminate()
        process.join()


def _serve(parent: Connection, make: Callable[..., FastAPI], argument: str | _Answer) -> None:
    server = uvicorn.Server(uvicorn.Config(make(argument), log_level="warning", access_log=False))
    # The protocol is named, as where uvicorn binds by itself: asyncio sends at once only what it knows to be
    # TCP, and otherwise an answer's body would wait 40 milliseconds for the receipt of its headers.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        # Connections are taken from here on, and answered once the server runs.
        parent.send(listener.getsockname()[1])
        server.run([listener])
