"""Tables of prices and costs with exact amounts."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from analytics import formatting
from analytics.pricing.words import exact
from analytics.ui.frame.ways import Way
from analytics.ui.parts.tables import MANY_COLUMNS, NARROW_MODEL, harmless, marked_bounds, opening, show_table

MAX_ROWS = 12  # in sight
_NARROW = {**NARROW_MODEL, "per": st.column_config.TextColumn(width=76)}
# Columns that are hidden where they are empty or zero.
_HIDE_WHEN_EMPTY = (
    "No price",
    "Still no price",
    "Cost given",
    "Note",
    "State",
    "Cached input",
    "Ours / public",
    "Tier",
    "Prompts above",
    "Discount",
    "Other kinds",
    "Only",
    "Undone",
)


def price_table(
    rows: Sequence[Mapping[str, Any]],
    money: Sequence[str] = (),
    *,
    is_cost: bool = False,
    at_least: Mapping[str, Sequence[bool]] | None = None,
    texts: Mapping[str, Sequence[str]] | None = None,
    key: str,
    ways: Sequence[Way],
    cells: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """A table with exact prices, or rounded costs, in the columns `money`; empty columns are hidden.

    `at_least` has, per column of costs, the rows that are lower bounds; `texts`, per column of `money`, what
    each row shows in place of its amount, by which it sorts. A click on a row goes the way of its place in
    `ways`, in the table of this key; one on a cell of the columns `cells` to those of its calls with these
    parameters of filters.
    """
    table = harmless(pd.DataFrame(rows))
    table = table.drop(
        columns=[name for name in _HIDE_WHEN_EMPTY if name in table and not _has_values(table[name])]
    )
    amounts: list[Hashable] = [name for name in money if name in table]
    for name in amounts:
        table[name] = table[name].astype("float64")
    counts: list[Hashable] = [name for name in table if pd.api.types.is_integer_dtype(table[name])]
    text_of = formatting.usd if is_cost else exact
    styler: Styler = table.style.format("{:,}", subset=counts)
    styler = styler.format(lambda amount: text_of(Decimal(repr(amount))), subset=amounts, na_rep="")
    styler = marked_bounds(styler, table, {name: pd.Series(rows) for name, rows in (at_least or {}).items()})
    for name, shown in (texts or {}).items():
        for place, text in enumerate(shown):
            styler = styler.format(partial(_shown, text), subset=([place], [name]))
    show_table(
        styler,
        len(table),
        max_rows=MAX_ROWS,
        columns=_NARROW if len(table.columns) > MANY_COLUMNS else None,
        opens=opening(
            key,
            pd.DataFrame({"place": range(len(ways))}),
            lambda row: ways[row["place"]].go(),
            {name: partial(_go, ways, only) for name, only in (cells or {}).items()},
        ),
    )


def _go(ways: Sequence[Way], only: Mapping[str, str], row: "pd.Series[Any]") -> None:
    way = ways[row["place"]]
    replace(way, only={**way.only, **only}).go()


def _shown(text: str, amount: object) -> str:
    return text


def _has_values(column: "pd.Series[Any]") -> bool:
    return any(value is not None and value == value and value != 0 for value in column)
