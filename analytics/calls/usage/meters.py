"""What the fields of usage objects are called, and which meter each is.

A path is in snake case, whatever the case of the object. "in." stands for all names of the prompt's
details, "out." for those of the completion's. Of several paths of one meter the first that tells goes before
the others.
"""

SECTIONS = {
    **dict.fromkeys(("prompt_tokens_details", "input_tokens_details"), "in."),
    **dict.fromkeys(("prompt_token_details", "input_token_details"), "in."),
    **dict.fromkeys(("completion_tokens_details", "output_tokens_details"), "out."),
    **dict.fromkeys(("completion_token_details", "output_token_details"), "out."),
    # The Vercel AI SDK's providers from its version 6: inputTokens: {total, noCache, cacheRead, cacheWrite}.
    "input_tokens": "in.",
    "output_tokens": "out.",
}

PATHS = {
    "prompt": (
        # OpenAI's chat completions, and all who speak its protocol; Vercel's AI SDK 4 (promptTokens).
        "prompt_tokens",
        # OpenAI's responses, images and audio; Anthropic; Bedrock; LangChain; pydantic-ai; AI SDK 5 to 7.
        "input_tokens",
        "in.total",
        "prompt_token_count",  # Gemini; Llama on Bedrock
        "prompt_eval_count",  # Ollama
        "input_token_count",  # Bedrock's amazon-bedrock-invocationMetrics
        "input_text_token_count",  # Titan on Bedrock
        "token_count",  # Vertex's embeddings
        "request_tokens",  # pydantic-ai before 1.0
        "billed_units.input_tokens",  # Cohere
        "input",  # Langfuse
        "tokens",  # AI SDK's embeddings
        "tokens.input_tokens",  # Cohere: more than it bills
    ),
    "completion": (
        "completion_tokens",
        "output_tokens",
        "out.total",
        "candidates_token_count",  # Gemini
        "response_token_count",  # Gemini Live
        "eval_count",  # Ollama
        "output_token_count",
        "generation_token_count",  # Llama on Bedrock
        "response_tokens",
        "billed_units.output_tokens",
        "output",
        "tokens.output_tokens",
    ),
    "total": ("total_tokens", "total_token_count", "total"),
    # Of these and the cached ones the prompt is the sum, where it is not told itself.
    "uncached": ("in.no_cache_tokens", "in.no_cache", "prompt_cache_miss_tokens"),
    "tool_use": ("tool_use_prompt_token_count",),  # Gemini: beside the prompt
    "citations": ("citation_tokens",),  # Perplexity's deep research: beside the prompt, at its price
    "cached_tokens": (
        "in.cached_tokens",
        "in.cache_read_tokens",  # AI SDK from 6
        "in.cache_read",  # LangChain; AI SDK's providers
        "in.cache_read_input_tokens",
        "in.priority_cache_read",  # LangChain with one of OpenAI's tiers
        "in.flex_cache_read",
        "cache_read_input_tokens",  # Anthropic, Bedrock: beside input_tokens
        "cache_read_input_token_count",
        "cached_content_token_count",  # Gemini
        "prompt_cache_hit_tokens",  # DeepSeek
        "cache_read_tokens",  # pydantic-ai
        "cached_input_tokens",  # AI SDK 5
        "cached_tokens",  # Together, Moonshot, Cohere
        "num_cached_tokens",  # Mistral
        "cached_prompt_text_tokens",  # xAI's SDK
        "cached_prompt_tokens",  # CrewAI
        "input_cached_tokens",  # Langfuse: beside its input, unless the total says otherwise
        "input_cache_read",  # Langfuse's handler of LangChain
        "meta.anthropic.cache_read_input_tokens",  # AI SDK 4: beside promptTokens
        "meta.openai.cached_prompt_tokens",  # AI SDK 4
    ),
    "cache_write_tokens": (
        "in.cache_write_tokens",
        "in.cache_creation_tokens",  # LiteLLM
        "in.cache_creation",  # LangChain
        "in.cache_write",  # AI SDK's providers
        "in.cache_creation_input_tokens",  # DashScope
        "cache_creation_input_tokens",  # Anthropic: beside input_tokens
        "cache_write_input_tokens",  # Bedrock: beside inputTokens
        "cache_write_input_token_count",
        "cache_write_tokens",  # pydantic-ai
        "input_cache_creation",  # Langfuse's handler of LangChain
        "meta.anthropic.cache_creation_input_tokens",
    ),
    "cache_write_1h_tokens": (
        "cache_creation.ephemeral_1h_input_tokens",  # Anthropic
        "in.ephemeral_1h_input_tokens",  # LangChain
        "in.cache_creation_token_details.ephemeral_1h_input_tokens",  # LiteLLM
        "cache_write_1h_tokens",  # pydantic-ai
    ),
    # At the price of cache writes; the sum is all of them, where that is not told.
    "cache_write_5m": (
        "cache_creation.ephemeral_5m_input_tokens",
        "in.ephemeral_5m_input_tokens",
        "in.cache_creation_token_details.ephemeral_5m_input_tokens",
        "in.cache_creation.ephemeral_5m_input_tokens",
    ),
    "reasoning_tokens": (
        "out.reasoning_tokens",
        "out.reasoning",  # LangChain; AI SDK's providers
        "out.thinking_tokens",  # Anthropic
        "out.priority_reasoning",
        "out.flex_reasoning",
        "thoughts_token_count",  # Gemini: beside the candidates
        "reasoning_tokens",  # AI SDK 5; Perplexity; xAI's SDK
        "output_reasoning_tokens",  # pydantic-ai; Langfuse
        "output_reasoning",  # Langfuse's handler of LangChain
        "meta.openai.reasoning_tokens",
        "details.reasoning_tokens",  # pydantic-ai
        "details.thoughts_tokens",
    ),
    "prompt_audio_tokens": ("in.audio_tokens", "in.audio", "input_audio_tokens", "prompt_audio_tokens"),
    "cached_audio_tokens": ("in.cached_tokens_details.audio_tokens", "cache_audio_read_tokens"),
    "completion_audio_tokens": ("out.audio_tokens", "out.audio", "output_audio_tokens"),
    "prompt_image_tokens": ("in.image_tokens", "in.image", "prompt_image_tokens"),
    "cached_image_tokens": ("in.cached_tokens_details.image_tokens",),
    "completion_image_tokens": ("out.image_tokens", "out.image"),
    "character_count": ("character_count", "characters", "input_characters", "in.character_count"),
    "image_count": ("image_count", "images"),
    "web_search_count": (
        "server_tool_use.web_search_requests",  # Anthropic, OpenRouter, LiteLLM
        "server_tool_use_details.web_search_requests",
        "in.web_search_requests",
        "web_search_requests",  # Claude's agent SDK
        "num_search_queries",  # Perplexity
        "tool_calls_details.web_search.invocation",  # Perplexity's responses
        "server_side_tool_usage_details.web_search_calls",  # xAI
    ),
    "file_search_count": ("server_side_tool_usage_details.file_search_calls",),
    "code_run_count": (
        "server_tool_use.code_execution_requests",
        "server_side_tool_usage_details.code_interpreter_calls",
    ),
    "all_tools": ("num_server_side_tools_used",),  # xAI: of all kinds
    "seconds": (
        "seconds",  # OpenAI's transcription by duration
        "audio_seconds",  # pydantic-ai
        "duration_seconds",
        "audio_duration_seconds",
        "audio_duration",
        "prompt_audio_seconds",  # Mistral
        "in.audio_length_seconds",  # LiteLLM
    ),
}
"""Meter -> the paths that tell it."""

RULES = {path: (meter, rank) for meter, paths in PATHS.items() for rank, path in enumerate(paths)}

TIERS = ("service_tier", "traffic_type")
COSTS = ("cost", "total_cost", "total_cost_usd", "cost_usd", "cost_in_usd_ticks", "response_cost")
TIMES = (
    *("prompt_time", "completion_time", "total_time", "queue_time"),  # Groq, in seconds
    *("load_duration", "prompt_eval_duration", "eval_duration", "total_duration"),  # Ollama, in nanoseconds
    *(
        "time_to_first_token",
        "time_to_first_token_ms",
        "total_latency",
        "start_time",
        "end_time",
    ),  # SambaNova
)
BESIDE_ITS_INPUT = frozenset({"input_cached_tokens", "input_cache_read", "input_cache_creation"})
"""Langfuse's own names: each is counted apart from the input, unless the total says otherwise."""
SPEEDS = ("_per_sec", "_per_second", "_per_sec_after_first_ten", "_rate")
"""Ends of names: kept with the times, as no meter."""

# The rest of a whole, or counts of what costs nothing: no meter is needed for them.
OF_NO_PRICE = frozenset(
    {
        *("in.text_tokens", "in.text", "out.text_tokens", "out.text", "prompt_text_tokens"),
        *("in.cached_tokens_details.text_tokens", "in.cached_text_tokens"),
        # Gemini and OpenRouter sell video at the price of text.
        *("in.video_tokens", "out.video_tokens", "in.document_tokens"),
        # Of the prediction; part of the completion, at its price.
        *("out.accepted_prediction_tokens", "out.rejected_prediction_tokens"),
        *("meta.openai.accepted_prediction_tokens", "meta.openai.rejected_prediction_tokens"),
        # LangChain with one of OpenAI's tiers: the tokens that were not cached, or no reasoning.
        *("in.priority", "in.flex", "out.priority", "out.flex"),
        # Anthropic takes nothing for them: docs.claude.com, "Web fetch tool" and "Tool search tool".
        *("server_tool_use.web_fetch_requests", "server_tool_use.tool_search_requests"),
        *("in.cache_creation_token_details.ephemeral_30m_input_tokens",),
        # At the price of a cache write: OpenAI's ordinary lifetime.
        *("in.cache_write_tokens_details.ttl_30m_tokens",),
        *("active_seconds", "is_last_response", "dram_cached_tokens", "sram_cached_tokens", "tool_calls"),
        *("context_window", "max_output_tokens"),  # Claude's agent SDK: of the model
        *("in.initial_prompt_tokens", "initial_prompt_token_count", "total_price", "num_generations"),
        # pydantic-ai repeats the provider's fields in its details.
        *(f"details.{side}_tokens" for side in ("input", "output", "cached", "text_prompt")),
        *("details.cache_read_input_tokens", "details.cache_creation_input_tokens"),
        *("details.cached_content_tokens", "details.text_candidates_tokens", "details.text_cache_tokens"),
        *("details.accepted_prediction_tokens", "details.rejected_prediction_tokens"),
        *("details.audio_tokens", "details.tool_use_prompt_tokens", "details.text_tool_use_prompt_tokens"),
    }
)
TEXTS_OF_NO_PRICE = frozenset(
    {"type", "object", "unit", "model", "model_name", "search_context_size", "in.cache_type", "currency"}
)
"""Names of things. Any other text may decide a price, so it is told."""

# As providers write that a call had nothing special about it.
ORDINARY = {
    "speed": frozenset({"standard"}),  # Anthropic's fast mode costs six times as much
    # Anthropic: a region's own inference costs a tenth more. Its older models say that they have none.
    "inference_geo": frozenset({"global", "not_available"}),
}

OF_COSTS = ("cost.", "cost_details.")
"""What a stated cost is made of."""

PROVIDERS_OWN = ("raw", "native_usage")
"""Where Vercel's AI SDK and Spring AI keep what the provider sent."""

REPEATED = frozenset({"request_usage_entries"})
"""Lists of what is counted already: OpenAI's agents, by request."""

BESIDE_INPUT = frozenset(
    {
        *("cache_read_input_tokens", "cache_creation_input_tokens", "cache_write_input_tokens"),
        *("cache_read_input_token_count", "cache_write_input_token_count"),
    }
)
"""Counted beside input_tokens. docs.claude.com, "Prompt caching": total_input_tokens is
cache_read_input_tokens + cache_creation_input_tokens + input_tokens. Bedrock's Converse counts the same way;
whoever tells such fields beside prompt_tokens (LiteLLM) has them in it."""

MODALITIES = {
    # Gemini's lists of {modality, tokenCount}: the meters of audio and image.
    "prompt_tokens_details": ("prompt_audio_tokens", "prompt_image_tokens"),
    "tool_use_prompt_tokens_details": ("prompt_audio_tokens", "prompt_image_tokens"),
    "cache_tokens_details": ("cached_audio_tokens", "cached_image_tokens"),
    "candidates_tokens_details": ("completion_audio_tokens", "completion_image_tokens"),
    "response_tokens_details": ("completion_audio_tokens", "completion_image_tokens"),
}
AT_PRICE_OF_TEXT = frozenset({"text", "video", "document", "modality_unspecified"})

CONTAINERS = frozenset(
    path[: at + 1] for path in (*RULES, *OF_NO_PRICE) for at, character in enumerate(path) if character == "."
)
"""Beginnings of paths: an object by such a name is looked into."""
