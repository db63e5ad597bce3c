"""What every page shares. A page reads top to bottom: begin, read, show.

page        begin_page(): setup, sidebar, heading, and the controls, which live in the link
sidebar     what it does on a phone; style.css: what the theme has no option for
signing_in  who is at the other end of the session
reading     the database and its reads, cached for a minute
freshness   how old the numbers are, and renewing them
cards, panels, tables   what a page shows
conversation_list, timeline   all conversations, and one
live        following calls as they are made
other_days, comparison, patterns, what_if   two periods, when and for what calls were made, other prices
states      when there is nothing to show: what is wrong and what to do
"""

from analytics.ui.clients.table import clients, clients_total, read_clients
from analytics.ui.conversations.detail import (
    conversation_calls,
    conversation_course,
    conversation_heading,
    conversation_numbers,
)
from analytics.ui.conversations.listing import (
    asked_conversations,
    found_conversations,
    opened_conversation,
)
from analytics.ui.frame.freshness import freshness
from analytics.ui.frame.messages import no_usage
from analytics.ui.frame.page import Page, begin_page, begin_text_page
from analytics.ui.frame.reads import read_overview
from analytics.ui.health.checks import (
    checks,
    health_summary,
    read_client_checks,
    read_installation_checks,
    sums_against_calls,
)
from analytics.ui.live.feed import LIVE_SECONDS, live_calls, live_feed, live_minutes, live_numbers
from analytics.ui.overview.downloads import downloads
from analytics.ui.overview.panels import conversations, daily_usage, model_comparison, weekly_evolution
from analytics.ui.overview.summary import summary_cards
from analytics.ui.prices.forms import new_price
from analytics.ui.prices.listing import (
    booked_and_repriced,
    price_list,
    read_prices,
    unpriced_models,
    used_models,
)
from analytics.ui.prices.switch import list_switch
from analytics.ui.providers.compared_days import choose_other_days
from analytics.ui.providers.comparison import no_calls, read_comparison, usage_comparison
from analytics.ui.providers.patterns import read_call_sums, usage_by_hour, usage_by_operation, usage_over_time
from analytics.ui.providers.what_if import what_if

__all__ = [
    "LIVE_SECONDS",
    "Page",
    "asked_conversations",
    "begin_page",
    "begin_text_page",
    "booked_and_repriced",
    "checks",
    "choose_other_days",
    "clients",
    "clients_total",
    "conversation_calls",
    "conversation_course",
    "conversation_heading",
    "conversation_numbers",
    "conversations",
    "daily_usage",
    "downloads",
    "found_conversations",
    "freshness",
    "health_summary",
    "list_switch",
    "live_calls",
    "live_feed",
    "live_minutes",
    "live_numbers",
    "model_comparison",
    "new_price",
    "no_calls",
    "no_usage",
    "opened_conversation",
    "price_list",
    "read_call_sums",
    "read_client_checks",
    "read_clients",
    "read_comparison",
    "read_installation_checks",
    "read_overview",
    "read_prices",
    "summary_cards",
    "sums_against_calls",
    "unpriced_models",
    "usage_by_hour",
    "usage_by_operation",
    "usage_comparison",
    "usage_over_time",
    "used_models",
    "weekly_evolution",
    "what_if",
]
