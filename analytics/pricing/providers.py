"""A provider as applications and telemetry call it, and the source under which its calls are kept and priced.

Tracker, API, import and spans ask here, so a provider is the same source whichever way its call comes.
"""

import re
from functools import lru_cache
from urllib.parse import urlsplit

from analytics.pricing.public_list import public_model

# Source -> how else it is called. Case, dots, hyphens, underscores and spaces make no difference.
_NAMES = {
    "anthropic": ("anthropic-ai", "claude"),
    "azure": (
        *("azure-openai", "azure-ai", "azure-ai-openai", "azure-ai-inference", "azure-ai-foundry"),
        *("az-ai-openai", "az-ai-inference", "azure-foundry", "azure-cognitive-services", "microsoft-azure"),
    ),
    "bedrock": ("amazon-bedrock", "aws", "aws-bedrock", "bedrock-converse", "amazon"),
    "cerebras": (),
    "cohere": ("cohere-chat",),
    "deepseek": ("deep-seek",),
    "fireworks": ("fireworks-ai",),
    "google": (
        *("gcp", "gcp-gemini", "gcp-gen-ai", "gcp-vertex-ai", "gcp-vertex-agent", "gemini", "google-ai"),
        *("google-gemini", "google-genai", "google-generative-ai", "google-generativeai", "google-vertex"),
        *("google-vertex-ai", "google-vertexai", "vertex", "vertex-ai", "vertex-ai-beta", "vertexai"),
        *("google-gla", "google-ai-studio", "genai"),
    ),
    "groq": ("groqcloud",),
    "mistral": ("mistral-ai", "mistralai"),
    "moonshotai": ("moonshot", "moonshot-ai"),
    "openai": ("open-ai", "openai-v2", "openai-chat", "openai-responses"),
    "openrouter": ("open-router",),
    "perplexity": ("perplexity-ai", "pplx"),
    "together": ("together-ai", "togetherai"),
    "xai": ("x-ai", "grok"),
}
_SEPARATORS = re.compile(r"[\s._-]+")
_SOURCES = {
    alias: source for source, aliases in _NAMES.items() for alias in (source, *aliases)
}  # in their compared form
# Some add which of the provider's APIs it is: "openai.chat", "google.vertex.chat", "anthropic.messages".
_APIS = frozenset(
    {
        *("chat", "responses", "response", "completion", "completions", "messages", "message", "embedding"),
        *("embeddings", "textembedding", "image", "speech", "transcription", "transcriptions", "audio", "v1"),
        *("converse", "realtime", "rerank", "reranking", "moderation", "moderations", "generative"),
    }
)
# They pass calls on, and their name says nothing about whose price it is.
_PASS_ON = frozenset(
    {
        *("gateway", "ai-gateway", "vercel", "vercel-ai-gateway", "litellm", "litellm-proxy", "langchain"),
        *("langgraph", "llamaindex", "llama-index", "haystack", "dspy", "crewai", "autogen", "pydantic-ai"),
        *(
            "semantic-kernel",
            "spring-ai",
            "spring",
            "framework",
            "custom",
            "openai-compatible",
            "unknown",
            "ai",
        ),
        *("portkey", "helicone", "cloudflare-ai-gateway", "kong", "none", "null"),
    }
)
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
# They sell their own models only; the others sell those of others, too.
_MAKERS = ("openai", "anthropic", "mistral", "cohere", "deepseek", "xai", "perplexity", "moonshotai")
_LISTED = (*_MAKERS, "google", "groq", "cerebras", "fireworks", "together", "azure", "bedrock")


def source_name(given: str, model: str | None = None) -> str:
    """The source of a provider's name; one that is not known is kept, in lower case, without space around.

    Of what passes calls on (`gateway`, `litellm`) it is the provider before the slash of the model.
    """
    name = given.strip().lower()
    known = _known_source(name)
    if known is not None:
        return known
    if model is not None and "/" in model and _compared(name) in _PASS_ON:
        return source_before_slash(model) or name
    return name


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
        if (name := given.strip().lower()) and _compared(name) not in _PASS_ON:
            source = _known_source(name) or name
            return (_source_at(host) or source) if source == "openai" and host else source
    return (
        (source_before_slash(model) if model else None)
        or (_source_at(host) if host else None)
        # Long conversations push out the attributes that were set first, of which the provider is one.
        or _known_source(scope.rpartition(".")[2].rpartition("instrumentation-")[2])
        or (source_with_model(model) if model else None)
        or "unknown"
    )


def source_before_slash(model: str) -> str | None:
    """The provider that a model is named with: "openai/gpt-4o"."""
    prefix, slash, _ = model.partition("/")
    return _SOURCES.get(_compared(prefix)) if slash else None


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
def _compared(name: str) -> str:
    return _SEPARATORS.sub("-", name.strip().lower()).strip("-")


@lru_cache(maxsize=4096)
def _known_source(name: str) -> str | None:
    if (source := _SOURCES.get(_compared(name))) is not None:
        return source
    parts = name.split(".")
    while len(parts) > 1 and _compared(parts[-1]).partition("-")[0] in _APIS:
        parts.pop()
        if (source := _SOURCES.get(_compared(".".join(parts)))) is not None:
            return source
    return None


@lru_cache(maxsize=4096)
def _source_at(host: str) -> str | None:
    host = host.strip().lower()
    if "//" in host:
        host = urlsplit(host).hostname or ""
    if _BEDROCK_HOST.fullmatch(host):
        return "bedrock"
    for known, source in _HOSTS.items():
        # Vertex has its regions before: europe-west1-aiplatform.googleapis.com
        if host == known or host.endswith((f".{known}", f"-{known}")):
            return source
    return None
