"""POST /api/usage: what comes of each record, priced as the tracker prices it, and stored once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.testclient import TestClient

import analytics
from analytics.calls.row import call_uuid
from analytics.database import Database
from tests import factories
from tests.api import bearer, logged, open_api

GPT_4 = {"source": "openai", "model": "gpt-4", "usage": {"prompt_tokens": 150, "completion_tokens": 80}}
AT_NOW = {"created_at": factories.NOW.isoformat()}


@pytest.fixture
def api(database: Database) -> TestClient:
    return open_api(database)


@pytest.fixture
def writer(database: Database, acme: UUID) -> dict[str, str]:
    return bearer(database, acme, "write")


def send(api: TestClient, writer: dict[str, str], content: Any) -> httpx.Response:
    response: httpx.Response = api.post("/api/usage", json=content, headers=writer)
    return response


def statuses(response: httpx.Response) -> list[str]:
    return [result["status"] for result in response.json()["results"]]


def test_one_record(database: Database, api: TestClient, acme: UUID, writer: dict[str, str]) -> None:
    before = datetime.now(UTC)
    response = send(api, writer, GPT_4 | {"conversation_id": "invoice 17", "phone": "5511999999999"})
    after = datetime.now(UTC)

    [row] = logged(database)
    assert response.status_code == 200
    assert response.json() == {"results": [{"status": "stored", "id": str(row["id"])}]}
    assert (row["client_id"], row["phone"]) == (acme, "5511999999999")
    assert (row["source"], row["model"]) == ("openai", "gpt-4")
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (150, 80, 230)
    assert (row["cost_usd"], row["cost_basis"]) == (Decimal("0.0093"), "priced")
    assert before <= row["created_at"] <= after
    with database.transaction() as connection:
        known = connection.execute("select client_id, id, name, phone from conversations").fetchall()
    assert known == [(acme, row["conversation_id"], "invoice 17", "5511999999999")]


def test_no_records(api: TestClient, writer: dict[str, str]) -> None:
    response = send(api, writer, [])
    assert (response.status_code, response.json()) == (200, {"results": []})


def test_good_ones_are_stored_among_bad_ones_in_order(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    response = send(
        api,
        writer,
        [
            GPT_4 | {"id": "first"},
            {"model": "gpt-4"},
            GPT_4 | {"usage": {"prompt_tokens": -1}},
            GPT_4 | {"id": "first"},
            "no object",
            GPT_4 | {"cost_usd": "cheap"},
            GPT_4 | {"prompt": "Is the invoice paid?"},
            GPT_4 | {"usage": {}},
            GPT_4 | {"usage": {"foo": 1}},
            GPT_4 | {"usage": None, "id": "cut"},
            GPT_4 | {"id": "last"},
        ],
    )

    assert response.status_code == 207
    assert statuses(response) == [
        "stored", "rejected", "rejected", "duplicate", "rejected", "rejected", "rejected",
        "rejected", "rejected", "stored", "stored",
    ]  # fmt: skip
    reasons = [result.get("reason", "") for result in response.json()["results"]]
    assert reasons[1] == "source: field required"
    assert reasons[2] == ("usage: no field of the usage can be read: prompt_tokens (-1 cannot be: left out)")
    assert reasons[4] == "a record must be a JSON object"
    assert reasons[5].startswith("cost_usd must be a number")
    assert reasons[6].startswith('unknown field "prompt"; allowed: source, model,')
    assert reasons[7] == "usage: the usage has neither token counts nor seconds"
    assert reasons[8] == "usage: no field of the usage can be read: foo (not known)"
    assert len(logged(database)) == 3


def test_only_bad_ones_are_an_error(database: Database, api: TestClient, writer: dict[str, str]) -> None:
    response = send(api, writer, [{"source": " "}, None])
    assert response.status_code == 400
    assert statuses(response) == ["rejected", "rejected"]
    assert response.json()["error"].startswith("no record was stored: source must name the provider")
    assert logged(database) == []


def test_sent_again_nothing_is_added(
    database: Database, api: TestClient, acme: UUID, writer: dict[str, str]
) -> None:
    known, own = uuid4(), str(uuid4()).upper()
    records = [GPT_4 | {"id": "call 1"}, GPT_4 | {"id": str(known)}, GPT_4 | {"id": own}, GPT_4]
    assert statuses(send(api, writer, records)) == ["stored"] * 4

    again = send(open_api(api.app.state.service.database), writer, records)  # type: ignore[attr-defined]
    assert again.status_code == 200
    assert statuses(again) == ["duplicate"] * 3 + ["stored"]
    assert [result["id"] for result in again.json()["results"]][:3] == [
        str(call_uuid(acme, "call 1")), str(known), own.lower(),
    ]  # fmt: skip
    assert len(logged(database)) == 5


def test_a_call_that_is_sent_again_fuller_is_updated_and_less_is_a_duplicate(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    cut = GPT_4 | {"usage": None, "response_id": "chatcmpl-AbC123", "phone": "5511"}
    whole = GPT_4 | {"response_id": "chatcmpl-AbC123"}
    known = whole | {"latency_ms": 800, "tags": {"feature": "search"}}

    answers = [
        send(api, writer, records) for records in ([cut], [whole], [whole, cut], [known, known], [known])
    ]

    assert [statuses(answer) for answer in answers] == [
        ["stored"], ["updated"], ["duplicate", "duplicate"], ["updated", "updated"], ["duplicate"],
    ]  # fmt: skip
    assert len({result["id"] for answer in answers for result in answer.json()["results"]}) == 1
    [row] = logged(database)
    assert (row["total_tokens"], row["cost_usd"], row["phone"], row["latency_ms"]) == (
        *(230, Decimal("0.0093"), "5511", 800),
    )
    growing = [GPT_4 | {"id": "log", "usage": {"completion_tokens": tokens}} for tokens in (1, 2, 3)]
    assert statuses(send(api, writer, [growing[1], growing[0], growing[2]])) == [
        "stored",
        "updated",
        "updated",
    ]


def test_the_same_id_of_another_client_is_another_call(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    other = bearer(database, factories.client(database, "Other Ltd"), "write")
    for name in ("call 1", str(UUID(int=7))):
        for headers in (writer, other):
            assert statuses(send(api, headers, GPT_4 | {"id": name})) == ["stored"]
    assert len(logged(database)) == 4


@pytest.mark.usefixtures("tracker")
@pytest.mark.parametrize("call_id", ["call 1", str(UUID(int=7))])
def test_logged_by_the_tracker_too_it_is_one_row(
    database: Database, api: TestClient, acme: UUID, writer: dict[str, str], call_id: str, tmp_path: Path
) -> None:
    usage = GPT_4["usage"]
    logged_id = analytics.log_openai_usage(acme, None, None, "gpt-4", usage, id=call_id)
    assert analytics.flush()

    [result] = send(api, writer, GPT_4 | {"id": call_id}).json()["results"]
    assert result == {"status": "duplicate", "id": str(logged_id)}
    assert len(logged(database)) == 1


@pytest.mark.usefixtures("tracker")
@pytest.mark.parametrize(
    "arguments",
    [
        {"source": "openai", "model": "gpt-4o-2024-08-06", "usage": {"input_tokens": 5, "output_tokens": 3}},
        {"source": "groq", "model": "llama", "usage": {"total_tokens": 9, "prompt_time": 0.25}},
        {"source": "Whisper", "model": "whisper-1", "duration_seconds": 30},
        {"source": "anthropic", "model": "claude", "cost_usd": 0.1, "service_tier": "batch"},
        {
            "source": "openai",
            "model": "gpt-4",
            "phone": " 551 ",
            "metadata": {"price": 1, "tags": ["a\tb\\"]},
        },
        {"source": "openai", "model": None, "conversation_id": 'Ada\'s\n"place"', "tokens_estimated": True},
    ],
)
def test_the_row_is_the_one_that_the_tracker_makes(
    database: Database, api: TestClient, acme: UUID, writer: dict[str, str], arguments: dict[str, Any]
) -> None:
    analytics.log_usage(acme, **arguments, id="by tracker", created_at=factories.NOW)
    assert analytics.flush()
    assert statuses(send(api, writer, arguments | AT_NOW | {"id": "by api"})) == ["stored"]

    rows = logged(database)
    assert len({row.pop("id") for row in rows}) == 2
    assert rows[0] == rows[1]


def test_a_thousand_records_at_once(database: Database, api: TestClient, writer: dict[str, str]) -> None:
    records = [GPT_4 | {"id": f"call {number}"} for number in range(1000)]
    assert statuses(send(api, writer, records)) == ["stored"] * 1000

    refused = send(api, writer, [*records, GPT_4])
    assert refused.status_code == 413
    assert refused.json() == {"error": "at most 1,000 records at once, not 1,001"}
    assert len(logged(database)) == 1000


def test_prices_are_those_of_the_call(
    database: Database, api: TestClient, acme: UUID, writer: dict[str, str]
) -> None:
    change = factories.NOW
    price(database, acme, change - timedelta(days=10), change, 10)
    price(database, acme, change, None, 20)
    other = bearer(database, factories.client(database, "Other Ltd"), "write")

    def cost(headers: dict[str, str], at: datetime) -> Decimal:
        [result] = send(api, headers, GPT_4 | {"created_at": at.isoformat()}).json()["results"]
        [row] = [row for row in logged(database) if str(row["id"]) == result["id"]]
        found: Decimal = row["cost_usd"]
        return found

    just_before = change - timedelta(microseconds=1)
    assert cost(writer, just_before) == Decimal("0.0015")
    assert cost(writer, change) == Decimal("0.003")
    # Another client's price is nobody else's.
    assert cost(other, change) == Decimal("0.0093")


def test_a_price_that_changes_between_two_requests_holds_at_once(
    database: Database, api: TestClient, acme: UUID, writer: dict[str, str]
) -> None:
    assert statuses(send(api, writer, GPT_4 | AT_NOW)) == ["stored"]
    price(database, acme, None, None, 10)
    assert statuses(send(api, writer, GPT_4 | AT_NOW)) == ["stored"]
    with database.transaction() as connection:
        connection.execute("delete from model_prices where client_id is not null")
    assert statuses(send(api, writer, GPT_4 | AT_NOW)) == ["stored"]

    costs = [row["cost_usd"] for row in sorted(logged(database), key=lambda row: row["id"])]
    assert costs == [Decimal("0.0093"), Decimal("0.0015"), Decimal("0.0093")]


def price(
    database: Database, client_id: UUID, since: datetime | None, until: datetime | None, input_usd: int
) -> None:
    """A client's own price of gpt-4: for a million tokens of input; output is free."""
    with database.transaction() as connection:
        connection.execute(
            "insert into model_prices (client_id, source, model, effective_from, effective_until, input_usd)"
            " values (%s, 'openai', 'gpt-4', %s::timestamptz, %s::timestamptz, %s)",
            [client_id, since or "-infinity", until or "infinity", input_usd],
        )


@pytest.mark.parametrize(
    ("record", "cost", "basis"),
    [
        ({"source": "whisper", "model": "whisper-1", "duration_seconds": 30}, "0.003", "priced"),
        ({"source": "whisper", "model": "whisper-1", "usage": {"seconds": 60}}, "0.006", "priced"),
        ({"source": "openai", "model": "gpt-4"}, "0", "unpriced"),
        ({"source": "openai", "model": "nobody-knows", "usage": {"total_tokens": 5}}, "0", "unpriced"),
        ({"source": "openai", "model": "gpt-4", "cost_usd": 1.5}, "1.5", "given"),
        ({"source": "openai", "model": "gpt-4", "cost_usd": "0.0000000042"}, "0.0000000042", "given"),
        ({"source": "openai", "model": "gpt-4", "cost_usd": 0}, "0", "given"),
        (GPT_4 | {"tokens_estimated": True}, "0.0093", "estimated"),
        ({"source": "groq", "model": "any", "usage": {"total_tokens": 5}}, "0", "priced"),
    ],
)  # fmt: skip
def test_what_a_call_costs(
    database: Database,
    api: TestClient,
    writer: dict[str, str],
    record: dict[str, Any],
    cost: str,
    basis: str,
) -> None:
    assert statuses(send(api, writer, record)) == ["stored"]
    [row] = logged(database)
    assert (row["cost_usd"], row["cost_basis"]) == (Decimal(cost), basis)


def test_only_the_keys_own_client(
    database: Database, api: TestClient, acme: UUID, writer: dict[str, str]
) -> None:
    other = factories.client(database, "Other Ltd")
    response = send(
        api,
        writer,
        [GPT_4 | {"client_id": named} for named in (str(acme).upper(), str(other), "Acme", "")],
    )
    assert statuses(response) == ["stored", "rejected", "rejected", "rejected"]
    assert response.json()["results"][1]["reason"] == (
        f"client_id must be that of the key, {acme}, or be left out"
    )
    assert [row["client_id"] for row in logged(database)] == [acme]


def test_metadata_that_postgresql_does_not_take_is_kept_all_the_same(
    database: Database, api: TestClient, writer: dict[str, str]
) -> None:
    content = (
        b'{"source": "openai", "cost_usd": 1,'
        b' "metadata": {"a": "NUL \\u0000, half \\ud83d, whole \\ud83d\\ude00",'
        b' "half \\udc00": ["\\\\u0000", 1.25, 12345678901234567890, null, true]}}'
    )
    headers = writer | {"Content-Type": "application/json; charset=utf-8"}
    response = api.post("/api/usage", content=content, headers=headers)

    assert statuses(response) == ["stored"]
    [row] = logged(database)
    assert row["metadata"] == {
        "a": "NUL \ufffd, half \ufffd, whole \U0001f600",
        "half \ufffd": ["\\u0000", 1.25, 12345678901234567890, None, True],
    }
