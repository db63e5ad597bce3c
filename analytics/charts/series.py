"""What a chart shows apart: its series, their names, and their colours, which are the same everywhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import pandas as pd

from analytics import formatting
from analytics.queries import OTHER_TAGS, TAG, TOP_VALUES, Group

GREEN, VIOLET, GREY, BLUE = "#0F9D75", "#8A63D2", "#7C8DA6", "#2E7FD9"
MUSTARD, BROWN, PINK, PLUM = "#A8900C", "#9C5448", "#FC5478", "#905478"
LAVENDER, TAN, FOREST = "#A884CC", "#C08448", "#187800"
COLORS = {"OpenAI": GREEN, "Groq": VIOLET, "Other": GREY, "Total": BLUE}
"""Those of cards, and of charts of all usage."""
PALETTE = (GREEN, VIOLET, MUSTARD, BROWN, PINK, PLUM, LAVENDER, TAN, FOREST)
"""Of what is told apart: more than any chart names. Grey is for the rest, blue for the total."""
PROVIDERS = ("OpenAI", "Groq", "Other")
TOTAL = "Total"
# What many use has a colour of its own, so that what is seldom used never changes it.
_KNOWN: Mapping[str, Mapping[str, str]] = {
    "provider": {
        "openai": GREEN,
        "groq": VIOLET,
        "anthropic": BROWN,
        "google": PINK,
        "whisper": TAN,
        "mistral": MUSTARD,
        "cohere": PLUM,
        "selfhosted": LAVENDER,
        "meta": FOREST,
    },
    "model": {
        "gpt-4o": GREEN,
        "llama-3.3-70b-versatile": VIOLET,
        "gpt-4o-mini": MUSTARD,
        "gpt-4.1-mini": PINK,
        "gpt-4": BROWN,
        "llama-3.1-8b-instant": LAVENDER,
        "gpt-3.5-turbo": FOREST,
        "whisper-1": TAN,
        "text-embedding-3-small": PLUM,
        "gpt-4.1": TAN,
    },
    "operation": {"chat": GREEN, "embeddings": PLUM, "transcription": TAN, "speech": PINK, "rerank": VIOLET},
    "outcome": {"ok": GREEN, "error": PINK, "refused": MUSTARD, "cut": VIOLET},
}
_NOT_TOLD = {"model": formatting.NO_MODEL, "operation": "(not logged)", "outcome": "(not told)"}
WITHOUT_TAG = "(without this tag)"
OTHER_TAG_VALUES = "(other: too many tags to keep apart)"


@dataclass(frozen=True, kw_only=True)
class Series:
    """A part of a chart that has a name and a colour of its own."""

    name: str
    """As legends and tooltips say it; no two of a chart are the same."""
    value: str | None
    """The value of the dimension; None for calls that do not tell it, and for the rest."""
    color: str
    is_rest: bool = False


def provider_name(source: str) -> str:
    """The name under which a source has a card: OpenAI, Groq or Other."""
    return {"openai": "OpenAI", "groq": "Groq"}.get(source, "Other")


def source_name(source: str) -> str:
    """The provider's name as people write it; an unknown source stays as it is."""
    return _SOURCES.get(source, source)


_SOURCES = {
    "openai": "OpenAI",
    "groq": "Groq",
    "whisper": "Whisper",
    "meta": "Meta",
    "anthropic": "Anthropic",
    "google": "Google",
    "mistral": "Mistral",
    "cohere": "Cohere",
}


def value_name(group: Group, value: str | None) -> str:
    """A value of a dimension or tag as people read it."""
    if value is None:
        return WITHOUT_TAG if group.startswith(TAG) else _NOT_TOLD.get(group, "(not told)")
    if group == "provider":
        return source_name(value)
    if group == "hour":
        return f"{value}:00"
    if group == "weekday":
        return value.capitalize()
    return OTHER_TAG_VALUES if group.startswith(TAG) and value == OTHER_TAGS else value


def colors_of(group: Group, *frames: pd.DataFrame) -> dict[str, str]:
    """The colour of each value in any of these frames of USAGE_BY_GROUP, the same in all of them.

    Each value has its favourite, whatever the others are; of two that share one and a frame, the one that is
    known, or else the first by name, has it. None is "".
    """
    charts = [{value or "" for value, is_rest in keys_of(frame) if not is_rest} for frame in frames]
    known = _KNOWN.get(group, {})
    names = list(known)
    colors: dict[str, str] = {}
    for value in sorted(
        set().union(*charts), key=lambda each: (names.index(each) if each in known else len(names), each)
    ):
        beside = {colors[other] for chart in charts if value in chart for other in chart if other in colors}
        favourites = [known[value]] if value in known else []
        favourites += _favourites(group, value)
        colors[value] = next((color for color in favourites if color not in beside), favourites[0])
    return colors


def series_of(
    frame: pd.DataFrame, group: Group, colors: Mapping[str, str] | None = None
) -> tuple[Series, ...]:
    """The series of a frame of USAGE_BY_GROUP, the one with the most first and the rest last.

    OpenAI and Groq come before all others, as on cards.
    """
    colors = colors_of(group, frame) if colors is None else colors
    rows = dict(zip(keys_of(frame), zip(frame["place"], frame["value_count"], strict=True), strict=True))
    found: list[Series] = []
    for (value, is_rest), (_, count) in sorted(rows.items(), key=lambda row: row[1]):
        if is_rest:
            name, color = f"Other ({formatting.count(count)} more)" if count else "Other", GREY
        else:
            name, color = value_name(group, value), colors.get(value or "", PALETTE[0])
            taken = {series.color for series in found}
            if color in taken:
                color = next((each for each in PALETTE if each not in taken), color)
        found.append(
            Series(
                name=_apart(name, [TOTAL, *(series.name for series in found)]),
                value=value,
                color=color,
                is_rest=is_rest,
            )
        )
    if group == "provider":
        first = {"openai": 0, "groq": 1}
        found.sort(key=lambda series: 3 if series.is_rest else first.get(series.value or "", 2))
    return tuple(found)


def _favourites(group: Group, value: str) -> list[str]:
    """The palette in an order that depends on nothing but the value."""
    digest = sha256(f"{'' if group.startswith(TAG) else group} {value}".encode()).digest()
    start, step = digest[0] % len(PALETTE), (1, 2, 4, 5, 7, 8)[digest[1] % 6]
    return [PALETTE[(start + step * place) % len(PALETTE)] for place in range(len(PALETTE))]


def _apart(name: str, others: Iterable[str]) -> str:
    """The name, with a number where another has it."""
    others = set(others)
    places = (f"{name} ({number})" for number in range(2, len(others) + 3))
    return name if name not in others else next(each for each in places if each not in others)


def keys_of(frame: pd.DataFrame) -> list[tuple[str | None, bool]]:
    """The value of each row, and whether it is the rest: what tells series apart."""
    values = (value if isinstance(value, str) else None for value in frame["value"].tolist())
    return list(zip(values, frame["is_rest"].tolist(), strict=True))


def by_source(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with sums per `source` as USAGE_BY_GROUP has them: which source each row is, or the rest."""
    used = frame[frame["total_tokens"].ne(0) | frame["request_count"].ne(0)]
    sums = used.groupby("source")["total_tokens"].sum().sort_values(ascending=False, kind="stable")
    named, rest = list(sums.index[:TOP_VALUES]), list(sums.index[TOP_VALUES:])
    rows = frame[frame["source"].isin([*named, *rest])]
    return placed(rows, named, len(rest))


def placed(frame: pd.DataFrame, named: Sequence[str], rest_count: int) -> pd.DataFrame:
    """The frame with each row's value, place and whether it is the rest, where only some have names."""
    is_rest = ~frame["source"].isin(named)
    places = {source: place for place, source in enumerate(named, start=1)}
    return frame.assign(
        value=frame["source"].where(~is_rest, None),
        is_rest=is_rest,
        place=[places.get(source, len(named) + 1) for source in frame["source"]],
        value_count=[rest_count if rest else 1 for rest in is_rest],
    )
