"""Frameworks tell of each call once, whichever doors they use and however often: the real packages."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import openai
import pytest
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import analytics
from analytics.access.keys import create_key
from analytics.database import Database
from tests.api import logged, serving
from tests.llm_server import LLMServer

pytestmark = pytest.mark.usefixtures("tracker")

PRICE = Decimal("0.0093")
QUESTION: Any = [{"role": "user", "content": "Is the invoice paid?"}]
CACHED = {
    "prompt_tokens": 1200,
    "completion_tokens": 300,
    "total_tokens": 1500,
    "prompt_tokens_details": {"cached_tokens": 1000},
    "completion_tokens_details": {"reasoning_tokens": 200},
}
COLUMNS = """
    *,
    (select tags from tag_sets where id = tag_set_id) as tags,
    (select name from conversations where id = conversation_id) as chat
"""


@pytest.fixture
def provider() -> Iterator[LLMServer]:
    with LLMServer() as provider:
        yield provider


@pytest.fixture
def sent(database: Database, acme: UUID) -> Iterator["Twice"]:
    """What exports spans to the running API, each of them twice."""
    with serving(database) as address:
        key = create_key(database, str(acme), "write", "doors")
        headers = {"Authorization": f"Bearer {key}"}
        yield Twice(OTLPSpanExporter(f"{address}/v1/traces", headers=headers))


class Twice(SpanExporter):
    """An exporter whose answers get lost."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Any) -> SpanExportResult:
        self._exporter.export(spans)
        return self._exporter.export(spans)

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


@contextmanager
def instrumented(exporter: SpanExporter) -> Iterator[TracerProvider]:
    """A tracer provider to which OpenInference's instrumentor of OpenAI writes, as another door."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    try:
        yield provider
    finally:
        OpenAIInstrumentor().uninstrument()
        provider.shutdown()


def rows_of(database: Database) -> list[dict[str, Any]]:
    assert analytics.flush(30)
    return logged(database, COLUMNS)


def check(rows: list[dict[str, Any]], **outcomes: int) -> None:
    """Each row that was answered has the usual tokens and price, but for one with cached ones."""
    assert Counter(row["outcome"] for row in rows) == outcomes
    answered = [row for row in rows if row["outcome"] == "ok"]
    usual = [row for row in answered if row["total_tokens"] == 230]
    [cached] = [row for row in answered if row["total_tokens"] != 230]
    assert sum(row["cost_usd"] for row in usual) == PRICE * len(usual)
    assert (cached["prompt_tokens"], cached["completion_tokens"]) == (1200, 300)
    assert (cached["cached_tokens"], cached["reasoning_tokens"]) == (1000, 200)
    assert {(row["source"], row["operation"]) for row in rows} == {("openai", "chat")}


def test_pydantic_ai(database: Database, acme: UUID, provider: LLMServer, sent: Twice) -> None:
    from pydantic_ai import Agent, InstrumentationSettings
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def runs() -> None:
        with instrumented(sent) as tracer:
            async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="test") as client:
                model = OpenAIChatModel("gpt-4", provider=OpenAIProvider(openai_client=client))
                agent = Agent(model)
                agent.instrument = InstrumentationSettings(tracer_provider=tracer)
                for number in range(97):
                    await agent.run("Is it paid?", conversation_id=f"chat {number % 5}")
                async with agent.run_stream("Is it paid?") as stream:
                    assert await stream.get_output()
                # The client asks again by itself, which is one call.
                provider.answer_next(status=429)
                await agent.run("Is it paid?")
                provider.answer_next(usage=CACHED)
                await agent.run("Is it paid?")
                client.max_retries = 0
                provider.answer_next(status=429)
                with pytest.raises(Exception, match="429"):
                    await agent.run("Is it paid?")

    asyncio.run(runs())
    check(rows := rows_of(database), ok=100, error=1)
    assert len({row["chat"] for row in rows}) >= 5


def test_logfire(database: Database, provider: LLMServer, sent: Twice) -> None:
    import logfire
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    of_logfire = logfire.configure(
        local=True,
        send_to_logfire=False,
        console=False,
        inspect_arguments=False,
        additional_span_processors=[BatchSpanProcessor(sent)],
    )

    async def agents() -> None:
        async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="test") as client:
            agent = Agent(OpenAIChatModel("gpt-4", provider=OpenAIProvider(openai_client=client)))
            of_logfire.instrument_pydantic_ai(agent)
            # Two doors for the same calls.
            of_logfire.instrument_openai(client)
            for _ in range(48):
                await agent.run("Is it paid?")

    with openai.OpenAI(base_url=provider.openai_url, api_key="test", max_retries=0) as client:
        of_logfire.instrument_openai(client)
        for _ in range(49):
            client.chat.completions.create(model="gpt-4", messages=QUESTION)
        list(
            client.chat.completions.create(
                model="gpt-4", messages=QUESTION, stream=True, stream_options={"include_usage": True}
            )
        )
        client.responses.create(model="gpt-4", input="Is it paid?")
        provider.answer_next(usage=CACHED)
        client.chat.completions.create(model="gpt-4", messages=QUESTION)
        provider.answer_next(status=429)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="gpt-4", messages=QUESTION)
    asyncio.run(agents())
    of_logfire.shutdown()

    check(rows_of(database), ok=100, error=1)


def test_langgraph(database: Database, acme: UUID, provider: LLMServer, sent: Twice) -> None:
    from langchain_openai import ChatOpenAI
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.graph import START, MessagesState, StateGraph

    from analytics.integrations.langchain import UsageCallback

    model: Any = ChatOpenAI(model="gpt-4", base_url=provider.openai_url, api_key="test", max_retries=0)  # type: ignore[arg-type]
    graph = StateGraph(MessagesState)
    graph.add_node("answer", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_edge(START, "answer")
    agent: Any = graph.compile(checkpointer=InMemorySaver())

    def ask(number: int) -> None:
        config = {"callbacks": [callback], "configurable": {"thread_id": f"thread {number % 5}"}}
        agent.invoke({"messages": [("user", "Is it paid?")]}, config=config)

    callback = UsageCallback()
    with instrumented(sent), analytics.usage_context(client_id=acme, tags={"feature": "search"}):
        for number in range(99):
            ask(number)
        provider.answer_next(usage=CACHED)
        ask(99)
        provider.answer_next(status=429)
        with pytest.raises(openai.RateLimitError):
            ask(100)

    check(rows := rows_of(database), ok=100, error=1)
    assert {row["chat"] for row in rows} == {f"thread {number}" for number in range(5)}
    assert all(row["tags"]["feature"] == "search" for row in rows)


def test_openai_agents(database: Database, acme: UUID, provider: LLMServer, sent: Twice) -> None:
    import agents

    from analytics.integrations.openai_agents import UsageProcessor

    async def runs() -> None:
        async with openai.AsyncOpenAI(base_url=provider.openai_url, api_key="test", max_retries=0) as client:
            models = (
                agents.OpenAIResponsesModel("gpt-4", client),
                agents.OpenAIChatCompletionsModel("gpt-4", client),
            )
            for number in range(100):
                agent: Any = agents.Agent(name="clerk", model=models[number % 2])
                if number == 99:
                    provider.answer_next(usage=CACHED)
                await agents.Runner.run(
                    agent, "Is it paid?", run_config=agents.RunConfig(group_id=f"chat {number % 5}")
                )
            provider.answer_next(status=429)
            with pytest.raises(openai.RateLimitError):
                await agents.Runner.run(agent, "Is it paid?", run_config=agents.RunConfig(group_id="chat 0"))

    agents.set_trace_processors([UsageProcessor()])
    try:
        with instrumented(sent), analytics.usage_context(client_id=acme, tags={"feature": "search"}):
            asyncio.run(runs())
    finally:
        agents.set_trace_processors([])

    check(rows := rows_of(database), ok=100, error=1)
    assert {row["chat"] for row in rows} == {f"chat {number}" for number in range(5)}
    assert all(row["tags"]["feature"] == "search" for row in rows)


def test_wrapped_clients(database: Database, acme: UUID, provider: LLMServer, sent: Twice) -> None:
    with (
        openai.OpenAI(base_url=provider.openai_url, api_key="test", max_retries=0) as plain,
        instrumented(sent),
        analytics.usage_context(client_id=acme, conversation_id="chat 0", tags={"feature": "search"}),
    ):
        client = analytics.wrap(plain)
        for _ in range(97):
            client.chat.completions.create(model="gpt-4", messages=QUESTION)
        list(client.chat.completions.create(model="gpt-4", messages=QUESTION, stream=True))
        provider.answer_next(status=429)
        client.with_options(max_retries=1).chat.completions.create(model="gpt-4", messages=QUESTION)
        provider.answer_next(usage=CACHED)
        client.chat.completions.create(model="gpt-4", messages=QUESTION)
        provider.answer_next(is_cut=True)
        with pytest.raises(openai.APIConnectionError):
            list(client.chat.completions.create(model="gpt-4", messages=QUESTION, stream=True))
        provider.answer_next(status=429)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="gpt-4", messages=QUESTION)

    check(rows := rows_of(database), ok=100, error=1, cut=1)
    assert all((row["chat"], row["tags"]["feature"]) == ("chat 0", "search") for row in rows)
