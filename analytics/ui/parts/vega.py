"""Drawing charts on a page: with a legend that can be read on a phone, and what a click on them opens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any, Literal

import pandas as pd
import streamlit as st

from analytics.charts import BRUSHED, COLORS, PICKED, QUIET, Chart, Measure, Series
from analytics.days import Days
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.state import session, value_of
from analytics.ui.parts.empty import show_empty

Selection = Mapping[str, Any]
"""What is selected in a chart, by PICKED and BRUSHED."""
_LEGEND = (
    "{legend} {{row-gap: 0; column-gap: .9rem;}}"
    ".usage-legends {{display: flex; flex-wrap: wrap; align-items: center;}}"
    ".usage-legend {{display: inline-flex; align-items: center; gap: .4rem; margin-right: .9rem;"
    " font-size: .875rem; line-height: 1.5rem;}}"
    ".usage-legend i, {legend} button p::before {{display: inline-block; width: .65rem; height: .65rem;"
    " border-radius: 50%;}} {legend} button p::before {{content: ''; margin-right: .4rem;}}"
    ".usage-legend i.line {{height: 0; width: 1rem; border-radius: 0; border-top: 2px dashed;}}"
    "{legend} button {{min-height: 1.5rem; padding: 0;}} {legend} button p {{font-size: .875rem;}}"
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An entry of a legend that is no series: the total, or an earlier time."""

    name: str
    color: str = QUIET
    mark: Literal["dot", "line"] = "line"


TOTAL_ENTRY = Entry(name="Total", color=COLORS["Total"], mark="dot")


def draw(
    chart: Chart,
    *,
    alt: str,
    key: str,
    more: Sequence[Entry] = (),
    on_select: Callable[[Selection], None] | None = None,
    on_series: Callable[[Series], None] | None = None,
) -> None:
    """Draws the chart as wide as its container; `alt` describes it in words.

    Above it are its series, and `more`, as a legend: as buttons where there is `on_series`. `on_select` is
    called with what is clicked or drawn over, in a callback.
    """
    if chart.series or more:
        _show_legend(chart.series, more, key, on_series)
    # The data goes to the browser as Arrow, not as records.
    specification = chart.filled(has_legend=False) | {"datasets": dict(chart.tables)}
    if on_select is None:
        st.vega_lite_chart(spec=specification, alt=alt, key=key)
        return
    current = session().address.current_key(key)
    names = {parameter["name"] for parameter in specification["params"]}
    st.vega_lite_chart(
        spec=specification,
        alt=alt,
        key=current,
        on_select=lambda: _take(key, current, on_select),
        selection_mode=sorted(names & {PICKED, BRUSHED}),
    )


def _take(key: str, current: str, on_select: Callable[[Selection], None]) -> None:
    state = session().address
    selection = value_of(current).selection
    if current != state.current_key(key) or not any(selection.values()):
        return
    # From now on it is another chart: nothing is selected in it, whatever the address shows, also after Back.
    state.redrawn[key] += 1
    on_select(selection)


def selected_days(selection: Selection, chart: Chart) -> Days | None:
    """The days of the buckets that are clicked or drawn over; `chart` is one over time."""
    touched = [Days.parse(days) for days in _selected(selection, chart, "days")]
    found = [days for days in touched if days is not None]
    return Days(found[0].first, found[-1].last) if found else None


def selected_minutes(selection: Selection, chart: Chart) -> tuple[datetime, datetime] | None:
    """When the minutes begin and end that are clicked or drawn over in a chart of minutes."""
    found = [datetime.fromisoformat(minute) for minute in _selected(selection, chart, "minute")]
    return (min(found), max(found) + timedelta(minutes=1)) if found else None


def _selected(selection: Selection, chart: Chart, column: str) -> list[str]:
    """The values of a column of the bars that are clicked or drawn over, in order."""
    brushed, picked = selection.get(BRUSHED), selection.get(PICKED)
    if not brushed:
        return [str(picked[0].get(column))] if picked else []
    first_ms, last_ms = sorted(float(moment) for moment in next(iter(brushed.values())))
    columns = chart.datasets["columns"]
    begins = [at.timestamp() * 1000 for at in columns["at"]]
    ends = [*begins[1:], float("inf")]
    return [
        value
        for value, begin, end in zip(columns[column], begins, ends, strict=True)
        if begin <= last_ms and first_ms < end
    ]


def selected_hour(selection: Selection) -> int | None:
    """The hour that is clicked, where the chart has one in each part."""
    picked = selection.get(PICKED)
    hour = picked[0].get("hour") if picked and not selection.get(BRUSHED) else None
    return None if hour is None else int(hour)


def _show_legend(
    series: Sequence[Series],
    more: Sequence[Entry],
    key: str,
    on_series: Callable[[Series], None] | None,
) -> None:
    name = f"legend of {key}"
    slug = name.replace(" ", "-")
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=name):
        rules = [_LEGEND.format(legend=f".st-key-{slug}")]
        plain = [(each.name, each.color, "dot") for each in (() if on_series else series)]
        for number, each in enumerate(series if on_series else ()):
            rules.append(f".st-key-{slug}-{number} button p::before {{background: {each.color};}}")
            st.button(
                escaped(each.name),
                key=f"{name} {number}",
                type="tertiary",
                on_click=on_series,
                args=[each],
            )
        plain += [(each.name, each.color, each.mark) for each in more]
        marks = "".join(
            f'<span class="usage-legend"><i class="{mark}" style="{_paint(color, mark)}"></i>'
            f"{escape(entry)}</span>"
            for entry, color, mark in plain
        )
        st.html(f'<style>{" ".join(rules)}</style><div class="usage-legends">{marks}</div>', width="content")


def _paint(color: str, mark: str) -> str:
    return f"border-color: {color}" if mark == "line" else f"background: {color}"


def draw_amounts(
    frame: pd.DataFrame, measure: Measure, chart: Callable[[], Chart], *, alt: str, key: str, **how: Any
) -> None:
    """Draws the chart of a frame of sums, or a message where it measures costs and none is known.

    `how` are further arguments of draw().
    """
    if is_unknown(frame, measure):
        show_empty("The cost is unknown", "No call of these days has a price.", icon=":material/sell:")
    else:
        draw(chart(), alt=alt, key=key, **how)


def is_unknown(frame: pd.DataFrame, measure: Measure) -> bool:
    """Whether the measure is cost, and no call has a price."""
    unpriced, requests = frame["unpriced_count"].sum(), frame["request_count"].sum()
    return measure.unit == "cost" and bool(unpriced) and bool(unpriced == requests)
