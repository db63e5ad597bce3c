"""The summary cards: the total, its cost, and the providers that it is made of."""

from decimal import Decimal
from typing import Any

import streamlit as st

from analytics import charts, formatting
from analytics.queries import Overview


def summary_cards(overview: Overview) -> None:
    """Total tokens, total cost, OpenAI, Groq, and Other when it is not zero; the parts add up to the total."""
    by_provider = {row["provider"]: row for row in overview.summary.to_dict("records")}
    total = by_provider["total"]
    trends = charts.trends(overview.daily, overview.period.days)

    with st.grid("auto", min_column_width=166, gap="small", key="cards"):
        _card(
            overview,
            "Total tokens",
            formatting.compact(total["total_tokens"]),
            total,
            "total_tokens",
            trends["Total"]["tokens"],
            [formatting.plural(total["request_count"], "request"), _split(total)],
            exact=formatting.plural(total["total_tokens"], "token"),
        )
        _card(
            overview,
            "Total cost",
            formatting.usd(total["total_cost"]),
            total,
            "total_cost",
            trends["Total"]["cost"],
            [_cost_per_request(total), _coverage(total)],
            exact=f"{total['total_cost'].normalize():f} USD",
        )
        for provider in ("openai", "groq", "other"):
            row = by_provider[provider]
            name = charts.provider_name(provider)
            if name == "Other" and not row["request_count"] and not row["previous_request_count"]:
                continue
            _card(
                overview,
                name,
                formatting.compact(row["total_tokens"]),
                row,
                "total_tokens",
                trends[name]["tokens"],
                [
                    f"{formatting.cost(row['total_cost'], row['unpriced_count'], row['request_count'])} · {formatting.plural(row['request_count'], 'request')}",
                    f"{formatting.share(row['total_tokens'], total['total_tokens'])} of all tokens",
                ],
                exact=formatting.plural(row["total_tokens"], "token"),
            )


def _card(
    overview: Overview,
    label: str,
    value: str,
    row: dict[str, Any],
    column: str,
    trend: list[float],
    lines: list[str],
    *,
    exact: str,
) -> None:
    days = overview.period.days
    change = formatting.change(row[column], row[f"previous_{column}"])
    before = (
        formatting.usd(row[f"previous_{column}"])
        if column == "total_cost"
        else formatting.compact(row[f"previous_{column}"])
    )
    with st.container(border=True, height="stretch", gap="xxsmall", key=f"card {label}"):
        st.metric(
            label,
            value,
            delta=change,
            # More use is neither good nor bad; more cost is worth a look.
            delta_color="off",
            delta_description=f"vs {before}" if change else "nothing before",
            chart_data=trend,
            chart_type="area",
            help=f"{exact} from {formatting.day(overview.first_day)} to {formatting.day(overview.today)}, days of "
            f"{overview.client.timezone}. Compared with the {days} days just before.",
        )
        st.caption("  \n".join(lines).replace("$", "\\$"))


def _split(row: dict[str, Any]) -> str:
    """`8.1M prompt + 2.2M completion`, and what no call divided, so that the parts add up to the total."""
    parts = [
        f"{formatting.compact(row['prompt_tokens'])}{formatting.NO_BREAK_SPACE}prompt",
        f"{formatting.compact(row['completion_tokens'])}{formatting.NO_BREAK_SPACE}completion",
    ]
    if undivided := row["total_tokens"] - row["prompt_tokens"] - row["completion_tokens"]:
        parts.append(f"{formatting.compact(undivided)}{formatting.NO_BREAK_SPACE}undivided")
    return " + ".join(parts)


def _cost_per_request(row: dict[str, Any]) -> str:
    priced = row["request_count"] - row["unpriced_count"]
    if not priced:
        return "no priced request"
    return f"{formatting.usd(row['total_cost'] / Decimal(priced))} per request"


def _coverage(row: dict[str, Any]) -> str:
    if not row["request_count"]:
        return "nothing to price"
    if not row["unpriced_count"]:
        return "all requests priced"
    priced = formatting.share(row["request_count"] - row["unpriced_count"], row["request_count"])
    return f":orange[{priced} priced, {formatting.count(row['unpriced_count'])} at unknown cost]"
