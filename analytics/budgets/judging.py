"""Whether another call is allowed, by the budgets that count it. Pure and quick."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from analytics.formatting import plural, spaced, usd

if TYPE_CHECKING:
    from analytics.budgets.status import BudgetStatus

NO_BUDGET = "no budget counts this call"
_SHARED = "a budget of all clients together"


class BudgetAnswer(NamedTuple):
    """Whether a call is allowed. It is true where it is, so that `if check_budget(...)` does what it says."""

    is_allowed: bool
    reason: str
    """Why, in words."""
    until: datetime | None
    """When the budget that decided resets; None where none did."""
    age_seconds: float | None
    """How old the sums are that it was decided by; None where there are none yet."""
    possible_overshoot_usd: float | None
    """What may have been spent since then: the age, times what is spent per second of late.

    None where that is not known.
    """
    budget: str | None
    """The name of the budget that decided: the one that is used up, or of which the most is used."""

    def __bool__(self) -> bool:
        return self.is_allowed


class Bound:
    """A budget, or one value of a budget that is split, as check_budget() keeps it."""

    def __init__(self, status: "BudgetStatus", usd_per_second: float) -> None:
        self.status = status
        self.usd_per_second = usd_per_second
        self.resets_at = status.resets_at.timestamp()
        self.is_exceeded = status.is_exceeded
        self.is_shared = status.client_id is None
        self.share = -1.0 if status.share is None else float(status.share)

    @cached_property
    def spent_text(self) -> str:
        """`$41.20 of $100.00 spent`."""
        status = self.status
        assert status.limit_amount is not None
        limit = usd(status.limit_amount)
        if status.unit == "tokens":
            limit = plural(int(status.limit_amount), "token")
        return spaced(f"{status.spent_text} of {limit} spent")

    @cached_property
    def allowed_text(self) -> str:
        """Why a call is allowed."""
        return f'"{self.status.title}": {self.spent_text}'

    @cached_property
    def refused_text(self) -> str:
        """Why a call is refused."""
        return f'"{self.status.title}" is used up: {self.spent_text}; it {self.status.resets_text}'


class Rule:
    """A budget with the calls that it counts."""

    def __init__(self, statuses: Sequence[tuple["BudgetStatus", float]]) -> None:
        """All values of one budget, each with what it spends per second."""
        status = statuses[0][0]
        self.split_by = None if status.split_by is None else f"tag.{status.split_by}"
        self.conditions = [
            (condition.name, frozenset(value or None for value in condition.values), condition.is_excluded)
            for condition in status.filters
        ]
        self.bounds = {each.subject: Bound(each, rate) for each, rate in statuses}

    def bound(self, names: Mapping[str, str | None]) -> Bound | None:
        """What counts a call with these names; None where the budget does not, or has no limit for it."""
        for name, values, is_excluded in self.conditions:
            if (names.get(name) in values) is is_excluded:
                return None
        return self.bounds.get("" if self.split_by is None else names.get(self.split_by))


def rules_of(
    statuses: Iterable["BudgetStatus"], usd_per_second: Mapping[tuple[UUID, str | None], float]
) -> list[Rule]:
    """The budgets of load_budgets(), each with all of its values."""
    of_budget: dict[UUID, list[tuple[BudgetStatus, float]]] = {}
    for status in statuses:
        rate = usd_per_second.get(status.key, 0.0)
        of_budget.setdefault(status.budget_id, []).append((status, rate))
    return [Rule(each) for each in of_budget.values()]


def judge(
    rules: Iterable[Rule],
    names: Mapping[str, str | None],
    now: float,
    age_seconds: float,
    *,
    tells_all: bool = True,
) -> BudgetAnswer:
    """Whether a call with these names is allowed at a moment (seconds since 1970), by sums of this age.

    Where several budgets are used up, the one that resets last decides. A period that is over counts no more:
    what is spent of the next one is not known yet. Without `tells_all` nothing is told of a budget of all
    clients together but that it decided: who asks sees one client.
    """
    refusing: Bound | None = None
    fullest: Bound | None = None
    rate = 0.0
    for rule in rules:
        bound = rule.bound(names)
        if bound is None or bound.share < 0 or bound.resets_at <= now:
            continue
        if tells_all or not bound.is_shared:
            rate = max(rate, bound.usd_per_second)
        if bound.is_exceeded:
            if refusing is None or bound.resets_at > refusing.resets_at:
                refusing = bound
        elif fullest is None or bound.share > fullest.share:
            fullest = bound
    overshoot = age_seconds * rate
    bound = refusing or fullest
    if bound is None:
        return BudgetAnswer(True, NO_BUDGET, None, age_seconds, 0.0, None)
    status = bound.status
    name: str | None = status.name
    reason = bound.allowed_text if refusing is None else bound.refused_text
    if bound.is_shared and not tells_all:
        name = None
        reason = f"{_SHARED} " + ("has room" if refusing is None else f"is used up; it {status.resets_text}")
    return BudgetAnswer(refusing is None, reason, status.resets_at, age_seconds, overshoot, name)


def mean_rate(status: "BudgetStatus") -> float:
    """US dollars per second since the period began."""
    seconds = max((status.asked_at - status.starts_at).total_seconds(), 1.0)
    return max(float(status.cost_usd), 0.0) / seconds
