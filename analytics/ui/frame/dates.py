"""Choosing days: the last 7, 30, 60 or 90, or any two; always in the link."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import streamlit as st

from analytics import formatting, queries
from analytics.clients import Client
from analytics.days import Days
from analytics.queries import Period
from analytics.ui.frame import address
from analytics.ui.frame.address import PLACE_IN_LIST, Part
from analytics.ui.frame.state import value_of

DEFAULT_PERIOD = Period(days=30)
DAYS = Part(
    name="days",
    parse=lambda value: Period.parse(value).label,
    default=DEFAULT_PERIOD.label,
    resets=PLACE_IN_LIST,
)


def choose_period(client: Client, now: datetime) -> None:
    """Draws the selector of usual periods, and a calendar for any other days of this client's usage."""
    chosen = DAYS.value()
    labels = [Period(days=days).label for days in queries.PERIOD_DAYS]
    DAYS.choose(
        st.segmented_control,
        "Period",
        labels if chosen in labels else [*labels, chosen],
        format_func=period_name,
        required=True,
    )
    today = client.today(now)
    with st.container(width="content", vertical_alignment="bottom", key="calendar"):
        choose_any_days(
            DAYS,
            Period.parse(chosen).range(today),
            client=client,
            today=today,
            label="Other days",
            title="First and last day",
            presets=_presets(today),
        )


def period_name(label: str) -> str:
    """`30d` as it is, two days as in headings."""
    period = Period.parse(label)
    return label if period.last is None else str(period)


def window(days: Days) -> str:
    """`1 to 31 Mar 2026`."""
    return formatting.window(len(days), days.last)


def choose_any_days(
    part: Part[str],
    days: Days,
    *,
    client: Client,
    today: date,
    label: str,
    title: str,
    presets: Mapping[str, Days] | None = None,
) -> None:
    """A calendar in a popover, for any first and last day of the client's usage; it writes `part`.

    `label` is on its button, `title` above the calendar.
    """
    first_day = min(client.first_day or today, today)
    first, last = (min(max(day, first_day), today) for day in (days.first, days.last))
    # For other days both are other widgets: the popover is closed, and the calendar has no earlier choice.
    suffix = f"{part.name} {client.id} {part.value()} {first} {last}"
    with st.popover(label, icon=":material/calendar_month:", help=title, key=f"popover {suffix}"):
        key = f"calendar {suffix}"
        st.date_input(
            title,
            (first, last),
            min_value=first_day,
            max_value=today,
            key=key,
            on_change=_take_calendar,
            args=[part, key],
        )
        for name, preset in (presets or {}).items():
            st.button(
                name,
                type="tertiary",
                disabled=preset.last < first_day,
                key=f"preset {name}",
                on_click=_take,
                args=[part, preset],
            )


def _take_calendar(part: Part[str], key: str) -> None:
    # While only one of the two is chosen the page stays as it is.
    days = value_of(key)
    if isinstance(days, tuple) and len(days) == 2:
        _take(part, Days(*days))


def _take(part: Part[str], days: Days) -> None:
    address.put(**part.changes(str(days)))


def _presets(today: date) -> dict[str, Days]:
    this_month = today.replace(day=1)
    last_month = (this_month - timedelta(days=1)).replace(day=1)
    this_quarter = today.replace(month=3 * ((today.month - 1) // 3) + 1, day=1)
    last_quarter_end = this_quarter - timedelta(days=1)
    last_quarter = last_quarter_end.replace(month=last_quarter_end.month - 2, day=1)
    return {
        "This month": Days(this_month, today),
        "Last month": Days(last_month, this_month - timedelta(days=1)),
        "This quarter": Days(this_quarter, today),
        "Last quarter": Days(last_quarter, last_quarter_end),
    }
