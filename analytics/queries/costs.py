"""Known costs: the sum of calls without a price is unknown, not 0."""

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from analytics.database import Query
from analytics.pricing.explained import UNKNOWN_PLAN

if TYPE_CHECKING:
    import pandas as pd

_NEWEST = 10_000
# To read all calls would take as long as the period is; where all have a price, none is read.
_PAYERS_UNKNOWN = """
    select
        coalesce(sum(coalesce(bucket_request_count, 1)), 0)::bigint as request_count,
        coalesce(sum(case when worth ~ '^[0-9]{1,20}([.][0-9]{1,40})?$' then worth::numeric end), 0)
            as worth_usd
    from (
        select
            bucket_request_count, cost_basis, metadata -> 'price' ->> 'plan' as plan,
            metadata -> 'price' ->> 'at_list_prices_usd' as worth
        from usage_logs
        cross join (
            select coalesce(%(last_date)s::date, (%(now)s::timestamptz at time zone 'UTC')::date) as last_date
        ) as period
        where
            client_id = %(client_id)s
            and exists (
                select
                from usage_daily
                where
                    client_id = %(client_id)s
                    and usage_date between period.last_date - %(days)s::integer and period.last_date
                    and unpriced_count > 0
            )
            -- No zone is a day away from UTC.
            and created_at >= (period.last_date - %(days)s::integer)::timestamp at time zone 'UTC'
            and created_at < (period.last_date + 2)::timestamp at time zone 'UTC'
        order by created_at desc
        limit %(newest)s
    ) as calls
    where cost_basis = 'unpriced' and plan = %(unknown)s
"""


class PayerUnknown(NamedTuple):
    """Of the newest calls, those of which nobody says whether a subscription pays."""

    request_count: int
    worth_usd: Decimal
    """At list prices."""


def payers_unknown(client_id: UUID, days: int, last_date: date | None, now: datetime) -> Query:
    """Asks for a PayerUnknown, of the client's newest calls of so many days until the last one, or now."""
    return Query(
        statement=_PAYERS_UNKNOWN,
        parameters={
            "client_id": client_id,
            "days": days,
            "last_date": last_date,
            "now": now,
            "newest": _NEWEST,
            "unknown": UNKNOWN_PLAN,
        },
    )


def known_costs(
    frame: "pd.DataFrame",
    cost: str = "total_cost",
    unpriced: str = "unpriced_count",
    requests: str = "request_count",
) -> "pd.Series[float]":
    """The costs as float, for display; missing if no call of the row has a price."""
    unknown = (frame[unpriced] > 0) & (frame[unpriced] == frame[requests])
    return frame[cost].astype("float64").mask(unknown)


def partly_known(frame: "pd.DataFrame") -> "pd.Series[bool]":
    """Whether a cost is a lower bound: some calls of the row have no price."""
    partly: pd.Series[bool] = (frame["unpriced_count"] > 0) & (
        frame["unpriced_count"] < frame["request_count"]
    )
    return partly
