"""What pages draw. A page reads top to bottom: it begins, reads, and shows.

frame   page (sidebar, heading, controls), address, links, dates, sign-in, reads, freshness, messages
parts   cards, tables, charts, headings and empty messages that several pages use
others  a folder per page; it imports frame and parts, never another page's folder
"""

from analytics.ui.budgets.alerts import show_alerts
from analytics.ui.budgets.channels import show_channels
from analytics.ui.budgets.detail import show_budget
from analytics.ui.budgets.forms import show_budget_forms
from analytics.ui.budgets.future import show_future
from analytics.ui.budgets.listing import show_budgets
from analytics.ui.budgets.reading import read_budgets
from analytics.ui.calls.detail import call_in_link, show_call
from analytics.ui.calls.listing import read_calls, show_call_list
from analytics.ui.clients.table import read_clients, show_clients, show_clients_total
from analytics.ui.connect.arrival import show_arrival
from analytics.ui.connect.keys import offer_key
from analytics.ui.connect.lines import choose_tool, show_api_state, show_lines
from analytics.ui.conversations.detail import (
    show_conversation_calls,
    show_conversation_cards,
    show_conversation_charts,
    show_conversation_heading,
)
from analytics.ui.conversations.listing import choose_conversations, show_conversation_list
from analytics.ui.frame.freshness import show_freshness
from analytics.ui.frame.links import conversation_in_link
from analytics.ui.frame.page import Page, begin_page, begin_text_page, tell_summed_days
from analytics.ui.health.checks import (
    read_client_checks,
    read_installation_checks,
    show_checks,
    show_health_summary,
    show_sums_check,
)
from analytics.ui.live.panels import (
    LIVE_SECONDS,
    follow_calls,
    show_live_calls,
    show_live_cards,
    show_live_minutes,
)
from analytics.ui.overview.panels import (
    show_daily_usage,
    show_model_comparison,
    show_tools,
    show_top_conversations,
    show_weekly_evolution,
)
from analytics.ui.overview.reading import read_budgets_in_short, read_overview
from analytics.ui.overview.summary import show_summary_cards
from analytics.ui.overview.unusual import show_unusual_days
from analytics.ui.parts.budget_line import show_budget_line
from analytics.ui.parts.empty import show_no_usage
from analytics.ui.parts.repricing_link import offer_repricing
from analytics.ui.prices.forms import show_price_forms
from analytics.ui.prices.listing import (
    read_prices,
    show_price_list,
    show_stated_costs,
    show_unpriced_models,
    show_used_models,
)
from analytics.ui.prices.repricing import show_repricing
from analytics.ui.prices.switch import show_list_switch
from analytics.ui.providers.compared_days import choose_compared_days
from analytics.ui.providers.comparison import read_comparison, show_comparison
from analytics.ui.providers.patterns import (
    read_call_facts,
    read_call_sums,
    show_usage_by_hour,
    show_usage_by_operation,
    show_usage_over_time,
)
from analytics.ui.providers.tags import show_usage_by_tag
from analytics.ui.providers.what_if import show_what_if
from analytics.ui.speed.cards import show_answer_cards
from analytics.ui.speed.hours import show_call_times, show_failures_by_hour
from analytics.ui.speed.tables import (
    read_answers,
    show_cache,
    show_failures,
    show_speed,
)

__all__ = [
    "LIVE_SECONDS",
    "Page",
    "begin_page",
    "begin_text_page",
    "call_in_link",
    "choose_compared_days",
    "choose_conversations",
    "choose_tool",
    "conversation_in_link",
    "follow_calls",
    "offer_key",
    "offer_repricing",
    "read_answers",
    "read_budgets",
    "read_budgets_in_short",
    "read_call_facts",
    "read_call_sums",
    "read_calls",
    "read_client_checks",
    "read_clients",
    "read_comparison",
    "read_installation_checks",
    "read_overview",
    "read_prices",
    "show_alerts",
    "show_answer_cards",
    "show_api_state",
    "show_arrival",
    "show_budget",
    "show_budget_forms",
    "show_budget_line",
    "show_budgets",
    "show_cache",
    "show_call",
    "show_call_list",
    "show_call_times",
    "show_channels",
    "show_checks",
    "show_clients",
    "show_clients_total",
    "show_comparison",
    "show_conversation_calls",
    "show_conversation_cards",
    "show_conversation_charts",
    "show_conversation_heading",
    "show_conversation_list",
    "show_daily_usage",
    "show_failures",
    "show_failures_by_hour",
    "show_freshness",
    "show_future",
    "show_health_summary",
    "show_lines",
    "show_list_switch",
    "show_live_calls",
    "show_live_cards",
    "show_live_minutes",
    "show_model_comparison",
    "show_no_usage",
    "show_price_forms",
    "show_price_list",
    "show_repricing",
    "show_speed",
    "show_stated_costs",
    "show_summary_cards",
    "show_sums_check",
    "show_tools",
    "show_top_conversations",
    "show_unpriced_models",
    "show_unusual_days",
    "show_usage_by_hour",
    "show_usage_by_operation",
    "show_usage_by_tag",
    "show_usage_over_time",
    "show_used_models",
    "show_weekly_evolution",
    "show_what_if",
    "tell_summed_days",
]
