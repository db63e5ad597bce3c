"""Tables of one budget: each value of a split one, and the periods before."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from analytics.budgets import BudgetStatus, PastPeriod
from analytics.queries import known_costs, partly_known
from analytics.queries.alerts import Crossing
from analytics.ui.budgets.reading import BudgetDetail
from analytics.ui.budgets.ways import to_past
from analytics.ui.frame import address
from analytics.ui.frame.messages import escaped
from analytics.ui.parts.budget_line import amount
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import harmless, opening, show_table, styled

_MAX_ROWS = 12  # in sight
_SHARE = st.column_config.ProgressColumn(
    "Of the limit", help="The bar ends at all of it.", format="percent", min_value=0, max_value=1
)


def show_values(values: Sequence[BudgetStatus], shown: BudgetStatus) -> None:
    """A row per value of a split budget, the most spent first; a click opens it."""
    key = shown.split_by or ""
    show_heading(f"Each {escaped(key)}", "the most spent first")
    frame = pd.DataFrame({"value": [each.subject or "" for each in values]})
    told = [each.subject if each.subject is not None else f"no {key}" for each in values]
    table = pd.DataFrame({"Value": told, **_amounts(values)})
    columns = {"Value": st.column_config.TextColumn(escaped(key), pinned=True)}
    _show(table, values, shown.unit, columns, opening("budget values", frame, _open_value))
    st.caption("Click a row to see its course.")


def show_past(detail: BudgetDetail) -> None:
    """A row per period before, the newest first, with what was crossed when; a click opens its calls."""
    show_heading("Periods before")
    if not detail.past:
        st.caption("There were none yet.")
        return
    status = detail.outlook.status
    table = pd.DataFrame(
        {
            "From": [period.first_date for period in detail.past],
            "To": [period.last_date for period in detail.past],
            **_amounts(detail.past),
            "Crossed": [crossed(detail.crossings, each.first_date, each.time_zone) for each in detail.past],
        }
    )
    frame = pd.DataFrame({"place": range(len(detail.past))})
    filters = {version.version_id: version.plan.filters for version in detail.versions}

    def open_calls(row: "pd.Series[Any]") -> None:
        period = detail.past[int(row["place"])]
        told = filters.get(period.version_id, status.filters)
        to_past(status, period.first_date, period.end_date, told).go()

    _show(table, detail.past, status.unit, {}, opening("past periods", frame, open_calls))
    st.caption("Click a row to see its calls.")


def crossed(crossings: Sequence[Crossing], first_date: date, time_zone: str) -> str:
    """`50 % 14 Nov, 80 % 20 Nov` of the period with this first day; empty where nothing was told."""
    found = sorted(
        (each for each in crossings if each.first_date == first_date), key=lambda each: each.occurred_at
    )
    return ", ".join(_one(each, time_zone) for each in found)


def _one(crossing: Crossing, time_zone: str) -> str:
    at = crossing.occurred_at.astimezone(ZoneInfo(time_zone))
    forecast = " forecast" if crossing.kind == "forecast" else ""
    return f"{crossing.threshold.normalize():f} %{forecast} {at.day} {at:%b}"


def _amounts(rows: Sequence[BudgetStatus] | Sequence[PastPeriod]) -> dict[str, list[Any]]:
    limits = [None if each.limit_amount is None else float(each.limit_amount) for each in rows]
    shares = [None if each.share is None else float(each.share) for each in rows]
    spent = _sums(rows)
    is_usd = bool(rows) and rows[0].unit == "usd"
    return {
        "Spent": (known_costs(spent) if is_usd else spent["total_tokens"]).tolist(),
        "Limit": limits,
        "Of the limit": shares,
    }


def _sums(rows: Sequence[BudgetStatus] | Sequence[PastPeriod]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "total_cost": [each.cost_usd for each in rows],
            "total_tokens": [each.total_tokens for each in rows],
            "request_count": [each.request_count for each in rows],
            "unpriced_count": [each.unpriced_count for each in rows],
        }
    )


def _show(
    table: pd.DataFrame,
    rows: Sequence[BudgetStatus] | Sequence[PastPeriod],
    unit: str,
    columns: Mapping[str, Any],
    opens: Mapping[str, Any],
) -> None:
    partly: Mapping[str, pd.Series[bool]] = {"Spent": partly_known(_sums(rows))} if unit == "usd" else {}

    def text(value: Any) -> str:
        return amount(unit, Decimal(repr(float(value))))

    show_table(
        styled(harmless(table), {"Spent": text, "Limit": text}, partly),
        len(table),
        max_rows=_MAX_ROWS,
        columns={"Of the limit": _SHARE, **columns},
        opens=opens,
    )


def _open_value(row: "pd.Series[Any]") -> None:
    address.put(value=row["value"])
