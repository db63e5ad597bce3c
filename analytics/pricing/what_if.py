"""What the usage of some days would have cost on another model. Pure: usage parts and prices in, costs out.

The same tokens and seconds are priced anew: that another model would cut the same text into other tokens, or
answer at another length, is not considered. What the other model does not do, as a chat model makes no
embeddings, and what it has no price for, is set apart with the reason, never counted as free.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from analytics.pricing.model_kinds import WORK, Kind, kind_of_calls, kind_of_model
from analytics.pricing.price_list import (
    ALL_MODELS,
    DETAILS,
    Cost,
    PriceList,
    rounded,
    unpriced,
)
from analytics.pricing.public_list import public_model
from analytics.pricing.shares import calls_of

if TYPE_CHECKING:
    import pandas as pd

_SEPARATOR = "/"
_SUMS = (
    *("request_count", "unpriced_count", "prompt_tokens", "completion_tokens", "total_tokens"),
    *("duration_seconds", "total_cost"),
    *DETAILS,
)
_PRICES_OF_USE = ("input_mtok", "output_mtok", "input_audio_hours", "audio_hours", "input_mchars")


class Target(NamedTuple):
    """A model that is sold somewhere."""

    source: str
    model: str

    @property
    def label(self) -> str:
        """As it stands in the selector and in a link: `openai/gpt-4o`."""
        return f"{self.source}{_SEPARATOR}{self.model}"

    @classmethod
    def parse(cls, label: str) -> "Target":
        source, _, model = label.partition(_SEPARATOR)
        return cls(source, model)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A model in use with both costs known: as booked, and on the other model."""

    source: str
    model: str | None
    total_tokens: int
    duration_seconds: Decimal
    booked_usd: Decimal
    there_usd: Decimal

    @property
    def difference_usd(self) -> Decimal:
        return self.there_usd - self.booked_usd


@dataclass(frozen=True, kw_only=True)
class NotComparable:
    """Calls that the other model cannot do, or with one of the two costs unknown."""

    source: str
    model: str | None
    reason: str
    request_count: int
    unpriced_count: int
    booked_usd: Decimal


@dataclass(frozen=True, kw_only=True)
class WhatIf:
    """All models in use, in the order of the usage."""

    compared: Sequence[Compared]
    not_comparable: Sequence[NotComparable]
    price_note: str
    """Whose price it is; empty where nothing is compared."""

    @property
    def booked_usd(self) -> Decimal:
        return sum((line.booked_usd for line in self.compared), Decimal(0))

    @property
    def there_usd(self) -> Decimal:
        return sum((line.there_usd for line in self.compared), Decimal(0))


def what_if(
    parts: "pd.DataFrame", target: Target, prices: PriceList, at: datetime, client_id: UUID | None = None
) -> WhatIf:
    """queries.call_sums().parts priced as if `target` had answered at `at`."""
    compared, not_comparable, price_note = [], [], ""
    does = kind_of_model(*target, at, prices, client_id)
    for (source, model, kind), row in _by_kind(parts, prices, at, client_id).items():
        there = parts_cost(row, *target, prices, at, client_id)
        if kind != does:
            reason: str | None = f"calls for {WORK[kind]}, and {target.model} is a model for {WORK[does]}"
        elif there.basis == "unpriced":
            reason = there.note
        else:
            reason = _why_not_booked(row["unpriced_count"], row["request_count"])
        if reason is not None:
            not_comparable.append(
                NotComparable(
                    source=source,
                    model=model,
                    reason=reason,
                    request_count=row["request_count"],
                    unpriced_count=row["unpriced_count"],
                    booked_usd=row["total_cost"],
                )
            )
            continue
        price_note = there.note
        compared.append(
            Compared(
                source=source,
                model=model,
                total_tokens=row["total_tokens"],
                duration_seconds=row["duration_seconds"],
                booked_usd=row["total_cost"],
                there_usd=there.amount_usd,
            )
        )
    return WhatIf(compared=compared, not_comparable=not_comparable, price_note=price_note)


def _by_kind(
    parts: "pd.DataFrame", prices: PriceList, at: datetime, client_id: UUID | None
) -> dict[tuple[str, str | None, Kind], dict[str, Any]]:
    """The sums of each model's calls of one kind, whatever operations they were logged for."""
    found: dict[tuple[str, str | None, Kind], dict[str, Any]] = {}
    for row in parts.to_dict("records"):
        source, model = row["source"], row["model"]
        of_model = kind_of_model(source, model, at, prices, client_id)
        kind = kind_of_calls(row["operation"], of_model, have_length=bool(row["duration_seconds"]))
        sums = found.setdefault((source, model, kind), dict.fromkeys(_SUMS, 0))
        for name in _SUMS:
            sums[name] += row.get(name, 0)
    return found


def _why_not_booked(unpriced_count: int, request_count: int) -> str | None:
    if not unpriced_count:
        return None
    if unpriced_count == request_count:
        return "none of its calls has a booked cost"
    return f"{unpriced_count:,} of its {request_count:,} calls have no booked cost"


def targets(listed: Iterable[tuple[str, str]], day: date) -> list[str]:
    """Labels of all models to choose from: those `listed` (source, model) by the installation come first."""
    own = {Target(*name).label for name in listed if name[1] != ALL_MODELS}
    return [*sorted(own), *sorted(_public_targets(day) - own)]


# Asking for the price of each takes a quarter of a second, and its answer changes with the day at most.
@lru_cache(maxsize=4)
def _public_targets(day: date) -> frozenset[str]:
    # Imported here because it takes a quarter of a second, too.
    from genai_prices import data

    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return frozenset(
        Target(provider.id, model.id.lower()).label
        for provider in data.providers
        for model in provider.models
        if any(getattr(model.get_prices(at), name, None) is not None for name in _PRICES_OF_USE)
        and public_model(provider.id, model.id.lower()) is not None
    )


def parts_cost(
    row: Mapping[Any, Any],
    source: str,
    model: str | None,
    prices: PriceList,
    at: datetime,
    client_id: UUID | None = None,
) -> Cost:
    """The cost of a row of usage parts on this model; unpriced where any part of it is."""
    amount, note = Decimal(0), ""
    seconds = row["duration_seconds"]
    no_audio = f"no price of {model} by the length of audio is known"
    calls = list(calls_of(row))
    if not calls:
        return unpriced("its calls say nothing about what they used")
    for count, usage in calls:
        cost = prices.cost(source=source, model=model, at=at, usage=usage, client_id=client_id)
        if cost.basis == "unpriced":
            return unpriced(no_audio) if seconds else cost
        amount, note = amount + count * cost.amount_usd, cost.note
    # All models of a provider may be free of charge, also those that cannot listen.
    if seconds and not amount:
        return unpriced(no_audio)
    return Cost(rounded(amount), "priced", note)
