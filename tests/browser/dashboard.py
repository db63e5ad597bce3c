"""The dashboard as its own process, and a real browser to look at it. Used by tests and by screenshots."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from analytics.config import PROJECT_DIRECTORY
from tests.processes import answers, await_start, free_port

LOAD_TIMEOUT_MS = 60_000
AT_THIS_MACHINE = "[access]\nlocal = true\n"
"""Secrets of a laptop: everything is shown to whoever sits at it."""
# Without them Chromium asks its maker's servers for this and that.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


def chromium() -> str | None:
    """Path of a Chromium or Chrome on this machine, or None.

    First the one that has no window: of any other one, each page costs a third more for a toolbar that
    nobody sees.
    """
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return None


@contextmanager
def running_dashboard(
    log: Path,
    *,
    secrets: str = AT_THIS_MACHINE,
    server_address: str = "127.0.0.1",
    port: int | None = None,
    script: str = "streamlit_app.py",
    **environment: str,
) -> Iterator[str]:
    """`streamlit run` with this script on this port or a free one; its address. `log` gets what it prints.

    `secrets` is the text of a secrets.toml, in which ADDRESS stands for the dashboard's own. It is written
    beside the log.
    """
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"
    secrets_file = log.with_name("secrets.toml")
    secrets_file.write_text(secrets.replace("ADDRESS", address), encoding="utf-8")
    command = [
        *(sys.executable, "-m", "streamlit", "run", script, "--secrets.files", str(secrets_file)),
        *("--server.headless", "true", "--server.address", server_address, "--server.port", str(port)),
    ]
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=PROJECT_DIRECTORY,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            await_start(server, log, lambda: answers(f"{address}/_stcore/health"))
            yield address
        finally:
            server.terminate()
            server.wait(timeout=30)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", *QUIET])
        yield browser
        browser.close()
