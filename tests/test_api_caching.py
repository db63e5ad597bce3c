"""What GET /api/analytics costs the database, and what it says of its age, and without a database."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO
from uuid import UUID

import httpx
import pytest
from sqlalchemy import event

from analytics.api import Service, create_api
from analytics.database import Database
from tests import factories
from tests.api import MANY_REQUESTS, bearer, open_api
from tests.connections import dsn
from tests.tcp_proxy import TcpProxy


@pytest.fixture
def proxy(database: Database) -> Iterator[TcpProxy]:
    with TcpProxy(database.url) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: TcpProxy) -> Iterator[Database]:
    """The database through the proxy, already connected."""
    far = Database(proxy.url)
    with far.transaction():
        pass
    yield far
    far.close()


class Waits:
    """How often a database is waited for, by libpq's own trace of what is said.

    That is after each Sync and each simple query. (The proxy counts one more where the server begins to
    answer before a long pipeline is sent.)
    """

    def __init__(self, database: Database, trace: IO[bytes]) -> None:
        self._path = Path(trace.name)
        event.listen(database.engine, "connect", lambda new, _: new.pgconn.trace(trace.fileno()))

    def count(self) -> int:
        lines = [line.split("\t") for line in self._path.read_text().splitlines()]
        return sum(line[1:2] == ["F"] and line[3] in ("Sync", "Query") for line in lines)


@pytest.fixture
def waits(database: Database, tmp_path: Path) -> Iterator[tuple[Database, Waits]]:
    """The database over connections of its own, and how often it is waited for."""
    with (tmp_path / "trace").open("wb") as trace:
        watched = Database(database.url)
        yield watched, Waits(watched, trace)
        watched.close()


@pytest.mark.parametrize("kind", ["all", "conversation"])
def test_an_answer_is_one_round_trip_and_the_same_again_none(
    database: Database, acme: UUID, waits: tuple[Database, Waits], kind: str
) -> None:
    watched, trips = waits
    api, headers = open_api(watched), bearer(database, acme)
    parameters = {"type": kind}
    # The key is known after this.
    api.get("/api/analytics", params={"type": "daily", "days": 7}, headers=headers)
    before = trips.count()
    assert before > 0

    first = api.get("/api/analytics", params=parameters, headers=headers)
    assert trips.count() == before + 1

    again = api.get("/api/analytics", params=parameters, headers=headers)
    assert trips.count() == before + 1
    assert again.content == first.content
    assert again.headers["ETag"] == first.headers["ETag"]


def test_many_at_once_ask_once(database: Database, acme: UUID, waits: tuple[Database, Waits]) -> None:
    watched, trips = waits
    headers = bearer(database, acme)
    with watched.transaction():
        pass
    before = trips.count()

    async def ask_at_once() -> list[httpx.Response]:
        api = create_api(Service(lambda: watched), requests_per_minute=MANY_REQUESTS)
        transport = httpx.ASGITransport(api)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*[client.get("/api/analytics", headers=headers) for _ in range(50)])

    answers = asyncio.run(ask_at_once())

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    # One for the numbers; begin, select, update and commit for the key.
    assert trips.count() - before == 1 + 4


def test_headers_say_how_long_and_for_whom(database: Database, acme: UUID) -> None:
    response = open_api(database).get("/api/analytics", headers=bearer(database, acme))

    assert response.headers["Cache-Control"] == "private, max-age=60"
    assert response.headers["Content-Type"] == "application/json"
    assert "Authorization" in response.headers["Vary"]
    assert 0 <= int(response.headers["Age"]) <= 60
    assert response.headers["ETag"].startswith('W/"')


def test_what_has_not_changed_is_not_sent_again(database: Database, acme: UUID) -> None:
    headers = bearer(database, acme)
    first = open_api(database).get("/api/analytics", headers=headers)
    asking = headers | {"If-None-Match": f'"another", {first.headers["ETag"]}'}

    # A server that asks the database anew.
    again = open_api(database).get("/api/analytics", headers=asking)
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == "private, max-age=60"

    factories.insert_usage(database, factories.usage_log(acme))
    asking = headers | {"If-None-Match": first.headers["ETag"]}
    parameters = {"from": "2026-03-18", "to": "2026-03-18"}
    assert open_api(database).get("/api/analytics", params=parameters, headers=asking).status_code == 200


def test_the_database_goes_away(database: Database, acme: UUID, far: Database, proxy: TcpProxy) -> None:
    api, headers = open_api(far), bearer(database, acme)
    parameters = {"from": "2026-03-18", "to": "2026-03-18"}
    kept = api.get("/api/analytics", params=parameters, headers=headers)
    proxy.go_away()

    # What is remembered is still there; what is not, says when there was something.
    assert api.get("/api/analytics", params=parameters, headers=headers).content == kept.content
    response = api.get("/api/analytics", params={"days": 90}, headers=headers)
    assert_gone(response, far)
    first = datetime.fromisoformat(response.json()["last_good_at"])
    assert first.tzinfo is not None

    proxy.come_back()
    assert api.get("/api/analytics", params={"days": 90}, headers=headers).status_code == 200


def test_a_key_that_cannot_be_looked_up(
    database: Database, acme: UUID, far: Database, proxy: TcpProxy
) -> None:
    api, headers = open_api(far), bearer(database, acme)
    unknown = bearer(database, acme)
    proxy.go_away()
    never = api.get("/api/analytics", headers=headers)
    assert_gone(never, far)
    assert never.json()["last_good_at"] is None

    proxy.come_back()
    assert api.get("/api/analytics", headers=headers).status_code == 200
    proxy.go_away()
    assert_gone(api.get("/api/analytics", headers=unknown), far)
    assert api.get("/api/analytics", headers=unknown).json()["last_good_at"] is not None
    assert_gone(api.post("/api/usage", json={"source": "openai"}, headers=unknown), far)


def test_calls_that_cannot_be_stored(database: Database, acme: UUID, far: Database, proxy: TcpProxy) -> None:
    api, headers = open_api(far), bearer(database, acme, "write")
    # Nothing to store needs no database, but the key does.
    assert api.post("/api/usage", json=[], headers=headers).status_code == 200
    proxy.go_away()
    assert_gone(api.post("/api/usage", json={"source": "openai"}, headers=headers), far)
    assert api.post("/api/usage", json=[], headers=headers).json() == {"results": []}
    assert api.post("/v1/traces", json={}, headers=headers).json() == {}


def test_a_database_without_migrations(empty_database: Database) -> None:
    api = open_api(empty_database)
    # No key is looked up that cannot be one.
    assert api.get("/api/analytics", headers={"Authorization": "Bearer x"}).status_code == 401
    headers = {"Authorization": f"Bearer usage_{UUID(int=1).hex}_secret"}
    assert_gone(api.get("/api/analytics", headers=headers), empty_database)


def test_a_client_is_deleted_while_its_key_is_remembered(database: Database, acme: UUID) -> None:
    api, reading, writing = open_api(database), bearer(database, acme), bearer(database, acme, "write")
    api.get("/api/analytics", headers=reading)
    api.post("/api/usage", json=[], headers=writing)
    with database.transaction() as connection:
        connection.execute("delete from clients where id = %s", [acme])

    refused = api.get("/api/analytics", params={"days": 7}, headers=reading)
    assert (refused.status_code, refused.json()) == (400, {"error": f"no client has the id {acme}"})
    refused = api.post("/api/usage", json={"source": "openai"}, headers=writing)
    assert refused.status_code == 400
    assert refused.json()["results"] == [{"status": "rejected", "reason": f"no client has the id {acme}"}]


def assert_gone(response: httpx.Response, database: Database) -> None:
    """503 that says when to come back, and nothing of the database."""
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    answer = response.json()
    assert set(answer) == {"error", "last_good_at"}
    assert answer["error"] == "the database does not answer: try again in 10 seconds"
    # A moment has so many digits that the port's may be among them.
    last_good_at = answer.pop("last_good_at")
    assert last_good_at is None or datetime.fromisoformat(last_good_at)
    for secret in (str(database.url.port), str(database.url.database), dsn(database.url), "127.0.0.1"):
        assert secret not in str(answer)
