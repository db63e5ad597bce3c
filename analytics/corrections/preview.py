"""What each call is booked with, and what it would cost by the price lists as they are now."""

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, fields
from decimal import Context, Decimal
from typing import Any, LiteralString, NamedTuple, Self
from uuid import UUID

import psycopg

from analytics import formatting
from analytics.calls.row import KEPT_BASES, cost_of_payer, price_of_row
from analytics.corrections.selection import Selection, no_calls
from analytics.database import Database
from analytics.pricing.explained import UNKNOWN_PLAN
from analytics.pricing.price_list import COST_DECIMALS, DETAILS, Cost, PriceList, Usage, unpriced
from analytics.pricing.stored import load_price_list

FETCHED_ROWS = 5_000

# Adopted rows may have been made at infinity; between two dates there are none of those.
_CALLS: LiteralString = f"""
    select
        id, xmin::text, source, model, prompt_tokens, completion_tokens, total_tokens, cost_usd, cost_basis,
        -- A cost that only the provider stated gives way to a price list that learns the model's price.
        case
            when cost_basis not in ('given', 'plan') or metadata #>> '{{price,list}}' = 'stated' then metadata
        end,
        created_at, duration_seconds,
        service_tier, outcome, stated_cost_usd, {", ".join(DETAILS)}
    from usage_logs
    where
        client_id = %(client_id)s
        -- For the index: no zone is a day away from UTC.
        and created_at >= (%(first_date)s::date - 1)::timestamp at time zone 'UTC'
        and created_at < (%(last_date)s::date + 2)::timestamp at time zone 'UTC'
        -- As the trigger of usage_logs decides it.
        and (created_at at time zone %(timezone)s::text)::date between %(first_date)s and %(last_date)s
        and (%(source)s::text is null or source = %(source)s)
        and (%(model)s::text is null or model = %(model)s)
        and (
            %(payer)s::text is null
            or (cost_basis = 'unpriced' and metadata #>> '{{price,plan}}' = %(unknown)s)
        )
"""  # noqa: S608 - names of this project

# Sums of many amounts have more digits than Decimal keeps by default.
_add = Context(prec=80).add
# Two ways to calculate the same amount may differ beyond the digits that are stored.
_SAME_USD = Decimal(1).scaleb(-COST_DECIMALS)


@dataclass(kw_only=True)
class ModelCosts:
    """Calls of one model, or of all: what they are booked with, and what they cost after a correction."""

    request_count: int = 0
    booked_usd: Decimal = Decimal(0)
    repriced_usd: Decimal = Decimal(0)
    changed_count: int = 0
    """Calls of which cost or basis would change."""
    unpriced_before: int = 0
    unpriced_after: int = 0
    given_count: int = 0
    """Calls whose writer gave the cost, or that a subscription pays: it stays."""
    kept_count: int = 0
    """Calls that keep the cost they have because no price is known for them now."""

    @property
    def booked(self) -> str:
        """What they are booked with, as people read it; not 0 where that is not known."""
        return formatting.cost(self.booked_usd, self.unpriced_before, self.request_count)

    @property
    def repriced(self) -> str:
        """The same after the correction."""
        return formatting.cost(self.repriced_usd, self.unpriced_after, self.request_count)

    @property
    def has_difference(self) -> bool:
        """Whether something is known on both sides."""
        return self.request_count not in (self.unpriced_before, self.unpriced_after)

    @property
    def difference_usd(self) -> Decimal:
        return _add(self.repriced_usd, -self.booked_usd)

    def count(self, booked_usd: Decimal, repriced_usd: Decimal) -> None:
        self.request_count += 1
        self.booked_usd = _add(self.booked_usd, booked_usd)
        self.repriced_usd = _add(self.repriced_usd, repriced_usd)

    def __add__(self, other: Self) -> "ModelCosts":
        total = ModelCosts()
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            setattr(total, field.name, _add(mine, theirs) if isinstance(mine, Decimal) else mine + theirs)
        return total


@dataclass(frozen=True, kw_only=True)
class Repricing:
    """What a selection of calls costs, by source and model: the largest difference first."""

    selection: Selection
    by_model: dict[tuple[str, str | None], ModelCosts]

    @property
    def total(self) -> ModelCosts:
        return sum(self.by_model.values(), ModelCosts())


class Change(NamedTuple):
    """A call whose cost or basis is another by now. `version` is that of its row."""

    usage_log_id: UUID
    version: str
    cost: Cost


Report = Callable[[int], None]
"""Is told, again and again, how many calls are done."""


def preview_costs(database: Database, selection: Selection, report: Report | None = None) -> Repricing:
    """What the calls would cost by the lists as they are now. Changes nothing.

    Raises:
        InvalidInput: there are no such calls.
        DatabaseError
    """
    with database.snapshot() as connection:
        repricing = RepricingPass(selection, report=report).run(connection)
        if not repricing.by_model and selection.payer is None:
            raise no_calls(connection, selection)
    return repricing


class RepricingPass:
    """One pass over the selected calls, in bounded memory."""

    def __init__(
        self, selection: Selection, prices: PriceList | None = None, report: Report | None = None
    ) -> None:
        """`prices` instead of the lists of the database."""
        self._selection = selection
        self._prices = prices
        self._report = report or (lambda _count: None)
        self._by_model: dict[tuple[str, str | None], ModelCosts] = {}

    def run(self, connection: "psycopg.Connection[Any]") -> Repricing:
        """The costs of the calls; no model without calls."""
        for _change in self.changes(connection):
            pass
        return self.result()

    def changes(self, connection: "psycopg.Connection[Any]") -> Generator[Change, None, None]:
        """The calls that change, as they are when this begins. Counts each call."""
        prices = load_price_list(connection) if self._prices is None else self._prices
        with closing(connection.cursor("repriced_calls")) as calls:
            calls.itersize = FETCHED_ROWS
            calls.execute(_CALLS, {**vars(self._selection), "unknown": UNKNOWN_PLAN})
            for place, (call_id, version, source, model, *counts) in enumerate(calls):
                if place % FETCHED_ROWS == 0:
                    self._report(place)
                (*tokens, booked_usd, basis, metadata, created_at, seconds, tier, outcome, stated), parts = (
                    counts[:11],
                    counts[11:],
                )
                known = {name: count for name, count in zip(DETAILS, parts, strict=True) if count is not None}
                usage = Usage(tokens[0], tokens[1], tokens[2], seconds, known)
                costs = self._by_model.get((source, model))
                if costs is None:
                    costs = self._by_model[source, model] = ModelCosts()
                if basis in KEPT_BASES and metadata is None:
                    costs.given_count += 1
                    costs.count(booked_usd, booked_usd)
                    continue
                if self._selection.payer is not None:
                    metadata = {name: value for name, value in metadata.items() if name != "price"}
                cost = self._cost(prices, source, model, usage, basis, metadata, created_at, tier, outcome)
                if self._selection.payer is not None:
                    cost = cost_of_payer(self._selection.payer, cost, stated)
                was_unpriced, is_unpriced = basis == "unpriced", cost.basis == "unpriced"
                if is_unpriced:
                    costs.count(booked_usd, booked_usd)
                    costs.unpriced_before += was_unpriced
                    costs.unpriced_after += was_unpriced
                    costs.kept_count += not was_unpriced
                    continue
                costs.unpriced_before += was_unpriced
                if cost.basis == basis and abs(cost.amount_usd - booked_usd) < _SAME_USD:
                    costs.count(booked_usd, booked_usd)
                    continue
                costs.changed_count += 1
                costs.count(booked_usd, cost.amount_usd)
                yield Change(call_id, version, cost)

    def _cost(
        self,
        prices: PriceList,
        source: str,
        model: str | None,
        usage: Usage,
        basis: str,
        metadata: Any,
        created_at: Any,
        service_tier: str | None,
        outcome: str | None,
    ) -> Cost:
        if min(usage[:3]) < 0:
            return unpriced("negative tokens")  # adopted rows may have them
        if not isinstance(metadata, dict):  # nobody keeps other writers from storing a list
            metadata = {}
        price = metadata.get("price")
        is_by_price = isinstance(price, dict) and "estimated" in price
        if basis == "estimated" and not service_tier and not is_by_price:
            # It was the tokens then, not the price or the tier, which other writers do not say.
            metadata = {**metadata, "tokens_estimated": True}
        return price_of_row(
            prices,
            client_id=self._selection.client_id,
            source=source,
            model=model,
            usage=usage,
            service_tier=service_tier,
            outcome=outcome,
            metadata=metadata,
            created_at=created_at,
        )

    def result(self) -> Repricing:
        """The costs of all calls that changes() went over."""
        return repricing_of(self._selection, [self._by_model])


def repricing_of(
    selection: Selection, parts: Iterable[dict[tuple[str, str | None], ModelCosts]]
) -> Repricing:
    """The sums of parts of the selection."""
    together: dict[tuple[str, str | None], ModelCosts] = {}
    for part in parts:
        for name, costs in part.items():
            together[name] = together.get(name, ModelCosts()) + costs
    by_model = sorted(
        together.items(), key=lambda item: (-abs(item[1].difference_usd), item[0][0], item[0][1] or "")
    )
    return Repricing(selection=selection, by_model=dict(by_model))
