"""The public list beside a second one, LiteLLM's: in which prices of a model the two differ.

LiteLLM's list is its file model_prices_and_context_window.json: the one of the installed package, or one that
was downloaded from https://github.com/BerriAI/litellm. Its code is never imported.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from analytics.errors import InvalidInput
from analytics.pricing.model_names import names, public_provider
from analytics.pricing.public_list import public_model

_MAX_BYTES = 50_000_000
_SECONDS = 30
_IN_PACKAGE = "litellm/model_prices_and_context_window_backup.json"
_PER = {"character": 1_000_000, "hour": 1, "web_search": 1_000, "code_run": 1_000}

# LiteLLM's prices by its names, our rates, and how many of its units one of ours is.
_RATES_OF = {
    "input_cost_per_token": ("input", 1),
    "cache_read_input_token_cost": ("cached_input", 1),
    "output_cost_per_token": ("output", 1),
    "cache_creation_input_token_cost": ("cache_write", 1),
    "cache_creation_input_token_cost_above_1hr": ("cache_write_1h", 1),
    "output_cost_per_reasoning_token": ("reasoning", 1),
    "input_cost_per_audio_token": ("audio_input", 1),
    "cache_read_input_audio_token_cost": ("cached_audio", 1),
    "output_cost_per_audio_token": ("audio_output", 1),
    "input_cost_per_image_token": ("image_input", 1),
    "cache_read_input_image_token_cost": ("cached_image", 1),
    "output_cost_per_image_token": ("image_output", 1),
    "input_cost_per_character": ("character", 1),
    "input_cost_per_second": ("hour", 3600),
    "search_context_cost_per_query": ("web_search", 1),
}
_TIERS = {"": None, "batches": "batch", "flex": "flex", "priority": "priority"}
_KEY = re.compile(r"(?P<base>.+?)(?:_above_(?P<above>\d+)k_tokens)?(?:_(?P<tier>batches|flex|priority))?")
# A rate that a list has not costs what this one does.
_ELSE = {"cached_input": "input", "cached_audio": "audio_input", "image_input": "input"}


class Difference(NamedTuple):
    """A price on which the lists differ: US dollars per 1M tokens or characters, hour, or 1,000 calls."""

    source: str
    model: str
    tier: str | None
    above_prompt_tokens: int
    meter: str
    ours_usd: Decimal | None
    """None: our list cannot price it."""
    theirs_usd: Decimal


def litellm_list(place: str = "") -> dict[str, dict[str, Any]]:
    """LiteLLM's entries by name, from a file, an address, or by default the installed package.

    Raises:
        InvalidInput: there is no such file, answer or package, or it is no such list.
    """
    if not place:
        try:
            place = str(distribution("litellm").locate_file(_IN_PACKAGE))
        except PackageNotFoundError:
            raise InvalidInput(
                "the package litellm is not installed: name its list with --litellm, a file or the address "
                "of model_prices_and_context_window.json"
            ) from None
    try:
        content = _content(place)
        if len(content) > _MAX_BYTES:
            raise InvalidInput(f"{place} is larger than {_MAX_BYTES:,} bytes: it is not LiteLLM's list")
        entries = json.loads(content, parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{place} cannot be read as LiteLLM's list: {error}") from None
    if not isinstance(entries, dict) or not all(isinstance(each, dict) for each in entries.values()):
        raise InvalidInput(f"{place} is not LiteLLM's list: it must be an object of models")
    return {name: entry for name, entry in entries.items() if name != "sample_spec"}


def _content(place: str) -> bytes:
    """As many bytes of it as the list may have, and one more."""
    if place.startswith("https://"):
        with urlopen(place, timeout=_SECONDS) as answer:
            content: bytes = answer.read(_MAX_BYTES + 1)
            return content
    with Path(place).open("rb") as file:
        return file.read(_MAX_BYTES + 1)


def only_theirs(
    entries: Mapping[str, Mapping[str, Any]], models: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Those of these (source, model) that only LiteLLM's list has a price for."""
    return [
        (source, model)
        for source, model in models
        if public_model(source, model) is None and _entry(entries, source, model) is not None
    ]


def differences(
    entries: Mapping[str, Mapping[str, Any]],
    at: datetime,
    models: Iterable[tuple[str, str]] | None = None,
) -> list[Difference]:
    """All prices on which the two differ at `at`, of these (source, model), or of all that both know."""
    return [
        difference
        for source, model, entry in _both(entries, models)
        for difference in _of_model(source, model, entry, at)
    ]


def known_to_both(
    entries: Mapping[str, Mapping[str, Any]], models: Iterable[tuple[str, str]] | None = None
) -> list[tuple[str, str]]:
    """The (source, model) that both lists have, of these or of all of LiteLLM's."""
    return [(source, model) for source, model, _ in _both(entries, models)]


def _both(
    entries: Mapping[str, Mapping[str, Any]], models: Iterable[tuple[str, str]] | None
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    if models is None:
        for name, entry in entries.items():
            source = str(entry.get("litellm_provider", ""))
            model = name.removeprefix(f"{source}/")
            if public_model(source, model.lower()) is not None:
                yield source, model, entry
        return
    for source, model in models:
        theirs = None if public_model(source, model) is None else _entry(entries, source, model)
        if theirs is not None:
            yield source, model, theirs


def _entry(entries: Mapping[str, Mapping[str, Any]], source: str, model: str) -> Mapping[str, Any] | None:
    """LiteLLM's entry of the model, by its own name or that of which it is a snapshot."""
    provider = public_provider(source)
    for name in names(model):
        for key in (f"{source}/{name}", f"{provider}/{name}", name):
            entry = entries.get(key)
            if entry and public_provider(str(entry.get("litellm_provider", ""))) == provider:
                return entry
    return None


def _of_model(source: str, model: str, entry: Mapping[str, Any], at: datetime) -> Iterator[Difference]:
    public = public_model(source, model.lower())
    assert public is not None
    theirs = _their_rates(entry)
    for (tier, above), rates in sorted(theirs.items(), key=lambda item: (item[0][0] or "", item[0][1])):
        ours = public.price(at, tier).sheet.rates_for(above + 1 if above else 0)
        for rate, theirs_usd in rates.items():
            per = _PER.get(rate, 1_000_000)
            found = getattr(ours, rate)
            if found is None and rate in _ELSE:
                found = getattr(ours, _ELSE[rate])
            ours_usd = None if found is None else found * per
            if ours_usd == theirs_usd * per or (ours_usd is None and not theirs_usd):
                continue
            yield Difference(source, model, tier, above, rate, ours_usd, theirs_usd * per)


def _their_rates(entry: Mapping[str, Any]) -> dict[tuple[str | None, int], dict[str, Decimal]]:
    """US dollars per unit of ours, by tier and length of prompt."""
    found: dict[tuple[str | None, int], dict[str, Decimal]] = {}
    for key, value in entry.items():
        parts = _KEY.fullmatch(key)
        if parts is None or parts["base"] not in _RATES_OF:
            continue
        rate, factor = _RATES_OF[parts["base"]]
        if isinstance(value, dict):
            value = value.get("search_context_size_medium")
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            continue
        of = (_TIERS[parts["tier"] or ""], int(parts["above"] or 0) * 1_000)
        found.setdefault(of, {})[rate] = Decimal(value) * factor
    return found
