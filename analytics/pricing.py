"""What a call costs: the installation's own price list, then the public one at the time of the call.

Matching is exact. Only a dated snapshot stands for its base name (`gpt-4-0613` for `gpt-4`), so `gpt-4o`,
`gpt-4.1` and `gpt-4-turbo` are never priced as `gpt-4`. What no list knows is `unpriced`: shown as unknown,
never silently free. Money is Decimal throughout, in US dollars.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from analytics.errors import InvalidInput

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

Basis = Literal["priced", "estimated", "unpriced"]
"""priced: usage and price known · estimated: tokens were estimated · unpriced: no price, the amount is 0."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one call costs, and how far to trust it."""

    amount_usd: Decimal
    basis: Basis
    note: str = ""
    """Where the price comes from, or why there is none."""


@dataclass(frozen=True, kw_only=True)
class TokenPrice:
    """US dollars per 1,000 tokens."""

    prompt_usd: Decimal
    completion_usd: Decimal

    def amount_usd(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        return (prompt_tokens * self.prompt_usd + completion_tokens * self.completion_usd) / 1000


# The guide's list, which is the installation's own: it wins over the public list, snapshots included,
# because somebody here decided on it.
INSTALLATION_PRICES = {
    ("openai", "gpt-4"): TokenPrice(prompt_usd=Decimal("0.03"), completion_usd=Decimal("0.06")),
    ("openai", "gpt-3.5-turbo"): TokenPrice(prompt_usd=Decimal("0.0015"), completion_usd=Decimal("0.002")),
}
FREE_SOURCES = frozenset({"groq"})
WHISPER_USD_PER_MINUTE = Decimal("0.006")

# Names that applications log for a provider that the public list calls otherwise. Its own matching takes
# any name that merely contains "openai", a local imitation included.
PUBLIC_PROVIDERS = {
    "bedrock": "aws",
    "gemini": "google",
    "vertex": "google",
    "mistralai": "mistral",
    "xai": "x-ai",
}

# 2024-08-06, 20240806 or 0806, each a date that can be: "mistral-large-2407" names a version, not the 24/07.
_DATE = (
    r"(?:20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"|20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
)
_SNAPSHOT = re.compile(rf"(?P<base>.+)[-@]{_DATE}")
# What may stand around a public name without making it another model: region and vendor, date and revision.
_BEFORE_NAME = re.compile(r"(?:(?:us|eu|apac|jp|au|global)\.)?(?:anthropic\.)?")
_AFTER_NAME = re.compile(rf"(?:[-@](?:{_DATE}|latest))?(?:-00\d)?(?:-v\d+)?(?::\d+)?")


def calculate_cost(
    *,
    source: str,
    model: str | None,
    at: datetime,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    duration_seconds: Decimal | float | None = None,
    tokens_estimated: bool = False,
) -> Cost:
    """The cost in US dollars of one call made at `at` (with a time zone).

    Audio that is sold by the minute is priced by `duration_seconds`, never by tokens. An unknown model or
    provider is no error but `unpriced`.

    Raises:
        InvalidInput: a negative quantity, or `at` without a time zone.
    """
    if prompt_tokens < 0 or completion_tokens < 0:
        raise InvalidInput(f"tokens of a call must be 0 or more, not {prompt_tokens} and {completion_tokens}")
    if at.tzinfo is None:
        raise InvalidInput(f"the time of a call needs a time zone, {at} has none")
    seconds = None if duration_seconds is None else _seconds(duration_seconds)
    source = source.strip().lower()
    model = (model or "").strip().lower()
    by_tokens: Basis = "estimated" if tokens_estimated else "priced"

    if source in FREE_SOURCES:
        return Cost(
            amount_usd=Decimal(0), basis="priced", note=f"{source} is free in the installation's list"
        )
    if (source, model) in _WHISPER:
        if seconds is None:
            return _unpriced(
                "whisper-1 is sold by the minute: duration_seconds is needed, tokens do not tell"
            )
        return Cost(
            amount_usd=seconds * WHISPER_USD_PER_MINUTE / 60,
            basis="priced",
            note="installation's price of whisper-1",
        )
    if own := _installation_price(source, model):
        name, price = own
        return Cost(
            amount_usd=price.amount_usd(prompt_tokens, completion_tokens),
            basis=by_tokens,
            note=f"installation's price of {name}",
        )

    public = _public_model(source, model)
    if public is None:
        return _unpriced(
            f"no price is known for {model or 'a call without a model'} of {source or 'no source'}"
        )
    price_then = public.get_prices(at.astimezone(UTC))
    note = f"public price of {public.id}"
    # A length without tokens is not "no tokens": where only tokens have a price it is unknown, not free.
    if prompt_tokens or completion_tokens or seconds is None:
        amount = _public_amount(price_then, prompt_tokens, completion_tokens)
        if amount is not None:
            return Cost(amount_usd=amount, basis=by_tokens, note=note)
    if seconds is not None:
        amount = _public_audio_amount(price_then, seconds)
        if amount is not None:
            return Cost(amount_usd=amount, basis="priced", note=note)
    return _unpriced(f"the {note} is not for this kind of usage")


# A source "whisper" sells one model, so there the name may be missing.
_WHISPER = frozenset({("whisper", "whisper-1"), ("whisper", ""), ("openai", "whisper-1")})


def _unpriced(note: str) -> Cost:
    return Cost(amount_usd=Decimal(0), basis="unpriced", note=note)


def _seconds(duration_seconds: Decimal | float) -> Decimal:
    seconds = Decimal(str(duration_seconds))  # str: the float 0.1 means 0.1
    if not seconds.is_finite() or seconds < 0:
        raise InvalidInput(f"duration_seconds must be 0 or more, not {duration_seconds}")
    return seconds


@lru_cache(maxsize=4096)
def _installation_price(source: str, model: str) -> tuple[str, TokenPrice] | None:
    for name in _names(model):
        if price := INSTALLATION_PRICES.get((source, name)):
            return name, price
    return None


def _names(model: str) -> Iterator[str]:
    """The model's own name, then that of which it is a dated snapshot."""
    yield model
    if snapshot := _SNAPSHOT.fullmatch(model):
        yield snapshot["base"]


# The match is dear (a tenth of a millisecond) and depends on no date; the price at a time is cheap to get.
@lru_cache(maxsize=4096)
def _public_model(source: str, model: str) -> "ModelInfo | None":
    # Imported here because it takes a quarter of a second, which migrations, page views and applications
    # that use only what the installation prices never need to spend.
    from genai_prices import data

    provider_id = PUBLIC_PROVIDERS.get(source, source)
    provider = next((each for each in data.providers if each.id == provider_id), None)
    if provider is None or not model:
        return None
    for name in _names(model):
        found = provider.find_model(name, all_providers=data.providers)
        if found is not None and _is_called(found, name):
            return found
    return None


def _is_called(public: "ModelInfo", name: str) -> bool:
    """Whether `name` is one of the model's names, and not just something that begins or looks like it."""
    for known in {public.id.lower(), *_names_in(public.match)}:
        before, is_part, after = name.partition(known)
        if is_part and _BEFORE_NAME.fullmatch(before) and _AFTER_NAME.fullmatch(after):
            return True
    return False


def _names_in(match: Any) -> Iterator[str]:
    """The names in a match of genai-prices, which is a tree of clauses."""
    for field, value in vars(match).items():
        if field in ("or_", "and_"):
            for clause in value:
                yield from _names_in(clause)
        elif field in ("equals", "starts_with", "contains", "ends_with"):
            yield value.lower()


def _public_amount(price: "ModelPrice", prompt_tokens: int, completion_tokens: int) -> Decimal | None:
    """US dollars, or None where the list has no price for tokens of this kind."""
    listed = vars(price)
    per_million_in = listed.get("input_mtok")
    per_million_out = listed.get("output_mtok", None if completion_tokens else Decimal(0))
    if per_million_in is None or per_million_out is None:
        return None
    is_plain = isinstance(per_million_in, Decimal) and isinstance(per_million_out, Decimal)
    if is_plain and "requests_kcount" not in listed:
        amount: Decimal = (prompt_tokens * per_million_in + completion_tokens * per_million_out) / 1_000_000
        return amount

    # Tiers and fees per request are rare enough for the library's own, slower way. It is loaded by now.
    from genai_prices import Usage

    return price.calc_price(Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens))["total_price"]


def _public_audio_amount(price: "ModelPrice", seconds: Decimal) -> Decimal | None:
    per_hour = price.input_audio_hours
    return per_hour * seconds / 3600 if isinstance(per_hour, Decimal) else None
