"""DataFrame -> Chart, pure: no chart asks the database or knows of Streamlit."""

from analytics.charts.base import (
    CACHED_SPECIFICATIONS,
    CHART_HEIGHT,
    COLORS,
    MEASURES,
    PALE,
    PROVIDERS,
    Chart,
    Measure,
    provider_name,
    source_name,
)
from analytics.charts.calls import MINUTES_HEIGHT, TIMELINE_HEIGHT, by_minute, on_clock, timeline
from analytics.charts.over_time import WEEKDAYS, usage_by_hour, usage_over_time
from analytics.charts.overview import (
    TREND_HEIGHT,
    daily_usage,
    is_zero,
    provider_share,
    trend,
    trends,
    weekly_evolution,
)

__all__ = [
    "CACHED_SPECIFICATIONS",
    "CHART_HEIGHT",
    "COLORS",
    "MEASURES",
    "MINUTES_HEIGHT",
    "PALE",
    "PROVIDERS",
    "TIMELINE_HEIGHT",
    "TREND_HEIGHT",
    "WEEKDAYS",
    "Chart",
    "Measure",
    "by_minute",
    "daily_usage",
    "is_zero",
    "on_clock",
    "provider_name",
    "provider_share",
    "source_name",
    "timeline",
    "trend",
    "trends",
    "usage_by_hour",
    "usage_over_time",
    "weekly_evolution",
]
