"""Usage over time, by hour of the week, and by operation."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from analytics import charts, formatting, queries
from analytics.days import Days
from analytics.queries import CallFacts, CallSums, Grain, Unit, known_costs, partly_known
from analytics.queries.filters import HOURS, WEEKDAYS, spelled
from analytics.ui.frame import filters
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import window
from analytics.ui.frame.page import Page
from analytics.ui.frame.ways import calls_with, show_ways
from analytics.ui.parts import tables
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.grain import HOW_TO_OPEN, choose_grain, grain_part, incomplete
from analytics.ui.parts.grouping import (
    choose_group,
    chosen_group,
    group_words,
    open_selected_days,
    open_selected_hour,
    opener,
)
from analytics.ui.parts.headings import measured, show_heading
from analytics.ui.parts.vega import TOTAL_ENTRY, Entry, draw_amounts, is_unknown

MAX_OPERATIONS = 8  # in sight


def show_usage_over_time(page: Page, other_days: Days, tag_keys: Sequence[str]) -> None:
    """Usage per hour, day, week or month by what is grouped by, beside the days to compare with."""
    with st.container(border=True):
        part = grain_part(page.days, queries.usual_grain(page.days))
        grain, group = part.value(), chosen_group()
        frame, before = page.read(
            queries.usage_beside,
            page.days,
            other_days,
            group,
            grain,
            order=page.measure.unit,
            filters=page.filters,
        ).value
        show_heading(
            f"Usage per {grain}, {window(page.days)}",
            measured(page.measure, frame),
            beside=lambda: _choose(part, page.days, tag_keys),
        )
        if frame.empty:
            st.caption("No calls in these days.")
            return
        earlier = charts.Earlier(usage=before, known_from=page.client.first_day)
        if grain == "week":
            chart = charts.lines(frame, page.measure, group, earlier=earlier)
        else:
            chart = charts.bars(frame, page.measure, group, grain, earlier=earlier)
        has_before = "before" in chart.datasets["columns"]
        kind = "Line chart" if grain == "week" else "Stacked bars"
        draw_amounts(
            frame,
            page.measure,
            lambda: chart,
            alt=f"{kind}: {page.measure.title} per {grain}, {window(page.days)}, by {group_words(group)}",
            key="over time chart",
            more=[
                *([TOTAL_ENTRY] if grain == "week" else []),
                *([Entry(name=f"Total of {window(other_days)}")] if has_before else []),
            ],
            on_select=lambda selection: open_selected_days(selection, chart),
            on_series=opener(group, chart),
        )
        st.caption(" ".join([HOW_TO_OPEN[grain], *incomplete(frame, grain, page)]))


def read_call_sums(page: Page) -> CallSums:
    """Sums by model with their parts, by hour, and by operation."""
    return page.read(queries.call_sums, page.days, filters=page.filters).value


def read_call_facts(page: Page) -> CallFacts:
    """Outcomes, latencies and keys of tags."""
    return page.read(queries.call_facts, page.days, filters=page.filters).value


def show_usage_by_hour(page: Page, frame: pd.DataFrame) -> None:
    """A heatmap of hours by weekday, in the client's time zone."""
    with st.container(border=True, height="stretch"):
        show_heading(f"Hours of the week, {window(page.days)}", measured(page.measure, frame))
        draw_amounts(
            frame,
            page.measure,
            lambda: charts.usage_by_hour(frame, page.measure),
            alt=f"Heatmap: {page.measure.title} by hour of the day and weekday, {window(page.days)}",
            key="hours chart",
            on_select=open_selected_hour,
        )
        _show_busiest(page, frame)
        st.caption(
            f"Hours are in {page.client.timezone}.{_uneven(page.days)} "
            "Click one to see only its calls; *Filter* has hours and weekdays, too."
        )


def show_usage_by_operation(page: Page, frame: pd.DataFrame) -> None:
    """A row per operation (chat, embeddings, transcription, ...), largest first."""
    with st.container(border=True, height="stretch"):
        show_heading(f"Calls by operation, {window(page.days)}", measured(page.measure, frame))
        if frame["operation"].isna().all():
            show_empty("No call of these days has an operation", icon=":material/label_off:")
        else:
            _show_operations(queries.by_amount(frame, page.measure.unit), page.measure.unit)
        st.caption(
            "Click a row to see only its calls. Transcriptions and OpenTelemetry spans log their operation. "
            'For other calls pass `operation="chat"`.'
        )


def _choose(part: Part[Grain], days: Days, tag_keys: Sequence[str]) -> None:
    with st.container(horizontal=True, width="content", vertical_alignment="center", gap="small"):
        choose_group(tag_keys)
        choose_grain(part, days, st.segmented_control, required=True)


def _show_busiest(page: Page, frame: pd.DataFrame) -> None:
    """The way to the calls of the busiest hour of the week."""
    column = page.measure.total_column
    top = max(frame.to_dict("records"), key=lambda row: row[column])
    if is_unknown(frame, page.measure):
        return
    if not top[column]:
        st.caption(f"No {page.measure.unit} in these days.")
        return
    amount = (
        formatting.usd(top[column])
        if page.measure.unit == "cost"
        else formatting.plural(top[column], "token")
    )
    day = charts.WEEKDAYS[top["weekday"] - 1]
    text = f"Busiest: {day} {top['hour']:02}:00 with {amount}"
    only = {"hour": HOURS[top["hour"]], "weekday": WEEKDAYS[top["weekday"] - 1]}
    show_ways([calls_with(text, **only)], key="busiest")


def _uneven(days: Days) -> str:
    """A note where some weekdays occur more often than others."""
    weeks, more = divmod(len(days), 7)
    if not more or not weeks:
        return ""
    first = days.first.weekday()
    names = [charts.WEEKDAYS[(first + day) % 7] for day in range(more)]
    span = names[0] if more == 1 else f"{names[0]} to {names[-1]}"
    return (
        f" Sums, not averages: {span} occur{'s' if more == 1 else ''} {weeks + 1} times, the others {weeks}."
    )


def _show_operations(frame: pd.DataFrame, unit: Unit) -> None:
    requests = frame["request_count"]
    columns = {
        "Operation": [charts.value_name("operation", operation) for operation in frame["operation"]],
        "Cost": known_costs(frame),
        "Tokens": frame["total_tokens"],
        "Requests": requests,
        "Share": 100 * requests / (int(requests.sum()) or 1),
    }
    order = {
        "cost": ("Operation", "Cost", "Requests", "Share", "Tokens"),
        "tokens": ("Operation", "Tokens", "Requests", "Share", "Cost"),
    }[unit]
    table = pd.DataFrame({name: columns[name] for name in order})
    tables.show_table(
        tables.readable(table, Cost=partly_known(frame)),
        len(table),
        max_rows=MAX_OPERATIONS,
        columns={
            "Operation": st.column_config.TextColumn(pinned=True),
            "Cost": tables.COST_COLUMN,
            "Share": st.column_config.NumberColumn(help="Of all requests.", format="%.1f%%"),
        },
        opens=tables.opening(
            "operations table",
            frame,
            lambda row: filters.show_only("operation", row["operation"]),
            {"Requests": lambda row: calls_with("", operation=spelled(row["operation"] or "")).go()},
        ),
    )
