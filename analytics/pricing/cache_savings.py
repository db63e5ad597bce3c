"""What tokens from a cache saved, and what writing them into it cost. Pure: sums and prices in, dollars out.

The sums of a day are priced three times at its noon in UTC: as they are, as if no token had come from a
cache, and as if none had been written into one. The differences are what reading saved and what writing cost
more, by the list's rates for each kind of token (text, audio, pictures). Of the ordinary tier.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from analytics.pricing.price_list import DETAILS, PriceList
from analytics.pricing.what_if import parts_cost

_SUMS = (
    *("request_count", "prompt_tokens", "completion_tokens", "total_tokens", "duration_seconds"),
    *DETAILS,
)
_READ = ("cached_tokens", "cached_audio_tokens", "cached_image_tokens")
_WRITTEN = ("cache_write_tokens", "cache_write_1h_tokens")


@dataclass(frozen=True, kw_only=True)
class CacheSavings:
    """The tokens of a model that came from a cache."""

    source: str
    model: str | None
    cached_tokens: int
    saved_usd: Decimal | None
    """What they would have cost beyond what they did; None where no price is known on some day."""
    written_usd: Decimal | None
    """What writing tokens into the cache cost beyond other input."""
    is_exact: bool
    """False where rates depend on the length of each prompt, which sums do not tell."""


def cache_savings(
    usage: Iterable[Mapping[str, Any]], prices: PriceList, client_id: UUID | None = None
) -> list[CacheSavings]:
    """What queries.CACHED_USAGE's rows saved, by model: the most first, unknown ones last."""
    models: dict[tuple[str, str | None], dict[tuple[object, ...], _Days]] = {}
    for row in usage:
        source, model = row["source"], row["model"]
        at = datetime.combine(row["usage_date"], time(12), UTC)
        own, public = prices.deciding(source, model, at, client_id)
        # Days with the same key cost what their sum costs.
        key = (id(own), id(public.listed) if public else None)
        days = models.setdefault((source, model), {}).setdefault(key, _Days(at, dict.fromkeys(_SUMS, 0)))
        for name in _SUMS:
            days.sums[name] += row[name] or 0
    lines = [
        _line(source, model, list(groups.values()), prices, client_id)
        for (source, model), groups in models.items()
    ]
    return sorted(
        lines,
        key=lambda line: (line.saved_usd is None, -(line.saved_usd or 0), line.source, line.model or ""),
    )


class _Days(NamedTuple):
    """Days of a model on which its prices are the same, and their sums."""

    at: datetime
    sums: dict[str, Any]


def _line(
    source: str, model: str | None, groups: Iterable[_Days], prices: PriceList, client_id: UUID | None
) -> CacheSavings:
    saved: Decimal | None = Decimal(0)
    written: Decimal | None = Decimal(0)
    cached_tokens, is_exact = 0, True
    for days in groups:
        cached_tokens += days.sums["cached_tokens"]
        sums = {**days.sums, "duration_seconds": Decimal(days.sums["duration_seconds"])}

        def cost_without(*names: str, sums: dict[str, Any] = sums, at: datetime = days.at) -> Decimal | None:
            cost = parts_cost(sums | dict.fromkeys(names, 0), source, model, prices, at, client_id)
            return None if cost.basis == "unpriced" else cost.amount_usd

        as_it_is = cost_without()
        saved = _more(saved, cost_without(*_READ), as_it_is)
        written = _more(written, as_it_is, cost_without(*_WRITTEN))
        found = prices.sheet(source, model, days.at, client_id)
        is_exact = is_exact and found is not None and not found[0].longer
    return CacheSavings(
        source=source,
        model=model,
        cached_tokens=cached_tokens,
        saved_usd=saved,
        written_usd=written,
        is_exact=is_exact,
    )


def _more(sum_usd: Decimal | None, cost: Decimal | None, less: Decimal | None) -> Decimal | None:
    """The sum and the difference of two costs; None where something of it is unknown."""
    return None if sum_usd is None or cost is None or less is None else sum_usd + cost - less
