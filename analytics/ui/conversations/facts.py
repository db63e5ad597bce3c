"""What is known of each call beside its tokens, as columns of a table."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd
import streamlit as st

from analytics import formatting
from analytics.pricing.explained import price_in_words
from analytics.ui.parts import tables

_TOKEN_PARTS = {
    "cached_tokens": "cached",
    "cache_write_tokens": "written to the cache",
    "cache_write_1h_tokens": "of them for an hour",
    "reasoning_tokens": "reasoning",
    "prompt_audio_tokens": "audio in",
    "cached_audio_tokens": "cached audio",
    "completion_audio_tokens": "audio out",
    "prompt_image_tokens": "picture in",
    "cached_image_tokens": "cached picture",
    "completion_image_tokens": "picture out",
}
_PIECES = {
    "character_count": ("character", "characters"),
    "image_count": ("picture", "pictures"),
    "web_search_count": ("web search", "web searches"),
    "file_search_count": ("file search", "file searches"),
    "code_run_count": ("code run", "code runs"),
}
COLUMNS: Mapping[str, Any] = {
    "Meters": st.column_config.TextColumn(
        width=150,
        help="Parts of the tokens, and what else is sold: pictures, characters, seconds of audio, searches.",
    ),
    "Outcome": tables.OUTCOME_COLUMN,
    "Tier": st.column_config.TextColumn(help="The provider's service tier, such as batch, flex or priority."),
    "Latency": st.column_config.NumberColumn("Latency (ms)", help="From the request to the answer's end."),
    "First token": st.column_config.NumberColumn("First token (ms)", help="From the request to it."),
    "Attempt": st.column_config.NumberColumn(
        help="Retries and fallbacks of one operation have the same operation id."
    ),
    "Operation": st.column_config.TextColumn(help="What the call was for, such as chat or embeddings."),
    "Basis": st.column_config.TextColumn(
        help="priced: by a price list. given: logged with the call, or stated by the provider. "
        "estimated: tokens or price are an estimate. unpriced: no price is known."
    ),
    "Price from": st.column_config.TextColumn(
        width=260, help="Which price list decided, or why there is no price."
    ),
    "Stated cost": st.column_config.NumberColumn(
        "Stated cost (USD)", help="What the provider or a gateway said that the call cost."
    ),
    "Tags": st.column_config.JsonColumn(width=120, help="What the team groups by. Click to expand."),
}
"""How they look."""


_READERS: Mapping[str, Callable[[pd.DataFrame], Any]] = {
    "Meters": lambda calls: [_meters(row) for row in calls.to_dict("records")],
    "Outcome": lambda calls: calls["outcome"],
    "Basis": lambda calls: calls["cost_basis"],
    "Price from": lambda calls: [
        price_in_words(*of_call)
        for of_call in zip(calls["cost_basis"], calls["metadata"], calls["source"], strict=True)
    ],
    "Stated cost": lambda calls: calls["stated_cost_usd"].astype("float64"),
    "Tags": lambda calls: calls["tags"],
    "Tier": lambda calls: calls["service_tier"],
    "Operation": lambda calls: calls["operation"],
    "Latency": lambda calls: calls["latency_ms"],
    "First token": lambda calls: calls["time_to_first_token_ms"],
    "Attempt": lambda calls: calls["attempt"],
    "Operation id": lambda calls: calls["operation_id"],
    "Response id": lambda calls: calls["response_id"],
    "Account": lambda calls: calls["account"],
}
FACTS = tuple(_READERS)
"""The columns that facts() knows."""


def facts(calls: pd.DataFrame, names: Iterable[str]) -> "dict[str, pd.Series[Any]]":
    """These columns for queries.CONVERSATION_CALLS, without those of which nothing is known."""
    columns = {name: pd.Series(_READERS[name](calls), index=calls.index) for name in names}
    return {name: column for name, column in columns.items() if column.notna().any()}


def failures(calls: pd.DataFrame) -> str:
    """`2 failed, 1 cut`; empty where all went well, as far as the calls say."""
    words = {"error": "failed", "refused": "refused", "cut": "cut"}
    counts = {word: int((calls["outcome"] == outcome).sum()) for outcome, word in words.items()}
    return ", ".join(f"{formatting.count(count)} {word}" for word, count in counts.items() if count)


def _meters(row: Mapping[Any, Any]) -> str | None:
    """`1,024 cached, 1 web search`; None where there is nothing to tell."""

    def used(column: str) -> int:
        return 0 if pd.isna(row[column]) else int(row[column])

    parts = [
        f"{formatting.count(count)} {words}"
        for column, words in _TOKEN_PARTS.items()
        if (count := used(column))
    ]
    parts += [
        f"{formatting.count(count)} {one if count == 1 else many}"
        for column, (one, many) in _PIECES.items()
        if (count := used(column))
    ]
    if (seconds := row["duration_seconds"]) is not None:
        parts.append(f"{seconds.normalize():,f} s of audio")
    return ", ".join(parts) or None
