"""Ways from a percentile to the calls that took as long."""

from decimal import Decimal

from analytics.queries.ranges import slowest_from
from analytics.ui.frame.ways import Way, calls_with

PERCENTILES = {
    **{name: ("latency", f"{name}_ms") for name in ("p50", "p95", "p99")},
    **{f"First token {name}": ("first-token", f"first_token_{name}_ms") for name in ("p50", "p95", "p99")},
}
"""By the heading of a column: the filter by it, and what it is called among percentiles."""


def slowest(text: str, fact: str, percentile_ms: Decimal, **only: str) -> Way:
    """The way to the calls with this that took as long as a percentile, or longer."""
    return calls_with(text, **only, **{fact: slowest_from(percentile_ms)})
