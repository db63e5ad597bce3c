"""Reading budgets for their page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from analytics.budgets import (
    BudgetStatus,
    Drivers,
    Outlook,
    PastPeriod,
    Version,
    budget_days,
    drivers,
    load_budgets,
    outlook,
    past_periods,
    versions_of,
)
from analytics.database import Database
from analytics.days import EARLIEST, Days
from analytics.errors import InvalidInput
from analytics.forecasting import PastWorth, past_worth
from analytics.queries.alerts import Crossing, load_crossings
from analytics.ui.frame import reads
from analytics.ui.frame.address import Part
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading

Key = tuple[UUID, str | None]
WORTH_PERIODS, LEARNED_DAYS = 6, 182
FORECAST_BUDGETS = 20
"""Of so many it is said at once where they are going; of each other one when it is opened."""


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """The budgets of a client, and for who sees all clients those of all together."""

    statuses: Sequence[BudgetStatus]
    outlooks: Mapping[Key, Outlook]

    @property
    def whole(self) -> list[BudgetStatus]:
        """One per budget: of a split one that with the largest share."""
        found: dict[UUID, BudgetStatus] = {}
        for status in self.statuses:
            before = found.get(status.budget_id)
            if before is None or (status.share or 0) > (before.share or 0):
                found[status.budget_id] = status
        return list(found.values())

    def of(self, budget_id: UUID) -> list[BudgetStatus]:
        """The values of a budget, those with the largest share first."""
        found = [status for status in self.statuses if status.budget_id == budget_id]
        return sorted(found, key=lambda status: (status.limit_amount is None, -status.spent))


@dataclass(frozen=True, kw_only=True)
class BudgetDetail:
    """All that is known of one budget."""

    outlook: Outlook
    drivers: Drivers
    past: Sequence[PastPeriod]
    versions: Sequence[Version]
    worth: PastWorth
    """What would have been said of the periods before, at their begin."""
    crossings: Sequence[Crossing]
    """Of this budget, or of the value that is shown."""


def _parse(value: str) -> UUID | None:
    try:
        return UUID(value)
    except ValueError:
        raise InvalidInput(f'budget must be the id of one, not "{value[:60]}"') from None


BUDGET = Part[UUID | None](name="budget", parse=_parse, default=None)
VALUE = Part[str | None](name="value", parse=str, default=None)
"""Of a split budget: the value that is open, empty for calls without one. None: the most spent."""


def read_budgets(page: Page) -> Reading[Budgets]:
    """The budgets of the page's client, and of all clients together for who may see them."""
    sees_all = page.viewer.sees_all_clients
    return reads.read(
        page.database,
        ("budgets", page.client.id, sees_all),
        lambda moment: _load(page.database, page.client.id, moment, sees_all=sees_all),
        page.now,
    )


def read_detail(page: Page, status: BudgetStatus) -> Reading[BudgetDetail]:
    """One budget, or one value of it."""
    return reads.read(
        page.database,
        ("budget", status.client_id, status.version_id, status.subject),
        lambda moment: _load_detail(page.database, status, moment),
        page.now,
    )


def _load(database: Database, client_id: UUID, now: datetime, *, sees_all: bool) -> Budgets:
    statuses = load_budgets(database, client_id, now)
    if sees_all:
        statuses = [*statuses, *load_budgets(database, None, now)]
    # Where all clients together are going takes as long as they are many: it is said where it is opened.
    told = [each for each in statuses if each.split_by is None and each.client_id is not None]
    told = told[:FORECAST_BUDGETS]
    return Budgets(
        statuses=statuses,
        outlooks={status.key: outlook(database, status.client_id, status, now) for status in told},
    )


def _load_detail(database: Database, status: BudgetStatus, now: datetime) -> BudgetDetail:
    past = past_periods(database, status.client_id, status.budget_id, now, subject=status.subject)
    return BudgetDetail(
        outlook=outlook(database, status.client_id, status, now),
        drivers=drivers(database, status, now),
        past=past,
        versions=versions_of(database, status.client_id, status.budget_id),
        worth=_worth(database, status, past),
        crossings=[
            each
            for each in load_crossings(database, status.client_id, status.budget_id)
            if each.subject == (status.subject or "")
        ],
    )


def _worth(database: Database, status: BudgetStatus, past: Sequence[PastPeriod]) -> PastWorth:
    """Of the last periods, by the days before each. None of all clients together, whose days take long."""
    spans = [(period.first_date, period.end_date) for period in reversed(past[:WORTH_PERIODS])]
    if not spans or status.client_id is None:
        return PastWorth(months=[])
    first = max(spans[0][0] - timedelta(days=LEARNED_DAYS), EARLIEST)
    days = Days(first, status.first_date - timedelta(days=1))
    used = budget_days(database, status.client_id, status.budget_id, days, subject=status.subject)
    column = "cost_usd" if status.unit == "usd" else "total_tokens"
    return past_worth(used[column].to_numpy(dtype="float64"), first, months=WORTH_PERIODS, periods=spans)
