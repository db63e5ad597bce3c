"""Servers that are processes of their own: a port for one, and when it is ready."""

import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PORTS = range(20_000, 32_000)
START_SECONDS = 60
LOOK_SECONDS = 0.05
"""Between two looks: who looks without a break takes from the start what it needs."""


def free_port() -> int:
    """A port that nobody listens to; of those that no system gives to a connection by itself, meanwhile."""
    while True:
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def await_start(process: "subprocess.Popen[bytes]", log: Path, is_ready: Callable[[], bool]) -> None:
    """Returns once it is ready; RuntimeError with its log where it ends, or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not is_ready():
        try:
            process.wait(timeout=LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
        raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()}")


def listens(port: int) -> bool:
    """Whether anybody does, at this machine."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
