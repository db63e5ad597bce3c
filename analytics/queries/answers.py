"""How calls ended, how long they took, what was tried again and what came from a cache.

`load_answers()` reads sums, in one network round trip. `call_times()` reads every call of the days, a few
days at a time: for a button.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from analytics.database import Database, Query
from analytics.days import Days
from analytics.pricing.cache_savings import CacheSavings, cache_savings
from analytics.pricing.stored import LOAD, price_list_of
from analytics.pricing.usage import DETAILS
from analytics.queries.filters import NO_FILTERS, Filters
from analytics.queries.sql_function import SqlFunction

if TYPE_CHECKING:
    import pandas as pd

_DAYS = ("client_id", "first_date", "last_date", "filters")
_BITES = 20
_HistogramKey = tuple[str, str, str | None, int]

ANSWERS = SqlFunction(
    function="get_usage_facts",
    arguments=_DAYS,
    columns={
        "source": "object",
        "model": "object",
        "operation": "object",
        "outcome": "object",
        "request_count": "int64",
        "unpriced_count": "int64",
        "cost_usd": "object",
        "prompt_tokens": "int64",
        "cached_tokens": "int64",
        "cache_write_tokens": "int64",
        "reported_cache_prompt_tokens": "int64",
        "latency_ms": "int64",
        "timed_count": "int64",
        "timed_completion_tokens": "int64",
        "first_token_count": "int64",
        "retry_count": "int64",
        "retry_cost_usd": "object",
    },
)
"""How calls of these days ended, and what is measured of them.

One row per (source, model, operation, outcome): source str · model, operation str or None · outcome str (ok,
error, refused, cut) or None (not told) · request_count, unpriced_count int64 · cost_usd Decimal · tokens
int64; reported_cache_prompt_tokens are the prompts of calls that tell what was cached · timed_count,
latency_ms, timed_completion_tokens, of calls that did not fail and tell how long they took ·
first_token_count int64 · retry_count, retry_cost_usd, of attempts after the first. The function sums all
meters, too.
"""
ANSWER_TIMES = SqlFunction(
    function="get_answer_times",
    arguments=_DAYS,
    columns={
        "kind": "object",
        "source": "object",
        "model": "object",
        "request_count": "int64",
        "p50_ms": "object",
        "p95_ms": "object",
        "p99_ms": "object",
        "first_token_count": "int64",
        "first_token_p50_ms": "object",
        "first_token_p95_ms": "object",
        "first_token_p99_ms": "object",
    },
)
"""How long answers and their first tokens took, of calls that tell it and did not fail.

One row per source and model, per source, and of all: kind str (model, provider, all) · source, model str or
None · request_count, first_token_count int64 · percentiles Decimal (milliseconds, within 2 percent) or None.
"""
OUTCOMES_BY_HOUR = SqlFunction(
    function="get_outcomes_by_hour",
    arguments=_DAYS,
    columns={
        "hour": "int64",
        "outcome": "object",
        "request_count": "int64",
        "total_cost": "object",
        "unpriced_count": "int64",
    },
)
"""How calls ended by the hour of the day of the client's clock.

One row per hour and outcome with calls: hour int64 · outcome str or None · request_count, unpriced_count
int64 · total_cost Decimal (USD).
"""
CACHED_USAGE = SqlFunction(
    function="get_cached_usage",
    arguments=_DAYS,
    columns={
        "usage_date": "object",
        "source": "object",
        "model": "object",
        "request_count": "int64",
        "prompt_tokens": "int64",
        "completion_tokens": "int64",
        "total_tokens": "int64",
        "duration_seconds": "object",
        **dict.fromkeys(DETAILS, "int64"),
    },
)
"""What pricing/cache_savings.py takes: the sums of days and models with tokens of a cache."""
CALL_TIMES = SqlFunction(
    function="get_call_times",
    arguments=_DAYS,
    columns={
        "kind": "object",
        "source": "object",
        "model": "object",
        "hour": "int64",
        "buckets": "object",
        "counts": "object",
        "request_count": "int64",
        "completion_tokens": "int64",
        "latency_ms": "int64",
        "operation_count": "int64",
        "replaced_count": "int64",
        "replaced_unpriced_count": "int64",
        "replaced_cost": "object",
    },
)
"""Rows of several kinds, which call_times() puts together."""
PERCENTILES = SqlFunction(
    function="get_percentiles",
    arguments=("histograms",),
    columns={"name": "object", "p50_ms": "object", "p95_ms": "object", "p99_ms": "object"},
)
"""Percentiles of histograms, by their name."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What sums tell of the calls of some days, from one snapshot."""

    facts: "pd.DataFrame"
    """ANSWERS."""
    times: "pd.DataFrame"
    """ANSWER_TIMES."""
    by_hour: "pd.DataFrame"
    """OUTCOMES_BY_HOUR."""
    cached: Sequence[CacheSavings]
    """What came from a cache, by model, with what that saved; the most first."""


@dataclass(frozen=True, kw_only=True)
class CallTimes:
    """What only the calls themselves tell."""

    by_hour: "pd.DataFrame"
    """One row per hour of the client's clock with a latency: hour int64 · request_count int64 · p50_ms,
    p95_ms, p99_ms Decimal · first_token_count int64 · first_token_p50_ms, first_token_p95_ms,
    first_token_p99_ms Decimal or None · completion_tokens, latency_ms int64 (sums)."""
    by_model: "pd.DataFrame"
    """The same per (source, model, hour)."""
    attempts: "pd.DataFrame"
    """One row per (source, model) with operations of more than one attempt: request_count, operation_count
    int64 · replaced_count, replaced_unpriced_count int64 · replaced_cost Decimal (USD): attempts that had not
    failed and were replaced by a later one."""


def load_answers(
    database: Database, client_id: UUID, days: Days, *, filters: Filters = NO_FILTERS
) -> Answers:
    """Outcomes, times, attempts and the cache's share of these days."""
    parameters = {
        "client_id": client_id,
        "first_date": days.first,
        "last_date": days.last,
        "filters": filters.json(),
    }
    functions = (ANSWERS, ANSWER_TIMES, OUTCOMES_BY_HOUR, CACHED_USAGE)
    facts, times, by_hour, cached, prices = database.read(
        *(function.query(**parameters) for function in functions),
        Query(statement=LOAD),
        client_id=client_id,
    )
    return Answers(
        facts=ANSWERS.frame(facts),
        times=ANSWER_TIMES.frame(times),
        by_hour=OUTCOMES_BY_HOUR.frame(by_hour),
        cached=cache_savings(CACHED_USAGE.records(cached), price_list_of(prices.records), client_id),
    )


def call_times(
    database: Database,
    client_id: UUID,
    days: Days,
    *,
    filters: Filters = NO_FILTERS,
    report: Callable[[int], None] = lambda _days: None,
) -> CallTimes:
    """Reads every call of the days, a few days at a time; `report` is told how many days are read."""
    import pandas as pd

    histograms: defaultdict[_HistogramKey, Counter[int]] = defaultdict(Counter)
    sums: defaultdict[tuple[str, str, str | None, int], Counter[str]] = defaultdict(Counter)
    done = 0
    for bite in _bites(days):
        query = CALL_TIMES.query(
            client_id=client_id, first_date=bite.first, last_date=bite.last, filters=filters.json()
        )
        [rows] = database.read(query, client_id=client_id)
        for row in CALL_TIMES.records(rows):
            key = (row["kind"], row["source"], row["model"], row["hour"])
            for name in _SUMS:
                sums[key][name] += row[name] or 0
            for bucket, count in zip(row["buckets"] or (), row["counts"] or (), strict=True):
                histograms[key][bucket] += count
        done += len(bite)
        report(done)
    by_hour: defaultdict[_HistogramKey, Counter[int]] = defaultdict(Counter)
    for (kind, _, _, hour), histogram in histograms.items():
        by_hour[kind, "", None, hour].update(histogram)
    of_hours = _percentiles(database, client_id, by_hour)
    of_models = _percentiles(database, client_id, histograms)
    hour_sums: defaultdict[_HistogramKey, Counter[str]] = defaultdict(Counter)
    for (kind, _, _, hour), counts in sums.items():
        hour_sums[kind, "", None, hour].update(counts)
    return CallTimes(
        by_hour=_table(of_hours, hour_sums).drop(columns=["source", "model"]),
        by_model=_table(of_models, sums),
        # As objects: a model that is not told stays None.
        attempts=pd.DataFrame(_attempt_rows(sums), columns=["source", "model", *_ATTEMPTS], dtype=object),
    )


_SUMS = (
    *("request_count", "completion_tokens", "latency_ms", "operation_count"),
    *("replaced_count", "replaced_unpriced_count", "replaced_cost"),
)
_ATTEMPTS = ("request_count", "operation_count", "replaced_count", "replaced_unpriced_count", "replaced_cost")


def _bites(days: Days) -> Iterator[Days]:
    """The days in at most _BITES parts."""
    length = -(-len(days) // _BITES)
    first = days.first
    while first <= days.last:
        last = min(first + timedelta(days=length - 1), days.last)
        yield Days(first, last)
        first = last + timedelta(days=1)


def _percentiles(
    database: Database, client_id: UUID, histograms: "dict[_HistogramKey, Counter[int]]"
) -> dict[_HistogramKey, dict[str, Any]]:
    """By the SQL that all percentiles are by."""
    keys = list(histograms)
    listed = [
        [str(place), list(histograms[key].keys()), list(histograms[key].values())]
        for place, key in enumerate(keys)
    ]
    [rows] = database.read(PERCENTILES.query(histograms=json.dumps(listed)), client_id=client_id)
    found = {}
    for row in PERCENTILES.records(rows):
        key = keys[int(row["name"])]
        found[key] = {**row, "count": sum(histograms[key].values())}
    return found


def _table(
    percentiles: dict[_HistogramKey, dict[str, Any]], sums: "dict[_HistogramKey, Counter[str]]"
) -> "pd.DataFrame":
    import pandas as pd

    nothing: dict[str, Any] = {"count": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None}
    rows = []
    for source, model, hour in sorted(
        {key[1:] for key in percentiles}, key=lambda key: (key[0], key[1] or "", key[2])
    ):
        whole = percentiles.get(("latency", source, model, hour), nothing)
        first = percentiles.get(("first token", source, model, hour), nothing)
        answered = sums.get(("answers", source, model, hour), Counter())
        rows.append(
            {
                "source": source,
                "model": model,
                "hour": hour,
                "request_count": whole["count"],
                **{name: whole[name] for name in ("p50_ms", "p95_ms", "p99_ms")},
                "first_token_count": first["count"],
                **{f"first_token_{name}": first[name] for name in ("p50_ms", "p95_ms", "p99_ms")},
                "completion_tokens": answered["completion_tokens"],
                "latency_ms": answered["latency_ms"],
            }
        )
    columns = [
        *("source", "model", "hour", "request_count", "p50_ms", "p95_ms", "p99_ms", "first_token_count"),
        *("first_token_p50_ms", "first_token_p95_ms", "first_token_p99_ms"),
        *("completion_tokens", "latency_ms"),
    ]
    return pd.DataFrame(rows, columns=columns, dtype=object).astype(
        dict.fromkeys(
            ("hour", "request_count", "first_token_count", "completion_tokens", "latency_ms"), "int64"
        )
    )


def _attempt_rows(sums: "dict[_HistogramKey, Counter[str]]") -> list[dict[str, Any]]:
    found: defaultdict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
    for (kind, source, model, _), counts in sums.items():
        if kind == "attempts":
            found[source, model].update({name: counts[name] for name in _ATTEMPTS})
    return [{"source": source, "model": model, **counts} for (source, model), counts in found.items()]
