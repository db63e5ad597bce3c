"""Open pages ask whether there are newer numbers, without a run of their script."""

import copy
import dataclasses
import re
from collections.abc import Hashable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from analytics import news
from analytics.config import PROJECT_DIRECTORY
from analytics.database import Database, Query
from analytics.pricing.price_list import PriceList
from analytics.serving import Ours
from analytics.ui.frame import reads
from analytics.ui.frame.reads import Reading
from tests import factories
from tests.app import open_page
from tests.tcp_proxy import TcpProxy

PAGES = [None, *(f"pages/{path.name}" for path in sorted((PROJECT_DIRECTORY / "pages").glob("*.py")))]

pytestmark = pytest.mark.usefixtures("cold_caches")


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    # Each answer is looked for.
    monkeypatch.setattr(news, "ANSWER_SECONDS", 0)
    with TestClient(Ours(Starlette(), routes=[news.ROUTE])) as client:
        yield client


def count_calls(database: Database, client_id: UUID) -> Reading[int]:
    """A number of a page: how many calls a client has."""

    def load(_: datetime) -> int:
        [rows] = database.read(Query(statement="select count(*) from usage_logs"), client_id=client_id)
        return int(rows.records[0][0])

    return reads.read(database, ("calls", client_id), load, datetime.now(UTC))


def ask(browser: TestClient, reading: Reading[int]) -> bool:
    """Whether there is news of these numbers."""
    answer = browser.get(news.path_for(reading))
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"Updated \d+\N{NO-BREAK SPACE}s ago", answer.json()["text"])
    return bool(answer.json()["is_new"])


def test_there_is_news_when_numbers_are_others(browser: TestClient, database: Database, acme: UUID) -> None:
    shown = count_calls(database, acme)
    assert not ask(browser, shown)

    # Read again, the numbers are the same: no page has to be drawn.
    reads.forget()
    assert not ask(browser, shown)
    newest = shown.renew(datetime.now(UTC))
    assert newest.loaded_at > shown.loaded_at
    assert not news.are_new(newest, shown)

    factories.insert_usage(database, factories.usage_log(acme))
    assert not ask(browser, shown)
    reads.forget()
    assert ask(browser, shown)
    newest = shown.renew(datetime.now(UTC))
    assert news.are_new(newest, shown)
    assert not ask(browser, newest)


def test_there_is_news_when_the_database_goes_away(
    browser: TestClient, database: Database, acme: UUID
) -> None:
    with TcpProxy(database.url) as proxy:
        behind = Database(proxy.url)
        shown = count_calls(behind, acme)
        proxy.go_away()
        reads.forget()
        assert ask(browser, shown)

        failed = count_calls(behind, acme)
        assert failed.failure
        assert failed.value == shown.value
        assert not ask(browser, failed)
        proxy.come_back()
        reads.forget()
        assert ask(browser, failed)
        behind.close()


def test_numbers_that_no_page_shows_have_no_news(browser: TestClient, database: Database, acme: UUID) -> None:
    answer = browser.get(f"{news.PATH}/{'0' * 32}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")

    acme_path, beta_path = (
        news.path_for(count_calls(database, client)) for client in (acme, factories.client(database, "Beta"))
    )
    assert acme_path != beta_path


def test_no_page_changes_numbers_that_all_visitors_share(
    configured: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    client_id = factories.client(configured)
    for model in ("gpt-4o", "llama-3.1-8b-instant", None):
        row = factories.usage_log(client_id, model=model, created_at=datetime.now(UTC))
        factories.insert_usage(configured, row)
    drawn: dict[Hashable, Any] = {}
    changed: list[Hashable] = []
    read = reads.read

    def watched(*arguments: Any) -> Reading[Any]:
        reading = read(*arguments)
        before = drawn.setdefault(reading.key, copy.deepcopy(reading.value))
        if not are_equal(before, reading.value):
            changed.append(reading.key)
        return reading

    monkeypatch.setattr(reads, "read", watched)
    for path in PAGES:
        for show in ("Tokens", "Cost"):
            page = open_page(path, show=show)
            assert not page.exception
            page.run()
    assert len(drawn) > len(PAGES)
    assert changed == []


def are_equal(one: Any, other: Any) -> bool:
    """Whether two answers of the database are equal, frames and all."""
    if isinstance(one, pd.DataFrame):
        return bool(one.equals(other) and (one.dtypes == other.dtypes).all())
    if dataclasses.is_dataclass(one):
        return all(are_equal(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(are_equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(are_equal(one[key], other[key]) for key in one)
    if isinstance(one, PriceList):
        # It keeps what it has looked up.
        return one.revision == other.revision
    return bool(one == other)
