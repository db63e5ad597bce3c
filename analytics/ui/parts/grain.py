"""How long the buckets of charts over time are, the same on all pages, and what is said of them."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from analytics import formatting
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.queries import Grain, grains_of
from analytics.ui.frame.address import Part
from analytics.ui.frame.page import Page

HOW_TO_OPEN: dict[Grain, str] = {
    "hour": "Click an hour to see only that one, or draw over several to see their days.",
    "day": "Click a day, or draw over several, to see only those.",
    "week": "Click a week, or draw over several, to see only those.",
    "month": "Click a month, or draw over several, to see only those.",
}
_FREQUENCIES: dict[Grain, str] = {"hour": "h", "day": "D", "week": "W-SUN", "month": "M"}
_GRAINS: dict[str, Grain] = {"hour": "hour", "day": "day", "week": "week", "month": "month"}


def grain_part(days: Days, usual: Grain) -> Part[Grain]:
    """The grain in the address; the usual one where none is chosen, or these days have no room for it."""
    grains = {grain: grain for grain in grains_of(days)}

    def parse(value: str) -> Grain:
        name = value.strip().lower()
        if name not in _GRAINS:
            raise InvalidInput(f'grain must be one of {", ".join(_GRAINS)}, not "{value[:40]}"')
        return grains.get(_GRAINS[name], usual)

    return Part(name="grain", parse=parse, default=usual, is_always_written=True)


def choose_grain(
    part: Part[Grain],
    days: Days,
    control: Any,
    format_func: Callable[[str], str] = str.capitalize,
    **look: Any,
) -> None:
    """Draws the choice among the grains that these days have room for."""
    part.choose(
        control,
        "Per",
        grains_of(days),
        format_func=format_func,
        label_visibility="collapsed",
        **look,
    )


def incomplete(frame: pd.DataFrame, grain: Grain, page: Page) -> list[str]:
    """Sentences on incomplete first and last buckets of a frame of USAGE_BY_GROUP."""
    first, last = frame.iloc[0], frame.iloc[-1]
    last_day = last["bucket_at"].to_period(_FREQUENCIES[grain]).end_time.normalize()
    begins_late, ends_early = first["first_date"] > first["bucket_at"], last["last_date"] < last_day
    notes = []
    if first["bucket_at"] == last["bucket_at"] and (begins_late or ends_early):
        notes.append(f"The {grain} counts only these days.")
    else:
        if begins_late:
            notes.append(f"The first {grain} counts only from {formatting.day(first['first_date'])}.")
        if ends_early:
            notes.append(f"The last {grain} counts only up to {formatting.day(last['last_date'])}.")
    if page.days.last == page.client.today(page.now):
        notes.append("Today is not over.")
    return notes
