"""Choosing the days to compare with; always in the link."""

import streamlit as st

from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import choose_any_days, period_name
from analytics.ui.frame.page import Page

DAYS_BEFORE = "Days before"
MONTH_BEFORE = "Same days last month"


def choose_compared_days(page: Page) -> Days:
    """Draws the choice: the days before, the same days last month, or any two days.

    The days before are as many, or those of the calendar that a period by name compares with.
    """
    part = _part(page)
    labels = [DAYS_BEFORE, MONTH_BEFORE]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="compared days"):
        chosen = part.value()
        part.choose(
            st.segmented_control,
            "Compare with",
            labels if chosen in labels else [*labels, chosen],
            format_func=lambda label: _label(label, page) if label in labels else period_name(label),
            required=True,
        )
        _, compared = _parse(chosen, page)
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
    return Part(name="with", parse=lambda value: _parse(value, page)[0], default=DAYS_BEFORE)


def _label(label: str, page: Page) -> str:
    """`Days before`, or `Month before` where this or last month is looked at."""
    kind = (page.period.name or "").partition("-")[2]
    return f"{kind.capitalize()} before" if kind and label == DAYS_BEFORE else label


def _parse(value: str, page: Page) -> tuple[str, Days]:
    """The label and the days that `value` means, for the days of the page.

    Raises:
        InvalidInput: it means none.
    """
    name = value.strip().lower()
    if name == DAYS_BEFORE.lower():
        return DAYS_BEFORE, page.period.before(page.days.last)
    if name == MONTH_BEFORE.lower():
        return MONTH_BEFORE, page.days.a_month_before
    try:
        if compared := Days.parse(name):
            return str(compared), compared
    except InvalidInput as error:
        raise error.named("with") from None
    raise InvalidInput(
        f"with must be {DAYS_BEFORE}, {MONTH_BEFORE} or two days such as "
        f'2026-03-01..2026-03-31, not "{value[:40]}"'
    )
