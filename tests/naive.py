"""What every sum must be, made the slow and plain way from `usage_logs` alone.

And from `frozen_logs`, where a test keeps the calls that went while their sums stayed.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]

LOGS = """
    select
        log.id, log.client_id, log.created_at,
        (log.created_at at time zone client.timezone)::date as usage_date,
        (log.created_at at time zone client.timezone)::time as clock,
        coalesce(extract(hour from log.created_at at time zone client.timezone), 0)::smallint as hour,
        (log.created_at at time zone 'UTC')::date as utc_date,
        log.source, log.model, log.conversation_id, log.phone,
        log.prompt_tokens, log.completion_tokens, log.total_tokens, log.cost_usd, log.cost_basis,
        log.operation, log.outcome, log.tag_set_id, log.latency_ms, log.duration_seconds, log.stated_cost_usd,
        log.cached_tokens, log.cache_write_tokens, log.cache_write_1h_tokens, log.reasoning_tokens,
        log.prompt_audio_tokens, log.cached_audio_tokens, log.completion_audio_tokens,
        log.prompt_image_tokens, log.cached_image_tokens, log.completion_image_tokens, log.character_count,
        log.image_count, log.web_search_count, log.file_search_count, log.code_run_count,
        log.time_to_first_token_ms, log.attempt, log.operation_id,
        log.metadata ? 'usage_not_understood' as is_unread,
        log.bucket_request_count
    from usage_logs as log
    inner join clients as client on client.id = log.client_id
    where log.created_at >= coalesce(client.raw_since_at, '-infinity')
"""
FROZEN = f"create table frozen_logs as {LOGS} limit 0"
"""Makes the table that with_frozen() reads."""
FREEZE = f"insert into frozen_logs {LOGS} and log.client_id = %s and log.created_at < %s"
"""Keeps the calls of a client before a moment, as they are summed now."""


def with_frozen(logs: str = LOGS) -> str:
    """The calls that there are, and those that went, each with the day by which it is summed."""
    return f"{logs} union all select * from frozen_logs"  # noqa: S608 - constants of this file


# Each meter in the order of usage_meters(): as the calls have it.
_METERS = """
    sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, sum(total_tokens)::bigint,
    sum(cost_usd), count(*), count(*) filter (where cost_basis = 'unpriced'),
    count(*) filter (where cost_basis = 'estimated'),
    count(*) filter (
        where total_tokens = 0 and coalesce(duration_seconds, 0) = 0 and coalesce(character_count, 0) = 0
        and coalesce(image_count, 0) = 0 and coalesce(outcome, 'ok') in ('ok', 'cut')
    ),
    count(*) filter (where conversation_id is null and phone is null),
    coalesce(sum(cached_tokens), 0)::bigint, coalesce(sum(cache_write_tokens), 0)::bigint,
    coalesce(sum(cache_write_1h_tokens), 0)::bigint, coalesce(sum(reasoning_tokens), 0)::bigint,
    coalesce(sum(prompt_audio_tokens), 0)::bigint, coalesce(sum(cached_audio_tokens), 0)::bigint,
    coalesce(sum(completion_audio_tokens), 0)::bigint, coalesce(sum(prompt_image_tokens), 0)::bigint,
    coalesce(sum(cached_image_tokens), 0)::bigint, coalesce(sum(completion_image_tokens), 0)::bigint,
    coalesce(sum(character_count), 0)::bigint, coalesce(sum(image_count), 0)::bigint,
    coalesce(sum(web_search_count), 0)::bigint, coalesce(sum(file_search_count), 0)::bigint,
    coalesce(sum(code_run_count), 0)::bigint, coalesce(sum(duration_seconds), 0),
    count(*) filter (where stated_cost_usd is not null and cost_basis not in ('plan', 'unpriced')),
    coalesce(sum(stated_cost_usd) filter (where cost_basis not in ('plan', 'unpriced')), 0),
    coalesce(
        sum(cost_usd) filter (where stated_cost_usd is not null and cost_basis not in ('plan', 'unpriced')), 0
    ),
    coalesce(sum(case when coalesce(outcome, 'ok') <> 'error' then latency_ms end), 0)::bigint,
    count(case when coalesce(outcome, 'ok') <> 'error' then latency_ms end),
    coalesce(
        sum(case when coalesce(outcome, 'ok') <> 'error' and latency_ms >= 0 then completion_tokens end), 0
    )::bigint,
    coalesce(sum(case when coalesce(outcome, 'ok') <> 'error' then time_to_first_token_ms end), 0)::bigint,
    count(case when coalesce(outcome, 'ok') <> 'error' then time_to_first_token_ms end),
    count(case when attempt > 1 then 1 end), coalesce(sum(case when attempt > 1 then cost_usd end), 0),
    coalesce(sum(case when cached_tokens >= 0 then prompt_tokens end), 0)::bigint
"""

# Those of hour_meters().
_HOUR_METERS = """
    sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, sum(total_tokens)::bigint,
    sum(cost_usd), count(*), count(*) filter (where cost_basis = 'unpriced'),
    coalesce(sum(cached_tokens), 0)::bigint, coalesce(sum(cache_write_tokens), 0)::bigint,
    coalesce(sum(reasoning_tokens), 0)::bigint, coalesce(sum(duration_seconds), 0)
"""

# For each view: its key and sums as the logs have them.
_EXPECTED_VIEWS = {
    "usage_facts_daily": f"""
        select client_id, usage_date, source, model, operation, outcome, {_METERS}
        from logs group by 1, 2, 3, 4, 5, 6
    """,  # noqa: S608 - constants of this file
    "usage_hourly": f"""
        select client_id, usage_date, hour, utc_date, source, model, operation, outcome, {_HOUR_METERS}
        from logs group by 1, 2, 3, 4, 5, 6, 7, 8
    """,  # noqa: S608 - constants of this file
    "usage_tagged_daily": f"""
        select client_id, usage_date, tag_set_id, source, model, operation, outcome, {_METERS}
        from logs where tag_set_id is not null group by 1, 2, 3, 4, 5, 6, 7
    """,  # noqa: S608 - constants of this file
    "usage_latency_daily": """
        select client_id, usage_date, source, model, told.is_first, latency_bucket(told.ms), count(*)
        from logs
        cross join lateral (values (false, latency_ms), (true, time_to_first_token_ms)) as told (is_first, ms)
        where told.ms is not null and coalesce(outcome, 'ok') <> 'error'
        group by 1, 2, 3, 4, 5, 6
    """,
    "usage_daily": """
        select
            client_id, usage_date, source, model,
            sum(prompt_tokens)::bigint, sum(completion_tokens)::bigint, sum(total_tokens)::bigint,
            sum(cost_usd), count(*), count(*) filter (where cost_basis = 'unpriced')
        from logs group by 1, 2, 3, 4
    """,
    "usage_conversation_daily": """
        select
            client_id, usage_date, conversation_id, case when conversation_id is null then phone end,
            sum(total_tokens)::bigint,
            coalesce(sum(total_tokens) filter (where source = 'openai'), 0)::bigint,
            coalesce(sum(total_tokens) filter (where source = 'groq'), 0)::bigint,
            sum(cost_usd), count(*), count(*) filter (where cost_basis = 'unpriced')
        from logs group by 1, 2, 3, 4
    """,
    # Its dates may be too wide after a delete, so they are compared apart.
    "(select client_id, conversation_id, phone, total_tokens, openai_tokens, groq_tokens, cost_usd,"
    " request_count, unpriced_count from usage_conversation)": """
        select
            client_id, conversation_id, case when conversation_id is null then phone end,
            sum(total_tokens)::bigint,
            coalesce(sum(total_tokens) filter (where source = 'openai'), 0)::bigint,
            coalesce(sum(total_tokens) filter (where source = 'groq'), 0)::bigint,
            sum(cost_usd), count(*), count(*) filter (where cost_basis = 'unpriced')
        from logs group by 1, 2, 3
    """,
}

# Keys are compared as text because rows with nulls in them could not be hashed.
_DATES_TOO_NARROW = """
    select conversation.*, logged.first, logged.last
    from usage_conversation as conversation
    inner join (
        select
            row(client_id, conversation_id, case when conversation_id is null then phone end)::text as key,
            min(usage_date) as first, max(usage_date) as last
        from logs
        group by 1
    ) as logged
        on logged.key = row(conversation.client_id, conversation.conversation_id, conversation.phone)::text
    where logged.first < conversation.first_date or logged.last > conversation.last_date
"""

_KIND = "client_id, conversation_id, source, model, operation, outcome"
# What lifetimes have by kind bounds what is folded of their calls, and adds up to all that they have.
_LIFETIMES_BY_KIND = f"""
    select folded.*, lifetime.kind_amounts
    from (
        select {_KIND}, sum(total_tokens) as tokens, sum(cost_usd) as cost
        from (
            select {_KIND}, total_tokens, cost_usd from logs
            union all
            select {_KIND}, -total_tokens, -cost_usd from usage_pending
        ) as parts
        group by {_KIND}
    ) as folded
    inner join usage_conversation_rollup as lifetime
        on lifetime.client_id = folded.client_id and lifetime.conversation_id = folded.conversation_id
    left join usage_kinds as kind
        on (kind.client_id, kind.source) = (folded.client_id, folded.source)
        and row(kind.model, kind.operation, kind.outcome)
        is not distinct from row(folded.model, folded.operation, folded.outcome)
    cross join lateral (
        select
            sum(amount) filter (where place in (1, 2 * kind.number - 1)) as tokens,
            sum(amount) filter (where place in (2, 2 * kind.number)) as cost,
            sum(amount) filter (where place % 2 = 1) as all_tokens
        from generate_subscripts(lifetime.kind_amounts, 1) as place
        cross join lateral (select lifetime.kind_amounts[place] as amount) as amounts
    ) as most
    where
        lifetime.kind_amounts is not null
        and (
            folded.tokens > coalesce(most.tokens, 0)
            or 1000000000 * folded.cost > coalesce(most.cost, 0)
            or lifetime.total_tokens <> coalesce(most.all_tokens, 0)
        )
"""  # noqa: S608 - constants of this file


def wrong_sums(connection: "psycopg.Connection[Any]", logs: str = LOGS) -> list[Any]:
    """Rows in which a view and `usage_logs` differ, all seen by one statement; empty is right."""
    parts = [
        f"select '{side} ' || row(difference.*)::text from ("  # noqa: S608 - constants of this file
        f"({left}) except all ({right})) as difference"
        for view, expected in _EXPECTED_VIEWS.items()
        for side, left, right in (
            ("missing", expected, f"select * from {view} as kept"),  # noqa: S608
            ("wrong", f"select * from {view} as kept", expected),  # noqa: S608
        )
    ]
    parts.append(f"select 'dates ' || row(narrow.*)::text from ({_DATES_TOO_NARROW}) as narrow")  # noqa: S608
    parts.append(f"select 'kinds ' || row(low.*)::text from ({_LIFETIMES_BY_KIND}) as low")  # noqa: S608
    statement = f"with logs as materialized ({logs}) " + " union all ".join(parts)
    return [row[0] for row in connection.execute(statement).fetchall()]  # type: ignore[arg-type, call-overload]


class Usage:
    """One client's logs, as the SQL functions should add them up at `now`."""

    def __init__(
        self, connection: "psycopg.Connection[Any]", client_id: UUID, now: datetime, logs: str = LOGS
    ) -> None:
        with connection.cursor(row_factory=dict_row) as cursor:
            self.logs = cursor.execute(
                f"select * from ({logs}) as log where log.client_id = %s",  # type: ignore[arg-type]  # noqa: S608
                [client_id],
            ).fetchall()
            self.conversations = cursor.execute(
                "select id, phone, name from conversations where client_id = %s", [client_id]
            ).fetchall()
            row = cursor.execute(
                """
                select
                    (moment at time zone timezone)::date as today,
                    (moment at time zone timezone)::time as clock,
                    raw_since
                from clients, cast(%s as timestamptz) as moment
                where id = %s
                """,
                [now, client_id],
            ).fetchone()
        assert row is not None
        self.today: date = row["today"]
        self.clock: time = row["clock"]
        self.raw_since: date = row["raw_since"] or date.min

    def between(self, first: date, last: date) -> list[Row]:
        return [log for log in self.logs if first <= log["usage_date"] <= last]

    def last_days(self, days: int) -> list[Row]:
        return self.between(self.today - timedelta(days=days - 1), self.today)

    def daily(self, days: int) -> list[tuple[Any, ...]]:
        logs = self.last_days(days)
        sources = sorted({"openai", "groq"} | {log["source"] for log in logs})
        return [
            (day, source, tokens(here), cost(here), len(here), unpriced(here))
            for day in (self.today - timedelta(days=ago) for ago in reversed(range(days)))
            for source in sources
            for here in [[log for log in logs if (log["usage_date"], log["source"]) == (day, source)]]
        ]

    def weekly(self, weeks: int) -> list[tuple[Any, ...]]:
        this_monday = self.today - timedelta(days=self.today.weekday())
        rows = []
        for monday in (this_monday - timedelta(weeks=ago) for ago in reversed(range(weeks))):
            week = self.between(monday, min(monday + timedelta(days=6), self.today))
            openai, groq, other = (of_provider(week, name) for name in ("openai", "groq", "other"))
            rows.append(
                (
                    *(
                        monday,
                        monday.isocalendar().week,
                        tokens(week),
                        tokens(openai),
                        tokens(groq),
                        cost(week),
                    ),
                    *(tokens(other), cost(openai), cost(groq), cost(other), len(week), unpriced(week)),
                    *(len(part) for part in (openai, groq, other)),
                    *(unpriced(part) for part in (openai, groq, other)),
                )
            )
        return rows

    def summary(self, days: int) -> list[tuple[Any, ...]]:
        first = self.today - timedelta(days=days - 1)
        # Until the time of day that it is now; of a day whose calls are gone its whole hours.
        last = first - timedelta(days=1)
        clock = self.clock if last >= self.raw_since else self.clock.replace(minute=0, second=0)
        before = [
            log
            for log in self.between(first - timedelta(days=days), last)
            if log["usage_date"] < last or (log["clock"] <= clock)
        ]
        rows = []
        for provider in ("total", "openai", "groq", "other"):
            current, previous = (
                logs if provider == "total" else of_provider(logs, provider)
                for logs in (self.between(first, self.today), before)
            )
            rows.append(
                (
                    *(provider, tokens(current), tokens(current, "prompt"), tokens(current, "completion")),
                    *(cost(current), len(current), unpriced(current)),
                    *(tokens(previous), cost(previous), len(previous), unpriced(previous)),
                )
            )
        return rows

    def by_model(self, days: int) -> list[tuple[Any, ...]]:
        return _by_model(self.last_days(days))

    def month(self, year: int, month: int) -> list[tuple[Any, ...]]:
        return _by_model(
            [log for log in self.logs if (log["usage_date"].year, log["usage_date"].month) == (year, month)]
        )

    def by_conversation(self, days: int, limit: int, order: str = "tokens") -> list[tuple[Any, ...]]:
        """(conversation_id, phone, name, sums ..., share), the most tokens or the highest cost first."""
        by_phone = {known["phone"]: known for known in self.conversations if known["phone"] is not None}
        by_id = {known["id"]: known for known in self.conversations}
        logs = self.last_days(days)
        everything = tokens(logs)

        def identity(log: Row) -> tuple[UUID | None, str | None]:
            known = by_phone.get(log["phone"])
            if log["conversation_id"] is not None:
                return (log["conversation_id"], None)
            return (known["id"], None) if known else (None, log["phone"])

        rows = []
        for (conversation_id, lone_phone), here in grouped(logs, identity).items():
            known = by_id.get(conversation_id) or {"phone": lone_phone, "name": None}
            rows.append(
                (
                    *(conversation_id, known["phone"], known["name"], tokens(here), cost(here), len(here)),
                    *(tokens(of_provider(here, name)) for name in ("openai", "groq", "other")),
                    unpriced(here),
                    rounded(Decimal(tokens(here)) / everything, 6) if everything else Decimal(0),
                )
            )
        rows.sort(
            key=lambda row: (
                *((-row[4], -row[3]) if order == "cost" else (-row[3], -row[4])),
                *(row[1] is None, row[1] or "", row[0] is None, row[0]),
            )
        )
        return rows[:limit]


def grouped(logs: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for log in logs:
        groups[key(log)].append(log)
    return groups


def of_provider(logs: Iterable[Row], provider: str) -> list[Row]:
    return [
        log for log in logs if (log["source"] if log["source"] in ("openai", "groq") else "other") == provider
    ]


def tokens(logs: Iterable[Row], kind: str = "total") -> int:
    return sum(log[f"{kind}_tokens"] for log in logs)


def cost(logs: Iterable[Row]) -> Decimal:
    return sum((log["cost_usd"] for log in logs), Decimal(0))


def unpriced(logs: Iterable[Row]) -> int:
    return sum(log["cost_basis"] == "unpriced" for log in logs)


def rounded(value: Decimal, places: int) -> Decimal:
    """As PostgreSQL rounds."""
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def cost_per_1k_tokens(logs: list[Row]) -> Decimal | None:
    if unpriced(logs) or not tokens(logs):
        return None
    return rounded(cost(logs) * 1000 / tokens(logs), 10)


def _by_model(logs: Iterable[Row]) -> list[tuple[Any, ...]]:
    rows = [
        (
            *(source, model, tokens(here), tokens(here, "prompt"), tokens(here, "completion")),
            *(cost(here), len(here), unpriced(here)),
            *(cost_per_1k_tokens(here), rounded(Decimal(tokens(here)) / len(here), 10)),
        )
        for (source, model), here in grouped(logs, lambda log: (log["source"], log["model"])).items()
    ]
    return sorted(rows, key=lambda row: (-row[2], -row[5], row[0], row[1] is None, row[1] or ""))
