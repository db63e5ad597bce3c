"""A price of one's own in words."""

from collections.abc import Mapping
from decimal import Decimal

from analytics import formatting
from analytics.pricing.listed import FEES, NAMES, ListedPrice, Unit

UNIT_WORDS: Mapping[Unit, str] = {
    "1M tokens": "1M tokens",
    "minute": "minute",
    "1M characters": "1M characters",
    "image": "picture",
}


def exact(amount: Decimal) -> str:
    """`$0.15`, `$0.0375`: a price with all its digits, and never fewer than the cents."""
    text = f"{amount.normalize():f}"
    whole, _, digits = text.partition(".")
    return f"${int(whole):,}.{digits:0<2}"


def percent_off(percent: Decimal) -> str:
    """`20 % off`, or `10 % on top`."""
    return f"{abs(percent).normalize():f} % {'on top of' if percent < 0 else 'off'} the public price"


def other_kinds(price: ListedPrice) -> str:
    """`cache writes $3.75, web searches $10.00 per 1,000`: what has a price beside the usual three."""
    kinds = []
    for name, amount in price.amounts.items():
        if name in NAMES and name != "cached_input_usd":
            kinds.append(f"{NAMES[name]} {exact(amount)}{' per 1,000' if name in FEES else ''}")
    return ", ".join(kinds)


def in_words(price: ListedPrice) -> str:
    """`openai gpt-4o: $2.50 input, $10.00 output per 1M tokens, from 1 Oct 2026, for this client`."""
    unit = UNIT_WORDS[price.unit]
    if price.discount_percent is not None:
        costs = percent_off(price.discount_percent)
    elif price.unit == "1M tokens":
        amounts = [f"{exact(price.input_usd)} input"]
        if price.cached_input_usd is not None:
            amounts.append(f"{exact(price.cached_input_usd)} cached input")
        amounts.append(f"{exact(price.output_usd)} output")
        costs = f"{', '.join(amounts)} per {unit}"
    else:
        costs = f"{exact(price.input_usd)} per {unit}"
    parts = [
        f"{price.source} {price.model}: {costs}",
        other_kinds(price),
        f"tier {price.service_tier}" if price.service_tier else "",
        f"prompts above {price.above_prompt_tokens:,} tokens" if price.above_prompt_tokens else "",
        f"from {formatting.day(price.effective_from)}" if price.effective_from else "",
        "for all clients" if price.client_id is None else "for this client",
    ]
    return ", ".join(filter(None, parts))
