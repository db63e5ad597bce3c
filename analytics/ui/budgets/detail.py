"""One budget: its course, what drives it, its past periods, and what held when."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.budgets import BudgetStatus, Driver
from analytics.charts.budgets import EXPECTED, LAST, LIMIT, RED, SPENT
from analytics.queries.filters import spelled
from analytics.ui.budgets import words
from analytics.ui.budgets.listing import calls_of, chosen_budget
from analytics.ui.budgets.reading import BUDGET, BudgetDetail, Budgets, read_detail
from analytics.ui.frame import address
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import OPENS, Way, show_way, show_ways
from analytics.ui.parts.budget_line import amount, spent
from analytics.ui.parts.cards import Card, show_cards
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.vega import Entry, draw

_TOLD_DRIVERS = 5


def show_budget(page: Page, reading: Reading[Budgets]) -> None:
    """The budget of the address; nothing where it names none."""
    values = chosen_budget(reading.value)
    if not values:
        if BUDGET.value() is not None:
            st.caption("The budget of this link is not there any more.")
        return
    status = values[0]
    detail = read_detail(page, status).value
    with st.container(border=True, key="budget"):
        show_heading(escaped(status.title), escaped(words.scope(status.filters, None)), beside=_close)
        show_cards(_cards(status, detail), key="budget cards")
        _show_course(status, detail)
        _show_ways(status)
        if status.split_by is not None:
            _show_values(values)
        left, right = st.columns(2, gap="medium")
        with left, st.container(key="drivers"):
            _show_drivers(detail)
        with right:
            _show_past(detail)
        _show_versions(detail)


def _close() -> None:
    st.button(
        "Close", icon=":material/close:", type="tertiary", on_click=address.put, kwargs={"budget": None}
    )


def _days(status: BudgetStatus) -> str:
    """The days of the period, as a link has them."""
    return f"{status.first_date}..{status.end_date - timedelta(days=1)}"


def _calls(status: BudgetStatus, text: str) -> Way:
    return Way(
        page="calls", text=text, only=calls_of(status), keeps_filters=False, parts={"days": _days(status)}
    )


def _cards(status: BudgetStatus, detail: BudgetDetail) -> list[Card]:
    outlook = detail.outlook
    cards = [
        Card(
            label="Spent",
            value=spent(status),
            explanation=f"{status.spent_text} since {formatting.day(status.first_date)}",
            lines=[
                f"{round((status.share or 0) * 100):,} % of the limit" if status.share is not None else ""
            ],
            opens=_calls(status, "The calls of this budget"),
            warning=f"{status.unpriced_count:,} calls unpriced" if status.is_lower_bound else "",
        ),
    ]
    if status.limit_amount is not None and status.left is not None:
        over = status.left < 0
        cards.append(
            Card(
                label="Over the limit" if over else "Left",
                value=amount(status.unit, abs(status.left)),
                explanation=f"of {amount(status.unit, status.limit_amount)}",
                lines=[f"of {amount(status.unit, status.limit_amount)}", words.pace(status)],
            )
        )
    if outlook.at_end is not None:
        cards.append(
            Card(
                label="At its end, likely",
                value=amount(status.unit, outlook.at_end.median),
                explanation="Half of all ways to go on end above, half below.",
                lines=[words.at_end(outlook), words.run_out(outlook)],
            )
        )
    cards.append(
        Card(
            label="Resets",
            value=words.day(status.end_date),
            explanation=status.resets_text,
            lines=[status.resets_text],
        )
    )
    return cards


def _show_course(status: BudgetStatus, detail: BudgetDetail) -> None:
    chart = charts.budget_course(detail.outlook)
    entries = [Entry(name=SPENT, color=charts.BLUE, mark="dot")]
    if detail.outlook.last_course:
        entries.append(Entry(name=LAST))
    if detail.outlook.at_end is not None:
        entries.append(Entry(name=EXPECTED, color=charts.BLUE))
    if status.limit_amount is not None:
        entries.append(Entry(name=LIMIT, color=RED))
    told = f"{status.title}: {status.spent_text} spent, {words.at_end(detail.outlook) or 'no forecast'}"
    draw(chart, alt=told, key="budget course", more=entries)
    if detail.outlook.at_end is None:
        st.caption(escaped(str(detail.outlook.forecast)))
    if worth := words.worth(status, detail.worth):
        st.caption(with_dollars(escaped(worth)))


def _show_ways(status: BudgetStatus) -> None:
    parts = {"days": _days(status)}
    only = calls_of(status)
    show_ways(
        [
            _calls(status, "The calls of this period"),
            Way(
                page="providers_and_models",
                text="By provider and model",
                only=only,
                keeps_filters=False,
                parts=parts,
            ),
            Way(page="conversations", text="By conversation", only=only, keeps_filters=False, parts=parts),
        ],
        "budget",
    )


def _show_values(values: list[BudgetStatus]) -> None:
    key = values[0].split_by or ""
    show_heading(f"Each {escaped(key)}", "the most spent first")
    st.dataframe(
        pd.DataFrame(
            {
                key: [each.subject if each.subject is not None else f"no {key}" for each in values],
                "Spent": [each.spent_text for each in values],
                "Limit": [
                    formatting.MISSING if each.limit_amount is None else amount(each.unit, each.limit_amount)
                    for each in values
                ],
                "Of the limit": [None if each.share is None else float(each.share) for each in values],
            }
        ),
        hide_index=True,
        column_config={
            "Of the limit": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
        },
    )


def _show_drivers(detail: BudgetDetail) -> None:
    show_heading("What drives it", "beside as many days before")
    found = [part for part in detail.drivers.parts if part.dimension != "provider"]
    grown = sorted(found, key=lambda part: -part.change)[:_TOLD_DRIVERS]
    if not grown:
        st.caption("Nothing was used yet.")
    unit = detail.outlook.status.unit
    for part in grown:
        sign = "+" if part.change >= 0 else formatting.MINUS
        line = f"{part.label}: {amount(unit, part.amount)}, {sign}{amount(unit, abs(part.change))}"
        way = Way(
            page="calls",
            text=line,
            only={**calls_of(detail.outlook.status), **_of(part)},
            keeps_filters=False,
            parts={"days": _days(detail.outlook.status)},
        )
        show_way(way, with_dollars(escaped(line)), icon=OPENS)
    if detail.drivers.reason:
        st.caption(f"Mostly {escaped(detail.drivers.reason)}.")


def _of(part: Driver) -> dict[str, str]:
    """The filter that leaves a driver's calls; none of a client."""
    return {} if part.dimension == "client" else {part.dimension: spelled(part.value or "")}


def _show_past(detail: BudgetDetail) -> None:
    show_heading("Periods before")
    if not detail.past:
        st.caption("There were none yet.")
        return
    unit = detail.outlook.status.unit
    st.dataframe(
        pd.DataFrame(
            {
                "From": [period.first_date for period in detail.past],
                "To": [period.last_date for period in detail.past],
                "Spent": [period.spent_text for period in detail.past],
                "Limit": [
                    formatting.MISSING if period.limit_amount is None else amount(unit, period.limit_amount)
                    for period in detail.past
                ],
                "Of the limit": [
                    None if period.share is None else float(period.share) for period in detail.past
                ],
            }
        ),
        hide_index=True,
        column_config={
            "Of the limit": st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
        },
    )


def _show_versions(detail: BudgetDetail) -> None:
    with st.expander("What held when, and who changed it", icon=":material/history:"):
        for version in detail.versions:
            since = formatting.utc_moment(version.valid_from)
            st.markdown(
                with_dollars(escaped(f"{since}: {words.plan(version.plan)}, by {version.changed_by}"))
            )
