"""The trace processor of OpenAI's Agents SDK, with the real package against the local provider."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import openai
import pytest

import analytics
from analytics.database import Database
from tests.api import logged
from tests.documents import blocks, document
from tests.llm_server import LLMServer


def test_calls_of_agents_are_logged_once_each(database: Database, acme: UUID, tmp_path: Path) -> None:
    import agents

    url = database.url.render_as_string(hide_password=False)
    analytics.configure(database_url=url, directory=tmp_path, strict=True)
    [lines] = [block for block in blocks(document("connect"), "python") if "UsageProcessor" in block]
    names: dict[str, Any] = {}
    agents.set_trace_processors([])
    exec(lines, names)

    async def runs(server: LLMServer) -> None:
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="test", max_retries=0) as client:
            models = (
                agents.OpenAIResponsesModel("gpt-4", client),
                agents.OpenAIChatCompletionsModel("gpt-4", client),
            )
            for model in models:
                agent: Any = agents.Agent(name="clerk", model=model)
                config = agents.RunConfig(group_id="invoice 17")
                for _ in range(50):
                    await agents.Runner.run(agent, "Is it paid?", run_config=config)
            server.answer_next(status=429)
            with pytest.raises(openai.RateLimitError):
                await agents.Runner.run(agent, "Is it paid?", run_config=config)

    try:
        with LLMServer() as server, analytics.usage_context(client_id=acme, tags={"feature": "search"}):
            asyncio.run(runs(server))
        assert analytics.flush()
    finally:
        agents.set_trace_processors([])
        analytics.close()

    rows = logged(database)
    assert [row["outcome"] for row in rows].count("error") == 1
    answered = [row for row in rows if row["outcome"] != "error"]
    assert len(answered) == 100
    assert sum(row["cost_usd"] for row in answered) == Decimal("0.93")
    assert all(row["conversation_id"] and row["tag_set_id"] for row in rows)
