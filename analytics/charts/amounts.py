"""Amounts as charts show them: an unknown cost is missing, not 0, and tooltips say so."""

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from analytics.queries import known_costs, partly_known

UNKNOWN = "unknown"
_TEXT = " text"
_PARTLY = " partly"


def known_amounts(frame: pd.DataFrame, unit: str, prefix: str = "total_") -> "pd.Series[float]":
    """`<prefix>tokens` or `<prefix>cost` as float; missing where no call of the row has a price."""
    if unit != "cost":
        return frame[f"{prefix}{unit}"].astype("float64")
    counts = "" if prefix == "total_" else prefix
    return known_costs(frame, f"{prefix}cost", f"{counts}unpriced_count", f"{counts}request_count")


def wide_amounts(frame: pd.DataFrame, moment: str, unit: str) -> pd.DataFrame:
    """One row per `moment`, a column per value of `provider`, and for costs whether each is a lower bound.

    `frame` has sums per row and a column `provider`. Sums are made before anything becomes a float.
    """
    columns = [f"total_{unit}", "unpriced_count", "request_count"]
    sums = frame.groupby([moment, "provider"], as_index=False)[columns].sum()
    sums["amount"] = known_amounts(sums, unit)
    wide = sums.pivot(index=moment, columns="provider", values="amount")
    if unit == "cost":
        partly = sums.assign(is_partly=partly_known(sums)).pivot(
            index=moment, columns="provider", values="is_partly"
        )
        wide = wide.join(partly.add_suffix(_PARTLY))
    return wide.reset_index()


def with_bounds(wide: pd.DataFrame, name: str, frame: pd.DataFrame, counts: str = "") -> pd.DataFrame:
    """Adds whether the column `name` of `wide` is only a lower bound, by the two counts of `frame`."""
    sums = pd.DataFrame({each: frame[f"{counts}{each}"] for each in ("unpriced_count", "request_count")})
    return wide.assign(**{f"{name}{_PARTLY}": partly_known(sums)})


def with_cost_texts(chart: Any, names: Sequence[str], unit: str, format_: str) -> Any:
    """Adds a text for each of these columns of costs to the chart, for amount_tooltips()."""
    if unit != "cost":
        return chart
    for name in names:
        amount, partly = (f"datum[{json.dumps(f'{name}{end}')}]" for end in ("", _PARTLY))
        text = f"({partly} ? '≥ ' : '') + format({amount}, '{format_}')"
        chart = chart.transform_calculate(
            as_=f"{name}{_TEXT}", calculate=f"isValid({amount}) ? {text} : '{UNKNOWN}'"
        )
    return chart


def amount_tooltips(titles: dict[str, str], unit: str, format_: str) -> list[alt.Tooltip]:
    """A line per column of a dataset, with its title. A chart of costs needs with_cost_texts() first."""
    if unit == "cost":
        return [alt.Tooltip(f"{name}{_TEXT}:N", title=title) for name, title in titles.items()]
    return [alt.Tooltip(f"{name}:Q", title=title, format=format_) for name, title in titles.items()]
