"""The public price list, genai-prices, asked for one model by its exact name."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider

# Providers by the names that applications log, where the public list has another. Its own matching takes
# any name that contains "openai", a local imitation included.
PUBLIC_PROVIDERS = {
    "bedrock": "aws",
    "gemini": "google",
    "vertex": "google",
    "mistralai": "mistral",
    "xai": "x-ai",
    # As the guide names the source of OpenAI's transcriptions.
    "whisper": "openai",
}

# 2024-08-06, 20240806 or 0806, each a valid date: "mistral-large-2407" names a version, not the 24/07.
_DATE = (
    r"(?:20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"|20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
)
_SNAPSHOT = re.compile(rf"(?P<base>.+)[-@]{_DATE}")
# What may stand around a public name without making it another model: region and vendor, date and revision.
_BEFORE_NAME = re.compile(r"(?:(?:us|eu|apac|jp|au|global)\.)?(?:anthropic\.)?")
_AFTER_NAME = re.compile(rf"(?:[-@](?:{_DATE}|latest))?(?:-00\d)?(?:-v\d+)?(?::\d+)?")

_TEXTS = ("equals", "starts_with", "contains", "ends_with")

STANDARD_TIERS = frozenset({None, "", "default", "auto", "standard", "standard_only"})

# Our names of a call's parts, and the library's.
_LIBRARY_NAMES = {
    "cached_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "prompt_audio_tokens": "input_audio_tokens",
    "cached_audio_tokens": "cache_audio_read_tokens",
    "prompt_image_tokens": "input_image_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "completion_audio_tokens": "output_audio_tokens",
}
# Prices of what a call of plain text has none of. A list with other prices than these and the three of Rates
# is left to the library's own, slower way (0.14 ms a call).
_NOT_OF_TEXT = re.compile(r"(?:.*_)?(?:audio|image|video|searches|executions|write)(?:_.*)?")


class Rates(NamedTuple):
    """US dollars per token of plain text."""

    input: Decimal
    cached_input: Decimal
    output: Decimal | None
    """None: the model answers with none."""


class PublicPrice(NamedTuple):
    """What a model costs at one time."""

    rates: Rates | None
    """None: the library has to calculate."""
    is_of_tier: bool
    """Whether it is a price of the call's tier; otherwise of the standard one."""
    listed: "ModelPrice"
    model: "ModelInfo"
    provider: "Provider"

    @property
    def has_tokens(self) -> bool:
        """Whether the model is sold by tokens."""
        return vars(self.listed).get("input_mtok") is not None

    def amount_usd(
        self, prompt_tokens: int, completion_tokens: int, parts: Mapping[str, int]
    ) -> Decimal | None:
        """US dollars of a call by its tokens; None where the list has no price for tokens of this kind."""
        from genai_prices import Usage

        listed = vars(self.listed)
        for part, price in (
            ("prompt_audio_tokens", "input_audio_mtok"),
            ("completion_audio_tokens", "output_audio_mtok"),
        ):
            # The library would take the price of text, a tenth of what audio costs.
            if parts.get(part) and listed.get(price) is None:
                return None
        if listed.get("input_mtok") is None and prompt_tokens:
            return None
        if listed.get("output_mtok") is None and completion_tokens:
            return None
        if listed.get("input_mtok") is None and listed.get("output_mtok") is None:
            return None
        used = {_LIBRARY_NAMES[part]: count for part, count in parts.items() if count}
        try:
            return self.listed.calc_price(
                Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens, **used)
            )["total_price"]
        except ValueError:  # parts that do not fit into their whole
            return None

    def audio_amount_usd(self, seconds: Decimal, at: datetime) -> Decimal | None:
        """US dollars of audio by its length, Groq's ten seconds at the least included."""
        from genai_prices import Usage

        if self.listed.input_audio_hours is None and self.listed.audio_hours is None:
            return None
        usage = Usage(input_audio_seconds=seconds, audio_seconds=seconds)
        answer = self.model.calc_price(usage, self.provider, genai_request_timestamp=at.astimezone(UTC))
        return answer.total_price


@cache
def list_name() -> str:
    """The list with its version, as metadata.price keeps it."""
    # Imported here: to log calls that have prices of their own it is not needed.
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


def names(model: str) -> Iterator[str]:
    """The model's own name, then that of which it is a dated snapshot."""
    yield model
    if snapshot := _SNAPSHOT.fullmatch(model):
        yield snapshot["base"]


class PublicModel:
    """A model that the list knows, and what it costs at any time."""

    def __init__(self, provider: "Provider", model: "ModelInfo") -> None:
        self.name = model.id
        self.own_names = {model.id.lower(), *_names_in(model.match, ("equals",))}
        """Those that are in the list as a whole, and not by what they begin with or contain."""
        self._provider = provider
        self._model = model
        self._latest: PublicPrice | None = None

    def price(self, at: datetime, tier: str | None) -> PublicPrice:
        """The price at `at` of this service tier, such as "flex" or "batch"."""
        at = at.astimezone(UTC)
        if tier in STANDARD_TIERS:
            listed = self._model.get_prices(at)
            latest = self._latest
            # The list gives the same object until the price changes.
            if latest is None or latest.listed is not listed:
                self._latest = latest = self._price(listed, is_of_tier=True)
            return latest
        context = {"processing": "batch"} if tier == "batch" else {"service_tier": str(tier)}
        is_of_tier = any(
            all(context.get(key) == value for key, value in variant.when.items())
            and (variant.constraint is None or variant.constraint.active(at))
            for variant in self._model.price_variants or ()
        )
        return self._price(self._model.get_prices(at, context), is_of_tier=is_of_tier)

    def _price(self, listed: "ModelPrice", *, is_of_tier: bool) -> PublicPrice:
        return PublicPrice(_rates(listed), is_of_tier, listed, self._model, self._provider)


def _rates(price: "ModelPrice") -> Rates | None:
    listed = {key: value for key, value in vars(price).items() if value is not None}
    input_usd, output_usd = listed.pop("input_mtok", None), listed.pop("output_mtok", None)
    cached_usd = listed.pop("cache_read_mtok", input_usd)
    is_plain = (
        isinstance(input_usd, Decimal)
        and isinstance(cached_usd, Decimal)
        and isinstance(output_usd, (Decimal, type(None)))
        and all(_NOT_OF_TEXT.fullmatch(key) for key in listed)
    )
    if not is_plain:
        return None
    output = None if output_usd is None else output_usd / 1_000_000
    return Rates(input_usd / 1_000_000, cached_usd / 1_000_000, output)


# The match is dear (a tenth of a millisecond) and depends on no date; the price at a time is cheap to get.
@lru_cache(maxsize=4096)
def public_model(source: str, model: str) -> PublicModel | None:
    """The model that the list has under this name or its base name, or None."""
    # Imported here because it takes a quarter of a second, which migrations, page views and applications
    # that use only what the installation prices never need to spend.
    from genai_prices import data

    provider = _provider(source)
    if provider is None or not model:
        return None
    for name in names(model):
        found = provider.find_model(name, all_providers=data.providers)
        if found is not None and _is_called(found, name):
            return PublicModel(provider, found)
    return None


def _provider(source: str) -> "Provider | None":
    from genai_prices import data

    provider_id = PUBLIC_PROVIDERS.get(source, source)
    return next((each for each in data.providers if each.id == provider_id), None)


def listed_snapshots(source: str, base_name: str) -> list[str]:
    """The dated snapshots of this model that the list has by their own names."""
    provider = _provider(source)
    dated = {
        name
        for model in (provider.models if provider else ())
        for name in _names_in(model.match, ("equals",))
        if base_name in list(names(name))[1:]
    }
    return sorted(dated)


def is_listed_snapshot(source: str, model: str) -> bool:
    """Whether the model is a dated snapshot that the list has a price for by this very name."""
    if not _SNAPSHOT.fullmatch(model):
        return False
    public = public_model(source, model)
    return public is not None and model in public.own_names


def _is_called(public: "ModelInfo", name: str) -> bool:
    """Whether `name` is one of the model's names, and not just something that begins or looks like it."""
    for known in {public.id.lower(), *_names_in(public.match, _TEXTS)}:
        before, is_part, after = name.partition(known)
        if is_part and _BEFORE_NAME.fullmatch(before) and _AFTER_NAME.fullmatch(after):
            return True
    return False


def _names_in(match: Any, texts: tuple[str, ...]) -> Iterator[str]:
    """The names in a match of genai-prices, which is a tree of clauses, as far as `texts` has their kind."""
    for field, value in vars(match).items():
        if field in ("or_", "and_"):
            for clause in value:
                yield from _names_in(clause, texts)
        elif field in texts:
            yield value.lower()
