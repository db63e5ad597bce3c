"""The prices of the database: its rows, and the list that pricing goes by."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from analytics.database import READER_ROLE, Database, Query
from analytics.errors import DatabaseError
from analytics.pricing.listed import AMOUNTS, ListedPrice
from analytics.pricing.price_list import PriceList

# One statement, so one snapshot. Moments that Python cannot hold, infinite ones and those near the ends of
# its calendar, are none: "until 9999-12-31" means for ever. Without any price there is one row, of nulls.
LOAD = """
    select
        price_list.revision::text,
        price.id,
        price.client_id::text,
        price.source,
        price.model,
        price.unit,
        price.service_tier,
        price.above_prompt_tokens,
        price.discount_percent,
        price.input_usd,
        price.output_usd,
        price.cached_input_usd,
        price.cache_write_usd,
        price.cache_write_1h_usd,
        price.audio_input_usd,
        price.cached_audio_usd,
        price.audio_output_usd,
        price.image_input_usd,
        price.cached_image_usd,
        price.image_output_usd,
        price.web_search_usd,
        price.file_search_usd,
        price.code_run_usd,
        case when price.effective_from >= '0002-01-01' then price.effective_from end as effective_from,
        case when price.effective_until < '9999-01-01' then price.effective_until end as effective_until,
        price.reference,
        price.note,
        price.changed_at
    from price_list
    left join model_prices as price on true
    -- By the column, in which "always" is before all others, and not by what is made of it above.
    order by
        price.client_id nulls last, price.source, price.model, price.effective_from desc,
        price.service_tier nulls first, price.above_prompt_tokens
"""
"""Clients' prices, then the installation's; of one name the one that begins last comes first."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of model_prices."""

    id: UUID
    price: ListedPrice
    reference: str | None
    note: str | None
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class ListedPrices:
    """The installation's prices and the client's own; those of other clients are not among them."""

    prices: PriceList
    models: Sequence[tuple[str, str]]
    """(source, model) of each price, whenever it holds; `*` is all models of a source."""


def load_price_list(connection: "psycopg.Connection[Any]") -> PriceList:
    """All prices of the installation and its clients that the connection's role may see.

    Raises:
        DatabaseError: the role may see none, by row-level security.
    """
    rows = connection.execute(LOAD).fetchall()
    if not rows:
        raise _hidden_from(connection.info.user)
    return price_list_of(rows)


def listed_prices(database: Database, client_id: UUID) -> ListedPrices:
    """What the client's calls are priced by, but for the public list.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    [rows] = database.read(Query(statement=LOAD), client_id=client_id)
    if not rows.records:
        raise _hidden_from(READER_ROLE)
    names = {(entry.price.source, entry.price.model) for entry in entries_of(rows.records)}
    return ListedPrices(prices=price_list_of(rows.records), models=sorted(names))


def read_entries(connection: "psycopg.Connection[Any]", client_id: UUID | None = None) -> list[Entry]:
    """The rows of the client, where one is named, and of the installation."""
    owners = (None, None if client_id is None else str(client_id))
    return [entry for entry in entries_of(connection.execute(LOAD)) if entry.price.client_id in owners]


def price_list_of(rows: Sequence[Sequence[Any]]) -> PriceList:
    """The rows of LOAD as the list that prices calls."""
    return PriceList((entry.price for entry in entries_of(rows)), revision=rows[0][0] if rows else "")


def entries_of(rows: Iterable[Sequence[Any]]) -> Iterator[Entry]:
    """The rows of LOAD, in its order."""
    for row in rows:
        _, price_id, client_id, source, model, unit, tier, above, discount, *amounts = row
        if price_id is None:
            continue
        *amounts, begin, end, reference, note, changed_at = amounts
        price = ListedPrice(
            client_id=client_id,
            source=source,
            model=model,
            unit=unit,
            service_tier=tier,
            above_prompt_tokens=above,
            discount_percent=discount,
            **dict(zip(AMOUNTS, amounts, strict=True)),
            effective_from=begin,
            effective_until=end,
        )
        yield Entry(id=price_id, price=price, reference=reference, note=note, changed_at=changed_at)


def _hidden_from(role: str) -> DatabaseError:
    return DatabaseError(
        f'the prices are hidden from the user "{role}": connect as the one who ran the migrations, or create '
        "a policy on price_list and model_prices that lets this one read them"
    )
