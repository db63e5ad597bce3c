"""Bodies made to keep the server busy: refused in words, while everybody else is answered as ever."""

import asyncio
import gzip
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import anyio
import httpx
import pytest
from fastapi.testclient import TestClient

from analytics.api import auth, work
from analytics.api.bodies import MAX_BODY_BYTES
from analytics.api.cache import SingleFlightCache
from analytics.api.models import MAX_RECORDS
from analytics.database import Database
from tests import factories
from tests.api import bearer, logged, open_api, serving
from tests.processes import await_start, free_port, listens
from tests.test_server import ALONE, BOTH_WAYS, configured, started

CALL = {"source": "openai", "model": "gpt-4", "usage": {"prompt_tokens": 1}}
JSON = "application/json"
PROTOBUF = "application/x-protobuf"
FULL = MAX_BODY_BYTES - 100
HEALTHY_SECONDS = 0.5


class Worst(NamedTuple):
    """A body as it is sent, and how it is answered."""

    path: str
    headers: dict[str, str]
    body: bytes
    status: int


def within(number: int, content: bytes) -> bytes:
    """The content as field `number` of a protobuf message."""
    size, length = len(content), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def filled(unit: bytes) -> bytes:
    return unit * (FULL // len(unit))


def spans(body: bytes, status: int = 413) -> Worst:
    return Worst("/v1/traces", {"Content-Type": PROTOBUF, "Content-Encoding": "gzip"}, body, status)


def a_scope(content: bytes, status: int = 413) -> Worst:
    return spans(within(1, within(2, content)), status)


def a_span(content: bytes, status: int = 413) -> Worst:
    return a_scope(within(2, content), status)


def json_spans(text: bytes) -> Worst:
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + text + b"]}]}]}"
    return Worst("/v1/traces", {"Content-Type": JSON, "Content-Encoding": "gzip"}, body, 413)


def records(body: bytes, status: int = 413, encoding: str = "gzip") -> Worst:
    return Worst("/api/usage", {"Content-Type": JSON, "Content-Encoding": encoding}, body, status)


def a_record(status: int, **values: bytes) -> Worst:
    named = {"source": b'"x"'} | values
    return records(b"{" + b",".join(b'"%s":%s' % (key.encode(), named[key]) for key in named) + b"}", status)


def text(unit: bytes) -> bytes:
    return b'"' + filled(unit)[:-100] + b'"'


def attribute(name: bytes, value: bytes) -> bytes:
    return within(9, within(1, name) + within(2, within(1, value)))


def worst_bodies() -> Iterator[tuple[str, Worst]]:
    """Each by what there is too much of."""
    yield "empty spans", a_scope(filled(b"\x12\x00"))
    yield "a span too many", a_scope(b"\x12\x00" * (MAX_RECORDS + 1))
    yield "empty resources", spans(filled(b"\x0a\x00"))
    yield "empty attributes", a_span(filled(b"\x4a\x00"))
    yield "empty events", a_span(filled(b"\x5a\x00"))
    yield "empty items", a_span(within(9, within(2, within(5, filled(b"\x0a\x00")))))
    yield "unknown fields", spans(filled(b"\x78\x01"))
    yield "a long trace id", a_span(within(1, filled(b"x")[:-100]), 400)
    output = b'{"usage":[' + b"{}," * 2_600_000 + b"{}]}"
    llm = attribute(b"openinference.span.kind", b"LLM")
    yield "JSON in an attribute", a_span(llm + attribute(b"output.value", output), 200)
    yield "spans as JSON", json_spans(filled(b"{},") + b"{}")
    yield "a span too many as JSON", json_spans(b"{}," * MAX_RECORDS + b"{}")
    yield "empty records", records(b"[" + filled(b"{},") + b"{}]", encoding="identity")
    yield "empty lists", records(b"[" + filled(b"[],") + b"[]]")
    yield "empty texts", records(b"[" + filled(b'"",') + b'""]')
    yield "numbers", records(b"[" + filled(b"1,") + b"1]")
    yield "long numbers", records(b"[" + filled(b"9" * 4_000 + b",") + b"1]")
    yield "a long number", records(b"[" + filled(b"9") + b"]", 400)
    yield "a long fraction", a_record(200, cost_usd=b"0." + filled(b"9")[:-100])
    names = b",".join(b'"%x":1' % number for number in range(700_000))
    yield "names of a record", records(b"{" + names + b"}")
    yield "names of metadata", a_record(413, metadata=b"{" + names + b"}")
    names = b",".join(b'"%x":1' % number for number in range(95_000))
    yield "names that are read", records(b"{" + names + b"}", 400)
    yield "metadata that is read", a_record(200, metadata=b"{" + names + b"}")
    yield "usage that is read", a_record(200, usage=b'{"prompt_tokens":5,' + names + b"}")
    yield "usage of which no field is known", a_record(400, usage=b"{" + names + b"}")
    yield "depth", a_record(400, metadata=b'{"a":' * 900 + b"1" + b"}" * 900)
    yield "brackets", records(filled(b"["))
    yield "a long text", a_record(400, model=text(b"x"))
    yield "escapes", a_record(400, model=text(b'\\"'))
    yield "a long cost", a_record(400, cost_usd=text(b"9"))
    yield "a long moment", a_record(400, created_at=text(b"2"))
    yield "spaces", records(b" " * 100_000_000)
    yield "what was not packed", records(bytes(10_000), 400, "deflate")
    yield "another packing", records(bytes(10_000), 415, "br")


@pytest.fixture(scope="module")
def worst() -> dict[str, Worst]:
    return {
        name: each._replace(body=gzip.compress(each.body, 1))
        if each.headers["Content-Encoding"] == "gzip"
        else each
        for name, each in worst_bodies()
    }


@pytest.fixture(scope="module")
def idle_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that has nothing to do, in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    directory = tmp_path_factory.mktemp("idle")
    log = directory / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=directory, stdout=output, stderr=subprocess.STDOUT) as server,
    ):
        await_start(server, log, lambda: listens(port))
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.mark.parametrize("way", ["streamlit", "uvicorn"])
def test_health_while_the_worst_bodies_come(
    database: Database, acme: UUID, tmp_path: Path, worst: dict[str, Worst], idle_server: str, way: str
) -> None:
    command = BOTH_WAYS["streamlit"] if way == "streamlit" else ALONE["uvicorn"]
    with started(command, tmp_path / "server.log", **configured(database)) as (server, client):
        writer = bearer(database, acme, "write")
        assert client.post("/api/usage", json=CALL, headers=writer).status_code == 200
        before = memory(server.pid)

        answers: dict[str, int] = {}
        slow: dict[str, float] = {}
        # One by one at one of both: what reads a body is the same, and sends all of them below.
        for name, each in worst.items() if way == "streamlit" else ():

            def send(name: str = name, each: Worst = each) -> None:
                answers[name] = sent(client, each, writer)

            slow[name] = seconds_of_health(client, idle_server, send)
        writers = [bearer(database, acme, "write") for _ in range(4)]
        slow["all"] = seconds_of_health(
            client, idle_server, lambda: all_at_once(client, list(worst.values()), writers)
        )

        if way == "streamlit":
            assert answers == {name: each.status for name, each in worst.items()}
        assert {name: seconds for name, seconds in slow.items() if seconds > HEALTHY_SECONDS} == {}
        assert memory(server.pid) - before < 400_000_000
        # Nobody else is kept out.
        other = bearer(database, factories.client(database, name="Other"), "write")
        assert client.post("/api/usage", json=CALL, headers=other).status_code == 200


def sent(client: httpx.Client, worst: Worst, writer: dict[str, str]) -> int:
    return client.post(worst.path, content=worst.body, headers=worst.headers | writer).status_code


def all_at_once(client: httpx.Client, worst: list[Worst], writers: list[dict[str, str]]) -> None:
    each = [(body, writer) for body in worst for writer in writers]
    with ThreadPoolExecutor(16) as threads:
        statuses = set(threads.map(lambda one: sent(client, *one), each))
    assert statuses <= {200, 400, 413, 415, 429}


def seconds_of_health(client: httpx.Client, idle_server: str, busy: Callable[[], None]) -> float:
    """The longest that /healthz took while busy() ran, in seconds; less where the machine itself is slow.

    By four times what a server took meanwhile that has nothing to do.
    """
    health = idle = 0.0
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(busy)
        is_last = False
        while not is_last:
            is_last = running.done()
            begin = time.monotonic()
            assert client.get("/healthz").status_code == 200
            between = time.monotonic()
            assert httpx.get(idle_server).status_code == 200
            health, idle = max(health, between - begin), max(idle, time.monotonic() - between)
        running.result()
    return health - 4 * idle


def memory(process: int) -> int:
    """The most bytes that the process ever had; 0 where the system does not say."""
    status = Path(f"/proc/{process}/status")
    if not status.is_file():
        return 0
    [kilobytes] = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")]
    return 1024 * int(kilobytes)


@contextmanager
def half_sent(address: str, headers: dict[str, str], number: int) -> Iterator[None]:
    """So many requests whose bodies begin and never end."""
    host, port = address.removeprefix("http://").split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    begin = f"POST /api/usage HTTP/1.1\r\nHost: {host}\r\n{head}Content-Type: {JSON}\r\n"
    sockets = [socket.create_connection((host, int(port))) for _ in range(number)]
    for each in sockets:
        each.sendall(f"{begin}Content-Length: 1000\r\n\r\n[".encode())
    try:
        yield
    finally:
        for each in sockets:
            each.close()


def test_half_sent_bodies_keep_out_nobody_else(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "PATIENCE_SECONDS", 1)
    slow, other = bearer(database, acme, "write"), bearer(database, acme, "write")
    with serving(database) as address, half_sent(address, slow, work.AT_ONCE):
        refused = httpx.post(f"{address}/api/usage", json=CALL, headers=slow)
        stored = httpx.post(f"{address}/api/usage", json=CALL, headers=other)
    assert refused.status_code == 429
    assert refused.json()["error"].startswith(f"this key has {work.AT_ONCE} long requests running")
    assert refused.headers["Retry-After"] == "1"
    assert stored.status_code == 200
    assert len(logged(database)) == 1


def test_a_body_that_does_not_arrive(database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.api.bodies.PATIENCE_SECONDS", 0.2)
    writer = bearer(database, acme, "write")

    def endless() -> Iterator[bytes]:
        yield b"["
        waiting.wait(60)
        yield b"]"

    waiting = threading.Event()
    with serving(database) as address:
        with ThreadPoolExecutor(1) as thread:
            headers = writer | {"Content-Type": JSON}
            answer = thread.submit(httpx.post, f"{address}/api/usage", content=endless(), headers=headers)
            metrics = ""
            while 'route="/api/usage",status="408"' not in metrics:
                metrics = httpx.get(f"{address}/metrics").text
            waiting.set()
        assert answer.exception() is not None or answer.result().status_code == 408


def test_a_key_has_so_many_seconds(database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "SECONDS_A_MINUTE", 1e-9)
    api = open_api(database)
    reader, other = bearer(database, acme), bearer(database, acme)
    assert api.get("/api/analytics", headers=reader).status_code == 200
    # What is known already takes no time.
    assert api.get("/api/analytics", headers=reader).status_code == 200
    refused = api.get("/api/analytics", params={"days": 7}, headers=reader)
    assert refused.status_code == 429
    assert refused.json()["error"].startswith("this key has used its ")
    assert int(refused.headers["Retry-After"]) > 0
    assert api.get("/api/analytics", params={"days": 7}, headers=other).status_code == 200


def test_guessed_keys_are_looked_up_only_so_often(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "UNKNOWN_KEYS_A_MINUTE", 2)
    api = open_api(database)
    known, not_yet_known = bearer(database, acme), bearer(database, acme)
    assert api.get("/api/analytics", headers=known).status_code == 200

    guesses = [{"Authorization": f"Bearer usage_{uuid4().hex}_x"} for _ in range(5)]
    statuses = [api.get("/api/analytics", headers=guess).status_code for guess in guesses]

    assert statuses == [401] + [429] * 4
    assert api.get("/api/analytics", headers=known).status_code == 200
    assert api.get("/api/analytics", headers=not_yet_known).status_code == 429
    # What cannot be a key is not looked up.
    assert api.get("/api/analytics", headers={"Authorization": "Bearer x"}).status_code == 401


def test_answers_are_kept_up_to_so_many_bytes() -> None:
    async def kept() -> list[bytes | None]:
        answers: SingleFlightCache[bytes] = SingleFlightCache(
            seconds=60, capacity=10_000, threads=anyio.CapacityLimiter(1), size=len
        )
        for number in range(50):
            await answers.ask(number, lambda: b"x" * 1_000)
        assert await answers.ask("larger than all", lambda: b"x" * 10_001) == b"x" * 10_001
        return [answers.get(number) for number in (*range(50), "larger than all")]

    assert sum(answer is not None for answer in asyncio.run(kept())) == 10


def test_the_answers_of_an_api_are_bounded(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analytics.api.routes.MAX_BYTES_OF_ANSWERS", 1)
    api: TestClient = open_api(database)
    reader = bearer(database, acme)
    for _ in range(2):
        assert api.get("/api/analytics", headers=reader).status_code == 200
    assert 'usage_api_answers_total{origin="database"} 2.0' in api.get("/metrics").text
