"""The SQL functions that pages and the API ask, with their arguments and columns: each is named here once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import pandas as pd

from analytics.database import Database, Query, Rows

Unit = Literal["tokens", "cost"]
"""What is measured, and by what the first are the first."""

# The functions count days back from a moment: that of the last day where one is named, else now. Its noon, as
# there is one on every day of every time zone.
MOMENT = (
    "coalesce((select (%(last_date)s::date + time '12:00') at time zone timezone"
    " from clients where id = %(client_id)s), %(now)s)"
)


def _known(name: str, columns: Iterable[str]) -> str:
    """The column, or null where it is a sum of costs of which none is known."""
    whose = name.removesuffix("total_cost").removesuffix("cost")
    unpriced, requests = f"{whose}unpriced_count", f"{whose}request_count"
    if not name.endswith("cost") or unpriced not in columns or requests not in columns:
        return name
    return f"case when {unpriced} = 0 or {unpriced} <> {requests} then {name} end as {name}"


# Some know the last day by itself, and want to know what time it really is.
_ARGUMENTS = {
    "now": MOMENT,
    "asked_at": "%(now)s::timestamptz",
    "last_date": "%(last_date)s::date",
    "phone": "phone_of(%(client_id)s, %(phone_handle)s, %(first_date)s, %(last_date)s::date)",
}


# What a conversation is named by that is nothing but a phone.
_HANDLE = {
    "phone_handle": "case when conversation_id is null then"
    " phone_handle(read_phone_secret(), %(client_id)s, phone) end"
}


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A SQL function, its arguments, and the columns (with dtypes) that its frame has."""

    function: str
    arguments: Sequence[str]
    columns: Mapping[str, str]
    expressions: Mapping[str, str] = field(default_factory=dict)
    """Columns that are not the function's own, but made of those."""

    def query(self, **parameters: Any) -> Query:
        return Query(statement=self._statement(), parameters={"last_date": None, **parameters})

    def ask(
        self,
        database: Database,
        *,
        client_id: UUID,
        sees_phones: bool = False,
        finds_phones: bool = False,
        **parameters: Any,
    ) -> pd.DataFrame:
        """The function's answer for a client, read as one that sees no other."""
        [rows] = database.read(
            self.query(client_id=client_id, **parameters),
            client_id=client_id,
            sees_phones=sees_phones,
            finds_phones=finds_phones,
        )
        return self.frame(rows)

    def json_query(self, **parameters: Any) -> Query:
        """The same rows as one text: a JSON array of objects, in which money keeps all its digits.

        A cost that is not known is null there.
        """
        answer = self.known_statement()
        statement = f"select coalesce(json_agg(answer), '[]')::text from ({answer}) as answer"  # noqa: S608
        return Query(statement=statement, parameters={"last_date": None, **parameters})

    def known_statement(self) -> str:
        """The function's rows, in which the costs of what has no price at all are null instead of 0."""
        columns = ", ".join(_known(name, self.columns) for name in self.columns)
        return f"select {columns} from ({self._statement()}) as answer"  # noqa: S608

    def _statement(self) -> str:
        arguments = ", ".join(_ARGUMENTS.get(name, f"%({name})s") for name in self.arguments)
        columns = ", ".join(f"{self._expression(name)} as {name}" for name in self.columns)
        # Names come from the constants below, values are bound.
        return f"select {columns} from {self.function}({arguments})"  # noqa: S608

    def _expression(self, column: str) -> str:
        """Phones, and names that hold one, leave the database as whoever asks may see them."""
        if column == "phone":
            return "shown_phone(phone)"
        if column == "conversation_name":
            return f"shown_name(conversation_name, {'phone' if 'phone' in self.columns else 'null'})"
        return self.expressions.get(column, column)

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
DAILY = Topic(
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
WEEKLY = Topic(
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
        "openai_request_count": "int64",
        "groq_request_count": "int64",
        "other_request_count": "int64",
        "openai_unpriced_count": "int64",
        "groq_unpriced_count": "int64",
        "other_unpriced_count": "int64",
    },
)
MONTHLY = Topic(
    function="get_monthly_summary",
    arguments=("client_id", "year", "month", "now"),
    columns=_MODEL_COLUMNS,
)
SUMMARY = Topic(
    function="get_usage_summary",
    arguments=("client_id", "days", "asked_at", "last_date"),
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
BY_MODEL = Topic(
    function="get_usage_by_model", arguments=("client_id", "days", "now"), columns=_MODEL_COLUMNS
)
BY_CONVERSATION = Topic(
    function="get_usage_by_conversation",
    arguments=("client_id", "days", "limit", "now", "order"),
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
COMPARISON = Topic(
    function="get_usage_comparison",
    arguments=(
        *("client_id", "first_date", "last_date", "previous_first_date", "previous_last_date", "asked_at"),
    ),
    columns={
        "source": "object",
        "model": "object",
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
COMPARED_DAYS = Topic(
    function="compared_days",
    arguments=(
        *("client_id", "first_date", "last_date", "previous_first_date", "previous_last_date", "asked_at"),
    ),
    columns={
        "last_date": "object",
        "until_at": "object",
        "day_count": "object",
        "previous_day_count": "object",
        "no_comparison": "object",
    },
)
OVER_TIME = Topic(
    function="get_usage_over_time",
    arguments=("client_id", "first_date", "last_date", "grain"),
    columns={
        "bucket_date": "datetime64[s]",
        "first_date": "datetime64[s]",
        "last_date": "datetime64[s]",
        "source": "object",
        "total_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
    },
)
CALL_SUMS = Topic(
    function="get_call_sums",
    arguments=("client_id", "first_date", "last_date"),
    columns={
        "kind": "object",
        "source": "object",
        "model": "object",
        "weekday": "Int64",
        "hour": "Int64",
        "operation": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_tokens": "int64",
        "cached_tokens": "int64",
        "reasoning_tokens": "int64",
        "duration_seconds": "object",
        "total_cost": "object",
    },
)
FOUND_CONVERSATIONS = Topic(
    function="search_conversations",
    arguments=("client_id", "first_date", "last_date", "search", "sort", "descending", "limit", "offset"),
    columns={
        "conversation_id": "object",
        "phone": "object",
        "phone_handle": "object",
        "conversation_name": "object",
        "first_date": "datetime64[s]",
        "last_date": "datetime64[s]",
        "total_tokens": "int64",
        "openai_tokens": "int64",
        "groq_tokens": "int64",
        "other_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "matched_count": "int64",
    },
    expressions=_HANDLE,
)
_CALL_COLUMNS = {
    "created_at": "datetime64[us, UTC]",
    "id": "object",
    "conversation_id": "object",
    "phone": "object",
    "source": "object",
    "model": "object",
    "prompt_tokens": "int64",
    "completion_tokens": "int64",
    "total_tokens": "int64",
    "cost_usd": "object",
    "cost_basis": "object",
}
CONVERSATION_CALLS = Topic(
    function="get_conversation_calls",
    arguments=("client_id", "conversation_id", "phone", "first_date", "last_date", "limit"),
    columns={
        **{name: kind for name, kind in _CALL_COLUMNS.items() if name not in ("conversation_id", "phone")},
        "metadata": "object",
        "running_tokens": "int64",
        "running_cost": "object",
        "call_count": "int64",
    },
)
CALLS_SINCE = Topic(
    function="get_named_calls_since",
    arguments=("client_id", "since", "limit"),
    columns={**_CALL_COLUMNS, "phone_handle": "object", "conversation_name": "object"},
    expressions=_HANDLE,
)
BY_MINUTE = Topic(
    function="get_usage_by_minute",
    arguments=("client_id", "since", "until"),
    columns={
        "minute_at": "datetime64[us, UTC]",
        "source": "object",
        "total_tokens": "int64",
        "total_cost": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "zero_token_count": "int64",
    },
)
SUM_DIFFERENCES = Topic(
    function="check_usage_sums",
    arguments=("client_id", "first_date", "last_date"),
    columns={
        "usage_date": "datetime64[s]",
        "source": "object",
        "model": "object",
        "summed_tokens": "int64",
        "logged_tokens": "int64",
        "summed_cost": "object",
        "logged_cost": "object",
        "summed_count": "int64",
        "logged_count": "int64",
    },
)
