"""What a client's calls would cost by other price lists than today's: a price more, or another list."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from analytics.corrections.preview import Repricing, RepricingPass
from analytics.corrections.selection import select_calls
from analytics.database import Database
from analytics.days import Days
from analytics.pricing.price_list import ListedPrice, PriceList
from analytics.pricing.stored import Entry, read_entries
from analytics.pricing.switch import ListName, plan_switch, prices_after

PREVIEW_DAYS = 30


def preview_price(database: Database, client_id: UUID, price: ListedPrice, days: Days) -> Repricing:
    """What the calls of this client and the price's source would cost with it. Changes nothing.

    Without such calls it has no models.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    return _preview(
        database,
        client_id,
        lambda entries: [*(entry.price for entry in entries), price],
        days,
        source=price.source,
    )


def preview_switch(database: Database, client_id: UUID, to: ListName, at: datetime, days: Days) -> Repricing:
    """What the calls of a client would cost if this list held from `at` on. Changes nothing.

    Without calls it has no models.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    return _preview(
        database,
        client_id,
        lambda entries: prices_after(entries, plan_switch(entries, to, at)),
        days,
    )


def preview_days(at: datetime, timezone: str, now: datetime) -> tuple[Days, datetime]:
    """First and last day to preview a switch for, in the client's zone, and from when on the list counts.

    A past switch concerns the days since then. A future one concerns none yet: it is previewed on the last
    30 days, as if the list had held all that time.
    """
    zone = ZoneInfo(timezone)
    today = now.astimezone(zone).date()
    if at < now:
        return Days(at.astimezone(zone).date(), today), at
    days = Days.until(today, PREVIEW_DAYS)
    return days, datetime.combine(days.first, time.min, zone)


def _preview(
    database: Database,
    client_id: UUID,
    changed: Callable[[Sequence[Entry]], Iterable[ListedPrice]],
    days: Days,
    *,
    source: str | None = None,
) -> Repricing:
    """What the calls would cost by what `changed` makes of the client's and the installation's prices."""
    selection = select_calls(database, str(client_id), days, source=source)
    with database.snapshot() as connection:
        prices = PriceList(changed(read_entries(connection, client_id)))
        return RepricingPass(selection, prices).run(connection)
