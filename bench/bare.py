"""A bare Streamlit page to compare ours with: as many elements of each kind, out of constants.

No database, no cache, no link, no access, charts of one layer. It runs with Streamlit's own settings, in a
directory of its own, as a page does that somebody has just written; with ours where a measurement says so.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database

START_SECONDS = 60.0
SECRETS = "[access]\nlocal = true\n"  # Everything is shown to whoever sits at this machine.

# The period changes all data, as it does on our pages.
_PAGE = """
import itertools

import altair as alt
import pandas as pd
import streamlit as st

PERIODS = ["7d", "30d", "60d", "90d"]
days = int(st.session_state.get("button_group 0", "30d")[:-1])
NAMES = ["OpenAI", "Groq", "Other"]
DAYS = pd.DataFrame(
    [(f"2025-06-{day:02}", name, days * 1000 * day) for day in range(1, 31) for name in NAMES],
    columns=["date", "provider", "value"],
)
WEEKS = pd.DataFrame(
    [(f"2025-{week:02}-01", name, days * 7000 * week) for week in range(1, 13) for name in NAMES],
    columns=["date", "provider", "value"],
)
SHARES = pd.DataFrame({"provider": NAMES, "value": [60, 30, days]})
CHARTS = itertools.cycle([
    alt.Chart(SHARES).mark_arc().encode(theta="value:Q", color="provider:N"),
    alt.Chart(DAYS).mark_bar().encode(x="date:T", y="value:Q", color="provider:N"),
    alt.Chart(WEEKS).mark_line().encode(x="date:T", y="value:Q", color="provider:N"),
])
TABLES = itertools.cycle(
    pd.DataFrame({f"column {column}": range(column + days, column + days + rows) for column in range(9)})
    for rows in (20, 6)
)
CLIENTS = [f"Client {number}" for number in range(1, 51)]
TREND = [days * day for day in range(30)]
DRAW = {
    "alert": lambda name: st.info(name),
    "button": lambda name: st.button(name),
    "button_group": lambda name: st.segmented_control(name, PERIODS, default="30d", key=name),
    "checkbox": lambda name: st.toggle(name),
    "dataframe": lambda name: st.dataframe(next(TABLES), hide_index=True),
    "date_input": lambda name: st.date_input(name, "2025-06-30"),
    "download_button": lambda name: st.download_button(name, name),
    "heading": lambda name: st.title(name),
    "html": lambda name: st.html(f"<table><tr><td>{name}</td><td>{days}</td></tr></table>"),
    "markdown": lambda name: st.caption(name),
    "metric": lambda name: st.metric(name, "1.2M", "3 %", chart_data=TREND, chart_type="area", help=name),
    "page_link": lambda name: st.page_link(f"https://example.com/{name}", label=name),
    "selectbox": lambda name: st.selectbox(name, CLIENTS),
    "table": lambda name: st.table(next(TABLES)),
    "text_input": lambda name: st.text_input(name),
    "vega_lite_chart": lambda name: st.altair_chart(next(CHARTS)),
}

st.set_page_config(page_title="Bare", layout="wide")
for kind, number in COUNTS.items():
    with st.container(border=True):
        for each in range(number):
            # What is not among them is little.
            DRAW.get(kind, st.caption)(f"{kind} {each}")
st.caption(f"last {days} days")
"""


def write_bare_page(path: Path, elements: Mapping[str, int]) -> None:
    """Writes a page that draws so many elements of each kind, one of them the period that it is about."""
    counts = dict(elements) | {"markdown": elements["markdown"] - 1}
    path.write_text(_PAGE.replace("COUNTS", repr(counts)), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that runs: where, and as which process."""

    address: str
    pid: int


@contextmanager
def running(
    script: str | Path, database: Database, directory: Path, working_directory: Path = PROJECT_DIRECTORY
) -> Iterator[Server]:
    """`streamlit run script` on a free port, with the settings that lie in its working directory."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = directory / "streamlit.log"
    secrets = directory / "secrets.toml"
    secrets.write_text(SECRETS, encoding="utf-8")
    environment = {
        "DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False),
        "USAGE_DATA_DIR": str(directory),
        "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS": "full",  # What fails is to say why.
        "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
    }
    with log.open("ab") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "streamlit", "run", str(script), "--secrets.files", str(secrets)),
                *("--server.headless", "true", "--server.address", "127.0.0.1"),
                *("--server.port", str(port)),
            ],
            cwd=working_directory,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _await_health(address, server, log)
            yield Server(address=address, pid=server.pid)
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _await_health(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise RuntimeError(f"streamlit does not start:\n{log.read_text()}")
