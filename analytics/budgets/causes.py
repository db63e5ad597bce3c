"""What drives a budget: who and what uses it, what is new since the days before, and why."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from analytics.budgets.status import BudgetStatus
from analytics.database import Database
from analytics.days import Days
from analytics.formatting import NO_MODEL
from analytics.queries import (
    CONVERSATIONS,
    TAG,
    TAG_KEYS,
    ComparedDays,
    Filters,
    Movers,
    Parts,
    SqlFunction,
    Sums,
    what_moved,
)
from analytics.queries.groups import Order, Span, spans_of, spans_query
from analytics.queries.movers import sums_of
from analytics.queries.sql_function import Unit

if TYPE_CHECKING:
    import pandas as pd

_SUMS = {"total_tokens": "int64", "total_cost": "object", "request_count": "int64", "unpriced_count": "int64"}
BUDGET_PARTS = SqlFunction(
    function="get_budget_parts",
    arguments=(
        *("client_id", "budget_id", "first_date", "last_date", "previous_first_date"),
        *("previous_last_date", "subject"),
    ),
    columns={
        **dict.fromkeys(("client_name", "source", "model", "operation"), "object"),
        **_SUMS,
        **{f"previous_{name}": dtype for name, dtype in _SUMS.items()},
    },
)
REASONS: Mapping[str, str] = {
    "calls": "more calls",
    "length": "longer calls",
    "price": "dearer calls",
    "mix": "another mix of models",
}
"""Each of movers.Parts, in words."""

_TAG_KEYS = 3
_VALUES = 50
_CONVERSATIONS = 10
_EXPLAINS = Decimal("0.8")
"""Who made so much of the greatest growth explains it."""
_NEARLY_ALL = Decimal("0.9")


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A value of a dimension, in the period until today and in as many days before."""

    dimension: str
    """client, provider, model, operation, conversation, or `tag.` and a key."""
    value: str | None
    """None: calls that do not tell it. Of a conversation its id."""
    now: Sums
    before: Sums
    amount: Decimal
    """Of the period until today, in the budget's unit."""
    change: Decimal
    """Against the days before, in the budget's unit."""
    name: str | None = None
    """What a conversation is called, where that is known; phones are masked."""

    @property
    def label(self) -> str:
        """`model gpt-4`, `conversation Ada`, or `user ada` of a tag."""
        told = NO_MODEL if self.dimension == "model" else "(none)"
        return (
            f"{self.dimension.removeprefix(TAG)} {self.name or (told if self.value is None else self.value)}"
        )


@dataclass(frozen=True, kw_only=True)
class Drivers:
    """What drives a budget. Days are whole ones of each client, today until now."""

    days: Days
    before: Days
    parts: Sequence[Driver]
    """Of all dimensions; in each the most used value first."""
    movers: Movers
    """What changed, by model, and why. Of daily means, as today is not over."""

    def of(self, dimension: str) -> list[Driver]:
        """The values of one dimension, the most used first."""
        return [part for part in self.parts if part.dimension == dimension]

    @property
    def leading(self) -> Driver | None:
        """The value that grew beside the days before: of those that explain most of the growth the one that
        tells most, as a conversation tells more than the model that it uses.

        Where nothing grew, the same of what is used. None without use.
        """
        told = [part for part in self.parts if part.value is not None]
        # What nearly all calls have, now and before, tells nothing.
        told = [part for part in told if not self._is_of_all(part)] or told
        grown = [part for part in told if part.change > 0]
        among = grown or told
        by: Callable[[Driver], Decimal] = (lambda part: part.change) if grown else (lambda part: part.amount)
        most = max((by(part) for part in among), default=Decimal(0))
        telling = (part for part in among if by(part) >= most * _EXPLAINS)
        return max(telling, key=lambda part: (_told(part), by(part)), default=None)

    def _is_of_all(self, part: Driver) -> bool:
        providers = self.of("provider")
        now = sum(each.amount for each in providers)
        before = now - sum(each.change for each in providers)
        return part.amount >= now * _NEARLY_ALL and 0 < before * _NEARLY_ALL <= part.amount - part.change

    @property
    def reason(self) -> str | None:
        """What of more calls, longer calls, dearer calls or another mix made most of a rise, in words.

        None where nothing rose, or costs are not known.
        """
        parts = self.movers.total.parts
        if parts is None:
            parts = self.movers.known.parts
        if parts is None or not any(part > 0 for part in parts):
            return None
        return REASONS[max(Parts._fields, key=lambda name: getattr(parts, name))]


def drivers(database: Database, status: BudgetStatus, now: datetime) -> Drivers:
    """What drives a budget of load_budgets() since its period began, beside as many days before.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    clock = now.astimezone(ZoneInfo(status.time_zone))
    days = Days(status.first_date, max(clock.date(), status.first_date))
    before = Days.until(status.first_date - timedelta(days=1), len(days))
    parameters = {
        "client_id": status.client_id,
        "budget_id": status.budget_id,
        "subject": status.subject,
        "first_date": days.first,
        "last_date": days.last,
        "previous_first_date": before.first,
        "previous_last_date": before.last,
        "filters": status.filters.json(),
    }
    queries = [BUDGET_PARTS.query(**parameters)]
    if status.client_id is not None:
        queries.append(TAG_KEYS.query(**parameters))
    rows, *of_tags = database.read(*queries, client_id=status.client_id)
    records = list(BUDGET_PARTS.records(rows))
    # Of today as much as lies before now.
    part = Decimal(clock.hour * 60 + clock.minute) / (24 * 60)
    compared = ComparedDays(
        first_date=before.first,
        last_date=before.last,
        until_at=None,
        day_count=Decimal(len(days) - 1) + max(part, Decimal("0.01")),
        previous_day_count=Decimal(len(before)),
        no_comparison=None,
    )
    dimensions = {"model": "model", "operation": "operation", "provider": "source"}
    if status.client_id is None:
        dimensions["client"] = "client_name"
    parts = [
        driver
        for dimension, column in dimensions.items()
        for driver in _drivers(status, dimension, ((record[column], record) for record in records))
    ]
    for keys in of_tags:
        named = [record["key"] for record in TAG_KEYS.records(keys)][:_TAG_KEYS]
        parts += _of_tags(database, status, named, days, before)
    parts += _of_conversations(database, status, days, before)
    return Drivers(
        days=days,
        before=before,
        parts=parts,
        movers=what_moved(_models(records), compared, "cost" if status.unit == "usd" else "tokens"),
    )


def _of_tags(
    database: Database, status: BudgetStatus, keys: Sequence[str], days: Days, before: Days
) -> list[Driver]:
    """The values of these keys; of a budget that is split, within its value."""
    client_id, filters = status.client_id, status.calls
    spans = [Span(days=span, bucket="all", top=_VALUES) for span in (days, before)]
    order: Order = "cost" if status.unit == "usd" else "tokens"
    assert client_id is not None
    if not keys:
        return []
    answers = database.read(
        *(spans_query(client_id, spans, f"{TAG}{key}", order, filters) for key in keys), client_id=client_id
    )
    found = []
    for key, rows in zip(keys, answers, strict=True):
        now, past = (_by_value(frame) for frame in spans_of(rows, len(spans)))
        found += _drivers(status, f"{TAG}{key}", _side_by_side(now, past))
    return found


def _of_conversations(database: Database, status: BudgetStatus, days: Days, before: Days) -> Iterable[Driver]:
    """The conversations that used most; of all clients together there are too many."""
    if status.client_id is None:
        return []
    parameters: dict[str, Any] = {
        "client_id": status.client_id,
        "search": "",
        "sort": "cost" if status.unit == "usd" else "tokens",
        "descending": True,
        "limit": _CONVERSATIONS,
        "offset": 0,
    }
    [rows] = database.read(
        CONVERSATIONS.query(
            **parameters, first_date=days.first, last_date=days.last, filters=status.calls.json()
        ),
        client_id=status.client_id,
    )
    found = {
        str(each["conversation_id"]): each for each in CONVERSATIONS.records(rows) if each["conversation_id"]
    }
    if not found:
        return []
    these = status.calls.narrowed(Filters().with_condition("conversation", list(found)))
    [rows] = database.read(
        CONVERSATIONS.query(
            **parameters, first_date=before.first, last_date=before.last, filters=these.json()
        ),
        client_id=status.client_id,
    )
    past = {str(each["conversation_id"]): each for each in CONVERSATIONS.records(rows)}
    merged = _side_by_side(_sums_in(found), _sums_in(past))
    return [
        replace(driver, name=found[driver.value or ""]["conversation_name"])
        for driver in _drivers(status, "conversation", merged)
    ]


_NOTHING: Mapping[str, Any] = {
    "total_tokens": 0,
    "total_cost": Decimal(0),
    "request_count": 0,
    "unpriced_count": 0,
}


def _sums_in(records: Mapping[str, Mapping[str, Any]]) -> dict[str | None, Mapping[str, Any]]:
    """Of each record the sums alone."""
    return {value: {name: record[name] for name in _NOTHING} for value, record in records.items()}


def _side_by_side(
    now: Mapping[str | None, Mapping[str, Any]], past: Mapping[str | None, Mapping[str, Any]]
) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """The sums of each value, and beside them those of before."""
    for value in {**now, **past}:
        yield value, {**now.get(value, _NOTHING), **_previous(past.get(value, _NOTHING))}


def _previous(sums: Mapping[str, Any]) -> dict[str, Any]:
    return {f"previous_{name}": amount for name, amount in sums.items()}


def _by_value(frame: "pd.DataFrame") -> dict[str | None, Mapping[str, Any]]:
    """The sums of each value that has a row of its own."""
    return {
        record["value"]: {name: record[name] for name in _NOTHING}
        for record in frame.to_dict("records")
        if not record["is_rest"]
    }


def _drivers(
    status: BudgetStatus, dimension: str, rows: Iterable[tuple[str | None, Mapping[str, Any]]]
) -> list[Driver]:
    """A driver per value, the most used first."""
    sums: dict[str | None, tuple[Sums, Sums]] = {}
    for value, record in rows:
        now, before = sums.get(value, (Sums(), Sums()))
        sums[value] = now + sums_of(record, ""), before + sums_of(record, "previous_")
    unit: Unit = "cost" if status.unit == "usd" else "tokens"
    found = [
        Driver(
            dimension=dimension,
            value=value,
            now=now,
            before=before,
            amount=now.amount(unit),
            change=now.amount(unit) - before.amount(unit),
        )
        for value, (now, before) in sums.items()
    ]
    return sorted(found, key=lambda driver: (-driver.amount, driver.value is None, driver.value or ""))


def _models(records: Iterable[Mapping[str, Any]]) -> "pd.DataFrame":
    """Sums by provider and model, as what_moved() takes them."""
    import pandas as pd

    summed: dict[tuple[Any, Any], dict[str, Any]] = {}
    for record in records:
        key = record["source"], record["model"]
        row = summed.setdefault(key, {"source": key[0], "model": key[1]})
        for name in BUDGET_PARTS.columns:
            if name not in ("client_name", "source", "model", "operation"):
                row[name] = row.get(name, 0) + record[name]
    return pd.DataFrame(list(summed.values()))


def _told(driver: Driver) -> int:
    """How much a dimension tells: a conversation is closer to a cause than a tag, and that than a model."""
    order = ("provider", "operation", "model", "client", TAG, "conversation")
    return order.index(TAG if driver.dimension.startswith(TAG) else driver.dimension)
