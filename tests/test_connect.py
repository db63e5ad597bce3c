"""The lines of docs/connect.md bring calls: what a tool really sends, sent as the lines say."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from analytics.access.keys import create_key
from analytics.database import Database
from analytics.importing import import_file, plan_import
from analytics.ui.connect.tools import TOOLS
from tests.api import bearer, logged, open_api, serving
from tests.connect_lines import all_lines, lines, variables
from tests.connections import dsn
from tests.llm_server import LLMServer

RECORDED = Path(__file__).parent / "recorded_logs"


def claude_code(server: str, key: str) -> tuple[str, dict[str, str]]:
    told = variables("Claude Code", server, key)
    assert told["OTEL_LOGS_EXPORTER"] == "otlp"
    assert told["OTEL_EXPORTER_OTLP_PROTOCOL"].startswith("http/")
    return f"{told['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/logs", headers(told)


def codex(server: str, key: str) -> tuple[str, dict[str, str]]:
    told = tomllib.loads(lines("Codex CLI", "toml", server=server, key=key))
    exporter = told["otel"]["exporter"]["otlp-http"]
    return exporter["endpoint"], exporter["headers"]


def gemini_cli(server: str, key: str) -> tuple[str, dict[str, str]]:
    told = variables("Gemini CLI", server, key)
    assert told["GEMINI_TELEMETRY_OTLP_PROTOCOL"] == "http"
    return f"{told['GEMINI_TELEMETRY_OTLP_ENDPOINT']}/v1/logs", headers(told)


def headers(told: dict[str, str]) -> dict[str, str]:
    name, _, value = told["OTEL_EXPORTER_OTLP_HEADERS"].partition("=")
    return {name: value}


def test_the_lines_of_each_coding_agent_bring_its_calls(database: Database, acme: UUID) -> None:
    with serving(database) as server:
        key = create_key(database, str(acme), "write", "laptops")
        for tool, told in (("claude-code", claude_code), ("codex", codex), ("gemini-cli", gemini_cli)):
            sent = json.loads((RECORDED / f"{tool}.json").read_text(encoding="utf-8"))["logs"]
            url, headers_of_tool = told(server, key)
            assert httpx.post(url, json=sent, headers=headers_of_tool).json() == {}

    assert len(logged(database)) == 6


def test_the_lines_of_langfuse_are_those_of_its_sdk(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider

    with serving(database) as server:
        key = create_key(database, str(acme), "write", "langfuse")
        told = variables("Langfuse", server, key)
        assert told["LANGFUSE_HOST"] == told["LANGFUSE_BASEURL"] == server
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        client = Langfuse(tracer_provider=TracerProvider(shutdown_on_exit=False))
        assert client.auth_check()
        with client.start_as_current_observation(as_type="generation", name="a", model="gpt-4o") as answer:
            answer.update(usage_details={"input": 7, "output": 3})
        client.shutdown()

    assert [row["total_tokens"] for row in logged(database)] == [10]


def exports(shell: str) -> list[str]:
    """What the lines set; what they install is there."""
    return [line for line in shell.splitlines() if not line.startswith("pip ")]


def test_the_lines_of_frameworks_in_python_bring_a_call(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    with serving(database) as server, LLMServer() as provider:
        key = create_key(database, str(acme), "write", "python")
        of_key = {"server": server, "key": key}
        python, of_any = lines("Python", "bash", **of_key), lines("OpenTelemetry", "bash", **of_key)
        own = (
            lines("Clients in Python", "bash"),
            lines("LangChain and LangGraph", "bash"),
            lines("OpenAI's Agents SDK", "bash"),
        )
        assert len({line for shell in own for line in exports(shell)}) == 1
        # What one process can do is done in one, as each takes seconds to import all that it needs.
        programs = {
            "python": (python, lines("Python", "python")),
            "otel": (of_any, lines("Python", "python")),
            "pydantic-ai": (
                lines("pydantic-ai and Logfire", "bash", **of_key),
                lines("pydantic-ai and Logfire", "python"),
            ),
            "own": (
                own[0],
                lines("Clients in Python", "python", client=acme)
                + lines("LangChain and LangGraph", "python", client=acme)
                + lines("OpenAI's Agents SDK", "python", client=acme),
            ),
        }

        def run(name: str) -> None:
            shell, code = programs[name]
            shell = re.sub(r'DATABASE_URL="\S+"', f"DATABASE_URL={shlex.quote(dsn(database.url))}", shell)
            variable = f"export OTEL_RESOURCE_ATTRIBUTES=service.name={name} USAGE_DATA_DIR={tmp_path / name}"
            program = f"{shlex.quote(sys.executable)} -W ignore -c {shlex.quote(code)}"
            subprocess.run(
                ["bash", "-eu", "-c", "\n".join([*exports(shell), variable, program])],
                env={**os.environ, "OPENAI_API_KEY": "test", "OPENAI_BASE_URL": provider.openai_url},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=120,
                check=True,
            )

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(run, programs))

    rows = logged(database, "*, (select name from conversations where id = conversation_id) as chat")
    assert [row["total_tokens"] for row in rows] == [230] * 6
    assert [row["chat"] for row in rows].count("invoice 17") == 3


def test_the_lines_of_any_program_bring_a_call(database: Database, acme: UUID) -> None:
    with serving(database) as server:
        key = create_key(database, str(acme), "write", "any")
        said = subprocess.run(
            ["bash", "-c", lines("Any program", "bash", server=server, key=key)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    assert json.loads(said.stdout)["results"][0]["status"] == "stored"
    assert [row["total_tokens"] for row in logged(database)] == [230]


def test_a_test_asks_for_each_line_of_each_tool() -> None:
    asked = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        source = path.read_text(encoding="utf-8")
        if "connect_lines" not in source:
            continue
        for call in ast.walk(ast.parse(source)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                words = [word.value for word in call.args if isinstance(word, ast.Constant)]
                if call.func.id == "lines":
                    asked.add(tuple(words))
                elif call.func.id == "variables":
                    asked.add((words[0], "bash"))

    headings = {tool.heading for tool in TOOLS}
    assert {place for place in all_lines() if place[0] in headings} == asked
    assert {heading for heading, _ in asked} == headings


def test_history_of_the_same_calls_adds_none(database: Database, acme: UUID, tmp_path: Path) -> None:
    logs = json.loads((RECORDED / "claude-code.json").read_text(encoding="utf-8"))["logs"]
    session = tmp_path / "session.jsonl"
    usage = {
        "input_tokens": 11, "output_tokens": 42, "cache_read_input_tokens": 5000,
        "cache_creation_input_tokens": 2000,
        "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500},
    }  # fmt: skip
    line = {
        "type": "assistant", "sessionId": "s1", "uuid": "u1", "timestamp": "2026-11-27T17:15:34.753Z",
        "requestId": "req_0000000000000000000002",
        "message": {"id": "msg_1", "role": "assistant", "model": "claude-opus-4-8", "usage": usage},
    }  # fmt: skip
    session.write_text(json.dumps(line) + "\n", encoding="utf-8")
    observation = {
        "id": "00f067aa0ba902b7", "traceId": "ab" * 16, "type": "GENERATION", "model": "gpt-4o",
        "startTime": "2026-03-18T12:00:00Z", "endTime": "2026-03-18T12:00:01Z",
        "usageDetails": {"input": 7, "output": 3, "total": 10},
    }  # fmt: skip
    export = tmp_path / "langfuse.json"
    export.write_text(json.dumps([observation]), encoding="utf-8")
    attributes = [
        {"key": name, "value": {"stringValue": value}}
        for name, value in (
            ("langfuse.observation.type", "generation"),
            ("langfuse.observation.model.name", "gpt-4o"),
            ("langfuse.observation.usage_details", '{"input": 7, "output": 3, "total": 10}'),
        )
    ]
    span = {"traceId": "ab" * 16, "spanId": "00f067aa0ba902b7", "name": "answer", "attributes": attributes}
    traces = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "langfuse-sdk"}, "spans": [span]}]}]}
    api, key = open_api(database), bearer(database, acme, "write")

    for _ in range(2):
        assert api.post("/v1/logs", json=logs, headers=key).json() == {}
        assert api.post("/v1/traces", json=traces, headers=key).json() == {}
        for path in (session, export):
            import_file(database, plan_import(path), client_id=acme)

    answered = [row for row in logged(database) if row["outcome"] != "error"]
    assert [(row["model"], row["total_tokens"]) for row in answered] == [
        ("claude-opus-4-8", 7053),
        ("gpt-4o", 10),
    ]
    # What Claude Code's logs do not tell its sessions do: the cost is the one that it states.
    assert answered[0]["cost_usd"] == answered[0]["stated_cost_usd"]
