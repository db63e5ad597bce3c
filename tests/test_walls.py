"""What an anonymous visitor cannot do, in every way of starting the dashboard: over real sockets."""

import asyncio
import ctypes
import os
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from analytics import serving
from analytics.database import Database
from analytics.serving import Walls
from tests import api, factories
from tests.clones import Clones
from tests.test_server import ALONE, BOTH_WAYS, configured, is_healthy, started

STREAMLIT = ("--server.headless", "true", "--server.address", "127.0.0.1", "--server.port")
WAYS = BOTH_WAYS | {
    "the dashboard alone": lambda port: ("streamlit", "run", "streamlit_app.py", *STREAMLIT, port),
    "the dashboard alone, by uvicorn": lambda port: ("uvicorn", "streamlit_app:app", "--port", port),
}
EVERY_ADDRESS = ("streamlit", "run", "analytics/server.py", *STREAMLIT[:2], "--server.port")
MORE_WAYS = WAYS | {
    "streamlit, on every address": lambda port: (*EVERY_ADDRESS, port),
    "the API alone": ALONE["uvicorn"],
}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
MEGABYTE = 1_000_000


class Served(NamedTuple):
    """A server, and a client of it."""

    process: int
    client: httpx.Client


class Visitor(NamedTuple):
    """An open page."""

    socket: ClientConnection
    session_id: str
    cookies: dict[str, str]


@pytest.fixture(scope="module")
def with_a_client(clones: Clones, migrated_template: str) -> Iterator[Database]:
    """A database that these tests only read."""
    with clones.copy(migrated_template) as database:
        factories.client(database)
        yield database


@pytest.fixture(scope="module")
def served(
    with_a_client: Database, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Served]:
    """A server that was started in one of MORE_WAYS. What comes to one test may have been at it before."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    with started(MORE_WAYS[request.param], log, **configured(with_a_client)) as (server, client):
        yield Served(server.pid, client)


def cookie_header(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {}


@contextmanager
def websocket(address: httpx.URL, cookies: dict[str, str]) -> Iterator[ClientConnection]:
    with connect(
        f"ws://{address.host}:{address.port}/_stcore/stream",
        origin=Origin(f"http://{address.host}:{address.port}"),
        subprotocols=[Subprotocol("streamlit")],
        additional_headers=cookie_header(cookies),
        max_size=None,
        open_timeout=60,
        proxy=None,
    ) as connection:
        yield connection


@contextmanager
def visitor(client: httpx.Client) -> Iterator[Visitor]:
    """Somebody who opens the dashboard as a browser does, and sees it."""
    page = httpx.get(client.base_url, headers=HTML)
    page.raise_for_status()
    health = httpx.get(client.base_url.join("/_stcore/health"), headers=cookie_header(dict(page.cookies)))
    cookies = {**page.cookies, **health.cookies}
    with websocket(client.base_url, cookies) as connection:
        yield Visitor(connection, run(connection), cookies)


def run(connection: ClientConnection) -> str:
    """Runs the page once; the id of the session."""
    connection.send(BackMsg(rerun_script=ClientState()).SerializeToString())
    session_id = ""
    while True:
        content = connection.recv(timeout=60)
        assert isinstance(content, bytes)
        message = ForwardMsg.FromString(content)
        if message.HasField("new_session"):
            session_id = message.new_session.initialize.session_id
        if message.HasField("script_finished"):
            return session_id


def sent(address: httpx.URL, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer; 0 where the connection was cut while the body was still being sent."""
    connection = HTTPConnection(address.host, address.port or 80, timeout=60)
    try:
        connection.putrequest(method, path)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            connection.putheader(name, value)
        connection.endheaders()
        with suppress(OSError):  # it may have answered already
            connection.send(body)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def flood(connection: ClientConnection) -> None:
    connection.send(bytes(25 * MEGABYTE))
    connection.recv(timeout=60)


def resident(process: int) -> int:
    """Bytes of memory that the process has now."""
    [line] = [
        line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmRSS")
    ]
    return 1024 * int(line.split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much memory a process has")
@pytest.mark.parametrize("served", WAYS, indirect=True)
def test_nothing_can_be_left_in_the_server(served: Served) -> None:
    with visitor(served.client) as inside:
        address = served.client.base_url
        allowed = cookie_header(inside.cookies) | {"X-Xsrftoken": inside.cookies["_streamlit_xsrf"]}
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        small = b'--x\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n\r\n--x--\r\n'
        large = small.replace(b"\r\n\r\n", b"\r\n\r\n" + b"x" * 20 * MEGABYTE, 1)
        upload = f"/_stcore/upload_file/{inside.session_id}/"
        spelt_otherwise = upload.replace("d_f", "d%5Ff")

        before = resident(served.process)
        for headers in (kind, kind | allowed):
            for method in ("PUT", "POST", "DELETE", "PATCH", "OPTIONS", "GET"):
                assert sent(address, method, f"{upload}1", small, headers) == 403
        assert sent(address, "PUT", f"{spelt_otherwise}1", small, kind | allowed) == 403
        statuses = {sent(address, "PUT", f"{upload}{number}", large, kind | allowed) for number in range(10)}
        for path in ("/", "/prices", "/_stcore/health", "/_stcore/agent", "/media/a", "/static/js/a"):
            statuses |= {sent(address, method, path, large, kind) for method in ("PUT", "POST")}
        for _ in range(3):
            with websocket(address, inside.cookies) as connection, pytest.raises(ConnectionClosedError):
                flood(connection)

        assert statuses <= {0, 403, 405}
        assert resident(served.process) - before < 150 * MEGABYTE  # of 440 that were sent
        run(inside.socket)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says what limits a process has")
@pytest.mark.parametrize("way", ["streamlit", "the dashboard alone"])
def test_who_is_inside_goes_on_when_no_more_get_in(
    database: Database, acme: UUID, tmp_path: Path, way: str
) -> None:
    log = tmp_path / "server.log"
    with (
        started(WAYS[way], log, file_descriptors=(128, 256), **configured(database)) as (server, client),
        ExitStack() as open_pages,
    ):
        assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (256, 256)
        first = open_pages.enter_context(visitor(client))
        with ExitStack() as others:
            inside = 1
            while (page := httpx.get(client.base_url, headers=HTML)).status_code == 200:
                others.enter_context(websocket(client.base_url, {}))
                inside += 1

            assert page.status_code == 503
            assert "The dashboard is full" in page.text
            assert int(page.headers["Retry-After"]) > 0
            assert inside > 20
            assert "file descriptors in use; new visitors have to wait" in log.read_text()
            with pytest.raises(InvalidStatus) as refused, websocket(client.base_url, {}):
                pass
            assert refused.value.response.status_code == 503
            # Who is inside goes on, and may open the page anew.
            run(first.socket)
            again = httpx.get(client.base_url, headers=HTML | cookie_header(first.cookies))
            assert again.status_code == 200
            with websocket(client.base_url, first.cookies) as connection:
                run(connection)
            assert client.get("/_stcore/health").status_code == 200
        while httpx.get(client.base_url, headers=HTML).status_code == 503:
            pass
        with visitor(client):
            run(first.socket)


def drawn_for(address: httpx.URL, protocol: str, *headers: str) -> str:
    """All that the page shows to a program that opens its connection with these very headers."""
    with socket.create_connection((address.host, address.port or 80), timeout=60) as connection:
        lines = (
            *(f"GET /_stcore/stream {protocol}", "Upgrade: websocket", "Connection: Upgrade"),
            *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *headers, "", ""),
        )
        connection.sendall("\r\n".join(lines).encode())
        received = connection.makefile("rb")
        status = received.readline().decode()
        if " 101 " not in status:
            return status
        while received.readline() != b"\r\n":
            pass
        message = BackMsg(rerun_script=ClientState()).SerializeToString()
        # One binary frame, masked with zeros.
        connection.sendall(bytes([0x82, 0x80 | len(message), 0, 0, 0, 0]) + message)
        shown = []
        while True:
            kind, length = received.read(2)
            size = {126: 2, 127: 8}.get(length)
            content = received.read(int.from_bytes(received.read(size)) if size else length)
            if kind == 0x82:
                forward = ForwardMsg.FromString(content)
                shown.append(str(forward))
                if forward.HasField("script_finished"):
                    return "\n".join(shown)


@pytest.mark.parametrize("way", ["streamlit", "the dashboard alone"])
def test_local_is_a_browser_at_this_machine(database: Database, acme: UUID, tmp_path: Path, way: str) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text("[access]\nlocal = true\n", encoding="utf-8")
    options = ("--secrets.files", str(secrets))
    with started(
        lambda port: (*WAYS[way](port), *options), tmp_path / "server.log", **configured(database)
    ) as (_, client):
        address = client.base_url
        here = f"127.0.0.1:{address.port}"

        def sees(*headers: str, protocol: str = "HTTP/1.1") -> bool:
            return "Acme" in drawn_for(address, protocol, *headers)

        for host in (here, f"localhost:{address.port}", f"[::1]:{address.port}", "localhost"):
            assert sees(f"Host: {host}", f"Origin: http://{host}")
        refused = {
            "no Origin": (f"Host: {here}",),
            "Origin null": (f"Host: {here}", "Origin: null"),
            "an empty Origin": (f"Host: {here}", "Origin: "),
            "another port": (f"Host: {here}", "Origin: http://127.0.0.1:3000"),
            "another name of here": (f"Host: {here}", f"Origin: http://localhost:{address.port}"),
            "another scheme": (f"Host: {here}", f"Origin: file://{here}"),
            "two Origins": (f"Host: {here}", f"Origin: http://{here}", f"Origin: http://{here}"),
            "another page": (f"Host: {here}", "Origin: https://elsewhere.example"),
            "another name": ("Host: elsewhere.example", "Origin: http://elsewhere.example"),
            "a name like it": ("Host: localhost.example", "Origin: http://localhost.example"),
            "a user": (f"Host: x@{here}", f"Origin: http://x@{here}"),
            "a proxy": (f"Host: {here}", f"Origin: http://{here}", "X-Forwarded-For: 192.0.2.1"),
            "Via": (f"Host: {here}", f"Origin: http://{here}", "Via: 1.1 proxy"),
            "no Host": (f"Origin: http://{here}",),
        }
        assert [why for why, headers in refused.items() if sees(*headers)] == []
        assert not sees(f"Origin: http://{here}", protocol="HTTP/1.0")
        assert not sees(protocol="HTTP/1.0")


def test_a_page_sends_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics.serving.MESSAGES_AT_ONCE", 5)
    monkeypatch.setattr("analytics.serving.MESSAGES_A_SECOND", 1e-3)

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_bytes(await websocket.receive_bytes())

    app = Walls(Starlette(routes=[WebSocketRoute("/_stcore/stream", echo)]))
    with api.listening(app) as address, websocket(httpx.URL(address), {}) as connection:
        # One too many: what is sent after it may meet a connection that is closed already.
        for number in range(6):
            connection.send(bytes([number]))
        answered = [connection.recv(timeout=60) for _ in range(5)]
        assert answered == [bytes([number]) for number in range(5)]
        with pytest.raises(ConnectionClosedError) as cut:
            connection.recv(timeout=60)
        assert cut.value.rcvd is not None
        assert cut.value.rcvd.code == 1008


def test_a_server_that_begins_leaves_no_descriptor_open() -> None:
    async def begin_and_end() -> None:
        async with serving.prepared():
            pass

    asyncio.run(begin_and_end())
    before = len(list(Path("/dev/fd").iterdir()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        asyncio.run(begin_and_end())
        assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert len(list(Path("/dev/fd").iterdir())) == before


def send_at_once(process: int, client: httpx.Client) -> list[bool]:
    """Whether the server's ends of the client's connections send without waiting for an acknowledgement."""
    sockets = [
        int(each.name)
        for each in Path(f"/proc/{process}/fd").iterdir()
        if str(each.readlink()).startswith("socket:")
    ]
    pidfd_getfd = 438
    server = os.pidfd_open(process)
    port = client.base_url.port
    found = []
    try:
        for number in sockets:
            descriptor = ctypes.CDLL(None, use_errno=True).syscall(pidfd_getfd, server, number, 0)
            assert descriptor >= 0, os.strerror(ctypes.get_errno())
            with socket.socket(fileno=descriptor) as copy:
                is_tcp = copy.family in (socket.AF_INET, socket.AF_INET6) and copy.type == socket.SOCK_STREAM
                is_listening = copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if is_tcp and not is_listening and copy.getsockname()[1] == port:
                    found.append(bool(copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))
    finally:
        os.close(server)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no process sees the sockets of another")
@pytest.mark.parametrize("served", MORE_WAYS, indirect=True)
def test_the_body_of_an_answer_does_not_wait_for_its_headers(served: Served) -> None:
    """Headers and body are two writes, of which the second else waits 40 ms for the first."""
    # The client keeps the connection on which it asks for the server's health.
    assert is_healthy(served.client)
    assert set(send_at_once(served.process, served.client)) == {True}
