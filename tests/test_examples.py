"""What the README tells people to run, run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
import streamlit as st

from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from tests.app import open_page
from tests.connections import dsn
from tests.llm_server import LLMServer


@pytest.fixture(autouse=True)
def cold_caches() -> Iterator[None]:
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


def test_a_call_of_the_example_is_on_the_dashboard(
    database: Database, acme: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LLMServer() as server:
        ran = subprocess.run(
            [sys.executable, "examples/track_openai.py"],
            cwd=PROJECT_DIRECTORY,
            env={
                **os.environ,
                "OPENAI_API_KEY": "test",
                "OPENAI_BASE_URL": server.openai_url,
                "USAGE_CLIENT_ID": str(acme),
                "DATABASE_URL": dsn(database.url),
                "USAGE_DATA_DIR": str(tmp_path),
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert ran.stdout.strip()
    assert ran.stderr == ""

    monkeypatch.setenv("DATABASE_URL", dsn(database.url))
    page = open_page()

    shown = {metric.label: metric.value for metric in page.metric}
    # The server answers with 150 + 80 tokens, of gpt-4o-mini at 0.15 and 0.60 USD per million.
    assert (shown["Total tokens"], shown["Total cost"]) == ("230", "$0.000070")
