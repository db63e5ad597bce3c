"""Who may ask what, how often, and what everybody may: keys, scopes, rates, health and metrics."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient

from analytics.access.keys import Scope, create_key, revoke_key
from analytics.database import Database
from tests import factories
from tests.api import bearer, open_api, words_of
from tests.clones import Clones, make_read_only
from tests.tcp_proxy import TcpProxy

PROTECTED = [
    ("GET", "/api/analytics"),
    ("GET", "/api/export"),
    ("POST", "/api/usage"),
    ("POST", "/v1/traces"),
]
OPEN = {"/healthz", "/readyz", "/metrics", "/api/public/health"}
"""What anybody may ask."""
CALL = {"source": "openai", "model": "gpt-4", "cost_usd": 1}


@pytest.fixture
def api(database: Database) -> TestClient:
    return open_api(database)


@pytest.fixture(scope="module")
def asked(clones: Clones, migrated_template: str) -> Iterator[TestClient]:
    """One for all requests that change nothing."""
    with clones.copy(migrated_template) as database:
        make_read_only(database)
        yield open_api(database)


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_without_a_valid_key(database: Database, api: TestClient, acme: UUID, method: str, path: str) -> None:
    key = create_key(database, "Acme", "read", "test")
    for authorization in (
        None, "", "Bearer", "Bearer ", "Bearer x", key, f"Basic {key}", f"Token {key}", f"Bearer {key}x",
        f"Bearer {key[:-1]}", f"Bearer x{key}", f"Bearer {key} {key}", f"Bearer {key.upper()}",
        f"Bearer usage_{uuid4().hex}_{key.rpartition('_')[2]}", f"Bearer usage_{UUID(int=0).hex}_",
        f"Bearer {'x' * 10_000}", "Bearer ' or 1 = 1 --", b"Bearer \xff\xfe", b"Bearer usage_\xed\xa0\x80",
    ):  # fmt: skip
        headers = {} if authorization is None else {"Authorization": authorization}
        response = api.request(method, path, headers=headers)  # type: ignore[arg-type]
        assert response.status_code == 401, authorization
        assert list(response.json()) == ["error"]
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert key[6:] not in response.text


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("write", "GET", "/api/analytics"),
        ("write", "GET", "/api/export"),
        ("read", "POST", "/api/usage"),
        ("read", "POST", "/v1/traces"),
    ],
)
def test_a_key_of_another_scope(
    database: Database, api: TestClient, acme: UUID, scope: Scope, method: str, path: str
) -> None:
    response = api.request(method, path, headers=bearer(database, acme, scope))
    needed = "read" if scope == "write" else "write"
    assert response.status_code == 403
    assert response.json() == {"error": f'this key has scope "{scope}"; scope "{needed}" is required'}


def test_the_name_of_the_scheme_is_in_any_case(database: Database, api: TestClient, acme: UUID) -> None:
    key = create_key(database, "Acme", "read", "test")
    assert api.get("/api/analytics", headers={"Authorization": f"bearer {key}"}).status_code == 200


def test_a_revoked_key(database: Database, api: TestClient, acme: UUID) -> None:
    headers = bearer(database, acme)
    with database.transaction() as connection:
        connection.execute("update api_keys set revoked_at = now()")
    assert api.get("/api/analytics", headers=headers).status_code == 401


def test_a_revoked_key_ends_where_it_was_not_just_used(database: Database, acme: UUID) -> None:
    key = create_key(database, "Acme", "read", "test")
    headers = {"Authorization": f"Bearer {key}"}
    assert open_api(database).get("/api/analytics", headers=headers).status_code == 200
    revoke_key(database, key.split("_")[1])
    # Another server, or this one in a minute.
    assert open_api(database).get("/api/analytics", headers=headers).status_code == 401


def test_the_last_use_is_kept(database: Database, api: TestClient, acme: UUID) -> None:
    headers = bearer(database, acme)
    assert last_use(database) is None
    api.get("/api/analytics", headers=headers)
    assert last_use(database) is not None


def last_use(database: Database) -> datetime | None:
    with database.transaction() as connection:
        [(moment,)] = connection.execute("select last_used_at from api_keys").fetchall()
    found: datetime | None = moment
    return found


def test_a_key_has_a_rate_of_its_own(database: Database, acme: UUID) -> None:
    api = open_api(database, requests_per_minute=3)
    hasty, other = bearer(database, acme), bearer(database, acme)
    # A request that is refused counts as well.
    for path, status in [("/api/analytics", 200), ("/api/analytics?days=0", 400), ("/api/analytics", 200)]:
        assert api.get(path, headers=hasty).status_code == status

    response = api.get("/api/analytics", headers=hasty)
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 120
    assert response.json()["error"].startswith("this key is limited to 3 requests a minute: try again in ")
    assert api.get("/api/analytics", headers=other).status_code == 200
    # Nobody's rate.
    assert api.get("/healthz").status_code == 200


def test_the_rate_is_of_the_environment(
    database: Database, acme: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analytics.api import Service, create_api

    monkeypatch.setenv("USAGE_API_REQUESTS_PER_MINUTE", "1")
    api, headers = TestClient(create_api(Service(lambda: database))), bearer(database, acme)
    assert [api.get("/api/analytics", headers=headers).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/analytics/", 404),
        ("GET", "/v1/traces/x", 404),
        ("GET", f"/{'x' * 5_000}", 404),
        ("GET", "/%00%ff%ed%a0%80", 404),
        ("POST", "/api/analytics", 405),
        ("GET", "/api/usage", 405),
        ("DELETE", "/api/usage", 405),
        ("PUT", "/v1/traces", 405),
        ("POST", "/healthz", 405),
        ("NONSENSE", "/metrics", 405),
    ],
)
@pytest.mark.parametrize("host", ["test", "[", "a b", "127.0.0.1:99999"])
def test_no_such_thing(asked: TestClient, method: str, path: str, status: int, host: str) -> None:
    response = asked.request(method, path, headers={"Host": host}, follow_redirects=False)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert response.json()["error"].endswith("see /api/docs")
    assert len(response.text) < 300


def test_health(database: Database, empty_database: Database) -> None:
    api = open_api(database)
    assert api.get("/healthz").json() == {"status": "ok"}
    assert (api.get("/readyz").status_code, api.get("/readyz").json()) == (200, {"status": "ready"})

    not_migrated = open_api(empty_database)
    assert not_migrated.get("/healthz").status_code == 200
    response = not_migrated.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"error": 'the database is not set up: run "python -m analytics migrate"'}


def test_not_ready_while_the_database_is_away(database: Database) -> None:
    with TcpProxy(database.url) as proxy:
        far = Database(proxy.url)
        api = open_api(far)
        assert api.get("/readyz").status_code == 200
        proxy.go_away()
        assert api.get("/healthz").status_code == 200
        response = api.get("/readyz")
        assert (response.status_code, response.json()) == (503, {"error": "the database does not answer"})
        proxy.come_back()
        assert api.get("/readyz").status_code == 200
        far.close()


def test_metrics_count_and_name_no_client(database: Database, api: TestClient) -> None:
    client_id = factories.client(database, "Initech")
    reader, writer = bearer(database, client_id), bearer(database, client_id, "write")
    for _ in range(2):
        api.get("/api/analytics", headers=reader)
    api.get("/api/analytics")
    record = {"source": "openai", "model": "gpt-very-secret", "phone": "5511987654321", "id": "call 1"}
    api.post("/api/usage", json=[record, record, {}], headers=writer)
    api.get("/api/Initech")
    api.request("INITECH", "/healthz")

    text = api.get("/metrics").text
    for sample in (
        'usage_api_requests_total{method="GET",route="/api/analytics",status="200"} 2.0',
        'usage_api_requests_total{method="GET",route="/api/analytics",status="401"} 1.0',
        'usage_api_requests_total{method="POST",route="/api/usage",status="207"} 1.0',
        'usage_api_requests_total{method="GET",route="unknown",status="404"} 1.0',
        'usage_api_requests_total{method="other",route="/healthz",status="405"} 1.0',
        'usage_api_answers_total{origin="database"} 1.0',
        'usage_api_answers_total{origin="cache"} 1.0',
        'usage_api_calls_total{status="stored"} 1.0',
        'usage_api_calls_total{status="duplicate"} 1.0',
        'usage_api_calls_total{status="rejected"} 1.0',
        'usage_api_request_seconds_count{route="/api/usage"} 1.0',
    ):
        assert sample in text.splitlines()
    keys = [headers["Authorization"].split()[1] for headers in (reader, writer)]
    secrets = ["Initech", "INITECH", "secret", "5511987654321", str(client_id), client_id.hex, "call 1"]
    for secret in [*secrets, *keys, *[key.split("_")[1] for key in keys]]:
        assert secret not in words_of(text)


def test_the_document_of_the_api(api: TestClient) -> None:
    assert api.get("/api/docs").status_code == 200
    document = api.get("/api/openapi.json").json()
    assert set(document["paths"]) == {
        "/api/alerts", "/api/analytics", "/api/budgets", "/api/budgets/check", "/api/export", "/api/usage",
        "/api/litellm", "/api/metrics",
        "/v1/traces", "/v1/metrics", "/v1/logs", "/healthz", "/readyz", "/metrics",
        "/api/public/ingestion", "/api/public/projects", "/api/public/health", "/api/public/otel/v1/traces",
    }  # fmt: skip
    for path in sorted(set(document["paths"]) - OPEN):
        for operation in document["paths"][path].values():
            way = "HTTPBasic" if path.startswith("/api/public/") else "HTTPBearer"
            assert operation["security"] == [{way: []}]
