"""Which spans are calls: all that have a model and usage of their own, but for those known to be sums."""

from collections.abc import Mapping
from typing import Any

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

IS_SUM = "it sums up the calls within it"
IS_PART = "it repeats the call around it"
NO_MODEL = "it names no model"
NO_USAGE = "it tells no usage"
FREE = "it costs nothing"
STREAM_TOLD_APART = "the log about its stream is the call"


def is_sum(told: Mapping[str, Any]) -> bool:
    for field in ("kind", "operation"):
        if (name := told.get(field)) is not None and name.lower() in _SUMS:
            return True
    return False


def is_part(span_name: str) -> bool:
    return span_name in _PARTS


def says_call(told: Mapping[str, Any]) -> bool:
    """Whether the span says that it is a call, so that it is one without usage, too."""
    if (kind := told.get("kind")) is not None and kind.lower() in _CALL_KINDS:
        return True
    operation = told.get("operation")
    return operation is not None and operation_name(operation) in OPERATIONS


def operation_of(told: Mapping[str, Any], model: str | None) -> str | None:
    """The operation; what an instrumentor says of the kind alone is told by the model."""
    if (given := told.get("operation")) is not None:
        return operation_name(given)
    kind = told.get("kind")
    if kind is None:
        return None
    operation = operation_name(kind)
    if operation == "chat" and model is not None:
        return _operation_of_model(model.lower())
    return operation


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
