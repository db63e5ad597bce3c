"""Who the demo clients are: their zone, rhythm, models and people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from itertools import accumulate
from uuid import UUID, uuid5

# Any fixed UUID: it keeps the clients' ids the same on every machine, so that links to them last.
_NAMESPACE = UUID("6f1d1c52-8a0e-4c56-9f0a-6b6c1f0d7a11")


@dataclass(frozen=True, kw_only=True)
class ModelUse:
    """One model's part of a client's calls; the shares say how it goes from the first day to the last."""

    source: str
    model: str
    first_share: float
    last_share: float
    operation: str | None
    """As calls are logged; None where the application does not say."""
    median_prompt_tokens: int = 0
    median_completion_tokens: int = 0
    median_seconds: float = 0
    """Of the audio; a model with a length is a transcription."""

    def share_at(self, progress: float) -> float:
        return self.first_share + (self.last_share - self.first_share) * progress


@dataclass(frozen=True, kw_only=True)
class DemoClient:
    """A made-up client."""

    name: str
    timezone: str
    calls_per_day: int
    """On an ordinary last day."""
    growth: float
    """How many times the use of the first day that of the last one is."""
    weekdays: Sequence[float]
    """Monday first; 1 is an ordinary day."""
    hours: Sequence[float]
    """Weights of the 24 hours of a weekday; a weekend starts later."""
    burst_weeks_ago: int
    """Its Tuesday and Wednesday are busy; counted in weeks from Monday to Sunday, the last one is 0."""
    burst_factor: float
    quiet_weeks_ago: int
    quiet_factor: float
    models: Sequence[ModelUse]
    conversation_count: int
    share_without_conversation: float
    given_names: Sequence[str]
    family_names: Sequence[str]
    first_phone: int
    """The first of a range of numbers, in E.164 without the plus, that belongs to nobody."""

    @cached_property
    def id(self) -> UUID:
        return uuid5(_NAMESPACE, self.name)

    def phone(self, rank: int) -> str:
        return str(self.first_phone + rank)

    def cumulative_hours(self, local_date: date) -> list[float]:
        is_weekend = local_date.weekday() >= 5
        return list(accumulate(self.hours[hour - 1 if is_weekend else hour] for hour in range(24)))


# Support by chat: busy in the late morning and again in the evening, when people are at home.
_CHAT_HOURS = (1, 1, 1, 1, 1, 2, 4, 9, 16, 22, 25, 24, 19, 18, 20, 22, 22, 20, 19, 20, 18, 13, 7, 3)
# An office: closed at night, a dent at noon.
_OFFICE_HOURS = (0, 0, 0, 0, 0, 1, 3, 10, 24, 28, 27, 24, 14, 20, 26, 26, 22, 14, 6, 3, 2, 1, 1, 0)


def _chat(
    source: str, model: str, first_share: float, last_share: float, prompt: int, completion: int
) -> ModelUse:
    return ModelUse(
        source=source,
        model=model,
        first_share=first_share,
        last_share=last_share,
        operation="chat",
        median_prompt_tokens=prompt,
        median_completion_tokens=completion,
    )


def _own(
    model: str, share: float, prompt: int, completion: int, first_share: float | None = None
) -> ModelUse:
    """A model of the client's own, whose calls have no price and do not say what they were for."""
    return ModelUse(
        source="selfhosted",
        model=model,
        first_share=share if first_share is None else first_share,
        last_share=share,
        operation=None,
        median_prompt_tokens=prompt,
        median_completion_tokens=completion,
    )


def _embeddings(model: str, first_share: float, last_share: float, prompt: int) -> ModelUse:
    return ModelUse(
        source="openai",
        model=model,
        first_share=first_share,
        last_share=last_share,
        operation="embeddings",
        median_prompt_tokens=prompt,
    )


def _names(text: str) -> Sequence[str]:
    return tuple(text.split())


def _whisper(first_share: float, last_share: float, seconds: float) -> ModelUse:
    return ModelUse(
        source="whisper",
        model="whisper-1",
        first_share=first_share,
        last_share=last_share,
        operation="transcription",
        median_seconds=seconds,
    )


DEMO_CLIENTS: Sequence[DemoClient] = (
    DemoClient(
        name="Aurora Clínicas",
        timezone="America/Sao_Paulo",
        calls_per_day=390,
        growth=2.4,
        weekdays=(1.08, 1.05, 1.02, 1.0, 0.97, 0.55, 0.34),
        hours=_CHAT_HOURS,
        burst_weeks_ago=2,  # a campaign
        burst_factor=2.1,
        quiet_weeks_ago=9,  # closed for a week
        quiet_factor=0.3,
        models=(
            _chat("openai", "gpt-4o-mini", 0.20, 0.24, 900, 190),
            _chat("openai", "gpt-4o", 0.08, 0.10, 1100, 260),
            _chat("openai", "gpt-4.1-mini", 0.00, 0.16, 1000, 210),
            _chat("openai", "gpt-3.5-turbo", 0.22, 0.02, 700, 160),
            _chat("openai", "gpt-4", 0.05, 0.015, 800, 240),
            _chat("groq", "llama-3.3-70b-versatile", 0.12, 0.26, 950, 220),
            _chat("groq", "llama-3.1-8b-instant", 0.22, 0.14, 600, 130),
            _chat("groq", "mixtral-8x7b-32768", 0.06, 0.00, 700, 170),
            _whisper(0.05, 0.07, 22),
            _embeddings("text-embedding-3-small", 0.00, 0.05, 380),
            _own("triage-classifier-v2", 0.006, 300, 12, first_share=0),
        ),
        conversation_count=460,
        share_without_conversation=0.03,
        given_names=_names(
            "Ana Beatriz Bruno Camila Carlos Daniela Eduardo Fernanda Gabriel Helena Isabela "
            "João Juliana Larissa Lucas Luiza Marcos Mariana Mateus Paulo Pedro Rafael Renata "
            "Rodrigo Sofia Thiago Vinícius"
        ),
        family_names=_names(
            "Almeida Alves Araújo Barbosa Cardoso Carvalho Costa Dias Fernandes Ferreira "
            "Gomes Lima Lopes Martins Melo Nascimento Oliveira Pereira Ribeiro Rocha Santos "
            "Silva Souza Teixeira"
        ),
        first_phone=5511900000001,  # Brazilian mobile numbers go on with 6 to 9 after the leading 9
    ),
    DemoClient(
        name="Kaveri Foods",
        timezone="Asia/Kolkata",
        calls_per_day=170,
        growth=3.2,
        weekdays=(0.98, 1.0, 1.0, 1.02, 1.1, 1.22, 0.9),
        hours=_CHAT_HOURS,
        burst_weeks_ago=5,  # a festival
        burst_factor=2.4,
        quiet_weeks_ago=14,
        quiet_factor=0.35,
        models=(
            _chat("openai", "gpt-4o-mini", 0.30, 0.22, 650, 150),
            _chat("openai", "gpt-4.1-nano", 0.00, 0.12, 500, 110),
            _chat("openai", "gpt-4o-2024-08-06", 0.04, 0.05, 900, 230),
            _chat("openai", "gpt-3.5-turbo-0125", 0.12, 0.01, 600, 140),
            _chat("groq", "llama-3.3-70b-versatile", 0.20, 0.30, 800, 180),
            _chat("groq", "llama-3.1-8b-instant", 0.28, 0.24, 520, 110),
            _whisper(0.06, 0.05, 15),
            _own("order-parser-v1", 0.004, 350, 60),
        ),
        conversation_count=310,
        share_without_conversation=0.02,
        given_names=_names(
            "Aarav Aditi Ananya Arjun Deepa Divya Farhan Ishaan Kavya Kiran Lakshmi Meera "
            "Neha Nikhil Pooja Priya Rahul Rohan Sanjay Shreya Sunita Varun Vikram Zara"
        ),
        family_names=_names(
            "Agarwal Banerjee Chatterjee Das Desai Fernandes Gupta Iyer Joshi Khan Kulkarni "
            "Menon Mehta Nair Patel Pillai Rao Reddy Sharma Singh Srinivasan Verma"
        ),
        first_phone=910000000001,  # Indian mobile numbers begin with 6 to 9
    ),
    DemoClient(
        name="Nordlicht Versand",
        timezone="Europe/Berlin",
        calls_per_day=85,
        growth=1.5,
        weekdays=(1.15, 1.08, 1.0, 1.0, 0.85, 0.18, 0.1),
        hours=_OFFICE_HOURS,
        burst_weeks_ago=10,
        burst_factor=2.2,
        quiet_weeks_ago=4,
        quiet_factor=0.25,
        models=(
            _chat("openai", "gpt-4o", 0.34, 0.22, 1500, 380),
            _chat("openai", "gpt-4.1", 0.00, 0.20, 1700, 400),
            _chat("openai", "gpt-4-turbo", 0.14, 0.01, 1300, 340),
            _chat("openai", "gpt-4o-mini", 0.22, 0.25, 900, 200),
            _chat("groq", "llama-3.3-70b-versatile", 0.22, 0.26, 1200, 260),
            _whisper(0.07, 0.06, 48),
            _embeddings("text-embedding-3-small", 0.08, 0.12, 420),
            _own("address-matcher-v3", 0.003, 220, 20),
        ),
        conversation_count=190,
        share_without_conversation=0.08,
        given_names=_names(
            "Anke Benno Clara Daniel Elif Emma Finn Greta Hannah Jan Jonas Katrin Lena Leon "
            "Lukas Maja Marie Mehmet Nele Paul Sabine Tobias"
        ),
        family_names=_names(
            "Bauer Becker Fischer Hoffmann Jansen Keller Koch Krüger Lehmann Meyer Müller "
            "Neumann Peters Richter Schmidt Schulz Vogel Wagner Weber Wolf Yildiz Zimmermann"
        ),
        first_phone=493023125000,  # kept free for films by the Bundesnetzagentur
    ),
)
