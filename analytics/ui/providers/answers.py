"""How calls ended and how long they took, per model."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.queries import CallFacts
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import model_name, show_text_table

_OUTCOMES = {"Answered": "ok", "Failed": "error", "Refused": "refused", "Cut off": "cut", "Not told": None}


def show_answers(page: Page, facts: CallFacts) -> None:
    """A row per model with its calls by outcome and its latency, the most calls first."""
    with st.container(border=True):
        show_heading(f"Outcomes and latency, {window(page.days)}", "Most requests first")
        if facts.outcomes["outcome"].isna().all() and facts.latency.empty:
            show_empty(
                "No call of these days says how it ended or how long it took",
                "OpenTelemetry spans say both. For other calls pass `outcome` and `latency_ms` to `log_*()`.",
                icon=":material/timer:",
            )
            return
        by_model = _by_model(facts)
        show_text_table(list(_rows(by_model)), text_columns=1, key="outcomes table")
        st.caption(
            "Half of the answers took no longer than p50, and 95 of 100 no longer than p95, both within 2 "
            "percent. Calls that failed are not among them."
        )


def _by_model(facts: CallFacts) -> pd.DataFrame:
    """One row per (source, model): its calls, those of each outcome, and p50_ms and p95_ms."""
    # A word for "not told", as a pivot leaves missing keys out.
    outcomes = facts.outcomes.assign(
        outcome=facts.outcomes["outcome"].fillna(""), model=facts.outcomes["model"].fillna("")
    )
    counts = outcomes.pivot_table(
        index=["source", "model"], columns="outcome", values="request_count", aggfunc="sum", fill_value=0
    )
    table = pd.DataFrame(
        {name: counts.get(outcome or "", 0) for name, outcome in _OUTCOMES.items()}, index=counts.index
    )
    table.insert(0, "Requests", table.sum(axis=1))
    latency = facts.latency.assign(model=facts.latency["model"].fillna("")).set_index(["source", "model"])
    table = table.join(latency[["p50_ms", "p95_ms"]]).reset_index()
    order = ["Requests", "source", "model"]
    return table.sort_values(order, ascending=[False, True, True], ignore_index=True)


def _rows(by_model: pd.DataFrame) -> Iterator[dict[str, str]]:
    told = [name for name in _OUTCOMES if name in ("Answered", "Failed") or by_model[name].any()]
    if len(by_model) > 1:
        yield _row("**Total**", by_model[["Requests", *_OUTCOMES]].sum().to_dict(), told)
    for row in by_model.to_dict("records"):
        provider = escaped(charts.source_name(row["source"]))
        yield _row(f"{model_name(row['model'] or None)}  \n:small[:gray[{provider}]]", row, told)


def _row(name: str, row: dict[Any, Any], told: list[str]) -> dict[str, str]:
    def counted(column: str) -> str:
        count = int(row[column])
        share = formatting.share(count, row["Requests"])
        return f"{formatting.count(count)}  \n:small[:gray[{share}]]" if count else formatting.MISSING

    return {
        "Model": name,
        "Requests": formatting.count(int(row["Requests"])),
        **{column: counted(column) for column in told},
        "p50": _duration(row.get("p50_ms")),
        "p95": _duration(row.get("p95_ms")),
    }


def _duration(milliseconds: object) -> str:
    return formatting.duration(milliseconds) if isinstance(milliseconds, Decimal) else formatting.MISSING
