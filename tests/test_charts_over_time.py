"""Charts of when things were used: frames in, exact values out."""

from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd

from analytics import charts
from analytics.charts import COLORS, MEASURES


def _over_time(*days: date) -> pd.DataFrame:
    """OpenAI, Whisper and an own model on each day, with costs whose float sum is not exact."""
    return pd.DataFrame(
        [
            {
                "bucket_date": pd.Timestamp(day),
                "first_date": pd.Timestamp(day),
                "last_date": pd.Timestamp(day),
                "source": source,
                "total_tokens": tokens,
                "total_cost": Decimal(cost),
                "request_count": 1,
                "unpriced_count": 0,
            }
            for day in days
            for source, tokens, cost in (
                ("openai", 100, "0.7"),
                ("selfhosted", 10, "0.1"),
                ("whisper", 1, "0.2"),
            )
        ]
    )


def _data(specification: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(specification["datasets"][(layer.get("data") or specification["data"])["name"]])


def test_usage_over_time_adds_up_what_is_neither_openai_nor_groq() -> None:
    frame = _over_time(date(2026, 3, 17), date(2026, 3, 18))
    specification = charts.usage_over_time(frame, MEASURES["Cost"], "day").to_dict()
    stacks, rule = specification["layer"]
    assert stacks["mark"]["type"] == "area"
    assert [
        (row["bucket_date"][:10], row["provider"], row["value"]) for row in _data(specification, stacks)
    ] == [
        ("2026-03-17", "OpenAI", 0.7),
        ("2026-03-18", "OpenAI", 0.7),
        ("2026-03-17", "Other", 0.3),
        ("2026-03-18", "Other", 0.3),
    ]
    assert [(row["days"], row["Total"]) for row in _data(specification, rule)] == [
        ("17 Mar 2026", 1.0),
        ("18 Mar 2026", 1.0),
    ]
    scale = stacks["encoding"]["color"]["scale"]
    assert scale == {"domain": ["OpenAI", "Other"], "range": [COLORS["OpenAI"], COLORS["Other"]]}


def test_the_tooltip_says_which_days_a_bucket_counts() -> None:
    frame = _over_time(date(2026, 3, 16))
    frame["first_date"], frame["last_date"] = pd.Timestamp("2026-03-17"), pd.Timestamp("2026-03-18")
    specification = charts.usage_over_time(frame, MEASURES["Tokens"], "week").to_dict()
    _, rule = specification["layer"]
    assert [(row["days"], row["Total"]) for row in _data(specification, rule)] == [("17 to 18 Mar 2026", 111)]


def test_a_lone_bucket_is_a_bar_as_an_area_would_have_no_width() -> None:
    specification = charts.usage_over_time(
        _over_time(date(2026, 3, 1)), MEASURES["Tokens"], "month"
    ).to_dict()
    assert specification["layer"][0]["mark"]["type"] == "bar"


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
    assert specification["encoding"]["opacity"]["field"] == "total_cost"
