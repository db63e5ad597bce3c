"""Failures and latency by the hour of the day; latency, and what was replaced, by reading every call."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.errors import AnalyticsError
from analytics.queries import Answers, CallTimes, Filters, call_times
from analytics.queries.filters import HOURS, YES
from analytics.queries.ranges import slowest_from
from analytics.ui.frame import filters
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import show_refusal, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.state import Scope, forget, recall, remember
from analytics.ui.frame.ways import calls_with, of_model, show_ways
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.grouping import open_selected_hour
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import MODEL_WIDTH, harmless, opening, show_table
from analytics.ui.parts.vega import draw
from analytics.ui.speed.models import FAILURES
from analytics.ui.speed.ways import PERCENTILES

MAX_ROWS = 24  # in sight
_HOW_TO_OPEN = "Click an hour to see only its calls; *Filter* has hours, too."


@dataclass(frozen=True, kw_only=True)
class _ReadCalls:
    """What was found in every call of a client's days, under filters."""

    scope: Scope
    filters: Filters
    times: CallTimes


def show_failures_by_hour(page: Page, answers: Answers) -> None:
    """A bar per hour of the day: the share of calls that led to nothing; nothing where none tells it."""
    told = answers.by_hour[answers.by_hour["outcome"].notna()]
    if told.empty:
        return
    failed = told[told["outcome"].isin(FAILURES)]
    by_hour = pd.DataFrame(
        {
            "told_count": told.groupby("hour")["request_count"].sum(),
            "failed_count": failed.groupby("hour")["request_count"].sum(),
        }
    )
    by_hour = by_hour.fillna(0).astype("int64").reset_index()
    with st.container(border=True):
        show_heading(f"Led to nothing by hour, {window(page.days)}", "Share of calls that say how they ended")
        draw(
            charts.failures_by_hour(by_hour),
            alt=f"Bars: share of calls that failed, were refused or cut off, by hour of the day, "
            f"{window(page.days)}",
            key="failures by hour chart",
            on_select=open_selected_hour,
        )
        st.caption(f"{_HOW_TO_OPEN} Hours are in {page.client.timezone}.")


def show_call_times(page: Page) -> None:
    """A button that reads every call: latency by hour and model, and attempts that others replaced."""
    with st.container(border=True, key="call times"):
        show_heading(f"Latency by hour, {window(page.days)}")
        st.caption(
            "Percentiles by hour, and attempts that another one replaced, are only in the calls themselves. "
            "This reads every call of the period; numbers of other panels do not need it."
        )
        if st.button("Read every call", icon=":material/schedule:"):
            _read(page)
        found = recall(_ReadCalls)
        if found is None or found.scope != page.scope or found.filters != page.filters:
            return
        _show_latency(page, found.times)
        _show_attempts(found.times)


def _read(page: Page) -> None:
    forget(_ReadCalls)
    days = len(page.days)
    bar = st.progress(0.0, text="Reading calls")

    def report(done: int) -> None:
        text = f"Reading calls: {formatting.count(done)} of {formatting.plural(days, 'day')}"
        bar.progress(min(1.0, done / days), text=text)

    try:
        times = call_times(page.database, page.client.id, page.days, filters=page.filters, report=report)
    except AnalyticsError as error:
        show_refusal(error)
        return
    finally:
        bar.empty()
    remember(_ReadCalls(scope=page.scope, filters=page.filters, times=times))


def _show_latency(page: Page, times: CallTimes) -> None:
    if times.by_hour.empty:
        show_empty("No call of these days says how long it took", icon=":material/timer:")
        return
    draw(
        charts.latency_by_hour(times.by_hour),
        alt=f"Lines: percentiles of latency by hour of the day, {window(page.days)}",
        key="latency by hour chart",
        on_select=open_selected_hour,
    )
    count = formatting.plural(int(times.by_hour["request_count"].sum()), "call")
    show_ways([calls_with(f"Measured on {count}", **{"has.latency": YES})], key="latency by hour")
    st.caption(f"{_HOW_TO_OPEN} Hours are in {page.client.timezone}.")
    show_heading("By model and hour", "Most calls first")
    of_models = times.by_model.sort_values(
        ["request_count", "source", "model", "hour"], ascending=[False, True, True, True]
    )
    _draw(
        pd.DataFrame(
            {
                "Provider": [charts.source_name(source) for source in of_models["source"]],
                "Model": of_models["model"].fillna(formatting.NO_MODEL),
                "Hour": [f"{hour:02}:00" for hour in of_models["hour"]],
                "Measured calls": of_models["request_count"],
                "p50": of_models["p50_ms"],
                "p95": of_models["p95_ms"],
                "p99": of_models["p99_ms"],
                "First token p50": of_models["first_token_p50_ms"],
                "First token p95": of_models["first_token_p95_ms"],
                "First token p99": of_models["first_token_p99_ms"],
                "Tokens/s": [
                    tokens * 1000 / milliseconds if milliseconds and tokens else None
                    for tokens, milliseconds in zip(
                        of_models["completion_tokens"], of_models["latency_ms"], strict=True
                    )
                ],
            }
        ),
        of_models,
        key="model hours table",
        times=tuple(PERCENTILES),
        cells={
            **dict.fromkeys(("Measured calls", "Tokens/s"), _open_measured),
            **{name: partial(_open_slowest, name) for name in PERCENTILES},
        },
    )


def _show_attempts(times: CallTimes) -> None:
    show_heading("Tried more than once")
    attempts = times.attempts
    if attempts.empty:
        st.caption("No call of these days has an operation with more than one attempt.")
        return
    _draw(
        pd.DataFrame(
            {
                "Provider": [charts.source_name(source) for source in attempts["source"]],
                "Model": attempts["model"].fillna(formatting.NO_MODEL),
                "Operations": attempts["operation_count"].astype("int64"),
                "Attempts": attempts["request_count"].astype("int64"),
                "Replaced": attempts["replaced_count"].astype("int64"),
                "Cost of replaced": attempts["replaced_cost"],
            }
        ),
        attempts,
        key="attempts table",
        money=("Cost of replaced",),
        cells={
            **dict.fromkeys(("Operations", "Attempts"), _open_attempts),
            **dict.fromkeys(("Replaced", "Cost of replaced"), _open_replaced),
        },
    )
    replaced = formatting.plural(int(attempts["replaced_count"].sum()), "attempt")
    cost = formatting.cost(
        sum(attempts["replaced_cost"], Decimal(0)),
        int(attempts["replaced_unpriced_count"].sum()),
        int(attempts["replaced_count"].sum()),
    )
    st.caption(
        with_dollars(
            f"{replaced} that had been answered were replaced by a later one, and cost {cost}: beside the "
            "cost of those that failed, above. An operation with attempts of several models counts for each."
        )
    )
    show_ways(
        [
            calls_with("All attempts at these", **{"has.attempts": YES}),
            calls_with("The replaced ones", **{"has.replaced": YES}),
        ],
        key="attempts",
    )


def _draw(
    table: pd.DataFrame,
    frame: pd.DataFrame,
    *,
    key: str,
    times: tuple[str, ...] = (),
    money: tuple[str, ...] = (),
    cells: Mapping[str, Callable[["pd.Series[Any]"], None]] | None = None,
) -> None:
    """A table of the rows of `frame`, each of which opens its provider and model, and its hour."""
    table = table.reset_index(drop=True).astype(dict.fromkeys((*times, *money), "float64"))
    if "Tokens/s" in table:
        table = table.astype({"Tokens/s": "float64"})
    shown = harmless(table)
    counts: list[Hashable] = [name for name in shown if pd.api.types.is_integer_dtype(shown[name])]
    styler = (
        shown.style.format("{:,}", subset=counts)
        .format(lambda value: formatting.duration(Decimal(repr(value))), subset=list(times), na_rep="")
        .format(lambda value: formatting.usd(Decimal(repr(value))), subset=list(money), na_rep="")
    )
    if "Tokens/s" in shown:
        styler = styler.format("{:,.1f}", subset=["Tokens/s"], na_rep="")
    show_table(
        styler,
        len(shown),
        max_rows=MAX_ROWS,
        columns=MODEL_WIDTH,
        opens=opening(key, frame, _open_row, cells),
    )


def _open_measured(row: "pd.Series[Any]") -> None:
    """The calls of a row that say how long they took."""
    calls_with("", **_of(row), **{"has.latency": YES}).go()


def _open_attempts(row: "pd.Series[Any]") -> None:
    """The attempts of a row at operations that were tried more than once."""
    calls_with("", **_of(row), **{"has.attempts": YES}).go()


def _open_replaced(row: "pd.Series[Any]") -> None:
    """The answers of a row that a later attempt replaced."""
    calls_with("", **_of(row), **{"has.replaced": YES}).go()


def _open_slowest(column: str, row: "pd.Series[Any]") -> None:
    """The calls of a row that took as long as a percentile, or longer."""
    fact, name = PERCENTILES[column]
    if pd.isna(row[name]):
        _open_row(row)
    else:
        calls_with("", **_of(row), **{fact: slowest_from(row[name])}).go()


def _of(row: "pd.Series[Any]") -> dict[str, str]:
    """The parameters of filters that leave the calls of a row: of a model in an hour of the day."""
    return of_model(row["source"], row["model"]) | {"hour": HOURS[row["hour"]]}


def _open_row(row: "pd.Series[Any]") -> None:
    hour = {"hour": HOURS[row["hour"]]} if "hour" in row else {}
    filters.show_only_model(row["source"], row["model"], **hour)
