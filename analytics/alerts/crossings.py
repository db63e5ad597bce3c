"""What budgets tell: the thresholds that are reached, by the numbers that the page of budgets shows."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from analytics.alerts.events import Event, Key
from analytics.alerts.rules import day_text, link_of
from analytics.budgets import (
    BudgetStatus,
    Outlook,
    Threshold,
    drivers,
    load_budgets,
    load_periods_over,
    outlook,
)
from analytics.clients import Client
from analytics.database import Database
from analytics.formatting import NO_BREAK_SPACE, cost, plural, usd

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Crossed:
    """What budgets tell."""

    events: Sequence[Event]
    looked_at: frozenset[tuple[UUID, datetime]]
    """Budgets with the periods that were looked at: what is not told of them is no more so."""


def crossings(
    database: Database,
    client: Client | None,
    now: datetime,
    known: Container[Key] = (),
    *,
    is_slow_due: bool = True,
) -> Crossed:
    """The thresholds of a client's budgets, or of those of all together (None), that are reached.

    In the periods that run, and in those that are over, of which a late call may be: by the version that held
    at their end. All of them where `is_slow_due`, else the last one of each. Of what is `known` already no
    more is worked out than that it still is so.
    """
    client_id = client.id if client else None
    statuses = load_budgets(database, client_id, now)
    over = load_periods_over(database, client_id, now, None if is_slow_due else 1)
    looked_at = [*statuses, *over]
    events: list[Event] = []
    for status in looked_at:
        is_over = status.resets_at <= now
        seen = _Seen(database, status, now, is_over=is_over, is_slow_due=is_slow_due)
        for threshold in status.thresholds if status.limit_amount is not None else ():
            if seen.reaches(threshold):
                event = _crossing(client, status, threshold)
                events.append(event if event.key in known else replace(event, lines=seen.lines))
    return Crossed(
        events=events,
        looked_at=frozenset((status.budget_id, _period_at(status)) for status in looked_at),
    )


class _Seen:
    """A budget, and where it is going, looked at when that is first asked for."""

    def __init__(
        self, database: Database, status: BudgetStatus, now: datetime, *, is_over: bool, is_slow_due: bool
    ) -> None:
        self.database, self.status, self.now = database, status, now
        # Of all clients together it takes as long as they are many.
        self.is_going = not is_over and (status.client_id is not None or is_slow_due)
        self.is_over = is_over

    @cached_property
    def outlook(self) -> Outlook | None:
        if not self.is_going:
            return None
        return outlook(self.database, self.status.client_id, self.status, self.now)

    def reaches(self, threshold: Threshold) -> bool:
        """Whether so much is spent, or will be on half of all ways to go on."""
        assert self.status.limit_amount is not None
        amount = self.status.limit_amount * Decimal(threshold.percent) / 100
        if threshold.on == "actual":
            return self.status.spent >= amount
        at_end = self.outlook.at_end if self.outlook is not None else None
        return at_end is not None and at_end.median >= float(amount)

    @cached_property
    def lines(self) -> list[str]:
        """Spent, pace, what will be, run-out and driver."""
        status = self.status
        if self.is_over:
            last = status.end_date - timedelta(days=1)
            begin = f"from {day_text(status.first_date)} to " if last != status.first_date else "on "
            span = f"{begin}{day_text(last)}, which is over"
            return [
                line.replace(NO_BREAK_SPACE, " ")
                for line in (f"spent {status.spent_text} {span}", *self._driver(status.resets_at - _MOMENT))
            ]
        lines = [f"spent {status.spent_text}, {status.resets_text}"]
        if status.pace is not None:
            lines.append(f"pace: {status.pace:.2f} times an even course")
        if self.outlook is not None:
            if (end := self.outlook.at_end) is not None:
                low, high = (_amount(status, value) for value in (end.low_80, end.high_80))
                lines.append(f"at its end likely {low} to {high}")
            run_out = self.outlook.run_out
            if run_out is not None and run_out.likely is not None and not status.is_exceeded:
                days = [day for day in (run_out.earliest, run_out.latest) if day is not None]
                lines.append(f"runs out {' to '.join(dict.fromkeys(day_text(day) for day in days))}")
            lines += self._driver(self.now)
        return [line.replace(NO_BREAK_SPACE, " ") for line in lines]

    def _driver(self, until: datetime) -> Iterator[str]:
        """What drives the budget up to a moment of its period."""
        found = drivers(self.database, self.status, until)
        if found.leading is not None:
            why = f", {found.reason}" if found.reason else ""
            yield f"driver: {found.leading.label}{why}"


def _crossing(client: Client | None, status: BudgetStatus, threshold: Threshold) -> Event:
    assert status.share is not None
    assert status.limit_amount is not None
    is_actual = threshold.on == "actual"
    reached = f"{threshold.percent.normalize():f} %"
    said = f"reached {reached} of" if is_actual else f"will likely reach {reached} of"
    limit = _amount(status, status.limit_amount)
    whose = client.name if client else "All clients"
    return Event(
        kind="actual" if is_actual else "forecast",
        client_id=status.client_id,
        version_id=status.version_id,
        subject=status.subject or "",
        period_at=_period_at(status),
        threshold=Decimal(threshold.percent),
        repeats=status.repeats,
        title=f"{whose}: {status.title} {said} {limit}, {_spent(status)} spent".replace(NO_BREAK_SPACE, " "),
        link=_link(client, status),
        facts={
            "budget": status.name,
            "spent": status.spent,
            "limit": status.limit_amount,
            "unit": status.unit,
            "percent": round(status.share * 100, 2),
            "rule": str(threshold),
            "starts_at": status.starts_at,
            "resets_at": status.resets_at,
            "unpriced_count": status.unpriced_count,
        },
    )


def _link(client: Client | None, status: BudgetStatus) -> str:
    """The budget while its period runs; of one that is over its calls, of all clients together by client."""
    if status.resets_at > status.asked_at:
        value = {} if status.split_by is None else {"value": status.subject or ""}
        return link_of("budgets", client, budget=str(status.budget_id), **value)
    days = f"{status.first_date}..{status.end_date - timedelta(days=1)}"
    return link_of("calls" if client else "clients", client, days=days, **status.calls.query())


def _period_at(status: BudgetStatus) -> datetime:
    """What tells a period from others: its first day. The moment in which that begins is another one where
    the client's time zone is changed, and the period is the same."""
    return datetime.combine(status.first_date, time(), UTC)


def _amount(status: BudgetStatus, value: Decimal | float) -> str:
    if status.unit == "usd":
        return usd(Decimal(str(value)))
    return plural(int(value), "token")


def _spent(status: BudgetStatus) -> str:
    if status.unit == "tokens":
        return plural(status.total_tokens, "token")
    return cost(status.cost_usd, status.unpriced_count, status.request_count)
