"""From an empty database to the first call on the dashboard, by what the page and the commands say."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner

from analytics.__main__ import main
from analytics.clients import list_clients, read_client
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from analytics.ui.frame.first_call import snippets
from tests import factories
from tests.api import logged, serving
from tests.app import open_page, text_of
from tests.connections import dsn

pytestmark = pytest.mark.usefixtures("configured")

NO_CALLS = "No calls yet"
PAGES = (None, "pages/providers_and_models.py", "pages/conversations.py", "pages/calls.py", "pages/live.py")


def run_in_shell(text: str, directory: Path) -> None:
    """As somebody types it in a shell in which `python` is ours."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {
        **os.environ,
        "PATH": path,
        "PYTHONPATH": str(PROJECT_DIRECTORY),
        "USAGE_DATA_DIR": str(directory / "data"),
    }
    done = subprocess.run(
        ["bash", "-eu"],
        input=text,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("path", PAGES)
def test_a_client_without_calls_sees_how_to_log_one(database: Database, acme: UUID, path: str | None) -> None:
    page = open_page(path)
    assert NO_CALLS in text_of(page)
    assert [tab.label for tab in page.tabs] == ["Python", "curl", "OpenTelemetry", "Import"]
    assert all(str(acme) in page.code[number].value for number in range(4))
    assert not page.metric


@pytest.mark.parametrize("way", ["Python", "curl", "OpenTelemetry", "Import"])
def test_what_the_page_says_logs_a_call(database: Database, acme: UUID, way: str, tmp_path: Path) -> None:
    client = read_client(database, acme)
    with serving(database) as address:
        run_in_shell(snippets(client, datetime.now(UTC), address)[way], tmp_path)

    [call] = logged(database, "client_id, source, model, prompt_tokens, completion_tokens, cost_basis")
    assert call == {
        "client_id": acme,
        "source": "openai",
        "model": "gpt-4",
        "prompt_tokens": 150,
        "completion_tokens": 80,
        "cost_basis": "priced",
    }
    page = open_page()
    assert NO_CALLS not in text_of(page)
    assert page.metric


def test_the_two_lines_for_an_empty_database_make_a_client_with_a_call(
    database: Database, tmp_path: Path
) -> None:
    page = open_page()
    assert "This database has no client" in text_of(page)
    run_in_shell(page.code[0].value, tmp_path)

    [client] = list_clients(database)
    assert client.name == "Acme"
    assert [call["client_id"] for call in logged(database)] == [client.id]
    assert open_page().metric


def test_migrate_says_what_comes_next(database: Database) -> None:
    def said() -> str:
        result = CliRunner().invoke(main, ["migrate"], env={"DATABASE_URL": dsn(database.url)})
        assert result.exit_code == 0
        return result.output

    assert "next: python -m analytics client Acme" in said()
    factories.client(database)
    assert "next: streamlit run streamlit_app.py --server.address localhost" in said()
    assert "[access] local = true" in said()


def test_who_may_look_is_told_with_the_lines_to_write(database: Database, acme: UUID) -> None:
    page = open_page(secrets={})
    assert "Access is not set up." in text_of(page)
    assert not page.error
    assert "[access]\nlocal = true" in page.code[0].value
