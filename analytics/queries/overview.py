"""The Overview page's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from analytics.clients import CLIENT_COLUMNS, Client, client_of
from analytics.database import Database, Query
from analytics.errors import UnknownClient
from analytics.pricing import stored
from analytics.pricing.at_list_prices import OwnPriced, own_priced
from analytics.queries.comparisons import ComparedDays
from analytics.queries.courses import Courses, Grouping, courses_of, courses_queries
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.periods import EVOLUTION_WEEKS, Period
from analytics.queries.sql_function import MOMENT, PHONE_HANDLE, SqlFunction, Unit

if TYPE_CHECKING:
    import pandas as pd

TOP_CONVERSATIONS = 20

# More pending rows than this cost a read more than folding them is worth.
MANY_PENDING = 1_000

_MODEL_COLUMNS = {
    "source": "object",
    "model": "object",
    "total_tokens": "int64",
    "prompt_tokens": "int64",
    "completion_tokens": "int64",
    "total_cost": "object",
    "request_count": "int64",
    "unpriced_count": "int64",
    "cost_per_1k_tokens": "object",
    "tokens_per_request": "float64",
}

DAILY_USAGE = SqlFunction(
    function="get_daily_usage",
    arguments=("client_id", "days", "now", "filters"),
    columns={
        "date": "datetime64[s]",
        "source": "object",
        "total_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
    },
)
"""Usage per day and source, zero-filled, the last `days` days.

One row per (date, source), newest last; openai and groq always have rows: date datetime64 · source str ·
total_tokens int64 · total_cost Decimal (USD) · request_count int64 · unpriced_count int64.
"""

WEEKLY_EVOLUTION = SqlFunction(
    function="get_weekly_evolution",
    arguments=("client_id", "weeks", "now", "filters"),
    columns={
        "week_start": "datetime64[s]",
        "week_number": "int64",
        "total_tokens": "int64",
        "openai_tokens": "int64",
        "groq_tokens": "int64",
        "total_cost": "object",
        "other_tokens": "int64",
        "openai_cost": "object",
        "groq_cost": "object",
        "other_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "openai_request_count": "int64",
        "groq_request_count": "int64",
        "other_request_count": "int64",
        "openai_unpriced_count": "int64",
        "groq_unpriced_count": "int64",
        "other_unpriced_count": "int64",
    },
)
"""Usage per week from Monday, zero-filled, the current week last; openai + groq + other = total.

One row per week: week_start datetime64 · week_number int64 (ISO) · total_tokens, openai_tokens,
groq_tokens, other_tokens int64 · total_cost, openai_cost, groq_cost, other_cost Decimal (USD) ·
request_count int64 · unpriced_count int64, both also per provider (openai_request_count, ...).
"""

MONTHLY_SUMMARY = SqlFunction(
    function="get_monthly_summary",
    arguments=("client_id", "year", "month", "now", "filters"),
    columns=_MODEL_COLUMNS,
)
"""Usage per source and model in a calendar month, by default the client's current one.

One row per (source, model) with use, most tokens first: source str · model str or None · total_tokens,
prompt_tokens, completion_tokens int64 · total_cost Decimal (USD) · request_count, unpriced_count int64 ·
cost_per_1k_tokens Decimal (USD), None where some of the cost is unknown · tokens_per_request float64.
"""

USAGE_SUMMARY = SqlFunction(
    function="get_usage_summary",
    arguments=(
        *("client_id", "days", "asked_at", "last_date", "filters"),
        *("previous_first_date", "previous_last_date"),
    ),
    columns={
        "provider": "object",
        "total_tokens": "int64",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "previous_total_tokens": "int64",
        "previous_total_cost": "object",
        "previous_request_count": "int64",
        "previous_unpriced_count": "int64",
    },
)
"""The sums of the last `days` days, and of as many just before them.

Four rows, provider total, openai, groq, other: total_tokens, prompt_tokens, completion_tokens int64 ·
total_cost Decimal (USD) · request_count, unpriced_count int64 · previous_total_tokens int64 ·
previous_total_cost Decimal (USD) · previous_request_count, previous_unpriced_count int64. The last three
rows add up to the first. While the last day runs, the days before count until the same time of day.
"""

USAGE_BY_MODEL = SqlFunction(
    function="get_usage_by_model", arguments=("client_id", "days", "now", "filters"), columns=_MODEL_COLUMNS
)
"""Usage per source and model in the last `days` days; columns as MONTHLY_SUMMARY."""

USAGE_BY_CONVERSATION = SqlFunction(
    function="get_usage_by_conversation",
    arguments=("client_id", "days", "limit", "now", "order", "filters"),
    columns={
        "phone": "object",
        "conversation_name": "object",
        "total_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "openai_tokens": "int64",
        "groq_tokens": "int64",
        "other_tokens": "int64",
        "unpriced_count": "int64",
        "conversation_id": "object",
        "share_of_tokens": "float64",
    },
)
"""The `limit` conversations with the most tokens, or the highest known cost, in the last `days` days.

One row per conversation, ordered by `order`: phone, conversation_name str or None · total_tokens int64 ·
total_cost Decimal (USD) · request_count, openai_tokens, groq_tokens, other_tokens, unpriced_count int64 ·
conversation_id UUID or None · share_of_tokens float64 (0 to 1, of all the client's tokens in these days).
"""

# Their rows open a conversation, whose link does not tell its phone.
_TOP = replace(
    USAGE_BY_CONVERSATION,
    columns={**USAGE_BY_CONVERSATION.columns, "phone_handle": "object"},
    expressions=PHONE_HANDLE,
)

# The period and the days before it that get_usage_summary() compares: as many, unless others are given.
SUMMARY_DAYS = """
    select
        coalesce(%(previous_first_date)s::date, first_date - %(days)s::integer) as first_date,
        compared.last_date, until_at, day_count,
        previous_day_count, no_comparison
    from (
        select
            coalesce(%(last_date)s::date, (%(now)s at time zone timezone)::date) as last_date,
            coalesce(%(last_date)s::date, (%(now)s at time zone timezone)::date)
                - %(days)s::integer + 1 as first_date
        from clients
        where id = %(client_id)s
    ) as period
    cross join lateral compared_days(
        %(client_id)s, first_date, period.last_date,
        coalesce(%(previous_first_date)s::date, first_date - %(days)s::integer),
        coalesce(%(previous_last_date)s::date, first_date - 1), %(now)s
    ) as compared
"""

_USAGE = f"""
    select usage.*
    from usage_window(%(client_id)s, %(days)s, {MOMENT}) as period
    cross join lateral get_daily_usage_by_model(
        %(client_id)s, period.first_date, period.last_date, %(filters)s::jsonb
    ) as usage
    -- For own_priced(), which needs no usage where nobody has prices of his own.
    where exists (select from model_prices)
"""  # noqa: S608


@dataclass(frozen=True, kw_only=True)
class Overview:
    """The numbers of the Overview page, from one snapshot of the database."""

    client: Client
    period: Period
    loaded_at: datetime
    last_day: date
    """Of the period; today, unless other days were chosen."""
    order: Unit
    """What `models` and `conversations` are sorted by."""
    compared: ComparedDays
    """The days that the summary compares with."""
    summary: "pd.DataFrame"
    daily: "pd.DataFrame"
    weekly: "pd.DataFrame"
    models: "pd.DataFrame"
    conversations: "pd.DataFrame"
    own_priced: Sequence[OwnPriced]
    """Models whose cost by the public list is another."""
    has_many_pending: bool
    filters: Filters = NO_FILTERS
    """Which calls are counted."""
    sees_phones: bool = False
    """Whether phones and names are whole, or masked."""
    courses: Courses | None = None
    """What its charts group; None where nobody asked for it."""

    def lasting(self) -> tuple[object, ...]:
        """All but the moment that they were read."""
        return tuple(getattr(self, each.name) for each in fields(self) if each.name != "loaded_at")

    @property
    def first_day(self) -> date:
        """The first of the period's days."""
        return self.last_day - timedelta(days=self.period.days - 1)


def overview_queries(
    client_id: UUID,
    period: Period,
    now: datetime,
    order: Unit = "tokens",
    filters: Filters = NO_FILTERS,
) -> list[Query]:
    """All that load_overview() asks."""
    common = _parameters(client_id, period, now, filters)
    functions = _functions(client_id, period, now, order, filters)
    return [
        Query(
            statement=f"select {CLIENT_COLUMNS},"  # noqa: S608
            " coalesce(%(last_date)s, (%(now)s at time zone timezone)::date),"
            " (select count(*) from (select 1 from usage_pending limit %(many)s + 1) as few) > %(many)s"
            " from clients where id = %(client_id)s",
            parameters=common | {"many": MANY_PENDING},
        ),
        Query(statement=SUMMARY_DAYS, parameters=common),
        Query(statement=_USAGE, parameters=common),
        Query(statement=stored.LOAD),
        *(function.query(**parameters) for function, parameters in functions.values()),
    ]


def _parameters(client_id: UUID, period: Period, now: datetime, filters: Filters) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "days": period.days,
        "last_date": period.last,
        **period.compared,
        "now": now,
        "filters": filters.json(),
    }


def _functions(
    client_id: UUID, period: Period, now: datetime, order: Unit, filters: Filters
) -> Mapping[str, tuple[SqlFunction, dict[str, Any]]]:
    """The frames of an Overview: the function of each, and its parameters."""
    common = _parameters(client_id, period, now, filters)
    return {
        "summary": (USAGE_SUMMARY, common),
        "daily": (DAILY_USAGE, common | {"days": period.chart_days}),
        "weekly": (WEEKLY_EVOLUTION, common | {"weeks": period.weeks}),
        "models": (USAGE_BY_MODEL, common),
        "conversations": (_TOP, common | {"limit": TOP_CONVERSATIONS, "order": order}),
    }


def load_overview(
    database: Database,
    client_id: UUID,
    period: Period,
    now: datetime,
    order: Unit = "tokens",
    *,
    sees_phones: bool = False,
    filters: Filters = NO_FILTERS,
    grouped: Grouping | None = None,
) -> Overview:
    """Reads the Overview page in one network round trip, from one snapshot.

    `daily` and `weekly` end with the period, and begin before it where it is shorter than their charts.
    `grouped` asks for its `courses`.

    Raises:
        UnknownClient: there is no such client.
    """
    functions = _functions(client_id, period, now, order, filters)
    by_group = [] if grouped is None else courses_queries(client_id, grouped, order, filters)
    who, compared, days_of_models, price_rows, *answers = database.read(
        *overview_queries(client_id, period, now, order, filters),
        *by_group,
        client_id=client_id,
        sees_phones=sees_phones,
    )
    if not who.records:
        raise UnknownClient(f"no client has the id {client_id}")
    *identity, last_day, has_many_pending = who.records[0]
    frames = {
        name: function.frame(rows)
        for (name, (function, _)), rows in zip(functions.items(), answers, strict=False)
    }
    frames["weekly"] = _weeks_of(frames["weekly"], last_day - timedelta(days=period.days - 1))
    frames["models"] = by_amount(frames["models"], order)
    return Overview(
        client=client_of(identity),
        compared=ComparedDays(**dict(zip(compared.columns, compared.records[0], strict=True))),
        period=period,
        loaded_at=now,
        last_day=last_day,
        order=order,
        has_many_pending=has_many_pending,
        own_priced=own_priced(days_of_models, stored.price_list_of(price_rows.records), client_id),
        filters=filters,
        sees_phones=sees_phones,
        courses=None if grouped is None else courses_of(answers[len(functions) :], grouped),
        **frames,
    )


def by_amount(frame: "pd.DataFrame", order: Unit) -> "pd.DataFrame":
    """Sorts by tokens or known cost, the most first; the other one breaks ties."""
    columns = ["total_cost", "total_tokens"] if order == "cost" else ["total_tokens", "total_cost"]
    return frame.sort_values(columns, ascending=False, kind="stable", ignore_index=True)


def _weeks_of(weekly: "pd.DataFrame", first_day: date) -> "pd.DataFrame":
    """The last twelve weeks, or those that the period lies in where they are more."""
    import pandas as pd  # see SqlFunction.frame()

    is_of_period = weekly["week_start"] > pd.Timestamp(first_day) - pd.Timedelta(days=7)
    return weekly.tail(max(EVOLUTION_WEEKS, int(is_of_period.sum()))).reset_index(drop=True)
