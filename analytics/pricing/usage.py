"""What a call used, and what that costs: the words that all prices speak in."""

from collections.abc import Mapping
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Literal, NamedTuple

Basis = Literal["priced", "estimated", "unpriced", "given", "plan"]
"""priced: usage and price known · estimated: one of them is a guess · unpriced: not known, amount 0 ·
given: as whoever logged it said · plan: a subscription pays, amount 0."""

TOKEN_PARTS = (
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "prompt_audio_tokens",
    "cached_audio_tokens",
    "completion_audio_tokens",
    "prompt_image_tokens",
    "cached_image_tokens",
    "completion_image_tokens",
)
"""Parts of the prompt's or the completion's tokens that may have a price of their own. Of the cached tokens
cached_audio_tokens and cached_image_tokens are parts, and cache_write_1h_tokens of the cache_write_tokens."""

COUNTS = ("character_count", "image_count", "web_search_count", "file_search_count", "code_run_count")
"""What is sold by the piece: characters of speech, pictures, and calls of the provider's own tools."""

DETAILS = (*TOKEN_PARTS, *COUNTS)
"""Names of Usage.details; each is a column of usage_logs."""

COST_DECIMALS = 20
_LAST_DECIMAL = Decimal(1).scaleb(-COST_DECIMALS)
_MANY_DIGITS = Context(prec=64)
NO_DETAILS: Mapping[str, int] = MappingProxyType({})


class Usage(NamedTuple):
    """How much one call used."""

    prompt_tokens: int = 0
    """All input, cached and audio included."""
    completion_tokens: int = 0
    """All output, reasoning included."""
    total_tokens: int = 0
    """As logged; more than both together where a log does not divide it."""
    duration_seconds: Decimal | None = None
    """Of audio."""
    details: Mapping[str, int] = NO_DETAILS
    """Parts of the tokens, and counts, by the names of DETAILS. What is unknown is left out; 0 is known."""


class Requests(NamedTuple):
    """Of what a usage is the sum."""

    number: int = 1
    prompt_tokens: int | None = None
    """How long a prompt was, where not all of it together was one; 0: of ordinary length."""
    is_average: bool = False
    """Whether that length is an average, or unknown."""


ONE_REQUEST = Requests()


class Cost(NamedTuple):
    """What one call costs, and how far to trust it."""

    amount_usd: Decimal
    basis: Basis
    note: str = ""
    """Where the price comes from, or why there is none."""
    price: Mapping[str, str] = MappingProxyType({})
    """The same for metadata.price: {"list": ..., "model": ...}, with {"estimated": why} where that is the
    price's doing; or {"reason": ...}."""


def rounded(amount: Decimal) -> Decimal:
    """The amount, finite and below 10^40, with 0 to 20 decimals."""
    exponent = int(amount.as_tuple().exponent)
    if -COST_DECIMALS <= exponent <= 0:
        return amount
    # Python's default of 28 digits is too few for a large amount.
    return amount.quantize(_LAST_DECIMAL if exponent < 0 else Decimal(1), context=_MANY_DIGITS)


def unpriced(reason: str) -> Cost:
    """The cost of a call that no list has a price for."""
    return Cost(Decimal(0), "unpriced", reason, {"reason": reason})
