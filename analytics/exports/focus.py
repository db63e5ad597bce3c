"""FOCUS 1.2, the FinOps Open Cost and Usage Specification: a line per day and meter of calls -> CSV.

A meter is one kind of tokens, or seconds of audio, characters, pictures, searches. Its lines have a price per
unit, and add up to what the calls were booked with, to the last digit. What we do not know stays null. Known
limits, by column:

- ListUnitPrice is that of the public list, ContractedUnitPrice that which the calls were booked with: by a
  price of one's own, with a discount, or by the same list. Where booked costs are not what today's lists make
  (a writer gave them, prompts of several prices in one line, a price that was corrected since) it is their
  average, with the meters weighed as the list weighs them; x_IsAveragePrice says so.
- A cost of which no list tells the parts (given by the writer, of a model that is not listed) is one line,
  per token. What no list has is its own list price.
- All costs are those of the calls: we know neither an invoice nor a discount on one. BillingAccountId is the
  source, SubAccountId the client; PublisherName is the provider: who made a model that others serve is not
  logged.
- A call without a price adds nothing to the cost: its lines have a quantity, and neither costs nor prices,
  as what is not known must not pass for free. The specification wants an amount in each line, and a strict
  loader refuses such a file; it is right: the cost of the client is not known. Price the model and reprice,
  or leave these calls out (--where basis!=unpriced) and know that use is missing.
- x_RequestCount is told once for the lines of the same calls, in the first of them.
- Tags are those of the calls, with their source and model. PricingCategory is always Standard: the tier is in
  SkuPriceId. The specification has no place for what calls were for: x_Operation.

Texts that begin like a formula have an apostrophe in front, as in every CSV of ours: exports.cells.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from typing import NamedTuple
from zoneinfo import ZoneInfo

from analytics import charts
from analytics.clients import Client
from analytics.database import Database
from analytics.days import Days
from analytics.exports.cells import csv_lines, number_cell, text_cell
from analytics.exports.charges import Charge, charges
from analytics.pricing.meters import quantities, rate_of
from analytics.pricing.price_list import COST_DECIMALS, PriceList, Requests, Usage
from analytics.pricing.quotes import Quote
from analytics.pricing.stored import load_price_list
from analytics.queries import NO_FILTERS, Filters

_NULL_COLUMNS = (
    *("AvailabilityZone", "ChargeClass", "CommitmentDiscountCategory", "CommitmentDiscountId"),
    *(
        "CommitmentDiscountName",
        "CommitmentDiscountStatus",
        "CommitmentDiscountType",
        "InvoiceId",
        "RegionId",
    ),
    *("RegionName", "ResourceId", "ResourceName", "ResourceType"),
)
_ZERO = Decimal(0)
_DIGITS = 60
_ROUNDED = Context(prec=28)
"""For quotients: what is priced by the hour, and average prices."""
_SMALLEST = Decimal(1).scaleb(-COST_DECIMALS - 6)
"""What parts of a cost are rounded to; the last one takes what is left."""


class _Meter(NamedTuple):
    name: str
    unit: str
    """Of what is consumed."""
    pricing_unit: str
    size: int = 1
    """Of a pricing unit, in units of the rate."""
    consumed: int = 1
    """Units in one of the rate."""


def _tokens(name: str) -> _Meter:
    return _Meter(name, "Tokens", "1000000 Tokens", 1_000_000)


_METERS = {
    "input": _tokens("Input Tokens"),
    "cached_input": _tokens("Cached Input Tokens"),
    "cache_write": _tokens("Cache Write Input Tokens"),
    "cache_write_1h": _tokens("1-Hour Cache Write Input Tokens"),
    "output": _tokens("Output Tokens"),
    "reasoning": _tokens("Reasoning Output Tokens"),
    "audio_input": _tokens("Audio Input Tokens"),
    "cached_audio": _tokens("Cached Audio Input Tokens"),
    "audio_output": _tokens("Audio Output Tokens"),
    "image_input": _tokens("Image Input Tokens"),
    "cached_image": _tokens("Cached Image Input Tokens"),
    "image_output": _tokens("Image Output Tokens"),
    "token": _tokens("Tokens"),
    "character": _Meter("Characters", "Characters", "1000000 Characters", 1_000_000),
    "image": _Meter("Images", "Images", "Images"),
    "hour": _Meter("Audio", "Seconds", "Hours", 1, 3600),
    "web_search": _Meter("Web Searches", "Searches", "1000 Searches", 1_000),
    "file_search": _Meter("File Searches", "Searches", "1000 Searches", 1_000),
    "code_run": _Meter("Code Runs", "Runs", "Runs"),
    "request": _Meter("Requests", "Requests", "Requests"),
}
"""Rate of a sheet -> what it meters; `token` is no rate, but tokens of which no list tells the parts."""


def focus_csv(database: Database, client: Client, days: Days, *, filters: Filters = NO_FILTERS) -> bytes:
    """The charges of `client` on these days: a line for each meter of exports.charges.charges().

    UTF-8 without a byte order mark, which would become part of the first column's name; CRLF; null is an
    empty cell. Columns that begin with `x_` are ours.

    Raises:
        DatabaseUnavailable, SchemaMissing, DatabaseError
    """
    found = charges(database, client.id, days, filters=filters)
    with database.snapshot() as connection:
        prices = load_price_list(connection)
    zone = ZoneInfo(client.timezone)
    header = sorted([*_NULL_COLUMNS, *_WRITERS]) + list(_OWN_WRITERS)
    writers = [(_WRITERS | _OWN_WRITERS).get(name, _null) for name in header]
    with localcontext(prec=_DIGITS):
        lines = (line for charge in found for line in _lines(charge, client, zone, prices))
        return csv_lines([header, *([write(line) for write in writers] for line in lines)])


class _Part(NamedTuple):
    """A meter of a charge; prices are of one unit of its rate, None where they are not known."""

    rate: str
    quantity: Decimal
    cost: Decimal | None = None
    price: Decimal | None = None
    list_price: Decimal | None = None
    is_average: bool = False
    above: int = 0
    """The price is that of prompts with more tokens than this."""


class _Line:
    """One meter with what its cells need to know."""

    def __init__(
        self, charge: Charge, part: _Part, client: Client, zone: ZoneInfo, *, is_first: bool
    ) -> None:
        self.charge, self.part, self.client = charge, part, client
        self.meter = _METERS[part.rate]
        self.provider = charts.source_name(charge.source)
        self.request_count = charge.request_count if is_first else 0
        self.unpriced_count = charge.unpriced_count if is_first else 0
        day, first = charge.usage_date, charge.usage_date.replace(day=1)
        self.starts, self.ends = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
        self.month_starts = _midnight(first, zone)
        self.month_ends = _midnight((first + timedelta(days=31)).replace(day=1), zone)

    @property
    def sku(self) -> str:
        return "/".join(filter(None, (self.charge.source, self.charge.model)))

    @property
    def sku_price(self) -> str:
        charge = self.charge
        longer = f"above {self.part.above}" if self.part.above else ""
        return "/".join(filter(None, (self.sku, self.part.rate, charge.service_tier, longer)))

    @property
    def description(self) -> str:
        text = f"{self.meter.name} of {self.sku}"
        if self.charge.is_other_tags:
            text = f"{text}, with tags that were too many to keep apart"
        if self.part.cost is None:
            return f"{text}; what they cost is not known"
        return (
            f"{text}; the cost of some is not known and not included" if self.charge.unpriced_count else text
        )

    @property
    def tags(self) -> str:
        pairs = {"source": self.charge.source, "model": self.charge.model} | dict(self.charge.tags or {})
        return json.dumps({key: value for key, value in pairs.items() if value}, ensure_ascii=False)

    @property
    def pricing_quantity(self) -> Decimal:
        return _ROUNDED.divide(self.part.quantity, Decimal(self.meter.size))

    def per_unit(self, price: Decimal | None) -> str:
        return _decimal(None if price is None else _ROUNDED.multiply(price, Decimal(self.meter.size)))

    @property
    def list_cost(self) -> Decimal | None:
        part = self.part
        if part.list_price is None or part.list_price == part.price:
            return part.cost
        return part.list_price * part.quantity


def _lines(charge: Charge, client: Client, zone: ZoneInfo, prices: PriceList) -> Iterator[_Line]:
    quote = prices.quote(str(client.id), charge.source, charge.model, charge.service_tier)
    for place, part in enumerate(_parts(charge, quote)):
        yield _Line(charge, part, client, zone, is_first=place == 0)


def _parts(charge: Charge, quote: Quote) -> Sequence[_Part]:
    """The meters of a charge; their costs add up to its own."""
    if charge.is_unpriced:
        return [_Part(name, quantity) for name, quantity in _plain_parts(charge).items()]
    public, own = quote.public_price(charge.first_at), quote.sheet(charge.first_at)
    listed = own[0] if public is None and own is not None else None if public is None else public.sheet
    if listed is not None:
        count = charge.request_count
        usage = charge.usage
        requests = Requests(count, usage.prompt_tokens // count if count > 1 else usage.prompt_tokens)
        found = quantities(listed, usage, requests)
        length = requests.prompt_tokens or 0
        rates = listed.rates_for(length)
        booked = rates if own is None else own[0].rates_for(length)
        priced = {name: (rate_of(booked, name), rate_of(rates, name) or _ZERO) for name in found}
        if found and all(price is not None for price, _ in priced.values()):
            known = {name: (price or _ZERO, of) for name, (price, of) in priced.items()}
            above = max((above for above, _ in listed.longer if length > above), default=0)
            return [part._replace(above=above) for part in _shared(charge, found, known)]
    if not charge.cost_usd:
        return [_Part(name, quantity, _ZERO, _ZERO, _ZERO) for name, quantity in _plain_parts(charge).items()]
    return [_of_all(charge)]


def _shared(
    charge: Charge, found: Mapping[str, Decimal], priced: Mapping[str, tuple[Decimal, Decimal]]
) -> Sequence[_Part]:
    """The cost, shared among the meters as prices, and those of the list, share it."""
    amounts = {name: quantity * priced[name][0] for name, quantity in found.items()}
    total = sum(amounts.values(), _ZERO)
    # Each call was rounded.
    is_exact = abs(total - charge.cost_usd) <= charge.request_count * Decimal(1).scaleb(-COST_DECIMALS)
    if not is_exact and not total:
        amounts = {name: quantity * priced[name][1] for name, quantity in found.items()}
        total = sum(amounts.values(), _ZERO)
        if not total:
            return [_of_all(charge)]
    parts, left = [], charge.cost_usd
    for place, (name, quantity) in enumerate(found.items(), start=1):
        price, list_price = priced[name]
        is_last = place == len(found)
        share = amounts[name] if is_exact else amounts[name] * charge.cost_usd / total
        cost = left if is_last else min(share.quantize(_SMALLEST, ROUND_FLOOR), left)
        left -= cost
        parts.append(
            _Part(name, quantity, cost, price if is_exact else cost / quantity, list_price, not is_exact)
        )
    return parts


def _of_all(charge: Charge) -> _Part:
    """One line, where no list tells what the parts of a cost are."""
    usage = charge.usage
    name, quantity = next(
        (name, Decimal(quantity))
        for name, quantity in (
            ("token", usage.total_tokens),
            ("hour", (usage.duration_seconds or _ZERO) / 3600),
            ("character", usage.details.get("character_count", 0)),
            ("image", usage.details.get("image_count", 0)),
            ("request", charge.request_count),
        )
        if quantity
    )
    price = charge.cost_usd / quantity
    return _Part(name, quantity, charge.cost_usd, price, price, is_average=True)


def _plain_parts(charge: Charge) -> Mapping[str, Decimal]:
    """What was used, where no list says what is sold."""
    usage = charge.usage
    if not usage.prompt_tokens and not usage.completion_tokens:
        part = _of_all(charge)
        return {part.rate: part.quantity}
    return {name: quantity for name, quantity in _divided(usage).items() if quantity}


def _divided(usage: Usage) -> Mapping[str, Decimal]:
    cached = min(usage.details.get("cached_tokens", 0), usage.prompt_tokens)
    return {
        "input": Decimal(usage.prompt_tokens - cached),
        "cached_input": Decimal(cached),
        "output": Decimal(max(usage.total_tokens - usage.prompt_tokens, usage.completion_tokens)),
    }


_WRITERS: dict[str, Callable[[_Line], str]] = {
    "BilledCost": lambda line: _decimal(line.part.cost),
    "BillingAccountId": lambda line: text_cell(line.charge.source),
    "BillingAccountName": lambda line: text_cell(line.provider),
    "BillingAccountType": lambda line: "Provider",
    "BillingCurrency": lambda line: "USD",
    "BillingPeriodEnd": lambda line: line.month_ends,
    "BillingPeriodStart": lambda line: line.month_starts,
    "ChargeCategory": lambda line: "Usage",
    "ChargeDescription": lambda line: text_cell(line.description),
    "ChargeFrequency": lambda line: "Usage-Based",
    "ChargePeriodEnd": lambda line: line.ends,
    "ChargePeriodStart": lambda line: line.starts,
    "ConsumedQuantity": lambda line: _decimal(
        _ROUNDED.multiply(line.part.quantity, Decimal(line.meter.consumed))
    ),
    "ConsumedUnit": lambda line: line.meter.unit,
    "ContractedCost": lambda line: _decimal(line.part.cost),
    "ContractedUnitPrice": lambda line: line.per_unit(line.part.price),
    "EffectiveCost": lambda line: _decimal(line.part.cost),
    "InvoiceIssuerName": lambda line: text_cell(line.provider),
    "ListCost": lambda line: _decimal(line.list_cost),
    "ListUnitPrice": lambda line: line.per_unit(line.part.list_price),
    "PricingCategory": lambda line: "Standard",
    "PricingCurrency": lambda line: "USD",
    "PricingCurrencyContractedUnitPrice": lambda line: line.per_unit(line.part.price),
    "PricingCurrencyEffectiveCost": lambda line: _decimal(line.part.cost),
    "PricingCurrencyListUnitPrice": lambda line: line.per_unit(line.part.list_price),
    "PricingQuantity": lambda line: _decimal(line.pricing_quantity),
    "PricingUnit": lambda line: line.meter.pricing_unit,
    "ProviderName": lambda line: text_cell(line.provider),
    "PublisherName": lambda line: text_cell(line.provider),
    "ServiceCategory": lambda line: "AI and Machine Learning",
    "ServiceName": lambda line: text_cell(f"{line.provider} API"),
    "ServiceSubcategory": lambda line: "Generative AI",
    "SkuId": lambda line: text_cell(f"{line.sku}/{line.part.rate}"),
    "SkuMeter": lambda line: line.meter.name,
    "SkuPriceDetails": lambda line: json.dumps({"x_ServiceTier": line.charge.service_tier or "standard"}),
    "SkuPriceId": lambda line: text_cell(line.sku_price),
    "SubAccountId": lambda line: str(line.client.id),
    "SubAccountName": lambda line: text_cell(line.client.name),
    "SubAccountType": lambda line: "Client",
    "Tags": lambda line: text_cell(line.tags),
}
_OWN_WRITERS: dict[str, Callable[[_Line], str]] = {
    "x_Source": lambda line: text_cell(line.charge.source),
    "x_Model": lambda line: text_cell(line.charge.model or ""),
    "x_Operation": lambda line: text_cell(line.charge.operation or ""),
    "x_ServiceTier": lambda line: text_cell(line.charge.service_tier or ""),
    "x_UsageDate": lambda line: line.charge.usage_date.isoformat(),
    "x_IsAveragePrice": lambda line: str(line.part.is_average).lower(),
    "x_RequestCount": lambda line: str(line.request_count),
    "x_UnpricedRequestCount": lambda line: str(line.unpriced_count),
}


def _null(line: _Line) -> str:
    return ""


def _decimal(number: Decimal | int | None) -> str:
    """With a decimal point always: validators take whole numbers for no Decimal."""
    if number is None:
        return ""
    whole, _, decimals = number_cell(number).partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


def _midnight(day: date, zone: ZoneInfo) -> str:
    """The moment at which a day begins in `zone`, in UTC."""
    return f"{datetime.combine(day, time(), zone).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
