"""A model of the public list: its price sheets at any time and tier.

The list is corrected (list_corrections.py) and completed by what providers publish as a rule
(publisher_rules.py) before anything is priced by it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from analytics.pricing.list_corrections import CORRECTIONS, Correction
from analytics.pricing.model_names import ONLINE, names
from analytics.pricing.publisher_rules import (
    TIER_RULES,
    always_searches,
    completed,
    least_seconds,
    makes_audio,
    makes_pictures,
    searches_once,
    tier_of,
)
from analytics.pricing.sheet import Rates, Sheet

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider

# The library's prices by its names, and ours; each is for so many of a unit.
_RATES_OF = {
    "input_mtok": ("input", 1_000_000),
    "cache_read_mtok": ("cached_input", 1_000_000),
    "output_mtok": ("output", 1_000_000),
    "cache_write_mtok": ("cache_write", 1_000_000),
    "cache_write_5m_mtok": ("cache_write", 1_000_000),
    "cache_write_1h_mtok": ("cache_write_1h", 1_000_000),
    "output_reasoning_mtok": ("reasoning", 1_000_000),
    "input_audio_mtok": ("audio_input", 1_000_000),
    "cache_audio_read_mtok": ("cached_audio", 1_000_000),
    "output_audio_mtok": ("audio_output", 1_000_000),
    "input_image_mtok": ("image_input", 1_000_000),
    "cache_image_read_mtok": ("cached_image", 1_000_000),
    "output_image_mtok": ("image_output", 1_000_000),
    "input_mchars": ("character", 1_000_000),
    "audio_hours": ("hour", 1),
    "input_audio_hours": ("hour", 1),
    "web_searches_kcount": ("web_search", 1_000),
    "storage_searches_kcount": ("file_search", 1_000),
    "code_executions_kcount": ("code_run", 1_000),
    "requests_kcount": ("request", 1_000),
}
# Of what no usage of ours has a meter for: a call has none of it as far as anybody knows.
_NOT_METERED = re.compile(
    r"(?:.*_)?(?:video|citation|pixels|gpixels|pages|kpages|messages|rerank|social|tool|gram)(?:_.*)?"
)


class PublicPrice(NamedTuple):
    """What a model costs at one time and tier."""

    sheet: Sheet
    listed: "ModelPrice"
    """As the list has it, corrected."""
    note: str
    """Where it is from."""
    price: Mapping[str, str]
    """The same for metadata.price."""


@cache
def list_name() -> str:
    """The list with its version, as metadata.price keeps it."""
    # Imported here: to log calls that have prices of their own it is not needed.
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


class PublicModel:
    """A model that the list knows, and what it costs at any time."""

    def __init__(
        self, provider: "Provider", model: "ModelInfo", *, asked: str = "", guess: str = "", variant: str = ""
    ) -> None:
        """`asked` is the name that was looked for, `variant` OpenRouter's; `guess` says why it is one."""
        self.name = model.id
        self.own_names = {model.id.lower(), *names_in(model.match, ("equals",))}
        """Those that are in the list as a whole, and not by what they begin with or contain."""
        self._asked = asked or model.id.lower()
        self._provider = provider
        self._home = _home(provider, model)
        self._model = model
        self._guess, self._variant = guess, variant
        self._correction = correction_of(self._home, self._asked)
        self._prices: dict[tuple[object, ...], PublicPrice] = {}
        # The list gives the same objects until a price changes: to hold them keeps their ids theirs.
        self._kept: list[ModelPrice] = []
        self._latest: tuple[ModelPrice, PublicPrice] | None = None

    def also(self, *, asked: str, guess: str, variant: str = "") -> "PublicModel":
        """The same model by another name."""
        return PublicModel(self._provider, self._model, asked=asked, guess=guess, variant=variant)

    def price(self, at: datetime, service_tier: str | None) -> PublicPrice:
        """The price at `at` of this service tier, such as "flex" or "batch"."""
        at = at.astimezone(UTC)
        listed = self._model.get_prices(at)
        latest = self._latest
        if service_tier is None and latest is not None and latest[0] is listed:
            return latest[1]
        tier = tier_of(self._provider.id, service_tier)
        variants = self._variants(tier, listed, at) if tier is not None else ()
        key = (id(listed), tier, *((index, _is_to_come(each, at)) for index, each in variants))
        found = self._prices.get(key)
        if found is None:
            self._kept.append(listed)
            found = self._prices[key] = self._new_price(listed, tier, [each for _, each in variants], at)
        if service_tier is None:
            self._latest = listed, found
        return found

    def _variants(
        self, tier: str, listed: "ModelPrice", at: datetime
    ) -> "tuple[tuple[int, PriceVariant], ...]":
        """The list's price of the tier; also one that it dates later than the call, at unchanged prices."""
        found = []
        for name in (tier, "batch") if (self._home, tier) == ("openai", "flex") else (tier,):
            context = {"processing": name, "service_tier": name, "speed": name}
            for index, variant in enumerate(self._model.price_variants or ()):
                if any(context.get(key) != value for key, value in variant.when.items()):
                    continue
                begin = getattr(variant.constraint, "start_date", None)
                if variant.constraint is None or variant.constraint.active(at):
                    found.append((index, variant))
                elif begin is not None and not found:
                    then = datetime(begin.year, begin.month, begin.day, tzinfo=UTC)
                    if then > at and self._model.get_prices(then) is listed:
                        found.append((index, variant))
            if found:
                # One that holds goes before one that is to come; the library takes the first of those.
                return tuple(sorted(found, key=lambda item: _is_to_come(item[1], at)))[:1]
        return ()

    def _new_price(
        self, standard: "ModelPrice", tier: str | None, variants: "list[PriceVariant]", at: datetime
    ) -> PublicPrice:
        from genai_prices.types import ModelPrice

        correction = self._correction
        prices = {name: price for name, price in vars(standard).items() if price is not None}
        is_both = "input_mtok" in prices and "audio_hours" in prices
        rule = None if tier is None else TIER_RULES.get((self._provider.id, tier))
        guess = self._guess
        if correction is not None:
            # The list's price of a tier says nothing of what it has no price for.
            factor = rule.factor if rule is not None and variants else Decimal(1)
            prices |= {
                name: amount * factor if name.endswith("_mtok") else amount
                for name, amount in correction.amounts.items()
            }
            guess = guess or (correction.unsure_tiers or {}).get(tier or "", "")
        for variant in variants:
            prices |= {name: price for name, price in vars(variant.prices).items() if price is not None}
            if _is_to_come(variant, at) and rule is None:
                guess = guess or f"the list has the price of the tier {tier} only from a later day on"
        if variants:
            rule = None
        elif tier is not None:
            if rule is None:
                guess = f"at the standard tier, as none is known for the tier {tier}"
            elif rule.is_guess:
                guess = guess or f"that the tier {tier} costs {rule.factor.normalize():f} of the standard one"
        listed = ModelPrice(**prices)

        unknown = [name for name in prices if name not in _RATES_OF and not _NOT_METERED.fullmatch(name)]
        if unknown:
            guess = guess or f"the list has prices that no meter is known for: {', '.join(sorted(unknown))}"
        starts = sorted({tier.start for price in prices.values() for tier in getattr(price, "tiers", ())})
        guesses: dict[str, str] = {}
        if correction is not None:
            guesses = {_RATES_OF[name][0]: why for name, why in (correction.guesses or {}).items()}
        by_length: list[tuple[int, Rates]] = []
        for above in (0, *starts):
            rates, guessed = completed(self._home, self._asked, _rates(prices, above))
            guesses = guessed | guesses
            by_length.append((above, rates if rule is None else rule.rates(rates)))
        rates = by_length[0][1]
        searches = always_searches(self._asked)
        is_free = False
        if self._provider.id == "openrouter" and self._asked.endswith(":free"):
            is_free = not prices or not rates.input
        if self._variant == ONLINE:
            guess = "OpenRouter's web search is counted once, with its five results at $0.004 each"
            by_length = [
                (above, each._replace(request=(each.request or Decimal(0)) + Decimal("0.02")))
                for above, each in by_length
            ]
            rates = by_length[0][1]
        sheet = Sheet(
            rates,
            longer=by_length[1:],
            guesses=guesses,
            guess=guess,
            second_minimum=least_seconds(self._provider.id),
            always_searches=searches,
            searches_once=searches_once(self._home, self._asked),
            makes_pictures=makes_pictures(self._asked, rates),
            makes_audio=makes_audio(self._asked, rates),
            is_free=is_free,
            counts_both=is_both,
        )
        note = f"public price of {self.name}"
        price = {"list": list_name(), "model": self.name}
        if tier is not None and (variants or rule is not None):
            price["tier"] = tier
        if rule is not None:
            price["rule"] = f"{rule.factor.normalize():f} of the standard tier, as published"
        if correction is not None:
            note = f"{note}, corrected by {correction.source}"
            price["corrected"] = correction.cited
        return PublicPrice(sheet, listed, note, price)


def _is_to_come(variant: "PriceVariant", at: datetime) -> bool:
    return variant.constraint is not None and not variant.constraint.active(at)


def _rates(prices: Mapping[str, Any], prompt_tokens: int) -> Rates:
    """The list's rates of prompts with more tokens than these."""
    found: dict[str, Decimal] = {}
    for name, (rate, per) in _RATES_OF.items():
        price = prices.get(name)
        if price is None:
            continue
        if hasattr(price, "tiers"):
            amount = price.base
            for tier in price.tiers:
                if prompt_tokens >= tier.start:
                    amount = tier.price
            price = amount
        found[rate] = price / per
    return Rates(**found)


def correction_of(provider: str, model: str) -> Correction | None:
    """The correction of the model, or of the one that it is a snapshot of or was tuned from."""
    by_name = {each.model: each for each in CORRECTIONS if each.provider == provider}
    bases = [*names(model)]
    if model.endswith("-latest"):
        bases.append(model.removesuffix("-latest"))
    return next((by_name[name] for name in bases if name in by_name), None)


def _home(provider: "Provider", model: "ModelInfo") -> str:
    """Whose list the model stands in: Azure's, say, goes by OpenAI's for the models that those make."""
    from genai_prices import data

    if any(each is model for each in provider.models):
        return provider.id
    for name in provider.fallback_model_providers or ():
        other = next((each for each in data.providers if each.id == name), None)
        if other is not None and any(each is model for each in other.models):
            return other.id
    return provider.id


def names_in(match: Any, texts: tuple[str, ...]) -> Iterator[str]:
    """The names in a match of genai-prices, which is a tree of clauses, as far as `texts` has their kind."""
    for field, value in vars(match).items():
        if field in ("or_", "and_"):
            for clause in value:
                yield from names_in(clause, texts)
        elif field in texts:
            yield value.lower()
