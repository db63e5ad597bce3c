"""The lines of docs/connect.md bring calls: what a tool really sends, sent as the lines say."""

import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from analytics.access.keys import create_key
from analytics.database import Database
from analytics.importing import import_file, plan_import
from tests.api import bearer, logged, open_api, serving
from tests.documents import blocks, document
from tests.llm_server import LLMServer

DOCUMENT = document("connect")
RECORDED = Path(__file__).parent / "recorded_logs"
OUR_ADDRESS = "http://localhost:8501"


def filled_in(text: str, server: str, key: str) -> str:
    assert OUR_ADDRESS in text
    return text.replace(OUR_ADDRESS, server).replace("$WRITE_KEY", key)


def environment(language: str, word: str, server: str, key: str) -> dict[str, str]:
    """The variables of the one block of the document with this word."""
    [block] = [block for block in blocks(DOCUMENT, language) if word in block]
    words = shlex.split(filled_in(block, server, key).replace("export ", ""), comments=True)
    return dict(word.split("=", 1) for word in words)


def claude_code(server: str, key: str) -> tuple[str, dict[str, str]]:
    told = environment("bash", "CLAUDE_CODE_ENABLE_TELEMETRY", server, key)
    assert told["OTEL_LOGS_EXPORTER"] == "otlp"
    assert told["OTEL_EXPORTER_OTLP_PROTOCOL"].startswith("http/")
    return f"{told['OTEL_EXPORTER_OTLP_ENDPOINT']}/v1/logs", headers(told)


def codex(server: str, key: str) -> tuple[str, dict[str, str]]:
    [block] = blocks(DOCUMENT, "toml")
    exporter = tomllib.loads(filled_in(block, server, key))["otel"]["exporter"]["otlp-http"]
    return exporter["endpoint"], exporter["headers"]


def gemini_cli(server: str, key: str) -> tuple[str, dict[str, str]]:
    told = environment("bash", "GEMINI_TELEMETRY_ENABLED", server, key)
    assert told["GEMINI_TELEMETRY_OTLP_PROTOCOL"] == "http"
    return f"{told['GEMINI_TELEMETRY_OTLP_ENDPOINT']}/v1/logs", headers(told)


def headers(told: dict[str, str]) -> dict[str, str]:
    name, _, value = told["OTEL_EXPORTER_OTLP_HEADERS"].partition("=")
    return {name: value}


def test_the_lines_of_each_coding_agent_bring_its_calls(database: Database, acme: UUID) -> None:
    with serving(database) as server:
        key = create_key(database, str(acme), "write", "laptops")
        for tool, lines in (("claude-code", claude_code), ("codex", codex), ("gemini-cli", gemini_cli)):
            sent = json.loads((RECORDED / f"{tool}.json").read_text(encoding="utf-8"))["logs"]
            url, headers_of_tool = lines(server, key)
            assert httpx.post(url, json=sent, headers=headers_of_tool).json() == {}

    assert len(logged(database)) == 6


def test_the_lines_of_langfuse_are_those_of_its_sdk(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langfuse import Langfuse
    from opentelemetry.sdk.trace import TracerProvider

    with serving(database) as server:
        key = create_key(database, str(acme), "write", "langfuse")
        told = environment("bash", "LANGFUSE_SECRET_KEY", server, key)
        assert told["LANGFUSE_HOST"] == told["LANGFUSE_BASEURL"] == server
        for name, value in told.items():
            monkeypatch.setenv(name, value)
        client = Langfuse(tracer_provider=TracerProvider(shutdown_on_exit=False))
        assert client.auth_check()
        with client.start_as_current_observation(as_type="generation", name="a", model="gpt-4o") as answer:
            answer.update(usage_details={"input": 7, "output": 3})
        client.shutdown()

    assert [row["total_tokens"] for row in logged(database)] == [10]


def test_the_lines_of_python_and_of_any_instrumentor_bring_its_calls(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    [code] = [block for block in blocks(DOCUMENT, "python") if "OTLPSpanExporter" in block]

    with serving(database) as server, LLMServer() as provider:
        key = create_key(database, str(acme), "write", "python")
        for word in ("openinference-instrumentation-openai", "OTEL_TRACES_EXPORTER"):
            [lines] = [block for block in blocks(DOCUMENT, "bash") if word in block]
            lines = "\n".join(line for line in lines.splitlines() if not line.startswith("pip "))
            program = f"{filled_in(lines, server, key)}\n{shlex.quote(sys.executable)} -c {shlex.quote(code)}"
            ran = subprocess.run(
                ["bash", "-eu", "-c", program],
                env={**os.environ, "OPENAI_API_KEY": "test", "OPENAI_BASE_URL": provider.openai_url},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            assert ran.stderr == ""

    assert [(row["model"], row["total_tokens"]) for row in logged(database)] == [("gpt-4o-mini", 230)] * 2


def test_the_lines_of_any_program_bring_a_call(database: Database, acme: UUID) -> None:
    [lines] = [block for block in blocks(DOCUMENT, "bash") if "/api/usage" in block]
    with serving(database) as server:
        key = create_key(database, str(acme), "write", "any")
        said = subprocess.run(
            ["bash", "-c", filled_in(lines, server, key)],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )

    assert json.loads(said.stdout)["results"][0]["status"] == "stored"
    assert [row["total_tokens"] for row in logged(database)] == [230]


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
