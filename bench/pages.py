"""Each page as it is served: its own reader, beside the same question asked of DuckDB over the calls.

DuckDB's table holds the client's day, hour and tag as columns, and its queries ask for less than the pages
do (no masking, no change since the period before, no row-level security): what is unfair favours it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from analytics.database import Database
from analytics.days import Days
from analytics.health import client_checks
from analytics.pricing.book import load_price_book
from analytics.queries import (
    CALLS_PER_TIMELINE,
    CONVERSATIONS_PER_PAGE,
    Filters,
    Grouping,
    Period,
    Sort,
    call_facts,
    call_sums,
    calls_page,
    conversation_timeline,
    found_conversations,
    live_usage,
    load_overview,
    usage_by_client,
    usage_by_group,
    usage_comparison,
    usage_over_time,
)
from bench.data import LARGEST_CLIENT, NOW

TODAY = date(2025, 6, 30)
DEEP_PAGE = 40

TABLES = """
create table usage_logs (
    client_id uuid, conversation_id uuid, usage_date date, hour smallint, created_at timestamp,
    source varchar, model varchar, operation varchar, outcome varchar, tag varchar, prompt_tokens bigint,
    completion_tokens bigint, total_tokens bigint, cached_tokens bigint, reasoning_tokens bigint,
    cost_usd decimal(18, 10), cost_basis varchar, latency_ms integer
);
create table conversations (client_id uuid, id uuid, phone varchar, name varchar);
create table clients (id uuid, name varchar);
"""
EXPORTS = {
    "usage_logs": """
        select
            log.client_id, conversation_id, (log.created_at at time zone timezone)::date,
            extract(hour from log.created_at at time zone timezone)::smallint,
            log.created_at at time zone 'UTC', source, model, operation, outcome, tags ->> 'feature',
            prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, cost_usd,
            cost_basis, latency_ms
        from usage_logs as log
        inner join clients on clients.id = log.client_id
        left join tag_sets on tag_sets.client_id = log.client_id and tag_sets.id = log.tag_set_id
    """,
    "conversations": "select client_id, id, phone, name from conversations",
    "clients": "select id, name from clients",
}
"""What DuckDB's tables are filled with."""

_SUMS = """
    sum(total_tokens) as total_tokens, sum(prompt_tokens), sum(completion_tokens),
    sum(cost_usd) as total_cost, count(*) as request_count,
    count(*) filter (where cost_basis = 'unpriced') as unpriced_count
"""


@dataclass(frozen=True, kw_only=True)
class PageQuestion:
    """What one page asks, and how long it may take."""

    name: str
    goal: int
    """Milliseconds."""
    ours: Callable[[Database], object]
    duckdb: Sequence[str]


def page_questions(largest_conversation: Any) -> Sequence[PageQuestion]:
    """All that is measured; the timeline is that of `largest_conversation`, an id."""
    return [
        *(_overview(days) for days in (7, 30, 90)),
        *(
            _conversations(days, sort, page)
            for days in (30, 90)
            for sort in ("tokens", "cost", "requests", "name", "last")
            for page in (1, DEEP_PAGE)
        ),
        _search(30),
        *(_timeline(days, largest_conversation) for days in (30, 90)),
        *_models(30),
        *_filtered(30),
        _clients(30),
        _prices(30),
        _health(30),
        _live(),
    ]


def ask_duckdb(copy: "duckdb.DuckDBPyConnection", question: PageQuestion) -> list[Any]:
    """All rows of all its statements."""
    return [copy.execute(statement).fetchall() for statement in question.duckdb]


def _days(number: int) -> Days:
    return Days(TODAY - timedelta(days=number - 1), TODAY)


def _calls(days: int, *, also: str = "") -> str:
    """From and where of the largest client's calls."""
    first = TODAY - timedelta(days=days - 1)
    return (
        f"from usage_logs where client_id = '{LARGEST_CLIENT}'"
        f" and usage_date between '{first}' and '{TODAY}' {also}"
    )


def _grouped(by: str, days: int, *, also: str = "") -> str:
    calls = _calls(days, also=also)
    return f"select {by}, {_SUMS} {calls} group by all order by 1"


def _top(days: int, order: str, *, limit: int, offset: int = 0, also: str = "") -> str:
    """A page of conversations with their names, and how many there are."""
    return f"""
        with used as (
            select
                conversation_id, min(usage_date) as first_date, max(usage_date) as last_date, {_SUMS},
                sum(total_tokens) filter (where source = 'openai') as openai_tokens,
                sum(total_tokens) filter (where source = 'groq') as groq_tokens
            {_calls(days)}
            group by conversation_id
        )
        select used.*, phone, name, count(*) over () as matched_count
        from used
        left join conversations
            on conversations.client_id = '{LARGEST_CLIENT}' and conversations.id = used.conversation_id
        where true {also}
        order by {order}, conversation_id
        limit {limit}
        offset {offset}
    """  # noqa: S608


def _grouping(days: Days) -> Grouping:
    return Grouping(days=days, before=days.before)


def _overview(days: int) -> PageQuestion:
    period = Period(days=days)
    return PageQuestion(
        name=f"Overview, {days} days",
        goal=35,
        ours=lambda database: load_overview(
            database, LARGEST_CLIENT, period, NOW, grouped=_grouping(_days(days))
        ),
        duckdb=[
            _grouped("source, usage_date > date '2025-06-30' - " + str(days), 2 * days),
            _grouped("usage_date, source", max(180, 2 * days)),
            _grouped("date_trunc('week', usage_date), source", max(84, days)),
            _grouped("source, model", days),
            _top(days, "total_tokens desc", limit=20),
        ],
    )


_ORDERS: Mapping[Sort, str] = {
    "tokens": "total_tokens desc",
    "cost": "total_cost desc",
    "requests": "request_count desc",
    "name": "lower(name) desc",
    "last": "last_date desc, total_tokens desc",
}


def _conversations(days: int, sort: Sort, page: int) -> PageQuestion:
    offset = (page - 1) * CONVERSATIONS_PER_PAGE
    return PageQuestion(
        name=f"Conversations by {sort}, {days} days, page {page}",
        goal=45 if days == 30 else 110,
        ours=lambda database: found_conversations(
            database, LARGEST_CLIENT, _days(days), sort=sort, offset=offset, sees_phones=True
        ),
        duckdb=[_top(days, _ORDERS[sort], limit=CONVERSATIONS_PER_PAGE, offset=offset)],
    )


def _search(days: int) -> PageQuestion:
    return PageQuestion(
        name=f"Conversations, a search, {days} days",
        goal=60,
        ours=lambda database: found_conversations(
            database, LARGEST_CLIENT, _days(days), search="omer 4711", sees_phones=True
        ),
        duckdb=[
            _top(
                days,
                "total_tokens desc",
                limit=CONVERSATIONS_PER_PAGE,
                also="and (contains(lower(name), 'omer 4711') or contains(phone, 'omer 4711'))",
            )
        ],
    )


def _timeline(days: int, conversation_id: Any) -> PageQuestion:
    of_it = f"and conversation_id = '{conversation_id}'"
    return PageQuestion(
        name=f"Timeline of the largest conversation, {days} days",
        goal=15,
        ours=lambda database: conversation_timeline(
            database, LARGEST_CLIENT, _days(days), conversation_id=conversation_id, phone_handle=None
        ),
        duckdb=[
            _grouped("conversation_id", days, also=of_it),
            f"select * {_calls(days, also=of_it)} order by created_at limit {CALLS_PER_TIMELINE}",
        ],
    )


def _models(days: int) -> Sequence[PageQuestion]:
    chosen, other = _days(days), Days(TODAY - timedelta(days=2 * days - 1), TODAY - timedelta(days=days))
    return [
        PageQuestion(
            name="Providers and models: comparison and over time",
            goal=30,
            ours=lambda database: (
                usage_comparison(database, LARGEST_CLIENT, chosen, other, now=NOW),
                usage_over_time(database, LARGEST_CLIENT, chosen),
            ),
            duckdb=[
                _grouped("source, model, usage_date > date '2025-06-30' - " + str(days), 2 * days),
                _grouped("usage_date, source", days),
            ],
        ),
        PageQuestion(
            name="Providers and models: hours, operations, parts",
            goal=30,
            ours=lambda database: call_sums(database, LARGEST_CLIENT, chosen),
            duckdb=[
                _grouped("isodow(usage_date), hour", days),
                _grouped("operation", days),
                f"""
                select source, model, operation, {_SUMS}, sum(cached_tokens), sum(reasoning_tokens)
                {_calls(days)} group by all
                """,
            ],
        ),
        PageQuestion(
            name="Providers and models: outcomes, latency, tags",
            goal=30,
            ours=lambda database: call_facts(database, LARGEST_CLIENT, chosen),
            duckdb=[
                _grouped("source, model, operation, outcome", days),
                "select source, model, quantile_disc(latency_ms, [0.5, 0.95, 0.99])"
                f" {_calls(days)} group by all",
                _grouped("tag", days),
            ],
        ),
    ]


def _filtered(days: int) -> Sequence[PageQuestion]:
    chosen = _days(days)

    def over_time(name: str, also: str, **filters: str) -> PageQuestion:
        wanted = Filters.parse({key.replace("_", "."): value for key, value in filters.items()})
        return PageQuestion(
            name=f"Over time, {name}",
            goal=50,
            ours=lambda database: usage_over_time(database, LARGEST_CLIENT, chosen, filters=wanted),
            duckdb=[_grouped("usage_date, source", days, also=also)],
        )

    def overview(name: str, also: str, wanted: Filters) -> PageQuestion:
        return PageQuestion(
            name=f"Overview, {days} days, {name}",
            goal=50,
            ours=lambda database: load_overview(
                database,
                LARGEST_CLIENT,
                Period(days=days),
                NOW,
                filters=wanted,
                grouped=_grouping(chosen),
            ),
            duckdb=[
                _grouped("usage_date, source", days, also=also),
                _top(days, "total_tokens desc", limit=20).replace("group by", f"{also} group by", 1),
            ],
        )

    of_model = "and model = 'gpt-4o'"
    one_model = Filters.parse({"model": "gpt-4o"})
    return [
        over_time("provider=groq", "and source = 'groq'", provider="groq"),
        over_time(
            "model and outcome", "and model = 'gpt-4o' and outcome = 'error'", model="gpt-4o", outcome="error"
        ),
        PageQuestion(
            name="Over time, grouped by model, outcome=error",
            goal=50,
            ours=lambda database: usage_by_group(
                database,
                LARGEST_CLIENT,
                chosen,
                "model",
                bucket="day",
                filters=Filters.parse({"outcome": "error"}),
            ),
            duckdb=[_grouped("usage_date, model", days, also="and outcome = 'error'")],
        ),
        overview("model=gpt-4o", of_model, one_model),
        overview("model=gpt-4", "and model = 'gpt-4'", Filters.parse({"model": "gpt-4"})),
        overview("outcome=error", "and outcome = 'error'", Filters.parse({"outcome": "error"})),
        overview("a tag of fifty", "and tag = 'feature 7'", Filters.parse({"tag.feature": "feature 7"})),
        PageQuestion(
            name="Calls, model=gpt-4o, the newest",
            goal=50,
            ours=lambda database: calls_page(database, LARGEST_CLIENT, chosen, filters=one_model),
            duckdb=[f"select * {_calls(days, also=of_model)} order by created_at desc limit 50"],
        ),
    ]


def _clients(days: int) -> PageQuestion:
    first = TODAY - timedelta(days=2 * days - 1)
    return PageQuestion(
        name="Clients",
        goal=40,
        ours=lambda database: usage_by_client(database, None, days, None, now=NOW),
        duckdb=[
            f"""
            select client_id, usage_date > date '{TODAY}' - {days}, {_SUMS}, max(created_at)
            from usage_logs
            where usage_date between '{first}' and '{TODAY}'
            group by all
            """  # noqa: S608
        ],
    )


def _prices(days: int) -> PageQuestion:
    return PageQuestion(
        name="Prices",
        goal=60,
        ours=lambda database: load_price_book(database, LARGEST_CLIENT, _days(days), now=NOW),
        duckdb=[_grouped("source, model, operation", days), _grouped("usage_date, source, model", days)],
    )


def _health(days: int) -> PageQuestion:
    return PageQuestion(
        name="Data health",
        goal=60,
        ours=lambda database: client_checks(database, LARGEST_CLIENT, _days(days), NOW),
        duckdb=[
            f"""
            select
                source, max(created_at), count(*), count(*) filter (where cost_basis = 'unpriced'),
                count(*) filter (where total_tokens = 0), count(*) filter (where conversation_id is null)
            {_calls(days)}
            group by all
            """,
            _grouped("source, model", days),
        ],
    )


def _live() -> PageQuestion:
    since = NOW - timedelta(minutes=10)
    minutes_since = NOW - timedelta(hours=1)
    return PageQuestion(
        name="Live",
        goal=10,
        ours=lambda database: live_usage(
            database, LARGEST_CLIENT, calls_since=since, minutes_since=minutes_since, until=NOW
        ),
        duckdb=[
            f"""
            select usage_logs.*, phone, name
            from usage_logs
            left join conversations
                on conversations.client_id = usage_logs.client_id and conversations.id = conversation_id
            where usage_logs.client_id = '{LARGEST_CLIENT}' and created_at >= '{since:%Y-%m-%d %H:%M:%S}'
            order by created_at desc
            """,  # noqa: S608
            f"""
            select date_trunc('minute', created_at), source, {_SUMS}
            from usage_logs
            where client_id = '{LARGEST_CLIENT}' and created_at >= '{minutes_since:%Y-%m-%d %H:%M:%S}'
            group by all
            """,  # noqa: S608
        ],
    )
