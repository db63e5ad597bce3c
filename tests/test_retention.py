"""Calls go, and their sums stay: after any history the sums are those of all calls that ever counted."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from click.testing import CliRunner
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test
from psycopg.types.json import Jsonb

import analytics
from analytics.__main__ import main
from analytics.clients import find_client
from analytics.database import Database
from analytics.days import Days
from analytics.errors import DataRefused, InvalidInput
from analytics.health.retention import retention_check
from analytics.importing import import_file, plan_import, sources_of
from analytics.queries import Filters
from analytics.queries.summed_days import sums_only
from analytics.retention import (
    EveryNight,
    clear_rule,
    due_now,
    last_run,
    list_rules,
    list_spans,
    restore_calls,
    run_retention,
    set_rule,
)
from tests.api import bearer, open_api
from tests.app import open_page
from tests.connections import dsn
from tests.factories import NOW, insert_usage, usage_log
from tests.naive import FREEZE, FROZEN, with_frozen, wrong_sums
from tests.test_rollups import (
    BUSY_WEEKS_HAVE,
    CLIENTS,
    LISTS,
    TIMEZONES,
    WRONG_KINDS,
    RollupMachine,
    usage_logs,
)

REFUSED = (psycopg.errors.CheckViolation, psycopg.errors.ObjectNotInPrerequisiteState)


class RetentionMachine(RollupMachine):
    """The same mix of statements, some of which are refused now, and calls that go and come back."""

    logs = with_frozen()

    @initialize(
        written=st.lists(usage_logs(), min_size=8, max_size=12),
        days_ago=st.sampled_from([0, 1, 2, 6]),
        most=st.sampled_from([1, 3, 100]),
        timezones=st.tuples(st.sampled_from(TIMEZONES), st.sampled_from(TIMEZONES)),
        comes_back=st.booleans(),
    )
    def begin_with_clients(
        self,
        written: list[tuple[Any, ...]],
        days_ago: int,
        most: int,
        timezones: tuple[str, str],
        comes_back: bool,
    ) -> None:
        """Calls, of which some went: by chance alone that would seldom be so."""
        self.connection.execute("delete from frozen_logs; delete from kept_logs")
        super().begin_with_clients()
        self.change_timezone(CLIENTS[0], timezones[0])
        RollupMachine.insert(self, written, is_folded=False)
        for client_id in CLIENTS:
            self.drop(client_id, 13)
            self.drop(client_id, days_ago)
        self.delete_a_bite(most)
        self.change_timezone(CLIENTS[0], timezones[1])
        if comes_back:
            self.restore_the_last(CLIENTS[0])

    @rule(client_id=st.sampled_from(CLIENTS), days_ago=st.sampled_from([0, 1, 2, 6, 13, 40]))
    def drop(self, client_id: UUID, days_ago: int) -> None:
        end_date = NOW.date() - timedelta(days=days_ago)
        with self.connection.transaction():
            found = self.connection.execute(
                "select day_begins_at(%s, timezone), coalesce(raw_since_at, '-infinity')::text"
                " from clients where id = %s",
                [end_date, client_id],
            ).fetchone()
            assert found is not None
            self.connection.execute(FREEZE, [client_id, found[0]])
            begun = self.connection.execute(
                "select begin_dropping_calls(%s, %s, null)", [client_id, end_date]
            ).fetchone()
            if begun == (None,):
                raise psycopg.Rollback
            self.connection.execute(
                "insert into kept_logs select * from usage_logs where client_id = %s"
                " and created_at >= %s::timestamptz and created_at < %s",
                [client_id, found[1], found[0]],
            )

    @rule(most=st.sampled_from([1, 3, 100]))
    def delete_a_bite(self, most: int) -> None:
        for (span,) in self.connection.execute(
            "select id from dropped_calls where dropped_at is null and restored_at is null"
        ).fetchall():
            self.connection.execute("select delete_dropped_calls(%s, %s)", [span, most])

    @rule(client_id=st.sampled_from(CLIENTS))
    def restore_the_last(self, client_id: UUID) -> None:
        found = self.connection.execute(
            "update dropped_calls set restoring_at = now() where id = ("
            " select id from dropped_calls where client_id = %s and restored_at is null"
            " order by end_at desc limit 1) returning id, first_at::text, end_at",
            [client_id],
        ).fetchone()
        if found is None:
            return
        span, first_at, end_at = found
        of_span = "client_id = %s and created_at >= %s::timestamptz and created_at < %s"
        with self.connection.transaction():
            self.connection.execute("select set_config('app.restored_calls', %s, true)", [str(span)])
            self.connection.execute(
                f"insert into usage_logs select * from kept_logs where {of_span} on conflict do nothing",  # noqa: S608
                [client_id, first_at, end_at],
            )
        with self.connection.transaction():
            self.connection.execute("select end_restoring_calls(%s)", [span])
            for table in ("frozen_logs", "kept_logs"):
                self.connection.execute(
                    f"delete from {table} where {of_span}",  # noqa: S608
                    [client_id, first_at, end_at],
                )

    # What is refused changes nothing.

    @rule(rows=st.lists(usage_logs(), min_size=1, max_size=6), is_folded=st.booleans())
    def insert(self, rows: list[tuple[Any, ...]], is_folded: bool) -> None:
        with suppress(*REFUSED):
            super().insert(rows, is_folded)

    @rule(rows=st.lists(usage_logs(), min_size=1, max_size=6), is_folded=st.booleans())
    def copy_in(self, rows: list[tuple[Any, ...]], is_folded: bool) -> None:
        with suppress(*REFUSED):
            super().copy_in(rows, is_folded)

    @rule(rows=st.lists(usage_logs(), min_size=2, max_size=4))
    def roll_back(self, rows: list[tuple[Any, ...]]) -> None:
        with suppress(*REFUSED):
            super().roll_back(rows)

    @rule(row=usage_logs(), twice=st.booleans())
    def upsert(self, row: tuple[Any, ...], twice: bool) -> None:
        with suppress(*REFUSED):
            super().upsert(row, twice)

    @rule(
        change=st.sampled_from(
            [
                "total_tokens = total_tokens + 3, prompt_tokens = prompt_tokens + 3",
                "created_at = created_at - interval '5 hours'",
                "created_at = created_at + interval '30 hours'",
                "cost_usd = cost_usd * 2",
                "client_id = '00000000-0000-0000-0000-000000000002'",
            ]
        ),
        which=st.sampled_from(["true", "source = 'openai'", "created_at > '2026-03-17'"]),
    )
    def update(self, change: str, which: str) -> None:
        with suppress(*REFUSED):
            super().update(change, which)

    @rule(which=st.sampled_from(["source = 'groq'", "phone = '1'", "total_tokens > 5"]))
    def delete(self, which: str) -> None:
        # Calls before raw_since that are still there may go by any hand: nothing is archived here.
        super().delete(which)

    @rule(row=usage_logs())
    def insert_and_delete_in_one_transaction(self, row: tuple[Any, ...]) -> None:
        with suppress(*REFUSED):
            super().insert_and_delete_in_one_transaction(row)

    @rule(timezone=st.sampled_from(TIMEZONES), row=usage_logs())
    def change_every_timezone_after_a_write(self, timezone: str, row: tuple[Any, ...]) -> None:
        with suppress(*REFUSED):
            super().change_every_timezone_after_a_write(timezone, row)

    @rule(client_id=st.sampled_from(CLIENTS))
    def delete_client_and_make_it_again(self, client_id: UUID) -> None:
        for table in ("frozen_logs", "kept_logs"):
            self.connection.execute(f"delete from {table} where client_id = %s", [client_id])  # noqa: S608
        super().delete_client_and_make_it_again(client_id)

    @rule(most_calls=st.sampled_from([1, 100]))
    def sum_days_anew(self, most_calls: int) -> None:
        super().sum_days_anew(most_calls, is_damaged=False)

    @rule()
    def truncate(self) -> None:
        with suppress(*REFUSED):
            super().truncate()

    @invariant()
    def days_from_raw_since_on_are_those_of_their_calls(self) -> None:
        found = self.connection.execute(
            "select clients.id, differing.* from clients"
            " cross join lateral check_usage_sums(clients.id, '2025-12-01', '2026-03-31') as differing"
        ).fetchall()
        assert found == []


def test_sums_stay_whatever_goes_and_comes_back(database: Database) -> None:
    orders = cycle((days, limit, order) for days, limit in LISTS for order in ("tokens", "cost"))
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        connection.execute(FROZEN)
        connection.execute("create table kept_logs (like usage_logs)")
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            lambda: RetentionMachine(connection, orders),
            settings=settings(
                max_examples=25,
                stateful_step_count=6,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
            ),
        )


def drop(database: Database, client_id: UUID, end_date: date) -> None:
    """Drops the calls before a day, without an archive."""
    with database.transaction() as connection:
        begun = connection.execute(
            "select delete_dropped_calls(begin_dropping_calls(%s, %s, null), 100)", [client_id, end_date]
        ).fetchall()
        assert begun != []


def test_each_door_refuses_calls_of_summed_days(
    database: Database, acme: UUID, tracker: None, tmp_path: Path
) -> None:
    """The same call again, by the tracker, the API, a trace, an import and an insert: never counted twice."""
    when = datetime(2026, 3, 1, 12, tzinfo=UTC)
    usage = {"prompt_tokens": 150, "completion_tokens": 80}
    named: Any = {"source": "openai", "model": "gpt-4", "usage": usage, "id": "invoice 1"}
    again = when.isoformat()

    def log() -> None:
        analytics.log_usage(client_id=acme, created_at=when, **named)
        analytics.flush()

    log()
    drop(database, acme, date(2026, 3, 10))
    refusal = f"the calls of client {acme} before 2026-03-10 are kept as sums only"

    log()
    stats = analytics.stats()
    assert stats is not None
    assert (stats.stored, stats.already_there, stats.set_aside) == (1, 0, 1)

    api, headers = open_api(database), bearer(database, acme, "write")
    answer = api.post(
        "/api/usage",
        json=[named | {"created_at": again}, named | {"id": "new", "created_at": NOW.isoformat()}],
        headers=headers,
    )
    assert answer.status_code == 207
    assert [result["status"] for result in answer.json()["results"]] == ["rejected", "stored"]
    assert answer.json()["results"][0]["reason"].startswith(refusal)

    at_ns = int(when.timestamp()) * 10**9
    span = {
        "traceId": "0" * 31 + "1",
        "spanId": "0" * 15 + "1",
        "name": "chat gpt-4",
        "startTimeUnixNano": str(at_ns),
        "endTimeUnixNano": str(at_ns + 10**9),
        "attributes": [
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
            {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "150"}},
        ],
    }
    trace = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    answered = api.post("/v1/traces", json=trace, headers=headers).json()["partialSuccess"]
    assert int(answered["rejectedSpans"]) == 1
    assert answered["errorMessage"].startswith(refusal)

    file = tmp_path / "calls.csv"
    file.write_text(
        "created_at,source,model,prompt_tokens,completion_tokens\n"
        f"{again},openai,gpt-4,150,80\n2026-03-18T12:00:00Z,openai,gpt-4,1,1\n"
    )
    [source] = sources_of([str(file)])
    report = import_file(database, plan_import(source), client_id=acme)
    assert (report.stored, report.rejected, report.of_summed_days) == (1, 1, 1)
    assert report.rejects_path is not None
    assert refusal in report.rejects_path.read_text()

    with pytest.raises(DataRefused, match="kept as sums only"):
        insert_usage(database, usage_log(acme, created_at=when))
    with pytest.raises(DataRefused, match="set by"), database.transaction() as connection:
        connection.execute("update clients set raw_since = null, raw_since_at = null")

    with database.transaction() as connection:
        counted = connection.execute(
            "select sum(request_count) from usage_daily where usage_date = %s", [when.date()]
        ).fetchone()
    assert counted == (1,)


COUNTED = (
    "select 'days', usage_date::text, to_jsonb(usage_facts_daily) from usage_facts_daily"
    " union all select 'hours', usage_date::text, to_jsonb(usage_hourly) from usage_hourly"
    " union all select 'tags', usage_date::text, to_jsonb(usage_tagged_daily) from usage_tagged_daily"
    " union all select 'latency', usage_date::text, to_jsonb(usage_latency_daily) from usage_latency_daily"
    " union all select 'talks', usage_date::text, to_jsonb(usage_conversation_daily)"
    " from usage_conversation_daily order by 1, 2, 3"
)
TODAY = datetime(2026, 6, 10, 2, 30, tzinfo=UTC)


def rows(database: Database, statement: str) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type, call-overload]


@pytest.fixture
def history(database: Database, acme: UUID) -> list[tuple[Any, ...]]:
    """Calls from February to June, with tags, metadata and digits; all that is known of each."""
    with database.transaction() as connection:
        connection.execute("select intern_tags(%s, %s)", [acme, Jsonb({"team": "a\tb\\"})])
    insert_usage(
        database,
        *(
            usage_log(
                acme,
                created_at=datetime(2026, 2, 10, 23, 30, tzinfo=UTC) + timedelta(days=4 * place),
                cost_usd=Decimal("0.10") / (place + 1),
                tag_set_id=1 if place % 2 else None,
                latency_ms=100 * place,
                operation_id=f"é\\N\n{place}",
                metadata={"nested": [1.50, "\\"]},
                bucket_request_count=None,
            )
            for place in range(30)
        ),
    )
    return rows(database, CALLS)


CALLS = "select * from usage_logs order by created_at"


def test_calls_go_to_the_archive_and_come_back_exactly(
    database: Database, acme: UUID, history: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    sums = rows(database, COUNTED)
    archive = tmp_path / "archive"
    set_rule(database, None, keep_days=40, archive=str(archive), by="Ada")
    [due] = due_now(database, TODAY)
    assert (due.first_date, due.end_date) == (date(2026, 2, 10), date(2026, 5, 1))

    # One that is ended after its first step is gone on with.
    ends = iter([False, False, True, True, True, True])
    run_retention(database, TODAY, by="test", is_ended=lambda: next(ends))
    assert rows(database, COUNTED) == sums
    night = EveryNight(lambda: database)
    assert night.look(TODAY).is_alone

    assert rows(database, COUNTED) == sums
    kept = [row for row in history if row in rows(database, CALLS)]
    assert rows(database, CALLS) == kept == history[-10:]
    spans = list_spans(database)
    assert [str(span.end_date) for span in spans] == ["2026-03-01", "2026-04-01", "2026-05-01"]
    assert sum(span.deleted_count for span in spans) == 20
    assert len(list(archive.glob("*/*.parquet"))) == 3
    state = last_run(database)
    assert (state.has_rules, state.error, due_now(database, TODAY)) == (True, None, [])
    check = retention_check(database, datetime.now(UTC))
    gone = state.deleted_count
    assert gone
    assert (check.state, f"dropped {gone} calls" in check.finding) == ("ok", True)
    check = retention_check(database, datetime.now(UTC) + timedelta(days=9))
    assert (check.state, "calls of 1 client should have gone" in check.finding) == ("warn", True)
    # A damaged file brings nothing back; the others are fine.
    damaged = next(archive.glob("*/2026-03-01*.parquet"))
    good = damaged.read_bytes()
    damaged.write_bytes(good[:-9])
    client = find_client(database, "Acme")
    with pytest.raises(InvalidInput, match="is damaged"):
        restore_calls(database, client, None)
    assert len(rows(database, CALLS)) == 10 + spans[2].deleted_count
    assert rows(database, COUNTED) == sums
    damaged.write_bytes(good)

    # In another time zone: the sums of what comes back move to its days.
    with database.transaction() as connection:
        connection.execute("update clients set timezone = 'Pacific/Kiritimati'")
    moved = archive.rename(tmp_path / "moved")
    assert (
        restore_calls(database, client, date(2026, 2, 1), archive=str(moved)) == 20 - spans[2].deleted_count
    )
    assert rows(database, CALLS) == history
    assert rows(database, "select raw_since, raw_since_at from clients") == [(None, None)]
    assert wrong_sums_of(database) == []
    with database.transaction() as connection:
        connection.execute("update clients set timezone = 'UTC'")
    assert rows(database, COUNTED) == sums
    # They are not dropped again the next night.
    assert run_retention(database, TODAY, by="test").deleted_count == 0


def wrong_sums_of(database: Database) -> list[Any]:
    with database.transaction() as connection:
        return wrong_sums(connection)


def test_without_an_archive_calls_are_gone_and_a_writer_is_waited_for(
    database: Database, acme: UUID, history: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    sums = rows(database, COUNTED)
    with pytest.raises(InvalidInput, match=r"no calls of .Acme. went"):
        restore_calls(database, find_client(database, "Acme"), None)
    (tmp_path / "file").write_text("")
    set_rule(database, "Acme", keep_days=100, archive=str(tmp_path / "file"), by="Ada")
    with pytest.raises(InvalidInput, match=r"cannot write .*manifest"):
        run_retention(database, TODAY, by="test")
    assert rows(database, CALLS) == history
    assert list_spans(database) == []

    set_rule(database, "Acme", keep_days=100, archive=None, by="Ada")
    with psycopg.connect(dsn(database.url)) as writer:
        writer.execute("update usage_logs set attempt = 1 where created_at > '2026-06-01'")
        report: list[str] = []
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(run_retention, database, TODAY, by="test", report=report.append)
            # It waits in bites: others write meanwhile.
            for _ in range(3):
                insert_usage(database, usage_log(acme, created_at=TODAY, tag_set_id=None))
            assert not running.done()
            writer.commit()
            assert running.result().deleted_count == 5
    assert [row for row in rows(database, COUNTED) if row[1] < "2026-06"] == [
        row for row in sums if row[1] < "2026-06"
    ]
    with pytest.raises(InvalidInput, match="without an archive: they are gone"):
        restore_calls(database, find_client(database, "Acme"), None)
    assert clear_rule(database, "Acme")
    assert not clear_rule(database, "Acme")
    assert list_rules(database) == []


def test_what_needs_calls_says_where_they_are_gone(
    configured: Database, acme: UUID, history: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    drop(configured, acme, date(2026, 4, 1))
    client = find_client(configured, "Acme")
    days = Days(date(2026, 3, 1), date(2026, 6, 10))
    basis = Filters.parse([("basis", "priced")])
    told = "The calls before 1 Apr 2026 are kept as sums only"

    assert client.raw_since == date(2026, 4, 1)
    assert sums_only(client, days) is None
    assert (sums_only(client, days, basis) or "").startswith(told)
    assert (sums_only(client, days, are_calls=True) or "").startswith(told)
    assert sums_only(client, Days(date(2026, 4, 1), date(2026, 6, 10)), are_calls=True) is None
    # Sums are what they were; calls are those that are there.
    spelled = {"days": "2026-03-01..2026-06-10", "client": "Acme"}
    for page, link, is_told in (
        ("streamlit_app", {}, False),
        ("streamlit_app", {"basis": "priced"}, True),
        ("pages/calls", {}, True),
    ):
        shown = open_page(f"{page}.py", **spelled, **link)
        assert [told in each.value for each in shown.info] == [True] * is_told, page
    answered = open_api(configured).get(
        "/api/analytics?from=2026-03-01&to=2026-06-10&type=daily", headers=bearer(configured, acme)
    )
    assert answered.json()["period"]["raw_since"] == "2026-04-01"

    invoke = partial(CliRunner().invoke, main)
    of_days = ["--client", "Acme", "--from", "2026-03-01", "--to"]
    assert told in invoke(["export", *of_days, "2026-06-10", "--output", str(tmp_path / "calls.csv")]).output
    assert "kept as sums only, whose costs stay" in invoke(["reprice", *of_days, "2026-03-31"]).output
    assert "calls before 2026-04-01 are kept" in invoke(["reprice", *of_days, "2026-06-10"]).output
    assert '"Acme" 2026-02-10 to 2026-03-31: 13 calls dropped' in invoke(["retention", "show"]).output


def test_an_archive_is_imported(
    configured: Database, acme: UUID, history: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    invoke = partial(CliRunner().invoke, main)
    archive = str(tmp_path / "archive")
    assert "say where calls are written" in invoke(["retention", "set", "--keep-raw", "30d"]).output
    assert "must be days such as 400d" in invoke(["retention", "set", "--keep-raw", "a year"]).output
    invoke(["retention", "set", "--keep-raw", "30d", "--archive", archive, "--by", "Ada"])
    assert '"Acme": 30 calls before' in invoke(["retention", "run", "--dry-run"]).output
    assert "30 calls dropped" in invoke(["retention", "run"]).output
    assert rows(configured, CALLS) == []

    assert "30 calls are back; no sum changed" in invoke(["import", archive, "--client", "Acme"]).output

    assert rows(configured, CALLS) == history
    assert "nothing would go" in invoke(["retention", "run", "--dry-run"]).output
    assert "no rule" in invoke(["retention", "clear"]).output


def test_a_week_that_becomes_busy_while_a_part_of_it_is_gone(
    database: Database, acme: UUID, tmp_path: Path
) -> None:
    """By kind it is kept whole or not at all: its first calls come back, and count under a filter, too."""
    monday, thread = datetime(2026, 6, 1, 12, tzinfo=UTC), UUID(int=7)
    usage = {"conversation_id": thread, "phone": None, "model": "gpt-4", "total_tokens": 10}

    def call_on(day: int) -> dict[str, Any]:
        return usage_log(acme, created_at=monday + timedelta(days=day), **usage)

    with database.transaction() as connection:
        connection.execute(BUSY_WEEKS_HAVE.format(3))
    insert_usage(database, call_on(0), call_on(1))
    database.fold()
    set_rule(database, None, keep_days=12, archive=str(tmp_path), by="Ada")
    assert run_retention(database, monday + timedelta(days=14), by="test").deleted_count == 2
    insert_usage(database, call_on(4), call_on(5))
    database.fold()
    assert restore_calls(database, find_client(database, "Acme"), None) == 2

    with database.transaction() as connection:
        found = connection.execute(
            "select total_tokens from get_usage_by_conversation(%s, 12, 20, '2026-06-09', 'tokens', %s)",
            [acme, Jsonb([{"name": "model", "values": ["gpt-4"], "excluded": False}])],
        ).fetchall()
    assert found == [(40,)]
    with database.transaction() as connection:
        assert connection.execute(WRONG_KINDS).fetchall() == []
