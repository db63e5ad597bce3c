"""The ways to log a call that bench.calls times: ours, Langfuse's and OpenTelemetry's."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from urllib.request import urlopen
from uuid import UUID

import psycopg
from langfuse import Langfuse
from openai.types import CompletionUsage
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

from analytics import tracking
from analytics.tracking.opentelemetry import UsageSpanProcessor
from analytics.tracking.spans import CLIENT_ATTRIBUTE, PHONE_ATTRIBUTE
from bench.tracked import MODEL, Call, count_rows, create_client, flush, log_call

LOGGING_CLIENT = UUID("00000000-0000-4000-8000-000000000002")
CLIENT_TEXT = str(LOGGING_CLIENT)
SPANS_CLIENT = UUID("00000000-0000-4000-8000-000000000003")


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to log a call. `arrived` counts what came of its calls at the other end."""

    name: str
    log: Callable[[Call], object]
    send_rest: Callable[[], object]
    arrived: Callable[[], int]


def our_ways(connection: psycopg.Connection, stack: ExitStack) -> list[Way]:
    for client_id in (LOGGING_CLIENT, SPANS_CLIENT):
        create_client(connection, client_id)
    provider = TracerProvider()
    stack.callback(provider.shutdown)
    provider.add_span_processor(UsageSpanProcessor())
    tracer = provider.get_tracer("bench")

    def log_span(call: Call) -> None:
        with tracking.usage_context(
            client_id=SPANS_CLIENT, conversation_id=call.conversation, phone=call.phone
        ):
            _make_span(tracer, call)

    return [
        Way(
            name="**`log_openai_usage()`**",
            log=lambda call: log_call(LOGGING_CLIENT, call),
            send_rest=flush,
            arrived=lambda: count_rows(connection, LOGGING_CLIENT),
        ),
        Way(
            name="OpenTelemetry span with `UsageSpanProcessor`",
            log=log_span,
            send_rest=flush,
            arrived=lambda: count_rows(connection, SPANS_CLIENT),
        ),
    ]


def their_ways(collector_url: str, stack: ExitStack) -> list[Way]:
    providers = {name: TracerProvider() for name in ("full", "bare")}
    for name, provider in providers.items():
        stack.callback(provider.shutdown)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{collector_url}/{name}")))
    tracers = {name: provider.get_tracer("bench") for name, provider in providers.items()}
    langfuse = Langfuse(
        public_key="bench", secret_key="bench", base_url=collector_url, tracer_provider=TracerProvider()
    )
    stack.callback(langfuse.shutdown)

    def log_generation(call: Call) -> None:
        usage = call.response.usage
        assert usage is not None
        langfuse.start_observation(
            name="chat",
            as_type="generation",
            model=call.response.model,
            metadata={
                "client_id": CLIENT_TEXT,
                "conversation": call.conversation,
                "phone": call.phone,
            },
            usage_details={
                "input": usage.prompt_tokens,
                "output": usage.completion_tokens,
                "total": usage.total_tokens,
                "cache_read_input_tokens": _cached_tokens(usage),
            },
        ).end()

    def spans(path: str) -> int:
        with urlopen(collector_url) as answer:
            return int(json.load(answer).get(path, 0))

    return [
        Way(
            name=f"OpenTelemetry {version('opentelemetry-sdk')}, a span with a batch processor",
            log=lambda call: _make_full_span(tracers["full"], call),
            send_rest=providers["full"].force_flush,
            arrived=lambda: spans("/full"),
        ),
        Way(
            name="the same, a bare span",
            log=lambda call: _make_span(tracers["bare"], call),
            send_rest=providers["bare"].force_flush,
            arrived=lambda: spans("/bare"),
        ),
        Way(
            name=f"Langfuse {version('langfuse')}, a generation",
            log=log_generation,
            send_rest=langfuse.flush,
            arrived=lambda: spans("/api/public/otel/v1/traces"),
        ),
    ]


def _make_span(tracer: Tracer, call: Call) -> None:
    usage = call.response.usage
    assert usage is not None
    with tracer.start_as_current_span(
        "chat",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": MODEL,
        },
    ) as span:
        # The call would be here.
        span.set_attributes(
            {
                "gen_ai.response.model": call.response.model,
                "gen_ai.usage.input_tokens": usage.prompt_tokens,
                "gen_ai.usage.output_tokens": usage.completion_tokens,
            }
        )


def _make_full_span(tracer: Tracer, call: Call) -> None:
    usage = call.response.usage
    assert usage is not None
    with tracer.start_as_current_span(
        "chat",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": MODEL,
            "gen_ai.conversation.id": call.conversation,
            CLIENT_ATTRIBUTE: CLIENT_TEXT,
            PHONE_ATTRIBUTE: call.phone,
        },
    ) as span:
        # The call would be here.
        span.set_attributes(
            {
                "gen_ai.response.model": call.response.model,
                "gen_ai.usage.input_tokens": usage.prompt_tokens,
                "gen_ai.usage.output_tokens": usage.completion_tokens,
                "gen_ai.usage.cache_read.input_tokens": _cached_tokens(usage),
            }
        )


def _cached_tokens(usage: CompletionUsage) -> int:
    details = usage.prompt_tokens_details
    return (details.cached_tokens or 0) if details is not None else 0
