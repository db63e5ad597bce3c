"""What an application calls: each log_*() prices a call and keeps it on disk, and returns.

A background thread brings the calls to PostgreSQL. Nothing here raises because of the database, and nothing
waits for it, but in synchronous mode.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack
from uuid import UUID

from analytics import config
from analytics.calls.make import Call, make_call
from analytics.pricing.price_list import Usage
from analytics.tracking import process
from analytics.tracking.context import NO_CONTEXT, UsageContext, current_context, usage_context, within
from analytics.tracking.process import EXIT_SECONDS
from analytics.tracking.tracker import Tracker, TrackerStats

__all__ = [
    "TrackerStats",
    "close",
    "configure",
    "current_stats",
    "flush",
    "log_groq_usage",
    "log_openai_usage",
    "log_usage",
    "log_whisper_usage",
    "stats",
    "usage_context",
]

Outcome = Literal["ok", "error", "refused", "cut"]


class CallFacts(TypedDict, total=False):
    """What may be known of any call; log_usage() says what each means."""

    service_tier: str | None
    operation: str | None
    outcome: Outcome | None
    latency_ms: float | None
    time_to_first_token_ms: float | None
    operation_id: UUID | str | None
    attempt: int | None
    response_id: str | None
    account: str | None
    stated_cost_usd: Decimal | float | None
    plan: str | None
    tags: Mapping[str, Any] | None


def log_openai_usage(
    client_id: UUID | str | None,
    conversation_id: UUID | str | None,
    phone: str | None,
    model: str | None,
    usage: object,
    *,
    id: UUID | str | None = None,
    created_at: datetime | None = None,
    metadata: Mapping[str, Any] | None = None,
    **facts: Unpack[CallFacts],
) -> UUID | None:
    """Logs a call of OpenAI: `usage` is the response's, of chat completions, responses or embeddings.

        response = OpenAI().chat.completions.create(model="gpt-4o-mini", messages=messages)
        log_openai_usage(client_id, "invoice 17", "5511999999999", response.model, response.usage)

    `usage` is None where a stream was cut: the call is kept as `unpriced`. See log_usage() for the rest.
    """
    return log_usage(
        client_id,
        "openai",
        model,
        conversation_id=conversation_id,
        phone=phone,
        usage=usage,
        id=id,
        created_at=created_at,
        metadata=metadata,
        **facts,
    )


def log_groq_usage(
    client_id: UUID | str | None,
    conversation_id: UUID | str | None,
    phone: str | None,
    model: str | None,
    usage: object,
    *,
    id: UUID | str | None = None,
    created_at: datetime | None = None,
    metadata: Mapping[str, Any] | None = None,
    **facts: Unpack[CallFacts],
) -> UUID | None:
    """Logs a call of Groq; the times that its usage has (`prompt_time`, ...) go to the metadata.

    See log_usage() for the rest.
    """
    return log_usage(
        client_id,
        "groq",
        model,
        conversation_id=conversation_id,
        phone=phone,
        usage=usage,
        id=id,
        created_at=created_at,
        metadata=metadata,
        **facts,
    )


def log_whisper_usage(
    client_id: UUID | str | None,
    conversation_id: UUID | str | None,
    phone: str | None,
    duration_seconds: Decimal | float,
    tokens_estimate: int | None = None,
    model: str = "whisper-1",
    source: str = "whisper",
    *,
    id: UUID | str | None = None,
    created_at: datetime | None = None,
    metadata: Mapping[str, Any] | None = None,
    **facts: Unpack[CallFacts],
) -> UUID | None:
    """Logs a transcription, which costs by its duration: 30 seconds of whisper-1 are $0.003.

    `tokens_estimate` is counted among the tokens, and never priced. The operation is "transcription" unless
    you say otherwise. See log_usage() for the rest.
    """
    facts.setdefault("operation", "transcription")
    return log_usage(
        client_id,
        source,
        model,
        conversation_id=conversation_id,
        phone=phone,
        usage=Usage(total_tokens=tokens_estimate or 0),
        duration_seconds=duration_seconds,
        tokens_estimated=tokens_estimate is not None,
        id=id,
        created_at=created_at,
        metadata=metadata,
        **facts,
    )


def log_usage(
    client_id: UUID | str | None,
    source: str,
    model: str | None,
    *,
    conversation_id: UUID | str | None = None,
    phone: str | None = None,
    usage: object = None,
    duration_seconds: Decimal | float | None = None,
    tokens_estimated: bool = False,
    cost_usd: Decimal | float | None = None,
    id: UUID | str | None = None,
    created_at: datetime | None = None,
    service_tier: str | None = None,
    operation: str | None = None,
    outcome: Outcome | None = None,
    latency_ms: float | None = None,
    time_to_first_token_ms: float | None = None,
    operation_id: UUID | str | None = None,
    attempt: int | None = None,
    response_id: str | None = None,
    account: str | None = None,
    stated_cost_usd: Decimal | float | None = None,
    plan: str | None = None,
    tags: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> UUID | None:
    """Logs one call of any provider; the id of its row.

    Args:
        client_id: whose call it was; None is that of usage_context(), or else nobody's.
        source: the provider, such as "openai".
        conversation_id: a UUID, or any name of at most 200 characters.
        usage: a usage object of an SDK, the equivalent dict, or a pricing.Usage. Without one the call is kept
            as `unpriced`, with the reason, unless its duration or cost is given.
        duration_seconds: of audio that is sold by its length.
        cost_usd: what the call cost, if you know better than the price lists.
        id: a UUID or any text of at most 200 characters: a call that is logged twice under it is stored once.
        created_at: when the call was made, with a time zone; now if left out.
        service_tier: as in the provider's response ("flex", "priority", "batch"), where it has its own price.
        operation: what was asked for: "chat", "embeddings", "transcription", ...
        outcome: "ok", "error", "refused", or "cut" for a stream that broke off. A call that failed and tells
            no usage cost nothing; one that was cut is unpriced without its usage.
        latency_ms: milliseconds from the request to the end of the answer.
        time_to_first_token_ms: milliseconds until the answer began.
        operation_id: what retries and fallbacks of one operation share.
        attempt: 1 is the first attempt at the operation.
        response_id: the provider's own id of the response. A call that has one and no `id` gets its id from
            it: whoever else tells of the same response adds no second call.
        account: the provider's account or project that pays.
        stated_cost_usd: what the provider or a gateway says that the call cost. It is kept beside the cost by
            the price lists, and is the cost where they have none.
        plan: the subscription that pays, such as "max": the call costs nothing by itself, whatever is stated.
            "unknown" where it is not known whether one pays: the cost is unknown, too.
        tags: what your team groups by: {"feature": "search"}; at most 20 keys, one value each. They add to
            those of usage_context(), and go before them.
        metadata: whatever else to keep with the call, as JSON.

    Returns:
        None where an argument is impossible: that is reported once per kind at ERROR level, and counted.

    Raises:
        InvalidInput: an argument is impossible, and the tracker is strict.
    """
    tracker = process.current or process.begin()
    try:
        context = current_context()
        if context is not NO_CONTEXT:
            said = UsageContext(client_id=client_id, conversation_id=conversation_id, phone=phone, tags=tags)
            context = within(context, said)
            client_id, conversation_id, phone = context.client_id, context.conversation_id, context.phone
            tags = context.tags
        prices = tracker.prices
        call = make_call(
            prices,
            client_id,
            source,
            model,
            conversation_id=conversation_id,
            phone=phone,
            usage=usage,
            duration_seconds=duration_seconds,
            tokens_estimated=tokens_estimated,
            cost_usd=cost_usd,
            id=id,
            created_at=created_at,
            service_tier=service_tier,
            operation=operation,
            outcome=outcome,
            latency_ms=latency_ms,
            time_to_first_token_ms=time_to_first_token_ms,
            operation_id=operation_id,
            attempt=attempt,
            response_id=response_id,
            account=account,
            stated_cost_usd=stated_cost_usd,
            plan=plan,
            tags=tags,
            metadata=metadata,
        )
    except Exception as error:
        _refuse(tracker, error)
        return None
    return _kept(tracker, call, prices.revision)


def log_span_call(arguments: Mapping[str, Any]) -> UUID | None:
    """Logs a call by arguments of log_usage(), whatever usage_context() is around it: that of a span."""
    tracker = process.current or process.begin()
    try:
        prices = tracker.prices
        call = make_call(prices, **arguments)
    except Exception as error:
        _refuse(tracker, error)
        return None
    return _kept(tracker, call, prices.revision)


def _refuse(tracker: Tracker, error: Exception) -> None:
    tracker.reject(error)
    if tracker.settings.strict:
        raise error


def _kept(tracker: Tracker, call: Call, price_revision: str) -> UUID:
    while not tracker.append(call.line, price_revision=price_revision, is_unpriced=call.is_unpriced):
        # Another thread closed it in the meantime.
        tracker = process.begin()
    return call.id


def configure(
    *,
    database_url: str | None = None,
    directory: Path | None = None,
    spool_max_calls: int | None = None,
    synchronous: bool | None = None,
    strict: bool | None = None,
) -> None:
    """Replaces this process's tracker; needed only where the environment is not the place for settings.

    What is left out comes from the environment: DATABASE_URL, USAGE_DATA_DIR (the spool is in its `spool`),
    USAGE_SPOOL_MAX_CALLS, USAGE_SYNCHRONOUS, USAGE_STRICT.

    Raises:
        ConfigurationError: a setting cannot be used.
    """
    settings = config.tracker_settings(
        database_url=database_url,
        directory=directory,
        spool_max_calls=spool_max_calls,
        synchronous=synchronous,
        strict=strict,
    )
    process.replace(settings)


def flush(timeout_seconds: float = 10.0) -> bool:
    """Waits until all that was logged before is in PostgreSQL; False if that takes longer than this."""
    return process.begin().flush(timeout_seconds)


def stats() -> TrackerStats:
    """What the tracker of this process did, and what is waiting."""
    return process.begin().stats()


def current_stats() -> TrackerStats | None:
    """stats(), or None in a process without a tracker: unlike stats() it begins none."""
    return None if process.current is None else process.current.stats()


def close(timeout_seconds: float = EXIT_SECONDS) -> None:
    """Ships what is waiting, for at most this long, and ends the tracker; the next call starts a new one.

    Runs by itself when the application ends.
    """
    process.end(timeout_seconds)
