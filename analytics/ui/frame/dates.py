"""Choosing days: the last 7, 30, 60 or 90, those of a name (this month), or any two; always in the link."""

from collections.abc import Sequence
from datetime import date, datetime

import streamlit as st

from analytics import formatting, queries
from analytics.clients import Client
from analytics.days import Days
from analytics.queries import Period
from analytics.ui.frame import address
from analytics.ui.frame.address import PLACE_IN_LIST, Part
from analytics.ui.frame.state import value_of

DEFAULT_PERIOD = Period(days=30)
LAST_HOUR = "last-hour"
"""Not a period of days: it is what Live shows."""
DAYS = Part(
    name="days",
    parse=lambda value: Period.parse(value).label,
    default=DEFAULT_PERIOD.label,
    resets=PLACE_IN_LIST,
)


def choose_period(client: Client, period: Period, now: datetime) -> None:
    """Draws the selector of usual periods, and a popover with those of the calendar and any two days.

    `period` is the chosen one, with its days. One that is not usual is on the button of the popover.
    """
    labels = [Period(days=days).label for days in queries.PERIOD_DAYS]
    is_usual = period.label in labels
    DAYS.choose(st.segmented_control, "Period", labels, required=True, label_visibility="collapsed")
    today = client.today(now)
    choose_any_days(
        DAYS,
        period.range(today),
        client=client,
        today=today,
        label="Dates" if is_usual else _short_name(period, today),
        title="First and last day",
        is_chosen=not is_usual,
        names=queries.NAMES,
    )


def period_name(label: str) -> str:
    """`30d` as it is, others as people call them: `this month`, `1 to 31 Mar 2026`."""
    period = Period.parse(label)
    return label if period.last is None and period.name is None else period.words


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
    is_chosen: bool = False,
    names: Sequence[str] = (),
) -> None:
    """A calendar in a popover, for any first and last day of the client's usage; it writes `part`.

    `label` is on its button, which looks as a chosen one where `is_chosen`; `title` stands above the
    calendar, and `names` are periods to choose beside it.
    """
    first_day = min(client.first_day or today, today)
    first, last = (min(max(day, first_day), today) for day in (days.first, days.last))
    # For other days all are other widgets: the popover is closed, and the calendar has no earlier choice.
    suffix = f"{part.name} {client.id} {part.value()} {first} {last}"
    key = f"{'chosen' if is_chosen else 'popover'} {suffix}"
    with st.popover(label, icon=":material/calendar_month:", help=title, key=key):
        if names:
            key = f"names {suffix}"
            st.pills(
                "By the calendar",
                [*names, LAST_HOUR],
                format_func=_called,
                default=part.value() if part.value() in names else None,
                key=key,
                on_change=_take_name,
                args=[part, key],
            )
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


def _take_calendar(part: Part[str], key: str) -> None:
    # While only one of the two is chosen the page stays as it is.
    days = value_of(key)
    if isinstance(days, tuple) and len(days) == 2:
        address.put(**part.changes(str(Days(*days))))


def _take_name(part: Part[str], key: str) -> None:
    name = value_of(key)
    if name == LAST_HOUR:
        address.leave_for("live")
    elif name is not None:
        address.put(**part.changes(name))


def _short_name(period: Period, today: date) -> str:
    """`This month`, `1 to 31 Mar`: without the year where it is this one."""
    if period.name is not None:
        return _called(period.name)
    year = f" {today.year}"
    return period.words.replace(year, "") if period.words.endswith(year) else period.words


def _called(name: str) -> str:
    return name.replace("-", " ").capitalize()
