"""The price list, as one client's calls are priced by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from analytics.database import READER_ROLE, Database
from analytics.pricing.price_list import PriceList
from analytics.pricing.stored import load_price_list


@dataclass(frozen=True, kw_only=True)
class ListedPrices:
    """The installation's prices and the client's own; those of other clients are not among them."""

    prices: PriceList
    models: Sequence[tuple[str, str]]
    """(source, model) of all that it names, at whatever time; `*` is all models of a source."""


def listed_prices(database: Database, client_id: UUID) -> ListedPrices:
    """What the client's calls are priced by, but for the public list."""
    with database.transaction() as connection:
        connection.execute("set transaction isolation level repeatable read read only")
        connection.execute(
            "select set_config('app.client_id', %s, true), set_config('role', %s, true)",
            [str(client_id), READER_ROLE],
        )
        prices = load_price_list(connection)
        models = connection.execute("select distinct source, model from model_prices").fetchall()
    return ListedPrices(prices=prices, models=tuple((source, model) for source, model in models))
