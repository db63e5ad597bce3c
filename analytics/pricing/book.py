"""Shows the price lists: what holds for a client, beside the public list and what providers state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from analytics.database import Database, Query
from analytics.days import Days
from analytics.pricing.at_list_prices import USAGE, OwnPriced, own_priced
from analytics.pricing.list_corrections import Correction
from analytics.pricing.listed import Unit
from analytics.pricing.model_names import public_provider
from analytics.pricing.price_list import PriceList
from analytics.pricing.public_model import correction_of
from analytics.pricing.stored import LOAD, Entry, entries_of

_MILLION = 1_000_000
_ROUNDING = Decimal("0.005")

_USED = """
    select
        source, model, sum(request_count)::bigint, sum(total_tokens)::bigint, sum(unpriced_count)::bigint
    from filtered_usage(%(client_id)s, %(filters)s::jsonb, %(first)s, %(last)s)
    group by source, model
    having sum(request_count) <> 0
    order by sum(unpriced_count) = 0, sum(total_tokens) desc, source, model
"""
# Of calls whose provider or gateway says what they cost.
_STATED = """
    select
        source, model, sum(stated_count)::bigint, sum(stated_cost_usd), sum(cost_of_stated_usd)
    from filtered_facts(%(client_id)s, %(filters)s::jsonb, %(first)s, %(last)s)
    group by source, model
    having sum(stated_count) > 0
    order by abs(sum(stated_cost_usd) - sum(cost_of_stated_usd)) desc, source, model
"""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a model costs at a moment, in US dollars per unit; None where the list has no such price."""

    list_name: str
    unit: Unit
    input_usd: Decimal
    cached_usd: Decimal | None = None
    output_usd: Decimal | None = None

    @property
    def amounts(self) -> tuple[Unit, Decimal, Decimal | None, Decimal]:
        """The prices, without the name of the list."""
        return self.unit, self.input_usd, self.cached_usd, self.output_usd or Decimal(0)


@dataclass(frozen=True, kw_only=True)
class UsedModel:
    """A model used in the period, its price now, and its public price."""

    source: str
    model: str | None
    request_count: int
    total_tokens: int
    unpriced_count: int
    quote: Quote | None
    public: Quote | None
    correction: Correction | None = None
    """Of its public price."""

    @property
    def ratios(self) -> tuple[Decimal | None, Decimal | None]:
        """Our price divided by the public one, for input and output; None where one is missing."""
        ours, public = self.quote, self.public
        if ours is None or public is None or ours.unit != public.unit:
            return None, None
        return _ratio(ours.input_usd, public.input_usd), _ratio(ours.output_usd, public.output_usd)

    @property
    def differs(self) -> bool:
        """Whether our price and the public one differ; both exist."""
        ours, public = self.quote, self.public
        return ours is not None and public is not None and ours.amounts != public.amounts


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a model's calls cost by their provider or gateway, and as booked here."""

    source: str
    model: str | None
    request_count: int
    """Calls of which it says so."""
    stated_usd: Decimal
    booked_usd: Decimal

    @property
    def differs(self) -> bool:
        """Whether the two differ by more than half a percent, which rounding does not explain."""
        larger = max(self.stated_usd, self.booked_usd)
        return abs(self.stated_usd - self.booked_usd) > larger * _ROUNDING


@dataclass(frozen=True, kw_only=True)
class PriceBook:
    """A client's prices: its own and the installation's list, and the models in use."""

    entries: Sequence[Entry]
    used: Sequence[UsedModel]
    own_priced: Sequence[OwnPriced]
    """The models whose calls would cost something else by the public list."""
    stated: Sequence[Stated]
    """The models whose provider says what calls cost, the largest difference first."""


def load_price_book(
    database: Database, client_id: UUID, days: Days, *, now: datetime, filters: str = "[]"
) -> PriceBook:
    """The lists that hold for this client, and the models that it used on these days, unpriced ones first.

    `filters` is queries.Filters.json(): which calls count for the models.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    asked = {"client_id": client_id, "first": days.first, "last": days.last, "filters": filters}
    entries, used, days_of_models, stated = database.read(
        *(Query(statement=text, parameters=asked) for text in (LOAD, _USED, USAGE, _STATED)),
        client_id=client_id,
    )
    book = list(entries_of(entries.records))
    ours, public = PriceList(entry.price for entry in book), PriceList()
    used_models = []
    for source, model, request_count, total_tokens, unpriced_count in used.records:
        public_quote = quote(public, source, model, None, now)
        unit = None if public_quote is None else public_quote.unit
        used_models.append(
            UsedModel(
                source=source,
                model=model,
                request_count=request_count,
                total_tokens=total_tokens,
                unpriced_count=unpriced_count,
                quote=quote(ours, source, model, client_id, now, preferred=unit),
                public=public_quote,
                correction=correction_of(public_provider(source), (model or "").strip().lower()),
            )
        )
    return PriceBook(
        entries=book,
        used=used_models,
        own_priced=own_priced(days_of_models, ours, client_id),
        stated=[
            Stated(
                source=source,
                model=model,
                request_count=request_count,
                stated_usd=stated_usd,
                booked_usd=booked_usd,
            )
            for source, model, request_count, stated_usd, booked_usd in stated.records
        ],
    )


def quote(
    prices: PriceList,
    source: str,
    model: str | None,
    client_id: UUID | None,
    at: datetime,
    *,
    preferred: Unit | None = None,
) -> Quote | None:
    """The price of a million tokens by this list, or of what else the model is sold by; None without one.

    By the minute where that is `preferred`, and the price is for both.
    """

    found = prices.sheet(source, model, at, client_id)
    if found is None:
        return None
    sheet, list_name = found
    rates = sheet.rates
    if sheet.is_free:
        is_of_tokens = preferred in (None, "1M tokens")
        zero = Decimal(0) if is_of_tokens else None
        return Quote(
            list_name=list_name,
            unit=preferred or "1M tokens",
            input_usd=Decimal(0),
            cached_usd=zero,
            output_usd=zero,
        )
    if rates.hour is not None and (not sheet.has_tokens or preferred == "minute"):
        return Quote(list_name=list_name, unit="minute", input_usd=rates.hour / 60)
    if sheet.has_tokens:
        cached = rates.input if rates.cached_input is None else rates.cached_input
        return Quote(
            list_name=list_name,
            unit="1M tokens",
            input_usd=(rates.input or Decimal(0)) * _MILLION,
            cached_usd=None if cached is None else cached * _MILLION,
            output_usd=None if rates.output is None else rates.output * _MILLION,
        )
    if rates.character is not None:
        return Quote(list_name=list_name, unit="1M characters", input_usd=rates.character * _MILLION)
    if rates.image is not None:
        return Quote(list_name=list_name, unit="image", input_usd=rates.image)
    return None


def _ratio(ours: Decimal | None, public: Decimal | None) -> Decimal | None:
    return ours / public if ours is not None and public else None
