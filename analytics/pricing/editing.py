"""Changes the price lists: new prices, and ends of prices.

Booked costs stay as they are: only corrections change them.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import psycopg

from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.pricing.listed import NAMES, TOKEN_PRICES, ListedPrice, Unit
from analytics.pricing.provider_names import source_name
from analytics.pricing.publisher_rules import ORDINARY_TIERS

MAX_TEXT = 500

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
