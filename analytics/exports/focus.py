"""FOCUS 1.0, the FinOps Open Cost and Usage Specification: sums per day, source, model and tags -> CSV.

What we know is filled in, and what we do not know stays null. Known limits, by column:

- All four costs are what the calls were booked with: we know neither an invoice nor a discount. The
  specification wants ListCost and ContractedCost to be BilledCost where there is no unit price; there is none
  here, as prompt and completion tokens, or minutes, have one each.
- BillingAccountId is the source: which account with the provider paid is not logged. SubAccountId is the
  client. PublisherName is the provider: who made a model that others serve is not logged either.
- A call without a price adds nothing to the cost. x_UnpricedRequestCount counts them, and ChargeDescription
  says so. Where no call of a line has a price its four costs are null: a cost that is not known must not pass
  for free. The specification wants an amount in each line, and a strict loader refuses such a file; it is
  right: the cost of the client is not known. Price the model and reprice, or leave out the lines with
  x_UnpricedRequestCount = x_RequestCount and know that use is missing.
- Tokens are consumed and priced; where none were logged it is seconds of audio, characters or pictures, else
  requests.
- Tags are those of the calls, with their source and model. PricingCategory is always Standard, as the sums
  do not know the service tier. The specification has no place for what calls were for: x_Operation.

Texts that begin like a formula have an apostrophe in front, as in every CSV of ours: exports.cells.
"""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from analytics import charts, formatting
from analytics.clients import Client
from analytics.exports.cells import csv_lines, number_cell, text_cell

_NULL_COLUMNS = (
    "AvailabilityZone",
    "ChargeClass",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "ContractedUnitPrice",
    "ListUnitPrice",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
)

# The first that is there is what was consumed.
_UNITS = {
    "total_tokens": "Tokens",
    "duration_seconds": "Seconds",
    "character_count": "Characters",
    "image_count": "Images",
    "request_count": "Requests",
}


def focus_csv(daily: pd.DataFrame, client: Client) -> bytes:
    """The charges of `client`, one line per row of exports.days.daily_usage_by_model().

    UTF-8 without a byte order mark, which would become part of the first column's name; CRLF; null is an
    empty cell. Columns that begin with `x_` are ours.
    """
    zone = ZoneInfo(client.timezone)
    header = sorted([*_NULL_COLUMNS, *_WRITERS]) + list(_OWN_WRITERS)
    charges = (_Charge(row, client, zone) for row in daily.to_dict("records"))
    return csv_lines([header, *_lines(charges, header)])


class _Charge:
    """One row with what its cells need to know."""

    def __init__(self, row: dict[Any, Any], client: Client, zone: ZoneInfo) -> None:
        self.client = client
        self.source: str = row["source"]
        self.model: str = row["model"] or ""
        self.provider = charts.source_name(self.source)
        is_unknown = row["unpriced_count"] and row["unpriced_count"] == row["request_count"]
        self.cost: Decimal | None = None if is_unknown else row["total_cost"]
        self.row = row
        day: date = row["usage_date"]
        self.starts, self.ends = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
        first = day.replace(day=1)
        self.month_starts = _midnight(first, zone)
        self.month_ends = _midnight((first + timedelta(days=31)).replace(day=1), zone)

    @property
    def sku(self) -> str:
        return f"{self.source}/{self.model}" if self.model else self.source

    @property
    def quantity(self) -> tuple[Decimal | int, str]:
        """What was consumed, and its unit."""
        return next((self.row[name], unit) for name, unit in _UNITS.items() if self.row[name])

    @property
    def description(self) -> str:
        requests = formatting.counted(self.row["request_count"], "request")
        text = f"{requests} to {self.sku}, {formatting.counted(self.row['total_tokens'], 'token')}"
        if self.row["is_other_tags"]:
            text = f"{text}, with tags that were too many to keep apart"
        unpriced = self.row["unpriced_count"]
        if self.cost is None:
            return f"{text}; what they cost is not known"
        return f"{text}; the cost of {unpriced:,} of them is not known and not included" if unpriced else text

    @property
    def tags(self) -> str:
        pairs = {"source": self.source, "model": self.model} | (self.row["tags"] or {})
        return json.dumps({key: value for key, value in pairs.items() if value}, ensure_ascii=False)


_WRITERS: dict[str, Callable[[_Charge], str]] = {
    "BilledCost": lambda charge: _decimal(charge.cost),
    "BillingAccountId": lambda charge: text_cell(charge.source),
    "BillingAccountName": lambda charge: text_cell(charge.provider),
    "BillingCurrency": lambda charge: "USD",
    "BillingPeriodEnd": lambda charge: charge.month_ends,
    "BillingPeriodStart": lambda charge: charge.month_starts,
    "ChargeCategory": lambda charge: "Usage",
    "ChargeDescription": lambda charge: text_cell(charge.description),
    "ChargeFrequency": lambda charge: "Usage-Based",
    "ChargePeriodEnd": lambda charge: charge.ends,
    "ChargePeriodStart": lambda charge: charge.starts,
    "ConsumedQuantity": lambda charge: _decimal(charge.quantity[0]),
    "ConsumedUnit": lambda charge: charge.quantity[1],
    "ContractedCost": lambda charge: _decimal(charge.cost),
    "EffectiveCost": lambda charge: _decimal(charge.cost),
    "InvoiceIssuerName": lambda charge: text_cell(charge.provider),
    "ListCost": lambda charge: _decimal(charge.cost),
    "PricingCategory": lambda charge: "Standard",
    "PricingQuantity": lambda charge: _decimal(charge.quantity[0]),
    "PricingUnit": lambda charge: charge.quantity[1],
    "ProviderName": lambda charge: text_cell(charge.provider),
    "PublisherName": lambda charge: text_cell(charge.provider),
    "ServiceCategory": lambda charge: "AI and Machine Learning",
    "ServiceName": lambda charge: text_cell(f"{charge.provider} API"),
    "SkuId": lambda charge: text_cell(charge.sku),
    "SkuPriceId": lambda charge: text_cell(charge.sku),
    "SubAccountId": lambda charge: str(charge.client.id),
    "SubAccountName": lambda charge: text_cell(charge.client.name),
    "Tags": lambda charge: text_cell(charge.tags),
}
_OWN_WRITERS: dict[str, Callable[[_Charge], str]] = {
    "x_Source": lambda charge: text_cell(charge.source),
    "x_Model": lambda charge: text_cell(charge.model),
    "x_Operation": lambda charge: text_cell(charge.row["operation"] or ""),
    "x_UsageDate": lambda charge: charge.row["usage_date"].isoformat(),
    "x_TotalTokens": lambda charge: str(charge.row["total_tokens"]),
    "x_PromptTokens": lambda charge: str(charge.row["prompt_tokens"]),
    "x_CompletionTokens": lambda charge: str(charge.row["completion_tokens"]),
    "x_CachedTokens": lambda charge: str(charge.row["cached_tokens"]),
    "x_RequestCount": lambda charge: str(charge.row["request_count"]),
    "x_UnpricedRequestCount": lambda charge: str(charge.row["unpriced_count"]),
}


def _lines(charges: Iterable[_Charge], header: list[str]) -> Iterable[list[str]]:
    writers = [(_WRITERS | _OWN_WRITERS).get(name, _null) for name in header]
    for charge in charges:
        yield [write(charge) for write in writers]


def _null(charge: _Charge) -> str:
    return ""


def _decimal(number: Decimal | int | None) -> str:
    """With a decimal point always: the FinOps Foundation's validator takes whole numbers for no Decimal."""
    if number is None:
        return ""
    cell = number_cell(number)
    return cell if "." in cell else f"{cell}.0"


def _midnight(day: date, zone: ZoneInfo) -> str:
    """The moment at which a day begins in `zone`, in UTC."""
    return f"{datetime.combine(day, time(), zone).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
