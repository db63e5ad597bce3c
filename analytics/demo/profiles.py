"""Who the demo clients are: their zone, rhythm, models, teams and people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import accumulate
from uuid import UUID, uuid5

from analytics.demo.models import ModelUse, chat, embeddings, own, pictures, speech, whisper

# Any fixed UUID: it keeps the clients' ids the same on every machine, so that links to them last.
_NAMESPACE = UUID("6f1d1c52-8a0e-4c56-9f0a-6b6c1f0d7a11")


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
    teams: Mapping[str, str]
    """Whose each feature is."""
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


def _names(text: str) -> Sequence[str]:
    return tuple(text.split())


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
        teams={
            "care-chat": "care",
            "appointments": "care",
            "triage": "medical",
            "voice-notes": "medical",
            "knowledge-search": "platform",
            "campaigns": "growth",
        },
        models=(
            chat(
                "openai", "gpt-4o-mini", 0.20, 0.24, 900, 190, "care-chat", "appointments", share_cached=0.6
            ),
            chat("openai", "gpt-4o", 0.08, 0.10, 1100, 260, "care-chat", "triage", share_cached=0.5),
            chat(
                *("openai", "gpt-4.1-mini", 0.00, 0.14, 1000, 210, "care-chat", "knowledge-search"),
                share_cached=0.55,
                share_with_search=0.02,
                has_new_field=True,
            ),
            chat(
                *("openai", "ft:gpt-4o-mini-2024-07-18:aurora::9Xk2LmQ1", 0.00, 0.02),
                *(400, 30, "triage"),
            ),
            chat("openai", "gpt-3.5-turbo", 0.22, 0.02, 700, 160, "appointments"),
            chat("openai", "gpt-4", 0.05, 0.015, 800, 240, "triage", first_token_ms=900),
            chat("groq", "llama-3.3-70b-versatile", 0.12, 0.26, 950, 220, "care-chat", "appointments"),
            chat("groq", "llama-3.1-8b-instant", 0.22, 0.14, 600, 130, "appointments"),
            chat("groq", "mixtral-8x7b-32768", 0.06, 0.00, 700, 170, "care-chat"),
            whisper(0.05, 0.07, 22, "voice-notes"),
            speech(0.008, 320, "voice-notes"),
            pictures(0.0015, "campaigns"),
            embeddings("text-embedding-3-small", 0.00, 0.05, 380, "knowledge-search"),
            own("triage-classifier-v2", 0.006, 300, 12, first_share=0),
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
        teams={
            "order-assistant": "sales",
            "menu-search": "sales",
            "delivery-updates": "logistics",
            "voice-orders": "sales",
        },
        models=(
            chat("openai", "gpt-4o-mini", 0.30, 0.20, 650, 150, "order-assistant", "menu-search"),
            chat("openai", "gpt-4.1-nano", 0.00, 0.12, 500, 110, "delivery-updates"),
            # Through a gateway, which knows an earlier price of it.
            chat(
                *("openai", "gpt-4o-2024-08-06", 0.04, 0.05, 900, 230, "order-assistant"),
                stated=Decimal("1.6"),
            ),
            chat(
                *("openai", "gpt-4o-audio-preview", 0.00, 0.015, 500, 180, "voice-orders"),
                share_of_audio=0.6,
                first_token_ms=700,
            ),
            chat("openai", "gpt-3.5-turbo-0125", 0.12, 0.01, 600, 140, "order-assistant"),
            chat(
                *("groq", "llama-3.3-70b-versatile", 0.20, 0.30, 800, 180, "order-assistant", "menu-search"),
                tier="on_demand",
                share_of_tier=1,
            ),
            chat(
                *("groq", "llama-3.1-8b-instant", 0.28, 0.24, 520, 110, "delivery-updates"),
                tier="flex",
                share_of_tier=0.4,
                share_failed=0.03,  # flex has no room at times
            ),
            whisper(0.06, 0.05, 15, "voice-orders"),
            own("order-parser-v1", 0.004, 350, 60),
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
        teams={
            "returns-desk": "service",
            "product-texts": "content",
            "catalogue-search": "shop",
            "voicemail": "service",
        },
        models=(
            chat("openai", "gpt-4o", 0.34, 0.20, 1500, 380, "returns-desk", share_cached=0.6),
            chat(
                *("openai", "gpt-4.1", 0.00, 0.18, 1700, 400, "product-texts"),
                tier="batch",
                share_of_tier=0.5,
            ),
            chat(
                *("openai", "gpt-5-mini", 0.00, 0.06, 1200, 900, "returns-desk", "product-texts"),
                share_of_reasoning=0.6,
                tier="flex",
                share_of_tier=0.5,
                first_token_ms=2600,
            ),
            chat("openai", "gpt-4-turbo", 0.14, 0.01, 1300, 340, "product-texts", first_token_ms=800),
            chat("openai", "gpt-4o-mini", 0.22, 0.22, 900, 200, "returns-desk", "catalogue-search"),
            chat("groq", "llama-3.3-70b-versatile", 0.22, 0.24, 1200, 260, "returns-desk"),
            chat(
                *("anthropic", "claude-sonnet-4-5", 0.00, 0.03, 2400, 420, "returns-desk"),
                share_cached=0.8,
                writes_cache=True,
                first_token_ms=950,
            ),
            whisper(0.07, 0.06, 48, "voicemail"),
            embeddings("text-embedding-3-small", 0.08, 0.12, 420, "catalogue-search"),
            own("address-matcher-v3", 0.003, 220, 20),
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
