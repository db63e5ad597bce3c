"""Providers and operations have one name each, whoever calls them what."""

import pytest

from analytics.calls.make import make_call
from analytics.calls.operations import OPERATIONS, operation_name
from analytics.calls.row import row_of
from analytics.pricing.price_list import DEFAULT_PRICES
from analytics.pricing.providers import source_name, source_of, source_with_model


@pytest.mark.parametrize(
    ("given", "source"),
    [
        *((name, "azure") for name in ("azure.ai.openai", "Azure OpenAI", "azure_openai", "az.ai.inference")),
        *((name, "bedrock") for name in ("aws.bedrock", "amazon-bedrock", "aws_bedrock", "AWS")),
        *((name, "google") for name in ("vertex_ai", "google_genai", "gcp.gemini", "google.vertex.chat")),
        *((name, "openai") for name in (" OpenAI ", "openai.chat", "openai.responses")),
        *((name, "mistral") for name in ("mistral_ai", "MistralAI")),
        *((name, "xai") for name in ("x_ai", "xai.chat")),
        # The guide's, and one's own.
        *((name, name) for name in ("openai", "groq", "whisper", "our proxy", "openai-proxy", "ollama")),
        *((name, name) for name in ("ibm.watsonx.ai", "openai.internal", "gateway")),
    ],
)
def test_a_provider_has_one_name(given: str, source: str) -> None:
    assert source_name(given) == source
    assert source_name(source) == source
    assert row_of(make_call(DEFAULT_PRICES, None, given, None).line).source == source


def test_what_passes_calls_on_is_the_provider_of_the_model() -> None:
    assert source_name("gateway", "anthropic/claude-sonnet-4-5") == "anthropic"
    assert source_name("litellm", "gpt-4o") == "litellm"
    assert source_name("openrouter", "openai/gpt-4o") == "openrouter"
    assert source_of("langchain", model="gpt-4o") == "openai"


@pytest.mark.parametrize(
    ("model", "source"),
    [
        ("gpt-4o", "openai"),  # Azure sells it, too
        ("claude-sonnet-4-5", "anthropic"),  # so do Google and Amazon
        ("gemini-2.5-flash", "google"),
        ("text-embedding-3-small", "openai"),
        ("a-model-of-ours", None),
    ],
)
def test_the_public_lists_tell_whose_model_it_is(model: str, source: str | None) -> None:
    assert source_with_model(model) == source


@pytest.mark.parametrize(
    ("given", "operation"),
    [
        *((name, "chat") for name in ("chat", "acompletion", "aresponses", "chat.completions", "Converse")),
        *(
            (name, "embeddings")
            for name in ("aembedding", "embed_content", "ai.embedMany.doEmbed", "EMBEDDING")
        ),
        *((name, "transcription") for name in ("speech_to_text", "atranscription", "audio.transcriptions")),
        *((name, "speech") for name in ("text_to_speech", "aspeech", "tts")),
        *((name, "image_generation") for name in ("aimage_generation", "images.generate")),
        *((name, "chat") for name in ("ai.streamText.doStream", "ai.generateObject.doGenerate")),
        *((name, name) for name in ("text_completion", "generate_content", "moderation", "rerank", "ocr")),
        ("our own", "our own"),
        ("ai.ours", "ai.ours"),
    ],
)
def test_an_operation_has_one_name(given: str, operation: str) -> None:
    assert operation_name(given) == operation
    call = make_call(DEFAULT_PRICES, None, "openai", "gpt-4o", operation=f" {given} ")
    assert row_of(call.line).facts.operation == operation


def test_the_names_of_operations_are_their_own() -> None:
    assert {operation_name(name) for name in OPERATIONS} == OPERATIONS
