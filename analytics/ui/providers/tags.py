"""Usage by the values of a tag that a team chose: feature, team, environment, ..."""

from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting, queries
from analytics.calls.row import MAX_TEXT, refused_text
from analytics.errors import InvalidInput
from analytics.queries import OTHER_TAGS, TAG, CallFacts, Condition, Filters, known_costs, partly_known
from analytics.ui.frame import filters
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.ways import calls_with
from analytics.ui.parts import tables
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import measured, show_heading

MAX_ROWS = 10  # in sight
MOST_VALUES = 1_000
_VALUE_WIDTH = 180  # pixels: on a phone there is room for a number beside it


def show_usage_by_tag(page: Page, facts: CallFacts) -> None:
    """A row per value of the chosen tag, largest first; together they are all usage of the days."""
    keys = facts.tag_keys["key"].tolist()
    tag = _part(keys)
    chosen = tag.value()
    with st.container(border=True):
        if not chosen:
            show_heading(f"Usage by tag, {window(page.days)}")
            show_empty(
                "No call of these days has tags",
                'Say what calls are for, with `usage_context(tags={"feature": "search"})`, and see here what '
                "each feature, team or environment costs.",
                icon=":material/sell:",
            )
            return
        frame = page.read(queries.usage_by_tag, page.days, chosen, filters=page.filters).value
        show_heading(
            f"Usage by tag, {window(page.days)}",
            measured(page.measure, frame),
            beside=lambda: tag.choose(
                st.selectbox,
                "Tag",
                keys if chosen in keys else [*keys, chosen],
                label_visibility="collapsed",
                width=220,
            ),
        )
        _table(page, chosen, frame)
        st.caption(_total(page, chosen, frame, is_used=chosen in keys))


def _part(keys: list[str]) -> Part[str]:
    return Part(name="tag", parse=_parse, default=keys[0] if keys else "", is_always_written=True)


def _parse(value: str) -> str:
    if reason := refused_text(value):
        raise InvalidInput(f"tag must be the key of a tag, at most {MAX_TEXT} characters; this one {reason}")
    return value


def _show_only(key: str, row: "pd.Series[Any]") -> None:
    filters.show_only(f"{TAG}{key}", OTHER_TAGS if row["is_other"] else row["value"])


def _of(key: str, row: "pd.Series[Any]") -> dict[str, str]:
    """The parameters of filters that leave the calls of a row."""
    value = OTHER_TAGS if row["is_other"] else row["value"] or ""
    return Filters.of([Condition(name=f"{TAG}{key}", values=(value,))]).query()


def _table(page: Page, key: str, frame: pd.DataFrame) -> None:
    unit = page.measure.unit
    frame = queries.by_amount(frame, unit)
    frame, more = frame.head(MOST_VALUES), frame.tail(-MOST_VALUES)
    named = frame
    names = [
        _name(value, is_other=other) for value, other in zip(frame["value"], frame["is_other"], strict=True)
    ]
    if len(more):
        names.append(f"({formatting.plural(len(more), 'more value')})")
        rest = more.drop(columns=["value", "is_other"]).sum().to_frame().T
        frame = pd.concat([frame, rest.astype(frame[rest.columns].dtypes)], ignore_index=True)
    total = float(frame[page.measure.total_column].sum())
    shares = 100 * (known_costs(frame) if unit == "cost" else frame["total_tokens"]) / (total or 1.0)
    largest = float(shares.max()) if shares.notna().any() else 0.0
    columns = {
        "Value": names,
        "Cost": known_costs(frame),
        "Share": shares,
        "Tokens": frame["total_tokens"],
        "Requests": frame["request_count"],
        "No price": frame["unpriced_count"],
    }
    order = {
        "cost": ("Value", "Cost", "Share", "Requests", "Tokens", "No price"),
        "tokens": ("Value", "Tokens", "Share", "Requests", "Cost", "No price"),
    }[unit]
    table = tables.without_zeros(pd.DataFrame({name: columns[name] for name in order}), "No price")
    tables.show_table(
        tables.readable(table, Cost=partly_known(frame)),
        len(table),
        max_rows=MAX_ROWS,
        columns={
            "Value": st.column_config.TextColumn(pinned=True, width=_VALUE_WIDTH),
            "Share": st.column_config.ProgressColumn(
                f"Share of {unit}",
                help=f"Of all the client's {'known cost' if unit == 'cost' else 'tokens'} in these days; "
                "the bars are scaled to the largest.",
                min_value=0.0,
                max_value=largest or 100.0,
                format="%.1f%%",
                color="primary",
            ),
            "Cost": tables.COST_COLUMN,
            "No price": tables.NO_PRICE_COLUMN,
        },
        **tables.opening(
            "tags table",
            named,
            lambda row: _show_only(key, row),
            {
                "Requests": lambda row: calls_with("", **_of(key, row)).go(),
                "No price": lambda row: calls_with("", **_of(key, row), basis="unpriced").go(),
            },
        ),
    )


def _name(value: str | None, *, is_other: bool) -> str:
    return charts.value_name(TAG, OTHER_TAGS if is_other else value)


def _total(page: Page, key: str, frame: pd.DataFrame, *, is_used: bool) -> str:
    requests, tokens, unpriced = (
        int(frame[name].sum()) for name in ("request_count", "total_tokens", "unpriced_count")
    )
    cost = with_dollars(formatting.cost(sum(frame["total_cost"], Decimal(0)), unpriced, requests))
    sums = (
        "Click a row to see only its calls. Each call is in one row: together "
        f"{formatting.plural(requests, 'call')}, {formatting.plural(tokens, 'token')} and {cost}, "
        "which is all usage of these days."
    )
    return sums if is_used else f"No call of these days has the tag {escaped(key)}. {sums}"
