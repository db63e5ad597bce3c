"""Two periods side by side, per provider and model."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from analytics import charts, formatting, queries
from analytics.days import Days
from analytics.queries import Change, ComparedDays, Comparison, Unit
from analytics.ui.frame import reads
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import escaped, with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import model_name, show_text_table

MISSING = formatting.MISSING
_RANKED: dict[Unit, str] = {
    "tokens": "Most tokens first",
    "cost": "Highest known cost first",
}
_COLUMNS: dict[Unit, tuple[str, ...]] = {
    "tokens": ("Tokens", "Requests", "Tokens per request", "Cost", "Cost per 1K tokens"),
    "cost": ("Cost", "Cost per 1K tokens", "Requests", "Tokens", "Tokens per request"),
}


def read_comparison(page: Page, other: Days) -> Reading[Comparison]:
    """Usage in the page's days and in those to compare with."""
    return reads.read(
        page.database,
        ("comparison", page.client.id, page.days, other),
        lambda moment: queries.usage_comparison(page.database, page.client.id, page.days, other, now=moment),
        page.now,
    )


def show_comparison(page: Page, compared: Comparison, other: Days) -> None:
    """Every model with its provider's sums and the total: now, before, and the change.

    Rows are sorted by tokens or cost, as the page measures, which is the first column of numbers.
    """
    unit, frame, days = page.measure.unit, compared.models, compared.days
    with st.container(border=True):
        show_heading(f"{window(page.days)} compared with {window(other)}", f"{_RANKED[unit]}")
        show_text_table(list(_rows(frame, unit, days)), text_columns=1, key="comparison table")
        notes = [
            f"Upper numbers: {window(page.days)} ({formatting.plural(len(page.days), 'day')}). "
            f"Lower numbers: {window(other)} ({formatting.plural(len(other), 'day')}"
            f"{_until(days, page.client.timezone)}) and the change."
        ]
        if days.no_comparison is not None:
            notes.append(f"No change is shown: {days.no_comparison}.")
        elif not days.is_equal:
            notes.append("The two periods differ in length, so changes compare daily averages.")
        if page.days.overlaps(other):
            notes.append("The two periods overlap; shared days count in both.")
        if frame["unpriced_count"].any() or frame["previous_unpriced_count"].any():
            notes.append("≥: some calls have no price. No change is shown where a cost is unknown.")
        st.caption(" ".join(notes))


def _until(days: ComparedDays, timezone: str) -> str:
    if days.until_at is None:
        return ""
    at = days.until_at.astimezone(ZoneInfo(timezone))
    return f", until {at:%H:%M} on {formatting.day(at)}, the time it is now"


@dataclass(frozen=True, kw_only=True)
class _Sums:
    requests: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(
            requests=self.requests + other.requests,
            tokens=self.tokens + other.tokens,
            cost_usd=self.cost_usd + other.cost_usd,
            unpriced=self.unpriced + other.unpriced,
        )

    @property
    def usd_per_1k_tokens(self) -> Decimal | None:
        if self.unpriced or not self.tokens:
            return None
        return self.cost_usd * 1000 / self.tokens

    @property
    def tokens_per_request(self) -> Decimal | None:
        return Decimal(self.tokens) / self.requests if self.requests else None


def _rows(frame: pd.DataFrame, unit: Unit, days: ComparedDays) -> Iterator[dict[str, str]]:
    """The total, then providers, largest first, each with its models below where it has several."""
    records = frame.to_dict("records")
    by_source: dict[str, list[tuple[str | None, _Sums, _Sums]]] = {}
    for row in records:
        pair = (row["model"], _sums(row, ""), _sums(row, "previous_"))
        by_source.setdefault(row["source"], []).append(pair)
    subtotals = {
        source: (sum((now for _, now, _ in rows), _Sums()), sum((then for _, _, then in rows), _Sums()))
        for source, rows in by_source.items()
    }
    total_now = sum((now for now, _ in subtotals.values()), _Sums())
    total_then = sum((then for _, then in subtotals.values()), _Sums())
    yield _row("**Total**", "", total_now, total_then, unit, days)
    for source, (now, then) in sorted(
        subtotals.items(), key=lambda each: (_most_first(each[1][0], each[1][1], unit), each[0])
    ):
        provider = escaped(charts.source_name(source))
        models = sorted(by_source[source], key=lambda each: _most_first(each[1], each[2], unit))
        if len(models) == 1:
            yield _row(f"**{provider}**", model_name(models[0][0]), now, then, unit, days)
            continue
        yield _row(f"**{provider}**", f"{len(models)} models", now, then, unit, days)
        for model, model_now, model_then in models:
            yield _row(model_name(model), provider, model_now, model_then, unit, days)


def _most_first(now: _Sums, then: _Sums, unit: Unit) -> tuple[Decimal, ...]:
    """The sort key: most now first, then most before."""
    if unit == "cost":
        return (-now.cost_usd, -then.cost_usd, Decimal(-now.tokens), Decimal(-then.tokens))
    return (Decimal(-now.tokens), Decimal(-then.tokens), -now.cost_usd, -then.cost_usd)


def _sums(row: dict[Any, Any], prefix: str) -> _Sums:
    return _Sums(
        requests=row[f"{prefix}request_count"],
        tokens=row[f"{prefix}total_tokens"],
        cost_usd=row[f"{prefix}total_cost"],
        unpriced=row[f"{prefix}unpriced_count"],
    )


def _row(name: str, more: str, now: _Sums, then: _Sums, unit: Unit, days: ComparedDays) -> dict[str, str]:
    """`name` is bold for a sum; `more` stands below it."""

    def cell(now_text: str, then_text: str, change: str) -> str:
        strong = f"**{now_text}**" if name.startswith("**") else now_text
        before = f"{then_text} {change}".strip().replace(" ", formatting.NO_BREAK_SPACE)
        return with_dollars(f"{strong}  \n:small[:gray[{before}]]")

    def amount(sums: _Sums) -> str:
        return formatting.cost(sums.cost_usd, sums.unpriced, sums.requests) if sums.requests else MISSING

    def rate(value: Decimal | None, text: Callable[[Decimal], str]) -> str:
        return MISSING if value is None else text(value)

    def whole(value: Decimal) -> str:
        return formatting.count(round(value))

    columns = {
        "Requests": cell(
            formatting.count(now.requests),
            formatting.count(then.requests),
            _change(now.requests, then.requests, days),
        ),
        "Tokens": cell(
            formatting.count(now.tokens),
            formatting.count(then.tokens),
            _change(now.tokens, then.tokens, days),
        ),
        "Cost": cell(amount(now), amount(then), _cost_change(now, then, days)),
        "Cost per 1K tokens": cell(
            rate(now.usd_per_1k_tokens, formatting.usd),
            rate(then.usd_per_1k_tokens, formatting.usd),
            _mean_change(now.usd_per_1k_tokens, then.usd_per_1k_tokens, days),
        ),
        "Tokens per request": cell(
            rate(now.tokens_per_request, whole),
            rate(then.tokens_per_request, whole),
            _mean_change(now.tokens_per_request, then.tokens_per_request, days),
        ),
    }
    first = {"Provider and model": f"{name}  \n:small[:gray[{more}]]" if more else name}
    return first | {column: columns[column] for column in _COLUMNS[unit]}


def _change(now: int, then: int, days: ComparedDays) -> str:
    return _marked(days.change(now, then), now, then)


def _cost_change(now: _Sums, then: _Sums, days: ComparedDays) -> str:
    """Empty where there were no calls, as their cost would be unknown."""
    if not now.requests or not then.requests:
        return ""
    change = days.cost_change(
        now.cost_usd,
        then.cost_usd,
        unpriced_count=now.unpriced,
        previous_unpriced_count=then.unpriced,
    )
    return _marked(change, now.cost_usd, then.cost_usd)


def _mean_change(now: Decimal | None, then: Decimal | None, days: ComparedDays) -> str:
    """The change of a mean, which does not grow with the days; empty where one is unknown."""
    if now is None or then is None:
        return ""
    return _marked(days.mean_change(now, then), now, then)


def _marked(change: Change, now: Decimal | int, then: Decimal | int) -> str:
    """`▲ +12.3%`, `▼ -4.5%`, `new`, `gone`; empty where both are zero, or there is no change to show."""
    if change.why_not:
        return ""
    if not then:
        return "· new" if now else ""
    if not now:
        return "· gone"
    percent = (change.text or "").replace("-", formatting.MINUS)
    if percent.startswith("0%"):
        return "· unchanged"
    is_up = not percent.startswith(formatting.MINUS)
    return f"{'▲' if is_up else '▼'}{formatting.NO_BREAK_SPACE}{percent}"
