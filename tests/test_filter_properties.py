"""Numbers under filters: all ways to ask agree with plain sums over `usage_logs`, and with each other."""

import csv
import io
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas as pd
import psycopg
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from analytics import queries
from analytics.database import Database
from analytics.days import Days
from analytics.exports.calls import calls_csv, count_calls
from analytics.exports.charges import charges
from analytics.queries import OTHER_TAGS, Condition, Filters, Period
from analytics.queries.filters import BASES, HAS, TAG, WEEKDAYS
from analytics.queries.ranges import AT, RANGES, span_text
from tests import factories, naive
from tests.api import bearer, exact, open_api
from tests.clones import Clones
from tests.connections import dsn
from tests.naive import Row, grouped

COMBINATIONS = 200
CALLS = 120
"""Of each client."""
DAYS = 45
SUMS = ("total_tokens", "prompt_tokens", "completion_tokens", "total_cost", "request_count", "unpriced_count")
ZONES = {
    # Each with a day of 23 or 25 hours, or hours that are not whole, among the last days. In Havana the hour
    # after midnight comes twice.
    "America/Havana": datetime(2025, 11, 20, 15, tzinfo=UTC),
    "Europe/Berlin": datetime(2026, 4, 10, 9, tzinfo=UTC),
    "Asia/Kolkata": factories.NOW,
}
TWICE = datetime(2025, 11, 2, 4, 30, tzinfo=UTC)
"""The first half past midnight of two in Havana."""
TWO = (18, 18)
"""That day, as days before the last."""
ADA, BOB, GONE = UUID(int=101), UUID(int=102), UUID(int=103)
CORRECTIONS = (UUID(int=301), UUID(int=302))
"""Each of every second call, so that some were corrected twice."""
TAGS: Sequence[dict[str, str]] = (
    {"feature": "chat"},
    {"feature": "search", "team": "a,b"},
    {"feature": "search", "user": "5511987654321"},
    {"team": "c!"},
)
VALUES: dict[str, Sequence[Any]] = {
    "provider": ["openai", "groq", "whisper", "anthropic"],
    "model": ["gpt-4o", "gpt-4o", "o1", "llama, 70b", "100%\\", None],
    "operation": ["chat", "embeddings", None],
    "outcome": ["ok", "error", "refused", "cut", None],
}
HAVING: dict[str, Callable[[Row], bool]] = {
    "latency": lambda log: log["latency_ms"] is not None and log["outcome"] != "error",
    "first-token": lambda log: log["time_to_first_token_ms"] is not None and log["outcome"] != "error",
    "retry": lambda log: (log["attempt"] or 1) > 1,
    "usage": lambda log: bool(
        log["total_tokens"] or log["duration_seconds"] or log["outcome"] in ("error", "refused")
    ),
    "stated-cost": lambda log: log["stated_cost_usd"] is not None,
    "cache": lambda log: log["cached_tokens"] is not None,
    "cached": lambda log: bool(log["cached_tokens"]),
    "cache-write": lambda log: bool(log["cache_write_tokens"]),
    "unread": lambda log: bool(log["is_unread"]),
    "bucket": lambda log: log["bucket_request_count"] is not None,
    "attempts": lambda log: log["last_attempt"] > 1,
    "replaced": lambda log: (log["attempt"] or 99) < log["last_attempt"] and log["outcome"] in (None, "ok"),
}
GROUPS = (*queries.GROUPS, "tag.feature", "tag.user", "tag.none")


def random_calls(client_id: UUID, now: datetime, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Calls of all kinds in the last DAYS days."""
    moments = [now - timedelta(seconds=chance.randrange(DAYS * 86_400)) for _ in range(CALLS)]
    for moment in [*moments, *(TWICE + timedelta(minutes=number) for number in range(0, 120, 15))]:
        is_unpriced = chance.random() < 0.2
        yield factories.usage_log(
            client_id,
            **{
                {"provider": "source"}.get(name, name): chance.choice(values)
                for name, values in VALUES.items()
            },
            created_at=moment,
            conversation_id=chance.choice([ADA, BOB, GONE, None, None, None]),
            phone=chance.choice(["551", "552", "553", None]),
            prompt_tokens=chance.choice([0, 1, 100, 10**9]),
            completion_tokens=chance.randrange(50),
            cost_usd=Decimal(0) if is_unpriced else Decimal(chance.randrange(10**12)) / 10**14,
            cost_basis="unpriced"
            if is_unpriced
            else chance.choice(["priced", "priced", "estimated", "given"]),
            tag_set_id=chance.choice([*range(len(TAGS) + 1), None, None]),
            cached_tokens=chance.choice([None, 0, 7]),
            cache_write_tokens=chance.choice([None, None, 0, 3]),
            duration_seconds=chance.choice([None, Decimal("1.25")]),
            latency_ms=chance.choice([None, 0, 899, 900, 4000]),
            time_to_first_token_ms=chance.choice([None, 90, 91]),
            attempt=chance.choice([None, 1, 2, 3]),
            operation_id=chance.choice([None, f"{moment:%m-%d} {moment.hour // 12}"]),
            stated_cost_usd=chance.choice([None, None, Decimal(1)]),
            metadata=chance.choice([None, None, {"usage_not_understood": {"new_tokens": "kept"}}]),
        )


class Calls(naive.Usage):
    """One client's calls, and those of them that pass filters."""

    def __init__(self, connection: "psycopg.Connection[Any]", client_id: UUID, now: datetime) -> None:
        super().__init__(connection, client_id, now)
        connection.execute("select set_config('app.phones', 'masked', true)")
        last: defaultdict[str, int] = defaultdict(int)
        for log in self.logs:
            last[log["operation_id"]] = max(last[log["operation_id"]], log["attempt"] or 1)
        for log in self.logs:
            log["last_attempt"] = last[log["operation_id"]] if log["operation_id"] else 0
        self.tags: dict[int, dict[str, str]] = dict(
            connection.execute(
                "select id, (select jsonb_object_agg(key, shown_name(value, null))"
                " from jsonb_each_text(tags))"
                " from tag_sets where client_id = %s",
                [client_id],
            ).fetchall()
        )
        corrected: defaultdict[UUID, set[str]] = defaultdict(set)
        for call, correction in connection.execute(
            "select usage_log_id, correction_id from cost_correction_items where client_id = %s", [client_id]
        ):
            corrected[call].add(str(correction))
        for log in self.logs:
            log["corrections"] = corrected[log["id"]]
        self.handles: dict[str, str] = dict(
            connection.execute(
                "select distinct phone_handle(read_phone_secret(), client_id, phone), phone from usage_logs"
                " where client_id = %s and phone is not null",
                [client_id],
            ).fetchall()
        )

    def filtered(self, filters: Filters) -> "Calls":
        """The same with only the calls that pass."""
        passing = copy(self)
        passing.logs = [log for log in self.logs if all(self._passes(log, one) for one in filters)]
        return passing

    def until(self, day: date) -> "Calls":
        """The same as if this day were today, and over."""
        then = copy(self)
        then.today, then.clock = day, time.max
        return then

    def value(self, log: Row, name: str) -> str | None:
        """What the call tells of a dimension or tag."""
        if name == "hour":
            return f"{log['hour']:02}"
        if name == "weekday":
            return f"{log['usage_date']:%a}".lower()
        if name == "basis":
            basis: str = log["cost_basis"]
            return basis
        if name.startswith(HAS):
            return "yes" if HAVING[name.removeprefix(HAS)](log) else "no"
        if not name.startswith(TAG):
            told: str | None = log["source" if name == "provider" else name]
            return told
        if log["tag_set_id"] == 0:
            return OTHER_TAGS
        return self.tags.get(log["tag_set_id"], {}).get(name.removeprefix(TAG))

    def identity(self, log: Row) -> tuple[UUID | None, str | None]:
        """Of which conversation the call is."""
        if log["conversation_id"] is not None:
            return log["conversation_id"], None
        known = next(
            (one["id"] for one in self.conversations if one["phone"] == log["phone"] is not None), None
        )
        return (known, None) if known else (None, log["phone"])

    def _passes(self, log: Row, condition: Condition) -> bool:
        if condition.name == "conversation":
            conversation_id, phone = self.identity(log)
            handle = {self.handles.get(one) for one in condition.values} - {None}
            is_one = str(conversation_id or phone or "") in condition.values or (
                log["conversation_id"] is None and log["phone"] in handle
            )
        elif condition.name == "correction":
            is_one = not log["corrections"].isdisjoint(condition.values)
        elif condition.name == AT:
            first, end = condition.values[0].split("..")
            is_one = datetime.fromisoformat(first) <= log["created_at"] < datetime.fromisoformat(end)
        elif condition.name in RANGES:
            begin, end = condition.values[0].split("..")
            took = log["latency_ms" if condition.name == "latency" else "time_to_first_token_ms"]
            is_told = took is not None and log["outcome"] != "error"
            is_one = is_told and int(begin or 0) <= took and (not end or took < int(end))
        else:
            is_one = (self.value(log, condition.name) or "") in condition.values
        return is_one != condition.is_excluded


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A client's calls and how to ask for them."""

    database: Database
    api: TestClient
    headers: dict[str, str]
    client_id: UUID
    calls: Calls
    now: datetime


@pytest.fixture(scope="module")
def clients(clones: Clones, migrated_template: str) -> Iterator[Sequence[Asked]]:
    """One client in each zone, all with the same names of everything; a part of the calls is folded."""
    chance = random.Random(12)
    with clones.copy(migrated_template) as database:
        ids = {zone: factories.client(database, zone, zone) for zone in ZONES}
        for client_id in ids.values():
            factories.conversation(database, client_id, id=ADA, phone="551", name="Ada")
            factories.conversation(database, client_id, id=BOB, name="Bob")
            with database.transaction() as connection:
                for tags in TAGS:
                    connection.execute("select intern_tags(%s, %s)", [client_id, Jsonb(tags)])
        for part in range(2):
            for zone, now in ZONES.items():
                logs = list(random_calls(ids[zone], now, chance))
                factories.insert_usage(database, *logs[part::2])
            if part == 0:
                database.fold()
        with database.transaction() as connection:
            for number, correction in enumerate(CORRECTIONS):
                connection.execute(
                    "insert into cost_corrections"
                    " (client_id, id, corrected_by, reason, first_date, last_date, timezone)"
                    " select id, %s, 'ana', 'test', '2026-01-01', '2026-12-31', timezone from clients",
                    [correction],
                )
                connection.execute(
                    "insert into cost_correction_items select client_id, %s, id, 0, 0, 'priced', 'priced',"
                    " null, null, false from usage_logs where get_byte(uuid_send(id), 15) >> %s & 1 = 1",
                    [correction, number],
                )
        api = open_api(database)
        with psycopg.connect(dsn(database.url)) as connection:
            yield [
                Asked(
                    database=database,
                    api=api,
                    headers=bearer(database, ids[zone]),
                    client_id=ids[zone],
                    calls=Calls(connection, ids[zone], now),
                    now=now,
                )
                for zone, now in ZONES.items()
            ]


def added(logs: Iterable[Row], names: Iterable[str] = SUMS) -> tuple[Any, ...]:
    """The sums of calls, by their names."""
    logs = list(logs)
    sums = {
        "total_tokens": naive.tokens(logs),
        "prompt_tokens": naive.tokens(logs, "prompt"),
        "completion_tokens": naive.tokens(logs, "completion"),
        "total_cost": naive.cost(logs),
        "request_count": len(logs),
        "unpriced_count": naive.unpriced(logs),
    }
    return tuple(sums[name] for name in names)


def told(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]], *keys: str
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """The sums of rows by their keys, of those with any; an unknown cost adds nothing."""
    records = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows
    found: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for row in records:
        names = [name for name in SUMS if name in row]
        key = tuple(row[name].date() if isinstance(row[name], pd.Timestamp) else row[name] for name in keys)
        if row["request_count"]:
            assert key not in found
            found[key] = tuple(row[name] or 0 for name in names)
    return found


def expected(
    logs: Iterable[Row], key: Any, names: Sequence[str] = SUMS
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    return {name: added(here, names) for name, here in grouped(logs, key).items()}


FEW = ("total_tokens", "total_cost", "request_count", "unpriced_count")


def bucket_of(day: date, grain: str, first: date) -> date:
    """The first day of the bucket that a day is in."""
    if grain == "all":
        return first
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if grain == "month" else day


def condition_values(name: str, calls: Calls) -> list[str]:
    """All that calls tell of it, and what none does."""
    if name == "conversation":
        # Pages have handles only of phones without a conversation.
        known = {one["phone"] for one in calls.conversations}
        handles = [handle for handle, phone in calls.handles.items() if phone not in known]
        return ["", str(ADA), str(BOB), str(GONE), str(UUID(int=9)), *handles, "p" + "0" * 32]
    if name == "weekday":
        return list(WEEKDAYS)
    if name == "correction":
        return [*map(str, CORRECTIONS), str(UUID(int=309))]
    if name == AT:
        # Each begins with a call, and ends before one.
        moments = sorted({log["created_at"] for log in calls.logs})
        return [span_text(moments[each], moments[-1 - each // 4]) for each in range(0, len(moments) - 30, 9)]
    if name in RANGES:
        return ["900..", "..900", "90..900", "..90", "0..", "1..5000", "901..", "..1", "91..", "0..91"]
    if name == "basis" or name.startswith(HAS):
        return [*BASES] if name == "basis" else ["yes", "no"]
    told = sorted({calls.value(log, name) or "" for log in calls.logs})
    return told if name == "hour" else [*told, "none of them's"]


NAMES = (
    *VALUES,
    *("tag.feature", "tag.team", "tag.user", "tag.none", "conversation", "hour", "weekday", "basis"),
    "correction",
    *RANGES,
    *(f"{HAS}{fact}" for fact in HAVING),
)
CONDITIONS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.lists(st.integers(0, 9), min_size=1, max_size=3), st.booleans()),
    max_size=3,
    unique_by=lambda condition: condition[0],
)
AGO = st.tuples(st.integers(0, DAYS), st.integers(0, DAYS))


@settings(
    max_examples=COMBINATIONS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(
    zone=st.integers(0, len(ZONES) - 1),
    conditions=CONDITIONS,
    ago=AGO,
    group=st.sampled_from(GROUPS),
    grain=st.sampled_from(["hour", "day", "week", "month", "all"]),
    order=st.sampled_from(["tokens", "cost", "requests"]),
    top=st.integers(1, 7),
    is_of_sums=st.booleans(),
)
@example(zone=0, conditions=[], ago=TWO, group="hour", grain="hour", order="tokens", top=7, is_of_sums=True)
@example(
    zone=0,
    conditions=[("hour", [0], False)],
    ago=TWO,
    group="tag.feature",
    grain="day",
    order="tokens",
    top=7,
    is_of_sums=True,
)
@example(
    zone=0,
    conditions=[("hour", [0, 1], False), ("weekday", [6], False), ("conversation", [1], True)],
    ago=(0, 30),
    group="hour",
    grain="hour",
    order="requests",
    top=7,
    is_of_sums=False,
)
@example(
    # All conversations, the calls of which are looked for in the spans of these hours.
    zone=0,
    conditions=[("hour", [3], True)],
    ago=(0, DAYS),
    group="hour",
    grain="all",
    order="tokens",
    top=7,
    is_of_sums=False,
)
@example(
    zone=2,
    conditions=[("hour", [3, 9], True)],
    ago=(0, 20),
    group="weekday",
    grain="week",
    order="cost",
    top=3,
    is_of_sums=True,
)
@example(
    zone=0,
    conditions=[("at", [1], False), ("hour", [0, 3], True), ("conversation", [1], True)],
    ago=(0, DAYS),
    group="hour",
    grain="hour",
    order="tokens",
    top=7,
    is_of_sums=False,
)
@example(
    zone=2,
    conditions=[("correction", [0, 1], False), ("model", [0], True)],
    ago=(0, DAYS),
    group="tag.feature",
    grain="hour",
    order="cost",
    top=3,
    is_of_sums=True,
)
@example(
    zone=0,
    conditions=[("correction", [1], True), ("hour", [0, 3], True)],
    ago=(0, DAYS),
    group="outcome",
    grain="day",
    order="tokens",
    top=7,
    is_of_sums=False,
)
@example(
    zone=1,
    conditions=[("at", [5], False), ("tag.feature", [0], True), ("latency", [4], False)],
    ago=(0, DAYS),
    group="model",
    grain="day",
    order="cost",
    top=7,
    is_of_sums=True,
)
@example(
    zone=0,
    conditions=[("conversation", [1], False)],
    ago=TWO,
    group="hour",
    grain="hour",
    order="cost",
    top=1,
    is_of_sums=False,
)
def test_all_ways_to_ask_agree(
    clients: Sequence[Asked],
    zone: int,
    conditions: list[tuple[str, list[int], bool]],
    ago: tuple[int, int],
    group: str,
    grain: Any,
    order: Any,
    top: int,
    is_of_sums: bool,
) -> None:
    asked = clients[zone]
    filters = Filters.of(
        Condition(
            name=name,
            values=tuple(
                (values := condition_values(name, asked.calls))[one % len(values)]
                for one in (numbers[:1] if name in RANGES else numbers)
            ),
            is_excluded=is_excluded and name not in RANGES,
        )
        for name, numbers, is_excluded in conditions
    )
    days = Days(*(asked.calls.today - timedelta(days=day) for day in sorted(ago, reverse=True)))
    passing = asked.calls.filtered(filters).until(days.last)
    logs = passing.between(days.first, days.last)

    # Half of the ways that are left for each combination, as all of them would take a minute.
    if is_of_sums:
        pages_agree(asked, filters, days, passing)
    else:
        conversations_agree(asked, filters, days, passing)
        exports_agree(asked, filters, days, logs)
    groups_agree(asked, filters, days, passing, group=group, grain=grain, order=order, top=top)
    api_agrees(asked, filters, days, logs, group=group, grain=grain, order=order, top=top)


def pages_agree(asked: Asked, filters: Filters, days: Days, passing: Calls) -> None:
    """The Overview, and Providers and models."""
    logs = passing.between(days.first, days.last)
    whole = asked.database, asked.client_id
    by_model = expected(logs, lambda log: (log["source"], log["model"]))
    overview = queries.load_overview(*whole, Period.of(days), asked.now, filters=filters)
    before = passing.between(days.before.first, days.before.last)
    if days.last == asked.calls.today:
        # Until the time of day that it is now.
        before = [
            log for log in before if log["usage_date"] < days.before.last or log["clock"] <= asked.calls.clock
        ]
    for row in overview.summary.to_dict("records"):
        here, earlier = (
            calls if row["provider"] == "total" else naive.of_provider(calls, row["provider"])
            for calls in (logs, before)
        )
        assert tuple(row[name] for name in SUMS) == added(here)
        if overview.compared.no_comparison is None:
            assert tuple(row[f"previous_{name}"] for name in FEW) == added(earlier, FEW)
    charted = passing.last_days(overview.period.chart_days)
    assert told(overview.daily, "date", "source") == expected(
        charted, lambda log: (log["usage_date"], log["source"]), FEW
    )
    weeks = [(week[0].date(), *week[1:]) for week in overview.weekly.astype(object).itertuples(index=False)]
    assert weeks == passing.weekly(len(weeks))
    assert told(overview.models, "source", "model") == by_model
    conversations = expected(logs, passing.identity, FEW)
    shown = [tuple(row[name] for name in FEW) for row in overview.conversations.to_dict("records")]
    assert sorted(shown) == sorted(conversations.values())

    comparison = queries.usage_comparison(*whole, days, days.before, now=asked.now, filters=filters)
    assert told(comparison.models, "source", "model") == by_model
    if comparison.days.no_comparison is None:
        names = {f"previous_{name}": name for name in FEW}
        earlier_models = comparison.models[["source", "model", *names]].rename(columns=names)
        assert told(earlier_models, "source", "model") == expected(
            before, lambda log: (log["source"], log["model"]), FEW
        )
    sums = queries.call_sums(*whole, days, filters=filters)
    assert told(sums.parts, "source", "model", "operation") == expected(
        logs, lambda log: (log["source"], log["model"], log["operation"])
    )
    assert told(sums.by_hour[["weekday", "hour", *FEW]], "weekday", "hour") == expected(
        logs, lambda log: (log["usage_date"].isoweekday(), log["hour"]), FEW
    )
    assert told(sums.by_operation[["operation", *FEW]], "operation") == expected(
        logs, lambda log: (log["operation"],), FEW
    )
    answers = queries.load_answers(*whole, days, filters=filters)
    assert answers.facts["request_count"].sum() == len(logs)
    assert answers.facts["cached_tokens"].sum() == sum(log["cached_tokens"] or 0 for log in logs)
    assert told(answers.by_hour[["hour", "outcome", "total_cost", "request_count"]], "hour", "outcome") == (
        expected(logs, lambda log: (log["hour"], log["outcome"]), ("total_cost", "request_count"))
    )
    timed = [log for log in logs if log["latency_ms"] is not None and log["outcome"] != "error"]
    assert {
        (row["source"], row["model"]): row["request_count"]
        for row in answers.times.to_dict("records")
        if row["kind"] == "model" and row["request_count"]
    } == {key: len(here) for key, here in grouped(timed, lambda log: (log["source"], log["model"])).items()}
    facts = queries.call_facts(*whole, days, filters=filters)
    assert {row["key"]: row["request_count"] for row in facts.tag_keys.to_dict("records")} == {
        key: len(having)
        for key in ("feature", "team", "user")
        if (having := [log for log in logs if passing.value(log, f"tag.{key}") not in (None, OTHER_TAGS)])
    }


def conversations_agree(asked: Asked, filters: Filters, days: Days, passing: Calls) -> None:
    """A page of calls, the list of conversations, and the timeline of one."""
    whole = asked.database, asked.client_id
    logs = passing.between(days.first, days.last)
    newest = sorted(logs, key=lambda log: (log["created_at"], log["id"]), reverse=True)
    page = queries.calls_page(*whole, days, filters=filters, limit=20)
    assert page["id"].tolist() == [log["id"] for log in newest[:20]]
    assert set(page["matched_count"]) <= {len(logs)}
    if len(newest) > 20:
        place = queries.CallPlace(created_at=newest[19]["created_at"], id=newest[19]["id"])
        page = queries.calls_page(*whole, days, filters=filters, limit=20, place=place)
        assert page["id"].tolist() == [log["id"] for log in newest[20:40]]
    conversations = expected(logs, passing.identity, FEW)
    found = queries.found_conversations(*whole, days, filters=filters, sort="cost")
    handles = {phone: handle for handle, phone in passing.handles.items()}
    assert told(found[["conversation_id", "phone_handle", *FEW]], "conversation_id", "phone_handle") == {
        (conversation_id, handles.get(phone)): here
        for (conversation_id, phone), here in conversations.items()
    }
    assert set(found["matched_count"]) <= {len(conversations)}
    for conversation_id, phone in list(conversations)[:1]:
        timeline = queries.conversation_timeline(
            *whole,
            days,
            conversation_id=conversation_id,
            phone_handle=handles.get(phone),
            filters=filters,
        )
        assert sorted(timeline.calls["id"]) == sorted(
            log["id"] for log in logs if passing.identity(log) == (conversation_id, phone)
        )


def groups_agree(
    asked: Asked,
    filters: Filters,
    days: Days,
    passing: Calls,
    *,
    group: str,
    grain: Any,
    order: Any,
    top: int,
) -> None:
    """USAGE_BY_GROUP: the first values, all others together, in each bucket."""
    logs = passing.between(days.first, days.last)
    frame = queries.usage_by_group(
        asked.database,
        asked.client_id,
        days,
        group,
        bucket=grain,
        order=order,
        top=top,
        filters=filters,
    )
    column = {"tokens": 0, "cost": 3, "requests": 4}[order]
    sums = expected(logs, lambda log: passing.value(log, group))
    ranked = sorted(
        sums,
        key=lambda name: (-sums[name][column], -sums[name][3], -sums[name][0], name is None, name or ""),
    )
    named = ranked if len(ranked) <= top + 1 else ranked[:top]

    def place(log: Row) -> tuple[Any, ...]:
        value = passing.value(log, group)
        bucket: Any = bucket_of(log["usage_date"], grain, days.first)
        if grain == "hour":
            bucket = datetime.combine(bucket, time(log["hour"]))
        is_rest = value not in named
        return bucket, None if is_rest else value, is_rest

    rows = frame.to_dict("records")
    if grain == "hour":
        rows = [row | {"bucket_at": row["bucket_at"].to_pydatetime()} for row in rows]
    assert told(rows, "bucket_at", "value", "is_rest") == expected(logs, place)
    assert [
        (row["value"], row["is_rest"], row["value_count"]) for row in rows[: len(named) + 1] if row["place"]
    ][: len(set(frame["place"]))] == [
        *((value, False, 1) for value in named),
        *([(None, True, len(ranked) - len(named))] if len(named) < len(ranked) else []),
    ]
    if group.startswith(TAG):
        tagged = queries.usage_by_tag(
            asked.database, asked.client_id, days, group.removeprefix(TAG), filters=filters
        )
        rows = [row | {"value": OTHER_TAGS} if row["is_other"] else row for row in tagged.to_dict("records")]
        assert told(rows, "value") == {(value,): here for value, here in sums.items()}
    if grain in ("day", "week", "month"):
        over_time = queries.usage_over_time(asked.database, asked.client_id, days, grain, filters=filters)
        assert told(over_time, "bucket_date", "source") == expected(
            logs, lambda log: (bucket_of(log["usage_date"], grain, days.first), log["source"]), FEW
        )


def api_agrees(
    asked: Asked,
    filters: Filters,
    days: Days,
    logs: list[Row],
    *,
    group: str,
    grain: Any,
    order: Any,
    top: int,
) -> None:
    """GET /api/analytics, whole and by a group."""

    def answer(**parameters: Any) -> Any:
        response = asked.api.get(
            "/api/analytics",
            params={"from": str(days.first), "to": str(days.last), **filters.query(), **parameters},
            headers=asked.headers,
        )
        assert response.status_code == 200, response.text
        content = exact(response.content)
        assert content["filters"] == exact(filters.json().encode())
        return content["analytics"]

    analytics = answer()
    assert tuple(analytics["summary"][name] or 0 for name in SUMS) == added(logs)
    assert told(analytics["summary"]["by_provider"], "provider") == {
        (provider,): added(here)
        for provider in ("openai", "groq", "other")
        if (here := naive.of_provider(logs, provider))
    }
    assert told(analytics["daily"], "date", "source") == expected(
        logs, lambda log: (str(log["usage_date"]), log["source"]), FEW
    )
    weeks = expected(logs, lambda log: str(log["usage_date"] - timedelta(days=log["usage_date"].weekday())))
    in_weeks = {week["week_start"]: week["request_count"] for week in analytics["weekly"]}
    assert all(in_weeks[week] >= sums[4] for week, sums in weeks.items())
    assert sum(row["request_count"] for row in analytics["byConversation"]) == len(logs)
    month = [
        log
        for log in asked.calls.filtered(filters).logs
        if (log["usage_date"].year, log["usage_date"].month) == (days.last.year, days.last.month)
    ]
    assert told(analytics["monthly"], "source", "model") == expected(
        month, lambda log: (log["source"], log["model"])
    )
    groups = answer(group_by=group, grain=grain, order=order, limit=top)["byGroup"]
    assert sum(row["request_count"] for row in groups) == len(logs)
    for row in groups:
        is_unknown = row["unpriced_count"] > 0 and row["unpriced_count"] == row["request_count"]
        assert (row["total_cost"] is None) == is_unknown
    assert sum((row["total_cost"] or 0 for row in groups), Decimal(0)) == naive.cost(logs)


def exports_agree(asked: Asked, filters: Filters, days: Days, logs: list[Row]) -> None:
    """The calls and the sums of a file, and how many it is said to have."""
    whole = asked.database, asked.client_id, days
    content = b"".join(calls_csv(*whole, is_unmasked=False, filters=filters))
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert sorted(row["id"] for row in rows) == sorted(str(log["id"]) for log in logs)
    assert count_calls(*whole, is_unmasked=False, filters=filters) == len(logs)
    response = asked.api.get(
        "/api/export",
        params={"from": str(days.first), "to": str(days.last), **filters.query()},
        headers=asked.headers,
    )
    assert response.content == content
    assert ("-filtered-" in response.headers["Content-Disposition"]) == bool(filters)

    keys = ("usage_date", "source", "model", "operation", "tags", "is_other_tags")
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for charge in charges(*whole, filters=filters):
        key = (*charge[:4], str(charge.tags), charge.is_other_tags)
        sums.setdefault(key, Counter()).update(
            {
                "prompt_tokens": charge.usage.prompt_tokens,
                "completion_tokens": charge.usage.completion_tokens,
                "total_tokens": charge.usage.total_tokens,
                "total_cost": charge.cost_usd,
                "request_count": charge.request_count,
                "unpriced_count": charge.request_count if charge.is_unpriced else 0,
            }
        )
    rows = [dict(zip(keys, key, strict=True)) | dict(found) for key, found in sums.items()]
    assert told(rows, *keys) == expected(
        logs,
        lambda log: (
            *(log[name] for name in keys[:4]),
            str(asked.calls.tags.get(log["tag_set_id"])),
            log["tag_set_id"] == 0,
        ),
    )
