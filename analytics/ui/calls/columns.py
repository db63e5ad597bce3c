"""The columns of the list of calls: each by its name in the CSV, as that is what a link and a file have."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.errors import InvalidInput
from analytics.pricing.price_list import DETAILS
from analytics.ui.frame.address import Part
from analytics.ui.parts import tables
from analytics.ui.parts.call import PIECES

MADE = "created_at"
"""Always there, and first."""
BUCKET = "bucket_request_count"
"""There wherever a call of the page is the sum of a bucket."""
CONVERSATION_WIDTH = MODEL_WIDTH = 170  # pixels
_NONE = "none"
_MAX_QUOTED = 100  # characters


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column that can be chosen."""

    heading: str
    values: Callable[[pd.DataFrame], Any]
    """Its values, of a frame of queries.CALLS."""
    look: Any = None
    """Its st.column_config, if it has one."""


def _as_it_is(name: str, heading: str, look: Any = None) -> Column:
    return Column(heading=heading, values=lambda calls: calls[name], look=look)


def _heading(meter: str) -> str:
    """`Cached` for cached_tokens, `Web searches` for web_search_count."""
    words = PIECES[meter][1] if meter in PIECES else meter.removesuffix("_tokens").replace("_", " ")
    return words.capitalize()


def _cost(calls: pd.DataFrame) -> "pd.Series[float]":
    return calls["cost_usd"].astype("float64").mask(calls["cost_basis"] == "unpriced")


def _tags(calls: pd.DataFrame) -> list[str | None]:
    return [
        ", ".join(f"{key}: {value}" for key, value in tags.items()) if isinstance(tags, dict) else None
        for tags in calls["tags"]
    ]


def _texts(name: str) -> Callable[[pd.DataFrame], Any]:
    return lambda calls: [None if value is None else str(value) for value in calls[name]]


COLUMNS: Mapping[str, Column] = {
    "cost_usd": Column(
        heading="Cost",
        values=_cost,
    ),
    "total_tokens": _as_it_is("total_tokens", "Tokens"),
    "model": Column(
        heading="Model",
        values=lambda calls: calls["model"].fillna(formatting.NO_MODEL),
        look=st.column_config.TextColumn(width=MODEL_WIDTH),
    ),
    "source": Column(heading="Provider", values=lambda calls: calls["source"].map(charts.source_name)),
    "conversation_name": Column(
        heading="Conversation",
        values=tables.conversation_names,
        look=st.column_config.TextColumn(width=CONVERSATION_WIDTH),
    ),
    "latency_ms": _as_it_is("latency_ms", "Latency"),
    "outcome": _as_it_is("outcome", "Outcome"),
    "cost_basis": _as_it_is("cost_basis", "Basis"),
    "prompt_tokens": _as_it_is("prompt_tokens", "Prompt"),
    "completion_tokens": _as_it_is("completion_tokens", "Completion"),
    **{name: _as_it_is(name, _heading(name)) for name in DETAILS},
    "duration_seconds": Column(
        heading="Seconds of audio", values=lambda calls: calls["duration_seconds"].astype("float64")
    ),
    "operation": _as_it_is("operation", "Operation"),
    "service_tier": _as_it_is("service_tier", "Tier"),
    "time_to_first_token_ms": _as_it_is(
        "time_to_first_token_ms",
        "First token",
        st.column_config.NumberColumn(
            "ms to first token", help="Milliseconds from the request to the first token of the answer."
        ),
    ),
    "attempt": _as_it_is("attempt", "Attempt"),
    "tags": Column(heading="Tags", values=_tags),
    "phone": Column(heading="Phone", values=tables.phones),
    "conversation_id": Column(heading="Conversation id", values=_texts("conversation_id")),
    "id": Column(heading="Id", values=_texts("id")),
    "operation_id": _as_it_is("operation_id", "Operation id"),
    "response_id": _as_it_is("response_id", "Response id"),
    "account": _as_it_is("account", "Account"),
    BUCKET: _as_it_is(BUCKET, "Sum of"),
    "stated_cost_usd": Column(
        heading="Stated cost",
        values=lambda calls: calls["stated_cost_usd"].astype("float64"),
        look=st.column_config.NumberColumn(
            "Stated cost (USD)", help="What the provider or a gateway says that the call cost."
        ),
    ),
}
"""By their names, in the order in which they stand."""
DEFAULT_COLUMNS: tuple[str, ...] = (
    *("cost_usd", "total_tokens", "model", "source", "conversation_name", "latency_ms", "outcome"),
)


def columns_in_link() -> tuple[str, ...]:
    """The names of the columns that are chosen; where they are not valid, ends the page with a message."""
    return _CHOSEN.value()


def choose_columns() -> None:
    """Draws a menu of the columns."""
    with st.popover("Columns", icon=":material/view_column:", help="What the table and its file show"):
        _CHOSEN.choose_many(
            st.pills,
            "Columns",
            list(COLUMNS),
            format_func=lambda name: COLUMNS[name].heading,
            selection_mode="multi",
        )


def table_of(calls: pd.DataFrame, names: tuple[str, ...], timezone: str) -> pd.DataFrame:
    """The table of these columns, by their headings."""
    made = {"Made": charts.on_clock(calls[MADE], timezone)}
    if BUCKET not in names and calls[BUCKET].notna().any():
        names = (BUCKET, *names)
    return pd.DataFrame(made | {COLUMNS[name].heading: COLUMNS[name].values(calls) for name in names})


def looks(names: tuple[str, ...]) -> dict[str, Any]:
    """st.column_config of these columns."""
    return tables.CALL_COLUMNS | {
        COLUMNS[name].heading: COLUMNS[name].look for name in names if COLUMNS[name].look
    }


def _parse(value: str) -> tuple[str, ...]:
    chosen = set() if value == _NONE else set(value.split(","))
    if unknown := chosen - {*COLUMNS}:
        raise InvalidInput(
            f'columns must be some of {", ".join(COLUMNS)}, or {_NONE}, not "{min(unknown)[:_MAX_QUOTED]}"'
        )
    return tuple(name for name in COLUMNS if name in chosen)


def _spell(names: tuple[str, ...]) -> str:
    return ",".join(names) or _NONE


_CHOSEN = Part(name="columns", parse=_parse, spell=_spell, default=DEFAULT_COLUMNS)
