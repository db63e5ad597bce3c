"""What usage with own prices would cost by the public list. Pure: sums and prices in, costs out.

A price of the installation or the client may be free, a plan of the provider's (Groq's), or another one than
anybody finds in public. This says what the same usage costs there. Days are priced at their noon in UTC.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from analytics.database import Rows
from analytics.formatting import NO_BREAK_SPACE, usd
from analytics.pricing.listed import ListedPrice
from analytics.pricing.price_list import DETAILS, PriceList
from analytics.pricing.public_list import PublicPrice
from analytics.pricing.what_if import parts_cost

_PUBLIC = PriceList()
_SUMS = (
    *("request_count", "prompt_tokens", "completion_tokens", "total_tokens", "duration_seconds"),
    *DETAILS,
)
_SAME_USD = Decimal("1e-9")


@dataclass(frozen=True, kw_only=True)
class OwnPriced:
    """A model whose calls cost something else by the public list."""

    source: str
    model: str | None
    request_count: int
    booked_usd: Decimal
    list_usd: Decimal
    """Of the calls that the list has a price for."""
    is_free: bool
    """Whether its own price is zero on all days."""
    is_exact: bool
    """Whether everything that the list's price depends on is known, such as cached tokens."""
    unknown_count: int
    """Calls that list_usd leaves out, as their usage or their list price is unknown."""


class AtListPrices(NamedTuple):
    """The cost of usage if all of it were paid by the public list."""

    usd: Decimal
    is_exact: bool
    is_whole: bool
    """False: some calls count with their booked cost."""
    is_free: bool
    """Whether the usage with own prices is booked at zero."""

    def __str__(self) -> str:
        """`free tier; $3.12 at list prices`."""
        return f"{'free tier; ' if self.is_free else ''}{self.amount} at list prices"

    @property
    def amount(self) -> str:
        """`$3.12`; `about $3.12` where it may be less or more, `≥ $3.12` where it may be more."""
        if not self.is_whole and not self.usd:
            return "more"
        mark = "" if self.is_whole else f"≥{NO_BREAK_SPACE}"
        return f"{mark if self.is_exact else f'about{NO_BREAK_SPACE}'}{usd(self.usd)}"


USAGE = "select * from get_daily_usage_by_model(%(client_id)s, %(first)s, %(last)s, %(filters)s::jsonb)"
"""One row per day and model that may have a price of its own, with all meters."""


def own_priced(usage: Rows, prices: PriceList, client_id: UUID | None = None) -> list[OwnPriced]:
    """The models of USAGE's rows that the public list has another price for, the dearest there first."""
    models: dict[tuple[str, str | None], dict[tuple[object, ...], _Days]] = {}
    for record in usage.records:
        row = dict(zip(usage.columns, record, strict=True))
        source, model = row["source"], row["model"]
        at = datetime.combine(row["usage_date"], time(12), UTC)
        own, public = prices.deciding(source, model, at, client_id)
        if own is None:
            continue
        # Days with the same key cost what their sum costs.
        key = (id(own), id(public.listed) if public else None)
        groups = models.setdefault((source, model), {})
        groups.setdefault(key, _Days(at, own, public, dict.fromkeys(_SUMS, 0), [])).add(row)
    lines = [
        _line(source, model, list(groups.values()), prices, client_id)
        for (source, model), groups in models.items()
    ]
    return sorted(
        (line for line in lines if line is not None),
        key=lambda line: (-line.list_usd, line.source, line.model or ""),
    )


def at_list_prices(
    lines: Iterable[OwnPriced],
    booked_usd: Decimal | None = None,
    *,
    provider: str | None = None,
    unpriced_count: int = 0,
) -> AtListPrices | None:
    """What these calls and others would cost; None where that equals the booked cost.

    `booked_usd` is the cost of all, by default of these alone; `unpriced_count` says of how many it is not
    known. `provider` limits the lines to openai, groq, or other.
    """
    chosen = [line for line in lines if provider in (None, provider_of(line.source))]
    if not chosen:
        return None
    own_usd = sum((line.booked_usd for line in chosen), Decimal(0))
    booked_usd = own_usd if booked_usd is None else booked_usd
    at_list = booked_usd - own_usd + sum((line.list_usd for line in chosen), Decimal(0))
    is_whole = not any(line.unknown_count for line in chosen)
    if is_whole and abs(at_list - booked_usd) < _SAME_USD:
        return None
    return AtListPrices(
        usd=at_list,
        is_exact=all(line.is_exact for line in chosen),
        is_whole=is_whole and not unpriced_count,
        is_free=not booked_usd and all(line.is_free for line in chosen),
    )


def provider_of(source: str) -> str:
    """As usage_provider() of the database tells them apart."""
    return source if source in ("openai", "groq") else "other"


class _Days(NamedTuple):
    """Days of a model, on which its prices are the same; their sums, and what they are booked with."""

    at: datetime
    own: ListedPrice
    public: PublicPrice | None
    sums: dict[str, Any]
    booked: list[tuple[Decimal, int]]

    def add(self, row: dict[str, Any]) -> None:
        for name in _SUMS:
            self.sums[name] += row[name] or 0
        self.booked.append((row["total_cost"], row["unpriced_count"]))

    @property
    def is_exact(self) -> bool:
        """Whether the sum of the calls costs what they do one by one."""
        sheet = None if self.public is None else self.public.sheet
        return sheet is not None and sheet.plain is not None and not sheet.longer


def _line(
    source: str, model: str | None, groups: Sequence[_Days], prices: PriceList, client_id: UUID | None
) -> OwnPriced | None:
    booked_usd, list_usd, request_count, unknown_count, is_exact = Decimal(0), Decimal(0), 0, 0, True
    for days in groups:
        sums = {**days.sums, "duration_seconds": Decimal(days.sums["duration_seconds"])}
        count, booked = sums["request_count"], sum((cost for cost, _ in days.booked), Decimal(0))
        ours = parts_cost(sums, source, model, prices, days.at, client_id)
        there = parts_cost(sums, source, model, _PUBLIC, days.at)
        is_free = days.own.is_free
        is_unknown = there.basis == "unpriced"
        is_same = not is_unknown and ours.basis == there.basis and ours.amount_usd == there.amount_usd
        if is_same or (is_unknown and not (is_free and days.public)):
            continue
        request_count += count
        booked_usd += booked
        list_usd += booked if is_unknown else there.amount_usd
        unknown_count += count if is_unknown else sum(unpriced for _, unpriced in days.booked)
        is_exact = is_exact and (is_unknown or days.is_exact)
    if not request_count:
        return None
    return OwnPriced(
        source=source,
        model=model,
        request_count=request_count,
        booked_usd=booked_usd,
        list_usd=list_usd,
        is_free=all(days.own.is_free for days in groups),
        is_exact=is_exact,
        unknown_count=unknown_count,
    )
