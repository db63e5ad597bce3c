"""Cards: a number with its change and a small trend. No text is ever cut off."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, TypedDict

import streamlit as st

from analytics import formatting
from analytics.charts import Chart
from analytics.queries import Change, ComparedDays
from analytics.ui.frame.messages import with_dollars
from analytics.ui.frame.ways import OPENS, Way, show_way
from analytics.ui.parts.grouping import open_selected_days
from analytics.ui.parts.vega import draw

NARROWEST_CARD = 166  # pixels: two side by side on a phone, five on a laptop
_WIDEST_SIGN = 0.58  # of the height of the letters: more than any sign of a number takes on average
# Low enough for a laptop's first screen to show the top of the charts below.
_LOW = (
    "{cards} > div > [data-testid=stVerticalBlock] {{ padding: .6rem .75rem; }} "
    "{cards} [data-testid=stMetricDeltaDescription] {{ font-size: .8rem; line-height: 1.3; }} "
    "{cards} [data-testid=stMarkdownContainer] p {{ line-height: 1.35; }} "
    "{cards} [data-testid=stCaptionContainer] p {{ font-size: .8rem; }}"
)
_ARROWS: dict[str, Literal["up", "down", "off"]] = {"+": "up", "-": "down"}


class _Changed(TypedDict):
    change: str | None
    beside_change: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """A card; its texts are plain, not Markdown."""

    label: str
    value: str
    explanation: str
    """The tooltip: the exact number first."""
    change: str | None = None
    """formatting.change(); None where no change is shown."""
    beside_change: str = ""
    """The value before, or why no change is shown."""
    opens: Way
    """What its number is made of: the whole card is a link to it, and so are its plain lines."""
    lines: Sequence[str | Way] = ()
    """Further numbers; a way is a link that says its text."""
    warning: str | Way = ""
    trend: Chart | None = None
    """A small chart of its days, each of which a click opens."""


def show_cards(row: Sequence[Card], key: str = "cards") -> None:
    """Cards across the page, in as many lines as they need; a click on `?` shows the exact number.

    All numbers have the font size in which the longest one fits.
    """
    longest = max(len(card.value) for card in row)
    st.html(
        f"<style>.st-key-{key} [data-testid=stMetricValue] "
        f"{{ font-size: min(1.75rem, 100cqi / {longest * _WIDEST_SIGN:.2f}); padding: 0; }} "
        f"{_LOW.format(cards=f'.st-key-{key}')}</style>"
    )
    with st.grid(len(row), min_column_width=NARROWEST_CARD, gap="small", key=key):
        for card in row:
            _show_card(card)


def changed(change: Change, before: str) -> _Changed:
    """`change` and `beside_change` of a card: the change and the value before, or why there is no change."""
    if change.why_not:
        return {"change": None, "beside_change": change.why_not}
    return {"change": change.text, "beside_change": f"vs {before}"}


def compared_with(compared: ComparedDays, timezone: str) -> str:
    """The sentence of a tooltip that says which days a card compares with."""
    if compared.no_comparison is not None:
        return f"Not compared: {compared.no_comparison}."
    return f"Compared with {compared.described(timezone)}."


def coverage_line(request_count: int, unpriced_count: int) -> str:
    """formatting.coverage(), after the share of the requests that have a price where some have none."""
    coverage = formatting.coverage(request_count, unpriced_count)
    if not unpriced_count:
        return coverage
    return f"{formatting.share(request_count - unpriced_count, request_count)} priced, {coverage}"


def _show_card(card: Card) -> None:
    with st.container(border=True, height="stretch", gap="xxsmall", key=f"card {card.label}"):
        st.metric(
            card.label,
            card.value,
            delta=card.change,
            # More use is neither good nor bad.
            delta_color="off",
            delta_arrow=_arrow(card.change),
            delta_description=card.beside_change or None,
            help=card.explanation,
        )
        if card.opens.leads_on:
            with st.container(key=f"open {card.label}"):
                show_way(card.opens, f"{card.label}: {card.opens.text}", icon=OPENS)
        if card.trend:
            _show_trend(card.label, card.trend)
        _show_lines(card.lines)
        if card.warning:
            # Not in the caption, which is too pale for colours.
            _show_line(card.warning, ":orange[{}]")


def _show_trend(label: str, trend: Chart) -> None:
    # Not st.metric's own chart: its tooltip has no dates and no units.
    draw(
        trend,
        alt=f"Course of {label} per day",
        key=f"trend {label}",
        on_select=lambda selection: open_selected_days(selection, trend),
    )


def _show_lines(lines: Sequence[str | Way]) -> None:
    """Plain lines together, and links each."""
    for is_plain, together in groupby([line for line in lines if line], lambda line: isinstance(line, str)):
        if is_plain:
            st.caption(with_dollars("  \n".join(map(str, together))))
            continue
        for line in together:
            _show_line(line)


def _show_line(line: str | Way, look: str = "{}") -> None:
    """A line of small text; a link where it leads on."""
    if isinstance(line, Way) and line.leads_on:
        show_way(line, look.format(with_dollars(line.text)))
        return
    text = line.text if isinstance(line, Way) else line
    st.markdown(f":small[{look.format(with_dollars(text))}]")


def _arrow(change: str | None) -> Literal["up", "down", "off"]:
    if not change or change == "0%":
        return "off"
    # A huge change is a factor, which is upwards.
    return _ARROWS.get(change[0], "up")
