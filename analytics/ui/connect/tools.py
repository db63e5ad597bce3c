"""What can be connected, and its lines: those of docs/connect.md, which is their one home."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from analytics.config import connect_document

WRITTEN_ADDRESS, WRITTEN_KEY, WRITTEN_CLIENT = "http://localhost:8501", "$WRITE_KEY", "$CLIENT_ID"
"""What stands in the document for this installation's address, for a key, and for a client."""
_HEADING = re.compile(r"#{2,3} (.+)")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A language or tool, by the heading of the document that has its lines."""

    name: str
    """In the address."""
    heading: str
    label: str
    note: str
    """Where its lines go, and what to do then."""
    has_key: bool = True
    """False where calls are logged in the application's own process, which writes to the database."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines to copy, in a language such as bash."""

    language: str
    text: str


TOOLS = (
    Tool(
        name="python",
        heading="Python",
        label="Python",
        note="Set the variables where the application runs. The instrumentor tells of each call of its SDK.",
    ),
    Tool(
        name="typescript",
        heading="TypeScript",
        label="TypeScript",
        note="Log each response. Calls are sent together within a second; `flush()` waits for it.",
    ),
    Tool(
        name="opentelemetry",
        heading="OpenTelemetry",
        label="OpenTelemetry",
        note="Set these variables for any application in any language that an instrumentor tells of.",
    ),
    Tool(
        name="claude-code",
        heading="Claude Code",
        label="Claude Code",
        note="Set these variables in the shell, then start `claude` and ask it something.",
    ),
    Tool(
        name="codex",
        heading="Codex CLI",
        label="Codex CLI",
        note="Put this into `~/.codex/config.toml`, then start `codex` and ask it something.",
    ),
    Tool(
        name="gemini-cli",
        heading="Gemini CLI",
        label="Gemini CLI",
        note="Set these variables in the shell, then start `gemini` and ask it something.",
    ),
    Tool(
        name="langfuse",
        heading="Langfuse",
        label="Langfuse SDK",
        note="Set these variables where the application runs. Nothing in its code changes.",
    ),
    Tool(
        name="litellm",
        heading="LiteLLM",
        label="LiteLLM",
        note="The variables are for the proxy, beside the callback in its `config.yaml`. The Python lines"
        " log in a process of your own that reaches the database.",
    ),
    Tool(
        name="clients",
        heading="Clients in Python",
        label="Python, wrapped clients",
        note="Wrap the client that your application has, whose process reaches the database.",
        has_key=False,
    ),
    Tool(
        name="langchain",
        heading="LangChain and LangGraph",
        label="LangChain, LangGraph",
        note="The callback logs in the process of the application, which reaches the database.",
        has_key=False,
    ),
    Tool(
        name="openai-agents",
        heading="OpenAI's Agents SDK",
        label="OpenAI Agents",
        note="The trace processor logs in the process of the application, which reaches the database.",
        has_key=False,
    ),
    Tool(
        name="pydantic-ai",
        heading="pydantic-ai and Logfire",
        label="pydantic-ai, Logfire",
        note="Set the variables where the application runs. Nothing is sent to Logfire.",
    ),
    Tool(
        name="vercel-ai",
        heading="Vercel's AI SDK",
        label="Vercel AI SDK",
        note="Set the variables where the application runs, and switch telemetry on in each call.",
    ),
    Tool(
        name="any",
        heading="Any program",
        label="Any program (curl)",
        note="Run it in a shell, or send the same from any program: a call, or a list of up to 1,000.",
    ),
)


@cache
def blocks_of(tool: Tool) -> tuple[Block, ...]:
    """The blocks below the tool's heading, as the document has them."""
    return tuple(_blocks(connect_document().read_text(encoding="utf-8"), tool.heading))


def filled_in(block: Block, address: str, client_id: UUID, key: str | None) -> str:
    """The lines with this installation's address, the client, and with a key where there is one."""
    text = block.text.replace(WRITTEN_ADDRESS, address).replace(WRITTEN_CLIENT, str(client_id))
    return text.replace(WRITTEN_KEY, key) if key else text


def _blocks(document: str, heading: str) -> Iterator[Block]:
    is_below, language, lines = False, None, list[str]()
    for line in document.splitlines():
        if line.startswith("```"):
            if language is None:
                language, lines = line.removeprefix("```"), []
            else:
                if is_below:
                    yield Block(language=language, text="\n".join(lines))
                language = None
        elif language is not None:
            lines.append(line)
        elif found := _HEADING.fullmatch(line):
            is_below = found[1] == heading
