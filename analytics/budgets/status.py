"""The budgets that hold, with what is spent of them: the SQL function get_budgets(), and what it comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.budgets.history import spent_text
from analytics.budgets.judging import Rule, mean_rate, rules_of
from analytics.budgets.plans import Period, Threshold, Unit, thresholds_of
from analytics.database import Database, Query, Rows
from analytics.queries import TAG, Filters, SqlFunction

BUDGETS = SqlFunction(
    function="get_budgets",
    arguments=("client_id", "asked_at"),
    columns={
        "budget_id": "object",
        "name": "str",
        "version_id": "object",
        "valid_from": "object",
        "changed_by": "str",
        "limit_amount": "object",
        "unit": "str",
        "period": "str",
        "start_day": "int64",
        "time_zone": "str",
        "filters": "object",
        "split_by": "object",
        "thresholds": "object",
        "repeats": "bool",
        "first_date": "object",
        "end_date": "object",
        "starts_at": "object",
        "resets_at": "object",
        "subject": "object",
        "spent": "object",
        "cost_usd": "object",
        "total_tokens": "int64",
        "request_count": "int64",
        "unpriced_count": "int64",
    },
)

PERIODS_OVER = SqlFunction(
    function="get_budget_periods_over",
    arguments=(*BUDGETS.arguments, "count"),
    columns=BUDGETS.columns,
)
"""The periods of all these budgets that are over."""

BUDGETS_TOLD = SqlFunction(
    function=BUDGETS.function,
    arguments=BUDGETS.arguments,
    columns={**BUDGETS.columns, "left_amount": "object", "share": "object"},
    expressions={
        "left_amount": "limit_amount - spent",
        "share": "trim_scale(round(spent / limit_amount, 6))",
    },
)
"""The same with what is left and the share of the limit, as the API and the command line tell it."""


@dataclass(frozen=True, kw_only=True)
class BudgetStatus:
    """A budget, or one value of a budget that is split, in the period that a moment is in."""

    client_id: UUID | None
    """None: of all clients together."""
    asked_at: datetime
    budget_id: UUID
    name: str
    version_id: UUID
    valid_from: datetime
    changed_by: str
    limit_amount: Decimal | None
    """In the unit; None for the calls of a split budget that have no value."""
    unit: Unit
    period: Period
    start_day: int
    time_zone: str
    """The zone of its days, the client's where the budget names none."""
    filters: Filters
    split_by: str | None
    """A tag's key: the limit is of each of its values."""
    thresholds: tuple[Threshold, ...]
    repeats: bool
    first_date: date
    end_date: date
    """The first day of the next period."""
    starts_at: datetime
    resets_at: datetime
    subject: str | None
    """The value of the tag; None for calls without one, "" where the budget is not split."""
    spent: Decimal
    """In the unit; of costs what is known."""
    cost_usd: Decimal
    total_tokens: int
    request_count: int
    unpriced_count: int
    """Calls whose cost is not known, and is not in `spent`."""

    @property
    def key(self) -> tuple[UUID, str | None]:
        """What tells it from all others."""
        return self.budget_id, self.subject

    @property
    def calls(self) -> Filters:
        """What leaves the calls that count: of a value of a split budget only its own."""
        if self.split_by is None or self.subject == "":
            return self.filters
        return self.filters.narrowed(Filters().with_condition(f"{TAG}{self.split_by}", [self.subject or ""]))

    @property
    def title(self) -> str:
        """The name, with the value where it is split: `Support, user = ada`."""
        if self.split_by is None:
            return self.name
        value = "without a value" if self.subject is None else f"= {self.subject}"
        return f"{self.name}, {self.split_by} {value}"

    @property
    def share(self) -> Decimal | None:
        """Spent of the limit: 1 is all of it. None without a limit."""
        return None if self.limit_amount is None else self.spent / self.limit_amount

    @property
    def left(self) -> Decimal | None:
        """What may still be spent, below 0 where more is spent already. None without a limit."""
        return None if self.limit_amount is None else self.limit_amount - self.spent

    @property
    def is_exceeded(self) -> bool:
        """Whether nothing is left."""
        return self.limit_amount is not None and self.spent >= self.limit_amount

    @property
    def gone(self) -> Decimal:
        """How much of the period is over, 0 to 1."""
        whole = (self.resets_at - self.starts_at).total_seconds()
        over = (self.asked_at - self.starts_at).total_seconds()
        return Decimal(min(max(over / whole, 0.0), 1.0)).quantize(Decimal("0.0001"))

    @property
    def pace(self) -> Decimal | None:
        """Spent against an even course through the period: 1 is as planned, 2 is twice as fast.

        None without a limit, and in the first hundredth of a period, which tells nothing.
        """
        if self.share is None or self.gone < Decimal("0.01"):
            return None
        return self.share / self.gone

    @property
    def is_lower_bound(self) -> bool:
        """Whether more may be spent than is known."""
        return self.unit == "usd" and self.unpriced_count > 0

    @property
    def resets_text(self) -> str:
        """`resets Mon 1 Dec 00:00 America/Sao_Paulo`, with the year where it is another one."""
        at = self.resets_at.astimezone(ZoneInfo(self.time_zone))
        year = f" {at.year}" if at.year != self.first_date.year else ""
        return f"resets {at:%a} {at.day} {at:%b}{year} {at:%H:%M} {self.time_zone}"

    @property
    def spent_text(self) -> str:
        """`$41.20`, `1,234 tokens`; `≥ $41.20, 3 calls unpriced` where calls have no price."""
        return spent_text(
            self.unit, self.cost_usd, self.total_tokens, self.unpriced_count, self.request_count
        )


def budgets_query(client_id: UUID | None, now: datetime) -> Query:
    """What budgets_of() reads: the budgets of a client, or those of all clients together (None).

    Those of all clients are for who sees all clients, and are read as the owner.
    """
    return BUDGETS.query(client_id=client_id, now=now)


def budgets_of(rows: Rows, client_id: UUID | None, now: datetime) -> list[BudgetStatus]:
    """The budgets in the order of their names; a split one has a row per value, that without one last."""
    return [_status(record, client_id, now) for record in BUDGETS.records(rows)]


def load_budgets(database: Database, client_id: UUID | None, now: datetime) -> list[BudgetStatus]:
    """The budgets of a client that hold at this moment, or those of all clients together (None).

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    [rows] = database.read(budgets_query(client_id, now), client_id=client_id)
    return budgets_of(rows, client_id, now)


def load_periods_over(
    database: Database, client_id: UUID | None, now: datetime, count: int | None = None
) -> list[BudgetStatus]:
    """The last `count` periods of each budget that are over, or all (None), the oldest first.

    As load_budgets(), by the version that held at the end, and as long as there has been the budget. One that
    is split has a row per value that reached a threshold, and one without a value.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    query = PERIODS_OVER.query(client_id=client_id, now=now, count=count)
    [rows] = database.read(query, client_id=client_id)
    return [_status(record, client_id, now) for record in PERIODS_OVER.records(rows)]


def budgets_json(database: Database, client_id: UUID | None, now: datetime) -> str:
    """BUDGETS_TOLD as a JSON array that PostgreSQL wrote: money has all its digits.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    [rows] = database.read(BUDGETS_TOLD.json_query(client_id=client_id, now=now), client_id=client_id)
    text: str = rows.records[0][0]
    return text


def read_rules(database: Database, client_id: UUID, now: datetime) -> list[Rule]:
    """The budgets that a call of this client counts for, those of all clients together too.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    own, shared = database.read(budgets_query(client_id, now), budgets_query(None, now))
    statuses = [*budgets_of(own, client_id, now), *budgets_of(shared, None, now)]
    return rules_of(statuses, {status.key: mean_rate(status) for status in statuses})


def _status(record: Mapping[str, Any], client_id: UUID | None, now: datetime) -> BudgetStatus:
    columns = dict(record)
    filters: Sequence[Mapping[str, Any]] = columns.pop("filters")
    thresholds: Sequence[Mapping[str, Any]] = columns.pop("thresholds")
    return BudgetStatus(
        client_id=client_id,
        asked_at=now,
        filters=Filters.of_json(filters),
        thresholds=thresholds_of(thresholds),
        **columns,
    )
