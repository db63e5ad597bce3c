"""Amounts as charts show them: a cost that is not known is no 0. It is missing, and tooltips say so."""

import json
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from analytics.queries import known_costs, partly_known

UNKNOWN = "unknown"
_TOLD = " told"
_PARTLY = " partly"


def known_amounts(frame: pd.DataFrame, unit: str, prefix: str = "total_") -> "pd.Series[float]":
    """`<prefix>tokens` or `<prefix>cost` as float; missing where no call of the row has a price."""
    if unit != "cost":
        return frame[f"{prefix}{unit}"].astype("float64")
    counts = "" if prefix == "total_" else prefix
    return known_costs(frame, f"{prefix}cost", f"{counts}unpriced_count", f"{counts}request_count")


def wide_amounts(frame: pd.DataFrame, moment: str, unit: str) -> pd.DataFrame:
    """One row per `moment`, with a column per value of `provider`, and whether that is only a lower bound.

    `frame` has the columns of a topic's sums, and `provider`. Sums are made before anything is a float.
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
    """`wide` with whether its column `name` is only a lower bound, by two counts of `frame`."""
    of = pd.DataFrame({each: frame[f"{counts}{each}"] for each in ("unpriced_count", "request_count")})
    return wide.assign(**{f"{name}{_PARTLY}": partly_known(of)})


def told(chart: Any, names: Sequence[str], unit: str, format_: str) -> Any:
    """The chart with a text for each of these columns of costs, which amount_tooltips() show."""
    if unit != "cost":
        return chart
    for name in names:
        amount, partly = (f"datum[{json.dumps(f'{name}{end}')}]" for end in ("", _PARTLY))
        text = f"({partly} ? '≥ ' : '') + format({amount}, '{format_}')"
        chart = chart.transform_calculate(
            as_=f"{name}{_TOLD}", calculate=f"isValid({amount}) ? {text} : '{UNKNOWN}'"
        )
    return chart


def amount_tooltips(titles: dict[str, str], unit: str, format_: str) -> list[alt.Tooltip]:
    """A line for each column (with its title) of a dataset; of costs, of a chart that is told()."""
    if unit == "cost":
        return [alt.Tooltip(f"{name}{_TOLD}:N", title=title) for name, title in titles.items()]
    return [alt.Tooltip(f"{name}:Q", title=title, format=format_) for name, title in titles.items()]
