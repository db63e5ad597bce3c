"""Claude Code's sessions: ~/.claude/projects/<project>/<session>.jsonl, a line for each thing that happened.

A message stands on several lines, and again in sessions that go on from another: the id of its request tells
that they are one. It is the id that Claude Code's own logs have, too.
"""

from pathlib import PurePath
from typing import Any

from analytics.importing.formats.format import Call, Format, PassedOver, Row, known, tags

_MADE_BY_ITSELF = "<synthetic>"


def _call(row: Row) -> Call:
    message: dict[str, Any] = row.object("message")
    kind = row.text("type")
    if kind != "assistant" and message.get("role") != "assistant":
        raise PassedOver(f"lines of type {kind}" if kind else "lines without a type")
    if row.flag("isApiErrorMessage") or message.get("model") == _MADE_BY_ITSELF:
        raise PassedOver("messages that Claude Code wrote itself, about errors for example")
    if not isinstance(message.get("usage"), dict):
        raise PassedOver("messages without usage")
    model = message.get("model")
    folder = row.text("cwd")
    return {
        **known(
            source=_source(str(model)),
            model=model,
            created_at=row.get("timestamp"),
            conversation_id=row.text("sessionId"),
            response_id=row.text("requestId") or message.get("id"),
            operation="chat",
            stated_cost_usd=row.amount("costUSD"),
            latency_ms=row.amount("durationMs"),
        ),
        "usage": message["usage"],
        "tags": tags(
            {
                "tool": "claude-code",
                # Windows' names have their own separators.
                "project": None if folder is None else PurePath(folder.replace("\\", "/")).name,
            }
        ),
        "metadata": known(
            git_branch=row.text("gitBranch"),
            claude_code_version=row.text("version"),
            is_subagent=True if row.flag("isSidechain") else None,
        ),
    }


def _source(model: str) -> str:
    """Who sold it: clouds have their own names for the models."""
    return "bedrock" if "anthropic." in model else "google" if "@" in model else "anthropic"


SESSIONS = Format(
    name="claude-code",
    title="Claude Code sessions (~/.claude/projects)",
    known_by=[frozenset({"type", "sessionId", "message"}), frozenset({"type", "uuid", "message"})],
    becomes={
        "timestamp": "created_at",
        "message": "model, usage",
        "message.model": "model",
        "message.usage": "usage",
        "requestId": "response_id",
        "message.id": "response_id",
        "sessionId": "conversation_id",
        "cwd": "tag.project",
        "gitBranch": "metadata.git_branch",
        "version": "metadata.claude_code_version",
        "isSidechain": "metadata.is_subagent",
        "costUSD": "stated_cost_usd",
        "durationMs": "latency_ms",
        "type": "tells which lines are calls",
    },
    call=_call,
)
