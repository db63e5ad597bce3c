"""GET /api/export over real HTTP: whole files, or an answer that nobody takes for one."""

import csv
import http.client
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from queue import Queue
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from sqlalchemy import event

from analytics.api import exports
from analytics.clients import read_client
from analytics.database import STREAM_BATCH_ROWS, Database
from analytics.days import Days
from analytics.exports.calls import calls_csv
from analytics.exports.files import CONTENT_TYPES, Format, file_name
from analytics.exports.focus import focus_csv
from analytics.queries import Filters
from tests import factories
from tests.api import bearer, open_api, serving
from tests.connections import dsn
from tests.tcp_proxy import TcpProxy

MARCH = {"from": "2026-03-01", "to": "2026-03-31"}
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
PHONE, PHONE_OF_OTHER = "5511999991234", "5522888888765"
MANY = 10 * STREAM_BATCH_ROWS
"""Calls of 1.4 kB each: ten batches, far more than all buffers between the database and a client hold."""


@pytest.fixture
def used(database: Database, acme: UUID) -> UUID:
    """A client with calls in March, one before and one after; and another client with a call in March."""
    factories.conversation(database, acme, name=f"{PHONE}@s.whatsapp.net", phone=PHONE)
    factories.insert_usage(
        database,
        factories.usage_log(acme, phone=PHONE, cost_usd=Decimal("0.0000000042"), metadata={"to": PHONE}),
        factories.usage_log(acme, phone=PHONE, cost_usd=Decimal("12.3456789")),
        factories.usage_log(acme, source="groq", model="=cmd()", cost_usd=Decimal(3), phone=None),
        factories.usage_log(acme, source="local", model=None, cost_usd=0, cost_basis="unpriced"),
        factories.usage_log(acme, created_at=datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)),
        factories.usage_log(acme, created_at=datetime(2026, 4, 1, tzinfo=UTC)),
    )
    other = factories.client(database, "Umbra")
    factories.insert_usage(
        database,
        factories.usage_log(
            other, phone=PHONE_OF_OTHER, source="umbral", model="umbral-1", cost_usd=Decimal("31337.5")
        ),
    )
    return acme


@pytest.fixture
def many(database: Database, acme: UUID) -> UUID:
    """A client with more calls in March than go out at once."""
    with database.transaction() as connection:
        connection.execute(
            """
            insert into usage_logs (
                client_id, source, model, total_tokens, cost_usd, cost_basis, metadata, created_at
            )
            select
                %s, 'openai', 'gpt-4', number, 0.0001 * number, 'priced',
                jsonb_build_object('text', repeat(md5(number::text), 40)),
                '2026-03-18 12:00+00'
            from generate_series(1, %s) as number
            """,
            [acme, MANY],
        )
    return acme


@pytest.fixture
def proxy(database: Database) -> Iterator[TcpProxy]:
    with TcpProxy(database.url) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: TcpProxy) -> Iterator[Database]:
    """The database through the proxy."""
    with closing(Database(proxy.url)) as far:
        yield far


def ask(address: str, headers: dict[str, str], **parameters: Any) -> httpx.Response:
    return httpx.get(f"{address}/api/export", params={**MARCH, **parameters}, headers=headers, timeout=60)


def export(database: Database, client_id: UUID, format: Format, **parameters: Any) -> httpx.Response:
    """The answer of a server to somebody with a new key."""
    with serving(database) as address:
        response = ask(address, bearer(database, client_id), format=format, **parameters)
    assert response.status_code == 200, response.text
    return response


@contextmanager
def begun(address: str, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    """An export of calls that has begun to come, of which nothing more is read than its first line."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
    with closing(connection):
        connection.request("GET", f"/api/export?from={FIRST}&to={LAST}", headers=headers)
        with connection.getresponse() as response:
            assert response.status == 200
            assert response.readline().startswith(b"\xef\xbb\xbfid,created_at,")
            yield response


def await_ends(address: str, ended: int) -> None:
    """Until so many exports have ended at the server. A test that hangs says that they do not."""
    line = f'usage_api_request_seconds_count{{route="/api/export"}} {ended}.0'
    while line not in httpx.get(f"{address}/metrics").text.splitlines():
        pass


def open_transactions(database: Database) -> int:
    with psycopg.connect(dsn(database.url)) as connection:
        [(number,)] = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and xact_start is not null and backend_type = 'client backend'"
        ).fetchall()
    found: int = number
    return found


def text_of(pdf: bytes) -> str:
    text = subprocess.run(["pdftotext", "-raw", "-", "-"], input=pdf, capture_output=True, check=True).stdout
    return re.sub(r"\s+", " ", text.decode())


needs_pdftotext = pytest.mark.skipif(
    shutil.which("pdftotext") is None and not os.environ.get("CI"),
    reason="no pdftotext on the PATH (poppler-utils)",
)


def test_calls_are_those_of_the_export_command(database: Database, used: UUID) -> None:
    response = export(database, used, "csv")

    assert response.content == b"".join(calls_csv(database, used, Days(FIRST, LAST), is_unmasked=False))
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Transfer-Encoding"] == "chunked"


def test_calls_read_back_to_the_last_digit(database: Database, used: UUID) -> None:
    with database.transaction() as connection:
        expected = connection.execute(
            "select id::text, case when cost_basis <> 'unpriced' then cost_usd end, total_tokens"
            " from usage_logs where client_id = %s"
            " and created_at >= '2026-03-01' and created_at < '2026-04-01' order by created_at, id",
            [used],
        ).fetchall()

    text = export(database, used, "csv").content.decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    costs = [Decimal(row["cost_usd"]) if row["cost_usd"] else None for row in rows]
    read = [(row["id"], cost, int(row["total_tokens"])) for row, cost in zip(rows, costs, strict=True)]
    assert read == expected
    assert len(rows) == 4
    assert sum(cost for cost in costs if cost) == Decimal("15.3456789042")


def test_phones_are_masked(database: Database, used: UUID) -> None:
    text = export(database, used, "csv").text

    assert PHONE not in text
    assert text.count("•••• 1234") == 5  # two of calls, two of their conversation's name, one in metadata


def test_focus(database: Database, used: UUID) -> None:
    response = export(database, used, "focus")

    assert response.content == focus_csv(database, read_client(database, used), Days(FIRST, LAST))
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    charges = list(csv.DictReader(io.StringIO(response.text, newline="")))
    # Of the calls whose cost is known.
    billed = [Decimal(charge["BilledCost"]) for charge in charges if charge["BilledCost"]]
    assert [charge["SkuMeter"] for charge in charges if not charge["BilledCost"]] == [
        *("Input Tokens", "Output Tokens"),
    ]
    assert sum(billed) == Decimal("15.3456789042")


@needs_pdftotext
def test_pdf(database: Database, used: UUID) -> None:
    response = export(database, used, "pdf")

    assert response.headers["Content-Type"] == "application/pdf"
    text = text_of(response.content)
    for words in (
        "Acme",
        "1 to 31 Mar 2026",
        "at least 15.3456789042 USD",
        "Total 4 920 ≥ $15.35",
    ):
        assert words in text, words
    assert PHONE not in text


@needs_pdftotext
@pytest.mark.parametrize("format", CONTENT_TYPES)
def test_another_clients_calls_are_never_in_it(database: Database, used: UUID, format: Format) -> None:
    content = export(database, used, format).content

    text = text_of(content) if format == "pdf" else content.decode()
    assert "groq" in text.lower()
    for secret in ("umbra", PHONE_OF_OTHER, "•••• 8765", "31337.5", "31,337"):
        assert secret not in text.lower()


@pytest.mark.parametrize("format", CONTENT_TYPES)
def test_headers(database: Database, used: UUID, format: Format) -> None:
    headers = export(database, used, format).headers

    name = file_name(format, "Acme", Days(FIRST, LAST))
    assert headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    ("format", "client", "name"),
    [
        ("csv", "Acme", "calls-acme-2026-03-01-to-2026-03-31.csv"),
        ("focus", "Acme Ltd. & Söhne", "focus-acme-ltd-sohne-2026-03-01-to-2026-03-31.csv"),
        ("csv", "Aurora Clínicas", "calls-aurora-clinicas-2026-03-01-to-2026-03-31.csv"),
        ("pdf", '../"\r\nSet-Cookie: x', "statement-set-cookie-x-2026-03-01-to-2026-03-31.pdf"),
        ("pdf", "株式会社", "statement-株式会社-2026-03-01-to-2026-03-31.pdf"),
        ("pdf", "हिन्दी कंपनी", "statement-हिन्दी-कंपनी-2026-03-01-to-2026-03-31.pdf"),
        ("pdf", "\N{ROCKET}", "statement-client-2026-03-01-to-2026-03-31.pdf"),
        ("csv", "x" * 500, f"calls-{'x' * 60}-2026-03-01-to-2026-03-31.csv"),
    ],
)
def test_a_name_that_every_file_system_takes(format: Format, client: str, name: str) -> None:
    assert file_name(format, client, Days(FIRST, LAST)) == name


def test_a_long_name_is_no_longer_than_a_file_system_takes() -> None:
    letters = "\N{CJK UNIFIED IDEOGRAPH-20BB7}" * 300
    filters = Filters.parse({f"tag.{letters}": letters})
    assert len(file_name("pdf", letters, Days(FIRST, LAST)).encode()) < 255
    assert len(file_name("pdf", letters, Days(FIRST, LAST), filters).encode()) < 255


@pytest.mark.parametrize(
    ("query", "end"),
    [
        ({"model": "gpt-4o"}, "model-gpt-4o"),
        ({"model!": "gpt-4o,", "tag.feature": "../Süßes"}, "model-not-none-gpt-4o-tag-feature-susses"),
        ({"model": "../\r\nSet-Cookie: x"}, "model-set-cookie-x"),
    ],
)
def test_a_name_says_that_it_is_filtered_and_how(query: dict[str, str], end: str) -> None:
    name = file_name("csv", "Acme", Days(FIRST, LAST), Filters.parse(query))
    assert name == f"calls-acme-2026-03-01-to-2026-03-31-filtered-{end}.csv"


def test_a_name_of_other_letters_is_in_the_header_as_rfc_6266_has_it(database: Database) -> None:
    tokyo = factories.client(database, "株式会社 Tokyo")

    header = export(database, tokyo, "focus").headers["Content-Disposition"]

    assert header == (
        'attachment; filename="focus-tokyo-2026-03-01-to-2026-03-31.csv"; '
        "filename*=UTF-8''focus-%E6%A0%AA%E5%BC%8F%E4%BC%9A%E7%A4%BE-tokyo-2026-03-01-to-2026-03-31.csv"
    )


def test_a_client_without_calls(database: Database, acme: UUID) -> None:
    for format in CONTENT_TYPES:
        content = export(database, acme, format).content
        assert content.startswith(b"%PDF-") if format == "pdf" else content.count(b"\r\n") == 1


def test_thirty_days_of_calls_up_to_today_are_what_is_not_said(database: Database) -> None:
    # Half the time it is another day there than in UTC.
    far_away = factories.client(database, "Far away", timezone="Pacific/Kiritimati")
    api, headers = open_api(database), bearer(database, far_away)
    hours = timedelta(hours=14)

    before = (datetime.now(UTC) + hours).date()
    answers = [api.get("/api/export", params=asked, headers=headers) for asked in ({}, {"days": "7"})]
    after = (datetime.now(UTC) + hours).date()

    for answer, days in zip(answers, (30, 7), strict=True):
        assert answer.headers["Content-Disposition"] in {
            f'attachment; filename="{file_name("csv", "Far away", Days.until(last, days))}"'
            for last in (before, after)
        }


def test_days_are_the_clients_own(database: Database) -> None:
    # Tokyo is nine hours ahead: the second call is of the next day there.
    tokyo = factories.client(database, "Kaisha", timezone="Asia/Tokyo")
    factories.insert_usage(
        database,
        factories.usage_log(tokyo, created_at=datetime(2026, 3, 17, 14, 59, tzinfo=UTC)),
        factories.usage_log(tokyo, created_at=datetime(2026, 3, 17, 15, 0, tzinfo=UTC)),
    )
    response = open_api(database).get(
        "/api/export", params={"from": "2026-03-18", "to": "2026-03-18"}, headers=bearer(database, tokyo)
    )
    [row] = csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline=""))
    assert row["created_at"] == "2026-03-17T15:00:00.000000Z"


REFUSED: Sequence[tuple[dict[str, str], str]] = [
    ({"format": "xlsx"}, "format: input should be 'csv', 'focus' or 'pdf', not 'xlsx'"),
    ({"format": ""}, "format: "),
    ({"days": "0"}, "days must be a number from 1 to 365, or one of today, "),
    ({"days": "366"}, 'this-year, last-year, everything, not "366"'),
    ({"from": "2026-03-01"}, "from and to go together"),
    ({"from": "2026-03-02", "to": "2026-03-01"}, "from and to: 2026-03-02 is after 2026-03-01"),
    ({"from": "2024-01-01", "to": "2025-01-01"}, "are 367 days: at most 366 are allowed"),
    ({"from": "2026-02-30", "to": "2026-03-01"}, 'from must be a day such as 2026-03-18, not "2026-02-30"'),
    ({"days": "30", **MARCH}, "give days, or from and to, not both"),
    ({"unmasked": "true"}, 'unknown parameter "unmasked"; allowed: days, from, to, format'),
    ({"client_id": "x"}, 'unknown parameter "client_id"'),
]


@pytest.mark.parametrize(("parameters", "reason"), REFUSED)
def test_what_cannot_be_asked_is_said(
    database: Database, acme: UUID, parameters: dict[str, str], reason: str
) -> None:
    response = open_api(database).get("/api/export", params=parameters, headers=bearer(database, acme))
    assert response.status_code == 400
    assert list(response.json()) == ["error"]
    assert reason in response.json()["error"]


@pytest.mark.parametrize("format", CONTENT_TYPES)
def test_the_database_is_away(
    database: Database, used: UUID, far: Database, proxy: TcpProxy, format: Format
) -> None:
    headers = bearer(database, used)
    with serving(far) as address:
        assert ask(address, headers, format=format).status_code == 200
        proxy.go_away()
        refused = ask(address, headers, format=format)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert "Content-Disposition" not in refused.headers
        assert refused.json()["error"] == "the database does not answer: try again in 10 seconds"
        proxy.come_back()
        # What failed holds no place.
        for _ in range(exports.EXPORTS_OF_A_KEY + 1):
            assert ask(address, headers, format=format).status_code == 200


def test_calls_that_cannot_be_read_are_an_error_and_no_file(database: Database, used: UUID) -> None:
    headers = bearer(database, used)
    with database.transaction() as connection:
        connection.execute("alter table usage_logs rename column metadata to gone")
    with serving(database) as address:
        # The client was found, and the file would have its header.
        assert ask(address, headers).status_code == 503
        assert ask(address, headers, format="focus").status_code == 503
        assert ask(address, headers, format="pdf").status_code == 200


def test_a_client_is_deleted_while_its_key_is_remembered(database: Database, acme: UUID) -> None:
    api, headers = open_api(database), bearer(database, acme)
    assert api.get("/api/export", headers=headers).status_code == 200
    with database.transaction() as connection:
        connection.execute("delete from clients where id = %s", [acme])

    refused = api.get("/api/export", headers=headers)
    assert (refused.status_code, refused.json()) == (400, {"error": f"no client has the id {acme}"})


def test_a_database_that_goes_away_halfway_leaves_no_file_that_looks_whole(
    database: Database, many: UUID, far: Database, proxy: TcpProxy, caplog: pytest.LogCaptureFixture
) -> None:
    headers = bearer(database, many)
    with serving(far) as address:
        # The first line is here, and what comes last is not even read: it is streamed.
        with begun(address, headers) as response:
            proxy.cut()
            with pytest.raises(http.client.IncompleteRead) as incomplete:
                response.read()
        assert 0 < incomplete.value.partial.count(b"\r\n") < MANY
        # The server goes on.
        assert ask(address, headers).content.count(b"\r\n") == 1 + MANY
        metrics = httpx.get(f"{address}/metrics").text
    exports_by_status = 'usage_api_requests_total{method="GET",route="/api/export",status="%s"} 1.0'
    assert exports_by_status % "cut" in metrics
    assert exports_by_status % "200" in metrics
    # Said in words, once, and no traceback.
    assert [record.message for record in caplog.records if "an export was cut" in record.message][1:] == []
    assert "an export was cut: " in caplog.text
    assert "Traceback" not in caplog.text


def test_a_client_that_leaves_gives_the_connection_back(database: Database, many: UUID) -> None:
    headers = bearer(database, many)
    with serving(database) as address:
        # One more than the key has places.
        for number in range(1, exports.EXPORTS_OF_A_KEY + 2):
            with begun(address, headers):
                assert open_transactions(database) == 1
            await_ends(address, number)
            assert open_transactions(database) == 0
    assert database.engine.pool.status().endswith("Current Checked out connections: 0")


def test_a_client_that_takes_nothing_is_cut_off(
    database: Database, many: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PATIENCE_SECONDS", 0.01)
    with serving(database) as address, begun(address, bearer(database, many)) as response:
        await_ends(address, 1)
        assert open_transactions(database) == 0
        # No more was made than what fits between the two.
        with pytest.raises(http.client.IncompleteRead) as incomplete:
            response.read()
    assert 0 < incomplete.value.partial.count(b"\r\n") < MANY


def test_a_key_has_two_exports_at_once(database: Database, many: UUID) -> None:
    greedy, other = bearer(database, many), bearer(database, many)
    with serving(database) as address:
        with ExitStack() as running:
            for _ in range(exports.EXPORTS_OF_A_KEY):
                running.enter_context(begun(address, greedy))
            for format in CONTENT_TYPES:
                refused = ask(address, greedy, format=format)
                assert refused.status_code == 429
                assert refused.json() == {
                    "error": "this key has 2 exports running: try again when one has ended"
                }
                assert int(refused.headers["Retry-After"]) > 0
            assert ask(address, other, format="focus").status_code == 200
        await_ends(address, 2 + 3 + 1)
        assert ask(address, greedy, format="focus").status_code == 200


def test_a_server_has_so_many_exports_at_once(
    database: Database, many: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "EXPORTS_AT_ONCE", 1)
    with serving(database) as address, begun(address, bearer(database, many)) as response:
        other = bearer(database, many)
        refused = ask(address, other)
        assert (refused.status_code, refused.json()["error"]) == (
            429, "1 exports are running: try again when one has ended",
        )  # fmt: skip
        # Whoever has the whole file has the place back.
        assert response.read().count(b"\r\n") == MANY
        assert ask(address, other, format="focus").status_code == 200


def test_statements_wait_for_each_other_and_nobody_for_them(database: Database, used: UUID) -> None:
    keys = [bearer(database, used) for _ in range(exports.STATEMENTS_AT_ONCE + 1)]
    given_back: Queue[None] = Queue()
    event.listen(database.engine, "checkin", lambda *_: given_back.put(None))
    with (
        serving(database) as address,
        ThreadPoolExecutor(len(keys)) as threads,
        psycopg.connect(dsn(database.url)) as connection,
    ):
        # Statements read conversations, and what comes before does not.
        connection.execute("lock table usage_conversation_rollup")
        answers = [threads.submit(ask, address, key, format="pdf") for key in keys]
        for _ in range(2 * len(keys)):  # a key and a client for each
            given_back.get(timeout=60)
        while waiting(database) < exports.STATEMENTS_AT_ONCE:
            pass
        # Another request is through before the last statement has so much as asked.
        assert httpx.get(f"{address}/api/analytics?type=daily", headers=keys[0]).status_code == 200
        assert waiting(database) == exports.STATEMENTS_AT_ONCE
        connection.rollback()
        assert [answer.result().status_code for answer in answers] == [200] * len(keys)


def waiting(database: Database) -> int:
    """How many connections wait for a lock."""
    with psycopg.connect(dsn(database.url)) as connection:
        [(number,)] = connection.execute(
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and wait_event_type = 'Lock'"
        ).fetchall()
    found: int = number
    return found


def test_http_1_0_cannot_tell_a_part_from_the_whole(database: Database, used: UUID) -> None:
    headers = bearer(database, used)
    with serving(database) as address:
        for format, status in (("csv", 505), ("focus", 200)):
            connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
            connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
            with closing(connection):
                connection.request("GET", f"/api/export?format={format}", headers=headers)
                assert connection.getresponse().status == status


@pytest.mark.parametrize(("format", "package"), [("pdf", "typst")])
def test_a_server_without_the_packages(
    database: Database, used: UUID, monkeypatch: pytest.MonkeyPatch, format: Format, package: str
) -> None:
    # As if it were not installed: Python itself says so of a name that stands for None.
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "analytics.exports.statement", raising=False)
    api, headers = open_api(database), bearer(database, used)

    refused = api.get("/api/export", params={"format": format}, headers=headers)

    assert refused.status_code == 501
    assert refused.json() == {
        "error": f'this needs {package}, which comes with pip install "usage-analytics[dashboard]"'
    }
    assert api.get("/api/export", headers=headers).status_code == 200


def test_its_metrics_have_its_name(database: Database, acme: UUID) -> None:
    api = open_api(database)
    api.get("/api/export", headers=bearer(database, acme))

    sample = 'usage_api_requests_total{method="GET",route="/api/export",status="200"} 1.0'
    assert sample in api.get("/metrics").text.splitlines()


def test_the_document_says_what_it_takes_and_answers(database: Database) -> None:
    operation = open_api(database).get("/api/openapi.json").json()["paths"]["/api/export"]["get"]

    names = [parameter["name"] for parameter in operation["parameters"]]
    assert names[:4] == ["days", "from", "to", "format"]
    assert {"model", "model!", "tag.<key>"} <= set(names[4:])
    assert set(operation["responses"]) == {"200", "400", "401", "403", "429", "501", "503", "505"}
    assert set(operation["responses"]["200"]["content"]) == {"text/csv", "application/pdf"}
