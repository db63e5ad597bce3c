"""Charts of when things were used: frames in, exact values out."""

from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from analytics import charts
from analytics.charts import MEASURES
from analytics.queries import Bucket
from tests import grouped


def _data(specification: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(specification["datasets"][(layer.get("data") or specification["data"])["name"]])


@pytest.mark.parametrize(
    ("bucket", "begin", "days", "heading"),
    [
        ("hour", pd.Timestamp(2026, 3, 17, 14), 1, "Tue 17 Mar 2026, 14:00 to 14:59"),
        ("day", pd.Timestamp(2026, 3, 17), 1, "Tue 17 Mar 2026"),
        ("month", pd.Timestamp(2026, 3, 1), 31, "1 to 31 Mar 2026"),
    ],
)
def test_bars_say_which_days_they_count(bucket: Bucket, begin: pd.Timestamp, days: int, heading: str) -> None:
    frame = grouped.usage([begin], {"openai": 7, "selfhosted": 1}, days=days)
    chart = charts.bars(frame, MEASURES["Tokens"], "provider", bucket).to_dict()
    [column] = chart["datasets"]["columns"]
    assert column["heading"] == heading
    assert column["total"] == 8
    assert chart["layer"][0]["mark"]["type"] == "bar"


def test_what_is_neither_openai_nor_groq_has_names_of_its_own() -> None:
    frame = grouped.usage([date(2026, 3, 17)], {"whisper": 3, "selfhosted": 2})
    names = [each.name for each in charts.bars(frame, MEASURES["Cost"], "provider", "day").series]
    assert names == ["Whisper", "selfhosted"]


def test_usage_by_hour_has_a_cell_for_every_hour() -> None:
    frame = pd.DataFrame(
        {
            "weekday": [1, 7],
            "hour": [0, 23],
            "total_tokens": [5, 7],
            "total_cost": [Decimal("0.1"), Decimal("0.2")],
            "request_count": [1, 2],
            "unpriced_count": [0, 0],
        }
    )
    specification = charts.usage_by_hour(frame, MEASURES["Cost"]).to_dict()
    cells = _data(specification, specification)
    assert len(cells) == 7 * 24
    assert [
        (cell["day"], cell["clock"], cell["span"], cell["total_tokens"], cell["total_cost"])
        for cell in cells
        if cell["request_count"]
    ] == [("Mon", "00:00", "Mon 00:00 to 00:59", 5, 0.1), ("Sun", "23:00", "Sun 23:00 to 23:59", 7, 0.2)]
    color = specification["encoding"]["color"]
    assert color["field"] == "total_cost"
    assert "$" in color["legend"]["labelExpr"]


def test_a_day_that_is_unusual_has_a_mark_that_tells_why() -> None:
    days = [date(2026, 3, 17), date(2026, 3, 18)]
    frame = grouped.usage([pd.Timestamp(day) for day in days], {"openai": 7}, days=1)

    told = {days[1]: "cost $7.00, usually $1.00"}
    marked = charts.bars(frame, MEASURES["Cost"], "provider", "day", unusual=told).to_dict()
    plain = charts.bars(frame, MEASURES["Cost"], "provider", "day", unusual={date(2026, 1, 1): "x"}).to_dict()

    assert [column["unusual"] for column in marked["datasets"]["columns"]] == [None, told[days[1]]]
    shapes = [[layer["mark"].get("shape") for layer in each["layer"]] for each in (marked, plain)]
    assert shapes == [[None, "triangle-down", None], [None, None]]
