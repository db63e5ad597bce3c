"""deploy/nginx.conf, running: the file as it is, but for its ports and the paths of the certificate."""

import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from analytics.config import PROJECT_DIRECTORY
from tests.processes import await_start, free_port, listens

CONFIGURATION = PROJECT_DIRECTORY / "deploy" / "nginx.conf"
HOST = "usage.example.com"
THIS_MACHINE = "127.0.0.1"
ANOTHER_MACHINE = "127.0.0.2"
"""Just as local, and of no network that nginx.conf trusts."""

_TIMEOUT_SECONDS = 30

# What Debian's /etc/nginx/nginx.conf would be around the site.
_AROUND = """
daemon off;
pid nginx.pid;
error_log stderr notice;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path bodies;
    proxy_temp_path proxied;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include {site};
}}
"""


@dataclass(frozen=True, kw_only=True)
class Nginx:
    """Where it listens, and by which certificate it is known."""

    http_port: int
    https_port: int
    trust: ssl.SSLContext

    @property
    def netloc(self) -> str:
        """The host and port that a browser would show."""
        return f"{HOST}:{self.https_port}"

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        visitor: str = THIS_MACHINE,
    ) -> tuple[HTTPResponse, bytes]:
        """The answer to somebody whose address is `visitor`."""
        connection = HTTPSConnection(
            THIS_MACHINE,
            self.https_port,
            timeout=_TIMEOUT_SECONDS,
            source_address=(visitor, 0),
            context=self.trust,
        )
        return _answer(connection, method, path, body, {"Host": self.netloc} | (headers or {}))

    def ask_in_plain(self, path: str) -> HTTPResponse:
        """The answer without TLS."""
        connection = HTTPConnection(THIS_MACHINE, self.http_port, timeout=_TIMEOUT_SECONDS)
        return _answer(connection, "GET", path, None, {"Host": HOST})[0]


def nginx() -> str | None:
    """Path of nginx on this machine, or None."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


@contextmanager
def running_nginx(*server_ports: int) -> Iterator[Nginx]:
    """nginx with deploy/nginx.conf, in front of the servers at these ports."""
    with tempfile.TemporaryDirectory(prefix="usage-nginx-") as name:
        directory = Path(name)
        directory.chmod(0o755)  # as root nginx works as another user, and keeps large bodies here
        certificate, key = _make_certificate(directory)
        running = Nginx(
            http_port=free_port(),
            https_port=free_port(),
            trust=ssl.create_default_context(cafile=certificate),
        )
        site = CONFIGURATION.read_text(encoding="utf-8")
        for found, put in {
            "listen 80;": f"listen {THIS_MACHINE}:{running.http_port};",
            "listen 443 ssl;": f"listen {THIS_MACHINE}:{running.https_port} ssl;",
            "    server 127.0.0.1:8501;": "\n".join(f"    server 127.0.0.1:{port};" for port in server_ports),
            f"/etc/letsencrypt/live/{HOST}/fullchain.pem": str(certificate),
            f"/etc/letsencrypt/live/{HOST}/privkey.pem": str(key),
        }.items():
            assert site.count(found) == 1, f"{CONFIGURATION} must say once: {found}"
            site = site.replace(found, put)
        (directory / "site.conf").write_text(site, encoding="utf-8")
        (directory / "nginx.conf").write_text(_AROUND.format(site=directory / "site.conf"), encoding="utf-8")
        with _process(directory, running.https_port):
            yield running


@contextmanager
def _process(directory: Path, port: int) -> Iterator[None]:
    log = directory / "stderr"
    command = [nginx() or "nginx", "-p", f"{directory}/", "-c", "nginx.conf", "-e", "stderr"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        await_start(process, log, lambda: listens(port))
        yield
    finally:
        process.terminate()
        process.wait(timeout=_TIMEOUT_SECONDS)


def _answer(
    connection: HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[HTTPResponse, bytes]:
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def _make_certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate that says of itself that it is HOST's, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ip_address(THIS_MACHINE))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = directory / "fullchain.pem", directory / "privkey.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paths
