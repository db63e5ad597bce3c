"""LangChain's callback, with the real packages against the local provider."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import openai
import pytest
from langchain_openai import ChatOpenAI

import analytics
from analytics.database import Database
from analytics.integrations.langchain import UsageCallback
from tests.api import logged
from tests.llm_server import LLMServer


@pytest.fixture(autouse=True)
def tracker(database: Database, tmp_path: Path) -> Iterator[None]:
    url = database.url.render_as_string(hide_password=False)
    analytics.configure(database_url=url, directory=tmp_path, strict=True)
    yield
    analytics.close()


def test_each_kind_of_call_of_langchain_is_logged(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LLMServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        model = ChatOpenAI(model="gpt-4", max_retries=0)
        config: Any = {"callbacks": [UsageCallback()], "metadata": {"thread_id": "thread 1"}}
        with analytics.usage_context(client_id=acme, tags={"feature": "search"}):
            for _ in range(7):
                message = model.invoke("Is it paid?", config=config)
            # Told of again, by hand: the response has the same id.
            analytics.log_openai_usage(None, "thread 1", None, "gpt-4", message)
            assert list(model.stream("Is it paid?", config=config, stream_usage=True))
            asyncio.run(model.ainvoke("Is it paid?", config=config))
            server.answer_next(status=429)
            with pytest.raises(openai.RateLimitError):
                model.bind().with_config(config).invoke("Is it paid?")

    assert analytics.flush()
    rows = logged(database, "*, (select tags from tag_sets where id = tag_set_id) as tags")
    assert len(rows) == 10
    [failed] = [row for row in rows if row["outcome"] == "error"]
    assert (failed["total_tokens"], failed["cost_usd"]) == (0, 0)
    answered = [row for row in rows if row is not failed]
    assert {(row["source"], row["operation"], row["total_tokens"]) for row in answered} == {
        ("openai", "chat", 230)
    }
    assert sum(row["cost_usd"] for row in answered) == 9 * Decimal("0.0093")
    assert all(row["conversation_id"] for row in rows)
    assert [row["tags"] for row in rows].count({"feature": "search"}) == 10
