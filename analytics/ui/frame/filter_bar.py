"""The filters of a page: a chip for each, and a popover to add one from values with what they use."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from analytics import charts, formatting, queries
from analytics.errors import InvalidInput
from analytics.queries import NO_FILTERS, OTHER_TAGS, TAG, Condition, Filters
from analytics.queries.filters import HAS, MAX_CONDITIONS, MAX_VALUES, YES, in_order
from analytics.queries.ranges import RANGES, range_in_words
from analytics.ui.frame import address, filters
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.state import value_of

if TYPE_CHECKING:
    from analytics.ui.frame.page import Page

LABELS = {
    "provider": "Provider",
    "model": "Model",
    "operation": "Operation",
    "outcome": "Outcome",
    "conversation": "Conversation",
    "hour": "Hour",
    "weekday": "Weekday",
    "basis": "Basis of the cost",
    "correction": "Correction",
    "at": "Made",
    "latency": "Latency",
    "first-token": "First token",
}
_FACTS = {
    "latency": "a latency",
    "first-token": "a time to the first token",
    "retry": "an earlier attempt",
    "usage": "usage",
    "stated-cost": "a stated cost",
    "cache": "a number of cached tokens",
    "cached": "tokens from a cache",
    "cache-write": "tokens written into a cache",
    "unread": "fields that were not understood",
    "bucket": "the sum of several requests",
    "attempts": "several attempts at its operation",
    "replaced": "an answer that a later attempt replaced",
}
"""What a call is with or without, by the facts that it may have."""
NOT_APPLIED = "Filters do not apply to this page: it is about all calls."
MOST_VALUES = 200
_CHOSEN = queries.GROUPS
"""What is chosen in the popover; all else is chosen where it is shown."""
_IS, _IS_NOT = "is", "is not"
_MAX_TEXT, _MAX_SHOWN = 40, 3


def show_chips(page: "Page") -> None:
    """A button for each filter, which removes it, and one for all of them."""
    if not page.filters:
        return
    names = _conversation_names(page)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="filters"):
        st.markdown(":small[Only calls with]", width="content")
        for condition in page.filters:
            st.button(
                escaped(text_of(condition, names, page.client.timezone)),
                icon=":material/close:",
                icon_position="right",
                key=f"filter {condition.parameter}",
                on_click=filters.put,
                args=[page.filters.without(condition.name)],
            )
        st.button("Clear all", type="tertiary", key="clear filters", on_click=filters.put, args=[NO_FILTERS])


def text_of(condition: Condition, names: Mapping[str, str], timezone: str) -> str:
    """`Model: gpt-4o, o1`, `Provider: not Groq`, `without feature`; `names` are those of conversations."""
    label = LABELS.get(condition.name, condition.name.removeprefix(TAG))
    if condition.name.startswith(HAS):
        is_with = (YES in condition.values) != condition.is_excluded
        return f"{'with' if is_with else 'without'} {_FACTS[condition.name.removeprefix(HAS)]}"
    if condition.name in RANGES:
        return f"{label}: {range_in_words(condition.name, condition.values[0], timezone)}"
    if condition.values == ("",) and (condition.name.startswith(TAG) or condition.name == "conversation"):
        what = _short(label) if condition.name.startswith(TAG) else "conversation"
        return f"{'with' if condition.is_excluded else 'without'} {what}"
    if condition.values == ("",) and condition.is_excluded:
        return f"{label}: told"
    # What is not told is last.
    values = sorted(condition.values, key=lambda value: not value)
    shown = [_short(_value_text(condition.name, value, names)) for value in values[:_MAX_SHOWN]]
    if more := len(condition.values) - len(shown):
        shown.append(f"{more} more")
    return f"{_short(label)}: {'not ' if condition.is_excluded else ''}{', '.join(shown)}"


@st.fragment
def show_add_filter(page: "Page", note: str = "") -> None:
    """A button that opens the choice of a filter; values are read once it is open, and only they are.

    `note` stands below them.
    """
    if address.filters() != page.filters:
        # The choice was made: the whole page follows.
        st.rerun()
    popover = st.popover(
        "Filter",
        icon=":material/filter_alt:",
        # With other filters it is another one, which is closed.
        key=f"add filter {page.client.id} {page.days} {page.filters.json()}",
        on_change="rerun",
    )
    if popover.open:
        with popover:
            _choose(page)
            if note:
                st.caption(note)


def _choose(page: "Page") -> None:
    keys = page.read(queries.tag_keys, page.days).value["key"].tolist()
    used = [condition.name for condition in page.filters if condition.name.startswith(TAG)]
    name = st.selectbox(
        "Filter by",
        [*_CHOSEN, *dict.fromkeys([*(TAG + key for key in keys), *used])],
        format_func=lambda name: LABELS.get(name, f"Tag: {name.removeprefix(TAG)}"),
        key="filter by",
    )
    condition = page.filters.get(name) or Condition(name=name, values=())
    values = page.read(
        queries.usage_by_group, page.days, name, top=MOST_VALUES, filters=page.filters.without(name)
    ).value
    rest = values[values["is_rest"]]
    values = values[~values["is_rest"]]
    labels = {row["value"] or "": _label(name, row) for row in values.to_dict("records")}
    left_out = {value for value in labels if not _can_be(name, value)}
    options = [value for value in dict.fromkeys([*labels, *condition.values]) if value not in left_out]
    if name in ("hour", "weekday"):
        options = in_order(name, options)
    suffix = f"{name} {page.filters.json()}"
    st.segmented_control(
        "Condition",
        [_IS, _IS_NOT],
        default=_IS_NOT if condition.is_excluded else _IS,
        required=True,
        label_visibility="collapsed",
        key=f"condition {suffix}",
    )
    chosen = st.multiselect(
        LABELS.get(name, name.removeprefix(TAG)),
        options,
        default=[*condition.values],
        format_func=lambda value: labels.get(value) or _value_text(name, value, {}),
        label_visibility="collapsed",
        placeholder="Choose values, or type to search",
        max_selections=MAX_VALUES,
        accept_new_options=not rest.empty,
        select_all=False,
        key=f"values {suffix}",
    )
    if not options:
        st.caption("No calls in these days, under the other filters.")
    if not rest.empty:
        st.caption(
            f"And {formatting.plural(int(rest['value_count'].sum()), 'value')} with less use: type one whole."
        )
    if left_out:
        st.caption(f"{formatting.plural(len(left_out), 'value')} of a page's length cannot be filtered by.")
    is_full = len(page.filters.conditions) >= MAX_CONDITIONS and page.filters.get(name) is None
    if is_full:
        st.caption(f"At most {MAX_CONDITIONS} filters hold at once.")
    st.button(
        "Apply",
        type="primary",
        disabled=is_full or (not chosen and not condition.values),
        key="apply filter",
        on_click=_apply,
        args=[page.filters, name, suffix],
    )


def _apply(before: Filters, name: str, suffix: str) -> None:
    is_excluded = value_of(f"condition {suffix}") == _IS_NOT
    filters.put(before.with_condition(name, value_of(f"values {suffix}"), is_excluded=is_excluded))


def _can_be(name: str, value: str) -> bool:
    """Whether a link can say it."""
    try:
        Filters.parse(NO_FILTERS.with_condition(name, [value]).query())
    except InvalidInput:
        return False
    return True


def _label(name: str, row: Mapping[Any, Any]) -> str:
    """A value with its calls and cost."""
    cost = formatting.cost(row["total_cost"], row["unpriced_count"], row["request_count"])
    value = _short(_value_text(name, row["value"] or "", {}))
    return f"{value} · {formatting.plural(row['request_count'], 'call')} · {cost}"


def _value_text(name: str, value: str, names: Mapping[str, str]) -> str:
    if name == "conversation":
        return names.get(value, f"{value[:8]}…") if value else "without conversation"
    if name == "correction":
        return f"{value[:8]}…"
    if not value:
        return f"without {name.removeprefix(TAG)}" if name.startswith(TAG) else "not told"
    if name in ("provider", "hour", "weekday"):
        return charts.value_name(name, value)
    if name.startswith(TAG) and value == OTHER_TAGS:
        return "other (too many tags to keep apart)"
    return value


def _short(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _conversation_names(page: "Page") -> Mapping[str, str]:
    condition = page.filters.get("conversation")
    if condition is None or not any(condition.values):
        return {}
    return page.read(
        queries.conversation_names, page.days, condition.values, sees_phones=page.sees_phones
    ).value
