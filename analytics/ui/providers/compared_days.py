"""Choosing the days to compare with; always in the link."""

from calendar import monthrange
from datetime import date, timedelta

import streamlit as st

from analytics.errors import InvalidInput
from analytics.queries import Period
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import Days, choose_any_days, count, period_name
from analytics.ui.frame.page import Page

DAYS_BEFORE = "Days before"
MONTH_BEFORE = "Same days last month"


def choose_compared_days(page: Page) -> Days:
    """Draws the choice: as many days before, the same days last month, or any two days."""
    part = _part(page)
    labels = [DAYS_BEFORE, MONTH_BEFORE]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="compared days"):
        chosen = part.value()
        part.choose(
            st.segmented_control,
            "Compare with",
            labels if chosen in labels else [*labels, chosen],
            format_func=lambda label: label if label in labels else period_name(label),
            required=True,
        )
        _, compared = _parse(chosen, page.days)
        choose_any_days(
            part,
            compared,
            client=page.client,
            today=page.client.today(page.now),
            label="Any two days",
            title="First and last day to compare with",
        )
    return compared


def _part(page: Page) -> Part[str]:
    return Part(name="with", parse=lambda value: _parse(value, page.days)[0], default=DAYS_BEFORE)


def _parse(value: str, days: Days) -> tuple[str, Days]:
    """The label and the days that `value` means, for the `days` of the page.

    Raises:
        InvalidInput: it means none.
    """
    name = value.strip().lower()
    if name == DAYS_BEFORE.lower():
        return DAYS_BEFORE, _before(days)
    if name == MONTH_BEFORE.lower():
        return MONTH_BEFORE, _a_month_before(days)
    first, between, last = name.partition("..")
    if between:
        try:
            period = Period.between(date.fromisoformat(first), date.fromisoformat(last))
            return period.label, period.range(period.last or days[1])
        except ValueError:
            pass  # said below
    raise InvalidInput(
        f"with must be {DAYS_BEFORE}, {MONTH_BEFORE} or two days such as "
        f'2026-03-01..2026-03-31, not "{value[:40]}"'
    )


def _before(days: Days) -> Days:
    first = days[0].toordinal()
    # The calendar has no day before its first.
    return date.fromordinal(max(first - count(days), 1)), date.fromordinal(max(first - 1, 1))


def _a_month_before(days: Days) -> Days:
    """Whole months stay whole: March compares with all of February."""
    first, last = days
    is_to_the_end = last.day == monthrange(last.year, last.month)[1] and first.day == 1
    return _in_month_before(first), _in_month_before(last, to_the_end=is_to_the_end)


def _in_month_before(day: date, *, to_the_end: bool = False) -> date:
    if (day.year, day.month) == (1, 1):
        return date.min
    end = day.replace(day=1) - timedelta(days=1)
    return end if to_the_end else end.replace(day=min(day.day, end.day))
