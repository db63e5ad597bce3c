"""What was: the versions of a budget, its past periods, and its days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from analytics.budgets.plans import BudgetPlan, Unit
from analytics.database import Database
from analytics.days import Days
from analytics.formatting import cost, plural
from analytics.queries import SqlFunction

if TYPE_CHECKING:
    import pandas as pd

_AMOUNTS = {
    "cost_usd": "object",
    "total_tokens": "int64",
    "request_count": "int64",
    "unpriced_count": "int64",
}
BUDGET_VERSIONS = SqlFunction(
    function="get_budget_versions",
    arguments=("client_id", "budget_id"),
    columns={
        **dict.fromkeys(("version_id", "valid_from", "valid_until", "changed_by", "limit_amount"), "object"),
        **dict.fromkeys(("unit", "period", "start_day", "time_zone", "filters", "split_by"), "object"),
        **dict.fromkeys(("thresholds", "repeats", "archived_at", "archived_by"), "object"),
    },
)
BUDGET_PERIODS = SqlFunction(
    function="get_budget_periods",
    arguments=("client_id", "budget_id", "count", "asked_at", "subject"),
    columns={
        **dict.fromkeys(("version_id", "first_date", "end_date", "starts_at", "ends_at"), "object"),
        **dict.fromkeys(("time_zone", "limit_amount", "unit", "spent"), "object"),
        **_AMOUNTS,
    },
)
BUDGET_DAYS = SqlFunction(
    function="get_budget_days",
    arguments=("client_id", "budget_id", "first_date", "last_date", "subject"),
    columns={"usage_date": "datetime64[s]", **_AMOUNTS},
)

PAST_PERIODS = 12


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a budget said for a while, and who said so."""

    version_id: UUID
    valid_from: datetime
    valid_until: datetime | None
    """None: it still holds, or held until the budget was archived."""
    changed_by: str
    plan: BudgetPlan
    archived_at: datetime | None
    """Of the whole budget."""
    archived_by: str | None


@dataclass(frozen=True, kw_only=True)
class PastPeriod:
    """A period that is over."""

    version_id: UUID
    first_date: date
    end_date: date
    """The first day after it."""
    starts_at: datetime
    ends_at: datetime
    time_zone: str
    limit_amount: Decimal | None
    """Of the version that held when it ended; None where there was no limit yet."""
    unit: Unit
    spent: Decimal
    cost_usd: Decimal
    total_tokens: int
    request_count: int
    unpriced_count: int

    @property
    def share(self) -> Decimal | None:
        """Spent of the limit: 1 is all of it. None without a limit."""
        return None if self.limit_amount is None else self.spent / self.limit_amount

    @property
    def last_date(self) -> date:
        """Its last day."""
        return date.fromordinal(self.end_date.toordinal() - 1)

    @property
    def spent_text(self) -> str:
        """As BudgetStatus.spent_text."""
        return spent_text(
            self.unit, self.cost_usd, self.total_tokens, self.unpriced_count, self.request_count
        )


def spent_text(
    unit: Unit, cost_usd: Decimal, total_tokens: int, unpriced_count: int, request_count: int
) -> str:
    """`$41.20`, `1,234 tokens`; `≥ $41.20, 3 calls unpriced` where calls have no price."""
    if unit == "tokens":
        return plural(total_tokens, "token")
    known = cost(cost_usd, unpriced_count, request_count)
    return f"{known}, {plural(unpriced_count, 'call')} unpriced" if unpriced_count else known


def versions_of(database: Database, client_id: UUID | None, budget_id: UUID) -> list[Version]:
    """All versions of a budget, the newest first; none where the client has no such budget.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    query = BUDGET_VERSIONS.query(client_id=client_id, budget_id=budget_id)
    [rows] = database.read(query, client_id=client_id)
    return [_version(record) for record in BUDGET_VERSIONS.records(rows)]


def past_periods(
    database: Database,
    client_id: UUID | None,
    budget_id: UUID,
    now: datetime,
    *,
    count: int = PAST_PERIODS,
    subject: str | None = "",
) -> list[PastPeriod]:
    """The last periods before the one that runs, the newest first; none before the first usage.

    `subject` is the value of a budget that is split, None for the calls without one, "" for all of its calls.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    query = BUDGET_PERIODS.query(
        client_id=client_id, budget_id=budget_id, count=count, now=now, subject=subject
    )
    [rows] = database.read(query, client_id=client_id)
    return [PastPeriod(**record) for record in BUDGET_PERIODS.records(rows)]


def budget_days(
    database: Database, client_id: UUID | None, budget_id: UUID, days: Days, *, subject: str | None = ""
) -> "pd.DataFrame":
    """What counts for a budget, by its newest version: one row per day of its own zone, zero-filled.

    usage_date datetime64 · cost_usd Decimal (USD) · total_tokens, request_count, unpriced_count int64.
    `subject` as past_periods() takes it.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    query = BUDGET_DAYS.query(
        client_id=client_id, budget_id=budget_id, first_date=days.first, last_date=days.last, subject=subject
    )
    [rows] = database.read(query, client_id=client_id)
    return BUDGET_DAYS.frame(rows)


def _version(record: Mapping[str, Any]) -> Version:
    names = ("version_id", "valid_from", "valid_until", "changed_by", "archived_at", "archived_by")
    return Version(plan=BudgetPlan.of_columns(record), **{name: record[name] for name in names})
