"""Tracking: how long the application waits for a log_*(), and how fast calls come to be rows.

**A call** is timed one by one, beside a manual generation of Langfuse and a span of OpenTelemetry with the
GenAI attributes, both with the batching and the exporter that their users get. Both are told what ours is
told: client, conversation, phone, model and tokens, the cached ones included; neither looks up a price. A
bare span, of model and tokens alone, is the least that anybody would record. Calls come in bursts of 10,
with pauses of 10 milliseconds. Some 700 a second are more than most applications make, and few enough that
what ships in the background works between and during them, as it does in an application. Flat out a block
would be over before anything is shipped. The ways take turns, block by block; each ends its block by
sending what is left, which is not timed. Theirs goes to a process that keeps the bodies and answers 200,
ours to PostgreSQL on the same machine, triggers on. At the end all calls must have arrived: nobody is timed
while dropping.

**Shipping** is timed from a spool that holds the calls until the last of them is committed, beside COPY of
calls that were logged alike, from memory, in batches of the same size. What COPY leaves out the shipper does:
it reads the spool, passes over what is stored already, and stores the conversations, one for every ten calls.
"""

import gzip
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from itertools import count, islice
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from statistics import median, quantiles
from urllib.request import urlopen
from uuid import UUID

import psycopg
from langfuse import Langfuse
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Tracer

from analytics import config, tracking
from analytics.database import Database
from analytics.tracking.opentelemetry import UsageSpanProcessor
from analytics.tracking.shipping import BATCH_CALLS
from analytics.tracking.spans import CLIENT_ATTRIBUTE, PHONE_ATTRIBUTE
from analytics.tracking.spool import Spool
from analytics.tracking.tracker import LINGER_SECONDS

BLOCKS = 5
CALLS_PER_BLOCK = 1_000
BURST_CALLS = 10
PAUSE_SECONDS = 0.01
SHIPPED_PER_BLOCK = 40_000
CALLS_PER_CONVERSATION = 10
FLUSH_SECONDS = 60.0

LOGGING_CLIENT = UUID("00000000-0000-4000-8000-000000000002")
CLIENT_TEXT = str(LOGGING_CLIENT)
SPANS_CLIENT = UUID("00000000-0000-4000-8000-000000000003")
SHIPPING_CLIENT = UUID("00000000-0000-4000-8000-000000000004")
MODEL = "gpt-4o-mini"

# Takes a line of the spool without its last field, the conversation's name.
COPY = """
copy usage_logs (
    id, created_at, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis, metadata, source,
    model, client_id, conversation_id, phone
) from stdin
"""


@dataclass(frozen=True, kw_only=True)
class CallTime:
    """What one way to log adds to a call, in microseconds: the medians of its blocks' percentiles."""

    name: str
    p50: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class ShippingRates:
    """Median rows per second."""

    shipped: float
    """From the spool."""
    end_to_end: float
    """From the first log_*() of one thread to the last commit."""
    copied: float
    """By COPY with the triggers."""
    copied_without_triggers: float


@dataclass(frozen=True, kw_only=True)
class _Call:
    response: ChatCompletion
    conversation: str
    phone: str


@dataclass(frozen=True, kw_only=True)
class _Way:
    """One way to log a call. `arrived` counts what came of its calls at the other end."""

    name: str
    log: Callable[[_Call], object]
    send_rest: Callable[[], object]
    arrived: Callable[[], int]


def measure_calls(
    database: Database, connection: psycopg.Connection, directory: Path, blocks: int = BLOCKS
) -> list[CallTime]:
    """Times single calls; the tracker's go through a spool in the directory into a migrated database."""
    calls = _calls("timed")
    with _tracker(database, directory), _collector() as collector_url, ExitStack() as stack:
        ways = _our_ways(connection, stack) + _their_ways(collector_url, stack)
        percentiles: dict[str, list[tuple[float, float]]] = {way.name: [] for way in ways}
        for block in range(blocks + 1):  # the first one only warms up
            for way in ways:
                found = _time_block(way, list(islice(calls, CALLS_PER_BLOCK)))
                if block:
                    percentiles[way.name].append(found)
        for way in ways:
            _require_all(way.name, way.arrived(), of=(blocks + 1) * CALLS_PER_BLOCK)
    return [
        CallTime(name=name, p50=median(p50 for p50, _ in found), p99=median(p99 for _, p99 in found))
        for name, found in percentiles.items()
    ]


def _time_block(way: _Way, calls: Sequence[_Call]) -> tuple[float, float]:
    """The 50th and the 99th percentile."""
    microseconds = []
    for number, call in enumerate(calls):
        if number % BURST_CALLS == 0:
            time.sleep(PAUSE_SECONDS)
        start = time.perf_counter_ns()
        way.log(call)
        microseconds.append((time.perf_counter_ns() - start) / 1000)
    way.send_rest()
    percentiles = quantiles(microseconds, n=100)
    return percentiles[49], percentiles[98]


def _our_ways(connection: psycopg.Connection, stack: ExitStack) -> list[_Way]:
    for client_id in (LOGGING_CLIENT, SPANS_CLIENT):
        _create_client(connection, client_id)
    provider = TracerProvider()
    stack.callback(provider.shutdown)
    provider.add_span_processor(UsageSpanProcessor())
    tracer = provider.get_tracer("bench")

    def log_span(call: _Call) -> None:
        with tracking.usage_context(
            client_id=SPANS_CLIENT, conversation_id=call.conversation, phone=call.phone
        ):
            _make_span(tracer, call)

    return [
        _Way(
            name="`log_openai_usage()`",
            log=lambda call: _log(LOGGING_CLIENT, call),
            send_rest=_flush,
            arrived=lambda: _rows(connection, LOGGING_CLIENT),
        ),
        _Way(
            name="OpenTelemetry span, `UsageSpanProcessor`",
            log=log_span,
            send_rest=_flush,
            arrived=lambda: _rows(connection, SPANS_CLIENT),
        ),
    ]


def _their_ways(collector_url: str, stack: ExitStack) -> list[_Way]:
    providers = {name: TracerProvider() for name in ("full", "bare")}
    for name, provider in providers.items():
        stack.callback(provider.shutdown)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{collector_url}/{name}")))
    tracers = {name: provider.get_tracer("bench") for name, provider in providers.items()}
    langfuse = Langfuse(
        public_key="bench", secret_key="bench", base_url=collector_url, tracer_provider=TracerProvider()
    )
    stack.callback(langfuse.shutdown)

    def log_generation(call: _Call) -> None:
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
        _Way(
            name=f"OpenTelemetry {version('opentelemetry-sdk')} span, `BatchSpanProcessor`",
            log=lambda call: _make_full_span(tracers["full"], call),
            send_rest=providers["full"].force_flush,
            arrived=lambda: spans("/full"),
        ),
        _Way(
            name="the same, a bare span",
            log=lambda call: _make_span(tracers["bare"], call),
            send_rest=providers["bare"].force_flush,
            arrived=lambda: spans("/bare"),
        ),
        _Way(
            name=f"Langfuse {version('langfuse')} generation",
            log=log_generation,
            send_rest=langfuse.flush,
            arrived=lambda: spans("/api/public/otel/v1/traces"),
        ),
    ]


def _make_span(tracer: Tracer, call: _Call) -> None:
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


def _make_full_span(tracer: Tracer, call: _Call) -> None:
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


@contextmanager
def _collector() -> Iterator[str]:
    """The URL of a receiver of spans, in a process of its own: it takes no interpreter from the caller."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(its,), daemon=True)
    process.start()
    try:
        if not ours.poll(FLUSH_SECONDS):
            raise RuntimeError("the collector of spans does not start")
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _collect(parent: Connection) -> None:
    """Keeps what is posted, and answers GET with the number of spans by path."""
    # Read when asked: the usual receiver is on another machine and takes no time of this one.
    received: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(b"")

        def do_GET(self) -> None:
            counts: Counter[str] = Counter()
            for path, body in received:
                counts[path] += _spans_in(body)
            self._answer(json.dumps(counts).encode())

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        parent.send(server.server_address[1])
        server.serve_forever()


def _spans_in(body: bytes) -> int:
    is_compressed = body.startswith(b"\x1f\x8b")
    request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if is_compressed else body)
    return sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)


def measure_shipping(
    database: Database, connection: psycopg.Connection, directory: Path, blocks: int = BLOCKS
) -> ShippingRates:
    """Times blocks of calls, through a spool in the directory into a migrated database."""
    _create_client(connection, SHIPPING_CLIENT)
    calls = _calls("shipped")
    with _tracker(database, directory) as spool:
        shipping = _Shipping(database=database, connection=connection, spool=spool)
        arms = {
            "shipped": shipping.ship,
            "copied": shipping.copy,
            "end_to_end": shipping.log_and_ship,
            "copied_without_triggers": shipping.copy_without_triggers,
        }
        rates: dict[str, list[float]] = {name: [] for name in arms}
        for block in range(blocks + 1):  # the first one only warms up
            for name, seconds_for in arms.items():
                rate = SHIPPED_PER_BLOCK / seconds_for(list(islice(calls, SHIPPED_PER_BLOCK)))
                if block:
                    rates[name].append(rate)
    stored = _rows(connection, SHIPPING_CLIENT)
    _require_all("shipping", stored, of=len(arms) * (blocks + 1) * SHIPPED_PER_BLOCK)
    return ShippingRates(**{name: median(found) for name, found in rates.items()})


@dataclass(frozen=True, kw_only=True)
class _Shipping:
    """Ways of a block of calls into the table; each returns its seconds."""

    database: Database
    connection: psycopg.Connection
    spool: Spool

    def ship(self, calls: Sequence[_Call]) -> float:
        with self._nobody_ships():
            for call in calls:
                _log(SHIPPING_CLIENT, call)
            self._rest()
        start = time.perf_counter()
        _flush()
        return time.perf_counter() - start

    def log_and_ship(self, calls: Sequence[_Call]) -> float:
        self._rest()
        start = time.perf_counter()
        for call in calls:
            _log(SHIPPING_CLIENT, call)
        _flush()
        return time.perf_counter() - start

    def copy(self, calls: Sequence[_Call]) -> float:
        payloads = self._payloads(calls)
        self._rest()
        start = time.perf_counter()
        for payload in payloads:
            with self.connection.cursor().copy(COPY) as copy:
                copy.write(payload)
        return time.perf_counter() - start

    def copy_without_triggers(self, calls: Sequence[_Call]) -> float:
        self.connection.execute("alter table usage_logs disable trigger user")
        try:
            return self.copy(calls)
        finally:
            self.connection.execute("alter table usage_logs enable trigger user")

    def _payloads(self, calls: Sequence[_Call]) -> list[bytes]:
        """The calls as the tracker logs them, taken from its spool."""
        with self._nobody_ships():
            for call in calls:
                _log(SHIPPING_CLIENT, call)
            spooled = self.spool.read(len(calls))
            self.spool.mark_shipped(spooled[-1].number)
        rows = ["\t".join(call.line.split("\t")[:-1]) for call in spooled]
        return [
            "".join(f"{row}\n" for row in rows[start : start + BATCH_CALLS]).encode()
            for start in range(0, len(rows), BATCH_CALLS)
        ]

    @contextmanager
    def _nobody_ships(self) -> Iterator[None]:
        """Keeps the tracker's own thread from it, as a shipper in another process would."""
        while True:
            with self.spool.only_shipper() as is_chosen:
                if is_chosen:
                    yield
                    return
            time.sleep(LINGER_SECONDS)

    def _rest(self) -> None:
        """Everything folded, the disk and the shipper's thread idle."""
        time.sleep(2 * LINGER_SECONDS)
        self.database.fold()
        self.connection.execute("vacuum usage_pending")
        self.connection.execute("checkpoint")


@contextmanager
def _tracker(database: Database, directory: Path) -> Iterator[Spool]:
    """Has log_*() bring calls to the database, through this spool."""
    tracking.configure(
        database_url=database.url.set(drivername="postgresql").render_as_string(hide_password=False),
        directory=directory,
        spool_max_calls=config.SPOOL_MAX_CALLS,
        synchronous=False,
        strict=True,
    )
    try:
        path = tracking.stats().spool_path
        assert path is not None
        with closing(Spool(path, max_calls=config.SPOOL_MAX_CALLS)) as spool:
            yield spool
    finally:
        tracking.close()


def _calls(name: str) -> Iterator[_Call]:
    """Calls without end, of conversations that are new by the name."""
    chance = Random(name)
    responses = [_response(chance) for _ in range(CALLS_PER_BLOCK)]
    for number in count():
        conversation = number // CALLS_PER_CONVERSATION
        yield _Call(
            response=responses[number % len(responses)],
            conversation=f"{name} {conversation}",
            phone=f"55119{conversation:08}",
        )


def _response(chance: Random) -> ChatCompletion:
    """As OpenAI's package makes it of an answer."""
    prompt, completion = chance.randrange(50, 4000), chance.randrange(10, 900)
    return ChatCompletion.construct(
        id="chatcmpl-bench",
        created=1_790_000_000,
        object="chat.completion",
        model=f"{MODEL}-2024-07-18",
        choices=[],
        usage={
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            # OpenAI caches prompts from 1,024 tokens on, by 128.
            "prompt_tokens_details": {"cached_tokens": prompt // 1024 * 1024, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    )


def _log(client_id: UUID, call: _Call) -> None:
    tracking.log_openai_usage(
        client_id, call.conversation, call.phone, call.response.model, call.response.usage
    )


def _flush() -> None:
    if not tracking.flush(FLUSH_SECONDS):
        raise RuntimeError(f"calls are not shipped: {tracking.stats().last_error}")


def _create_client(connection: psycopg.Connection, client_id: UUID) -> None:
    connection.execute("insert into clients (id, name) values (%s, %s)", [client_id, f"Client {client_id}"])


def _rows(connection: psycopg.Connection, client_id: UUID) -> int:
    row = connection.execute("select count(*) from usage_logs where client_id = %s", [client_id]).fetchone()
    assert row is not None
    return int(row[0])


def _require_all(name: str, arrived: int, *, of: int) -> None:
    if arrived != of:
        raise RuntimeError(f"{name}: {arrived:,} of {of:,} calls arrived, so their times mean nothing")
