"""Names of providers: what applications and telemetry call one, and the source of its calls."""

import re
from functools import lru_cache

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
        *("strands-agents", "strands", "microsoft-agent-framework", "smolagents", "agno", "mastra", "ag2"),
        *("openai-agents", "google-adk", "camel", "beeai", "livekit", "pipecat", "instructor", "langflow"),
        *("truefoundry", "bifrost", "envoy", "generic", "other", "proxy"),
    }
)


def source_name(given: str, model: str | None = None) -> str:
    """The source of a provider's name; one that is not known is kept, in lower case, without space around.

    Of what passes calls on (`gateway`, `litellm`) it is the provider before the slash of the model.
    """
    name = given.strip().lower()
    known = known_source(name)
    if known is not None:
        return known
    if model is not None and "/" in model and compared(name) in _PASS_ON:
        return source_before_slash(model) or name
    return name


def source_before_slash(model: str) -> str | None:
    """The provider that a model is named with: "openai/gpt-4o"."""
    prefix, slash, _ = model.partition("/")
    return _SOURCES.get(compared(prefix)) if slash else None


def passes_on(source: str) -> bool:
    """Whether it sells nothing itself: a gateway, whose models are named `provider/model`."""
    return compared(source) in _PASS_ON


@lru_cache(maxsize=4096)
def compared(name: str) -> str:
    """The name as names are compared: case and separators make no difference."""
    return _SEPARATORS.sub("-", name.strip().lower()).strip("-")


@lru_cache(maxsize=4096)
def known_source(name: str) -> str | None:
    """The source of a name that is known."""
    if (source := _SOURCES.get(compared(name))) is not None:
        return source
    parts = name.split(".")
    while len(parts) > 1 and compared(parts[-1]).partition("-")[0] in _APIS:
        parts.pop()
        if (source := _SOURCES.get(compared(".".join(parts)))) is not None:
            return source
    return None
