"""What the documents tell people to run, run: Python, commands, SQL and requests, each on a real database."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

import click
import pytest
from click.testing import CliRunner
from streamlit.web.cli import main as streamlit
from uvicorn.main import main as uvicorn

from analytics.__main__ import main
from analytics.access.keys import create_key
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database, Query
from tests import factories, node_packages
from tests.api import serving
from tests.app import metrics_of, open_page
from tests.connections import dsn
from tests.documents import DOCUMENTS, README, blocks, document, is_shell, name_of, shell_lines
from tests.llm_server import LLMServer
from tests.test_cli import SPEND_LOGS

# What the Python of a page finds there: the ids that every application has.
NAMES = """
import os
client_id = os.environ["USAGE_CLIENT_ID"]
conversation_id, phone = "invoice 17", "5511999999999"
"""
# And what must be true of the tracker at its end.
REPORT = """
import json
from analytics import flush, stats
assert flush(60)
print(json.dumps([stats().stored, stats().rejected, stats().set_aside, stats().lost]))
"""

FILES = Path(__file__).parent / "import_files"
# Only their words are looked at: they need a network, root, or a program that is not ours.
FROM_ELSEWHERE = {
    *("apt-get", "cd", "certbot", "cp", "curl", "docker", "editor", "export", "git", "install", "nginx"),
    *("litellm", "npm", "sed", "set", "source", "systemctl"),
}


@pytest.mark.usefixtures("cold_caches")
def test_a_call_of_the_example_is_on_the_dashboard(
    database: Database, acme: UUID, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LLMServer() as server:
        ran = run_python([sys.executable, "examples/track_openai.py"], server, database, acme, tmp_path)
    assert ran.strip()

    monkeypatch.setenv("DATABASE_URL", dsn(database.url))
    page = open_page()

    shown = metrics_of(page)
    # The server answers with 150 + 80 tokens, of gpt-4o-mini at 0.15 and 0.60 USD per million.
    assert (shown["Total tokens"], shown["Total cost"]) == ("230", "$0.000070")


def test_the_python_of_the_documents_logs_calls(database: Database, acme: UUID, tmp_path: Path) -> None:
    code = "\n".join([NAMES, *blocks(README, "python"), *blocks(document("tracking"), "python"), REPORT])

    with LLMServer() as server:
        printed = run_python([sys.executable, "-c", code], server, database, acme, tmp_path)

    assert json.loads(printed.splitlines()[-1]) == [10, {}, 0, 0]


def test_the_python_of_the_api_prints_the_cost(database: Database, acme: UUID) -> None:
    [code] = blocks(document("api"), "python")
    factories.insert_usage(database, factories.usage_log(acme, total_tokens=230))
    key = create_key(database, str(acme), "read", "test")

    with serving(database) as address:
        code = code.replace("https://usage.example.com", address).replace("usage_...", key)
        ran = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )

    cost, age, error = ran.stdout.split()
    assert (float(age) < 60, error) == (True, "None")
    assert cost


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if blocks(path, "bash")], ids=name_of)
def test_the_commands_of_the_documents_run(
    path: Path, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn(database.url))
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FILES, tmp_path, dirs_exist_ok=True)
    shutil.copytree(FILES / "claude_projects", tmp_path / ".claude" / "projects")
    (tmp_path / ".streamlit").mkdir()
    (tmp_path / "model_prices_and_context_window.json").write_text(
        '{"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06,'
        ' "output_cost_per_token": 1e-05}}'
    )
    (tmp_path / "calls.csv").write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.97,4,5\n"
    )
    is_prepared = False
    for code in blocks(path, "bash"):
        assert is_shell(code)
        for line, commands in shell_lines(code):
            if "Acme" in line and not is_prepared:
                is_prepared = True
                _prepare(database)
            if commands[0][0] == "printf":
                subprocess.run(["bash", "-c", line], check=True)
                tomllib.loads(Path(".streamlit/secrets.toml").read_text(encoding="utf-8"))
                continue
            for words in commands:
                _run(words, database)


def test_the_sql_of_the_documents_runs(database: Database) -> None:
    [code] = blocks(document("data"), "sql")
    client, *others = [statement for statement in code.split(";") if statement.strip()]

    with database.transaction() as connection:
        [(client_id,)] = connection.execute(client.encode()).fetchall()
        counts = [
            connection.execute(each.replace("<the id>", str(client_id)).encode()).rowcount for each in others
        ]

    inserted, daily, weekly, _, conversations = counts
    assert (inserted, conversations) == (1, 1)
    assert daily >= 30
    assert weekly == 12


def test_the_requests_of_the_documents_are_answered_as_they_say(database: Database, tmp_path: Path) -> None:
    acme = factories.client(database, name="Acme")
    keys = {
        f"{scope.upper()}_KEY": create_key(database, str(acme), scope, "test") for scope in ("read", "write")
    }
    # A call is logged before it is read.
    requests = sorted(blocks(document("api"), "console"), key=lambda code: "/api/usage" not in code)
    with serving(database) as address:
        for code in requests:
            request, said = code.removeprefix("$ ").strip().rsplit("\n", 1)
            ran = subprocess.run(
                ["bash", "-c", request.replace("localhost:8501", address.removeprefix("http://"))],
                env=os.environ | keys,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            assert _comparable(ran.stdout, said) == _comparable(said, said)


def run_python(
    command: list[str], server: LLMServer, database: Database, client_id: UUID, directory: Path
) -> str:
    """What a program prints that calls the server and logs to the database; nothing is on stderr."""
    ran = subprocess.run(
        command,
        cwd=PROJECT_DIRECTORY,
        env={
            **os.environ,
            "OPENAI_API_KEY": "test",
            "OPENAI_BASE_URL": server.openai_url,
            "GROQ_API_KEY": "test",
            "GROQ_BASE_URL": server.groq_url,
            "USAGE_CLIENT_ID": str(client_id),
            "DATABASE_URL": dsn(database.url),
            "USAGE_DATA_DIR": str(directory),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stderr == ""
    return ran.stdout


def _prepare(database: Database) -> None:
    """A client with a call that was booked with another cost than today's lists have."""
    acme = factories.client(database, name="Acme")
    factories.insert_usage(
        database, factories.usage_log(acme, created_at="2026-10-05T12:00:00Z", model="gpt-4", cost_usd="0.5")
    )
    factories.alert_event(database, acme)


def _run(words: list[str], database: Database) -> None:
    """Runs a command, or looks at its words where it needs what a test has not."""
    if "-m" in words and words[words.index("-m") + 1] == "analytics":
        _run_ours(words[words.index("-m") + 2 :], database)
        return
    program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
    if program == "make":
        subprocess.run(
            ["make", "-n", *arguments], cwd=PROJECT_DIRECTORY, check=True, stdout=subprocess.DEVNULL
        )
    elif program == "streamlit":
        _parse(streamlit, arguments)
        assert (PROJECT_DIRECTORY / arguments[1]).exists()
    elif program == "uvicorn":
        _parse(uvicorn, arguments)
    elif program == "usage-analytics":  # the same as a script: see test_cli.py
        assert main.get_command(click.Context(main), arguments[0]) is not None
    elif program == "pip":
        _check_pip(arguments)
    elif program == "npm":
        command, *packages = arguments
        assert command == "install"
        for package in packages:
            own = package.removeprefix("/path/to/this/clone/")
            assert (PROJECT_DIRECTORY / own / "package.json").exists() or any(
                each.startswith(f"{package}@") or each == package for each in node_packages.PACKAGES
            )
    elif program == "usage-analytics":
        _parse(main, arguments)
    elif program in ("python", "python3"):
        assert arguments[0] == "-m"
        assert find_spec(arguments[1]) is not None
        assert [word for word in arguments[2:] if word.startswith("-")] == []
    else:
        assert program in FROM_ELSEWHERE or program == ".", f"say how {program} is to be checked: {words}"


def _run_ours(arguments: list[str], database: Database) -> None:
    """`python -m analytics`, where THE-ID is that of what was made before."""
    table = {"keys": "api_keys", "corrections": "cost_corrections", "alerts": "alert_events"}.get(
        arguments[0]
    )
    if "THE-ID" in arguments:
        assert table is not None
        [rows] = database.read(Query(statement=f"select id from {table} limit 1"))  # noqa: S608 - one of three
        arguments = [str(rows.records[0][0]) if word == "THE-ID" else word for word in arguments]
    if "--url" in arguments:
        # LiteLLM's tables stand beside ours.
        with database.transaction() as connection:
            connection.execute(SPEND_LOGS.format(first=1, last=2))
        arguments[arguments.index("--url") + 1] = dsn(database.url)
    ran = CliRunner().invoke(main, arguments)
    assert ran.exit_code == 0, f"{arguments}: {ran.output}"


def _parse(command: click.Command, arguments: list[str]) -> None:
    """Raises where click would refuse the arguments."""
    while isinstance(command, click.Group):
        below = command.get_command(click.Context(command), arguments[0])
        assert below is not None
        command, arguments = below, arguments[1:]
    command.make_context("documented", list(arguments))


def _check_pip(arguments: list[str]) -> None:
    """What pip is to install is there: files, and the extras of this project."""
    project = tomllib.loads((PROJECT_DIRECTORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    command, *words = arguments
    assert command == "install"
    for word in words:
        if word.endswith(".txt"):
            assert (PROJECT_DIRECTORY / word).exists()
        elif extra := re.fullmatch(
            r"(?:/path/to/this/clone|\.|(?=.*@ git\+https://)usage-analytics)\[([\w-]+)\](?: @ git\+https://\S+)?",
            word,
        ):
            assert extra[1] in project["optional-dependencies"]
        else:
            assert word in (
                "-r",
                "-e",
                ".",
                "--no-deps",
                "/path/to/this/clone",
                "openai",
                "langchain-openai",
                "litellm[proxy]",
                "logfire",
                "pydantic-ai-slim[openai]",
                "openinference-instrumentation-openai",
                "opentelemetry-exporter-otlp-proto-http",
            )


def _comparable(text: str, expected: str) -> object:
    """An answer without what is another each day, and no longer than what is expected of it."""
    if not text.startswith("{"):
        return text.strip()
    content = json.loads(text)
    content.pop("age_seconds", None)
    if "period" in content:
        content["period"] = sorted(content["period"])
    for result, said in zip(
        content.get("results", []), json.loads(expected).get("results", []), strict=False
    ):
        result["id"] = bool(result.get("id"))
        if "reason" in result and said["reason"].endswith("..."):
            result["reason"] = result["reason"][: len(said["reason"]) - 3]
    return content
