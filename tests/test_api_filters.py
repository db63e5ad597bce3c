"""Filters and groups over HTTP: every number follows, what cannot be is refused, nothing ends in a 500."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from analytics import queries
from analytics.database import Database
from analytics.days import Days
from analytics.queries import Filters
from tests import factories
from tests.api import bearer, exact, open_api
from tests.clones import Clones

DAY = {"from": "2026-03-18", "to": "2026-03-18"}
ADA = UUID(int=101)


@dataclass(frozen=True)
class Reader:
    """Somebody with a key, and the database behind."""

    database: Database
    client_id: UUID
    api: TestClient
    headers: dict[str, str]

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.api.get(path, **{"headers": self.headers} | more)


def fill(database: Database) -> UUID:
    """A client with four calls on one day: of two models, one without, of two tags, one without price."""
    client_id = factories.client(database)
    factories.conversation(database, client_id, id=ADA, name="Ada", phone="551")
    with database.transaction() as connection:
        for tags in ({"feature": "chat"}, {"feature": "a,b", "now!": "1"}):
            connection.execute("select intern_tags(%s, %s)", [client_id, Jsonb(tags)])
    factories.insert_usage(
        database,
        factories.usage_log(client_id, conversation_id=ADA, tag_set_id=1, operation="chat"),
        factories.usage_log(client_id, model="gpt-4o", cost_usd=Decimal("0.5"), phone="552", tag_set_id=2),
        factories.usage_log(
            client_id, source="groq", model="llama", cost_usd=0, cost_basis="unpriced", phone=None
        ),
    )
    database.fold()
    factories.insert_usage(
        database,
        factories.usage_log(client_id, model=None, cost_usd=Decimal("1.25"), phone=None, outcome="error"),
    )
    return client_id


@pytest.fixture(scope="module")
def reader(clones: Clones, migrated_template: str) -> Iterator[Reader]:
    """One for all tests, which only read."""
    with clones.copy(migrated_template) as database:
        client_id = fill(database)
        yield Reader(database, client_id, open_api(database), bearer(database, client_id))


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 4),
        ("provider=groq", 1),
        ("provider!=groq", 3),
        ("provider%21=groq", 3),
        ("model=gpt-4,gpt-4o", 2),
        ("model=gpt-4&model=gpt-4o", 2),
        ("model=", 1),
        ("model=,llama", 2),
        ("model!=", 3),
        ("operation=chat", 1),
        ("operation!=chat", 3),
        ("outcome=error", 1),
        ("outcome=", 3),
        ("tag.feature=chat", 1),
        ("tag.feature=a\\,b", 1),
        ("tag.feature=", 2),
        ("tag.feature!=chat", 3),
        ("tag.now\\!=1", 1),
        ("tag.none=x", 0),
        (f"conversation={ADA}", 1),
        (f"conversation!={str(ADA).upper()}", 3),
        ("conversation=", 2),
        ("hour=12", 4),
        ("hour!=12", 0),
        ("hour=13&hour=9,00", 0),
        ("weekday=wed", 4),
        ("weekday=mon,tue", 0),
        ("weekday!=sun,wed", 0),
        ("hour=12,13&weekday=Wed&tag.feature=chat", 1),
        ("provider=openai&model!=gpt-4&tag.feature=a%5C%2Cb", 1),
    ],
)
def test_every_number_follows(reader: Reader, query: str, count: int) -> None:

    response = reader.get(f"/api/analytics?from=2026-03-18&to=2026-03-18&{query}")

    assert response.status_code == 200, response.text
    answer = exact(response.content)
    analytics = answer["analytics"]
    assert analytics["summary"]["request_count"] == count
    for name in ("daily", "weekly", "monthly", "byConversation"):
        assert sum(row["request_count"] for row in analytics[name]) == count
    pairs = [
        pair.partition("=")[::2] for pair in query.replace("%21", "!").replace("%5C%2C", "\\,").split("&")
    ]
    filters = Filters.parse([pair for pair in pairs if pair[0]])
    assert answer["filters"] == json.loads(filters.json())
    assert bool(answer["filters"]) == bool(query)

    file = reader.get(f"/api/export?from=2026-03-18&to=2026-03-18&{query}")
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"), newline="")))
    assert len(rows) == count
    costs = [Decimal(row["cost_usd"]) for row in rows if row["cost_usd"]]
    assert sum(costs) == (analytics["summary"]["total_cost"] or 0)
    focus = reader.get(f"/api/export?format=focus&from=2026-03-18&to=2026-03-18&{query}")
    charges = list(csv.DictReader(io.StringIO(focus.text, newline="")))
    assert sum(int(charge["x_RequestCount"]) for charge in charges) == count


def test_the_cache_and_the_etag_know_the_filters(reader: Reader) -> None:
    whole, one, same, excluded = (
        reader.get("/api/analytics", params={**DAY, **filters})
        for filters in ({}, {"model": "gpt-4,o1"}, {"model": "o1,gpt-4,o1"}, {"model!": "gpt-4,o1"})
    )
    assert len({answer.headers["ETag"] for answer in (whole, one, excluded)}) == 3
    assert (same.content, same.headers["ETag"]) == (one.content, one.headers["ETag"])
    asking = reader.headers | {"If-None-Match": whole.headers["ETag"]}
    assert (
        reader.get("/api/analytics", params={**DAY, "model": "gpt-4,o1"}, headers=asking).status_code == 200
    )


def test_no_usage_under_a_filter_has_another_etag_than_none_at_all(reader: Reader) -> None:
    quiet = {"from": "2026-01-01", "to": "2026-01-01", "type": "conversation"}
    answers = [reader.get("/api/analytics", params={**quiet, **filters}) for filters in ({}, {"model": "x"})]
    assert len({answer.headers["ETag"] for answer in answers}) == 2


def test_groups(reader: Reader) -> None:

    response = reader.get("/api/analytics", params={**DAY, "group_by": "model", "order": "cost", "limit": 1})

    assert response.status_code == 200
    answer = exact(response.content)
    assert list(answer["analytics"]) == ["byGroup"]
    first, others = answer["analytics"]["byGroup"]
    assert first == {
        "bucket_at": "2026-03-18T00:00:00",
        "first_date": "2026-03-18",
        "last_date": "2026-03-18",
        "value": None,
        "is_rest": False,
        "place": 1,
        "value_count": 1,
        "total_tokens": 230,
        "prompt_tokens": 150,
        "completion_tokens": 80,
        "total_cost": Decimal("1.25"),
        "request_count": 1,
        "unpriced_count": 0,
    }
    assert (others["is_rest"], others["value_count"], others["total_cost"]) == (True, 3, Decimal("0.5093"))

    by_tag = reader.get(
        "/api/analytics",
        params={**DAY, "group_by": "tag.feature", "grain": "hour", "model!": ""},
    ).json()
    rows = [row for row in by_tag["analytics"]["byGroup"] if row["request_count"]]
    assert [(row["bucket_at"], row["value"], row["total_cost"]) for row in rows] == [
        ("2026-03-18T12:00:00", "a,b", 0.5),
        ("2026-03-18T12:00:00", "chat", 0.0093),
        ("2026-03-18T12:00:00", None, None),
    ]
    frame = queries.usage_by_group(
        reader.database,
        reader.client_id,
        Days(datetime(2026, 3, 18, tzinfo=UTC).date(), datetime(2026, 3, 18, tzinfo=UTC).date()),
        "tag.feature",
        bucket="hour",
        filters=Filters.parse({"model!": ""}),
    )
    assert len(frame) == len(by_tag["analytics"]["byGroup"])


REFUSED: Sequence[tuple[str, str]] = [
    ("model!!=x", 'unknown parameter "model!!"; allowed: days, from, to, '),
    ("tag.=x", 'unknown parameter "tag."; allowed: '),
    (
        "tags=x",
        "conversation, hour, weekday, basis, correction, at, latency, first-token, has.<fact>, tag.<key>",
    ),
    ("=x", 'unknown parameter ""'),
    ("filters=[]", 'unknown parameter "filters"'),
    ("model=" + ",".join(map(str, range(1_000))), "model takes at most 100 values, not 1000"),
    ("&".join(f"model={number}" for number in range(200)), "at most 20 filters hold at once, not 200"),
    ("model=" + "x" * 10_000, "model takes values of at most 500 characters"),
    ("model=a%00b", "without NUL"),
    ("tag.a%00b=x", "without NUL"),
    ("tag." + "x" * 10_000 + "=a", "the key of a tag has at most 500 characters"),
    ("conversation=5511999999999", "conversation must be an id such as"),
    ("correction=all", "correction must be the id of one, such as 3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
    ("hour=25", 'hour must be 0 to 23, not "25"'),
    ("hour=", 'hour must be 0 to 23, not ""'),
    ("weekday!=8", 'weekday must be mon, tue, wed, thu, fri, sat or sun, not "8"'),
    ("at=2026-03-18T10:00Z..2026-03-18T09:00Z", "at must be two moments in UTC, the earlier one first"),
    ("at=2026-03-18T10:00Z..2026-13-18T11:00Z", "such as 2026-11-27T10:00Z..2026-11-27T10:05Z, not"),
    ("at!=2026-03-18T10:00Z..2026-03-18T11:00Z", "at takes one range, that of the calls that count"),
    (
        "latency=fast",
        'latency must be a range of milliseconds such as 500..2000, 500.. or ..2000, not "fast"',
    ),
    ("first-token=..%D9%A3", "first-token must be a range of milliseconds"),
    ("model=a&model!=a", 'model cannot be and not be "a" at once'),
    ("grain=day", "grain goes with group_by: give both, or neither"),
    ("order=requests", 'order must be tokens or cost, not "requests", without group_by'),
    ("group_by=model&type=daily", "give type, or group_by, not both"),
    ("group_by=model&month=2026-03", "give month, or group_by, not both"),
    (
        "group_by=",
        'group_by must be one of provider, model, operation, outcome, hour, weekday, tag.<key>, not ""',
    ),
    ("group_by=conversation", "group_by must be one of"),
    ("group_by=tag.", "group_by must be one of"),
    ("group_by=tag.a%00", "group_by must be one of"),
    ("group_by=tag." + "x" * 501, "group_by must be one of"),
    ("group_by=model&grain=year", "grain: input should be"),
    ("group_by=model&limit=0", "limit: "),
    ("group_by=model&limit=1001", "limit: "),
    ("group_by=model&grain=hour&limit=1&days=93", "grain hour takes at most 92 days, not 93"),
    ("group_by=model&grain=day&limit=1000&days=365", "up to 367,367 rows: at most 20,000 are allowed"),
]


@pytest.mark.parametrize(("query", "reason"), REFUSED)
@pytest.mark.parametrize("path", ["/api/analytics", "/api/export"])
def test_what_cannot_be_asked_is_said(reader: Reader, path: str, query: str, reason: str) -> None:
    response = reader.get(f"{path}?{query}")
    assert response.status_code == 400
    assert len(response.json()["error"]) < 350
    if path == "/api/analytics":
        assert reason in response.json()["error"]


HOSTILE = (
    *(
        "'",
        '"',
        "'; drop table usage_logs; --",
        "%",
        "_",
        "%s",
        "%(client_id)s",
        "\\",
        "\\\\",
        "\n",
        "a\u2028b",
    ),
    *("null", "[null]", '{"a": 1}', '"] , "excluded": true}, {"name": "model', "\ufeff", "\U0001f680", "{}"),
    *("select pg_sleep(9)", "$1", ":name", "\N{ARABIC-INDIC DIGIT ZERO}", "ß", "x" * 500),
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["provider", "model", "operation", "outcome", "tag.feature", "tag.{}"])
def test_values_are_only_compared(reader: Reader, name: str, value: str) -> None:
    written = value.replace("\\", "\\\\").replace(",", "\\,")
    key = name.replace("{}", value.replace("\\", "\\\\").replace("!", "\\!")[:496])
    for parameter, count in ((key, 0), (f"{key}!", 4)):
        response = reader.get(
            f"/api/analytics?from=2026-03-18&to=2026-03-18&{quote(parameter)}={quote(written)}",
        )
        assert response.status_code == 200, response.text
        answer = response.json()
        assert answer["analytics"]["summary"]["request_count"] == count
        compared = value.strip().lower() if name == "provider" else value
        assert answer["filters"][0]["values"] == [compared or None]


NAMES = st.sampled_from(
    [
        *("provider", "model", "operation", "outcome", "conversation", "tag.feature", "tag.", "tag.a!", "x"),
        *("days", "from", "to", "type", "limit", "order", "group_by", "grain", "format", "month", "filters"),
    ]
)
TEXTS = st.text(max_size=8) | st.sampled_from(
    [
        "model",
        "hour",
        "tag.feature",
        "day",
        "week",
        "all",
        "7",
        "2026-03-18",
        "csv",
        "focus",
        "cost",
        "requests",
    ]
)
PAIRS = st.lists(
    st.tuples(
        st.builds(lambda name, excluded: name + excluded, NAMES, st.sampled_from(["", "", "!", "!!", "\\!"])),
        TEXTS,
    ),
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["/api/analytics", "/api/export"]), PAIRS, st.text(max_size=20))
def test_any_query_is_answered_or_refused(
    reader: Reader,
    path: str,
    pairs: list[tuple[str, str]],
    rest: str,
) -> None:

    def written(text: str) -> str:
        return quote(text.encode(errors="replace"), safe="")

    query = "&".join(f"{written(name)}={written(value)}" for name, value in pairs)
    response = reader.get(f"{path}?{query}&{written(rest)}")
    assert response.status_code in (200, 400), response.text
    if response.status_code == 400:
        message: Any = response.json()["error"]
        assert message
        assert len(message) < 350
