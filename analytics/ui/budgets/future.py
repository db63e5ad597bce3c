"""Where the client is going, with and without budgets: to the end of the month, and 30 days on."""

from collections.abc import Hashable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts
from analytics.days import Days
from analytics.forecasting import Band
from analytics.formatting import counted, plural
from analytics.queries.filters import spelled
from analytics.queries.future import DAYS_ON, Expected, Future, expected_usage
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.ways import Way, show_ways, to_meaning
from analytics.ui.parts.budget_line import amount
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import harmless, opening, show_table, styled

_ALL = "All"
_MAX_ROWS = 12  # in sight
_EXPECTED = ("month", "month_low", "month_high", "on", "on_low", "on_high")
_FORMATS: dict[Hashable, Any] = dict.fromkeys(("so_far", *_EXPECTED), lambda value: _text(value))


def show_future(page: Page) -> None:
    """A row for all and for each provider, with ranges of 80 percent, and what such ranges were worth."""
    future = reads.read(
        page.database,
        ("future", page.client.id),
        lambda moment: expected_usage(page.database, page.client.id, page.client.timezone, moment, "cost"),
        page.now,
    ).value
    if not any(row.so_far or row.month for row in future.rows):
        return
    with st.container(border=True, key="future"):
        show_heading("Where it is going", "US dollars: likely, and the range of 80 %")
        _show_rows(future)
        show_ways([*_ways(future), to_meaning("How this is foreseen")], key="future")
        reasons = dict.fromkeys(row.why_not for row in future.rows if row.why_not)
        notes = [*(f"Without a forecast: {reason}." for reason in reasons), _worth(future)]
        if future.unpriced_count:
            count = counted(future.unpriced_count, "call")
            notes.append(f"{count} of {future.month:%B} have no price, and are not in it.")
        if told := " ".join(filter(None, notes)):
            st.caption(with_dollars(escaped(told)))


def _show_rows(future: Future) -> None:
    """A click on a row opens the calls of the month, one on what is expected says how it is foreseen."""
    table = pd.DataFrame([_row(row) for row in future.rows])
    table = table.astype(dict.fromkeys(_FORMATS, "float64"))
    ways = [_calls_of(row) for row in future.rows]
    labels = {
        "so_far": f"{future.month:%B} so far",
        "month": f"All of {future.month:%B}",
        "on": f"{DAYS_ON} days from now",
        **dict.fromkeys(("month_low", "on_low"), "from"),
        **dict.fromkeys(("month_high", "on_high"), "to"),
    }
    show_table(
        styled(harmless(table), _FORMATS),
        len(table),
        max_rows=_MAX_ROWS,
        columns={
            "Provider": st.column_config.TextColumn(pinned=True),
            **{name: st.column_config.NumberColumn(label) for name, label in labels.items()},
        },
        opens=opening(
            "future table",
            pd.DataFrame({"place": range(len(ways))}),
            lambda row: ways[row["place"]].go(),
            {name: lambda _: to_meaning("").go() for name in _EXPECTED},
        ),
    )


def _row(row: Expected) -> dict[str, Any]:
    provider = _ALL if row.source is None else charts.source_name(row.source)
    return {
        "Provider": provider,
        "so_far": row.so_far,
        **_band("month", row.month),
        **_band("on", row.days_on),
    }


def _band(name: str, band: Band | None) -> dict[str, float | None]:
    if band is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: band.median, f"{name}_low": band.low_80, f"{name}_high": band.high_80}


def _calls_of(row: Expected) -> Way:
    """The way to the calls of the month that runs: of a provider, or of all."""
    return _in_month("" if row.source is None else spelled(row.source))


def _in_month(provider: str = "", text: str = "", days: str = "this-month", **only: str) -> Way:
    if provider:
        only["provider"] = provider
    return Way(page="calls", text=text, only=only, keeps_filters=False, parts={"days": days})


def _ways(future: Future) -> list[Way]:
    ways = []
    if future.worth.months:
        first = future.worth.months[-1].month
        days = Days(first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1))
        ways.append(_in_month(text=f"The calls of {first:%B}", days=str(days)))
    if future.unpriced_count:
        text = f"{plural(future.unpriced_count, 'call')} of {future.month:%B} without a price"
        ways.append(_in_month(text=text, basis="unpriced"))
    return ways


def _text(value: float) -> str:
    return amount("usd", Decimal(str(round(value, 8))))


def _worth(future: Future) -> str:
    """`Of October we would have said $410 to $520; it was $487. 4 of 5 months were in such a range.`"""
    past = future.worth
    if not past.months:
        return ""
    last = past.months[-1]
    return (
        f"Of {last.month:%B} we would have said {_text(last.low_80)} to {_text(last.high_80)}; it was "
        f"{_text(last.actual)}. {past.hits} of {plural(len(past.months), 'month')} were within such a range."
    )
