"""Tables as people read them: numbers stay numbers, so that columns sort, and are shown with their units."""

from collections.abc import Hashable
from decimal import Decimal

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from analytics import charts, formatting
from analytics.queries import Overview

NO_MODEL = "(no model named)"
NO_CONVERSATION = "(calls without a conversation)"
UNNAMED = "(unnamed)"
ROW_HEIGHT = 35
MONEY_COLUMNS = ("Cost", "per 1K tokens", "Running cost")


def models(overview: Overview) -> None:
    """One row per provider and model: requests, tokens, cost, and what 1,000 tokens and a request come to."""
    frame = overview.models
    table = pd.DataFrame(
        {
            "Provider": frame["source"].map(charts.source_name),
            "Model": frame["model"].fillna(NO_MODEL),
            "Cost": known_costs(frame),
            "per 1K tokens": frame["cost_per_1k_tokens"].astype("float64"),
            "Requests": frame["request_count"],
            "Tokens": frame["total_tokens"],
            "per request": frame["tokens_per_request"],
            "Prompt": frame["prompt_tokens"],
            "Completion": frame["completion_tokens"],
            "No price": frame["unpriced_count"],
        }
    )
    table = without_zeros(table, "No price")
    st.dataframe(
        readable(table),
        hide_index=True,
        placeholder=formatting.MISSING,
        height=ROW_HEIGHT * (min(max(len(table), 1), 12) + 1) + 3,
        column_config={
            "Provider": st.column_config.TextColumn(width="small", pinned=True),
            "Cost": st.column_config.NumberColumn(
                "Cost (USD)", help="Of the calls with a known price; a dash where none has one."
            ),
            "No price": st.column_config.NumberColumn(help="Requests whose cost is not known."),
            "per request": st.column_config.NumberColumn(
                "Tokens per request", help="Tokens divided by requests."
            ),
            "per 1K tokens": st.column_config.NumberColumn(
                "USD per 1K", help="Cost per 1,000 tokens; a dash where some of the cost is unknown."
            ),
        },
        key="models table",
    )


def conversations(overview: Overview, *, show_phones: bool) -> None:
    """The conversations with the most tokens; phones are masked to their last four digits unless shown."""
    frame = overview.conversations
    table = pd.DataFrame(
        {
            "Conversation": conversation_names(frame, show_phones=show_phones),
            "Phone": phones(frame, show_phones=show_phones),
            "Share": 100 * frame["share_of_tokens"],
            "Cost": known_costs(frame),
            "Tokens": frame["total_tokens"],
            "OpenAI": frame["openai_tokens"],
            "Groq": frame["groq_tokens"],
            "Other": frame["other_tokens"],
            "No price": frame["unpriced_count"],
            "Requests": frame["request_count"],
        }
    )
    table = without_zeros(table, "Other", "No price")
    largest = float(table["Share"].max()) if len(table) else 100.0
    st.dataframe(
        readable(table),
        hide_index=True,
        placeholder=formatting.MISSING,
        height=ROW_HEIGHT * (max(len(table), 1) + 1) + 3,
        column_config={
            "Conversation": st.column_config.TextColumn(pinned=True, width="medium"),
            "Share": st.column_config.ProgressColumn(
                "Share of tokens",
                help="Of all the client's tokens in the period; the bars are scaled to the largest.",
                min_value=0.0,
                max_value=largest or 100.0,
                format="%.1f%%",
                color="primary",
            ),
            "Cost": st.column_config.NumberColumn(
                "Cost (USD)", help="Of the calls with a known price; a dash where none has one."
            ),
        },
        key="conversations table",
    )


def phones(frame: pd.DataFrame, *, show_phones: bool) -> pd.Series:
    """The phones of `frame`, masked to their last four digits unless shown; a dash where there is none."""
    shown = frame["phone"] if show_phones else frame["phone"].map(formatting.masked_phone, na_action="ignore")
    return shown.fillna(formatting.MISSING)


def without_zeros(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The table without those of `columns` that say nothing."""
    return table.drop(columns=[name for name in columns if not table[name].any()])


def conversation_names(frame: pd.DataFrame, *, show_phones: bool) -> list[str]:
    """What people know each conversation by: its name, the beginning of its id, or that it has none."""
    names = []
    for name, phone, conversation_id in zip(
        frame["conversation_name"], frame["phone"], frame["conversation_id"], strict=True
    ):
        if name:
            names.append(name if show_phones else formatting.masked_name(name))
        elif phone or conversation_id:
            # The phone has its own, masked column; an id is no secret.
            names.append(f"{str(conversation_id)[:8]}…" if conversation_id else UNNAMED)
        else:
            names.append(NO_CONVERSATION)
    return names


def known_costs(frame: pd.DataFrame) -> "pd.Series[float]":
    """Costs as float, for display; missing where no call of the row has a price."""
    unknown = (frame["unpriced_count"] > 0) & (frame["unpriced_count"] == frame["request_count"])
    return frame["total_cost"].astype("float64").mask(unknown)


def readable(table: pd.DataFrame) -> Styler:
    """The table with its numbers as text for the eye, while columns go on sorting by value."""
    counts: list[Hashable] = [name for name in table if pd.api.types.is_integer_dtype(table[name])]
    money: list[Hashable] = [name for name in MONEY_COLUMNS if name in table]
    styler = table.style.format("{:,}", subset=counts)
    styler = styler.format(lambda amount: formatting.usd(Decimal(repr(amount))), subset=money, na_rep="")
    if "per request" in table:
        styler = styler.format("{:,.0f}", subset=["per request"], na_rep="")
    return styler
