"""The read path: one typed function per SQL function, each a documented DataFrame.

Money is `Decimal` (a column of dtype object) and becomes float only inside a chart. Text that may be missing
is None. Dates are days in the client's own time zone. `now` is a UTC-aware moment that the caller has read
once. Every function raises DatabaseUnavailable, SchemaMissing or DatabaseError.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd

from analytics.database import Database, Query, Rows
from analytics.errors import InvalidInput, UnknownClient

PERIOD_DAYS = (7, 30, 60, 90)
DAILY_CHART_DAYS = 30
EVOLUTION_WEEKS = 12
TOP_CONVERSATIONS = 20

# More pending rows than this cost a read more than folding them is worth.
MANY_PENDING = 1_000

# Logs that name no client are kept under this one (unassigned_client_id() in SQL): only for administrators.
UNASSIGNED_CLIENT_ID = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class Client:
    """A tenant. `timezone` is the IANA zone in which its days begin."""

    id: UUID
    name: str
    timezone: str
    is_demo: bool


@dataclass(frozen=True, kw_only=True)
class Period:
    """The days chosen on a page: `days` whole days, today included."""

    days: int = 30

    @property
    def label(self) -> str:
        """As it stands in the selector and in a link: `30d`."""
        return f"{self.days}d"

    @classmethod
    def parse(cls, label: str) -> "Period":
        """The period that a link names; `30` is understood as `30d`.

        Raises:
            InvalidInput: no such period; the message lists those there are.
        """
        for days in PERIOD_DAYS:
            if label.strip().lower() in (f"{days}d", str(days)):
                return cls(days=days)
        choices = ", ".join(f"{days}d" for days in PERIOD_DAYS)
        raise InvalidInput(f'days must be one of {choices}, not "{label}"')


@dataclass(frozen=True, kw_only=True)
class Overview:
    """All that the Overview page shows, from one snapshot of the database."""

    client: Client
    period: Period
    loaded_at: datetime
    today: date
    summary: pd.DataFrame
    daily: pd.DataFrame
    weekly: pd.DataFrame
    models: pd.DataFrame
    conversations: pd.DataFrame
    has_many_pending: bool

    @property
    def first_day(self) -> date:
        """The first of the period's days; `today` is its last."""
        return self.today - timedelta(days=self.period.days - 1)


@dataclass(frozen=True, kw_only=True)
class _Topic:
    """A SQL function, its arguments, and the columns (with dtypes) that its frame has."""

    function: str
    arguments: Sequence[str]
    columns: Mapping[str, str]

    def query(self, **parameters: Any) -> Query:
        arguments = ", ".join(f"%({name})s" for name in self.arguments)
        # Names come from the constants below, values are bound.
        statement = f"select {', '.join(self.columns)} from {self.function}({arguments})"  # noqa: S608
        return Query(statement=statement, parameters=parameters)

    def frame(self, rows: Rows) -> pd.DataFrame:
        # As objects first: pandas would guess float for whole columns that hold only None or Decimal.
        frame = pd.DataFrame(rows.records, columns=list(rows.columns), dtype=object)
        return frame.astype({name: dtype for name, dtype in self.columns.items() if dtype != "object"})


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
_DAILY = _Topic(
    function="get_daily_usage",
    arguments=("client_id", "days", "now"),
    columns={
        "date": "datetime64[s]",
        "source": "object",
        "total_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
    },
)
_WEEKLY = _Topic(
    function="get_weekly_evolution",
    arguments=("client_id", "weeks", "now"),
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
    },
)
_MONTHLY = _Topic(
    function="get_monthly_summary",
    arguments=("client_id", "year", "month", "now"),
    columns=_MODEL_COLUMNS,
)
_SUMMARY = _Topic(
    function="get_usage_summary",
    arguments=("client_id", "days", "now"),
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
    },
)
_BY_MODEL = _Topic(
    function="get_usage_by_model", arguments=("client_id", "days", "now"), columns=_MODEL_COLUMNS
)
_BY_CONVERSATION = _Topic(
    function="get_usage_by_conversation",
    arguments=("client_id", "days", "limit", "now"),
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


def daily_usage(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """Usage per day and source, zero-filled.

    One row per (date, source), newest last; openai and groq always have rows: date datetime64 · source str ·
    total_tokens int64 · total_cost Decimal (USD) · request_count int64 · unpriced_count int64.
    """
    return _ask(database, _DAILY, client_id=client_id, days=days, now=now)


def weekly_evolution(database: Database, client_id: UUID, weeks: int = 12, *, now: datetime) -> pd.DataFrame:
    """Usage per week from Monday, zero-filled, the current week last; openai + groq + other = total.

    One row per week: week_start datetime64 · week_number int64 (ISO) · total_tokens, openai_tokens,
    groq_tokens, other_tokens int64 · total_cost, openai_cost, groq_cost, other_cost Decimal (USD) ·
    request_count int64 · unpriced_count int64.
    """
    return _ask(database, _WEEKLY, client_id=client_id, weeks=weeks, now=now)


def monthly_summary(
    database: Database, client_id: UUID, year: int | None = None, month: int | None = None, *, now: datetime
) -> pd.DataFrame:
    """Usage per source and model in a calendar month, by default the client's current one.

    One row per (source, model) with use, most tokens first: source str · model str or None · total_tokens,
    prompt_tokens, completion_tokens int64 · total_cost Decimal (USD) · request_count, unpriced_count int64 ·
    cost_per_1k_tokens Decimal (USD), None where some of the cost is unknown · tokens_per_request float64.
    """
    return _ask(database, _MONTHLY, client_id=client_id, year=year, month=month, now=now)


def usage_summary(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """What the cards show: the last `days` days, and as many just before them.

    Four rows, provider total, openai, groq, other: total_tokens, prompt_tokens, completion_tokens int64 ·
    total_cost Decimal (USD) · request_count, unpriced_count int64 · previous_total_tokens int64 ·
    previous_total_cost Decimal (USD) · previous_request_count int64. The last three rows add up to the first.
    """
    return _ask(database, _SUMMARY, client_id=client_id, days=days, now=now)


def usage_by_model(database: Database, client_id: UUID, days: int = 30, *, now: datetime) -> pd.DataFrame:
    """Usage per source and model in the last `days` days; columns as monthly_summary()."""
    return _ask(database, _BY_MODEL, client_id=client_id, days=days, now=now)


def usage_by_conversation(
    database: Database, client_id: UUID, days: int = 30, limit: int = TOP_CONVERSATIONS, *, now: datetime
) -> pd.DataFrame:
    """The `limit` conversations with the most tokens in the last `days` days.

    One row per conversation, most tokens first: phone, conversation_name str or None · total_tokens int64 ·
    total_cost Decimal (USD) · request_count, openai_tokens, groq_tokens, other_tokens, unpriced_count int64 ·
    conversation_id UUID or None · share_of_tokens float64 (0 to 1, of all the client's tokens in these days).
    """
    return _ask(database, _BY_CONVERSATION, client_id=client_id, days=days, limit=limit, now=now)


def clients(database: Database) -> list[Client]:
    """All clients by name, without the one that keeps the calls without a client."""
    [rows] = database.read(
        Query(
            statement="select id, name, timezone, is_demo from clients where id <> %(unassigned)s"
            " order by lower(name), id",
            parameters={"unassigned": UNASSIGNED_CLIENT_ID},
        )
    )
    return [_client(record) for record in rows.records]


def load_overview(database: Database, client_id: UUID, period: Period, now: datetime) -> Overview:
    """All that the Overview page needs, in one network round trip and from one snapshot.

    `daily` reaches back far enough for both the chart and the period's sparklines.

    Raises:
        UnknownClient: there is no such client.
    """
    asked: dict[str, Any] = {"client_id": client_id, "days": period.days, "now": now}
    topics = {
        "summary": (_SUMMARY, asked),
        "daily": (_DAILY, asked | {"days": max(period.days, DAILY_CHART_DAYS)}),
        "weekly": (_WEEKLY, asked | {"weeks": EVOLUTION_WEEKS}),
        "models": (_BY_MODEL, asked),
        "conversations": (_BY_CONVERSATION, asked | {"limit": TOP_CONVERSATIONS}),
    }
    who, *answers = database.read(
        Query(
            statement="select id, name, timezone, is_demo, (%(now)s at time zone timezone)::date,"
            " (select count(*) from (select from usage_pending limit %(many)s + 1) as few) > %(many)s"
            " from clients where id = %(client_id)s",
            parameters=asked | {"many": MANY_PENDING},
        ),
        *(topic.query(**parameters) for topic, parameters in topics.values()),
        client_id=client_id,
    )
    if not who.records:
        raise UnknownClient(f"no client has the id {client_id}")
    *identity, today, has_many_pending = who.records[0]
    frames = {
        name: topic.frame(rows) for (name, (topic, _)), rows in zip(topics.items(), answers, strict=True)
    }
    return Overview(
        client=_client(identity),
        period=period,
        loaded_at=now,
        today=today,
        has_many_pending=has_many_pending,
        **frames,
    )


def _ask(database: Database, topic: _Topic, *, client_id: UUID, **parameters: Any) -> pd.DataFrame:
    [rows] = database.read(topic.query(client_id=client_id, **parameters), client_id=client_id)
    return topic.frame(rows)


def _client(record: Sequence[Any]) -> Client:
    client_id, name, timezone, is_demo = record
    return Client(id=client_id, name=name, timezone=timezone, is_demo=is_demo)
