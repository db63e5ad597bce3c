"""A row of model_prices: a price of the installation or of a client."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Literal

from analytics.pricing.publisher_rules import makes_audio, makes_pictures
from analytics.pricing.sheet import Rates, Sheet

Unit = Literal["1M tokens", "minute", "1M characters", "image"]
"""What input_usd is the price of: a million tokens of input, a minute of audio, a million characters to be
spoken, or a picture."""

ALL_MODELS = "*"

TOKEN_PRICES = (
    "cached_input_usd",
    "cache_write_usd",
    "cache_write_1h_usd",
    "audio_input_usd",
    "cached_audio_usd",
    "audio_output_usd",
    "image_input_usd",
    "cached_image_usd",
    "image_output_usd",
)
"""Prices of a million tokens of one kind, beside input and output."""
FEES = ("web_search_usd", "file_search_usd", "code_run_usd")
"""Prices of a thousand calls of a tool; they may stand beside any unit."""
AMOUNTS = ("input_usd", "output_usd", *TOKEN_PRICES, *FEES)
"""All that is an amount of money in a row; each but the first two may be null."""

NAMES = {
    "cached_input_usd": "cached input",
    "cache_write_usd": "cache writes",
    "cache_write_1h_usd": "cache writes for an hour",
    "audio_input_usd": "audio input",
    "cached_audio_usd": "cached audio",
    "audio_output_usd": "audio output",
    "image_input_usd": "picture input",
    "cached_image_usd": "cached pictures",
    "image_output_usd": "picture output",
    "web_search_usd": "web searches",
    "file_search_usd": "file searches",
    "code_run_usd": "code runs",
}
"""What the prices beside input and output are of."""


@dataclass(frozen=True, kw_only=True)
class ListedPrice:
    """A row of model_prices: US dollars per unit. `effective_until` is exclusive; None is for ever."""

    source: str
    model: str
    """A name, a pattern such as `my-deploy-*`, or `*`."""
    input_usd: Decimal = Decimal(0)
    output_usd: Decimal = Decimal(0)
    cached_input_usd: Decimal | None = None
    """None: as other input. Any other kind without a price is not covered."""
    unit: Unit = "1M tokens"
    client_id: str | None = None
    effective_from: datetime | None = None
    effective_until: datetime | None = None
    service_tier: str | None = None
    """The tier that it is of; None: the ordinary one."""
    above_prompt_tokens: int = 0
    """It is of prompts with more tokens than these."""
    discount_percent: Decimal | None = None
    """Off the public price, instead of any amount; below 0 it is a surcharge."""
    cache_write_usd: Decimal | None = None
    cache_write_1h_usd: Decimal | None = None
    audio_input_usd: Decimal | None = None
    cached_audio_usd: Decimal | None = None
    audio_output_usd: Decimal | None = None
    image_input_usd: Decimal | None = None
    cached_image_usd: Decimal | None = None
    image_output_usd: Decimal | None = None
    web_search_usd: Decimal | None = None
    file_search_usd: Decimal | None = None
    code_run_usd: Decimal | None = None

    def holds_at(self, at: datetime) -> bool:
        return (self.effective_from is None or self.effective_from <= at) and (
            self.effective_until is None or at < self.effective_until
        )

    @property
    def list_name(self) -> str:
        return "installation" if self.client_id is None else "client"

    @cached_property
    def note(self) -> str:
        """Whose price it is, in words."""
        return (
            f"{self.list_name}'s price of "
            f"{f'all models of {self.source}' if self.model == ALL_MODELS else self.model}"
        )

    @cached_property
    def facts(self) -> Mapping[str, str]:
        """The same for metadata.price."""
        facts = {"list": self.list_name, "model": self.model}
        if self.discount_percent is not None:
            facts["discount_percent"] = f"{self.discount_percent.normalize():f}"
        if self.service_tier is not None:
            facts["tier"] = self.service_tier
        if self.above_prompt_tokens:
            facts["above_prompt_tokens"] = str(self.above_prompt_tokens)
        return facts

    @property
    def amounts(self) -> dict[str, Decimal]:
        """All prices that are set, by name."""
        return {name: price for name in AMOUNTS if (price := getattr(self, name)) is not None}

    @cached_property
    def is_free(self) -> bool:
        """Whether nothing of the model costs anything: a plan of the provider's."""
        if self.discount_percent is not None:
            return self.discount_percent == 100
        return self.unit == "1M tokens" and not any(self.amounts.values())

    def sheet(self, model: str, other_tier: str | None = None) -> Sheet:
        """The rates for calls of the model; `other_tier` is theirs, where the price is of another."""
        if self.is_free:
            return Sheet(Rates(), is_free=True)
        more = {
            name.removesuffix("_usd"): price / (1_000 if name in FEES else 1_000_000)
            for name in (*TOKEN_PRICES, *FEES)
            if (price := getattr(self, name)) is not None
        }
        if self.unit == "minute":
            rates = Rates(hour=self.input_usd * 60, **more)
        elif self.unit == "1M characters":
            rates = Rates(character=self.input_usd / 1_000_000, **more)
        elif self.unit == "image":
            rates = Rates(image=self.input_usd, **more)
        else:
            rates = Rates(input=self.input_usd / 1_000_000, output=self.output_usd / 1_000_000, **more)
        guess = (
            f"it is of the ordinary tier, as none is known for the tier {other_tier}" if other_tier else ""
        )
        return Sheet(
            rates,
            guess=guess,
            makes_pictures=makes_pictures(model, rates),
            makes_audio=makes_audio(model, rates),
        )
