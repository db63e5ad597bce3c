"""Charts are pure: a frame in, a Vega-Lite specification out."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from analytics import charts
from analytics.charts import MEASURES


def _weekly(other_tokens: int = 0) -> pd.DataFrame:
    mondays = pd.to_datetime([date(2026, 3, 9), date(2026, 3, 16)])
    return pd.DataFrame(
        {
            "week_start": mondays,
            "week_number": [11, 12],
            "total_tokens": [300 + other_tokens, 30],
            "openai_tokens": [200, 20],
            "groq_tokens": [100, 10],
            "other_tokens": [other_tokens, 0],
            "total_cost": [Decimal("0.3"), Decimal("0.03")],
            "openai_cost": [Decimal("0.3"), Decimal("0.03")],
            "groq_cost": [Decimal(0), Decimal(0)],
            "other_cost": [Decimal(0), Decimal(0)],
            **{
                f"{whose}{count}": [number, number]
                for whose, requests in (("", 2), ("openai_", 1), ("groq_", 1), ("other_", 0))
                for count, number in (("request_count", requests), ("unpriced_count", 0))
            },
        }
    )


def _daily(days: int) -> pd.DataFrame:
    first = date(2026, 3, 18) - timedelta(days=days - 1)
    rows = [
        {
            "date": pd.Timestamp(first + timedelta(days=day)),
            "source": source,
            "total_tokens": day,
            "total_cost": Decimal(day) / 100,
            "request_count": 1,
            "unpriced_count": 0,
        }
        for day in range(days)
        for source in ("groq", "openai", "whisper")
    ]
    return pd.DataFrame(rows)


def _summary(openai: int, groq: int, other: int) -> pd.DataFrame:
    tokens = [openai + groq + other, openai, groq, other]
    return pd.DataFrame(
        {
            "provider": ["total", "openai", "groq", "other"],
            "total_tokens": tokens,
            "total_cost": [Decimal(number) / 1000 for number in tokens],
        }
    )


def _data(specification: dict[str, Any], layer: int = 0) -> list[dict[str, Any]]:
    data = specification["layer"][layer].get("data") or specification["data"]
    return list(specification["datasets"][data["name"]])


@pytest.mark.parametrize("measure", MEASURES.values(), ids=list(MEASURES))
@pytest.mark.parametrize("other_tokens", [0, 5])
def test_weekly_evolution(measure: charts.Measure, other_tokens: int) -> None:
    specification = charts.weekly_evolution(_weekly(other_tokens), measure).to_dict()
    series = {row["provider"] for row in _data(specification)}
    expected = {"OpenAI", "Groq", "Total"}
    if other_tokens and measure.unit == "tokens":
        expected |= {"Other"}
    assert series == expected
    running = {row["week_start"][:10] for row in _data(specification) if row["is_running"]}
    assert running == {"2026-03-16"}


def test_lines_have_the_palette_of_their_provider() -> None:
    specification = charts.weekly_evolution(_weekly(), MEASURES["Tokens"]).to_dict()
    scale = specification["layer"][1]["encoding"]["color"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
        "OpenAI": charts.COLORS["OpenAI"],
        "Groq": charts.COLORS["Groq"],
        "Total": charts.COLORS["Total"],
    }


@pytest.mark.parametrize("days", [30, 90])
def test_daily_usage_shows_thirty_days_with_the_newest(days: int) -> None:
    specification = charts.daily_usage(_daily(days), MEASURES["Tokens"]).to_dict()
    shown = sorted({row["date"][:10] for row in _data(specification)})
    assert len(shown) == 30
    assert shown[-1] == "2026-03-18"
    assert {row["provider"] for row in _data(specification)} == {"OpenAI", "Groq", "Other"}


def test_what_lies_before_the_period_is_pale() -> None:
    daily = charts.daily_usage(_daily(30), MEASURES["Cost"], 30, date(2026, 3, 12)).to_dict()
    in_full = {row["date"][:10] for row in _data(daily) if not row["is_pale"]}
    assert in_full == {f"2026-03-{day}" for day in range(12, 19)}
    assert {row["date"][:10] for row in _data(daily) if row["is_pale"]}.isdisjoint(in_full)

    # A week counts whole, so one with a day of the period is in full.
    for first_day, pale in ((date(2026, 3, 15), set()), (date(2026, 3, 16), {"2026-03-09"})):
        weekly = charts.weekly_evolution(_weekly(), MEASURES["Cost"], first_day).to_dict()
        assert {row["week_start"][:10] for row in _data(weekly) if row["is_pale"]} == pale


def test_no_line_is_rounded() -> None:
    """Between two points of a rounded one there are amounts that nobody used."""
    weekly = charts.weekly_evolution(_weekly(), MEASURES["Tokens"]).specification
    assert "interpolate" not in weekly


def test_provider_share_leaves_out_what_is_zero() -> None:
    specification = charts.provider_share(_summary(300, 100, 0), MEASURES["Cost"]).to_dict()
    assert [(row["provider"], row["value"], row["share"]) for row in _data(specification)] == [
        ("OpenAI", 0.3, "75.0%"),
        ("Groq", 0.1, "25.0%"),
    ]


def test_nothing_to_share() -> None:
    assert charts.is_zero(_summary(0, 0, 0), MEASURES["Tokens"])
    assert not charts.is_zero(_summary(1, 0, 0), MEASURES["Tokens"])


def test_trends_add_up_per_day() -> None:
    trends = charts.trends(_daily(90), days=7)
    assert trends["OpenAI"]["tokens"].tolist() == [83, 84, 85, 86, 87, 88, 89]
    assert trends["Total"]["tokens"].tolist() == [3 * tokens for tokens in trends["OpenAI"]["tokens"]]
    assert trends["Total"]["cost"].iloc[-1] == 2.67
    assert trends["Groq"]["date"].iloc[-1] == pd.Timestamp(2026, 3, 18)


def test_what_is_kept_for_all_clients_holds_nobodys_numbers() -> None:
    measure = MEASURES["Tokens"]
    for first, second in (
        (
            charts.weekly_evolution(_weekly(), measure),
            charts.weekly_evolution(_weekly().assign(groq_tokens=[7, 8]), measure),
        ),
        (charts.daily_usage(_daily(30), measure), charts.daily_usage(_daily(31), measure)),
        (
            charts.provider_share(_summary(300, 100, 0), measure),
            charts.provider_share(_summary(7, 1, 0), measure),
        ),
    ):
        assert first.specification is second.specification
        assert first.to_dict()["datasets"] != second.to_dict()["datasets"]


def _unpriced_daily() -> pd.DataFrame:
    """Two days: OpenAI is unknown on both, Groq free on the first and partly unknown on the second."""
    counts = {"openai": [(2, 2), (1, 1)], "groq": [(0, 3), (1, 2)]}
    return pd.DataFrame(
        [
            {
                "date": pd.Timestamp(2026, 3, 17 + day),
                "source": source,
                "total_tokens": 10,
                "total_cost": Decimal(5 * day) if source == "groq" else Decimal(0),
                "unpriced_count": unpriced,
                "request_count": requests,
            }
            for source, days in counts.items()
            for day, (unpriced, requests) in enumerate(days)
        ]
    )


def test_a_cost_that_is_not_known_is_no_zero_on_a_chart() -> None:
    cost = MEASURES["Cost"]
    daily = charts.daily_usage(_unpriced_daily(), cost, 2).to_dict()
    columns = daily["datasets"]["columns"]
    assert [(day["OpenAI"], day["Groq"]) for day in columns] == [(None, 0.0), (None, 5.0)]
    assert [(day["OpenAI partly"], day["Groq partly"]) for day in columns] == [(False, False), (False, True)]
    bars = [row["value"] for row in daily["datasets"]["by_provider"] if row["provider"] == "OpenAI"]
    assert bars == [None, None]

    trends = charts.trends(_unpriced_daily(), 2)
    assert trends["OpenAI"]["cost"].isna().all()
    assert trends["Groq"]["cost"].tolist() == trends["Total"]["cost"].tolist() == [0.0, 5.0]
    assert trends["Groq"]["cost partly"].tolist() == [False, True]
    assert trends["Total"]["cost partly"].tolist() == [True, True]

    weekly = _weekly().assign(openai_cost=Decimal(0), openai_unpriced_count=1, unpriced_count=1)
    weeks = charts.weekly_evolution(weekly, cost).to_dict()["datasets"]["by_week"]
    assert [(week["OpenAI"], week["Groq"], week["Total partly"]) for week in weeks] == [(None, 0.0, True)] * 2
    tokens = charts.weekly_evolution(weekly, MEASURES["Tokens"]).to_dict()["datasets"]["by_week"]
    assert [week["OpenAI"] for week in tokens] == [200.0, 20.0]
