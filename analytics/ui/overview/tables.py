"""The Overview's tables: every model, and the top conversations."""

from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting, queries
from analytics.queries import Overview, known_costs, partly_known
from analytics.ui.frame import filters
from analytics.ui.frame.links import open_timeline
from analytics.ui.frame.ways import Way, calls_with, of_model, of_models
from analytics.ui.parts.tables import (
    COST_COLUMN,
    NO_PRICE_COLUMN,
    conversation_cells,
    conversation_names,
    opening,
    phones,
    readable,
    show_table,
    without_zeros,
)

MAX_MODELS = 12  # in sight


def open_model(row: "pd.Series[Any]") -> None:
    """Counts only the calls of a provider's model, in a callback."""
    filters.show_only_model(row["source"], row["model"])


def open_model_bar(frame: pd.DataFrame, number: int) -> None:
    """The same of a bar of charts.models(), in a callback; of the rest, only the calls of all of these."""
    if number < queries.TOP_VALUES:
        open_model(frame.iloc[number])
        return
    models = list(zip(frame["source"], frame["model"].where(frame["model"].notna(), None), strict=True))
    rest = of_models(models[number:], models[:number])
    if rest is None:
        # No filter tells them apart: each has a row there.
        Way(page="providers_and_models", text="", parts={"models": "all"}).go()
    else:
        Way(page="", text="", only=rest).go()


def show_models(overview: Overview) -> None:
    """One row per provider and model, by tokens or cost as the page measures; a click filters by it."""
    frame = overview.models
    columns = {
        "Model": frame["model"].fillna(formatting.NO_MODEL),
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
    names = {
        "cost": ("Model", "Cost", "Provider", "per 1K tokens", "Tokens", "Requests", "No price"),
        "tokens": (
            *("Model", "Tokens", "Provider", "Prompt", "Completion", "Requests", "per request", "Cost"),
        ),
    }[overview.order]
    table = without_zeros(pd.DataFrame({name: columns[name] for name in names}), "No price")
    show_table(
        readable(table, Cost=partly_known(frame)),
        len(table),
        max_rows=MAX_MODELS,
        columns={
            "Model": st.column_config.TextColumn(pinned=True, width="medium"),
            "Cost": COST_COLUMN,
            "No price": NO_PRICE_COLUMN,
            "per request": st.column_config.NumberColumn("Per request", help="Tokens divided by requests."),
            "per 1K tokens": st.column_config.NumberColumn(
                "USD per 1K", help="Cost per 1,000 tokens; a dash where some of the cost is unknown."
            ),
        },
        opens=opening(
            "models table",
            frame,
            open_model,
            {
                "Requests": lambda row: calls_with("", **of_model(row["source"], row["model"])).go(),
                "No price": lambda row: calls_with(
                    "", **of_model(row["source"], row["model"]), basis="unpriced"
                ).go(),
            },
        ),
    )
    st.caption("Click a row to see only the calls of that model, its requests to see each of them.")


def show_conversations(overview: Overview) -> None:
    """The top conversations by tokens or cost; phones as they were read."""
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
    names = {
        "cost": ("Conversation", "Cost", "Share", "Requests", "No price", "Tokens", "Phone"),
        "tokens": (
            *("Conversation", "Tokens", "Share", "OpenAI", "Groq", "Other", "Requests", "Cost", "No price"),
            "Phone",
        ),
    }[overview.order]
    table = pd.DataFrame({name: columns[name] for name in names})
    table = without_zeros(table, "Other", "No price")
    largest = float(table["Share"].max()) if table["Share"].notna().any() else 0.0
    show_table(
        readable(table, Cost=partly_known(frame)),
        len(table),
        columns={
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
        opens=opening("conversations table", frame, open_timeline, conversation_cells()),
    )
    st.caption("Click a row to see its calls.")


def _shares_of_cost(overview: Overview) -> "pd.Series[float]":
    """Each conversation's share in the period's known cost, in percent; missing where its cost is unknown."""
    summary = overview.summary
    total = float(summary.loc[summary["provider"] == "total", "total_cost"].iloc[0])
    return 100 * known_costs(overview.conversations) / (total or 1.0)
