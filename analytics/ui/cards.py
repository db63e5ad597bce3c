"""The summary cards: the total, its cost, and the providers that it is made of."""

from decimal import Decimal
from typing import Any

import streamlit as st

from analytics import charts, formatting
from analytics.queries import Overview

PROVIDERS = ("openai", "groq", "other")
NARROWEST_CARD = 166  # pixels: two side by side on a phone, five on a laptop


def summary_cards(overview: Overview) -> None:
    """Total tokens and cost, OpenAI, Groq, and Other unless it is zero; the parts add up to the total."""
    by_provider: dict[Any, dict[Any, Any]] = overview.summary.set_index("provider").to_dict("index")
    trends = charts.trends(overview.daily, overview.period.days)
    total = by_provider["total"]

    shown = [name for name in PROVIDERS if name != "other" or _is_used(by_provider[name])]
    with st.grid(2 + len(shown), min_column_width=NARROWEST_CARD, gap="small", key="cards"):
        requests = formatting.plural(total["request_count"], "request")
        _tokens_card(overview, "Total tokens", total, trends["Total"], [requests, _split(total)])
        _cost_card(overview, "Total cost", total, trends["Total"])
        for provider in shown:
            row = by_provider[provider]
            name = charts.provider_name(provider)
            cost = formatting.cost(row["total_cost"], row["unpriced_count"], row["request_count"])
            requests = formatting.plural(row["request_count"], "request")
            share = formatting.share(row["total_tokens"], total["total_tokens"])
            lines = [f"{cost} · {requests}", f"{share} of all tokens"]
            _tokens_card(overview, name, row, trends[name], lines)


def _is_used(row: dict[Any, Any]) -> bool:
    return bool(row["request_count"] or row["previous_request_count"])


def _tokens_card(
    overview: Overview, label: str, row: dict[str, Any], trend: dict[str, list[float]], lines: list[str]
) -> None:
    _card(
        overview,
        label,
        value=formatting.compact(row["total_tokens"]),
        exact=formatting.plural(row["total_tokens"], "token"),
        change=formatting.change(row["total_tokens"], row["previous_total_tokens"]),
        before=formatting.compact(row["previous_total_tokens"]),
        trend=trend["tokens"],
        lines=lines,
    )


def _cost_card(overview: Overview, label: str, row: dict[str, Any], trend: dict[str, list[float]]) -> None:
    _card(
        overview,
        label,
        value=formatting.cost(row["total_cost"], row["unpriced_count"], row["request_count"]),
        exact=f"{'at least ' if row['unpriced_count'] else ''}{row['total_cost'].normalize():f}"
        f"{formatting.NO_BREAK_SPACE}USD",
        change=formatting.change(row["total_cost"], row["previous_total_cost"]),
        before=formatting.usd(row["previous_total_cost"]),
        trend=trend["cost"],
        lines=[_per_request(row), _coverage(row)],
        warning=_unknown(row),
    )


def _card(
    overview: Overview,
    label: str,
    *,
    value: str,
    exact: str,
    change: str | None,
    before: str,
    trend: list[float],
    lines: list[str],
    warning: str = "",
) -> None:
    first, last = formatting.day(overview.first_day), formatting.day(overview.last_day)
    with st.container(border=True, height="stretch", gap="xxsmall", key=f"card {label}"):
        st.metric(
            label,
            value,
            delta=change,
            # More use is neither good nor bad.
            delta_color="off",
            delta_description=f"vs {before}" if change else "no comparison",
            chart_data=trend,
            chart_type="area",
            help=f"{exact} from {first} to {last}, days of {overview.client.timezone}. "
            f"Compared with the {overview.period.days} days just before.",
        )
        # A dollar sign would begin a formula.
        st.caption("  \n".join(filter(None, lines)).replace("$", "\\$"))
        if warning:
            # Not in the caption, where colours are pale.
            st.markdown(f":small[:orange[{warning}]]")


def _split(row: dict[str, Any]) -> str:
    """`8.1M prompt + 2.2M completion`, and what no call divided, so that the parts add up to the total."""
    undivided = row["total_tokens"] - row["prompt_tokens"] - row["completion_tokens"]
    parts = {"prompt": row["prompt_tokens"], "completion": row["completion_tokens"], "undivided": undivided}
    return " + ".join(
        f"{formatting.compact(tokens)}{formatting.NO_BREAK_SPACE}{name}"
        for name, tokens in parts.items()
        if tokens or name != "undivided"
    )


def _per_request(row: dict[str, Any]) -> str:
    priced_count = row["request_count"] - row["unpriced_count"]
    if not priced_count:
        return "no request with a price"
    return f"{formatting.usd(row['total_cost'] / Decimal(priced_count))} per request"


def _coverage(row: dict[str, Any]) -> str:
    """That every request has a cost, or that there was none."""
    if not row["request_count"]:
        return "nothing to price"
    return "" if row["unpriced_count"] else "all requests priced"


def _unknown(row: dict[str, Any]) -> str:
    """How many of the requests have no known cost."""
    if not row["unpriced_count"]:
        return ""
    priced = formatting.share(row["request_count"] - row["unpriced_count"], row["request_count"])
    return f"{priced} priced, {formatting.count(row['unpriced_count'])} at unknown cost"
