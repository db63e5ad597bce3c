"""Amounts as charts show them: an unknown cost is missing, not 0, and tooltips say so."""

import json
from collections.abc import Hashable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

import altair as alt
import pandas as pd

from analytics import formatting
from analytics.queries import known_costs, partly_known

UNKNOWN = "unknown"
Key = TypeVar("Key", bound=Hashable)
_TEXT = " text"
_PARTLY = " partly"


def known_amounts(frame: pd.DataFrame, unit: str, prefix: str = "total_") -> "pd.Series[float]":
    """`<prefix>tokens` or `<prefix>cost` as float; missing where no call of the row has a price."""
    if unit != "cost":
        return frame[f"{prefix}{unit}"].astype("float64")
    counts = "" if prefix == "total_" else prefix
    return known_costs(frame, f"{prefix}cost", f"{counts}unpriced_count", f"{counts}request_count")


class Sums(NamedTuple):
    """What some rows add up to."""

    tokens: int = 0
    cost: Decimal = Decimal(0)
    requests: int = 0
    unpriced: int = 0

    def plus(self, other: "Sums") -> "Sums":
        """Both together."""
        return Sums(
            tokens=self.tokens + other.tokens,
            cost=self.cost + other.cost,
            requests=self.requests + other.requests,
            unpriced=self.unpriced + other.unpriced,
        )

    def amount(self, unit: str) -> float | None:
        """The tokens, or the cost (USD): None where no call has a price."""
        if unit == "tokens":
            return float(self.tokens)
        return None if self.unpriced and self.unpriced == self.requests else float(self.cost)

    @property
    def is_partly_known(self) -> bool:
        """Whether the cost is a lower bound."""
        return 0 < self.unpriced < self.requests

    def text(self, unit: str) -> str:
        """`1,234`, `$1.50`, `≥ $1.50`, or that the cost is unknown."""
        if unit == "tokens":
            return formatting.count(self.tokens)
        return formatting.cost(self.cost, self.unpriced, self.requests)

    def compact_text(self, unit: str) -> str:
        """text() with three digits, for where there is little room."""
        if unit == "tokens":
            return formatting.compact(self.tokens)
        return formatting.cost(self.cost, self.unpriced, self.requests, formatting.compact_usd)


def sums_of(frame: pd.DataFrame) -> list[Sums]:
    """The sums of each row. Of the few rows of a chart Python makes sums in a tenth of pandas' time."""
    names = ("total_tokens", "total_cost", "request_count", "unpriced_count")
    return [Sums(*row) for row in zip(*(frame[name].tolist() for name in names), strict=True)]


def added_up(keys: Iterable[Key], rows: Iterable[Sums]) -> dict[Key, Sums]:
    """The sums of each key, in the order in which they come first."""
    found: dict[Key, Sums] = {}
    for key, row in zip(keys, rows, strict=True):
        before = found.get(key)
        found[key] = row if before is None else before.plus(row)
    return found


def as_columns(name: str, sums: Iterable[Sums], unit: str) -> dict[str, list[Any]]:
    """The column `name` with amounts, and for costs one that says whether each is a lower bound."""
    sums = list(sums)
    columns: dict[str, list[Any]] = {name: [each.amount(unit) for each in sums]}
    if unit == "cost":
        columns[f"{name}{_PARTLY}"] = [each.is_partly_known for each in sums]
    return columns


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
