"""One object, what is read from it, and what the call costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from analytics.calls.row import NO_FACTS, Facts
from analytics.pricing.price_list import Usage

AT = datetime(2026, 3, 18, 12, tzinfo=UTC)
"""When all calls of the cases were made."""

Make = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    make: Make
    usage: Usage
    usd: Decimal | None = None
    """What the call costs by the public list; None where its price is no matter of how it is read."""
    basis: str = "priced"
    source: str
    model: str | None = None
    """As the caller gives it: what decides the price, where the object names none."""
    answered_by: str | None = None
    """As the object names it."""
    facts: Facts = NO_FACTS
    metadata: Mapping[str, object] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)


def tokens(prompt: int, completion: int, **details: int) -> Usage:
    return Usage(prompt, completion, prompt + completion, None, details)


def usd(*amounts: tuple[int, str], fees: str = "0") -> Decimal:
    """US dollars of tokens at prices per million; and fees."""
    return sum((Decimal(count) * Decimal(price) for count, price in amounts), Decimal(0)) / 10**6 + Decimal(
        fees
    )
