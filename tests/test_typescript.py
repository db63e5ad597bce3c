"""typescript/: the package logs to the running API, by Node; TypeScript's compiler checks its types."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import playwright
import pytest

from analytics.access.keys import create_key
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from tests import node_packages
from tests.api import logged, serving
from tests.connect_lines import lines, variables
from tests.llm_server import LLMServer

PACKAGE = PROJECT_DIRECTORY / "typescript"
PROGRAMS = PROJECT_DIRECTORY / "tests" / "typescript"
NODE = shutil.which("node") or str(Path(playwright.__file__).parent / "driver" / "node")


@pytest.fixture
def api(database: Database) -> Iterator[str]:
    with serving(database) as address:
        yield address


def node(*arguments: str) -> str:
    ran = subprocess.run([NODE, *arguments], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert not ran.stderr
    return ran.stdout


def run(part: str, **told: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(node(str(PROGRAMS / "doors.mjs"), json.dumps({"part": part, **told})))
    return answer


def test_the_twins_for_commonjs_are_as_the_modules_are() -> None:
    node(str(PACKAGE / "build.mjs"), "--check")


def test_a_hundred_calls_are_a_hundred_however_often_and_through_whichever_doors_they_come(
    database: Database, acme: UUID, api: str
) -> None:
    key = create_key(database, str(acme), "write", "shop")
    with LLMServer() as provider:
        ran = run("hundred", url=api, key=key, client=str(acme), provider=provider.openai_url)

    # The answer to the first request got lost, so the second was told that they are there.
    is_sent, stats = ran["first"]
    assert (is_sent, stats["logged"], stats["retries"], stats["dropped"], stats["waiting"]) == (
        *(True, 100, 2),
        *(0, 0),
    )
    assert stats["stored"] + stats["alreadyThere"] == 100
    assert ran["again"][0] is ran["twin"][0] is True
    assert ran["again"][1]["alreadyThere"] == 200 - stats["stored"]
    assert ran["twin"][1]["alreadyThere"] == 100
    records = [{"source": "openai", "usage": response} for response in ran["responses"]]
    answer = httpx.post(f"{api}/api/usage", json=records, headers={"Authorization": f"Bearer {key}"})
    assert {each["status"] for each in answer.json()["results"]} == {"duplicate"}

    rows = logged(database, "*, (select tags from tag_sets where id = tag_set_id) as tags")
    assert len(rows) == 100
    assert sum(row["cost_usd"] for row in rows) == Decimal("0.93")
    assert sum(row["total_tokens"] for row in rows) == 23_000
    assert len({row["conversation_id"] for row in rows}) == 5
    assert all(row["tags"] == {"feature": "search"} for row in rows)


def test_each_kind_of_call_is_what_it_is(database: Database, acme: UUID, api: str) -> None:
    key = create_key(database, str(acme), "write", "shop")
    with LLMServer() as provider:
        ran = run("kinds", url=api, key=key, client=str(acme), provider=provider.openai_url)

    assert ran["stats"]["stored"] == 6, ran["stats"]
    assert ran["ids"][0].startswith("chatcmpl-")
    assert ran["ids"][1] == "call 1"
    assert all(UUID(id).version == 7 for id in ran["ids"][2:])
    found = {
        (row["source"], row["outcome"], row["total_tokens"], row["cost_usd"], row["cost_basis"])
        for row in logged(database)
    }
    assert found == {
        ("openai", "ok", 230, Decimal("0.0093"), "priced"),
        ("groq", None, 230, Decimal(0), "priced"),
        ("whisper", None, 1500, Decimal("0.003"), "priced"),
        ("openai", "cut", 0, Decimal(0), "unpriced"),
        ("openai", "error", 0, Decimal(0), "priced"),
        ("ollama", "ok", 230, Decimal(0), "unpriced"),
    }
    [whisper] = [row for row in logged(database) if row["source"] == "whisper"]
    assert (whisper["operation"], whisper["phone"], whisper["duration_seconds"]) == (
        *("transcription", "5511999999999"),
        30,
    )


def test_nothing_is_lost_in_silence(database: Database, acme: UUID, api: str) -> None:
    key = create_key(database, str(acme), "write", "shop")

    ran = run("dropped", url=api, key=key, client=str(acme), provider="")

    assert ran["flushed"] == [True, True, False]
    assert (ran["stats"]["stored"], ran["stats"]["waiting"]) == (1, 1)
    reasons = [reason for _, reason in ran["dropped"]]
    assert len(reasons) == ran["stats"]["dropped"] == 6
    for part, reason in zip(
        (
            "the call cannot be sent: Converting circular structure",
            "more than 3 calls wait for the server",
            "client_id must be that of the key",
            "usage: ",
            "answered 401: ",
            "configure() needs apiKey (or USAGE_WRITE_KEY)",
        ),
        reasons,
        strict=True,
    ):
        assert part in reason


def test_numbers_are_read_as_the_hook_has_them(database: Database, acme: UUID, api: str) -> None:
    key = create_key(database, str(acme), "read", "shop")

    ran = run("numbers", url=api, key=key, client=str(acme), provider="")

    assert ran["before"] is True
    assert ran["after"]["loading"] is False
    assert ran["after"]["error"] is None
    assert len(ran["after"]["analytics"]["daily"]) >= 0
    assert ran["after"]["period"]["days"] == 7
    assert ran["error"].startswith("answered 401: ")
    assert ran["same"] is True


def application(directory: Path, shell: str, script: str, **environment: str) -> None:
    """Runs the shell's lines, and then the script, as people would; nothing may be printed as an error."""
    (directory / "application.mjs").write_text(script, encoding="utf-8")
    ran = subprocess.run(
        ["bash", "-eu", "-c", f"{shell}\n{NODE} application.mjs"],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_lines_of_the_document_log_a_call(
    database: Database, acme: UUID, api: str, tmp_path: Path
) -> None:
    key = create_key(database, str(acme), "write", "shop")
    shell = lines("TypeScript", "bash", server=api, key=key).replace("npm install", "npm install --silent")
    with LLMServer() as provider:
        script = f"""
            const openai = {{ chat: {{ completions: {{ create: async (asked) => (
                await fetch("{provider.openai_url}/chat/completions", {{
                    method: "POST",
                    headers: {{ "Content-Type": "application/json" }},
                    body: JSON.stringify(asked),
                }})
            ).json() }} }} }};
            const clientId = "{acme}", conversationId = "invoice 17", phone = "5511999999999", messages = [];
        """
        application(
            tmp_path,
            shell.replace("/path/to/this/clone", str(PROJECT_DIRECTORY)),
            script + lines("TypeScript", "javascript"),
        )

    [row] = logged(database)
    assert (row["total_tokens"], row["phone"]) == (230, "5511999999999")


def test_the_ai_sdk_of_vercel_by_the_lines_of_the_document(
    database: Database, acme: UUID, api: str, tmp_path: Path
) -> None:
    node_packages.install()
    (tmp_path / "node_modules").symlink_to(node_packages.MODULES)
    key = create_key(database, str(acme), "write", "shop")
    shell = lines("Vercel's AI SDK", "bash", server=api, key=key)
    shell = "\n".join(line for line in shell.splitlines() if not line.startswith("npm "))
    with LLMServer() as provider:
        # The same twice: each time other calls.
        for _ in range(2):
            provider.answer_next(status=429)  # which the SDK repeats
            application(
                tmp_path,
                shell,
                lines("Vercel's AI SDK", "javascript"),
                OPENAI_API_KEY="test",
                OPENAI_BASE_URL=provider.openai_url,
            )

    rows = logged(database, "*, (select name from conversations where id = conversation_id) as chat")
    assert [(row["outcome"], row["total_tokens"], row["chat"]) for row in rows] == [
        ("error", 0, "invoice 17"),
        ("ok", 230, "invoice 17"),
    ] * 2


def test_langfuse_of_javascript(database: Database, acme: UUID, api: str, tmp_path: Path) -> None:
    node_packages.install()
    (tmp_path / "node_modules").symlink_to(node_packages.MODULES)
    key = create_key(database, str(acme), "write", "langfuse")
    script = """
        import { Langfuse } from "langfuse";
        const langfuse = new Langfuse();
        const trace = langfuse.trace({ sessionId: "invoice 17", tags: ["feature:search"] });
        for (let each = 0; each < 100; each++)
            trace.generation({ name: "answer", model: "gpt-4" }).end({ usage: { input: 150, output: 80 } });
        await langfuse.shutdownAsync();
    """
    application(tmp_path, "", script, **variables("Langfuse", api, key))

    rows = logged(database, "*, (select tags from tag_sets where id = tag_set_id) as tags")
    assert len(rows) == 100
    assert sum(row["cost_usd"] for row in rows) == Decimal("0.93")
    assert all(row["conversation_id"] and row["tags"] == {"feature": "search"} for row in rows)


def test_the_types_are_those_of_the_package(tmp_path: Path) -> None:
    node_packages.install()
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "usage-analytics").symlink_to(PACKAGE)
    for name in ("types.ts", "openai.ts"):
        shutil.copy(PROGRAMS / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "commonjs"}')

    compiler = str(node_packages.MODULES / "typescript" / "bin" / "tsc")
    how = ("--strict", "--noEmit", "--preserveSymlinks", "--skipDefaultLibCheck", "--target", "es2022")
    ran = subprocess.run(
        [NODE, compiler, *how, "--module", "node16", "--moduleResolution", "node16", "types.ts"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (0, "")
