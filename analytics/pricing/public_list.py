"""The public price list, genai-prices, asked for one model by its exact name."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from analytics.pricing.list_corrections import Correction
from analytics.pricing.model_names import (
    DATE,
    ONLINE,
    OPENROUTER_ROUTES,
    OPENROUTER_SAME,
    SNAPSHOT,
    names,
    openrouter_variant,
    public_provider,
    tuned_at_azure,
)
from analytics.pricing.public_model import PublicModel, PublicPrice, correction_of, list_name, names_in

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

__all__ = [
    "PublicModel",
    "PublicPrice",
    "is_listed_snapshot",
    "list_name",
    "listed_snapshots",
    "public_model",
]

# What may stand around a public name without making it another model: region and vendor, date and revision.
_BEFORE_NAME = re.compile(r"(?:(?:us|eu|apac|jp|au|global)\.)?(?:anthropic\.)?")
_AFTER_NAME = re.compile(rf"(?:[-@](?:{DATE}|latest))?(?:-00\d)?(?:-v\d+)?(?::\d+)?")

_TEXTS = ("equals", "starts_with", "contains", "ends_with")


# The match is dear (a tenth of a millisecond) and depends on no date; the price at a time is cheap to get.
@lru_cache(maxsize=4096)
def public_model(source: str, model: str) -> PublicModel | None:
    """The model that the list has under this name or its base name, or None."""
    provider = _provider(source)
    if provider is None or not model:
        return None
    if provider.id == "azure" and (base := tuned_at_azure(model)):
        tuned = _found(provider, model)
        of_base = tuned or _found(provider, base)
        if of_base is None:
            return None
        what = "the fine-tuned model's price" if tuned else f"the price of {base}"
        guess = f"{what}, without what Azure bills for hosting by the hour"
        return of_base.also(asked=model, guess=guess)
    if found := _found(provider, model):
        return found
    if provider.id == "openrouter" and (named := openrouter_variant(model)):
        base, variant = named
        if variant == "free":
            return _free(provider, model)
        if variant in OPENROUTER_SAME | OPENROUTER_ROUTES | {ONLINE} and (of_base := _found(provider, base)):
            guess = (
                f"the price of {base}: with :{variant} it is that of whoever answers"
                if variant in OPENROUTER_ROUTES
                else ""
            )
            return of_base.also(asked=base, guess=guess, variant=variant)
    return None


def _found(provider: "Provider", model: str) -> PublicModel | None:
    # Imported here because it takes a quarter of a second, which migrations, page views and applications
    # that use only what the installation prices never need to spend.
    from genai_prices import data

    for name in names(model):
        found = provider.find_model(name, all_providers=data.providers)
        if found is not None and (_is_called(found, name) or _is_tuned_at_azure(found, name)):
            return PublicModel(provider, found, asked=model)
    correction = correction_of(provider.id, model)
    return None if correction is None else PublicModel(provider, _corrected(correction), asked=model)


def _is_tuned_at_azure(public: "ModelInfo", name: str) -> bool:
    """Whether the list has the fine-tuned model by the name before its id: `gpt-4o-mini-2024-07-18.ft-`."""
    begun = [known for known in names_in(public.match, ("starts_with",)) if known.endswith(".ft-")]
    return any(name.startswith(known) for known in begun)


def _corrected(correction: Correction) -> "ModelInfo":
    """A model that only a correction knows."""
    from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice

    return ModelInfo(
        id=correction.model, match=ClauseEquals(correction.model), prices=ModelPrice(**correction.amounts)
    )


def _free(provider: "Provider", model: str) -> PublicModel:
    """OpenRouter charges nothing for what is called `:free`: https://openrouter.ai/docs/faq."""
    from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice

    return PublicModel(
        provider, ModelInfo(id=model, match=ClauseEquals(model), prices=ModelPrice()), asked=model
    )


def _provider(source: str) -> "Provider | None":
    from genai_prices import data

    provider_id = public_provider(source)
    return next((each for each in data.providers if each.id == provider_id), None)


def listed_snapshots(source: str, base_name: str) -> list[str]:
    """The dated snapshots of this model that the list has by their own names."""
    provider = _provider(source)
    dated = {
        name
        for model in (provider.models if provider else ())
        for name in names_in(model.match, ("equals",))
        if base_name in list(names(name))[1:]
    }
    return sorted(dated)


def is_listed_snapshot(source: str, model: str) -> bool:
    """Whether the model is a dated snapshot that the list has a price for by this very name."""
    if not SNAPSHOT.fullmatch(model):
        return False
    public = public_model(source, model)
    return public is not None and model in public.own_names


def _is_called(public: "ModelInfo", name: str) -> bool:
    """Whether `name` is one of the model's names, and not just something that begins or looks like it."""
    for known in {public.id.lower(), *names_in(public.match, _TEXTS)}:
        before, is_part, after = name.partition(known)
        if is_part and _BEFORE_NAME.fullmatch(before) and _AFTER_NAME.fullmatch(after):
            return True
    return False
