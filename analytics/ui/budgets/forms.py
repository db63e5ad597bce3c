"""Forms to make, change and archive budgets."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import streamlit as st

from analytics.alerts import check
from analytics.budgets import (
    DEFAULT_THRESHOLDS,
    PERIODS,
    BudgetPlan,
    BudgetStatus,
    Threshold,
    archive_budget,
    change_budget,
    create_budget,
    preview_budget,
)
from analytics.budgets.plans import UNITS, amount_of, start_day_of
from analytics.errors import AnalyticsError
from analytics.queries import Filters
from analytics.ui.budgets import words
from analytics.ui.budgets.listing import chosen_budget
from analytics.ui.budgets.people import who
from analytics.ui.budgets.reading import Budgets
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, explained, show_refusal, with_dollars
from analytics.ui.frame.page import Page, show_only_administrators
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.state import remember, take
from analytics.ui.parts.headings import show_heading

_EVERYBODY = "All clients together"
_UNIT_WORDS = {"usd": "US dollars", "tokens": "Tokens"}


@dataclass(frozen=True, kw_only=True)
class _Done:
    """What was made or changed; shown once."""

    text: str


def show_budget_forms(page: Page, reading: Reading[Budgets]) -> None:
    """A form for a new budget, or for the one that is open; for others a note on who can change them."""
    if done := take(_Done):
        st.success(with_dollars(done.text), icon=":material/check_circle:")
    owners = _owners(page)
    if not owners:
        show_only_administrators(page, "make and change budgets")
        return
    open_values = chosen_budget(reading.value)
    if open_values and open_values[0].client_id in owners.values():
        with st.expander("Change or archive this budget", icon=":material/edit:"):
            _show_form(page, owners, open_values[0])
        return
    with st.container(border=True, key="new budget"):
        show_heading("New budget")
        _show_form(page, owners, None)


def _owners(page: Page) -> dict[str, UUID | None]:
    """Whose budgets this viewer may change, by label."""
    owners: dict[str, UUID | None] = {}
    if page.viewer.administers(page.client):
        owners[page.client.name] = page.client.id
    if page.viewer.sees_all_clients:
        owners[_EVERYBODY] = None
    return owners


def _show_form(page: Page, owners: dict[str, UUID | None], status: BudgetStatus | None) -> None:
    filters = status.filters if status is not None else page.filters
    with st.form(f"budget {status.budget_id if status else 'new'}", border=False):
        # A line of fields each, so that a phone has them in this order, too.
        left, middle, right = st.columns(3, gap="medium")
        name = left.text_input("Name", status.name if status else "All", max_chars=100)
        limit = middle.text_input(
            "Limit", f"{status.limit_amount or ''}" if status else "", placeholder="500"
        )
        unit = right.selectbox(
            "In", UNITS, UNITS.index(status.unit) if status else 0, format_func=_UNIT_WORDS.__getitem__
        )
        left, middle, right = st.columns(3, gap="medium")
        period = left.selectbox("Per", PERIODS, PERIODS.index(status.period if status else "month"))
        start_day = middle.text_input(
            "Begins on",
            str(status.start_day) if status else "1",
            help="Of a week 1 (Monday) to 7 or a weekday, of a month its day: the 31st is the last one of a "
            "shorter month.",
        )
        zone = right.text_input(
            "Time zone",
            (status.time_zone if status else page.client.timezone),
            help="In which days begin: an IANA name such as America/Sao_Paulo.",
        )
        left, middle, right = st.columns(3, gap="medium")
        told = left.text_input(
            "Tell at percent",
            ", ".join(map(str, status.thresholds if status else DEFAULT_THRESHOLDS)),
            help="Of the limit, of what is spent; or, as in “100 forecast”, of what will be.",
        )
        split_by = middle.text_input(
            "For each value of the tag",
            (status.split_by or "") if status else "",
            placeholder="none",
            help="Each value of this tag has the limit for itself.",
        )
        owner = right.selectbox("Of", list(owners)) if status is None else None
        repeats = st.checkbox("Tell again when it is crossed again", status.repeats if status else False)
        st.caption(_counts(filters, is_new=status is None))
        with st.container(horizontal=True, gap="small"):
            # The first one is that of the Enter key.
            submitted = st.form_submit_button(
                "Change from now on" if status else "Make the budget", type="primary", icon=":material/check:"
            )
            is_preview = st.form_submit_button("What it would be now", icon=":material/visibility:")
    client_id = status.client_id if status else owners[owner or next(iter(owners))]
    given = {
        "limit": limit,
        "unit": unit,
        "period": period,
        "start_day": start_day,
        "zone": zone,
        "told": told,
        "split_by": split_by,
        "repeats": repeats,
    }
    if submitted:
        _save(page, client_id, status, name, given, filters)
    elif is_preview:
        _preview(page, client_id, name, given, filters)
    if status is not None and st.button("Archive this budget", icon=":material/archive:"):
        _archive(page, status)


def _counts(filters: Filters, *, is_new: bool) -> str:
    counted = f"It counts {escaped(words.scope(filters, None))}."
    more = (
        " To limit it to a model, a tag or the like, add a filter at the top of the page." if is_new else ""
    )
    return f"{counted}{more}"


def _plan(page: Page, client_id: UUID | None, given: dict[str, Any], filters: Filters) -> BudgetPlan:
    """
    Raises:
        InvalidInput: a field cannot be.
    """
    zone = given["zone"].strip()
    is_own = client_id is not None and zone in ("", page.client.timezone)
    return BudgetPlan(
        limit_amount=amount_of(given["limit"]),
        unit=given["unit"],
        period=given["period"],
        start_day=start_day_of(given["period"], given["start_day"] or "1"),
        time_zone=None if is_own else zone or "UTC",
        filters=filters,
        split_by=given["split_by"].strip() or None,
        thresholds=tuple(Threshold.parse(part) for part in given["told"].split(",") if part.strip()),
        repeats=given["repeats"],
    )


def _save(
    page: Page,
    client_id: UUID | None,
    status: BudgetStatus | None,
    name: str,
    given: dict[str, Any],
    filters: Filters,
) -> None:
    now = datetime.now(UTC)
    try:
        plan = _plan(page, client_id, given, filters)
        if status is None:
            create_budget(page.database, client_id, name, plan, by=who(page), now=now)
            said = f"Made: {escaped(name)}, {escaped(words.plan(plan))}."
        else:
            is_new = change_budget(
                page.database, client_id, status.budget_id, plan, by=who(page), now=now, name=name
            )
            said = f"Changed: {escaped(words.plan(plan))}." if is_new else "Nothing is new."
    except AnalyticsError as error:
        show_refusal(error)
        return
    # Whoever sets a budget sees at once what it has to tell.
    with explained():
        check(page.database, datetime.now(UTC), secrets=reads.secrets(), is_slow_due=False)
    _show_done(said)


def _preview(page: Page, client_id: UUID | None, name: str, given: dict[str, Any], filters: Filters) -> None:
    """Says what would be spent of it now, what it would tell at once, and when it resets."""
    try:
        plan = _plan(page, client_id, given, filters)
        found = preview_budget(page.database, client_id, name, plan, datetime.now(UTC))
    except AnalyticsError as error:
        show_refusal(error)
        return
    st.info(with_dollars(escaped(words.preview(found))), icon=":material/visibility:")


def _archive(page: Page, status: BudgetStatus) -> None:
    try:
        archive_budget(page.database, status.client_id, status.budget_id, by=who(page), now=datetime.now(UTC))
    except AnalyticsError as error:
        show_refusal(error)
        return
    _show_done(f"Archived: {escaped(status.name)}. Its history stays.")


def _show_done(text: str) -> None:
    remember(_Done(text=text))
    reads.forget()
    st.rerun()
