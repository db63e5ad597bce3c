"""Corrections of the public list that cannot wait for its next version, each with its source and date.

They are applied to the public list alone: prices of one's own go before. tests/test_price_cross_check.py
fails for each that the installed list has taken over, so that it is removed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

_PRICING = "https://developers.openai.com/api/docs/pricing"
_MODELS = "https://developers.openai.com/api/docs/models"


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Prices of one model of a provider, by the library's names: US dollars per its units."""

    provider: str
    model: str
    prices: Mapping[str, str]
    why: str
    source: str
    checked: str | None = None
    """The day on which the source was read. None: the price is that of LiteLLM's list or known otherwise, and
    the source is where to look it up."""
    guesses: Mapping[str, str] | None = None
    """Prices that the source itself calls estimates, with the reason."""
    unsure_tiers: Mapping[str, str] | None = None
    """Tiers of which the source says something else than the provider's rule, with what it says."""

    @property
    def cited(self) -> str:
        """The source, and when it was read: `https://..., read on 2026-11-26`."""
        return f"{self.source}, {'not read yet' if self.checked is None else f'read on {self.checked}'}"

    @property
    def amounts(self) -> dict[str, Decimal]:
        return {name: Decimal(text) for name, text in self.prices.items()}


_ESTIMATED_MINUTE = {"audio_hours": "OpenAI's own estimate of the price of a minute, as no tokens are known"}

CORRECTIONS = (
    *(
        Correction(
            provider="openai",
            model=model,
            prices={"input_audio_mtok": audio, "audio_hours": hour},
            guesses=_ESTIMATED_MINUTE,
            why=f"audio costs what other input does, not ${listed}; a minute is OpenAI's estimate",
            source=f"{_MODELS}/{model}",
            checked="2026-11-26",
        )
        for model, audio, hour, listed in (
            ("gpt-4o-transcribe", "2.5", "0.36", "6"),
            ("gpt-4o-transcribe-diarize", "2.5", "0.36", "6"),
            ("gpt-4o-mini-transcribe", "1.25", "0.18", "3"),
        )
    ),
    *(
        Correction(
            provider="openai",
            model=model,
            prices={"input_audio_mtok": audio_in, "output_audio_mtok": audio_out},
            why="the list has no price of audio",
            source=source,
        )
        for model, audio_in, audio_out, source in (
            ("gpt-4o-audio-preview", "40", "80", f"{_MODELS}/gpt-4o-audio-preview"),
            ("gpt-4o-audio-preview-2024-10-01", "100", "200", f"{_MODELS}/gpt-4o-audio-preview"),
            ("gpt-4o-mini-audio-preview", "10", "20", f"{_MODELS}/gpt-4o-mini-audio-preview"),
        )
    ),
    Correction(
        provider="openai",
        model="gpt-4o-mini-tts",
        prices={"output_audio_mtok": "12", "audio_hours": "0.9"},
        guesses=_ESTIMATED_MINUTE,
        why="what it answers is audio; without tokens, OpenAI estimates a minute",
        source=f"{_MODELS}/gpt-4o-mini-tts",
        checked="2026-11-26",
    ),
    *(
        Correction(
            provider="openai",
            model=model,
            prices={"output_image_mtok": output},
            why="the list has the price of its pictures as that of all output",
            source=f"{_MODELS}/{model}",
        )
        for model, output in (
            ("gpt-image-1", "40"),
            ("gpt-image-1-mini", "8"),
            ("gpt-image-2", "30"),
            ("gpt-image-2.5-flare", "30"),
            ("gpt-image-2.5-sunburst", "30"),
        )
    ),
    *(
        Correction(
            provider="openai",
            model=model,
            prices={"web_searches_kcount": "25", "cache_read_mtok": cached},
            why="each call searches the web, at $25 per 1,000; cached input is half of input",
            source=_PRICING,
        )
        for model, cached in (("gpt-4o-search-preview", "1.25"), ("gpt-4o-mini-search-preview", "0.075"))
    ),
    Correction(
        provider="openai",
        model="gpt-5-search-api",
        prices={"web_searches_kcount": "10"},
        why="each call searches the web, at $10 per 1,000",
        source=_PRICING,
    ),
    *(
        Correction(
            provider="groq",
            model=model,
            prices={"input_mchars": "50"},
            why="the list has no price of it",
            source="https://console.groq.com/docs/text-to-speech",
        )
        for model in ("playai-tts", "playai-tts-arabic")
    ),
    Correction(
        provider="groq",
        model="distil-whisper-large-v3-en",
        prices={"audio_hours": "0.02"},
        why="the list has no price of it",
        source="https://groq.com/pricing",
    ),
    Correction(
        provider="openai",
        model="computer-use-preview",
        prices={"input_mtok": "3", "output_mtok": "12"},
        why="the list has it by another name",
        source=f"{_MODELS}/computer-use-preview",
    ),
    # Fine-tuned models: those that the list does not know, or without their price of cached input.
    *(
        Correction(
            provider="openai",
            model=f"ft:{model}",
            prices={"input_mtok": input_usd, "output_mtok": output_usd}
            | ({"cache_read_mtok": cached} if cached else {}),
            unsure_tiers=(
                {"batch": "half, where OpenAI's table had $2.225 and $12.50"} if model == "gpt-4o" else None
            ),
            why="the list has no price of the fine-tuned model, or none of its cached input",
            source=_PRICING,
        )
        for model, input_usd, cached, output_usd in (
            ("gpt-4.1", "3", "0.75", "12"),
            ("gpt-4.1-mini", "0.8", "0.2", "3.2"),
            ("gpt-4.1-nano", "0.2", "0.05", "0.8"),
            ("o4-mini", "4", "1", "16"),
            ("gpt-4o", "3.75", "1.875", "15"),
            ("gpt-4o-mini", "0.3", "0.15", "1.2"),
            ("gpt-3.5-turbo", "3", "", "6"),
            ("davinci-002", "12", "", "12"),
            ("babbage-002", "1.6", "", "1.6"),
        )
    ),
    *(
        Correction(
            provider="openai",
            model=model,
            prices={"input_mtok": "0", "output_mtok": "0"},
            why="moderation is free of charge, and the list has no price",
            source="https://developers.openai.com/api/docs/guides/moderation",
        )
        for model in ("omni-moderation", "text-moderation", "text-moderation-stable")
    ),
)
"""In the order in which they are looked for: a snapshot's own one is before that of its base name by name."""
