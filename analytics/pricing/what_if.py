"""What the usage of some days would have cost on another model. Pure: usage parts and prices in, costs out.

The same tokens and seconds are priced anew: that another model would cut the same text into other tokens, or
answer at another length, is not considered. What the other model does not do, as a chat model makes no
embeddings, and what it has no price for, is set apart with the reason, never counted as free.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from analytics.pricing.model_kinds import WORK, Kind, kind_of_calls, kind_of_model
from analytics.pricing.price_list import (
    ALL_MODELS,
    COUNTS,
    DETAILS,
    Cost,
    PriceList,
    Usage,
    rounded,
    unpriced,
)
from analytics.pricing.public_list import public_model

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
    calls = list(_calls(row))
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


def _calls(row: Mapping[Any, Any]) -> Iterator[tuple[int, Usage]]:
    """The row as so many calls of the same use; tokens that were logged as a total are calls of their own."""
    prompt, completion = row["prompt_tokens"], row["completion_tokens"]
    undivided = max(row["total_tokens"] - prompt - completion, 0)
    microseconds = int(row["duration_seconds"] * 1_000_000)
    counts = [int(row.get(name, 0)) for name in COUNTS]
    of_prompt, of_completion = _prompt_kinds(row), _completion_kinds(row)
    totals = (*_sums_up_to(of_prompt, prompt), *_sums_up_to(of_completion, completion))
    for count, shares in _evenly(row["request_count"], *totals, undivided, microseconds, *counts):
        prompt_shares, shares = shares[: len(of_prompt) + 1], shares[len(of_prompt) + 1 :]
        completion_shares, shares = shares[: len(of_completion) + 1], shares[len(of_completion) + 1 :]
        undivided_share, microseconds_share, *count_shares = shares
        details = _details(
            dict(zip(of_prompt, _steps(prompt_shares), strict=False)),
            dict(zip(of_completion, _steps(completion_shares), strict=False)),
        ) | dict(zip(COUNTS, count_shares, strict=True))
        details = {name: number for name, number in details.items() if number}
        seconds = Decimal(microseconds_share) / 1_000_000 if microseconds_share else None
        tokens = prompt_shares[-1], completion_shares[-1]
        if any(tokens) or seconds or details:
            yield count, Usage(*tokens, sum(tokens), seconds, details)
        # The tokens beside a length of audio are those of its transcript.
        if undivided_share and not seconds:
            yield count, Usage(total_tokens=undivided_share)


def _prompt_kinds(row: Mapping[Any, Any]) -> dict[str, int]:
    """The prompt's tokens by kinds that do not overlap; what is left is text."""
    audio, cached_audio = row.get("prompt_audio_tokens", 0), row.get("cached_audio_tokens", 0)
    image, cached_image = row.get("prompt_image_tokens", 0), row.get("cached_image_tokens", 0)
    write, write_1h = row.get("cache_write_tokens", 0), row.get("cache_write_1h_tokens", 0)
    return {
        "cached_audio": cached_audio,
        "audio": audio - cached_audio,
        "cached_image": cached_image,
        "image": image - cached_image,
        "cached": row.get("cached_tokens", 0) - cached_audio - cached_image,
        "write_1h": write_1h,
        "write": write - write_1h,
    }


def _completion_kinds(row: Mapping[Any, Any]) -> dict[str, int]:
    return {
        "audio": row.get("completion_audio_tokens", 0),
        "image": row.get("completion_image_tokens", 0),
        "reasoning": row.get("reasoning_tokens", 0),
    }


def _details(prompt: Mapping[str, int], completion: Mapping[str, int]) -> dict[str, int]:
    """The same as the parts of a Usage, which do overlap."""
    return {
        "cached_tokens": prompt["cached"] + prompt["cached_audio"] + prompt["cached_image"],
        "cached_audio_tokens": prompt["cached_audio"],
        "cached_image_tokens": prompt["cached_image"],
        "prompt_audio_tokens": prompt["audio"] + prompt["cached_audio"],
        "prompt_image_tokens": prompt["image"] + prompt["cached_image"],
        "cache_write_tokens": prompt["write"] + prompt["write_1h"],
        "cache_write_1h_tokens": prompt["write_1h"],
        "completion_audio_tokens": completion["audio"],
        "completion_image_tokens": completion["image"],
        "reasoning_tokens": completion["reasoning"],
    }


def _sums_up_to(kinds: Mapping[str, int], whole: int) -> Iterator[int]:
    """The sums of the first one, two, ... kinds, none above the whole, and the whole.

    Shares of sums add up where shares of each kind may come to more than the whole.
    """
    for total in accumulate(max(int(count), 0) for count in kinds.values()):
        yield min(total, whole)
    yield whole


def _steps(sums: Sequence[int]) -> Iterator[int]:
    return (after - before for before, after in pairwise((0, *sums)))


def _evenly(count: int, *totals: int) -> Iterator[tuple[int, list[int]]]:
    """Whole shares of the totals for `count` calls, which add up exactly; calls with the same ones together.

    All as one call would be wrong where a price depends on the length of a prompt.
    """
    # Up to there the calls get one more of it than the others.
    steps = sorted({0, count, *(total % count for total in totals)})
    for begin, end in pairwise(steps):
        yield end - begin, [total // count + (begin < total % count) for total in totals]
