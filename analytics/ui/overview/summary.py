"""The Overview's cards: the total, its cost, and the providers that it is made of."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from analytics import charts, formatting
from analytics.charts import Chart
from analytics.pricing.at_list_prices import at_list_prices
from analytics.queries import Overview, Unit
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import Way, calls_with
from analytics.ui.parts.cards import Card, changed, compared_with, coverage_line, show_cards

PROVIDERS = ("openai", "groq", "other")
_ONLY = {
    "openai": {"provider": "openai"},
    "groq": {"provider": "groq"},
    "other": {"provider!": "openai,groq"},
}
"""The filters that leave the calls of each card."""
_SHOW: dict[Unit, str | None] = {"tokens": None, "cost": "Cost"}
"""What the address has for each measure."""


def show_summary_cards(reading: Reading[Overview]) -> None:
    """Total tokens and cost, OpenAI, Groq, and Other where it was used; the parts add up to the total.

    The cards of providers show the measure of the page.
    """
    overview = reading.value
    by_provider: dict[Any, dict[Any, Any]] = overview.summary.set_index("provider").to_dict("index")
    trends = reading.made("trends", lambda: charts.trends(overview.daily, overview.period.days))
    total = by_provider["total"]
    requests = formatting.plural(total["request_count"], "request")
    row_of_cards = [
        _tokens_card(
            overview,
            "Total tokens",
            total,
            _trend(trends, "Total", "tokens"),
            [
                calls_with(requests),
                calls_with(
                    formatting.split(
                        *(total[name] for name in ("total_tokens", "prompt_tokens", "completion_tokens"))
                    )
                ),
            ],
            _made_of("tokens"),
        ),
        _cost_card(
            overview,
            "Total cost",
            total,
            _trend(trends, "Total", "cost"),
            [
                _per_request(total),
                _at_list(overview, total),
                "" if total["unpriced_count"] else formatting.coverage(total["request_count"], 0),
            ],
            _made_of("cost"),
        ),
    ]
    for provider in PROVIDERS:
        row = by_provider[provider]
        if provider == "other" and not _is_used(row):
            continue
        name = charts.provider_name(provider)
        requests = formatting.plural(row["request_count"], "request")
        only = _ONLY[provider]
        opens = Way(text=f"all numbers of {name}", only=only)
        if not opens.leads_on:
            opens = _made_of(overview.order)
        if overview.order == "cost":
            share = formatting.share(row["total_cost"], total["total_cost"])
            tokens = f"{formatting.compact(row['total_tokens'])}{formatting.NO_BREAK_SPACE}tokens"
            cost = "known cost" if total["unpriced_count"] else "cost"
            lines: list[str | Way] = [
                calls_with(f"{tokens} · {requests}", **only),
                _at_list(overview, row, provider),
                "" if not total["total_cost"] or _is_unknown(row) else f"{share} of all {cost}",
            ]
            row_of_cards.append(_cost_card(overview, name, row, _trend(trends, name, "cost"), lines, opens))
        else:
            share = formatting.share(row["total_tokens"], total["total_tokens"])
            cost = formatting.cost(
                row["total_cost"], row["unpriced_count"], row["request_count"], formatting.compact_usd
            )
            lines = [
                calls_with(f"{cost} · {requests}", **only),
                _at_list(overview, row, provider),
                f"{share} of all tokens",
            ]
            trend = _trend(trends, name, "tokens")
            row_of_cards.append(_tokens_card(overview, name, row, trend, lines, opens))
    show_cards(row_of_cards)


def _made_of(unit: Unit) -> Way:
    """The way to where a total is beside the one before, by provider and model."""
    return Way(page="providers_and_models", text="now and before, by model", parts={"show": _SHOW[unit]})


def _trend(trends: dict[str, pd.DataFrame], name: str, unit: Unit) -> Chart:
    measure = next(each for each in charts.MEASURES.values() if each.unit == unit)
    return charts.trend(trends[name], name, measure)


def _is_unknown(row: dict[Any, Any]) -> bool:
    """Whether there were calls, and none has a price."""
    return bool(row["unpriced_count"]) and bool(row["unpriced_count"] == row["request_count"])


def _is_used(row: dict[Any, Any]) -> bool:
    return bool(row["request_count"] or row["previous_request_count"])


def _tokens_card(
    overview: Overview,
    label: str,
    row: dict[str, Any],
    trend: Chart,
    lines: Sequence[str | Way],
    opens: Way,
) -> Card:
    return Card(
        label=label,
        value=formatting.compact(row["total_tokens"]),
        explanation=_explanation(overview, formatting.plural(row["total_tokens"], "token")),
        **changed(
            overview.compared.row_change(row, "total_tokens"),
            formatting.compact(row["previous_total_tokens"]),
        ),
        opens=opens,
        trend=trend,
        lines=lines,
    )


def _cost_card(
    overview: Overview,
    label: str,
    row: dict[str, Any],
    trend: Chart,
    lines: Sequence[str | Way],
    opens: Way,
) -> Card:
    counts = (row["unpriced_count"], row["request_count"])
    exact = formatting.exact_usd(row["total_cost"])
    return Card(
        label=label,
        value=formatting.cost(row["total_cost"], *counts, formatting.compact_usd),
        explanation=_explanation(overview, f"at least {exact}" if row["unpriced_count"] else exact),
        **changed(
            overview.compared.row_change(row, "total_cost"),
            formatting.compact_usd(row["previous_total_cost"]),
        ),
        opens=opens,
        # A line at 0 would look as if it were free.
        trend=None if _is_unknown(row) else trend,
        lines=lines,
        warning=calls_with(coverage_line(*counts[::-1]), **{**opens.only, "basis": "unpriced"})
        if counts[0]
        else "",
    )


def _explanation(overview: Overview, exact: str) -> str:
    first, last = formatting.day(overview.first_day), formatting.day(overview.last_day)
    return (
        f"{exact} from {first} to {last}, days in {overview.client.timezone}. "
        f"{compared_with(overview.compared, overview.client.timezone)}"
    )


def _per_request(row: dict[str, Any]) -> str | Way:
    """The mean cost of requests with a price: the way to these."""
    priced_count = row["request_count"] - row["unpriced_count"]
    if not priced_count:
        return "no request with a price"
    requests = "priced request" if row["unpriced_count"] else "request"
    mean = formatting.compact_usd(row["total_cost"] / Decimal(priced_count))
    return calls_with(f"{mean} per {requests}", **{"basis!": "unpriced"})


def _at_list(overview: Overview, row: dict[str, Any], provider: str | None = None) -> str | Way:
    """The cost by the public list, where some calls have another price: a link to what that is made of."""
    at_list = at_list_prices(
        overview.own_priced, row["total_cost"], provider=provider, unpriced_count=row["unpriced_count"]
    )
    if at_list is None:
        return ""
    return Way(page="prices", text=str(at_list), only=_ONLY[provider] if provider else {})
