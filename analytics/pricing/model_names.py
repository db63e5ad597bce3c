"""Names of providers and models: as calls are logged with them, and as lists have them.

Matching is exact. What may stand around a name without making it another model is listed here: a date, the
name of a provider before it, an organisation and an id behind the name of a fine-tuned model.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from analytics.pricing.provider_names import known_source, passes_on, source_before_slash

# The public list's names of sources that it calls something else.
_PUBLIC = {"bedrock": "aws", "xai": "x-ai", "voyage": "voyageai", "whisper": "openai"}
# Sources before a slash that have only one name.
_OTHER_PREFIXES = frozenset({"minimax", "voyageai", "zai"})
# What stands before a model's name in a call and says how it is reached: LiteLLM's routes, Bedrock's regions
# and ARNs, paths of Vertex and Fireworks, "models/" of Gemini's API, Azure's kinds of deployments.
_ROUTES = re.compile(
    r"(?:(?:converse|converse_like|invoke|responses|chat)/)?(?:[a-z]{2}(?:-[a-z]+)+-\d/)?"
    r"(?:arn:aws[^:]*:bedrock:[^/]*:(?:inference-profile|foundation-model)/"
    r"|(?:projects/[^/]+/locations/[^/]+/)?publishers/[^/]+/models/"
    r"|accounts/fireworks/models/|models/|global/|global-standard/)?"
)
# At a tenth more than elsewhere: https://azure.microsoft.com/pricing/details/cognitive-services/openai-service
_DATA_ZONES = ("eu/", "us/")

# 2024-08-06, 20240806 or 0806, each a valid date: "mistral-large-2407" names a version, not the 24/07.
DATE = (
    r"(?:20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"|20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
)
SNAPSHOT = re.compile(rf"(?P<base>.+)[-@]{DATE}")
# ft:gpt-4o-mini-2024-07-18:organisation:suffix:id, and Azure's gpt-4o-mini-2024-07-18.ft-0e2f.
_FINE_TUNED = re.compile(r"(?P<name>ft:[^:]+):.*")
_FINE_TUNED_AT_AZURE = re.compile(r"(?P<name>.+)\.ft-.+")
_OF_OPENROUTER = re.compile(r"(?P<name>.+):(?P<variant>[a-z]+)")

OPENROUTER_SAME = frozenset({"beta", "thinking"})
"""Variants of OpenRouter that cost what the model does."""
OPENROUTER_ROUTES = frozenset({"nitro", "floor", "exacto"})
"""Variants that choose among those who sell the model, at their prices."""
ONLINE = "online"


class Named(NamedTuple):
    """A model by the name of who sells it."""

    source: str
    model: str
    guess: str = ""
    """Why its price is a guess."""


def sellers(source: str, model: str) -> Iterator[Named]:
    """As the call names it, then by the provider before the model: `azure/gpt-4o` of a gateway."""
    yield Named(source, model)
    known = known_source(source)
    if known is not None and known != source:
        # A call of before names were one for all doors.
        yield Named(known, model)
    if bare := _without_route(model):
        yield Named(known or source, bare)
        return
    prefix, _, rest = model.partition("/")
    seller = source_before_slash(model) or (prefix if prefix in _OTHER_PREFIXES else None)
    if not rest or seller is None:
        return
    is_own = public_provider(source) == public_provider(seller)
    # OpenAI's package talks to all gateways, and its instrumentors call each of them "openai".
    if not is_own and not passes_on(source) and source != "openai":
        return
    guess = "" if is_own or passes_on(source) else f"{source} is named as the provider"
    if public_provider(seller) == "azure" and rest.startswith(_DATA_ZONES):
        _, _, rest = rest.partition("/")
        guess = guess or "without what Azure adds for a data zone"
    yield Named(seller, rest, guess)
    if bare := _without_route(rest):
        yield Named(seller, bare, guess)


def _without_route(model: str) -> str:
    """The name without its route; empty where it has none."""
    found = _ROUTES.match(model)
    return model[found.end() :] if found and found.end() else ""


def public_provider(source: str) -> str:
    """The public list's name for it. Its own matching takes any name that contains "openai"."""
    known = known_source(source) or source
    return _PUBLIC.get(known, known)


def names(model: str) -> Iterator[str]:
    """The model's own name, then that of the model it was tuned from, then that of which it is a snapshot."""
    yield model
    tuned = _FINE_TUNED.fullmatch(model)
    if tuned:
        model = tuned["name"]
        yield model
    if snapshot := SNAPSHOT.fullmatch(model):
        yield snapshot["base"]


def tuned_at_azure(model: str) -> str | None:
    """The model that Azure's fine-tuned one was made of; None where it is none."""
    found = _FINE_TUNED_AT_AZURE.fullmatch(model)
    return found["name"] if found else None


def openrouter_variant(model: str) -> tuple[str, str] | None:
    """`openai/gpt-4o:nitro` as the model and the variant; None where it names none."""
    found = _OF_OPENROUTER.fullmatch(model)
    return (found["name"], found["variant"]) if found else None


def is_pattern(model: str) -> bool:
    """Whether a price of this name is for all that match it: `my-deploy-*`."""
    return "*" in model and model != "*"


def matches(pattern: str, model: str) -> bool:
    """Whether the model's whole name is like the pattern, in which `*` stands for any text."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), model) is not None
