"""Usage over time, by hour of the week, and by operation."""

import pandas as pd
import streamlit as st

from analytics import charts, formatting, queries
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.queries import CallFacts, CallSums, Grain, Unit
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import measured, show_heading
from analytics.ui.parts.tables import show_text_table
from analytics.ui.parts.vega import draw_amounts, is_unknown

GRAINS: dict[str, Grain] = {"Day": "day", "Week": "week", "Month": "month"}
FREQUENCIES: dict[Grain, str] = {"day": "D", "week": "W-SUN", "month": "M"}
NOT_LOGGED = "(not logged)"


def show_usage_over_time(page: Page) -> None:
    """Providers stacked, per day, week or month."""
    with st.container(border=True):
        grain = GRAINS[_GRAIN.value()]
        frame = page.read(queries.usage_over_time, page.days, grain, filters=page.filters).value
        show_heading(
            f"Usage per {grain}, {window(page.days)}", measured(page.measure, frame), beside=_choose_grain
        )
        draw_amounts(
            frame,
            page.measure,
            lambda: charts.usage_over_time(frame, page.measure, grain),
            alt=f"Stacked areas: {page.measure.title} per {grain}, {window(page.days)}, by provider",
            key="over time chart",
        )
        if notes := _partial(frame, grain, page):
            st.caption(" ".join(notes))


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
        )
        st.caption(f"{_busiest(frame, page)} Hours are in {page.client.timezone}.{_uneven(page.days)}")


def show_usage_by_operation(page: Page, frame: pd.DataFrame) -> None:
    """A row per operation (chat, embeddings, transcription, ...), largest first."""
    with st.container(border=True, height="stretch"):
        show_heading(f"Calls by operation, {window(page.days)}", measured(page.measure, frame))
        if frame["operation"].isna().all():
            show_empty("No call of these days has an operation", icon=":material/label_off:")
        else:
            show_text_table(
                [
                    _operation_row(row, frame, page.measure.unit)
                    for row in queries.by_amount(frame, page.measure.unit).to_dict("records")
                ],
                text_columns=1,
                key="operations table",
            )
        st.caption(
            "Transcriptions and OpenTelemetry spans log their operation. For other calls pass "
            '`operation="chat"`.'
        )


def _choose_grain() -> None:
    _GRAIN.choose(st.segmented_control, "Per", list(GRAINS), required=True, label_visibility="collapsed")


def _parse(value: str) -> str:
    name = value.strip().capitalize()
    if name not in GRAINS:
        raise InvalidInput(f'grain must be one of {", ".join(GRAINS)}, not "{value[:40]}"')
    return name


_GRAIN = Part(name="grain", parse=_parse, default="Day")


def _partial(frame: pd.DataFrame, grain: Grain, page: Page) -> list[str]:
    """Notes on incomplete first and last buckets."""
    first, last = frame.iloc[0], frame.iloc[-1]
    last_day = last["bucket_date"].to_period(FREQUENCIES[grain]).end_time.normalize()
    begins_late, ends_early = first["first_date"] > first["bucket_date"], last["last_date"] < last_day
    notes = []
    if first["bucket_date"] == last["bucket_date"] and (begins_late or ends_early):
        notes.append(f"The {grain} counts only these days.")
    else:
        if begins_late:
            notes.append(f"The first {grain} counts only from {formatting.day(first['first_date'])}.")
        if ends_early:
            notes.append(f"The last {grain} counts only up to {formatting.day(last['last_date'])}.")
    if page.days.last == page.client.today(page.now):
        notes.append("Today is not over.")
    return notes


def _busiest(frame: pd.DataFrame, page: Page) -> str:
    column = page.measure.total_column
    top = max(frame.to_dict("records"), key=lambda row: row[column])
    if is_unknown(frame, page.measure):
        return ""
    if not top[column]:
        return f"No {page.measure.unit} in these days."
    amount = (
        with_dollars(formatting.usd(top[column]))
        if page.measure.unit == "cost"
        else formatting.plural(top[column], "token")
    )
    day = charts.WEEKDAYS[top["weekday"] - 1]
    return f"Busiest: {day} {top['hour']:02}:00 with {amount}."


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


def _operation_row(row: dict[object, object], frame: pd.DataFrame, unit: Unit) -> dict[str, str]:
    requests, tokens, unpriced = (
        int(str(row[name])) for name in ("request_count", "total_tokens", "unpriced_count")
    )
    operation = row["operation"]
    amounts = {
        "tokens": {"Tokens": formatting.count(tokens)},
        "cost": {"Cost": with_dollars(formatting.cost(row["total_cost"], unpriced, requests))},  # type: ignore[arg-type]
    }
    return {
        "Operation": f":gray[{escaped(NOT_LOGGED)}]" if operation is None else escaped(str(operation)),
        **amounts[unit],
        "Requests": formatting.count(requests),
        "Share": formatting.share(requests, int(frame["request_count"].sum())),
        **amounts["tokens"],
        **amounts["cost"],
    }
