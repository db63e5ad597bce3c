"""Where the client is going, with and without budgets: to the end of the month, and 30 days on."""

from decimal import Decimal

import pandas as pd
import streamlit as st

from analytics import charts
from analytics.forecasting import Band
from analytics.formatting import MISSING, counted, plural
from analytics.queries.future import DAYS_ON, Future, expected_usage
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.parts.budget_line import amount
from analytics.ui.parts.headings import show_heading

_ALL = "All"


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
        show_heading("Where it is going", "likely, and the range of 80 %")
        st.dataframe(
            pd.DataFrame(
                {
                    "Provider": [
                        _ALL if row.source is None else charts.source_name(row.source) for row in future.rows
                    ],
                    f"{future.month:%B} so far": [_text(row.so_far) for row in future.rows],
                    f"All of {future.month:%B}": [_range(row.month, row.why_not) for row in future.rows],
                    f"{DAYS_ON} days from now": [_range(row.days_on, row.why_not) for row in future.rows],
                }
            ),
            hide_index=True,
        )
        notes = [_worth(future)]
        if future.unpriced_count:
            count = counted(future.unpriced_count, "call")
            notes.append(f"{count} of {future.month:%B} have no price, and are not in it.")
        if told := " ".join(filter(None, notes)):
            st.caption(with_dollars(escaped(told)))


def _range(band: Band | None, why_not: str) -> str:
    if band is None:
        return why_not or MISSING
    return f"{_text(band.median)} ({_text(band.low_80)} to {_text(band.high_80)})"


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
