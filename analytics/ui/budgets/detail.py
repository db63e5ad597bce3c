"""One budget: its course, what drives it, its past periods, and what held when."""

from functools import partial

import streamlit as st

from analytics import charts, formatting
from analytics.budgets import BudgetStatus
from analytics.charts.budgets import EXPECTED, LAST, LIMIT, RED, SPENT
from analytics.ui.budgets import words
from analytics.ui.budgets.listing import chosen_budget, chosen_value
from analytics.ui.budgets.people import named
from analytics.ui.budgets.reading import BUDGET, BudgetDetail, Budgets, read_detail
from analytics.ui.budgets.tables import crossed, show_past, show_values
from analytics.ui.budgets.ways import of_period, to_calls, to_days, to_driver, to_unpriced
from analytics.ui.frame import address
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import OPENS, show_way, show_ways, to_meaning
from analytics.ui.parts.budget_line import amount, spent
from analytics.ui.parts.cards import Card, show_cards
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.vega import Entry, Selection, draw

_TOLD_DRIVERS = 5


def show_budget(page: Page, reading: Reading[Budgets]) -> None:
    """The budget of the address; nothing where it names none."""
    values = chosen_budget(reading.value)
    if not values:
        if BUDGET.value() is not None:
            st.caption("The budget of this link is not there any more.")
        return
    status = chosen_value(values)
    detail = read_detail(page, status).value
    with st.container(border=True, key="budget"):
        show_heading(escaped(status.title), escaped(words.scope(status.filters, None)), beside=_close)
        show_cards(_cards(status, detail), key="budget-cards")
        _show_course(status, detail)
        _show_ways(page, status)
        if status.split_by is not None:
            show_values(values, status)
        left, right = st.columns(2, gap="medium")
        with left, st.container(key="drivers"):
            _show_drivers(detail)
        with right:
            show_past(detail)
        _show_versions(page, detail)


def _close() -> None:
    st.button(
        "Close",
        icon=":material/close:",
        type="tertiary",
        on_click=address.put,
        kwargs={"budget": None, "value": None},
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
            opens=to_calls(status, "The calls of this budget"),
            warning=to_unpriced(status) if status.is_lower_bound else "",
        ),
    ]
    if status.limit_amount is not None and status.left is not None:
        over = status.left < 0
        cards.append(
            Card(
                label="Over the limit" if over else "Left",
                value=amount(status.unit, abs(status.left)),
                explanation=f"of {amount(status.unit, status.limit_amount)}",
                opens=to_calls(status, "what was spent"),
                lines=[f"of {amount(status.unit, status.limit_amount)}", words.pace(status)],
            )
        )
    if outlook.at_end is not None:
        cards.append(
            Card(
                label="At its end, likely",
                value=amount(status.unit, outlook.at_end.median),
                explanation="Half of all ways to go on end above, half below.",
                opens=to_meaning("how this is foreseen"),
                lines=[words.at_end(outlook), words.run_out(outlook)],
            )
        )
    cards.append(
        Card(
            label="Resets",
            value=words.day(status.end_date),
            explanation=status.resets_text,
            opens=to_calls(status, "the calls of the period that ends then"),
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
    draw(chart, alt=told, key="budget course", more=entries, on_select=partial(_open_days, status))
    if told := crossed(detail.crossings, status.first_date, status.time_zone):
        st.caption(f"Crossed: {escaped(told)}.")
    if detail.outlook.at_end is None:
        st.caption(escaped(str(detail.outlook.forecast)))
    if worth := words.worth(status, detail.worth):
        st.caption(with_dollars(escaped(worth)))


def _open_days(status: BudgetStatus, selection: Selection) -> None:
    """The calls of the days until the point that is clicked."""
    if picked := selection.get(charts.PICKED):
        to_days(status, str(picked[0]["days"])).go()


def _show_ways(page: Page, status: BudgetStatus) -> None:
    show_ways(of_period(status), "budget")
    if status.client_id is not None and status.time_zone != page.client.timezone:
        st.caption(
            f"Days of the budget are those of {escaped(status.time_zone)}; what links lead to has days of "
            f"{escaped(page.client.timezone)}."
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
        show_way(to_driver(detail.outlook.status, part, line), with_dollars(escaped(line)), icon=OPENS)
    if detail.drivers.reason:
        st.caption(f"Mostly {escaped(detail.drivers.reason)}.")


def _show_versions(page: Page, detail: BudgetDetail) -> None:
    with st.expander("What held when, and who changed it", icon=":material/history:"):
        for version in detail.versions:
            since = formatting.utc_moment(version.valid_from)
            said = f"{since}: {words.plan(version.plan)}, by {named(page, version.changed_by)}"
            st.markdown(with_dollars(escaped(said)))
