"""What a call costs: by the client's price, the installation's, or the public one at the time of the call.

Matching is exact. Only a dated snapshot goes by its base name (`gpt-4-0613` by `gpt-4`), so `gpt-4o`,
`gpt-4.1` and `gpt-4-turbo` are never priced as `gpt-4`. In each list the model's own name goes before its
base name, and that before `*`. A client's price of a base name is what was agreed for the model, and covers
all its snapshots. The installation's is a price of that name: a snapshot that the public list has by its own
name takes the public price, unless the installation prices all models of the provider (`*`) itself. A call
that no list has a price for is `unpriced`: its cost is unknown, not zero. Money is Decimal, in US dollars.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from functools import cached_property
from types import MappingProxyType
from typing import Literal, NamedTuple
from uuid import UUID

from analytics.errors import InvalidInput
from analytics.pricing.public_list import (
    PublicModel,
    PublicPrice,
    Rates,
    is_listed_snapshot,
    list_name,
    names,
    public_model,
)

Basis = Literal["priced", "estimated", "unpriced"]
"""priced: usage and price known · estimated: one of them is a guess · unpriced: no price, amount 0."""

Unit = Literal["1M tokens", "minute"]

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
ALL_MODELS = "*"

_NO_DETAILS: Mapping[str, int] = MappingProxyType({})
# Reasoning is output like any other.
_PARTS_OF_RATES = {"cached_tokens", "reasoning_tokens"}
_AUDIO_PARTS = ("prompt_audio_tokens", "completion_audio_tokens", "cached_audio_tokens")
# Names come from users: their number has no limit.
_MAX_QUOTES = 10_000


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
    details: Mapping[str, int] = _NO_DETAILS
    """Parts of the tokens, and counts, by the names of DETAILS. What is unknown is left out; 0 is known."""


class Cost(NamedTuple):
    """What one call costs, and how far to trust it."""

    amount_usd: Decimal
    basis: Basis
    note: str = ""
    """Where the price comes from, or why there is none."""
    price: Mapping[str, str] = MappingProxyType({})
    """The same for metadata.price: {"list": ..., "model": ...}, or {"reason": ...}."""


@dataclass(frozen=True, kw_only=True)
class ListedPrice:
    """A row of model_prices: US dollars per unit. `effective_until` is exclusive; None is for ever."""

    source: str
    model: str
    input_usd: Decimal
    output_usd: Decimal = Decimal(0)
    cached_input_usd: Decimal | None = None
    unit: Unit = "1M tokens"
    client_id: str | None = None
    effective_from: datetime | None = None
    effective_until: datetime | None = None

    def holds_at(self, at: datetime) -> bool:
        return (self.effective_from is None or self.effective_from <= at) and (
            self.effective_until is None or at < self.effective_until
        )

    @property
    def list_name(self) -> str:
        return "installation" if self.client_id is None else "client"

    @cached_property
    def _rates(self) -> Rates:
        cached_usd = self.input_usd if self.cached_input_usd is None else self.cached_input_usd
        return Rates(self.input_usd / 1_000_000, cached_usd / 1_000_000, self.output_usd / 1_000_000)

    def cost(self, usage: Usage, by_tokens: Basis) -> Cost:
        owner = "installation" if self.client_id is None else "client"
        name = f"all models of {self.source}" if self.model == ALL_MODELS else self.model
        note = f"{owner}'s price of {name}"
        if self.unit == "minute":
            if usage.duration_seconds is None:
                return unpriced(
                    f"{name} is sold by the minute: duration_seconds is needed, tokens do not tell"
                )
            amount = usage.duration_seconds * self.input_usd / 60
            by_tokens = "priced"
        else:
            if any(usage.details.get(part) for part in _AUDIO_PARTS) and (self.input_usd or self.output_usd):
                return unpriced(f"the {note} has none for audio tokens")
            if usage.duration_seconds and not any(usage[:3]) and (self.input_usd or self.output_usd):
                return unpriced(f"the {note} is of tokens, and only a duration is known")
            found = _token_amount(usage, *self._rates)
            if found is None:
                return unpriced(UNDIVIDED)
            amount = found
        return Cost(rounded(amount), by_tokens, note, {"list": self.list_name, "model": self.model})


UNDIVIDED = "a total, but no prompt and completion"


class PriceList:
    """The prices of an installation and its clients at one moment; the public list stands behind them."""

    def __init__(self, prices: Iterable[ListedPrice] = (), *, revision: str = "") -> None:
        self.revision = revision
        """Of model_prices, as price_list has it; empty for a list that is no database's."""
        self._prices: dict[tuple[str | None, str, str], list[ListedPrice]] = {}
        for price in prices:
            self._prices.setdefault((price.client_id, price.source, price.model), []).append(price)
        for same_name in self._prices.values():
            # Of several that hold at one moment the one that began last decides.
            same_name.sort(
                key=lambda price: (price.effective_from is not None, price.effective_from), reverse=True
            )
        self._quotes: dict[tuple[object, ...], _Quote] = {}

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
    ) -> Cost:
        """What one call at `at` (with a time zone) costs. An unknown model is no error but `unpriced`."""
        quote = self._quote(client_id, source, model, service_tier)
        return quote.cost(at, usage, "estimated" if tokens_estimated else "priced")

    def deciding(
        self, source: str, model: str | None, at: datetime, client_id: UUID | str | None = None
    ) -> tuple[ListedPrice | None, PublicPrice | None]:
        """The client's or the installation's price that decides at `at`, and the public one that would."""
        quote = self._quote(client_id, source, model, None)
        return quote.own_price(at), quote.public_price(at)

    def _quote(
        self, client_id: UUID | str | None, source: str, model: str | None, service_tier: str | None
    ) -> "_Quote":
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
    ) -> "_Quote":
        source = source.strip().lower()
        model = (model or "").strip().lower()
        if source == "whisper" and not model:
            model = "whisper-1"  # the one model that this source sells
        tier = (service_tier or "").strip().lower() or None
        own = list(self._own(str(client_id).lower() if client_id else None, source, model))
        return _Quote(own, source, model, tier)

    def _own(self, client_id: str | None, source: str, model: str) -> Iterator[ListedPrice]:
        """The own prices of the model, the one that goes first at the front."""
        for owner in (client_id, None) if client_id else (None,):
            for name in (*names(model), ALL_MODELS):
                same_name = self._prices.get((owner, source, name), ())
                is_of_base_name = name not in (model, ALL_MODELS)
                if same_name and owner is None and is_of_base_name and is_listed_snapshot(source, model):
                    of_all = self._prices.get((owner, source, ALL_MODELS), ())
                    same_name = [both for price in same_name for both in _at_once(price, of_all)]
                yield from same_name


def _at_once(price: ListedPrice, others: Iterable[ListedPrice]) -> Iterator[ListedPrice]:
    """The price, for as long as one of the others holds, too."""
    for other in others:
        begins = [each.effective_from for each in (price, other) if each.effective_from]
        ends = [each.effective_until for each in (price, other) if each.effective_until]
        begin, end = max(begins, default=None), min(ends, default=None)
        if begin is None or end is None or begin < end:
            yield replace(price, effective_from=begin, effective_until=end)


class _Quote:
    """Cached price lookup for one (client, source, model, tier)."""

    def __init__(self, own: list[ListedPrice], source: str, model: str, tier: str | None) -> None:
        self._own = own
        self._source, self._model, self._tier = source, model, tier
        # Looked up only where no own price holds: loading the public list takes a quarter of a second.
        self._public: PublicModel | None = None
        self._is_unknown = False
        self._price: Mapping[str, str] = {}
        self._note = ""

    def own_price(self, at: datetime) -> ListedPrice | None:
        for own in self._own:
            if own.holds_at(at):
                return own
        return None

    def public_price(self, at: datetime) -> PublicPrice | None:
        public = self._public or self._find()
        return None if public is None else public.price(at, self._tier)

    def cost(self, at: datetime, usage: Usage, by_tokens: Basis) -> Cost:
        for own in self._own:
            if own.holds_at(at):
                return own.cost(usage, by_tokens)
        public = self._public
        if public is None:
            public = self._find()
            if public is None:
                return unpriced(
                    f"no price is known for {self._model or 'a call without a model'}"
                    f" of {self._source or 'no source'}"
                )
        return self._public_cost(public, at, usage, by_tokens)

    def _find(self) -> PublicModel | None:
        if not self._is_unknown:
            self._public = public_model(self._source, self._model)
            if self._public is None:
                self._is_unknown = True
            else:
                self._price = {"list": list_name(), "model": self._public.name}
                self._note = f"public price of {self._public.name}"
        return self._public

    def _public_cost(self, public: PublicModel, at: datetime, usage: Usage, by_tokens: Basis) -> Cost:
        price = public.price(at, self._tier)
        note = self._note
        if not price.is_of_tier:
            note = f"{note} at the standard tier, as none is known for the tier {self._tier}"
            by_tokens = "estimated"
        seconds = usage.duration_seconds
        # A length without tokens is not "no tokens": where only tokens have a price it is unknown, not free.
        if usage.prompt_tokens or usage.completion_tokens or usage.total_tokens or seconds is None:
            rates = price.rates
            if rates is not None and usage.details.keys() <= _PARTS_OF_RATES:
                amount = _token_amount(usage, *rates)
                if amount is not None:
                    return Cost(amount, by_tokens, note, self._price)
            elif usage.prompt_tokens or usage.completion_tokens or not usage.total_tokens:
                amount = price.amount_usd(usage.prompt_tokens, usage.completion_tokens, usage.details)
            else:
                amount = None
            if amount is not None:
                return Cost(rounded(amount), by_tokens, note, self._price)
        if seconds is not None:
            amount = price.audio_amount_usd(seconds, at)
            if amount is not None:
                return Cost(rounded(amount), "priced", note, self._price)
        if (
            usage.total_tokens
            and not usage.prompt_tokens
            and not usage.completion_tokens
            and price.has_tokens
        ):
            return unpriced(UNDIVIDED)
        return unpriced(f"the {note} is not for this kind of usage")


def _token_amount(
    usage: Usage, input_usd: Decimal, cached_usd: Decimal, output_usd: Decimal | None
) -> Decimal | None:
    """US dollars by prices per token; None where these prices do not cover the call."""
    prompt, completion, total, _, details = usage
    if not prompt and not completion and total:
        # A total without parts has a price only where input and output cost the same.
        if output_usd is not None and output_usd != input_usd:
            return None
        prompt = total
    cached = details.get("cached_tokens", 0)
    if cached:
        cached = min(cached, prompt)
        amount = (prompt - cached) * input_usd + cached * cached_usd
    else:
        amount = prompt * input_usd
    if completion:
        if output_usd is None:
            return None
        amount += completion * output_usd
    return amount


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
    details: Mapping[str, int] = _NO_DETAILS,
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
