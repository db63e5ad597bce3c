"""Bills of clouds: FOCUS (https://focus.finops.org), of whatever provider, and Azure's own cost exports.

Only lines about models are calls; all others are passed over, and counted. A meter tells one kind of tokens,
so prompt and completion of a day are two lines.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

from analytics.errors import InvalidInput
from analytics.importing.formats.format import (
    Call,
    Format,
    PassedOver,
    Row,
    bucket,
    known,
    middle,
    natural_id,
    tags,
)
from analytics.pricing.provider_names import known_source

_DAY = timedelta(days=1)
_OF_MODELS = re.compile(
    r"openai|foundry|cognitive|bedrock|vertex|generative|gemini|claude|anthropic|mistral|llama|gpt"
    r"|language model|artificial intelligence|\bai\b|machine learning|sagemaker",
    re.IGNORECASE,
)
_PER = re.compile(r"(\d[\d,]*)\s*(K|M)?\b", re.IGNORECASE)
_SIZES = {"": 1, "K": 1_000, "M": 1_000_000}
# Words of meters, as Azure writes them: "gpt 4o 1120 cached Inp glbl Tokens", "GPT 5.1 opt Gl 1M Tokens".
_INPUT = frozenset({"inp", "in", "input", "prompt"})
_OUTPUT = frozenset({"outp", "out", "opt", "output", "completion"})
_CACHED = frozenset({"cached", "cache", "cchd", "cd"})
_NO_PART_OF_A_MODEL = frozenset(
    {
        *(
            *_INPUT,
            *_OUTPUT,
            *_CACHED,
            "tokens",
            "token",
            "glbl",
            "gl",
            "global",
            "regnl",
            "regional",
            "rgnl",
        ),
        *("dz", "dzone", "data", "zone", "1m", "1k", "std", "standard", "batch", "read", "write"),
    }
)


def _focus(row: Row) -> Call:
    start, end = row.time("ChargePeriodStart"), row.time("ChargePeriodEnd")
    if start is None:
        raise InvalidInput("ChargePeriodStart is missing")
    category = row.text("ChargeCategory")
    if category not in (None, "Usage"):
        raise PassedOver(f"charges of the category {category}")
    service = row.text("ServiceName")
    described = " ".join(
        filter(
            None, (service, row.text("ServiceCategory"), row.text("ServiceSubcategory"), row.text("SkuMeter"))
        )
    )
    _must_be_of_models(described, service)
    cost = _in_dollars(
        row, "BillingCurrency", ("x_BilledCostInUsd", "x_EffectiveCostInUsd"), ("BilledCost", "EffectiveCost")
    )
    meter = row.text("SkuMeter", "x_SkuMeterName", "x_Model", "ResourceName", "ChargeDescription", "SkuId")
    labels = row.object("Tags")
    own = labels.get("model")
    provider = row.text("ProviderName", "ServiceProviderName", "InvoiceIssuerName", "PublisherName")
    told = labels.get("source")
    return {
        **_of_meter(
            meter, row.amount("ConsumedQuantity", "PricingQuantity"), row.text("ConsumedUnit", "PricingUnit")
        ),
        **known(
            source=str(told) if told else _source(provider, service),
            model=str(own) if own else _model_of(meter),
            created_at=middle(start, end),
            operation=row.text("x_Operation"),
            account=row.text("SubAccountId", "BillingAccountId"),
            id=natural_id(
                "focus",
                *(start, end, provider, service, meter, row.text("ResourceId"), row.text("RegionId")),
                *(
                    row.text("SubAccountId"),
                    row.text("SkuPriceId"),
                    sorted(labels.items()),
                    row.text("x_Operation"),
                ),
                row.text("ChargeDescription"),
            ),
        ),
        "cost_usd": cost,
        "tags": tags({str(name): value for name, value in labels.items() if name not in ("model", "source")}),
        "metadata": bucket("focus", start, end, row.count("x_RequestCount"))
        | known(meter=meter, service=service, resource=row.text("ResourceName", "ResourceId")),
    }


def _azure(row: Row) -> Call:
    day = row.time("date", "UsageDateTime", "usageDate")
    if day is None:
        raise InvalidInput("date is missing")
    meter, category = row.text("meterName"), row.text("meterCategory")
    service = row.text("consumedService")
    _must_be_of_models(
        " ".join(filter(None, (meter, category, row.text("meterSubCategory"), service))), category or service
    )
    kind = row.text("chargeType")
    if kind not in (None, "Usage"):
        raise PassedOver(f"charges of the type {kind}")
    cost = _in_dollars(
        row,
        "billingCurrency",
        ("costInUsd", "paygCostInUsd"),
        ("costInBillingCurrency", "cost", "pretaxCost"),
    )
    resource = row.text("resourceId", "instanceId", "ResourceName")
    return {
        **_of_meter(meter, row.amount("quantity", "usageQuantity"), row.text("unitOfMeasure")),
        **known(
            source="azure",
            model=_model_of(meter) or row.text("meterSubCategory"),
            created_at=middle(day, day + _DAY),
            account=row.text("subscriptionName", "SubscriptionId", "subscriptionGuid"),
            id=natural_id(
                "azure-costs",
                day,
                meter,
                row.text("meterId"),
                resource,
                row.text("resourceLocation", "unitPrice"),
            ),
        ),
        "cost_usd": cost,
        "tags": tags({"resource_group": row.text("resourceGroupName", "ResourceGroup"), **_azure_tags(row)}),
        "metadata": bucket("azure-costs", day, day + _DAY, None)
        | known(
            meter=meter, service=service, resource=None if resource is None else resource.rpartition("/")[2]
        ),
    }


def _must_be_of_models(described: str, service: str | None) -> None:
    if not _OF_MODELS.search(described):
        raise PassedOver(f"charges of other services, such as {service or 'one without a name'}")


def _in_dollars(row: Row, currency: str, in_usd: tuple[str, ...], billed: tuple[str, ...]) -> Decimal:
    cost = row.amount(*in_usd)
    if cost is not None:
        return cost
    cost, of = row.amount(*billed), (row.text(currency, "BillingCurrencyCode", "currency") or "USD").upper()
    if cost is None:
        raise PassedOver("charges without a cost")
    if of != "USD":
        raise InvalidInput(f"the cost is in {of}: only US dollars can be kept; export it in USD")
    return cost


def _of_meter(meter: str | None, quantity: Decimal | None, unit: str | None) -> dict[str, Any]:
    """The tokens of a line, where its meter and its unit tell which they are."""
    words = _words(meter)
    found = _PER.search(unit or "")
    is_tokens = "token" in f"{unit} {meter}".lower()
    if quantity is None or not is_tokens:
        return {}
    size = _SIZES[(found[2] or "").upper()] * int(found[1].replace(",", "")) if found else 1
    if found is None and (short := re.search(r"\b1([KM])\b", f"{unit} {meter}", re.IGNORECASE)):
        size = _SIZES[short[1].upper()]
    count = round(quantity * size)
    if words & _OUTPUT:
        return {"completion_tokens": count}
    if words & _CACHED:
        return {"prompt_tokens": count, "cached_tokens": count}
    return {"prompt_tokens": count} if words & _INPUT else {"total_tokens": count}


def _words(meter: str | None) -> frozenset[str]:
    return frozenset(re.split(r"[\s\-_/]+", (meter or "").lower()))


def _model_of(meter: str | None) -> str | None:
    """`gpt-4o-1120` of "gpt 4o 1120 Inp glbl Tokens"."""
    if meter is None:
        return None
    words = [word for word in re.split(r"[\s\-_]+", meter) if word.lower() not in _NO_PART_OF_A_MODEL]
    return "-".join(words).lower() or None


def _source(provider: str | None, service: str | None) -> str:
    for name in (service, provider):
        for part in (name, *re.split(r"\s+", name or "")):
            if part and (source := known_source(part)) is not None:
                return (
                    "azure" if source == "openai" and "azure" in f"{service} {provider}".lower() else source
                )
    if provider and "microsoft" in provider.lower():
        return "azure"
    return provider or service or "unknown"


def _azure_tags(row: Row) -> dict[str, Any]:
    """Azure writes `"key": "value"` without the braces of an object."""
    held = row.object("tags")
    if held:
        return held
    return dict(re.findall(r'"([^"]+)"\s*:\s*"([^"]*)"', row.text("tags") or ""))


FOCUS = Format(
    name="focus",
    title="FOCUS costs",
    known_by=[
        frozenset({"ChargePeriodStart", "BilledCost", "ServiceName"}),
        frozenset({"ChargePeriodStart", "EffectiveCost", "ServiceName"}),
    ],
    becomes={
        "ChargePeriodStart": "created_at (the middle of the period)",
        "ChargePeriodEnd": "created_at (the middle of the period)",
        "ChargeCategory": "tells which lines are usage",
        "ServiceName": "source, and which lines are about models",
        "ServiceCategory": "tells which lines are about models",
        "ServiceSubcategory": "tells which lines are about models",
        "ProviderName": "source",
        "ServiceProviderName": "source",
        "InvoiceIssuerName": "source",
        "PublisherName": "source",
        "BilledCost": "cost_usd",
        "EffectiveCost": "cost_usd, where there is no BilledCost",
        "x_BilledCostInUsd": "cost_usd",
        "x_EffectiveCostInUsd": "cost_usd",
        "BillingCurrency": "checked to be US dollars",
        "SkuMeter": "model, and which tokens",
        "x_SkuMeterName": "model, and which tokens",
        "SkuId": "model",
        "ResourceName": "metadata.resource",
        "ResourceId": "metadata.resource",
        "ConsumedQuantity": "prompt_tokens, completion_tokens or total_tokens",
        "ConsumedUnit": "prompt_tokens, completion_tokens or total_tokens",
        "PricingQuantity": "tokens, where there is no ConsumedQuantity",
        "PricingUnit": "tokens, where there is no ConsumedQuantity",
        "SubAccountId": "account",
        "BillingAccountId": "account",
        "RegionId": "tells lines apart",
        "SkuPriceId": "tells lines apart",
        "ChargeDescription": "tells lines apart",
        "Tags": "tag.<key>",
        "x_Operation": "operation",
        "x_RequestCount": "bucket_request_count",
    },
    call=_focus,
    is_report=True,
)
AZURE = Format(
    name="azure-costs",
    title="Azure costs (actual or amortized)",
    known_by=[
        frozenset({"meterName", "meterCategory", "quantity"}),
        frozenset({"meterName", "meterCategory", "usageQuantity"}),
    ],
    becomes={
        "date": "created_at (noon of the day)",
        "UsageDateTime": "created_at (noon of the day)",
        "usageDate": "created_at (noon of the day)",
        "meterName": "model, and which tokens",
        "meterCategory": "tells which lines are about models",
        "meterSubCategory": "model",
        "consumedService": "metadata.service",
        "chargeType": "tells which lines are usage",
        "costInUsd": "cost_usd",
        "paygCostInUsd": "cost_usd",
        "costInBillingCurrency": "cost_usd",
        "cost": "cost_usd",
        "pretaxCost": "cost_usd",
        "billingCurrency": "checked to be US dollars",
        "billingCurrencyCode": "checked to be US dollars",
        "currency": "checked to be US dollars",
        "quantity": "prompt_tokens, completion_tokens or total_tokens",
        "usageQuantity": "prompt_tokens, completion_tokens or total_tokens",
        "unitOfMeasure": "prompt_tokens, completion_tokens or total_tokens",
        "subscriptionName": "account",
        "subscriptionId": "account",
        "subscriptionGuid": "account",
        "resourceGroupName": "tag.resource_group",
        "resourceGroup": "tag.resource_group",
        "resourceId": "metadata.resource",
        "instanceId": "metadata.resource",
        "resourceName": "metadata.resource",
        "meterId": "tells lines apart",
        "resourceLocation": "tells lines apart",
        "unitPrice": "tells lines apart",
        "tags": "tag.<key>",
    },
    call=_azure,
    date_format="%m/%d/%Y",
    is_report=True,
)
