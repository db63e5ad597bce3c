"""The cards of Speed and errors: the time of half of the answers, failures and their cost, the cache."""

from collections.abc import Sequence
from decimal import Decimal

from analytics import formatting
from analytics.pricing.cache_savings import CacheSavings
from analytics.queries import Answers
from analytics.queries.filters import NO, YES
from analytics.ui.frame.ways import calls_with
from analytics.ui.parts.cards import Card, show_cards
from analytics.ui.speed.models import LED_TO_NOTHING, RETRIED, Measured, measured
from analytics.ui.speed.ways import slowest


def show_answer_cards(answers: Answers) -> None:
    """The time of half of the answers, failures, what they cost, and the cache's share."""
    everything, _, _ = measured(answers)
    show_cards(
        [
            _time_card(everything, "Answer, median", "latency", everything.timed_count),
            _time_card(everything, "First token, median", "first-token", everything.first_token_count),
            _failures_card(everything),
            _cost_card(everything),
            _cache_card(everything, answers.cached),
        ]
    )


def _time_card(everything: Measured, label: str, fact: str, count: int) -> Card:
    name = f"{fact.replace('-', '_')}_p50_ms".removeprefix("latency_")
    found = everything.percentiles.get(name)
    p95 = everything.percentiles.get(name.replace("p50", "p95"))
    return Card(
        label=label,
        value=formatting.MISSING if found is None else formatting.duration(found),
        explanation="Half of the calls that tell it took no longer, within 2 percent. Not of failed ones.",
        lines=[
            "" if p95 is None else slowest(f"p95 {formatting.duration(p95)}", fact, p95),
            calls_with(
                f"measured on {formatting.share(count, everything.answered_count)} of calls, not on "
                f"{formatting.count(everything.answered_count - count)}",
                **{f"has.{fact}": NO, "outcome!": "error"},
            )
            if count < everything.answered_count
            else "measured on all calls",
        ],
        opens=calls_with("the calls that tell it", **{f"has.{fact}": YES})
        if found is None
        else slowest("the half that took longest", fact, found),
    )


def _failures_card(everything: Measured) -> Card:
    calls = formatting.plural(everything.told_count, "call")
    return Card(
        label="Led to nothing",
        value=formatting.share(everything.failed_count, everything.told_count),
        explanation="Calls that failed, were refused or cut off, of those that say how they ended.",
        opens=calls_with("its calls", **LED_TO_NOTHING),
        lines=[
            calls_with(f"{formatting.count(everything.failed_count)} of {calls}", **LED_TO_NOTHING),
            calls_with(
                f"told by {formatting.share(everything.told_count, everything.request_count)} of calls, "
                f"not by {formatting.count(everything.request_count - everything.told_count)}",
                outcome="",
            )
            if everything.told_count < everything.request_count
            else "told by all calls",
        ],
    )


def _cost_card(everything: Measured) -> Card:
    counts = everything.failed_unpriced_count, everything.failed_count
    return Card(
        label="Cost of these",
        value=formatting.cost(everything.failed_cost_usd, *counts, formatting.compact_usd),
        explanation=f"{formatting.exact_usd(everything.failed_cost_usd)} for calls that led to nothing.",
        opens=calls_with("its calls", **LED_TO_NOTHING),
        lines=[
            calls_with(
                f"{formatting.plural(everything.retry_count, 'further attempt')}, "
                f"{formatting.compact_usd(everything.retry_cost_usd)}",
                **RETRIED,
            )
        ],
    )


def _cache_card(everything: Measured, cached: Sequence[CacheSavings]) -> Card:
    total = sum((each.saved_usd or Decimal(0) for each in cached), Decimal(0))
    return Card(
        label="From the cache",
        value=formatting.share(everything.cached_tokens, everything.reported_cache_prompt_tokens),
        explanation="Cached tokens of the prompts of calls that tell them, and what they saved.",
        opens=calls_with("the calls with cached tokens", **{"has.cached": YES}),
        lines=[calls_with(f"saved {formatting.compact_usd(total)}", **{"has.cached": YES})]
        if everything.cached_tokens
        else [],
    )
