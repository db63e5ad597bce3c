"""The price lists as they are stored, row by row, and what calls would cost by other rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg

from analytics.corrections import Repricing, select_calls
from analytics.corrections.preview import Survey
from analytics.database import Database
from analytics.errors import InvalidInput
from analytics.pricing.price_list import ListedPrice, PriceList

# Of the installation, and of a client where one is named; of one name the one that begins last comes first.
ENTRIES = """
    select
        id, client_id::text, source, model, unit, input_usd, cached_input_usd, output_usd,
        case when effective_from >= '0002-01-01' then effective_from end as effective_from,
        case when effective_until < '9999-01-01' then effective_until end as effective_until,
        reference, note, changed_at
    from model_prices
    where client_id is null or client_id = %(client_id)s
    -- By the column, in which "always" is before all others, and not by what is made of it above.
    order by model_prices.client_id nulls last, source, model, model_prices.effective_from desc
"""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A row of the price list."""

    id: UUID
    price: ListedPrice
    reference: str | None
    note: str | None
    changed_at: datetime


def read_entries(connection: "psycopg.Connection[Any]", client_id: UUID | None = None) -> list[Entry]:
    """The installation's list, and before it that of the client, where one is named."""
    return [entry_of(record) for record in connection.execute(ENTRIES, {"client_id": client_id})]


def preview(
    database: Database,
    client_id: UUID,
    changed: Callable[[Sequence[Entry]], Iterable[ListedPrice]],
    first: date,
    last: date,
    *,
    source: str | None = None,
) -> Repricing:
    """What the calls of this client would cost by what `changed` makes of its lists. Changes nothing.

    Without such calls it has no models.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    selection = select_calls(database, str(client_id), first, last, source=source)
    with database.transaction() as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        survey = _SurveyAt(selection, PriceList(changed(read_entries(connection, client_id))))
        for _change in survey.changes(connection):
            pass
        try:
            return survey.result(connection)
        except InvalidInput:  # no such calls
            return Repricing(selection=selection, by_model={})


def entry_of(record: Sequence[Any]) -> Entry:
    """Of a row of ENTRIES."""
    price_id, client_id, source, model, unit, *amounts, begin, end, reference, note, changed_at = record
    input_usd, cached_input_usd, output_usd = amounts
    price = ListedPrice(
        client_id=client_id,
        source=source,
        model=model,
        unit=unit,
        input_usd=input_usd,
        cached_input_usd=cached_input_usd,
        output_usd=output_usd,
        effective_from=begin,
        effective_until=end,
    )
    return Entry(id=price_id, price=price, reference=reference, note=note, changed_at=changed_at)


class _SurveyAt(Survey):
    """What calls would cost by another list than the database's."""

    def __init__(self, selection: Any, prices: PriceList) -> None:
        super().__init__(selection)
        self._prices = prices

    def _price(self, prices: PriceList, *call: Any) -> Any:
        return super()._price(self._prices, *call)
