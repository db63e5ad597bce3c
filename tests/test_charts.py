"""Charts are pure: a frame in, a Vega-Lite specification out."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from analytics import charts
from analytics.charts import MEASURES, Chart
from tests import grouped
from tests.grouped import REST

COST, TOKENS = MEASURES["Cost"], MEASURES["Tokens"]
MONDAYS = [date(2026, 3, 9), date(2026, 3, 16)]
DAYS = [date(2026, 3, 1) + timedelta(days=day) for day in range(18)]


def _data(specification: dict[str, Any], layer: int = 0) -> list[dict[str, Any]]:
    data = specification["layer"][layer].get("data") or specification["data"]
    return list(specification["datasets"][data["name"]])


def _scale(chart: Chart, layer: int) -> dict[str, str]:
    scale = chart.filled()["layer"][layer]["encoding"]["color"]["scale"]
    return dict(zip(scale["domain"], scale["range"], strict=True))


@pytest.mark.parametrize("measure", MEASURES.values(), ids=list(MEASURES))
def test_lines(measure: charts.Measure) -> None:
    frame = grouped.usage(MONDAYS, {"openai": 200, "groq": 100, REST: 5}, days=7, cost="0.001")
    chart = charts.lines(frame, measure, "provider")
    specification = chart.to_dict()
    values = {(row["name"], row["at"][:10]): row["value"] for row in _data(specification)}
    amounts = {
        "OpenAI": 200,
        "Groq": 100,
        "Other (12 more)": 5,
        "Total": 305,
    }
    per_token = 0.001 if measure.unit == "cost" else 1
    assert values == {
        (name, str(monday)): pytest.approx(amount * per_token)
        for name, amount in amounts.items()
        for monday in MONDAYS
    }
    assert {row["at"][:10] for row in _data(specification) if row["is_running"]} == {"2026-03-16"}
    assert _scale(chart, 0)["OpenAI"] == charts.COLORS["OpenAI"]
    assert _scale(chart, 0)["Total"] == charts.COLORS["Total"]
    # Weeks begin on Monday, and so do their ticks.
    ticks = specification["layer"][0]["encoding"]["x"]["axis"]["values"]
    assert [pd.Timestamp(tick, unit="ms").date() for tick in ticks] == MONDAYS


def test_bars_have_a_column_with_all_that_a_tooltip_says() -> None:
    frame = grouped.usage(DAYS, {"gpt-4o": 5, "a.b[c]'\"": 3, None: 1})
    specification = charts.bars(frame, TOKENS, "model", "day").to_dict()
    [column] = [row for row in specification["datasets"]["columns"] if row["at"].startswith("2026-03-18")]
    assert column["heading"] == "Wed 18 Mar 2026"
    assert column["days"] == "2026-03-18..2026-03-18"
    assert [column[name] for name in ("s0", "s1", "s2", "total")] == [5, 3, 1, 9]
    tooltip = specification["layer"][-1]["encoding"]["tooltip"]
    assert [line["title"] for line in tooltip] == ["When", "gpt-4o", "a.b[c]'\"", "(no model)", "Total"]
    assert [line["field"] for line in tooltip] == ["heading", "s0", "s1", "s2", "total"]


def test_what_lies_before_the_period_is_pale() -> None:
    bars = charts.bars(
        grouped.usage(DAYS, {"openai": 1}), COST, "provider", "day", first_day=date(2026, 3, 12)
    )
    rows = _data(bars.to_dict())
    assert {row["at"][:10] for row in rows if not row["is_pale"]} == {
        f"2026-03-{day}" for day in range(12, 19)
    }
    # A week counts whole, so one with a day of the period is in full.
    weeks = grouped.usage(MONDAYS, {"openai": 1}, days=7)
    for first_day, pale in ((date(2026, 3, 15), set()), (date(2026, 3, 16), {"2026-03-09"})):
        lines = charts.lines(weeks, COST, "provider", first_day=first_day).to_dict()
        assert {row["at"][:10] for row in _data(lines) if row["is_pale"]} == pale


def test_an_earlier_time_is_beside_what_it_compares_with() -> None:
    now, before = grouped.usage(DAYS[10:], {"openai": 7}), grouped.usage(DAYS[:8], {"groq": 2, "openai": 1})
    chart = charts.bars(
        now,
        TOKENS,
        "provider",
        "day",
        earlier=charts.Earlier(usage=before, skipped=2, known_from=date(2026, 3, 3)),
    ).to_dict()
    columns = chart["datasets"]["columns"]
    assert [row["before"] for row in columns] == [None] * 4 + [3.0] * 4
    assert columns[4]["before_text"] == "3, Tue 3 Mar 2026"
    assert columns[0]["before_text"] == columns[2]["before_text"] == "not compared"
    assert chart["layer"][-1]["encoding"]["tooltip"][-1]["field"] == "before_text"

    # Weeks are made of days.
    days = grouped.usage([date(2026, 2, 23) + timedelta(days=day) for day in range(14)], {"openai": 1})
    weeks = charts.lines(
        grouped.usage(MONDAYS, {"openai": 7}, days=7), TOKENS, "provider", earlier=charts.Earlier(usage=days)
    ).to_dict()
    assert [(row["before"], row["before_text"]) for row in weeks["datasets"]["columns"]] == [
        (7.0, "7, 23 Feb to 1 Mar 2026"),
        (7.0, "7, 2 to 8 Mar 2026"),
    ]

    # Nothing is compared with nothing.
    unused = charts.bars(now, TOKENS, "provider", "day", earlier=charts.Earlier(usage=before.head(0)))
    assert "before" not in unused.datasets["columns"]


def test_a_month_is_added_up_beside_the_month_before() -> None:
    february = [date(2026, 2, day) for day in range(1, 29)]
    frame = pd.concat([grouped.usage(february, {"openai": 1}), grouped.usage(DAYS, {"openai": 3, "groq": 1})])
    rows = charts.cumulative(frame, TOKENS, date(2026, 3, 3)).to_dict()["datasets"]["days"]
    assert [row["this"] for row in rows] == [4, 8, 12, *[None] * 25]
    assert [row["last"] for row in rows] == list(range(1, 29))
    assert rows[2]["days"] == "2026-03-03..2026-03-03"
    assert rows[2]["this_text"] == "12 up to 3 Mar 2026"
    assert rows[3]["this_text"] == "no such day"


def test_no_line_is_rounded() -> None:
    """Between two points of a rounded one there are amounts that nobody used."""
    weekly = charts.lines(grouped.usage(MONDAYS, {"openai": 1}, days=7), TOKENS, "provider").specification
    assert "interpolate" not in weekly


def test_shares_leave_out_what_is_zero() -> None:
    whole = grouped.usage(DAYS[:1], {"openai": 300, "groq": 100, "whisper": 0}, days=18, cost="0.001")
    chart = charts.share(whole, COST, "provider")
    assert [(row["name"], row["value"], row["amount"], row["share"]) for row in _data(chart.to_dict())] == [
        ("OpenAI", 0.3, "$0.30", "75.0%"),
        ("Groq", 0.1, "$0.10", "25.0%"),
    ]
    assert [each.name for each in chart.series] == ["OpenAI", "Groq"]


def test_nothing_to_share() -> None:
    assert charts.is_zero(grouped.usage(DAYS[:1], {"openai": 0}), TOKENS)
    assert not charts.is_zero(grouped.usage(DAYS[:1], {"openai": 1}), TOKENS)


def test_a_bar_per_model_and_one_for_the_rest() -> None:
    frame = pd.DataFrame(
        {
            "source": ["openai", "azure", *["groq"] * 8],
            "model": ["gpt-4o", "gpt-4o", None, *(f"m{number}" for number in range(7))],
            "total_tokens": range(100, 90, -1),
            "total_cost": [Decimal(number) for number in range(100, 90, -1)],
            "request_count": 2,
            "unpriced_count": [0, 2, *[0] * 8],
        }
    )
    rows = _data(charts.models(frame, COST, {("openai", "gpt-4o"): "#0F9D75"}).to_dict())
    assert [row["name"] for row in rows] == [
        *("gpt-4o (1)", "gpt-4o (2)", "(no model)", "m0", "m1", "m2", "m3", "Other (3 more)")
    ]
    assert [row["value"] for row in rows] == [100, None, 98, 97, 96, 95, 94, 93 + 92 + 91]
    assert rows[1]["amount"] == "cost unknown"
    assert rows[0]["color"] == "#0F9D75"


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
        for source in ("groq", "openai", "whisper", "own")
    ]
    return pd.DataFrame(rows)


def test_trends_add_up_per_day() -> None:
    trends = charts.trends(_daily(90), days=7)
    assert trends["OpenAI"]["tokens"].tolist() == [83, 84, 85, 86, 87, 88, 89]
    assert trends["Total"]["tokens"].tolist() == [4 * tokens for tokens in trends["OpenAI"]["tokens"]]
    assert trends["Total"]["cost"].iloc[-1] == 3.56
    assert trends["Groq"]["date"].iloc[-1] == pd.Timestamp(2026, 3, 18)


def test_on_cards_and_paper_all_but_openai_and_groq_is_other() -> None:
    days = charts.bars(charts.daily_on_cards(_daily(90), 30), TOKENS, "provider", "day")
    assert [each.name for each in days.series] == ["OpenAI", "Groq", "Other"]
    [last] = [row for row in days.to_dict()["datasets"]["columns"] if row["at"].startswith("2026-03-18")]
    assert [last[name] for name in ("s0", "s1", "s2", "total")] == [89, 89, 178, 356]
    assert len(days.datasets["columns"]) == 30


def test_what_is_kept_for_all_clients_holds_nobodys_numbers() -> None:
    one, other = ({"gpt-4o": 3, "own": 1}, {"llama": 9, "mine": 8})
    for first, second in (
        tuple(charts.lines(grouped.usage(MONDAYS, each, days=7), TOKENS, "model") for each in (one, other)),
        tuple(charts.bars(grouped.usage(DAYS, each), TOKENS, "model", "day") for each in (one, other)),
        tuple(charts.share(grouped.usage(DAYS[:1], each), TOKENS, "model") for each in (one, other)),
    ):
        assert first.specification is second.specification
        assert first.to_dict() != second.to_dict()


def test_a_cost_that_is_not_known_is_no_zero_on_a_chart() -> None:
    frame = grouped.usage(DAYS, {"openai": 5, "groq": 5}, unpriced=["openai"])
    chart = charts.bars(frame, COST, "provider", "day").to_dict()
    column = chart["datasets"]["columns"][0]
    assert [column[name] for name in ("s0", "s1", "total")] == [None, 0.05, 0.05]
    assert [column[f"{name} partly"] for name in ("s0", "s1", "total")] == [False, False, True]
    assert {row["value"] for row in _data(chart) if row["name"] == "OpenAI"} == {None}
    tokens = charts.bars(frame, TOKENS, "provider", "day").to_dict()["datasets"]["columns"][0]
    assert [tokens[name] for name in ("s0", "s1", "total")] == [5, 5, 10]

    before = charts.Earlier(usage=grouped.usage(DAYS, {"openai": 5, "groq": 5}, unpriced=["openai"]))
    compared = charts.bars(frame, COST, "provider", "day", earlier=before).datasets["columns"]
    assert compared["before_text"].iloc[0] == "≥\N{NO-BREAK SPACE}$0.050, Sun 1 Mar 2026"
    months = charts.cumulative(frame, COST, date(2026, 3, 2)).to_dict()["datasets"]["days"]
    assert months[1]["this_text"] == "≥\N{NO-BREAK SPACE}$0.10 up to 2 Mar 2026"
