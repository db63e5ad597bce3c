"""Tables as people read them: numbers stay numbers, so that columns sort, and are shown with their units."""

import re
from collections.abc import Hashable, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from analytics import charts, formatting
from analytics.queries import Overview, known_costs, partly_known

NO_MODEL = "(no model named)"
NO_CONVERSATION = "(calls without a conversation)"
UNNAMED = "(unnamed)"
ROW_HEIGHT = 35
_FORMULA = re.compile(r"\s*[-=+@\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"\+?[\d\s().-]+")
MONEY_COLUMNS = ("Cost", "per 1K tokens", "Running cost")
COST_COLUMN = st.column_config.NumberColumn(
    "Cost (USD)",
    help="≥: of the calls with a known price, as some have none. A dash: unknown, as none has one.",
)
NO_PRICE_COLUMN = st.column_config.NumberColumn(help="Requests whose cost is not known.")


def models(overview: Overview) -> None:
    """One row per provider and model, the first one by what is measured, with what belongs to that.

    As many columns as fit beside the pie; those of the other measure are one click away.
    """
    frame = overview.models
    columns = {
        "Model": frame["model"].fillna(NO_MODEL),
        "Cost": known_costs(frame),
        "Tokens": frame["total_tokens"],
        "Provider": frame["source"].map(charts.source_name),
        "per 1K tokens": frame["cost_per_1k_tokens"].astype("float64"),
        "Prompt": frame["prompt_tokens"],
        "Completion": frame["completion_tokens"],
        "Requests": frame["request_count"],
        "per request": frame["tokens_per_request"],
        "No price": frame["unpriced_count"],
    }
    shown = {
        "cost": ("Model", "Cost", "Provider", "per 1K tokens", "Tokens", "Requests", "No price"),
        "tokens": (
            *("Model", "Tokens", "Provider", "Prompt", "Completion", "Requests", "per request", "Cost"),
        ),
    }[overview.order]
    table = without_zeros(pd.DataFrame({name: columns[name] for name in shown}), "No price")
    st.dataframe(
        readable(table, Cost=partly_known(frame)),
        hide_index=True,
        placeholder=formatting.MISSING,
        height=ROW_HEIGHT * (min(max(len(table), 1), 12) + 1) + 3,
        column_config={
            "Model": st.column_config.TextColumn(pinned=True),
            "Cost": COST_COLUMN,
            "No price": NO_PRICE_COLUMN,
            "per request": st.column_config.NumberColumn("Per request", help="Tokens divided by requests."),
            "per 1K tokens": st.column_config.NumberColumn(
                "USD per 1K", help="Cost per 1,000 tokens; a dash where some of the cost is unknown."
            ),
        },
        key="models table",
    )


def conversations(overview: Overview) -> None:
    """The first conversations by what is measured; phones as they were read."""
    frame = overview.conversations
    by_cost = overview.order == "cost"
    columns = {
        "Conversation": conversation_names(frame),
        "Cost": known_costs(frame),
        "Tokens": frame["total_tokens"],
        "Share": _shares_of_cost(overview) if by_cost else 100 * frame["share_of_tokens"],
        "OpenAI": frame["openai_tokens"],
        "Groq": frame["groq_tokens"],
        "Other": frame["other_tokens"],
        "Requests": frame["request_count"],
        "No price": frame["unpriced_count"],
        "Phone": phones(frame),
    }
    shown = {
        "cost": ("Conversation", "Cost", "Share", "Requests", "No price", "Tokens", "Phone"),
        "tokens": (
            *("Conversation", "Tokens", "Share", "OpenAI", "Groq", "Other", "Requests", "Cost", "No price"),
            "Phone",
        ),
    }[overview.order]
    table = pd.DataFrame({name: columns[name] for name in shown})
    table = without_zeros(table, "Other", "No price")
    largest = float(table["Share"].max()) if table["Share"].notna().any() else 0.0
    st.dataframe(
        readable(table, Cost=partly_known(frame)),
        hide_index=True,
        placeholder=formatting.MISSING,
        height=ROW_HEIGHT * (max(len(table), 1) + 1) + 3,
        column_config={
            "Conversation": st.column_config.TextColumn(pinned=True, width="medium"),
            "Share": st.column_config.ProgressColumn(
                f"Share of {overview.order}",
                help=f"Of all the client's {'known cost' if by_cost else 'tokens'} in the period; "
                "the bars are scaled to the largest.",
                min_value=0.0,
                max_value=largest or 100.0,
                format="%.1f%%",
                color="primary",
            ),
            "Cost": COST_COLUMN,
            "No price": NO_PRICE_COLUMN,
        },
        key="conversations table",
    )


def _shares_of_cost(overview: Overview) -> "pd.Series[float]":
    """The share of each conversation in the period's known cost, in percent; missing where its cost is."""
    summary = overview.summary
    total = float(summary.loc[summary["provider"] == "total", "total_cost"].iloc[0])
    return 100 * known_costs(overview.conversations) / (total or 1.0)


def selected(key: str, frame: pd.DataFrame) -> "pd.Series[Any] | None":
    """The row of `frame` that was ticked, or clicked into, in the table of this key; in a callback."""
    selection = st.session_state[key].selection
    rows = [*selection.rows, *(row for row, _ in selection.cells)]
    return frame.iloc[rows[0]] if rows and rows[0] < len(frame) else None


def phones(frame: pd.DataFrame) -> pd.Series:
    """The phones of `frame`, as they were read: whole or masked; a dash where there is none."""
    return frame["phone"].fillna(formatting.MISSING)


def without_zeros(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The table without those of `columns` that say nothing."""
    return table.drop(columns=[name for name in columns if name in table and not table[name].any()])


def conversation_names(frame: pd.DataFrame) -> list[str]:
    """What people know each conversation by: its name, the beginning of its id, or that it has none."""
    names = []
    for name, phone, conversation_id in zip(
        frame["conversation_name"], frame["phone"], frame["conversation_id"], strict=True
    ):
        if name:
            names.append(name)
        elif phone or conversation_id:
            # The phone has its own, masked column; an id is no secret.
            names.append(f"{str(conversation_id)[:8]}…" if conversation_id else UNNAMED)
        else:
            names.append(NO_CONVERSATION)
    return names


def harmless(table: pd.DataFrame) -> pd.DataFrame:
    """The table, of whose texts no spreadsheet makes a formula: any table can be downloaded by its corner.

    A sign without width stands before those that begin like one; phones, which are numbers, are left alone.
    """
    texts = {
        name: column.map(_harmless)
        for name, column in table.items()
        if pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)
    }
    return table.assign(**{str(name): column for name, column in texts.items()})


def _harmless(value: Any) -> Any:
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"\N{WORD JOINER}{value}" if is_formula else value


def readable(table: pd.DataFrame, **partly: "pd.Series[bool]") -> Styler:
    """The table with its numbers as text for the eye, while columns go on sorting by value.

    `partly` says of columns of costs in which rows they are lower bounds; `Cost=partly_known(frame)`.
    """
    table = harmless(table)
    counts: list[Hashable] = [name for name in table if pd.api.types.is_integer_dtype(table[name])]
    money: list[Hashable] = [name for name in MONEY_COLUMNS if name in table]
    styler = table.style.format("{:,}", subset=counts)
    styler = styler.format(_usd, subset=money, na_rep="")
    if "per request" in table:
        styler = styler.format("{:,.0f}", subset=["per request"], na_rep="")
    return marked_bounds(styler, table, partly)


def marked_bounds(styler: Styler, table: pd.DataFrame, partly: "Mapping[str, pd.Series[bool]]") -> Styler:
    """The costs with a ≥ in those rows of their columns in which they are lower bounds."""
    for name, rows in partly.items():
        bounds = table.index[rows.to_numpy(bool)]
        if name in table and len(bounds):
            styler = styler.format(_at_least, subset=(bounds, [name]), na_rep="")
    return styler


def _usd(amount: object) -> str:
    return formatting.usd(Decimal(repr(amount)))


def _at_least(amount: object) -> str:
    return formatting.cost(Decimal(repr(amount)), 1, 2)
