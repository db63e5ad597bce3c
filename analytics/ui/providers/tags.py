"""Usage by the values of a tag that a team chose: feature, team, environment, ..."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting, queries
from analytics.calls.row import MAX_TEXT, refused_text
from analytics.errors import InvalidInput
from analytics.queries import OTHER_TAGS, TAG, CallFacts, Condition, Filters, known_costs, partly_known
from analytics.ui.frame import address, filters
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page
from analytics.ui.frame.ways import calls_with, show_ways
from analytics.ui.parts import tables
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import measured, show_heading

MAX_ROWS = 10  # in sight
MOST_VALUES = 1_000
_MAX_DIGITS = 8  # of the number of values before those that are shown
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
        show_ways([calls_with(_total(frame))], key="tags")
        st.caption(_how_to_open(chosen, is_used=chosen in keys))


def _part(keys: list[str]) -> Part[str]:
    default = keys[0] if keys else ""
    return Part(name="tag", parse=_parse, default=default, is_always_written=True, resets=("values",))


def _parse(value: str) -> str:
    if reason := refused_text(value):
        raise InvalidInput(f"tag must be the key of a tag, at most {MAX_TEXT} characters; this one {reason}")
    return value


def _open_row(key: str, row: "pd.Series[Any]", only: Mapping[str, str] | None = None) -> None:
    """Filters by a value, or opens its calls with `only` this; of many values together shows each.

    So do the requests of these, as there are more of them than a filter names.
    """
    if row["value_count"]:
        address.put(**_FROM.changes(int(row["place"])))
    elif only is None:
        filters.show_only(f"{TAG}{key}", OTHER_TAGS if row["is_other"] else row["value"])
    else:
        calls_with("", **_of(key, row), **only).go()


def _shown(frame: pd.DataFrame) -> pd.DataFrame:
    """The values from the chosen one on, and those before and behind them in a row each.

    Such a row has the number of its values, `which` they are, and the `place` of the first that it opens.
    """
    first = min(_FROM.value(), max(len(frame) - 1, 0) // MOST_VALUES * MOST_VALUES)
    end = first + MOST_VALUES
    named = frame.iloc[first:end].assign(value_count=0, which="", place=0)
    parts = [
        _together(frame.iloc[:first], "earlier", max(first - MOST_VALUES, 0)),
        named,
        _together(frame.iloc[end:], "more", end),
    ]
    return pd.concat([part for part in parts if not part.empty], ignore_index=True)


def _together(frame: pd.DataFrame, which: str, place: int) -> pd.DataFrame:
    """One row with the sums of these, or none."""
    if frame.empty:
        return frame
    sums = frame.drop(columns=["value", "is_other"]).sum().to_frame().T
    sums = sums.astype(frame[sums.columns].dtypes)
    return sums.assign(value=None, is_other=False, value_count=len(frame), which=which, place=place)


def _of(key: str, row: "pd.Series[Any]") -> dict[str, str]:
    """The parameters of filters that leave the calls of a row."""
    value = OTHER_TAGS if row["is_other"] else row["value"] or ""
    return Filters.of([Condition(name=f"{TAG}{key}", values=(value,))]).query()


def _table(page: Page, key: str, frame: pd.DataFrame) -> None:
    unit = page.measure.unit
    total = float(frame[page.measure.total_column].sum())
    frame = _shown(queries.by_amount(frame, unit))
    names = [
        _name(value, is_other=other) if not count else f"({formatting.plural(count, f'{which} value')})"
        for value, other, count, which in zip(
            frame["value"], frame["is_other"], frame["value_count"], frame["which"], strict=True
        )
    ]
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
        opens=tables.opening(
            "tags table",
            frame,
            lambda row: _open_row(key, row),
            {
                "Requests": lambda row: _open_row(key, row, {}),
                "No price": lambda row: _open_row(key, row, {"basis": "unpriced"}),
            },
        ),
    )


def _name(value: str | None, *, is_other: bool) -> str:
    return charts.value_name(TAG, OTHER_TAGS if is_other else value)


def _total(frame: pd.DataFrame) -> str:
    requests, tokens, unpriced = (
        int(frame[name].sum()) for name in ("request_count", "total_tokens", "unpriced_count")
    )
    cost = formatting.cost(sum(frame["total_cost"], Decimal(0)), unpriced, requests)
    calls, tokens_text = formatting.plural(requests, "call"), formatting.plural(tokens, "token")
    return f"Together {calls}, {tokens_text} and {cost}"


def _how_to_open(key: str, *, is_used: bool) -> str:
    text = "Click a row to see only its calls. Each call is in one row; all rows are all usage of these days."
    return text if is_used else f"No call of these days has the tag {escaped(key)}. {text}"


def _parse_from(value: str) -> int:
    number = int(value) if value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS else -1
    if number < 0 or number % MOST_VALUES:
        raise InvalidInput(f'values must be a multiple of {MOST_VALUES:,}, not "{value[:40]}"')
    return number


_FROM = Part(name="values", parse=_parse_from, default=0)
"""How many values with more use are left out before those that are shown."""
