"""Cards: a number with its change and a small trend. No text is ever cut off."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import streamlit as st

from analytics import formatting
from analytics.charts import Chart
from analytics.queries import Change, ComparedDays
from analytics.ui.frame.messages import with_dollars
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
    lines: Sequence[str] = ()
    warning: str = ""
    trend: Chart | None = None
    """A small chart of its days."""


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
        if card.trend:
            # Not st.metric's own chart: its tooltip has no dates and no units.
            draw(card.trend, alt=f"Course of {card.label} per day", key=f"trend {card.label}")
        if card.lines:
            st.caption(with_dollars("  \n".join(filter(None, card.lines))))
        if card.warning:
            # Not in the caption, which is too pale for colours.
            st.markdown(f":small[:orange[{card.warning}]]")


def _arrow(change: str | None) -> Literal["up", "down", "off"]:
    if not change or change == "0%":
        return "off"
    # A huge change is a factor, which is upwards.
    return _ARROWS.get(change[0], "up")
