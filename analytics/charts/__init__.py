"""DataFrame -> Chart, pure: no chart asks the database or knows of Streamlit."""

from analytics.charts.base import (
    BRUSHED,
    CACHED_SPECIFICATIONS,
    CHART_HEIGHT,
    MEASURES,
    PALE,
    PICKED,
    QUIET,
    Chart,
    Measure,
)
from analytics.charts.budgets import budget_course
from analytics.charts.calls import MINUTES_HEIGHT, TIMELINE_HEIGHT, by_minute, on_clock, requests_of, timeline
from analytics.charts.hours import WEEKDAYS, usage_by_hour
from analytics.charts.on_cards import daily_on_cards, weekly_on_cards
from analytics.charts.over_time import Earlier, bars, cumulative, lines
from analytics.charts.series import (
    BLUE,
    COLORS,
    PALETTE,
    PROVIDERS,
    Series,
    colors_of,
    provider_name,
    series_of,
    source_name,
    value_name,
)
from analytics.charts.shares import is_zero, models, share
from analytics.charts.sparklines import TREND_HEIGHT, trend, trends
from analytics.charts.speed import SPEED_HEIGHT, failures_by_hour, latency_by_hour

__all__ = [
    "BLUE",
    "BRUSHED",
    "CACHED_SPECIFICATIONS",
    "CHART_HEIGHT",
    "COLORS",
    "MEASURES",
    "MINUTES_HEIGHT",
    "PALE",
    "PALETTE",
    "PICKED",
    "PROVIDERS",
    "QUIET",
    "SPEED_HEIGHT",
    "TIMELINE_HEIGHT",
    "TREND_HEIGHT",
    "WEEKDAYS",
    "Chart",
    "Earlier",
    "Measure",
    "Series",
    "bars",
    "budget_course",
    "by_minute",
    "colors_of",
    "cumulative",
    "daily_on_cards",
    "failures_by_hour",
    "is_zero",
    "latency_by_hour",
    "lines",
    "models",
    "on_clock",
    "provider_name",
    "requests_of",
    "series_of",
    "share",
    "source_name",
    "timeline",
    "trend",
    "trends",
    "usage_by_hour",
    "value_name",
    "weekly_on_cards",
]
