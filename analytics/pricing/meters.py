"""What of a usage is charged by which rate of a sheet: the parts that its amount is the sum of."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from analytics.pricing.sheet import Sheet
from analytics.pricing.tokens import Rates
from analytics.pricing.usage import ONE_REQUEST, Requests, Usage

_OTHERWISE = {
    "cached_input": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "cached_audio": "audio_input",
    "image_input": "input",
    "cached_image": "image_input",
}
"""Rates that a list may not have -> the one that holds then."""


class _Quantities(dict[str, Decimal]):
    """So much of each rate. Takes the place of a rate in Sheet.amount(), which multiplies and adds rates."""

    def __mul__(self, factor: Decimal | int) -> "_Quantities":
        return _Quantities({name: quantity * factor for name, quantity in self.items()})

    __rmul__ = __mul__

    def __truediv__(self, divisor: int) -> "_Quantities":
        return _Quantities({name: quantity / divisor for name, quantity in self.items()})

    def __add__(self, other: object) -> "_Quantities":
        added = _Quantities(self)
        if isinstance(other, _Quantities):
            for name, quantity in other.items():
                added[name] = added.get(name, Decimal(0)) + quantity
        return added  # beside quantities there is only the Decimal 0 of a part that is not used

    __radd__ = __add__


def quantities(sheet: Sheet, usage: Usage, requests: Requests = ONE_REQUEST) -> Mapping[str, Decimal]:
    """Name of a rate -> how many of it are charged: Sheet.amount() is the sum of each times its rate.

    Empty where the usage has no price, or is free of charge.
    """
    found: Any = sheet.with_rates(_names).amount(usage, requests).usd
    return {name: quantity for name, quantity in found.items() if quantity} if isinstance(found, dict) else {}


def rate_of(rates: Rates, name: str) -> Decimal | None:
    """The rate of this name, or the one that holds where the list has none."""
    rate: Decimal | None = getattr(rates, name)
    return rate_of(rates, _OTHERWISE[name]) if rate is None and name in _OTHERWISE else rate


def _names(rates: Rates) -> Rates:
    named: list[Any] = [
        None if rate is None else _Quantities({name: Decimal(1)})
        for name, rate in zip(Rates._fields, rates, strict=True)
    ]
    return Rates._make(named)
