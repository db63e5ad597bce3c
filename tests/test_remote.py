"""use_analytics(): the numbers over HTTP, kept for a while and when the server is away."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from analytics import use_analytics
from analytics.access.keys import create_key
from analytics.api_client import forget
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database
from analytics.errors import ConfigurationError
from tests import factories, sql_functions
from tests.api import serving
from tests.llm_server import LLMServer


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    yield
    forget()


@pytest.fixture
def key(database: Database, acme: UUID) -> str:
    return create_key(database, str(acme), "read", "test")


def test_the_numbers_are_those_of_the_database_to_the_last_digit(
    database: Database, acme: UUID, key: str
) -> None:
    cost = Decimal("0.00000000012345678901")
    factories.insert_usage(database, factories.usage_log(acme, cost_usd=cost, created_at=datetime.now(UTC)))
    with serving(database) as address:
        usage = use_analytics(days=7, url=address, api_key=key)

    assert usage.error is None
    assert usage.analytics is not None
    assert usage.analytics["summary"]["total_cost"] == cost
    assert usage.analytics["summary"]["total_tokens"] == 230
    assert usage.period is not None
    assert usage.period["days"] == 7
    assert usage.age_seconds is not None
    assert 0 <= usage.age_seconds < 60


def test_days_and_kind_are_those_asked_for(database: Database, acme: UUID, key: str) -> None:
    factories.insert_usage(database, factories.usage_log(acme))
    day = factories.NOW.date()
    with serving(database) as address:
        usage = use_analytics(type="daily", first=day, last=day, url=f"{address}/", api_key=key)

    expected = sql_functions.daily_usage(database, acme, 1, now=factories.NOW)
    assert usage.analytics is not None
    assert list(usage.analytics) == ["daily"]
    assert [row["total_tokens"] for row in usage.analytics["daily"]] == expected["total_tokens"].tolist()
    assert usage.period == {
        "days": 1,
        "from": str(day),
        "to": str(day),
        "month": "2026-03",
        "timezone": "UTC",
    }


def test_filters_and_groups_are_those_asked_for(database: Database, acme: UUID, key: str) -> None:
    for model in ("a,b", "gpt-4", None):
        factories.insert_usage(database, factories.usage_log(acme, model=model))
    day = factories.NOW.date()
    with serving(database) as address:
        one, some, grouped = (
            use_analytics(first=day, last=day, url=address, api_key=key, **asked)  # type: ignore[arg-type]
            for asked in (
                {"filters": {"model": "gpt-4"}},
                {"filters": {"model": ["a,b", None], "provider!": "groq", "hour": [9, 12], "weekday": "wed"}},
                {"group_by": "model", "grain": "day", "order": "requests", "limit": 1},
            )
        )

    assert one.analytics is not None
    assert some.analytics is not None
    assert grouped.analytics is not None
    assert (one.analytics["summary"]["request_count"], some.analytics["summary"]["request_count"]) == (1, 2)
    assert one.filters == [{"name": "model", "values": ["gpt-4"], "excluded": False}]
    assert some.filters is not None
    assert some.filters[:2] == [
        {"name": "hour", "values": ["09", "12"], "excluded": False},
        {"name": "model", "values": [None, "a,b"], "excluded": False},
    ]
    assert [row["request_count"] for row in grouped.analytics["byGroup"]] == [1, 2]
    assert grouped.filters == []


def test_within_the_time_it_answers_from_memory_and_after_it_asks_again(
    database: Database, acme: UUID, key: str
) -> None:
    with serving(database) as address:
        first = use_analytics(url=address, api_key=key)
        assert use_analytics(url=address, api_key=key) is first
        # Nothing has changed: the server says so without sending it again.
        again = use_analytics(url=address, api_key=key, refresh_seconds=0)
    assert again is not first
    assert (again.analytics, again.error) == (first.analytics, None)


def test_the_last_good_answer_stays_while_the_server_is_away(database: Database, key: str) -> None:
    with serving(database) as address:
        good = use_analytics(url=address, api_key=key)

    usage = use_analytics(url=address, api_key=key, refresh_seconds=0)

    assert (usage.analytics, usage.loaded_at) == (good.analytics, good.loaded_at)
    assert usage.error is not None
    assert f"{address} cannot be reached" in usage.error


def test_a_server_that_was_never_there_gives_an_error_and_no_numbers() -> None:
    usage = use_analytics(url="http://127.0.0.1:1", api_key="usage_x")

    assert (usage.analytics, usage.loaded_at, usage.age_seconds) == (None, None, None)
    assert usage.error is not None


def test_a_refusal_is_told_in_the_servers_words(database: Database, key: str) -> None:
    with serving(database) as address:
        refused = use_analytics(url=address, api_key="usage_wrong")
        wrong = use_analytics(days=0, url=address, api_key=key)
        both = use_analytics(days=3, first=date(2026, 3, 1), url=address, api_key=key)

    assert refused.error is not None
    assert "answered 401: a valid API key is required" in refused.error
    assert wrong.error is not None
    assert "answered 400: days must be " in wrong.error
    assert both.error is not None
    assert "from and to go together" in both.error


def test_another_server_is_told_from_ours() -> None:
    with LLMServer() as server:
        usage = use_analytics(url=server.openai_url, api_key="usage_x")

    assert usage.error is not None
    assert "but not like this API: check the address" in usage.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"api_key": "x"}, "url=..., or USAGE_URL"),
        ({"url": "http://127.0.0.1:1"}, "api_key=..., or USAGE_API_KEY"),
    ],
)
def test_what_is_missing_is_named(
    arguments: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USAGE_URL", raising=False)
    monkeypatch.delenv("USAGE_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=message):
        use_analytics(**arguments)  # type: ignore[arg-type]


def test_address_and_key_may_stand_in_the_environment(
    database: Database, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(database) as address:
        monkeypatch.setenv("USAGE_URL", address)
        monkeypatch.setenv("USAGE_API_KEY", key)
        assert use_analytics().error is None


def test_a_script_that_only_reads_loads_no_dashboard_and_no_database() -> None:
    unwanted = "{'streamlit', 'pandas', 'altair', 'sqlalchemy', 'psycopg'}"
    code = f"import sys; from analytics import use_analytics; print({unwanted} & set(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIRECTORY, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "set()"
