"""What charts group by, the same on all pages, and what a click on a part of them opens."""

from collections.abc import Callable, Sequence

import streamlit as st

from analytics.calls.row import MAX_TEXT, refused_text
from analytics.charts import PICKED, Chart, Series
from analytics.days import Days
from analytics.errors import InvalidInput
from analytics.queries import GROUPS, TAG, Condition, Filters, Group
from analytics.queries.filters import HOURS, WEEKDAYS
from analytics.ui.frame import address, filters
from analytics.ui.frame.address import Part
from analytics.ui.frame.dates import DAYS
from analytics.ui.parts.vega import Selection, selected_days, selected_hour

_WORDS = {"hour": "hour of the day"}


def chosen_group() -> Group:
    """What the address groups charts by."""
    return GROUP.value()


def choose_group(tag_keys: Sequence[str]) -> None:
    """Draws the choice of what charts group by; `tag_keys` are those in use."""
    group = GROUP.value()
    groups = [*GROUPS, *(f"{TAG}{key}" for key in tag_keys)]
    GROUP.choose(
        st.selectbox,
        "Group charts by",
        groups if group in groups else [*groups, group],
        format_func=lambda each: f"By {group_words(each)}",
        label_visibility="collapsed",
        width=190,
    )


def group_words(group: Group) -> str:
    """As a sentence says it: `provider`, `hour of the day`, `tag feature`."""
    if group.startswith(TAG):
        return f"tag {group.removeprefix(TAG)}"
    return _WORDS.get(group, group)


def opener(group: Group, chart: Chart) -> Callable[[Series], None]:
    """What opens a series of a chart, in a callback."""
    return lambda series: _open_series(group, series, chart.series)


def _open_series(group: Group, series: Series, beside: Sequence[Series]) -> None:
    if not series.is_rest:
        filters.show_only(group, series.value)
        return
    # The rest is what is none of the others.
    others = tuple(each.value or "" for each in beside if not each.is_rest)
    filters.put(Filters.of([*address.filters(), Condition(name=group, values=others, is_excluded=True)]))


def open_days(days: Days) -> None:
    """Shows only these days, in a callback."""
    address.put(**DAYS.changes(str(days)))


def open_selected_days(selection: Selection, chart: Chart) -> None:
    """Shows the days, or the hour, that are clicked or drawn over in a chart over time; in a callback."""
    if (days := selected_days(selection, chart)) is None:
        return
    hour = selected_hour(selection)
    if hour is None:
        open_days(days)
    else:
        filters.show_only("hour", HOURS[hour], **DAYS.changes(str(days)))


def open_hour(hour: int, weekday: int | None = None) -> None:
    """Counts only calls of this hour of the client's clock, and of a weekday (1 is Monday), in a callback."""
    chosen = address.filters().with_condition("hour", [HOURS[hour]])
    if weekday is not None:
        chosen = chosen.with_condition("weekday", [WEEKDAYS[weekday - 1]])
    filters.put(chosen)


def open_selected_hour(selection: Selection) -> None:
    """The same of what is clicked in a chart of hours."""
    if (hour := selected_hour(selection)) is not None:
        open_hour(hour, selection[PICKED][0].get("weekday"))


def _parse(value: str) -> Group:
    name = value.strip()
    if name.lower() in GROUPS:
        return name.lower()
    key = name.removeprefix(TAG)
    if key == name or not key or refused_text(key):
        shown = "".join(sign if sign.isprintable() else "?" for sign in value[:MAX_TEXT])
        raise InvalidInput(
            f'by must be one of {", ".join(GROUPS)}, or {TAG} and the key of a tag, not "{shown[:60]}"'
        )
    return name


GROUP = Part(name="by", parse=_parse, default="provider")
