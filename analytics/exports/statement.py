"""A period of one client as a PDF of a page or two, set by typst from statement.typ.

The template gets nothing but data (one JSON text), every number of it finished as text by
analytics.formatting: whatever stands in a name can never become markup.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import typst

from analytics import charts, formatting
from analytics.exports.drawing import chart_svg
from analytics.exports.fonts import font_paths
from analytics.queries import TAG, Condition, Overview
from analytics.queries.ranges import RANGES, range_in_words

TEMPLATE = Path(__file__).with_name("statement.typ")

NO_CONVERSATION = "(calls without a conversation)"
NOT_TOLD = "(not told)"
MAX_NAME = 90  # characters; in a table's cell
MAX_VALUES = 20
"""Of a filter; how many there are is said."""

Row = dict[Any, Any]


def statement_pdf(overview: Overview, *, generated_at: datetime) -> bytes:
    """The statement of the overview's client and period; phones are as the overview has them.

    `generated_at` is printed, and is the file's date: the same overview at the same moment is the same bytes.
    """
    data = json.dumps(_data(overview, generated_at), ensure_ascii=False)
    return typst.compile(
        TEMPLATE,
        format="pdf",
        sys_inputs={"data": data},
        timestamp=int(generated_at.timestamp()),
        font_paths=font_paths(),
        # The same page on every machine.
        ignore_system_fonts=True,
    )


def _data(overview: Overview, generated_at: datetime) -> dict[str, Any]:
    [total] = overview.summary[overview.summary["provider"] == "total"].to_dict("records")
    return {
        "client": _short(overview.client.name, 160),
        "is_demo": overview.client.is_demo,
        "period": formatting.window(overview.period.days, overview.last_day),
        "days": formatting.plural(overview.period.days, "day"),
        "filters": [_filter(condition, overview.client.timezone) for condition in overview.filters],
        "timezone": overview.client.timezone,
        "generated_at": f"{formatting.day(generated_at)}, {generated_at:%H:%M} UTC",
        "is_running": overview.client.today(generated_at) <= overview.last_day,
        "cards": list(_cards(overview, total)),
        "providers": list(_providers(overview.summary, total)),
        "charts": list(_charts(overview)) if total["request_count"] else [],
        "models": [_model(row, total) for row in overview.models.to_dict("records")],
        "total": _amounts(total),
        "ranked": {"tokens": "most tokens", "cost": "highest cost"}[overview.order],
        "unpriced": _unpriced(total),
        "conversations": [_conversation(row) for row in overview.conversations.to_dict("records")],
        "is_masked": not overview.sees_phones,
    }


def _filter(condition: Condition, timezone: str) -> dict[str, str]:
    """The name of a filter, and its values in words."""
    values = [_value(condition.name, value, timezone) for value in condition.values]
    listed = " or ".join(_short(value, 60) for value in values[:MAX_VALUES])
    if len(values) > MAX_VALUES:
        listed = f"{listed} or {len(values) - MAX_VALUES} more"
    key = condition.name.removeprefix(TAG)
    name = condition.name.capitalize() if key == condition.name else f"Tag {key}"
    return {"name": _short(name, 60), "values": f"not {listed}" if condition.is_excluded else listed}


def _value(name: str, value: str, timezone: str) -> str:
    if value == "":
        return NOT_TOLD
    if name in RANGES:
        return range_in_words(name, value, timezone)
    return charts.value_name(name, value) if name in ("provider", "hour", "weekday") else value


def _cards(overview: Overview, total: Row) -> Iterator[dict[str, str]]:
    requests, unpriced = total["request_count"], total["unpriced_count"]
    is_unknown = bool(unpriced) and unpriced == requests
    at_least = "at least " if unpriced else ""
    for label, name, value, exact, spell in (
        (
            "Total tokens",
            "total_tokens",
            formatting.compact(total["total_tokens"]),
            formatting.plural(total["total_tokens"], "token"),
            formatting.compact,
        ),
        (
            "Total cost",
            "total_cost",
            formatting.cost(total["total_cost"], unpriced, requests),
            "no request with a price"
            if is_unknown
            else f"{at_least}{formatting.exact_usd(total['total_cost'])}",
            formatting.usd,
        ),
        (
            "Requests",
            "request_count",
            formatting.compact(requests),
            formatting.plural(requests, "request"),
            formatting.compact,
        ),
    ):
        change = overview.compared.row_change(total, name)
        before = f"vs {spell(total[f'previous_{name}'])} in {_before(overview)}"
        yield {
            "label": label,
            "value": value,
            "exact": exact,
            "change": (change.text or "").replace("-", "\N{MINUS SIGN}"),
            "before": change.why_not or before,
        }
    yield {
        "label": "Cost coverage",
        "value": formatting.share(requests - unpriced, requests),
        "exact": formatting.coverage(requests, unpriced),
        "change": "",
        "before": "Share of requests whose cost is known",
    }


def _before(overview: Overview) -> str:
    days = f"the {formatting.plural(overview.period.days, 'day')} before"
    if overview.period.name is not None:
        compared = overview.compared
        days = formatting.window((compared.last_date - compared.first_date).days + 1, compared.last_date)
    until = overview.compared.until_at
    if until is None:
        return days
    at = until.astimezone(ZoneInfo(overview.client.timezone))
    return f"{days}, until {at:%H:%M} of {formatting.day(at)}"


def _unpriced(total: Row) -> str:
    """What a cost that is only a lower bound leaves out; empty where it leaves out nothing."""
    if not total["unpriced_count"]:
        return ""
    requests = formatting.plural(total["unpriced_count"], "request")
    return f"{requests} of {formatting.count(total['request_count'])}"


def _providers(summary: pd.DataFrame, total: Row) -> Iterator[dict[str, str]]:
    """The parts that the total is made of, those without any use left out."""
    for row in summary[summary["provider"] != "total"].to_dict("records"):
        if row["request_count"]:
            name = charts.provider_name(row["provider"])
            yield {"name": name, "color": charts.COLORS[name], "share": _share(row, total), **_amounts(row)}


def _charts(overview: Overview) -> Iterator[dict[str, str]]:
    days, weeks = overview.period.days, len(overview.weekly)
    unpriced, requests = overview.daily["unpriced_count"].sum(), overview.daily["request_count"].sum()
    for measure in charts.MEASURES.values():
        if measure.unit == "cost" and unpriced == requests:
            continue
        by_day = charts.daily_on_cards(overview.daily, days)
        daily = charts.bars(by_day, measure, "provider", "day")
        window = formatting.window(overview.period.days, overview.last_day)
        yield _chart(f"{measure.title} per day", window, chart_svg(daily, bars=days))
        weekly = charts.lines(charts.weekly_on_cards(overview.weekly), measure, "provider")
        window = f"{weeks} weeks up to {formatting.day(overview.last_day)}"
        yield _chart(f"{measure.title} per week", window, chart_svg(weekly))


def _chart(title: str, window: str, svg: str) -> dict[str, str]:
    return {"title": title, "window": window, "svg": svg}


def _model(row: Row, total: Row) -> dict[str, str]:
    per_1k = row["cost_per_1k_tokens"]
    return {
        "provider": _short(charts.source_name(row["source"])),
        "model": _short(row["model"] or formatting.NO_MODEL),
        "per_1k": formatting.MISSING if per_1k is None else formatting.usd(per_1k),
        "share": _share(row, total),
        **_amounts(row),
    }


def _conversation(row: Row) -> dict[str, str]:
    phone, name = row["phone"], row["conversation_name"]
    if not name and (phone or row["conversation_id"]):
        name = f"{str(row['conversation_id'])[:8]}…" if row["conversation_id"] else "(unnamed)"
    return {
        "name": _short(name or NO_CONVERSATION),
        "phone": _short(phone or formatting.MISSING, 24),
        "share": formatting.share(row["share_of_tokens"], 1),
        **_amounts(row),
    }


def _amounts(row: Row) -> dict[str, str]:
    return {
        "requests": formatting.count(row["request_count"]),
        "tokens": formatting.count(row["total_tokens"]),
        "cost": formatting.cost(row["total_cost"], row["unpriced_count"], row["request_count"]),
    }


def _share(row: Row, total: Row) -> str:
    return formatting.share(row["total_tokens"], total["total_tokens"])


def _short(name: str, length: int = MAX_NAME) -> str:
    """The name on one line, and no longer than a cell can take."""
    name = " ".join(name.split())
    return name if len(name) <= length else f"{name[: length - 1]}…"
