"""A provider as applications and telemetry call it, and the source under which its calls are kept and priced.

Tracker, API, import and spans ask here, so a provider is the same source whichever way its call comes.
"""

import re
from functools import lru_cache
from urllib.parse import urlsplit

from analytics.pricing.provider_names import known_source, passes_on, source_before_slash, source_name
from analytics.pricing.public_list import public_model

__all__ = ["source_before_slash", "source_name", "source_of", "source_with_model"]

# OpenAI's SDK is spoken by others, too; its instrumentors then still say "openai".
_HOSTS = {
    "aiplatform.googleapis.com": "google",
    "api.anthropic.com": "anthropic",
    "api.cerebras.ai": "cerebras",
    "api.cohere.ai": "cohere",
    "api.cohere.com": "cohere",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.moonshot.ai": "moonshotai",
    "api.moonshot.cn": "moonshotai",
    "api.openai.com": "openai",
    "api.perplexity.ai": "perplexity",
    "api.together.ai": "together",
    "api.together.xyz": "together",
    "api.x.ai": "xai",
    "cognitiveservices.azure.com": "azure",
    "generativelanguage.googleapis.com": "google",
    "openai.azure.com": "azure",
    "openrouter.ai": "openrouter",
    "services.ai.azure.com": "azure",
}
_BEDROCK_HOST = re.compile(r"bedrock(?:-runtime|-mantle)?\..*amazonaws\.com(?:\.cn)?")
# Bedrock's names have their maker before a dot, and the region of the profile before that.
_BEDROCK_MODEL = re.compile(
    r"arn:aws[\w-]*:bedrock:.+|(?:(?:us|eu|apac|au|jp|ca|global|us-gov)\.)?"
    r"(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen|stability|writer)\.[a-z].*"
)
# They sell their own models only; the others sell those of others, too.
_MAKERS = ("openai", "anthropic", "mistral", "cohere", "deepseek", "xai", "perplexity", "moonshotai")
_LISTED = (*_MAKERS, "google", "groq", "cerebras", "fireworks", "together", "azure", "bedrock")


def source_of(
    *names: str | None,
    model: str | None = None,
    host: str | None = None,
    scope: str = "",
    told: str | None = None,
) -> str:
    """The source of a span's call.

    Args:
        names: the provider as the span calls it, the best name first.
        model: of which the prefix or the public lists may tell.
        host: that was asked; it goes before "openai".
        scope: who instrumented it.
        told: by LangChain (`ls_provider`).
    """
    for given in (*names, told):
        if given is None:
            continue
        if (name := given.strip().lower()) and not passes_on(name):
            source = known_source(name) or name
            return (_source_at(host) or source) if source == "openai" and host else source
    return (
        (source_before_slash(model) if model else None)
        or (_source_at(host) if host else None)
        # Long conversations push out the attributes that were set first, of which the provider is one.
        or known_source(scope.rpartition(".")[2].rpartition("instrumentation-")[2])
        or ("bedrock" if model and _BEDROCK_MODEL.fullmatch(model) else None)
        or (source_with_model(model) if model else None)
        or "unknown"
    )


@lru_cache(maxsize=4096)
def source_with_model(model: str) -> str | None:
    """The one provider whose public list knows the model; of several the one that makes it."""
    knowing = [source for source in _LISTED if public_model(source, model) is not None]
    makers = [source for source in knowing if source in _MAKERS]
    for found in (knowing, makers):
        if len(found) == 1:
            return found[0]
    return None


@lru_cache(maxsize=4096)
def _source_at(host: str) -> str | None:
    host = host.strip().lower()
    try:
        host = urlsplit(host if "//" in host else f"//{host}").hostname or ""
    except ValueError:  # "[", say
        return None
    if _BEDROCK_HOST.fullmatch(host):
        return "bedrock"
    for known, source in _HOSTS.items():
        # Vertex has its regions before: europe-west1-aiplatform.googleapis.com
        if host == known or host.endswith((f".{known}", f"-{known}")):
            return source
    return None
