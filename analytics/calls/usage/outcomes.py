"""How a call ended, from what its response says: ok, error, refused or cut (row.OUTCOMES)."""

from collections.abc import Iterator, Mapping
from typing import Any

from analytics.calls.usage.fields import fields_of, is_empty, snake, text_in

# An answer that reached its length was answered, and is paid for like any other.
_OK = frozenset(
    {
        *("stop", "end_turn", "stop_sequence", "complete", "completed", "done", "eos", "finish", "success"),
        *("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"),
        *("tool_calls", "tool_call", "tool_use", "function_call", "pause_turn", "continuation", "tool"),
        *("end_turn_stop", "eos_token", "compaction"),
    }
)
_REFUSED = frozenset(
    {
        *("content_filter", "content_filtered", "refusal", "guardrail_intervened", "error_toxic"),
        # Gemini's
        *("safety", "recitation", "blocklist", "prohibited_content", "spii", "model_armor", "language"),
        *("image_safety", "image_prohibited_content", "image_recitation", "escalation"),
    }
)
_ERRORS = frozenset(
    {
        *("error", "failed", "failure", "error_limit", "malformed_function_call", "malformed_response"),
        *("unexpected_tool_call", "too_many_tool_calls", "missing_thought_signature", "no_image"),
        *("malformed_model_output", "malformed_tool_use", "expired"),
    }
)
# Of a line of Anthropic's batches; none is billed: platform.claude.com, "Batch processing".
_NOT_BILLED = dict.fromkeys(("errored", "canceled", "expired"), "error")
_CUT = frozenset(
    {"cancelled", "canceled", "incomplete", "user_cancel", "abort", "aborted", "interrupted", "timeout"}
)


def outcome_of(by_name: Mapping[str, Any]) -> str | None:
    """The outcome of a response, whose fields are in snake case; None where it does not tell.

    Of several choices that are told one that was answered decides, as it is what was paid for.
    """
    if not is_empty(by_name.get("error")):
        return "error"
    feedback = _fields(by_name.get("prompt_feedback"))
    if not is_empty(feedback.get("block_reason")):
        return "refused"
    outcomes = {outcome for outcome in _outcomes(by_name) if outcome is not None}
    return next((each for each in ("ok", "refused", "error", "cut") if each in outcomes), None)


def _outcomes(by_name: Mapping[str, Any]) -> Iterator[str | None]:
    if (status := _word(by_name.get("status"))) is not None:
        details = {**_fields(by_name.get("incomplete_details")), **_fields(by_name.get("status_details"))}
        reason = _outcome(_word(details.get("reason")))
        yield (
            "refused"
            if status == "completed" and _is_refusal(by_name)
            else (reason if status == "incomplete" and reason is not None else _outcome(status))
        )
    yield _NOT_BILLED.get(_word(by_name.get("type")) or "")
    for name in ("stop_reason", "finish_reason", "done_reason"):
        yield _outcome(_word(by_name.get(name)))
    yield _outcome(_word(_fields(by_name.get("delta")).get("stop_reason")))
    for choices in (by_name.get("choices"), by_name.get("candidates")):
        for choice in choices if isinstance(choices, (list, tuple)) else ():
            fields = _fields(choice)
            message = _fields(fields.get("message"))
            yield (
                "refused"
                if not is_empty(message.get("refusal"))
                else _outcome(_word(fields.get("finish_reason")))
            )


def _is_refusal(by_name: Mapping[str, Any]) -> bool:
    """Whether a response of OpenAI's says no in all its words."""
    output = by_name.get("output")
    kinds = [
        text_in(_fields(part).get("type"))
        for item in (output if isinstance(output, (list, tuple)) else ())
        for part in _fields(item).get("content") or ()
    ]
    return "refusal" in kinds and "output_text" not in kinds


def _outcome(word: str | None) -> str | None:
    for words, outcome in ((_OK, "ok"), (_REFUSED, "refused"), (_ERRORS, "error"), (_CUT, "cut")):
        if word in words:
            return outcome
    return None


def _word(value: Any) -> str | None:
    if (kinds := fields_of(value)) is not None:  # AI SDK 6: {unified: "stop", raw: "end_turn"}
        value = kinds.get("unified")
    text = text_in(value)
    return None if text is None else text.lower().replace("-", "_")


def _fields(value: Any) -> dict[str, Any]:
    return {snake(str(name)): held for name, held in (fields_of(value) or {}).items()}
