"""Axes of all charts have one format, as they are drawn."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pandas as pd
import pytest

from analytics import charts
from analytics.charts import MEASURES, Chart, Measure
from analytics.exports.drawing import chart_svg
from tests import grouped

AMOUNT = re.compile(r"\$?(\d{1,3}(?:\.\d+)?[KMBT]|\d{1,3}(?:\.\d+)?)")
LABEL = re.compile(r"<text[^>]*>([^<]*)</text>")
LARGEST = ("999", "9900", "233333.33", "7654321", "1000000000")


def _drawn(measure: Measure, largest: Decimal) -> Iterator[Chart]:
    """Each kind of chart with an axis of amounts, of three days, weeks or minutes up to `largest`."""
    mondays = [date(2026, 3, 2) + timedelta(weeks=week) for week in range(3)]
    amounts = [largest / 3, largest / 2, largest]
    sums = {
        "total_tokens": [int(amount) for amount in amounts],
        "total_cost": amounts,
        "request_count": [1, 1, 1],
        "unpriced_count": [0, 0, 0],
    }
    frame = grouped.usage(mondays, {"openai": 1}, days=7).assign(**sums)
    yield charts.bars(frame, measure, "provider", "day")
    yield charts.lines(frame, measure, "provider")
    usage = pd.DataFrame({"source": ["openai"] * 3, **sums})
    first_at = datetime(2026, 3, 2, tzinfo=UTC)
    made_at = pd.to_datetime([first_at + timedelta(minutes=minute) for minute in range(3)])
    yield charts.by_minute(
        usage.assign(minute_at=made_at),
        measure,
        first_at=first_at,
        last_at=first_at + timedelta(minutes=2),
        timezone="UTC",
    )


@pytest.mark.parametrize(
    ("measure", "largest"),
    [
        *(("Cost", largest) for largest in ("0.00042", "0.3", "7", *LARGEST)),
        *(("Tokens", largest) for largest in ("30", *LARGEST)),
    ],
)
def test_amounts_are_written_alike_on_all_axes(measure: str, largest: str) -> None:
    for chart in _drawn(MEASURES[measure], Decimal(largest)):
        labels = [
            text for text in LABEL.findall(chart_svg(chart)) if re.fullmatch(r"\$?[\d.,]+[a-zA-Z]?", text)
        ]
        assert len(labels) >= 3, labels
        assert [label for label in labels if not AMOUNT.fullmatch(label)] == []
        assert {label.startswith("$") for label in labels} == {measure == "Cost"}
        assert "$0" in labels or "0" in labels
        plain = [label for label in labels if not label[-1].isalpha() and label not in ("0", "$0")]
        decimals = {len(label.partition(".")[2]) for label in plain}
        if measure == "Cost":
            assert len(decimals) <= 1, labels
            assert decimals != {1}, labels
