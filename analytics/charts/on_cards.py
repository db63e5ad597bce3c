"""Frames as USAGE_BY_GROUP has them, by provider as on cards: OpenAI, Groq, and Other together."""

import pandas as pd

from analytics.charts.series import placed

_NAMED = ("openai", "groq")
_COUNTED = {"tokens": "total_tokens", "cost": "total_cost"} | {
    name: name for name in ("request_count", "unpriced_count")
}


def daily_on_cards(daily: pd.DataFrame, days: int) -> pd.DataFrame:
    """The last `days` of Overview.daily."""
    recent = daily[daily["date"] > daily["date"].max() - pd.Timedelta(days=days)]
    recent = recent[recent["source"].isin(_NAMED) | recent["request_count"].gt(0)]
    dated = recent.assign(bucket_at=recent["date"], first_date=recent["date"], last_date=recent["date"])
    return placed(dated, _NAMED, 0)


def weekly_on_cards(weekly: pd.DataFrame) -> pd.DataFrame:
    """Overview.weekly. Other has no rows where nothing else was used."""
    parts = []
    for source in (*_NAMED, "other"):
        columns = {f"{source}_{name}": column for name, column in _COUNTED.items()}
        part = weekly[["week_start", *columns]].rename(columns=columns).assign(source=source)
        if source in _NAMED or part["request_count"].any():
            parts.append(part)
    weeks = pd.concat(parts, ignore_index=True)
    last_date = weeks["week_start"] + pd.Timedelta(days=6)
    dated = weeks.assign(bucket_at=weeks["week_start"], first_date=weeks["week_start"], last_date=last_date)
    return placed(dated, _NAMED, 0)
