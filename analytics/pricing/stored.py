"""The prices of the database, as the list that pricing goes by."""

from collections.abc import Sequence
from typing import Any

import psycopg

from analytics.errors import DatabaseError
from analytics.pricing.price_list import ListedPrice, PriceList

# One statement, so one snapshot. Moments that Python cannot hold, infinite ones and those near the ends of
# its calendar, are none: "until 9999-12-31" means for ever.
LOAD = """
    select
        revision::text,
        price.client_id::text,
        price.source,
        price.model,
        price.unit,
        price.input_usd,
        price.cached_input_usd,
        price.output_usd,
        case when price.effective_from >= '0002-01-01' then price.effective_from end as effective_from,
        case when price.effective_until < '9999-01-01' then price.effective_until end as effective_until
    from price_list
    left join model_prices as price on true
"""


def load_price_list(connection: "psycopg.Connection[Any]") -> PriceList:
    """All prices of the installation and its clients that the connection's role may see.

    Raises:
        DatabaseError: the role may see none, by row-level security.
    """
    rows = connection.execute(LOAD).fetchall()
    if not rows:
        raise DatabaseError(
            f'the prices are hidden from the user "{connection.info.user}": connect as the one who ran the '
            "migrations, or create a policy on price_list and model_prices that lets this one read them"
        )
    return price_list_of(rows)


def price_list_of(rows: Sequence[Sequence[Any]]) -> PriceList:
    """The list that the rows of LOAD are."""
    return PriceList(
        (
            ListedPrice(
                client_id=client_id,
                source=source,
                model=model,
                unit=unit,
                input_usd=input_usd,
                cached_input_usd=cached_input_usd,
                output_usd=output_usd,
                effective_from=effective_from,
                effective_until=effective_until,
            )
            for (
                _,
                client_id,
                source,
                model,
                unit,
                input_usd,
                cached_input_usd,
                output_usd,
                effective_from,
                effective_until,
            ) in rows
            if source is not None
        ),
        revision=rows[0][0] if rows else "",
    )
