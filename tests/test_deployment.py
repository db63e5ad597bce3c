"""What docs/deploy.md promises: the server as the unit starts it, behind nginx with deploy/nginx.conf."""

import gzip
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from click.testing import CliRunner
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from analytics.__main__ import main
from analytics.access.keys import create_key
from analytics.access.members import list_members
from analytics.api import PATHS
from analytics.api.bodies import MAX_BODY_BYTES
from analytics.api.compression import MIN_BYTES
from analytics.config import PROJECT_DIRECTORY, access_settings
from analytics.database import Database
from analytics.migrations import pending_migrations
from tests import factories, nginx
from tests.connections import dsn
from tests.documents import blocks, document
from tests.nginx import ANOTHER_MACHINE, HOST, THIS_MACHINE, Nginx, running_nginx
from tests.own_server import own_server
from tests.processes import answers, await_start, free_port

needs_nginx = pytest.mark.skipif(
    nginx.nginx() is None and not os.environ.get("CI"), reason="no nginx on the PATH or in /usr/sbin"
)
UNIT = PROJECT_DIRECTORY / "deploy" / "usage-analytics@.service"
DOCKERFILE = PROJECT_DIRECTORY / "Dockerfile"
DOCKERIGNORE = PROJECT_DIRECTORY / ".dockerignore"
GUIDE = document("deploy")
PORT = "8501"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """A server with one client, Acme, and nginx in front of it."""

    database: Database
    port: int
    nginx: Nginx
    reader: dict[str, str]
    writer: dict[str, str]

    @contextmanager
    def websocket(self, *, origin: str, is_direct: bool = False) -> Iterator[ClientConnection]:
        """A page's connection, from a browser that shows a page of `origin`."""
        server = f"ws://{THIS_MACHINE}:{self.port}" if is_direct else f"wss://{self.nginx.netloc}"
        with connect(
            f"{server}/_stcore/stream",
            sock=socket.create_connection((THIS_MACHINE, self.port if is_direct else self.nginx.https_port)),
            ssl=None if is_direct else self.nginx.trust,
            origin=Origin(origin),
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
            open_timeout=60,
            proxy=None,
        ) as connection:
            yield connection


@pytest.fixture(scope="module")
def deployed() -> Iterator[Deployed]:
    assert nginx.nginx(), "no nginx: apt-get install nginx-light, as .ci/run does"
    with (
        own_server() as (_, database),
        tempfile.TemporaryDirectory(prefix="usage-deployed-") as directory,
        _running_server(Path(directory), dsn(database.url)) as port,
        running_nginx(port) as in_front,
    ):
        acme = factories.client(database, name="Acme")
        yield Deployed(
            database=database,
            port=port,
            nginx=in_front,
            reader=_bearer(database, acme, "read"),
            writer=_bearer(database, acme, "write"),
        )


def _bearer(database: Database, client_id: UUID, scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {create_key(database, str(client_id), scope, 'test')}"}


@contextmanager
def _running_server(directory: Path, database_url: str) -> Iterator[int]:
    """The server, started by the unit's command; its port. Whoever sits at its machine may see everything."""
    (directory / "secrets.toml").write_text("[access]\nlocal = true\n", encoding="utf-8")
    port = free_port()
    log = directory / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            _start_command(port, credentials=directory),
            cwd=PROJECT_DIRECTORY,
            env=os.environ
            | {
                "DATABASE_URL": database_url,
                "USAGE_DATA_DIR": str(directory),
                "PYTHONPATH": str(PROJECT_DIRECTORY),
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        await_start(server, log, lambda: answers(f"http://{THIS_MACHINE}:{port}/_stcore/health"))
        yield port
    finally:
        server.terminate()
        server.wait(timeout=30)


@needs_nginx
def test_the_page_and_its_scripts_are_served(deployed: Deployed) -> None:
    health, text = deployed.nginx.ask("/_stcore/health")
    page, html = deployed.nginx.ask("/")
    script = html.decode().partition('src="./static/js/')[2].partition('"')[0]
    script_answer, _ = deployed.nginx.ask(f"/static/js/{script}", headers={"Accept-Encoding": "gzip"})

    assert (health.status, text) == (200, b"ok")
    assert page.status == 200
    assert page.getheader("Strict-Transport-Security")
    assert script.endswith(".js")
    assert (script_answer.status, script_answer.getheader("Content-Encoding")) == (200, "gzip")


@needs_nginx
def test_without_tls_visitors_are_sent_to_it(deployed: Deployed) -> None:
    answer = deployed.nginx.ask_in_plain("/?client=Acme")
    proof = deployed.nginx.ask_in_plain("/.well-known/acme-challenge/none")

    assert (answer.status, answer.getheader("Location")) == (301, f"https://{HOST}/?client=Acme")
    assert proof.status == 404


@needs_nginx
def test_a_page_is_drawn_over_the_websocket(deployed: Deployed) -> None:
    with deployed.websocket(
        origin=f"http://{THIS_MACHINE}:{deployed.port}", is_direct=True
    ) as at_the_machine:
        assert "Acme" in _drawn(at_the_machine)

    with deployed.websocket(origin=f"https://{deployed.nginx.netloc}") as from_elsewhere:
        assert from_elsewhere.response is not None
        assert from_elsewhere.response.status_code == 101
        page = _drawn(from_elsewhere)

    # nginx said that it brought a visitor, who then does not count as one who sits at the server.
    assert "Acme" not in page
    assert "can be reached from others" in page


@needs_nginx
def test_half_a_request_stays_with_nginx() -> None:
    with (
        socket.create_server((THIS_MACHINE, 0)) as server,
        running_nginx(server.getsockname()[1]) as in_front,
    ):

        def begin(text: str) -> ssl.SSLSocket:
            plain = socket.create_connection((THIS_MACHINE, in_front.https_port), timeout=30)
            connection = in_front.trust.wrap_socket(plain, server_hostname=HOST)
            connection.sendall(text.replace("\n", "\r\n").encode())
            return connection

        head = f"Host: {HOST}\n"
        with (
            begin(f"POST /api/usage HTTP/1.1\n{head}Content-Length: 1000\n\n[") as _,
            begin(f"POST /api/usage HTTP/1.1\n{head}Transfer-Encoding: chunked\n\n1\n[\n") as _,
            begin(f"GET /half HTTP/1.1\n{head}") as _,
            begin(f"GET /whole HTTP/1.1\n{head}\n") as _,
        ):
            server.settimeout(30)
            passed_on, _ = server.accept()
            with passed_on:
                assert passed_on.recv(100).startswith(b"GET /whole ")


@needs_nginx
def test_one_address_asks_only_so_often() -> None:
    # Without a server behind it nginx answers at once, however slow the machine is.
    with running_nginx(free_port()) as in_front:
        asked = f"GET / HTTP/1.1\nHost: {HOST}\n\n" * 899 + f"GET / HTTP/1.0\nHost: {HOST}\n\n"
        with _sent(in_front, asked) as connection:
            answers = connection.makefile("rb").read().decode()

    statuses = re.findall(r"^HTTP/1\.1 (\d+)", answers, re.MULTILINE)
    assert set(statuses) == {"502", "429"}
    assert statuses.index("429") > 300
    assert '{"error": "too many requests from this address: try again in 5 seconds"}' in answers
    assert "\r\nRetry-After: 5\r\n" in answers


def _sent(in_front: Nginx, text: str) -> ssl.SSLSocket:
    """A connection to nginx on which the text was sent, with HTTP's ends of lines."""
    plain = socket.create_connection((THIS_MACHINE, in_front.https_port), timeout=30)
    connection = in_front.trust.wrap_socket(plain, server_hostname=HOST)
    connection.sendall(text.replace("\n", "\r\n").encode())
    return connection


class Named(BaseHTTPRequestHandler):
    """Answers with the name of its server."""

    def do_GET(self) -> None:
        name = str(self.server.server_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(name)))
        self.end_headers()
        self.wfile.write(name)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def named_server() -> Iterator[int]:
    """The port of a server whose answers are that port."""
    with ThreadingHTTPServer((THIS_MACHINE, 0), Named) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@needs_nginx
def test_visitors_and_keys_stick_to_their_process() -> None:
    def asked(in_front: Nginx, headers: dict[str, str], visitor: str = THIS_MACHINE) -> str:
        answer, body = in_front.ask("/", headers=headers, visitor=visitor)
        assert answer.status == 200
        return body.decode()

    people = [{"Cookie": f"theme=dark; usage_visitor=visitor-{number}"} for number in range(20)]
    keys = [{"Authorization": f"Bearer usage_{number}"} for number in range(20)]
    with named_server() as one, ExitStack() as second:
        two = second.enter_context(named_server())
        with running_nginx(one, two) as in_front:
            first = [asked(in_front, who) for who in people + keys]
            # Also from another address, and in another order.
            again = [asked(in_front, who, ANOTHER_MACHINE) for who in reversed(people + keys)]

            assert again == first[::-1]
            for places in (first[:20], first[20:]):
                assert set(places) == {str(one), str(two)}

            second.close()
            assert {asked(in_front, who) for who in people + keys} == {str(one)}


@needs_nginx
def test_nginx_takes_no_file(deployed: Deployed) -> None:
    answer, _ = deployed.nginx.ask("/_stcore/upload_file/a/b", method="PUT", body=b"x")

    assert answer.status == 403


@needs_nginx
def test_a_page_of_somebody_else_gets_no_websocket(deployed: Deployed) -> None:
    with pytest.raises(InvalidStatus) as refused, deployed.websocket(origin="https://elsewhere.example"):
        pass

    assert refused.value.response.status_code == 403


@needs_nginx
def test_the_api_answers_a_key(deployed: Deployed) -> None:
    answer, body = deployed.nginx.ask("/api/analytics?days=7", headers=deployed.reader)
    refusal, reason = deployed.nginx.ask("/api/analytics?days=7")

    assert answer.status == 200
    assert json.loads(body)["period"]["days"] == 7
    assert refusal.status == 401
    assert "API key" in json.loads(reason)["error"]


@needs_nginx
def test_what_the_server_compressed_is_not_compressed_again(deployed: Deployed) -> None:
    asked = deployed.reader | {"Accept-Encoding": "gzip"}
    for path in ("/api/analytics?days=7", "/api/openapi.json", "/api/export?days=7&format=focus"):
        plain_answer, plain = deployed.nginx.ask(path, headers=deployed.reader)
        answer, packed = deployed.nginx.ask(path, headers=asked)

        is_large = len(plain) >= MIN_BYTES
        assert plain_answer.getheader("Content-Encoding") is None
        assert answer.headers.get_all("Content-Encoding") == (["gzip"] if is_large else None)
        assert (gzip.decompress(packed) if is_large else packed) == plain
        assert answer.getheader("ETag") == plain_answer.getheader("ETag")


@needs_nginx
def test_a_body_passes_up_to_the_limit_of_the_api(deployed: Deployed) -> None:
    call = json.dumps({"source": "openai", "model": "gpt-4", "usage": {"prompt_tokens": 1}}).encode()
    largest = call.ljust(MAX_BODY_BYTES)

    answer, body = deployed.nginx.ask(
        "/api/usage", method="POST", body=largest, headers=deployed.writer | JSON
    )

    assert (answer.status, [result["status"] for result in json.loads(body)["results"]]) == (200, ["stored"])


@needs_nginx
@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 9_000_000])
def test_a_larger_body_is_refused_by_nginx(deployed: Deployed, size: int) -> None:
    answer, body = deployed.nginx.ask(
        "/api/usage", method="POST", body=b" " * size, headers=deployed.writer | JSON
    )

    assert (answer.status, answer.getheader("Content-Type")) == (413, "application/json")
    # In its words: the API adds that it counts what has been unpacked.
    assert json.loads(body) == {"error": f"a body may have {MAX_BODY_BYTES:,} bytes: send less at once"}


@needs_nginx
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of this machine")
def test_metrics_are_for_the_local_network(deployed: Deployed) -> None:
    spellings = ("/metrics", "/metrics/", "//metrics", "/%6detrics", "/api/../metrics", "/_stcore/metrics")
    from_outside = {
        path: deployed.nginx.ask(path, visitor=ANOTHER_MACHINE)[0].status for path in (*spellings, "/healthz")
    }
    inside, text = deployed.nginx.ask("/metrics")

    assert from_outside == dict.fromkeys(spellings, 403) | {"/healthz": 200}
    assert inside.status == 200
    assert b"usage_api_requests_total" in text


@needs_nginx
def test_the_health_check_of_the_image_tells_a_server_from_none(deployed: Deployed) -> None:
    def check(port: int) -> int:
        command = _health_check(port)
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode

    assert check(deployed.port) == 0
    assert check(free_port()) == 1


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None and not os.environ.get("CI"), reason="no systemd-analyze"
)
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    # Its program must be there, and so must its directory be.
    unit = UNIT.read_text(encoding="utf-8").replace(
        "/opt/usage-analytics/.venv/bin", str(Path(sys.executable).parent)
    )
    copy = tmp_path / UNIT.name.replace("@", f"@{PORT}")
    copy.write_text(unit.replace("/opt/usage-analytics", str(PROJECT_DIRECTORY)), encoding="utf-8")

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False
    )

    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_what_the_guide_has_people_paste_makes_all_tables(empty_database: Database) -> None:
    assert "python -m analytics migrate --print\n" in blocks(GUIDE, "bash")
    printed = CliRunner().invoke(main, ["migrate", "--print"]).output

    with psycopg.connect(dsn(empty_database.url), autocommit=True) as connection:
        connection.execute(printed.encode())

    assert pending_migrations(empty_database) == []


def test_the_sql_of_the_guide_makes_the_first_admin(database: Database) -> None:
    with database.transaction() as connection:
        for statements in blocks(GUIDE, "sql"):
            connection.execute(statements.encode())

    assert list_members(database) == [
        ("ada@example.com", "admin", None),
        ("grace@example.com", "viewer", "Acme"),
    ]


def test_the_secrets_of_the_guide_are_understood() -> None:
    cloud, providers, trusting = map(tomllib.loads, blocks(GUIDE, "toml"))
    named = {name: section for name, section in providers["auth"].items() if isinstance(section, dict)}

    assert access_settings(cloud).contact == "ada@example.com"
    assert not access_settings(cloud).is_embedded
    for secrets in (cloud, providers):
        assert access_settings(secrets).signs_in
        assert secrets["auth"]["redirect_uri"].endswith("/oauth2callback")
        assert secrets["auth"]["cookie_secret"]
    assert set(trusting["access"]["trust_unverified_email"]) <= set(named)
    assert set(named) == {"google", "entra", "auth0", "keycloak", "supabase"}
    for section in (cloud["auth"], *named.values()):
        assert {"client_id", "client_secret", "server_metadata_url"} <= set(section)
        assert section["server_metadata_url"].endswith("/.well-known/openid-configuration")


def test_the_image_has_what_it_runs() -> None:
    copied = [word for line in _instructions("COPY") for word in line.split()[:-1]]
    let_in = [line[1:] for line in _lines(DOCKERIGNORE) if line.startswith("!")]
    [command] = map(json.loads, _instructions("CMD"))

    assert sorted(let_in) == sorted(copied)
    assert [name for name in copied if not (PROJECT_DIRECTORY / name).exists()] == []
    assert _lines(DOCKERIGNORE)[0] == "*"
    assert ".streamlit/secrets.toml" not in copied
    assert command[:3] == ["streamlit", "run", "analytics/server.py"]
    assert command[command.index("--server.address") + 1] == "0.0.0.0"
    assert _instructions("USER") == ["usage"]
    assert any(" usage" in line and line.startswith("useradd") for line in _instructions("RUN"))
    assert "/healthz" in PATHS


def test_the_documents_state_the_limit_of_bodies() -> None:
    assert f"client_max_body_size {MAX_BODY_BYTES};" in nginx.CONFIGURATION.read_text(encoding="utf-8")
    assert f"{MAX_BODY_BYTES:,} bytes" in GUIDE.read_text(encoding="utf-8")


def _lines(path: Path) -> list[str]:
    """Its lines without comments, each that goes on in the next joined to it."""
    text = path.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _instructions(name: str) -> list[str]:
    """What the Dockerfile says after `name`, again and again."""
    return [line.partition(" ")[2].strip() for line in _lines(DOCKERFILE) if line.startswith(f"{name} ")]


def _start_command(port: int, *, credentials: Path) -> list[str]:
    """The unit's ExecStart, with the Streamlit of these tests, another port and another %d."""
    [line] = [line for line in _lines(UNIT) if line.startswith("ExecStart=")]
    program, *arguments = shlex.split(line.partition("=")[2].replace("%d", str(credentials)))
    assert program == "/opt/usage-analytics/.venv/bin/streamlit"
    assert arguments.count("%i") == 1
    arguments[arguments.index("%i")] = str(port)
    return [sys.executable, "-m", "streamlit", *arguments]


def _health_check(port: int) -> list[str]:
    """The Dockerfile's HEALTHCHECK, with the Python of these tests and another port."""
    [check] = _instructions("HEALTHCHECK")
    program, *arguments = json.loads(check[check.index("[") :])
    assert program == "python"
    assert sum(PORT in argument for argument in arguments) == 1
    return [sys.executable, *(argument.replace(f":{PORT}/", f":{port}/") for argument in arguments)]


def _drawn(connection: ClientConnection) -> str:
    """All that the server sends for one run of the Overview."""
    connection.send(BackMsg(rerun_script=ClientState()).SerializeToString())
    received = []
    while True:
        content = connection.recv(timeout=60)
        assert isinstance(content, bytes)
        message = ForwardMsg.FromString(content)
        received.append(str(message))
        if message.HasField("script_finished"):
            return "\n".join(received)
