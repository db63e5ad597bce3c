"""What a call costs: by the client's price, the installation's, or the public one at the time of the call.

Matching is exact. Only a dated snapshot goes by its base name (`gpt-4-0613` by `gpt-4`), so `gpt-4o`,
`gpt-4.1` and `gpt-4-turbo` are never priced as `gpt-4`. In each list the model's own name goes before its
base name, that before a pattern (`my-deploy-*`), and that before `*`. A client's price of a base name is what
was agreed for the model, and covers all its snapshots. The installation's is a price of that name: a snapshot
that the public list has by its own name takes the public price, unless the installation prices all models of
the provider (`*`) itself. A call that no list has a price for is `unpriced`: its cost is unknown, not zero.
Money is Decimal, in US dollars.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from analytics.errors import InvalidInput
from analytics.pricing.listed import ALL_MODELS, ListedPrice, Unit
from analytics.pricing.model_names import is_pattern, matches, names, public_provider, sellers
from analytics.pricing.public_list import PublicPrice, is_listed_snapshot
from analytics.pricing.publisher_rules import tier_of
from analytics.pricing.quotes import Quote
from analytics.pricing.sheet import UNDIVIDED, Sheet
from analytics.pricing.usage import (
    COST_DECIMALS,
    COUNTS,
    DETAILS,
    NO_DETAILS,
    ONE_REQUEST,
    TOKEN_PARTS,
    Basis,
    Cost,
    Requests,
    Usage,
    rounded,
    unpriced,
)

__all__ = [
    "ALL_MODELS",
    "COST_DECIMALS",
    "COUNTS",
    "DEFAULT_PRICES",
    "DETAILS",
    "GUIDE_PRICES",
    "ONE_REQUEST",
    "TOKEN_PARTS",
    "UNDIVIDED",
    "Basis",
    "Cost",
    "ListedPrice",
    "PriceList",
    "Requests",
    "Unit",
    "Usage",
    "calculate_cost",
    "rounded",
    "unpriced",
]

# Names come from users: their number has no limit.
_MAX_QUOTES = 10_000


class PriceList:
    """The prices of an installation and its clients at one moment; the public list stands behind them."""

    def __init__(self, prices: Iterable[ListedPrice] = (), *, revision: str = "") -> None:
        self.revision = revision
        """Of model_prices, as price_list has it; empty for a list that is no database's."""
        self._prices: dict[tuple[str | None, str, str], list[ListedPrice]] = {}
        for price in prices:
            self._prices.setdefault((price.client_id, price.source, price.model), []).append(price)
        self._patterns: dict[tuple[str | None, str], list[str]] = {}
        for (owner, source, name), same_name in self._prices.items():
            # Of several that hold at one moment the one that began last decides.
            same_name.sort(
                key=lambda price: (price.effective_from is not None, price.effective_from), reverse=True
            )
            if is_pattern(name):
                self._patterns.setdefault((owner, source), []).append(name)
        for patterns in self._patterns.values():
            # The one that says most of the name goes first.
            patterns.sort(key=lambda name: (-len(name.replace("*", "")), name))
        self._quotes: dict[tuple[object, ...], Quote] = {}

    def cost(
        self,
        *,
        source: str,
        model: str | None,
        at: datetime,
        usage: Usage,
        client_id: UUID | str | None = None,
        tokens_estimated: bool = False,
        service_tier: str | None = None,
        requests: Requests = ONE_REQUEST,
    ) -> Cost:
        """What one call at `at` (with a time zone) costs, or several of which `usage` is the sum.

        An unknown model is no error but `unpriced`.
        """
        quote = self.quote(client_id, source, model, service_tier)
        return quote.cost(at, usage, "estimated" if tokens_estimated else "priced", requests)

    def deciding(
        self, source: str, model: str | None, at: datetime, client_id: UUID | str | None = None
    ) -> tuple[ListedPrice | None, PublicPrice | None]:
        """The client's or the installation's price that decides at `at`, and the public one that would.

        Those of the ordinary tier, and of short prompts.
        """
        quote = self.quote(client_id, source, model, None)
        return quote.own_price(at), quote.public_price(at)

    def sheet(
        self, source: str, model: str | None, at: datetime, client_id: UUID | str | None = None
    ) -> tuple[Sheet, str] | None:
        """The rates that decide at `at`, and the name of their list; None where no list has the model.

        Those of the ordinary tier, and of short prompts.
        """
        return self.quote(client_id, source, model, None).sheet(at)

    def quote(
        self, client_id: UUID | str | None, source: str, model: str | None, service_tier: str | None
    ) -> Quote:
        """What decides about all calls of a client, model and tier."""
        key = (client_id, source, model, service_tier)
        quote = self._quotes.get(key)
        if quote is None:
            quote = self._new_quote(client_id, source, model, service_tier)
            if len(self._quotes) >= _MAX_QUOTES:
                self._quotes.clear()
            self._quotes[key] = quote
        return quote

    def _new_quote(
        self, client_id: UUID | str | None, source: str, model: str | None, service_tier: str | None
    ) -> Quote:
        source = source.strip().lower()
        model = (model or "").strip().lower()
        if source == "whisper" and not model:
            model = "whisper-1"  # the one model that this source sells
        owner = str(client_id).lower() if client_id else None
        named = list(sellers(source, model))
        own = [
            same_name
            for client in ((owner, None) if owner else (None,))
            for each in named
            for same_name in self._own(client, each.source, each.model)
        ]
        return Quote(own, named, tier_of(public_provider(named[-1].source), service_tier))

    def _own(self, owner: str | None, source: str, model: str) -> Iterator[list[ListedPrice]]:
        """The own prices of the model, the name that goes first at the front."""
        patterns = [name for name in self._patterns.get((owner, source), ()) if matches(name, model)]
        for name in dict.fromkeys((*names(model), *patterns, ALL_MODELS)):
            same_name = self._prices.get((owner, source, name), [])
            is_of_base_name = name not in (model, ALL_MODELS) and not is_pattern(name)
            if same_name and owner is None and is_of_base_name and is_listed_snapshot(source, model):
                of_all = self._prices.get((owner, source, ALL_MODELS), ())
                same_name = [both for price in same_name for both in _at_once(price, of_all)]
            if same_name:
                yield same_name


def _at_once(price: ListedPrice, others: Iterable[ListedPrice]) -> Iterator[ListedPrice]:
    """The price, for as long as one of the others holds, too."""
    for other in others:
        begins = [each.effective_from for each in (price, other) if each.effective_from]
        ends = [each.effective_until for each in (price, other) if each.effective_until]
        begin, end = max(begins, default=None), min(ends, default=None)
        if begin is None or end is None or begin < end:
            yield replace(price, effective_from=begin, effective_until=end)


GUIDE_PRICES = (
    ListedPrice(source="openai", model="gpt-4", input_usd=Decimal(30), output_usd=Decimal(60)),
    ListedPrice(source="openai", model="gpt-3.5-turbo", input_usd=Decimal("1.5"), output_usd=Decimal(2)),
    ListedPrice(source="groq", model=ALL_MODELS, input_usd=Decimal(0)),
    ListedPrice(source="whisper", model="whisper-1", unit="minute", input_usd=Decimal("0.006")),
    ListedPrice(source="openai", model="whisper-1", unit="minute", input_usd=Decimal("0.006")),
)
"""The guide's list. Every installation begins with it."""

DEFAULT_PRICES = PriceList(GUIDE_PRICES)
"""The same as a PriceList, for use without a database."""


def calculate_cost(
    *,
    source: str,
    model: str | None,
    at: datetime,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    duration_seconds: Decimal | float | None = None,
    tokens_estimated: bool = False,
    details: Mapping[str, int] = NO_DETAILS,
    client_id: UUID | str | None = None,
    service_tier: str | None = None,
    prices: PriceList = DEFAULT_PRICES,
) -> Cost:
    """The cost in US dollars of one call made at `at` (with a time zone), without a database.

    Audio that is sold by the minute is priced by `duration_seconds`, never by tokens. An unknown model or
    provider is no error but `unpriced`. `prices` is the guide's list, or the one of
    pricing.stored.load_price_list().

    Raises:
        InvalidInput: a quantity is negative or no number, or `at` has no time zone.
    """
    if prompt_tokens < 0 or completion_tokens < 0 or any(count < 0 for count in details.values()):
        raise InvalidInput(f"tokens of a call must be 0 or more, not {prompt_tokens} and {completion_tokens}")
    if at.tzinfo is None:
        raise InvalidInput(f"the time of a call needs a time zone, {at} has none")
    return prices.cost(
        source=source,
        model=model,
        at=at,
        usage=Usage(
            prompt_tokens,
            completion_tokens,
            prompt_tokens + completion_tokens,
            None if duration_seconds is None else _seconds(duration_seconds),
            details,
        ),
        client_id=client_id,
        tokens_estimated=tokens_estimated,
        service_tier=service_tier,
    )


def _seconds(duration_seconds: Decimal | float) -> Decimal:
    try:
        seconds = Decimal(str(duration_seconds))  # str: the float 0.1 means 0.1
    except InvalidOperation:
        raise InvalidInput(f"duration_seconds must be a number, not {duration_seconds!r}") from None
    if not seconds.is_finite() or seconds < 0:
        raise InvalidInput(f"duration_seconds must be 0 or more, not {duration_seconds}")
    return seconds
