"""A provider as telemetry calls it, and the source under which its calls are kept and priced."""

# As the conventions call them, and as pricing does.
_SOURCES = {
    "amazon-bedrock": "bedrock",
    "aws": "bedrock",
    "aws.bedrock": "bedrock",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure-openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "google_genai": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "openai_v2": "openai",
    "vertex_ai": "google",
    "vertexai": "google",
    "x_ai": "xai",
    **{name: name for name in ("anthropic", "azure", "bedrock", "cohere", "deepseek", "google", "groq")},
    **{name: name for name in ("mistral", "openai", "perplexity", "xai")},
}
# OpenAI's SDK is spoken by others, too; its instrumentors then still say "openai".
_HOSTS = {
    "api.cerebras.ai": "cerebras",
    "api.deepseek.com": "deepseek",
    "api.fireworks.ai": "fireworks",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "api.perplexity.ai": "perplexity",
    "api.together.xyz": "together",
    "api.x.ai": "xai",
    "cognitiveservices.azure.com": "azure",
    "openai.azure.com": "azure",
    "openrouter.ai": "openrouter",
    "services.ai.azure.com": "azure",
}


def source_of(provider: str | None, *, host: str | None = None, scope: str = "") -> str:
    """The source of a call: from the provider's name, the host that was asked, or who instrumented it."""
    if provider is None:
        # Long conversations push out the attributes that were set first, of which it is one. The
        # instrumentor's name still tells: "openinference.instrumentation.openai".
        return _SOURCES.get(scope.rpartition(".")[2], "unknown")
    name = provider.lower()
    # Some add the API: "openai.chat".
    source = _SOURCES.get(name) or _SOURCES.get(name.partition(".")[0], name)
    if source == "openai" and host:
        return _source_at(host.lower()) or source
    return source


def _source_at(host: str) -> str | None:
    for known, source in _HOSTS.items():
        if host == known or host.endswith(f".{known}"):
            return source
    return None
