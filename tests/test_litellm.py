"""LiteLLM's doors: the callback in the process, and generic_api, which posts what a callback gets."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

import analytics
from analytics.access.keys import create_key
from analytics.database import Database
from tests.api import bearer, logged, open_api, serving
from tests.connect_lines import lines, variables
from tests.llm_server import LLMServer

QUESTION: Any = [{"role": "user", "content": "Is the invoice paid?"}]
COLUMNS = """
    *,
    (select tags from tag_sets where id = tag_set_id) as tags,
    (select name from conversations where id = conversation_id) as chat
"""
RECORDED = Path(__file__).parent / "recorded_litellm" / "proxy.json"

# What pydantic says of LiteLLM's code. LiteLLM silences it as it is imported, which in a whole run an earlier
# test has done.
pytestmark = pytest.mark.filterwarnings("ignore::Warning:(litellm|pydantic)")


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    yield litellm
    litellm.callbacks = []


@pytest.fixture(autouse=True)
def tracker(database: Database, tmp_path: Path) -> Iterator[None]:
    url = database.url.render_as_string(hide_password=False)
    analytics.configure(database_url=url, directory=tmp_path, strict=True)
    yield
    analytics.close()


def test_calls_of_litellm_are_logged_once_through_both_doors(
    database: Database, acme: UUID, litellm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from litellm.integrations.generic_api.generic_api_callback import GenericAPILogger

    payloads: list[Any] = []
    names: dict[str, Any] = {}
    exec(lines("LiteLLM", "python"), names)
    [logger] = litellm.callbacks
    key = create_key(database, str(acme), "write", "gateway")

    async def calls(server: LLMServer, address: str) -> None:
        for name, value in variables("LiteLLM", address, key).items():
            monkeypatch.setenv(name, value)
        proxy = GenericAPILogger(flush_interval=3600)
        litellm.callbacks = [logger, proxy]
        asked = {"api_base": server.openai_url, "api_key": "test", "messages": QUESTION, "num_retries": 0}
        for number in range(95):
            with analytics.usage_context(client_id=acme, conversation_id=f"chat {number % 5}"):
                await litellm.acompletion(
                    model="openai/gpt-4", metadata={"tags": ["feature:search"]}, **asked
                )
        with analytics.usage_context(client_id=acme, conversation_id="chat 0"):
            stream = await litellm.acompletion(
                model="openai/gpt-4", stream=True, stream_options={"include_usage": True}, **asked
            )
            async for _ in stream:
                pass
            server.answer_next(status=429)
            with pytest.raises(litellm.RateLimitError):
                await litellm.acompletion(model="openai/gpt-4", max_retries=0, **asked)
            server.answer_next(status=429)
            await litellm.acompletion(model="openai/gpt-4", **asked | {"num_retries": 1, "max_retries": 0})
            server.answer_next(is_cut=True)
            with pytest.raises(litellm.exceptions.MidStreamFallbackError):
                async for _ in await litellm.acompletion(model="openai/gpt-4", stream=True, **asked):
                    pass
            await litellm.aembedding(
                model="openai/text-embedding-3-small",
                input=["a"],
                api_base=server.openai_url,
                api_key="test",
            )
        for _ in range(500):
            if len(proxy.log_queue) == 100:
                break
            await asyncio.sleep(0.01)
        payloads.extend(proxy.log_queue)
        for begin in (0, 50):  # aiohttp warns of bodies of a megabyte
            proxy.log_queue = payloads[begin : begin + 50]
            await proxy.flush_queue()
            assert not proxy.log_queue
        await litellm.close_litellm_async_clients()

    with LLMServer() as server, serving(database) as address:
        asyncio.run(calls(server, address))
        # The tracker's come after those of the proxy, and then the proxy's again, in its other formats.
        assert analytics.flush()
        texts = [json.dumps(payload, default=str) for payload in payloads]
        for body in (
            f"[{','.join(texts)}]",
            "\n".join(texts),
            texts[0],
            json.dumps(json.loads(texts[0]), indent=1),
        ):
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            answer = httpx.post(f"{address}/api/litellm", content=body, headers=headers)
            assert answer.status_code == 200, answer.text
            assert {each["status"] for each in answer.json()["results"]} == {"duplicate"}

    rows = logged(database, COLUMNS)
    assert len(rows) == 100
    assert Counter(row["outcome"] for row in rows) == {"ok": 98, "error": 1, "cut": 1}
    chats = [row for row in rows if row["operation"] == "chat" and row["outcome"] == "ok"]
    assert sum(row["cost_usd"] for row in chats) == 97 * Decimal("0.0093")
    # LiteLLM's own list has the same price.
    assert round(sum(row["stated_cost_usd"] for row in chats), 12) == 97 * Decimal("0.0093")
    assert [row["tags"] for row in chats].count({"feature": "search"}) == 95
    assert len({row["conversation_id"] for row in rows if row["conversation_id"]}) == 5
    # LiteLLM itself tells nothing of an attempt that it repeats in the process.
    [failed] = [row for row in rows if row["outcome"] == "error"]
    assert (failed["total_tokens"], failed["cost_usd"], failed["metadata"]["error"]) == (
        *(0, 0),
        "RateLimitError",
    )
    # What the stream had brought, counted by LiteLLM.
    [cut] = [row for row in rows if row["outcome"] == "cut"]
    assert (cut["cost_basis"], cut["metadata"]["tokens_estimated"]) == ("estimated", True)
    assert 0 < cut["completion_tokens"] < 10


def test_what_the_proxy_sends_is_what_it_was(database: Database, acme: UUID) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))["logs"]
    client, headers = open_api(database), bearer(database, acme, "write")

    for logs, status in ((recorded, "stored"), (recorded[::-1], "duplicate")):
        answer = client.post("/api/litellm", json=logs, headers=headers)
        assert {each["status"] for each in answer.json()["results"]} == {status}, answer.text

    rows = logged(database, COLUMNS)
    facts = ("operation", "outcome", "prompt_tokens", "cached_tokens")
    assert [tuple(row[fact] for fact in facts) for row in rows] == [
        *[("chat", "ok", 150, 0)] * 3,
        ("embeddings", "ok", 8, None),
        ("chat", "ok", 150, 100),
        ("chat", "ok", 1200, 1000),
        # The proxy's second attempt has the same id of LiteLLM's.
        ("chat", "error", 0, None),
        ("chat", "ok", 150, 0),
        ("chat", "cut", 9, 0),
        ("chat", "cut", 150, 0),
    ]
    assert rows[6]["operation_id"] == rows[7]["operation_id"]
    assert [row["cost_basis"] for row in rows] == ["priced"] * 8 + ["estimated", "priced"]
    assert (rows[0]["chat"], rows[0]["tags"]["feature"]) == ("chat 0", "search")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            {},
            "a log of LiteLLM must be an object with call_type and litellm_call_id (StandardLoggingPayload)",
        ),
        ([7, "text"], "a log of LiteLLM must be an object"),
        (
            {
                "call_type": "acompletion",
                "startTime": 1e300,
                "metadata": 7,
                "request_tags": {},
                "response": "x",
            },
            "usage",
        ),
    ],
)
def test_what_is_no_log_of_litellm_is_refused_in_words(
    database: Database, acme: UUID, body: Any, reason: str
) -> None:
    answer = open_api(database).post("/api/litellm", json=body, headers=bearer(database, acme, "write"))

    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert logged(database) == []


def test_hostile_values_of_a_log_break_nothing(database: Database, acme: UUID) -> None:
    body = {
        "call_type": "acompletion",
        "litellm_call_id": "c1",
        "id": "x" * 300,
        "model": "openai/gpt-4",
        "custom_llm_provider": "openai",
        "prompt_tokens": 150,
        "completion_tokens": 80,
        "total_tokens": 230,
        "startTime": 1e300,
        "endTime": "noon",
        "response_cost": -1,
        "session_id": "\x00",
        "end_user": "5511999999999",
        "request_tags": ["feature:search", 7, None, "x" * 999],
        "metadata": {"attempted_retries": -3},
        "cache_hit": "maybe",
    }
    client, headers = open_api(database), bearer(database, acme, "write")

    for status in ("stored", "duplicate"):
        answer = client.post("/api/litellm", json=body, headers=headers)
        assert answer.json()["results"][0]["status"] == status, answer.text

    [row] = logged(database, COLUMNS)
    assert (row["total_tokens"], row["cost_usd"], row["phone"]) == (230, Decimal("0.0093"), "5511999999999")
    assert row["tags"] == {"feature": "search"}
