"""What demo clients use each model for, and how its calls go."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, kw_only=True)
class ModelUse:
    """One model's part of a client's calls; the shares say how it goes from the first day to the last."""

    source: str
    model: str
    first_share: float
    last_share: float
    operation: str | None
    """As calls are logged; None where the application does not say."""
    features: Sequence[str] = ()
    """What it is used for: one of them is a tag of each call."""
    median_prompt_tokens: int = 0
    median_completion_tokens: int = 0
    median_seconds: float = 0
    """Of the audio; a model with a length is a transcription."""
    median_characters: int = 0
    """To be spoken."""
    has_pictures: bool = False
    """Whether each call makes one."""
    share_of_audio: float = 0
    """Of the tokens of prompt and completion."""
    share_of_reasoning: float = 0
    """Of the tokens of the completion."""
    share_cached: float = 0
    """Of the calls with a long prompt: most of it was sent before."""
    writes_cache: bool = False
    """Whether the rest of such a prompt is written to the cache, for a price."""
    share_with_search: float = 0
    """Calls that search the web."""
    tier: str | None = None
    share_of_tier: float = 0
    """Of the calls that have the tier; others are of the ordinary one."""
    first_token_ms: int = 0
    """Half of the answers begin within this time; 0 where latency is not logged."""
    ms_per_token: float = 0
    share_failed: float = 0.012
    stated: Decimal | None = None
    """The gateway states a cost: the price that it knows, as a part of the right one."""
    has_new_field: bool = False
    """Whether the usage objects of the last weeks have a field that nobody knows."""

    def share_at(self, progress: float) -> float:
        return self.first_share + (self.last_share - self.first_share) * progress


def chat(
    source: str,
    model: str,
    first_share: float,
    last_share: float,
    prompt: int,
    completion: int,
    *features: str,
    first_token_ms: int = 420,
    **more: object,
) -> ModelUse:
    """A model that answers; those of Groq are fast."""
    is_fast = source == "groq"
    return ModelUse(
        source=source,
        model=model,
        first_share=first_share,
        last_share=last_share,
        operation="chat",
        features=features,
        median_prompt_tokens=prompt,
        median_completion_tokens=completion,
        first_token_ms=140 if is_fast else first_token_ms,
        ms_per_token=2.2 if is_fast else 11,
        **more,  # type: ignore[arg-type]
    )


def own(model: str, share: float, prompt: int, completion: int, first_share: float | None = None) -> ModelUse:
    """A model of the client's own, whose calls have no price and say nothing but their tokens."""
    return ModelUse(
        source="selfhosted",
        model=model,
        first_share=share if first_share is None else first_share,
        last_share=share,
        operation=None,
        median_prompt_tokens=prompt,
        median_completion_tokens=completion,
        share_failed=0,
    )


def embeddings(model: str, first_share: float, last_share: float, prompt: int, *features: str) -> ModelUse:
    return ModelUse(
        source="openai",
        model=model,
        first_share=first_share,
        last_share=last_share,
        operation="embeddings",
        features=features,
        median_prompt_tokens=prompt,
        first_token_ms=90,
        share_failed=0.003,
    )


def whisper(first_share: float, last_share: float, seconds: float, *features: str) -> ModelUse:
    return ModelUse(
        source="whisper",
        model="whisper-1",
        first_share=first_share,
        last_share=last_share,
        operation="transcription",
        features=features,
        median_seconds=seconds,
        first_token_ms=900,
        share_failed=0.004,
    )


def speech(last_share: float, characters: int, *features: str) -> ModelUse:
    return ModelUse(
        source="openai",
        model="tts-1",
        first_share=0,
        last_share=last_share,
        operation="speech",
        features=features,
        median_characters=characters,
        first_token_ms=1200,
        share_failed=0.004,
    )


def pictures(last_share: float, *features: str) -> ModelUse:
    return ModelUse(
        source="openai",
        model="gpt-image-1",
        first_share=0,
        last_share=last_share,
        operation="image_generation",
        features=features,
        median_prompt_tokens=60,
        has_pictures=True,
        first_token_ms=21000,
    )
