"""The Overview page's five questions, asked of the rollups, of usage_logs directly, and of DuckDB.

The direct queries are as simple as the data allows (every call names its conversation; no row-level
security), and DuckDB's table even holds the client's day as a column: what is unfair favours the others.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from analytics.database import Query
from bench.data import LARGEST_CLIENT, NOW

TODAY = date(2025, 6, 30)
# The last moment of today in the client's zone. While a day runs we compare it with the same hours of the day
# before the period, which the direct queries leave out as too much to ask of them.
END_OF_TODAY = datetime(2025, 7, 1, 2, 59, 59, 999999, tzinfo=UTC)
Answer = list[tuple[Any, ...]]

CALLS_IN_POSTGRESQL = """
with calls as (
    select *, (created_at at time zone 'America/Sao_Paulo')::date as usage_date
    from usage_logs
    where
        client_id = %(client_id)s
        and created_at >= %(first)s::timestamp at time zone 'America/Sao_Paulo'
        and created_at < (%(last)s + 1)::timestamp at time zone 'America/Sao_Paulo'
)
"""

CALLS_IN_DUCKDB = """
with calls as (
    select * from usage_logs where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
)
"""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question: our function, and what both databases are asked where there is no rollup."""

    name: str
    first: date
    ours: str
    direct: str
    # How many of our columns the direct query answers too, and where our count of calls is: rows without
    # calls are the zeros that our functions fill in.
    columns: tuple[int, ...]
    request_count: int


QUESTIONS = (
    Question(
        name="summary",
        first=TODAY - timedelta(days=59),
        ours="select * from get_usage_summary(%(client_id)s, 30, %(now)s)",
        direct="""
        select
            coalesce(case when source in ('openai', 'groq') then source else 'other' end, 'total'),
            coalesce(sum(total_tokens) filter (where usage_date > %(last)s - 30), 0),
            coalesce(sum(prompt_tokens) filter (where usage_date > %(last)s - 30), 0),
            coalesce(sum(completion_tokens) filter (where usage_date > %(last)s - 30), 0),
            coalesce(sum(cost_usd) filter (where usage_date > %(last)s - 30), 0),
            count(*) filter (where usage_date > %(last)s - 30),
            count(*) filter (where usage_date > %(last)s - 30 and cost_basis = 'unpriced'),
            coalesce(sum(total_tokens) filter (where usage_date <= %(last)s - 30), 0),
            coalesce(sum(cost_usd) filter (where usage_date <= %(last)s - 30), 0),
            count(*) filter (where usage_date <= %(last)s - 30)
        from calls
        group by grouping sets ((case when source in ('openai', 'groq') then source else 'other' end), ())
        """,
        columns=(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        request_count=5,
    ),
    Question(
        name="daily",
        first=TODAY - timedelta(days=29),
        ours="select * from get_daily_usage(%(client_id)s, 30, %(now)s)",
        direct="""
        select
            usage_date, source, sum(total_tokens), sum(cost_usd), count(*),
            count(*) filter (where cost_basis = 'unpriced')
        from calls
        group by usage_date, source
        order by usage_date, source
        """,
        columns=(0, 1, 2, 3, 4, 5),
        request_count=4,
    ),
    Question(
        name="weekly",
        first=TODAY - timedelta(days=TODAY.weekday() + 7 * 11),
        ours="select * from get_weekly_evolution(%(client_id)s, 12, %(now)s)",
        direct="""
        select
            date_trunc('week', usage_date)::date, sum(total_tokens),
            sum(case when source = 'openai' then total_tokens else 0 end),
            sum(case when source = 'groq' then total_tokens else 0 end),
            sum(cost_usd), count(*), count(*) filter (where cost_basis = 'unpriced')
        from calls
        group by 1
        order by 1
        """,
        columns=(0, 2, 3, 4, 5, 10, 11),
        request_count=10,
    ),
    Question(
        name="by_model",
        first=TODAY - timedelta(days=29),
        ours="select * from get_usage_by_model(%(client_id)s, 30, %(now)s)",
        direct="""
        select
            source, model, sum(total_tokens), sum(prompt_tokens), sum(completion_tokens), sum(cost_usd),
            count(*), count(*) filter (where cost_basis = 'unpriced')
        from calls
        group by source, model
        order by 3 desc
        """,
        columns=(0, 1, 2, 3, 4, 5, 6, 7),
        request_count=6,
    ),
    Question(
        name="by_conversation",
        first=TODAY - timedelta(days=29),
        ours="select * from get_usage_by_conversation(%(client_id)s, 30, 20, %(now)s)",
        direct="""
        , best as (
            select
                conversation_id,
                sum(total_tokens) as total_tokens, sum(cost_usd) as cost_usd, count(*) as calls,
                sum(case when source = 'openai' then total_tokens else 0 end) as openai_tokens,
                sum(case when source = 'groq' then total_tokens else 0 end) as groq_tokens
            from calls
            group by conversation_id
            order by 2 desc, 3 desc
            limit 20
        )
        select
            conversations.phone, conversations.name, best.total_tokens, best.cost_usd, best.calls,
            best.openai_tokens, best.groq_tokens, best.conversation_id
        from best
        left join conversations
            on conversations.id = best.conversation_id and conversations.client_id = %(client_id)s
        order by best.total_tokens desc, best.cost_usd desc
        """,
        columns=(0, 1, 2, 3, 4, 5, 6, 9),
        request_count=4,
    ),
)

TOP_CONVERSATIONS = QUESTIONS[-1]


def ours(question: Question, now: datetime = NOW) -> Query:
    """The question to our SQL function."""
    return Query(statement=question.ours, parameters={"client_id": LARGEST_CLIENT, "now": now})


def direct(question: Question) -> Query:
    """The question to usage_logs."""
    return Query(statement=CALLS_IN_POSTGRESQL + question.direct, parameters=_parameters(question))


def duckdb_statement(question: Question) -> tuple[str, dict[str, Any]]:
    """The question to DuckDB, with its own placeholders, and the parameters that it uses."""
    statement = re.sub(r"%\((\w+)\)s", r"$\1", CALLS_IN_DUCKDB + question.direct)
    return statement, _parameters(question)


def comparable(question: Question, answer: Answer, *, is_ours: bool) -> Answer:
    """Our answer without filled-in zeros and further columns, or the others' as it is; in one order."""
    if is_ours:
        answer = [
            tuple(row[column] for column in question.columns) for row in answer if row[question.request_count]
        ]
    return sorted(answer, key=repr) if question is not TOP_CONVERSATIONS else answer


def _parameters(question: Question) -> dict[str, Any]:
    return {"client_id": LARGEST_CLIENT, "first": question.first, "last": TODAY}
