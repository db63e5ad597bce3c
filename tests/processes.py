"""Servers that are processes of their own: a port for one, and when it is ready."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

START_SECONDS = 60
LOOK_SECONDS = 0.05
"""Between two looks: who looks without a break takes from the start what it needs."""


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
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
