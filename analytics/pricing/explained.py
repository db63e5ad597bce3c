"""Where the price of a stored call comes from, in plain words."""

from collections.abc import Mapping
from typing import Any

from analytics.pricing.price_list import ALL_MODELS

UNKNOWN_PLAN = "unknown"
"""The plan of a call of which it is not known whether a subscription pays: its cost is unknown, too."""
_OWNERS = {"client": "this client's own price", "installation": "the installation's price"}
_SAID = ("list", "model", "reason", "discount_percent", "of", "plan", "at_list_prices_usd")
_GUESSES = {
    "tokens_estimated": "the tokens are an estimate",
    "usage_not_understood": "something in the usage object was not understood",
}


def price_in_words(cost_basis: str, metadata: Mapping[str, Any] | None, source: str) -> str:
    """`public price of gpt-4o, by genai-prices 0.2.3`; for a call without a price, why it has none.

    `metadata` is that of the call, as far as the reader may see it.
    """
    metadata = metadata if isinstance(metadata, Mapping) else {}
    price = metadata.get("price")
    price = price if isinstance(price, Mapping) else {}
    words = _list_in_words(cost_basis, price, source)
    details = [f"{name.replace('_', ' ')}: {value}" for name, value in price.items() if name not in _SAID]
    if cost_basis == "estimated":
        details += [guess for name, guess in _GUESSES.items() if metadata.get(name)]
    return "; ".join([words, *details])


def _list_in_words(cost_basis: str, price: Mapping[str, Any], source: str) -> str:
    listed, model = price.get("list"), price.get("model")
    if listed == "stated":
        return "what the provider said that it cost, as no list has a price"
    if (plan := price.get("plan")) is not None:
        worth = price.get("at_list_prices_usd")
        pays = (
            "it is not known whether a subscription pays, which may make it nothing"
            if plan == UNKNOWN_PLAN
            else f'nothing by itself: the subscription "{plan}" pays'
        )
        return pays if worth is None else f"{pays}; {worth} USD at list prices"
    if listed in _OWNERS:
        of_what = f"all models of {source}" if model == ALL_MODELS else model
        if percent := price.get("discount_percent"):
            public = price.get("of") or "the public price"
            return f"{percent} percent off {public}, by {_OWNERS[listed]} of {of_what}"
        return f"{_OWNERS[listed]} of {of_what}"
    if listed:
        return f"public price of {model}, by {listed}"
    if reason := price.get("reason"):
        return str(reason)
    if cost_basis == "given":
        return "the cost that was logged with the call"
    return "no price is known" if cost_basis == "unpriced" else "by a list, which the call does not name"
