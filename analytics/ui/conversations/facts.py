"""What is known of each call beside its tokens, as columns of a table."""

from collections.abc import Mapping
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
_TEXTS = {
    "Outcome": "outcome",
    "Operation": "operation",
    "Tier": "service_tier",
    "Operation id": "operation_id",
    "Response id": "response_id",
    "Account": "account",
}
COLUMNS: Mapping[str, Any] = {
    "Meters": st.column_config.TextColumn(
        help="Parts of the tokens, and what else is sold: pictures, characters, seconds of audio, searches."
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
    "Price from": st.column_config.TextColumn(help="Which price list decided, or why there is no price."),
    "Stated cost": st.column_config.NumberColumn(
        "Stated cost (USD)", help="What the provider or a gateway said that the call cost."
    ),
    "Tags": st.column_config.JsonColumn(width=120, help="What the team groups by. Click to expand."),
}
"""How the columns of facts() look."""


def facts(calls: pd.DataFrame) -> pd.DataFrame:
    """One row per call of queries.CONVERSATION_CALLS, without the columns of which nothing is known."""
    records = calls.to_dict("records")
    texts = {name: calls[column] for name, column in _TEXTS.items()}
    table = pd.DataFrame(
        {
            "Meters": [_meters(row) for row in records],
            **{name: texts[name] for name in ("Outcome", "Operation", "Tier")},
            "Latency": calls["latency_ms"],
            "First token": calls["time_to_first_token_ms"],
            "Attempt": calls["attempt"],
            "Basis": calls["cost_basis"],
            "Price from": [
                price_in_words(row["cost_basis"], row["metadata"], row["source"]) for row in records
            ],
            "Stated cost": calls["stated_cost_usd"].astype("float64"),
            "Tags": calls["tags"],
            **{name: texts[name] for name in ("Operation id", "Response id", "Account")},
        }
    )
    return table.loc[:, table.notna().any()]


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
