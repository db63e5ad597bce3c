"""Shows and changes the price lists: the prices that hold, beside the public ones, and new prices.

Booked costs stay as they are: only corrections change them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg

from analytics.database import Database, Query
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.pricing.at_list_prices import USAGE, OwnPriced, own_priced
from analytics.pricing.listed import NAMES, TOKEN_PRICES, ListedPrice, Unit
from analytics.pricing.price_list import PriceList
from analytics.pricing.provider_names import source_name
from analytics.pricing.publisher_rules import ORDINARY_TIERS
from analytics.pricing.stored import LOAD, Entry, entries_of

MAX_TEXT = 500
_MILLION = 1_000_000
_ROUNDING = Decimal("0.005")

_USED = """
    select
        source, model, sum(request_count)::bigint, sum(total_tokens)::bigint, sum(unpriced_count)::bigint
    from usage_daily
    where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
    group by source, model
    order by sum(unpriced_count) = 0, sum(total_tokens) desc, source, model
"""
# Of calls whose provider or gateway says what they cost.
_STATED = """
    select
        source, model, sum(stated_count)::bigint, sum(stated_cost_usd), sum(cost_of_stated_usd)
    from usage_facts_daily
    where client_id = %(client_id)s and usage_date between %(first)s and %(last)s
    group by source, model
    having sum(stated_count) > 0
    order by abs(sum(stated_cost_usd) - sum(cost_of_stated_usd)) desc, source, model
"""
_ADD = """
    insert into model_prices (
        client_id, source, model, unit, service_tier, above_prompt_tokens, discount_percent, input_usd,
        output_usd, cached_input_usd, cache_write_usd, cache_write_1h_usd, audio_input_usd, cached_audio_usd,
        audio_output_usd, image_input_usd, cached_image_usd, image_output_usd, web_search_usd,
        file_search_usd, code_run_usd, effective_from, effective_until, reference, note
    )
    values (
        %(client_id)s, %(source)s, %(model)s, %(unit)s, %(service_tier)s, %(above_prompt_tokens)s,
        %(discount_percent)s, %(input_usd)s, %(output_usd)s, %(cached_input_usd)s, %(cache_write_usd)s,
        %(cache_write_1h_usd)s, %(audio_input_usd)s, %(cached_audio_usd)s, %(audio_output_usd)s,
        %(image_input_usd)s, %(cached_image_usd)s, %(image_output_usd)s, %(web_search_usd)s,
        %(file_search_usd)s, %(code_run_usd)s,
        coalesce(%(effective_from)s::timestamptz, '-infinity'),
        coalesce(%(effective_until)s::timestamptz, 'infinity'),
        %(reference)s, %(note)s
    )
    returning id
"""
_FIND = """
    select effective_until <= %(at)s, effective_from >= %(at)s, source, model
    from model_prices
    where id = %(id)s and client_id is not distinct from %(client_id)s
    for update
"""
_END = "update model_prices set effective_until = %(at)s, changed_at = now() where id = %(id)s"


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


def load_price_book(database: Database, client_id: UUID, days: Days, *, now: datetime) -> PriceBook:
    """The lists that hold for this client, and the models that it used on these days, unpriced ones first.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    asked = {"client_id": client_id, "first": days.first, "last": days.last}
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


def checked_price(
    *,
    source: str,
    model: str,
    unit: Unit,
    input_usd: str = "",
    output_usd: str = "",
    more_usd: Mapping[str, str] = MappingProxyType({}),
    discount_percent: str = "",
    service_tier: str = "",
    above_prompt_tokens: str = "",
    client_id: UUID | None,
    effective_from: datetime | None,
) -> ListedPrice:
    """A price from a form or a command, for this client or, without one, for the installation.

    `more_usd` has prices of other kinds by the names of TOKEN_PRICES and FEES; an empty text is none. With a
    discount there are no amounts.

    Raises:
        InvalidInput: a name is missing, an amount is not a number, or they do not go together.
    """
    source, model = source_name(source), model.strip().lower()
    if not source or not model:
        raise InvalidInput('a price needs a provider and a model, or "*" for all models of the provider')
    more: dict[str, Any] = {
        name: _amount(NAMES[name], text) for name, text in more_usd.items() if text.strip()
    }
    tier, above = service_tier.strip().lower(), _tokens(above_prompt_tokens)
    has_amounts = bool(input_usd.strip() or output_usd.strip() or more or above)
    discount = _percent(discount_percent) if discount_percent.strip() else None
    if discount is not None and (has_amounts or unit != "1M tokens"):
        raise InvalidInput("a discount is on the whole public price: leave all amounts empty")
    of_tokens = [NAMES[name] for name in more if name in TOKEN_PRICES]
    if unit != "1M tokens" and (of_tokens or output_usd.strip() or above):
        kinds = [
            *(["output"] if output_usd.strip() else []),
            *of_tokens,
            *(["long prompts"] if above else []),
        ]
        by = "minute" if unit == "minute" else "character" if unit == "1M characters" else "picture"
        raise InvalidInput(f"a price by the {by} has none for {', '.join(kinds)}: leave them empty")
    return ListedPrice(
        source=source,
        model=model,
        unit=unit,
        input_usd=Decimal(0) if discount is not None else _amount("input", input_usd),
        output_usd=(
            Decimal(0) if discount is not None or unit != "1M tokens" else _amount("output", output_usd)
        ),
        discount_percent=discount,
        service_tier=None if tier in ORDINARY_TIERS else tier,
        above_prompt_tokens=above,
        client_id=None if client_id is None else str(client_id),
        effective_from=effective_from,
        **more,
    )


def add_price(database: Database, price: ListedPrice, *, reference: str = "", note: str = "") -> UUID:
    """Adds a price; earlier prices stay for their time.

    Raises:
        InvalidInput: there is a price from that moment on, or a text is too long.
        DatabaseError: nothing was written.
    """
    for name, text in (("reference", reference), ("note", note)):
        if len(text) > MAX_TEXT or "\0" in text:
            raise InvalidInput(f"the {name} must be a text of {MAX_TEXT} characters at most")
    parameters = vars(price) | {"reference": reference.strip() or None, "note": note.strip() or None}
    with database.transaction() as connection:
        try:
            row = connection.execute(_ADD, parameters).fetchone()
        except psycopg.errors.UniqueViolation:
            raise InvalidInput(
                f"{price.source} {price.model} has a price from that very moment already: choose another one"
            ) from None
        assert row is not None
        return UUID(str(row[0]))


def end_price(database: Database, price_id: UUID, at: datetime, *, client_id: UUID | None) -> None:
    """Ends a price of this client, or without one of the installation, at `at`.

    It stays in the list for the time before.

    Raises:
        InvalidInput: there is no such price, it has ended by then, or has not begun.
        DatabaseError: nothing was changed.
    """
    with database.transaction() as connection:
        row = connection.execute(_FIND, {"id": price_id, "client_id": client_id, "at": at}).fetchone()
        if row is None:
            raise InvalidInput(f"no price has the id {price_id} in this list")
        has_ended, has_not_begun, source, model = row
        if has_ended:
            raise InvalidInput(f"the price of {source} {model} has ended by {at:%Y-%m-%d %H:%M} UTC already")
        if has_not_begun:
            raise InvalidInput(
                f"the price of {source} {model} has not begun by {at:%Y-%m-%d %H:%M} UTC: choose a later one"
            )
        connection.execute(_END, {"id": price_id, "at": at})


def _ratio(ours: Decimal | None, public: Decimal | None) -> Decimal | None:
    return ours / public if ours is not None and public else None


def _amount(name: str, text: str) -> Decimal:
    amount = _number(text.strip().removeprefix("$"))
    if not amount.is_finite() or not 0 <= amount < Decimal(10) ** 9:
        raise InvalidInput(f'the price of {name} must be US dollars such as 0.15, not "{text.strip()[:40]}"')
    return amount


def _percent(text: str) -> Decimal:
    percent = _number(text.strip().removesuffix("%"))
    if not percent.is_finite() or not -1000 <= percent <= 100:
        raise InvalidInput(
            f'the discount must be percent such as 20, or -10 for a surcharge, not "{text.strip()[:40]}"'
        )
    return percent


def _tokens(text: str) -> int:
    digits = text.strip().replace(",", "").replace("_", "")
    if not digits:
        return 0
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 12):
        raise InvalidInput(f'the length of a prompt must be tokens such as 272000, not "{text.strip()[:40]}"')
    return int(digits)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except ArithmeticError:
        return Decimal("NaN")
