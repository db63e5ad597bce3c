"""What kind of work a call asks for and a model does: text compares with text, embeddings with embeddings."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

from analytics.pricing.listed import Unit
from analytics.pricing.price_list import PriceList

Kind = Literal["text", "embedding", "transcription", "speech", "image", "video", "moderation", "reranking"]

WORK: Mapping[Kind, str] = {
    "text": "chat and text",
    "embedding": "embeddings",
    "transcription": "transcription",
    "speech": "speech",
    "image": "images",
    "video": "video",
    "moderation": "moderation",
    "reranking": "reranking",
}
"""What it is for, in words."""

# Names of operations in OpenTelemetry, OpenInference and our own tracker.
_OPERATIONS: Mapping[str, Kind] = {
    r"embed": "embedding",
    r"transcri|speech.?to.?text": "transcription",
    r"text.?to.?speech|\btts\b|\bspeech": "speech",
    r"image": "image",
    r"video": "video",
    r"moderat|guardrail": "moderation",
    r"rerank": "reranking",
    r"chat|completion|generate_content|respon|text": "text",
}
# Names of models, whoever sells them.
_MODELS: Mapping[str, Kind] = {
    r"embed|(?:^|[-/])(?:bge|gte|e5|voyage)-": "embedding",
    r"whisper|transcri|voxtral|scribe|nova-[23](?:-|$)": "transcription",
    r"(?:^|[-/])tts|-tts|orpheus|playai": "speech",
    r"dall-?e|-image|imagen|flux|stable-diffusion": "image",
    r"(?:^|[-/])(?:sora|veo)": "video",
    r"moderation|guard": "moderation",
    r"rerank": "reranking",
}

_OF_UNITS: Mapping[Unit, Kind] = {"minute": "transcription", "1M characters": "speech", "image": "image"}


def kind_of_model(
    source: str, model: str | None, at: datetime, prices: PriceList, client_id: UUID | None = None
) -> Kind:
    """By its name, else by what it is sold by; text where neither tells."""
    if found := _found(_MODELS, (model or source).lower()):
        return found
    own, public = prices.deciding(source, model, at, client_id)
    if own is not None and (kind := _OF_UNITS.get(own.unit)):
        return kind
    sold = {unit for unit, price in vars(public.listed).items() if price is not None} if public else set()
    if sold & {"audio_hours", "input_audio_hours"} and "input_mtok" not in sold:
        return "transcription"
    if "input_mchars" in sold:
        return "speech"
    return "embedding" if sold == {"input_mtok"} else "text"


def kind_of_calls(operation: str | None, kind_of_their_model: Kind, *, have_length: bool) -> Kind:
    """By what they were logged for, else by their model. Only audio has a length."""
    if found := _found(_OPERATIONS, (operation or "").lower()):
        return found
    return "transcription" if have_length else kind_of_their_model


def _found(patterns: Mapping[str, Kind], text: str) -> Kind | None:
    return next((kind for pattern, kind in patterns.items() if re.search(pattern, text)), None)
