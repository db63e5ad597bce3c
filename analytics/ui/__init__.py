"""What every page shares. A page reads top to bottom: begin, read, show.

page        begin_page(): setup, sidebar, heading, and the controls, which live in the link
reading     the database and its reads, cached for a minute
freshness   how old the numbers are, and renewing them
cards, panels, tables   what a page shows
states      when there is nothing to show: what is wrong and what to do
"""

from analytics.ui.cards import summary_cards
from analytics.ui.freshness import freshness
from analytics.ui.page import Page, begin_page, begin_text_page
from analytics.ui.panels import conversations, daily_usage, model_comparison, weekly_evolution
from analytics.ui.reading import read_overview
from analytics.ui.states import no_usage

__all__ = [
    "Page",
    "begin_page",
    "begin_text_page",
    "conversations",
    "daily_usage",
    "freshness",
    "model_comparison",
    "no_usage",
    "read_overview",
    "summary_cards",
    "weekly_evolution",
]
