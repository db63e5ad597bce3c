"""Which spans are calls: all that have a model and usage of their own, but for those known to be sums."""

from functools import lru_cache
from typing import NamedTuple

from analytics.calls.operations import OPERATIONS, operation_name

_SUMS = frozenset(
    {
        # Kinds of OpenInference, Traceloop, Langfuse, LangSmith, AgentOps.
        *("agent", "chain", "workflow", "tool", "task", "retriever", "guardrail", "evaluator", "prompt"),
        *("session", "span", "event", "parser", "unknown_kind", "operation"),
        # Operations of the conventions, and of frameworks.
        *("invoke_agent", "create_agent", "agent_step", "agent_run", "agent run", "invoke_workflow"),
        *("execute_tool", "execute_task", "execute_agent", "execute_workflow", "invoke_chain", "run_agent"),
        *("retrieval", "retrieve", "vector_search", "search", "plan", "handoff", "framework", "step"),
        *("orchestrate_tools", "running tool", "running tools", "chat_client", "advisor", "invocation"),
        *("execute_tools", "fetch_response", "crew", "flow", "memory", "agentic", "team", "invoke_swarm"),
        # Vercel's AI SDK: the outer spans, which repeat what their ".do..." ones have.
        *("ai.generatetext", "ai.streamtext", "ai.generateobject", "ai.streamobject", "ai.embed"),
        *(
            "ai.embedmany",
            "ai.toolcall",
            "ai.generateimage",
            "ai.transcribe",
            "ai.generatespeech",
            "ai.rerank",
        ),
        *("ai.generatevideo", "ai.experimental_generateimage", "ai.agent", "ai.uiloop"),
    }
)
# Kinds that say no more than that a model was asked.
_CALL_KINDS = frozenset(
    {"llm", "embedding", "embeddings", "generation", "decision", "reranker", "completion"}
)
# Of an instrumentor whose other spans are the calls: https://docs.litellm.ai, "raw_gen_ai_request".
_PARTS = frozenset({"raw_gen_ai_request"})

# Of coding agents, which tell the model or the usage of a call in their logs alone.
_TOLD_IN_LOGS = {"gemini-cli": ("llm_call",), "codex": ("handle_responses",)}

IS_SUM = "it sums up the calls within it"
IS_PART = "it repeats the call around it"
NO_MODEL = "it names no model"
NO_USAGE = "it tells no usage"
FREE = "it costs nothing"
IN_LOGS = "the agent's logs tell of the call: send them to /v1/logs"
STREAM_TOLD_APART = "the log about its stream is the call"


class Kind(NamedTuple):
    """What an instrumentor says that a span is."""

    is_sum: bool
    says_call: bool
    """Whether it says that a model was asked, so that the span is a call without usage, too."""
    operation: str | None
    """By its one name; what is said of the kind alone is told by the model."""


# The same few kinds of spans come again and again.
@lru_cache(maxsize=4096)
def kind_of(kind: str | None, operation: str | None, model: str | None) -> Kind:
    names = [name.lower() for name in (kind, operation) if name is not None]
    if any(name in _SUMS for name in names):
        return Kind(True, False, operation)
    says_call = kind is not None and kind.lower() in _CALL_KINDS
    if operation is not None:
        name = operation_name(operation)
        return Kind(False, says_call or name in OPERATIONS, name)
    if kind is None:
        return Kind(False, False, None)
    name = operation_name(kind)
    return Kind(False, says_call, _operation_of_model(model.lower()) if name == "chat" and model else name)


def is_part(span_name: str) -> bool:
    return span_name in _PARTS


def is_told_in_logs(span_name: str, scope: str) -> bool:
    return any(scope.startswith(agent) and span_name in names for agent, names in _TOLD_IN_LOGS.items())


def _operation_of_model(model: str) -> str:
    # OpenInference's LLM is a chat as well as a transcription or a picture.
    for part, operation in (
        ("transcribe", "transcription"),
        ("whisper", "transcription"),
        ("tts", "speech"),
        ("gpt-image", "image_generation"),
        ("dall-e", "image_generation"),
        ("imagen", "image_generation"),
        ("embed", "embeddings"),
        ("moderation", "moderation"),
        ("rerank", "rerank"),
    ):
        if part in model:
            return operation
    return "chat"
