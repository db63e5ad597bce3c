"""What was asked of a model, by one name: OpenTelemetry's where it has one.

https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/ has chat, text_completion,
generate_content and embeddings; the others are named alike.
"""

from functools import lru_cache

_NAMES = {
    "chat": (
        *("completion", "acompletion", "chat_completion", "chat_completions", "achat_completion", "llm"),
        *("response", "responses", "aresponses", "message", "messages", "anthropic_messages", "generation"),
        *("converse", "converse_stream", "invoke_model", "invoke_model_with_response_stream", "decision"),
        *(
            "generate_text",
            "stream_text",
            "generate_object",
            "stream_object",
            "streaming_chat",
            "chat_stream",
        ),
        *("chat_completions_create", "responses_create", "messages_create"),
    ),
    "text_completion": ("text_completions", "atext_completion", "completions", "completions_create"),
    "generate_content": (
        *("agenerate_content", "generate_content_stream", "agenerate_content_stream"),
        *("stream_generate_content", "generatecontent", "call_llm"),
    ),
    "embeddings": (
        *("embedding", "aembedding", "aembeddings", "embed", "embed_many", "embed_content", "embed_query"),
        *("embed_documents", "create_embeddings", "embeddings_create", "text_embedding"),
    ),
    "transcription": (
        *("transcriptions", "atranscription", "transcribe", "audio_transcription", "audio_transcriptions"),
        *("speech_to_text", "stt", "asr", "create_transcription", "audio_translation", "translation"),
        *("audio_transcriptions_create",),
    ),
    "speech": (
        *("aspeech", "text_to_speech", "tts", "audio_speech", "generate_speech", "create_speech"),
        *("audio_speech_create",),
    ),
    "image_generation": (
        *("aimage_generation", "image_generations", "image", "images", "generate_image", "images_generate"),
        *("image_edit", "aimage_edit", "image_edits", "image_variation", "aimage_variation", "create_image"),
    ),
    "video_generation": ("avideo_generation", "create_video", "generate_video", "video"),
    "moderation": ("amoderation", "moderations", "moderations_create"),
    "rerank": ("arerank", "reranker", "reranking", "rerank_documents"),
    "realtime": ("arealtime", "realtime_session"),
    "ocr": ("aocr",),
}
_OPERATIONS = {alias: operation for operation, aliases in _NAMES.items() for alias in (operation, *aliases)}
_OF_AI_SDK = {
    **dict.fromkeys(("generatetext", "streamtext", "generateobject", "streamobject"), "chat"),
    **dict.fromkeys(("embed", "embedmany"), "embeddings"),
    **{"transcribe": "transcription", "generatespeech": "speech", "rerank": "rerank"},
    **{"generateimage": "image_generation", "generatevideo": "video_generation"},
}

OPERATIONS = frozenset(_NAMES)
"""The operations that are known by name."""


@lru_cache(maxsize=4096)
def operation_name(given: str) -> str:
    """The operation under its one name; one that is not known is kept as it is."""
    name = given.strip().lower().replace("-", "_").replace(".", "_").replace(" ", "_")
    if name.startswith("ai_"):  # Vercel's AI SDK: "ai.generateText.doGenerate"
        return _OF_AI_SDK.get(name.split("_")[1], given.strip())
    return _OPERATIONS.get(name, given.strip())
