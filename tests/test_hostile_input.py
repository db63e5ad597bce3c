"""What might be sent to do harm: it comes out as it went in or is refused in words, and changes nothing."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi.testclient import TestClient

from analytics.database import Database
from tests import factories
from tests.api import bearer, logged, open_api, serving
from tests.app import open_page, text_of

HOSTILE_TEXTS = [
    "'; drop table usage_logs; --",
    "' or '1'='1",
    "1); delete from clients; select (1",
    '"; select pg_sleep(10); --',
    "%s %(client_id)s {0} {client_id} :name $1 $$",
    "\\N",
    "\\.",
    "a\tb\\tc\nd\re\\",
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!a1",
    "\u202ereversed \u0000"[:-1] + "\ufeff\U0010ffff\x7f\x1b[31m",
    "null",
    "{\"a\": [1, 'b'",
]
MEGABYTES_7 = "x" * 7_000_000
REFUSED_TEXTS = ["\0", "a\0b", "\ud800", "a\udfffb", "x" * 201, MEGABYTES_7]
DATES = [
    "-4713-11-24T00:00:00Z", "4713-11-24 00:00:00 BC", "0001-01-01T00:00:00+23:59",
    "1999-12-31T23:59:59.999999Z", "2100-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-23:59",
    "294276-12-31T23:59:59Z", "infinity", "-infinity", "now", "2026-03-18T12:00:00",
    "2026-02-30T12:00:00Z", "", "\0", "1e400", "9" * 10_000,
]  # fmt: skip
NUMBERS = [
    "-1", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1" + "0" * 4_000, "1e13", "true", "[1]", '"x"',
]  # fmt: skip
FACTS_OF_A_RECORD = ["service_tier", "operation", "operation_id", "account", "response_id"]
TEXTS_OF_A_RECORD = ["source", "model", "phone", "conversation_id", "id", *FACTS_OF_A_RECORD]
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def other(database: Database) -> UUID:
    """Another client with a call, to which nothing must happen."""
    client_id = factories.client(database, "Other Ltd")
    factories.insert_usage(database, factories.usage_log(client_id))
    return client_id


@pytest.fixture
def api(database: Database) -> TestClient:
    return open_api(database)


@pytest.fixture
def writer(database: Database, acme: UUID) -> dict[str, str]:
    return bearer(database, acme, "write")


def send(api: TestClient, writer: dict[str, str], body: str) -> Any:
    return api.post("/api/usage", content=body.encode(), headers=writer | JSON)


def objects(database: Database) -> list[tuple[Any, ...]]:
    """All that there is in the schema, and the rows that no request may touch."""
    with database.transaction() as connection:
        return connection.execute(
            "select relname, relkind::text from pg_class where relnamespace = 'public'::regnamespace"
            " union all select proname, 'function' from pg_proc where pronamespace = 'public'::regnamespace"
            " union all select id::text, name from clients"
            " union all select id::text, source from model_prices order by 1, 2"
        ).fetchall()


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_texts_come_out_as_they_went_in(
    database: Database, api: TestClient, acme: UUID, other: UUID, writer: dict[str, str], text: str
) -> None:
    before, reader = objects(database), bearer(database, acme)
    record = {
        "source": text,
        "model": text,
        "phone": text,
        "conversation_id": text,
        "id": text,
        "cost_usd": 1,
    }
    record |= {"metadata": {text: [text]}, "created_at": factories.NOW.isoformat(), "tags": {text: text}}
    record |= dict.fromkeys(FACTS_OF_A_RECORD, text)
    for status in ("stored", "duplicate"):
        [result] = send(api, writer, json.dumps(record)).json()["results"]
        assert result["status"] == status

    [row] = [row for row in logged(database) if row["client_id"] == acme]
    assert (row["source"], row["model"], row["phone"]) == (text.lower(), text, text)
    assert row["metadata"] == {text: [text]}
    # Tiers are in lower case.
    assert {name: row[name] for name in FACTS_OF_A_RECORD} == {
        name: text.lower() if name == "service_tier" else text for name in FACTS_OF_A_RECORD
    }
    with database.transaction() as connection:
        assert connection.execute("select tags from tag_sets").fetchall() == [({text: text},)]
    analytics = api.get(
        "/api/analytics", params={"from": "2026-03-18", "to": "2026-03-18"}, headers=reader
    ).json()["analytics"]
    [conversation] = analytics["byConversation"]
    with database.transaction() as connection:
        masked = connection.execute("select masked_phone(%s), masked_name(%s, %s)", [text] * 3).fetchone()
    assert (conversation["phone"], conversation["conversation_name"]) == masked
    assert [(model["source"], model["model"]) for model in analytics["monthly"]] == [(text.lower(), text)]
    assert {day["source"] for day in analytics["daily"]} == {"openai", "groq", text.lower()}

    assert objects(database) == before
    assert [row["client_id"] for row in logged(database)].count(other) == 1


@pytest.mark.parametrize("field", TEXTS_OF_A_RECORD)
@pytest.mark.parametrize("text", REFUSED_TEXTS, ids=lambda text: f"{text[:3]!a}-{len(text)}")
def test_texts_that_cannot_be_kept(
    database: Database, api: TestClient, writer: dict[str, str], field: str, text: str
) -> None:
    bad = {"source": "openai", "cost_usd": 1, field: text}
    response = send(api, writer, json.dumps([bad, {"source": "openai", "cost_usd": 1}]))
    refused, stored = response.json()["results"]
    assert refused["status"] == "rejected"
    assert refused["reason"].startswith(f"{field} ") or refused["reason"].startswith(f"{field}: ")
    assert len(response.content) < 1_000
    assert stored["status"] == "stored"
    assert len(logged(database)) == 1


@pytest.mark.parametrize("moment", DATES, ids=lambda moment: ascii(moment[:30]))
def test_moments_that_cannot_be(
    database: Database, api: TestClient, writer: dict[str, str], moment: str
) -> None:
    response = send(api, writer, json.dumps({"source": "openai", "cost_usd": 1, "created_at": moment}))
    assert response.status_code == 400
    assert response.json()["results"][0]["reason"].startswith("created_at must be ")
    assert len(response.content) < 1_000
    assert logged(database) == []


@pytest.mark.parametrize(
    "record",
    [
        '{"source": "openai", "cost_usd": N}',
        '{"source": "openai", "cost_usd": "N"}',
        '{"source": "whisper", "duration_seconds": N}',
        '{"source": "openai", "usage": {"prompt_tokens": N}}',
        '{"source": "openai", "usage": {"total_tokens": N}}',
        '{"source": "whisper", "usage": {"seconds": N}}',
    ],
)
def test_numbers_that_cannot_be(
    database: Database, api: TestClient, writer: dict[str, str], record: str
) -> None:
    for number in NUMBERS:
        if '"N"' in record and '"' in number:
            continue
        response = send(api, writer, record.replace("N", number))
        assert response.status_code == 400, number
        assert response.json()["results"][0]["status"] == "rejected"
        assert len(response.content) < 1_000
    assert logged(database) == []


@pytest.mark.parametrize(
    "fields",
    [
        f'"cost_usd": "123456789012.{"1" * 50}"',
        f'"cost_usd": "0.{"1" * 5_000}"',
        '"cost_usd": "1e-99999999"',
        f'"usage": {{"total_tokens": 5, "prompt_time": {"9" * 4_000}}}',
    ],
    ids=["many digits", "small part", "next to nothing", "a time"],
)
def test_numbers_with_many_digits(
    database: Database, api: TestClient, writer: dict[str, str], fields: str
) -> None:
    good = {"source": "openai", "cost_usd": 1, "id": "good"}
    response = send(api, writer, f'[{{"source": "openai", {fields}}}, {json.dumps(good)}]')
    assert response.status_code in (200, 207)
    assert response.json()["results"][1]["status"] == "stored"


@pytest.mark.parametrize("field", ["metadata", "usage"])
def test_deep_json(database: Database, writer: dict[str, str], field: str) -> None:
    with serving(database) as address, httpx.Client(base_url=address, headers=writer | JSON) as client:
        for depth in [*range(100, 1_100, 25), 10_000, 1_000_000]:
            for opening, closing in (('{"a":', "}"), ("[", "]")):
                nested = f'{{"a": {opening * depth}1{closing * depth}}}'
                body = f'{{"source": "openai", "cost_usd": 1, "{field}": {nested}}}'
                response = client.post("/api/usage", content=body)
                assert response.status_code in (200, 400, 413), depth
                error = response.json().get("error", "")
                assert "results" in response.json() or error.startswith(
                    ("the body is not ", "the body has too many ")
                )
                assert len(response.content) < 1_000


def test_metadata_that_postgresql_refuses_takes_nobody_along(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    good = '{"source": "openai", "cost_usd": 1}'
    too_deep = '{"source": "openai", "cost_usd": 1, "metadata": {"a": %s}}' % ("9" * 140_000)
    too_many_digits = '{"source": "openai", "cost_usd": 1, "metadata": {"a": 1e400}}'
    response = send(api, writer, f"[{good}, {too_many_digits}, {good}]")
    assert [result["status"] for result in response.json()["results"]] == ["stored", "rejected", "stored"]
    assert send(api, writer, f"[{good}, {too_deep}]").status_code == 400
    assert len(logged(database)) == 2


@pytest.mark.parametrize("parameter", ["days", "type", "from", "to", "month", "limit", "'; drop table x; --"])
def test_parameters_of_a_request(
    database: Database, api: TestClient, acme: UUID, other: UUID, parameter: str
) -> None:
    before, reader = objects(database), bearer(database, acme)
    for text in (*HOSTILE_TEXTS, "\0", "x" * 50_000, "-4713-11-24", "294276-12-31", "NaN", "9" * 5_000):
        response = api.get("/api/analytics", params={parameter: text}, headers=reader)
        assert response.status_code == 400, text[:50]
        assert list(response.json()) == ["error"]
        assert len(response.content) < 1_000
    for raw in ("%ED%A0%80", "%00", "%FF%FE", "%", "%zz"):
        assert api.get(f"/api/analytics?{parameter[:5]}={raw}", headers=reader).status_code == 400
    assert objects(database) == before


def test_keys(database: Database, api: TestClient, acme: UUID) -> None:
    before = objects(database)
    good = bearer(database, acme)["Authorization"].encode()
    for value in (
        *(text.encode() for text in HOSTILE_TEXTS), b"\0", b"\xed\xa0\x80", b"\xff" * 100, b"x" * 10_000_000,
        good[7:] + b"\0", good[7:] + b"\xed\xa0\x80", good[7:-1] + b"'", good[7:].replace(b"_", b"'", 1),
    ):  # fmt: skip
        response = api.get("/api/analytics", headers={"Authorization": b"Bearer " + value})  # type: ignore[dict-item]
        assert response.status_code == 401, value[:50]
        assert len(response.content) < 1_000
    assert api.get("/api/analytics", headers={"Authorization": good.decode()}).status_code == 200
    assert objects(database) == before


@pytest.mark.parametrize("place", ["query", "key", "path"])
def test_ten_megabytes_past_any_limit_of_a_server(api: TestClient, acme: UUID, place: str) -> None:
    long = b"x" * 10_000_000
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send_back(message: Any) -> None:
        messages.append(message)

    path = "/api/analytics" + (long.decode() if place == "path" else "")
    authorization = b"Bearer " + (long if place == "key" else b"x")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"days=" + long if place == "query" else b"",
        "headers": [(b"authorization", authorization)], "client": ("test", 1), "server": ("test", 80),
    }  # fmt: skip
    asyncio.run(api.app(scope, receive, send_back))  # type: ignore[arg-type]
    assert messages[0]["status"] == (404 if place == "path" else 401)
    assert len(messages[1]["body"]) < 1_000


def test_spans(database: Database, api: TestClient, acme: UUID, writer: dict[str, str]) -> None:
    for text in [*HOSTILE_TEXTS, *REFUSED_TEXTS]:
        attributes = {
            "gen_ai.operation.name": "chat", "gen_ai.system": text, "gen_ai.request.model": text,
            "gen_ai.usage.input_tokens": text, "usage.phone": text, "usage.conversation_id": text, text: text,
        }  # fmt: skip
        if len(text) > 1_000:
            # Seven times seven megabytes would be refused for its size.
            attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": text}
        pairs = [{"key": name, "value": {"stringValue": value}} for name, value in attributes.items()]
        body = {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": pairs}]}]}]}
        response = api.post("/v1/traces", content=json.dumps(body), headers=writer | JSON)
        assert response.status_code == 200, response.text[:500]
        assert len(response.content) < 1_000
    rows = logged(database)
    stored = {row["phone"] for row in rows}
    # Half a character is replaced; NUL and what is too long are refused.
    assert stored >= {text.strip() for text in HOSTILE_TEXTS}
    assert stored - {text.strip() for text in HOSTILE_TEXTS} == {"\ufffd", "a\ufffdb"}
    assert {row["client_id"] for row in rows} == {acme}


@pytest.fixture
def dashboard(configured: Database, acme: UUID, other: UUID) -> Database:
    """A dashboard over the database, in this process."""
    return configured


@pytest.mark.parametrize("parameter", ["client", "days", "show"])
def test_links(dashboard: Database, parameter: str) -> None:
    before = objects(dashboard)
    for text in (
        *HOSTILE_TEXTS[:4],
        HOSTILE_TEXTS[7],
        "<img src=x onerror=alert(1)>",
        "\0",
        "x" * 400_000,
    ):
        page = open_page(**{parameter: text})
        assert not page.exception
        assert not page.metric
        assert "This link does not work" in page.error[0].value
        assert len(text_of(page)) < 2_000
    assert objects(dashboard) == before


def test_stored_texts_on_the_page(dashboard: Database, acme: UUID) -> None:
    now = datetime.now(UTC)
    texts = [text for text in HOSTILE_TEXTS if text.strip() == text]
    for text in texts:
        conversation_id = factories.conversation(dashboard, acme, name=text, phone=text)
        log = factories.usage_log(
            acme, source=text, model=text, phone=text, conversation_id=conversation_id, created_at=now
        )
        factories.insert_usage(dashboard, log)
    page = open_page(client=str(acme))
    page.toggle(key="phones").set_value(True).run()
    assert not page.exception
    assert not page.error
    # Tables can be downloaded: a sign without width parts what a spreadsheet would take for a formula.
    shown = {f"\N{WORD JOINER}{text}" if text.startswith("=") else text for text in texts}
    assert set(page.dataframe[-1].value["Conversation"]) == shown
    assert set(page.dataframe[0].value["Model"]) == shown
