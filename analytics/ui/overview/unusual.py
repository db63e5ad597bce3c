"""Days of the charts that cost far more than usual, each with what drove it."""

from datetime import date
from decimal import Decimal

import streamlit as st

from analytics import config
from analytics.database import Database
from analytics.days import Days
from analytics.errors import AnalyticsError
from analytics.forecasting import Anomaly
from analytics.formatting import NO_MODEL, usd
from analytics.queries import usage_comparison, what_moved
from analytics.queries.unusual import unusual_days
from analytics.ui.frame import reads
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.ways import Way, show_way

_MOST = 3
_WEEK = 7


def unusual_in(page: Page) -> dict[date, str]:
    """What is said of each unusual day, with what drove it; none under filters, as it is of all calls."""
    if page.filters:
        return {}
    today = page.client.today(page.now)
    sensitivity = config.anomaly_sensitivity(reads.secrets())
    return reads.read(
        page.database,
        ("unusual days", page.client.id, today, sensitivity),
        lambda _: {
            day.date: f"{_text(day)}{_driver(page.database, page, day)}"
            for day in unusual_days(page.database, page.client.id, today, sensitivity)
        },
        page.now,
    ).value


def show_unusual_days(page: Page) -> None:
    """A line for each unusual day of the period, the newest first: a way to that day. Nothing without one."""
    told = unusual_in(page)
    shown = [day for day in sorted(told, reverse=True) if page.days.first <= day <= page.days.last][:_MOST]
    if not shown:
        return
    with st.container(gap=None, key="unusual"):
        for day in shown:
            text = f"{day:%a} {day.day} {day:%b} {told[day]}"
            way = Way(page="", text=text, parts={"days": f"{day}..{day}"})
            if way.leads_on:
                show_way(way, with_dollars(escaped(text)), icon=":material/trending_up:")


def _text(day: Anomaly) -> str:
    """`cost $210.00, usually $10.00`."""
    spent, expected = (usd(Decimal(str(round(value, 10)))) for value in (day.value, day.expected))
    return f"cost {spent}, usually {expected}"


def _driver(database: Database, page: Page, day: Anomaly) -> str:
    """`: mostly openai gpt-4o`; empty where nothing compares."""
    days = Days(day.date, day.date)
    try:
        compared = usage_comparison(database, page.client.id, days, _week_before(days), now=page.now)
    except AnalyticsError:
        return ""
    for moved in what_moved(compared.models, compared.days, "cost").models:
        if moved.change is not None and moved.change > 0:
            return f": mostly {moved.source} {moved.model or NO_MODEL}"
    return ""


def _week_before(days: Days) -> Days:
    before = Days.until(days.first, _WEEK + 1).first
    return Days(before, before)
