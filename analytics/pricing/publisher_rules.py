"""What providers publish as a rule, and the public list has no price for each model of.

Such as: a batch costs half. A price by a rule is a price; only where the rule is a guess for this model, the
cost is an estimate. Each rule has its source.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from analytics.pricing.sheet import Rates

_HALF = Decimal("0.5")
_FEES = ("web_search", "file_search", "code_run", "request")
_CACHE_READS = ("cached_input", "cached_audio", "cached_image")


class TierRule(NamedTuple):
    """What a tier costs, as a part of the ordinary price; fees of tools stay as they are."""

    factor: Decimal
    keeps_cached: bool = False
    """Whether cached input costs what it does otherwise."""
    cached_is_input: bool = False
    """Whether cached input costs what other input of the tier does."""
    is_guess: bool = False

    def rates(self, rates: Rates) -> Rates:
        scaled = rates.times(self.factor)
        kept = {name: getattr(rates, name) for name in _FEES}
        if self.keeps_cached:
            kept |= {name: getattr(rates, name) for name in _CACHE_READS}
        elif self.cached_is_input and rates.cached_input is not None:
            kept["cached_input"] = scaled.input
        return scaled._replace(**kept)


ORDINARY_TIERS = frozenset(
    {"", "default", "auto", "standard", "standard_only", "on_demand", "on-demand", "ondemand"}
)
"""Names of the tier that a price list is of where it says nothing else."""

_ORDINARY_AT = {
    # "Pricing matches the on-demand tier": https://console.groq.com/docs/flex-processing
    "groq": frozenset({"flex"}),
}

TIER_RULES: Mapping[tuple[str, str], TierRule] = {
    # https://developers.openai.com/api/docs/guides/batch; flex is "at Batch API rates":
    # https://developers.openai.com/api/docs/guides/flex-processing
    ("openai", "batch"): TierRule(_HALF),
    ("openai", "flex"): TierRule(_HALF),
    # https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch
    ("azure", "batch"): TierRule(_HALF),
    # Cache reads and writes, too: https://platform.claude.com/docs/en/build-with-claude/batch-processing
    ("anthropic", "batch"): TierRule(_HALF),
    # "Does not stack with prompt caching": https://console.groq.com/docs/batch
    ("groq", "batch"): TierRule(_HALF, cached_is_input=True),
    # https://ai.google.dev/gemini-api/docs/pricing: context caching stays at the ordinary price.
    ("google", "batch"): TierRule(_HALF, keeps_cached=True),
    ("google", "flex"): TierRule(_HALF, keeps_cached=True),
    ("google", "priority"): TierRule(Decimal("1.8")),
    # https://docs.mistral.ai/capabilities/batch
    ("mistral", "batch"): TierRule(_HALF),
    # https://docs.x.ai/docs/guides/batch-api, https://aws.amazon.com/bedrock/pricing: of chosen models.
    ("x-ai", "batch"): TierRule(_HALF),
    ("aws", "batch"): TierRule(_HALF, is_guess=True),
}

# Names of tiers that are another one's.
_SAME_TIER = {
    "batches": "batch",
    "batch_api": "batch",
    "message_batches": "batch",
    # Vertex: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/priority-paygo
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}


def tier_of(provider: str, service_tier: str | None) -> str | None:
    """The tier in lower case; None for the provider's ordinary one."""
    tier = (service_tier or "").strip().lower()
    if tier in ORDINARY_TIERS or tier in _ORDINARY_AT.get(provider, ()):
        return None
    return _SAME_TIER.get(tier, tier)


# Writing for five minutes costs 1.25 times the input, for an hour 2 times, of every Claude whoever sells it:
# https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing
_CLAUDE = re.compile(r"(?:^|[./-])claude")
_CLAUDE_WRITE, _CLAUDE_WRITE_1H = Decimal("1.25"), Decimal(2)
# "There is no extra fee" for writing, of models without a price of it:
# https://developers.openai.com/api/docs/guides/prompt-caching, https://console.groq.com/docs/prompt-caching
_WRITES_ARE_INPUT = frozenset({"openai", "azure", "groq", "deepseek", "x-ai", "google"})
# Audio costs what text does where the page has no price of its own: https://ai.google.dev/gemini-api/docs/pricing
_AUDIO_IS_INPUT = frozenset({"google"})

# A model that speaks sells its answer as audio, and one that draws as pictures.
_SPEAKS = re.compile(r"(?:^|[-/])tts(?:-|$)")
_DRAWS = re.compile(r"image|nano-banana")
_TALKS = re.compile(r"(?:^|[-/])(?:realtime|audio|live)(?:-|$)")

# Fees per call of a tool, of models whose entry in the list has none. OpenAI: of all that have the tool,
# https://developers.openai.com/api/docs/pricing#built-in-tools; Anthropic:
# https://platform.claude.com/docs/en/about-claude/pricing#web-search-tool
_FEES_AT: Mapping[str, Mapping[str, Decimal]] = {
    "openai": {"web_search": Decimal("0.01"), "file_search": Decimal("0.0025"), "code_run": Decimal("0.03")},
    "anthropic": {"web_search": Decimal("0.01")},
    "groq": {"web_search": Decimal("0.005")},
    # Runs code at no charge beyond tokens: https://ai.google.dev/gemini-api/docs/code-execution
    "google": {"code_run": Decimal(0)},
}
_GUESSED_FEES: Mapping[tuple[str, str], str] = {
    (
        "openai",
        "code_run",
    ): "each code run is counted as a session, at $0.03; several may share one",
    ("groq", "web_search"): "each web search is counted as a basic one, at $0.005",
}
# "$35 / 1,000 grounded prompts", and later "search queries": https://ai.google.dev/gemini-api/docs/pricing
_PAYS_PER_PROMPT = re.compile(r"gemini-[12](?:\.|-)")
# Search models of the chat API search in every call: https://developers.openai.com/api/docs/guides/tools-web-search
_ALWAYS_SEARCHES = re.compile(r"(?:.*/)?gpt-[\w.-]+-search-(?:preview|api).*")


def completed(provider: str, model: str, rates: Rates) -> tuple[Rates, dict[str, str]]:
    """The rates, completed by the provider's rules; and those of them that are guesses, with why."""
    found: dict[str, Decimal | None] = {}
    guesses: dict[str, str] = {}
    if rates.input is not None:
        if rates.cache_write is None:
            if _CLAUDE.search(model):
                found["cache_write"] = rates.input * _CLAUDE_WRITE
            elif provider in _WRITES_ARE_INPUT:
                found["cache_write"] = rates.input
        if rates.cache_write_1h is None and _CLAUDE.search(model):
            found["cache_write_1h"] = rates.input * _CLAUDE_WRITE_1H
        # Pictures to look at are tokens like others, unless they have a price.
        if rates.image_input is None:
            found["image_input"] = rates.input
            found["cached_image"] = rates.input if rates.cached_input is None else rates.cached_input
        if rates.audio_input is None and provider in _AUDIO_IS_INPUT:
            found["audio_input"] = rates.input
            found["cached_audio"] = rates.input if rates.cached_input is None else rates.cached_input
    if rates.audio_output is None and _SPEAKS.search(model):
        found["audio_output"] = rates.output
    for name, fee in _FEES_AT.get(provider, {}).items():
        if getattr(rates, name) is None:
            found[name] = fee
            if reason := _GUESSED_FEES.get((provider, name)):
                guesses[name] = reason
    if provider == "perplexity" and rates.request is not None:
        guesses["request"] = "the fee of a request depends on the size of the search: the highest is counted"
    return rates._replace(**found), guesses


def always_searches(model: str) -> bool:
    """Whether each call of the model is one web search, whatever it says."""
    return _ALWAYS_SEARCHES.fullmatch(model) is not None


def searches_once(provider: str, model: str) -> bool:
    """Whether a search is paid for by the call; from Gemini 3 on each query is, as with all others."""
    return provider == "google" and _PAYS_PER_PROMPT.search(model) is not None


def makes_pictures(model: str, rates: Rates) -> bool:
    """Whether output of an unknown kind may be pictures, which cost more than its text."""
    return rates.image_output != rates.output and _DRAWS.search(model) is not None


def makes_audio(model: str, rates: Rates) -> bool:
    """Whether tokens of an unknown kind may be audio, which costs more than text."""
    if rates.audio_output is not None:
        return rates.audio_output != rates.output
    return _TALKS.search(model) is not None


def least_seconds(provider: str) -> int:
    """The least length of audio that is charged for; Groq: https://console.groq.com/docs/speech-to-text."""
    return 10 if provider == "groq" else 0
