"""Whatever is written, in whatever order: the views and the functions equal the sums of `usage_logs`."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from itertools import cycle, islice
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from analytics.database import Database
from tests.connections import dsn
from tests.factories import NOW, insert_usage, usage_log
from tests.naive import LOGS, Usage, rounded, wrong_sums

CLIENTS = [UUID(int=number) for number in (1, 2, 3)]
CONVERSATIONS = [UUID(int=number) for number in (101, 102, 103)]  # the third has no row of its own
PHONES = ["1", "2", "3"]
LISTS = ((1, 2), (3, 1), (3, 100), (7, 2), (100, 3))
"""Days, and how many conversations at most. Five, so that each client comes to all of them."""
TIMEZONES = ["UTC", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Kiritimati", "Europe/Berlin"]

COLUMNS = (
    "client_id, conversation_id, phone, source, model, prompt_tokens, completion_tokens, total_tokens,"
    " cost_usd, cost_basis, created_at, operation, outcome, tag_set_id, latency_ms, duration_seconds,"
    " stated_cost_usd, cached_tokens, cache_write_tokens, cache_write_1h_tokens, reasoning_tokens,"
    " prompt_audio_tokens, cached_audio_tokens, completion_audio_tokens, prompt_image_tokens,"
    " cached_image_tokens, completion_image_tokens, character_count, image_count, web_search_count,"
    " file_search_count, code_run_count, time_to_first_token_ms, attempt"
)
PLACES = ", ".join(["%s"] * (COLUMNS.count(",") + 1))
INSERT = f"insert into usage_logs ({COLUMNS}) values ({PLACES})"  # noqa: S608

BUSY_WEEKS_HAVE = "create or replace function calls_of_busy_week() returns bigint language sql return {}"
KINDS = "client_id, conversation_id, week_start, source, model, operation, outcome"
WRONG_KINDS = f"""
    with kept as materialized (
        select distinct client_id, conversation_id, week_start from usage_conversation_kind_rollup
    )

    select 'lacks' as what, client_id, conversation_id, week_start, null, null, null, null
    from usage_conversation_weekly_rollup as weekly
    where
        conversation_id is not null and isfinite(week_start) and request_count >= calls_of_busy_week()
        and not exists (
            select
            from kept
            where
                (kept.client_id, kept.conversation_id, kept.week_start)
                = (weekly.client_id, weekly.conversation_id, weekly.week_start)
        )
        -- Of a week that became busy while a part of it was gone nothing is kept by kind.
        and client_id not in (select client_id from dropped_calls)
    union all
    select 'differs', {KINDS}
    from (
        select {KINDS}, total_tokens, cost_usd, request_count, unpriced_count
        from usage_conversation_kind_rollup
        union all
        select {KINDS}, sign * total_tokens, sign * cost_usd, sign * request_count, sign * unpriced_count
        from (
            select
                1 as sign, client_id, conversation_id,
                date_trunc('week', usage_date::timestamp)::date as week_start,
                source, model, operation, outcome, total_tokens, cost_usd, request_count, unpriced_count
            from usage_pending
            union all
            select
                -1, client_id, conversation_id,
                date_trunc('week', usage_logs.created_at at time zone timezone)::date,
                source, model, operation, outcome, total_tokens, cost_usd, 1,
                (cost_basis = 'unpriced')::integer
            from usage_logs
            inner join clients on clients.id = usage_logs.client_id
        ) as others
        where (client_id, conversation_id, week_start) in (select * from kept)
    ) as rows
    group by {KINDS}
    having sum(total_tokens) <> 0 or sum(cost_usd) <> 0 or sum(request_count) <> 0 or sum(unpriced_count) <> 0
"""  # noqa: S608
"""Weeks of conversations that are not kept by kind and should be; kinds that are not what the calls are."""

moments = st.sampled_from([*range(0, 72), 24 * 6, 24 * 7, 24 * 13, 24 * 14, 24 * 60]).map(
    lambda hours_ago: NOW - timedelta(hours=hours_ago, minutes=15)
)


NO_FACTS = (None,) * 23
# Unknown, known to be none, and two amounts; of most calls most facts are unknown.
facts = st.one_of(
    st.just(NO_FACTS),
    st.tuples(
        st.sampled_from([None, "chat", "embeddings"]),
        st.sampled_from([None, "ok", "error", "refused", "cut"]),
        st.sampled_from([None, 0, 1, 2]),
        st.sampled_from([None, 0, 1, 2, 1000, 1001, 60_000]),
        st.sampled_from([None, Decimal("0"), Decimal("0.5")]),
        st.sampled_from([None, Decimal("0.25")]),
        *[st.sampled_from([None, None, 0, 3, 7])] * 15,
        st.sampled_from([None, 0, 1, 60, 60_000]),
        st.sampled_from([None, 1, 2]),
    ),
)


@st.composite
def usage_logs(draw: st.DrawFn) -> tuple[Any, ...]:
    """The values of COLUMNS; most rows share few keys so that they meet in the same sums."""
    prompt, completion = draw(st.sampled_from([0, 1, 10, 1000])), draw(st.sampled_from([0, 5]))
    cost = draw(st.sampled_from(["0", "0.0000000001", "1.5", None]))
    return (
        draw(st.sampled_from([CLIENTS[0], *CLIENTS])),
        draw(st.sampled_from([None, None, None, *CONVERSATIONS])),
        draw(st.sampled_from(["1", "1", *PHONES, None])),
        draw(st.sampled_from(["openai", "groq", "whisper", "OpenAI"])),
        draw(st.sampled_from(["a", "b", None])),
        prompt,
        completion,
        prompt + completion,
        None if cost is None else Decimal(cost),
        draw(st.sampled_from(["priced", "unpriced"] if cost == "0" else ["priced", "estimated"])),
        draw(moments),
        *draw(facts),
    )


class RollupMachine(RuleBasedStateMachine):
    """Any mix of statements, in transactions of their own, compared after each of them."""

    logs = LOGS  # what the sums must be those of

    def __init__(self, connection: "psycopg.Connection[Any]", orders: Iterator[tuple[int, int, str]]) -> None:
        super().__init__()
        self.connection = connection
        self.orders = orders

    @initialize()
    def begin_with_clients(self) -> None:
        self.connection.execute(BUSY_WEEKS_HAVE.format(2))
        # Further ones have no number.
        self.connection.execute(
            "create or replace function most_kinds() returns integer language sql return 4"
        )
        self.connection.execute("delete from clients")
        for client_id in CLIENTS:
            self.make_client(client_id)

    def make_client(self, client_id: UUID) -> None:
        self.connection.execute(
            "insert into clients (id, name) values (%s, 'Acme') on conflict do nothing", [client_id]
        )
        # Only the first has conversations: ids mean nothing to the others, nor do its phones.
        if client_id == CLIENTS[0]:
            self.connection.execute(
                "insert into conversations (client_id, id, phone, name)"
                " values (%(client)s, %(first)s, '1', 'Ada'), (%(client)s, %(second)s, null, 'Bob')"
                " on conflict do nothing",
                {"client": client_id, "first": CONVERSATIONS[0], "second": CONVERSATIONS[1]},
            )

    @rule(rows=st.lists(usage_logs(), min_size=1, max_size=6), is_folded=st.booleans())
    def insert(self, rows: list[tuple[Any, ...]], is_folded: bool) -> None:
        values = ", ".join([f"({PLACES})"] * len(rows))
        self.connection.execute(
            f"insert into usage_logs ({COLUMNS}) values {values}",  # noqa: S608
            [value for row in rows for value in row],
        )
        if is_folded:
            self.fold()

    @rule(rows=st.lists(usage_logs(), min_size=1, max_size=6), is_folded=st.booleans())
    def copy_in(self, rows: list[tuple[Any, ...]], is_folded: bool) -> None:
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"copy usage_logs ({COLUMNS}) from stdin") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        if is_folded:
            self.fold()

    @rule(rows=st.lists(usage_logs(), min_size=2, max_size=4))
    def roll_back(self, rows: list[tuple[Any, ...]]) -> None:
        with self.connection.transaction(force_rollback=True):
            for row in rows:
                self.connection.execute(INSERT, row)
            self.connection.execute("select fold_usage()")

    @rule(row=usage_logs(), twice=st.booleans())
    def upsert(self, row: tuple[Any, ...], twice: bool) -> None:
        """The same id again changes the row that is there, through both statement triggers."""
        statement = (
            f"insert into usage_logs (id, {COLUMNS}) values (%s, {PLACES})"  # noqa: S608
            " on conflict (client_id, id) do update set total_tokens = usage_logs.total_tokens + 7"
        )
        for _ in range(1 + twice):
            self.connection.execute(statement, [UUID(int=900), *row])

    @rule(
        change=st.sampled_from(
            [
                "metadata = '{}'",
                'metadata = \'{"operation": "chat", "cached_tokens": 3, "duration_seconds": 0.5}\'',
                'metadata = \'{"operation": 7, "reasoning_tokens": "many"}\'',
                "total_tokens = total_tokens + 3, prompt_tokens = prompt_tokens + 3",
                "created_at = created_at - interval '5 hours'",
                "phone = '2'",
                "phone = null, conversation_id = null",
                "source = 'groq', model = null",
                "outcome = 'error', latency_ms = 7, cached_tokens = null",
                "operation = null, tag_set_id = 2, duration_seconds = 1.25, web_search_count = 1",
                "stated_cost_usd = 0.5, tag_set_id = null, source = '  groq '",
                "cost_usd = null",
                "client_id = '00000000-0000-0000-0000-000000000002'",
                "client_id = null",
            ]
        ),
        which=st.sampled_from(["true", "source = 'openai'", "phone = '1'", "total_tokens > 5", "false"]),
    )
    def update(self, change: str, which: str) -> None:
        self.connection.execute(
            "insert into clients (id, name) values (%s, 'Acme') on conflict do nothing", [CLIENTS[1]]
        )
        # A call that moves to a client where its id is taken: then nothing of the statement counts.
        with suppress(psycopg.errors.UniqueViolation):
            self.connection.execute(f"update usage_logs set {change} where {which}")  # noqa: S608

    @rule(which=st.sampled_from(["source = 'groq'", "phone = '1'", "total_tokens > 5", "model is null"]))
    def delete(self, which: str) -> None:
        self.connection.execute(f"delete from usage_logs where {which}")  # noqa: S608

    @rule(row=usage_logs())
    def insert_and_delete_in_one_transaction(self, row: tuple[Any, ...]) -> None:
        with self.connection.transaction():
            self.connection.execute(INSERT, row)
            self.connection.execute("delete from usage_logs where phone is null")

    @rule()
    def fold(self) -> None:
        self.connection.execute("select fold_usage()")
        assert self.connection.execute("select count(*) from usage_pending").fetchone() == (0,)

    @rule(client_id=st.sampled_from(CLIENTS), timezone=st.sampled_from(TIMEZONES))
    def change_timezone(self, client_id: UUID, timezone: str) -> None:
        self.connection.execute("update clients set timezone = %s where id = %s", [timezone, client_id])

    @rule(timezone=st.sampled_from(TIMEZONES), row=usage_logs())
    def change_every_timezone_after_a_write(self, timezone: str, row: tuple[Any, ...]) -> None:
        with self.connection.transaction():
            self.connection.execute(INSERT, row)
            self.connection.execute("update clients set timezone = %s", [timezone])

    @rule(client_id=st.sampled_from(CLIENTS))
    def delete_client_and_make_it_again(self, client_id: UUID) -> None:
        self.connection.execute("delete from clients where id = %s", [client_id])
        assert self.leftovers(client_id) == []
        self.make_client(client_id)

    @rule()
    def truncate(self) -> None:
        self.connection.execute("truncate usage_logs")
        assert self.leftovers() == []

    def leftovers(self, client_id: UUID | None = None) -> list[Any]:
        return [
            row
            for table in (
                "usage_pending",
                "usage_daily_rollup",
                "usage_conversation_daily_rollup",
                "usage_conversation_rollup",
                "usage_conversation_weekly_rollup",
                "usage_conversation_kind_rollup",
                "usage_kinds",
                "usage_hour_rollup",
                "usage_tag_rollup",
                "usage_latency_rollup",
                "usage_days_to_sum",
            )
            for row in self.connection.execute(
                f"select * from {table} where client_id = coalesce(%s, client_id)",  # noqa: S608
                [client_id],
            ).fetchall()
        ]

    @rule(most_calls=st.sampled_from([1, 100]), is_damaged=st.booleans())
    def sum_days_anew(self, most_calls: int, is_damaged: bool) -> None:
        """As after 022: rollups that know nothing of facts and hours are made anew from the calls."""
        with self.connection.transaction():
            self.connection.execute("select fold_usage()")
            self.connection.execute(
                "insert into usage_days_to_sum select distinct client_id, usage_date from usage_daily"
                " on conflict do nothing"
            )
            if is_damaged:
                self.connection.execute(
                    "update usage_daily_rollup set operation = null, outcome = null, cached_tokens = 1000"
                    " where operation = 'chat' and not exists (select from usage_daily_rollup as other"
                    " where (other.client_id, other.usage_date, other.source)"
                    " = (usage_daily_rollup.client_id, usage_daily_rollup.usage_date,"
                    " usage_daily_rollup.source)"
                    " and other.ctid <> usage_daily_rollup.ctid)"
                )
                self.connection.execute("delete from usage_hour_rollup")
                self.connection.execute("delete from usage_tag_rollup")
                self.connection.execute("delete from usage_latency_rollup")
            left = None
            while left != (0,):
                left = self.connection.execute("select sum_days_anew(%s)", [most_calls]).fetchone()

    @rule(which=st.sampled_from(["true", "total_tokens > 5"]), is_summed=st.booleans())
    def sum_lifetimes_by_kind(self, which: str, is_summed: bool) -> None:
        """As before 051, and after it."""
        self.connection.execute(
            f"update usage_conversation_rollup set kind_amounts = null where {which}".encode()  # noqa: S608
        )
        while is_summed and self.connection.execute("select sum_lifetimes_by_kind()").fetchone() != (0,):
            pass

    @invariant()
    def views_equal_logs(self) -> None:
        assert wrong_sums(self.connection, self.logs) == []

    @invariant()
    def weeks_of_conversations_equal_days(self) -> None:
        days = """
            select
                client_id, date_trunc('week', usage_date::timestamp)::date as week_start,
                conversation_id, phone, sum(total_tokens), sum(request_count), sum(cost_usd),
                max(usage_date) filter (where request_count > 0)
            from usage_conversation_daily_rollup
            group by client_id, week_start, conversation_id, phone
        """
        weeks = """
            select
                client_id, week_start, conversation_id, phone, total_tokens, request_count, cost_usd,
                case when request_count > 0 then last_date end
            from usage_conversation_weekly_rollup
        """
        for left, right in ((days, weeks), (weeks, days)):
            assert self.connection.execute(f"{left} except {right}").fetchall() == []

    @invariant()
    def kinds_of_busy_weeks_equal_logs(self) -> None:
        assert self.connection.execute(WRONG_KINDS).fetchall() == []

    @invariant()
    def functions_equal_logs(self) -> None:
        for client_id in CLIENTS[:2]:
            expected = Usage(self.connection, client_id, NOW, self.logs)
            for days in (1, 2, 7):
                assert self.call("get_daily_usage", client_id, days, NOW) == expected.daily(days)
                assert self.call("get_usage_summary", client_id, days, NOW) == expected.summary(days)
                assert self.models("get_usage_by_model", client_id, days, NOW) == expected.by_model(days)
            assert self.call("get_weekly_evolution", client_id, 3, NOW) == expected.weekly(3)
            assert self.models("get_monthly_summary", client_id, 2026, 3, NOW) == expected.month(2026, 3)
            for days, limit, order in islice(self.orders, 2):
                found = self.conversations(client_id, days, limit, order)
                assert found == expected.by_conversation(days, limit, order)

    def call(self, function: str, *arguments: Any) -> list[tuple[Any, ...]]:
        places = ", ".join(["%s"] * len(arguments))
        return self.connection.execute(
            f"select * from {function}({places})",  # noqa: S608
            arguments,
        ).fetchall()

    def models(self, function: str, *arguments: Any) -> list[tuple[Any, ...]]:
        return [
            (*row[:8], *(None if ratio is None else rounded(ratio, 10) for ratio in row[8:]))
            for row in self.call(function, *arguments)
        ]

    def conversations(self, client_id: UUID, days: int, limit: int, order: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            """
            select
                conversation_id, phone, conversation_name, total_tokens, total_cost, request_count,
                openai_tokens, groq_tokens, other_tokens, unpriced_count, share_of_tokens
            from get_usage_by_conversation(%s, %s, %s, %s, %s)
            """,
            [client_id, days, limit, NOW, order],
        ).fetchall()


def test_sums_equal_logs_after_any_mix_of_statements(database: Database) -> None:
    # Two at a time, as each of them reads the same sums, and takes longer than all the rest.
    orders = cycle((days, limit, order) for days, limit in LISTS for order in ("tokens", "cost"))
    with psycopg.connect(dsn(database.url), autocommit=True) as connection:
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            lambda: RollupMachine(connection, orders),
            settings=settings(
                max_examples=25,
                stateful_step_count=15,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],  # making a failure smaller would take minutes: do that by hand
            ),
        )


@pytest.mark.parametrize("days_ago", [(5, 3, 9), (5, 9, 3), (9, 5, 3), (3, 5, 9)])
def test_a_lifetime_grows_in_both_directions(
    database: Database, acme: UUID, days_ago: tuple[int, ...]
) -> None:
    for days in days_ago:
        insert_usage(database, usage_log(acme, created_at=NOW - timedelta(days=days)))
        database.fold()

    with database.transaction() as connection:
        assert connection.execute("select first_date, last_date from usage_conversation").fetchall() == [
            (date(2026, 3, 9), date(2026, 3, 15))
        ]


@pytest.mark.parametrize("is_folded_between", [True, False])
def test_the_last_day_of_a_week_goes_back(database: Database, acme: UUID, is_folded_between: bool) -> None:
    """Calls of Tuesday go, and one of Monday comes later."""
    insert_usage(database, usage_log(acme, created_at=NOW - timedelta(days=1)))
    if is_folded_between:
        database.fold()
    with database.transaction() as connection:
        connection.execute("delete from usage_logs")
    database.fold()
    insert_usage(database, usage_log(acme, created_at=NOW - timedelta(days=2)))
    database.fold()

    with database.transaction() as connection:
        assert connection.execute(
            "select last_date, request_count from usage_conversation_weekly_rollup"
        ).fetchall() == [(date(2026, 3, 16), 1)]
