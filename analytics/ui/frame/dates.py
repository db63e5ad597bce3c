"""Choosing the days: the last 7, 30, 60 or 90, or any two; always in the link."""

from datetime import date, datetime, timedelta

import streamlit as st

from analytics import formatting, queries
from analytics.queries import Client, Period
from analytics.ui.frame import address
from analytics.ui.frame.address import Part

Days = tuple[date, date]
"""A first and a last day."""
DEFAULT_PERIOD = Period(days=30)
DAYS = Part(
    name="days", parse=lambda asked: Period.parse(asked).label, default=DEFAULT_PERIOD.label, resets=("page",)
)


def choose_period(client: Client, now: datetime) -> None:
    """The selector of usual periods, and beside it a calendar for any other days of this client's usage."""
    chosen = DAYS.value()
    labels = [Period(days=days).label for days in queries.PERIOD_DAYS]
    DAYS.choose(
        st.segmented_control,
        "Period",
        labels if chosen in labels else [*labels, chosen],
        format_func=spelled,
        required=True,
    )
    _calendar(Period.parse(chosen), client, now)


def spelled(label: str) -> str:
    """`30d` as it is, two days as headings have them."""
    period = Period.parse(label)
    return label if period.last is None else str(period)


def window(days: Days) -> str:
    """`1 to 31 Mar 2026`."""
    return formatting.window(count(days), days[1])


def count(days: Days) -> int:
    return (days[1] - days[0]).days + 1


def _calendar(period: Period, client: Client, now: datetime) -> None:
    today = client.today(now)
    first_day = min(client.first_day or today, today)
    with (
        st.container(width="content", vertical_alignment="bottom", key="calendar"),
        # With another period it is another one, and closed: a choice has been made.
        st.popover(
            "Other days",
            icon=":material/calendar_month:",
            help="Any first and last day",
            key=f"other days than {period.label}",
        ),
    ):
        first, last = (min(max(day, first_day), today) for day in period.range(today))
        st.date_input(
            "First and last day",
            (first, last),
            min_value=first_day,
            max_value=today,
            # Another period is another widget: what was picked before does not stay in it.
            key=f"picked {client.id} {period.label}",
            on_change=_take_picked,
            args=[f"picked {client.id} {period.label}"],
        )
        for name, (begin, end) in _presets(today).items():
            st.button(
                name,
                type="tertiary",
                disabled=end < first_day,
                key=f"preset {name}",
                on_click=_take,
                args=[begin, min(end, today)],
            )


def _take_picked(key: str) -> None:
    # While only one of the two is chosen the page stays as it is.
    picked = st.session_state[key]
    if isinstance(picked, tuple) and len(picked) == 2:
        _take(*picked)


def _take(first: date, last: date) -> None:
    address.put(**DAYS.changes(Period.between(first, last).label))


def _presets(today: date) -> dict[str, tuple[date, date]]:
    this_month = today.replace(day=1)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    this_quarter = today.replace(month=3 * ((today.month - 1) // 3) + 1, day=1)
    last_quarter_end = this_quarter - timedelta(days=1)
    last_quarter = last_quarter_end.replace(month=last_quarter_end.month - 2, day=1)
    return {
        "This month": (this_month, today),
        "Last month": (last_month, this_month - timedelta(days=1)),
        "This quarter": (this_quarter, today),
        "Last quarter": (last_quarter, last_quarter_end),
    }
