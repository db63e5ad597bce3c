"""How fast models answer, how often calls fail and are tried again, and what came from a cache, in tables."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.pricing.cache_savings import CacheSavings
from analytics.queries import Answers, load_answers
from analytics.queries.filters import NO, YES, spelled
from analytics.queries.ranges import slowest_from
from analytics.ui.frame.dates import window
from analytics.ui.frame.messages import with_dollars
from analytics.ui.frame.page import Page
from analytics.ui.frame.reads import Reading
from analytics.ui.frame.ways import Way, calls_with, of_model, show_ways
from analytics.ui.parts.empty import show_empty
from analytics.ui.parts.headings import show_heading
from analytics.ui.parts.tables import (
    MANY_COLUMNS,
    MODEL_WIDTH,
    NARROW_MODEL,
    harmless,
    opening,
    show_table,
    styled,
    without_zeros,
)
from analytics.ui.speed.models import LED_TO_NOTHING, OUTCOMES, RETRIED, Measured, measured
from analytics.ui.speed.ways import PERCENTILES

MAX_ROWS = 22  # in sight
HOW_TO_MEASURE = (
    "OpenTelemetry spans say how calls ended and how long they took. For other calls pass `outcome`, "
    "`latency_ms` and `time_to_first_token_ms` to `log_*()`; for retries `operation_id` and `attempt`."
)
_MONEY = ("Cost of these", "Cost of retries", "Saved", "Writing cost more")
_PERCENTS = ("Measured", "Led to nothing", "Cached")
_ALL = "All"


def read_answers(page: Page) -> Reading[Answers]:
    """Outcomes, times, attempts and what came from a cache."""
    return page.read(load_answers, page.days, filters=page.filters)


def show_speed(page: Page, answers: Answers) -> None:
    """A row per provider and model: percentiles, tokens per second, and on how many calls they stand."""
    everything, providers, models = measured(answers)
    with st.container(border=True):
        show_heading(f"How long answers take, {window(page.days)}", "Most requests first")
        if not everything.timed_count and not everything.first_token_count:
            show_empty("No call of these days says how long it took", HOW_TO_MEASURE, icon=":material/timer:")
            return
        lines = _lines(everything, providers, models)
        table = pd.DataFrame([_names(line) | _speed_row(line) for line in lines])
        _draw(
            table,
            lines,
            key="speed table",
            milliseconds=tuple(PERCENTILES),
            cells={
                "Requests": {},
                "Measured": {"has.latency": YES},
                "Tokens/s": {"has.latency": YES},
                **{name: partial(_slowest, name) for name in PERCENTILES},
            },
        )
        first = formatting.share(everything.first_token_count, everything.answered_count)
        show_ways(
            [
                *_measured(everything.timed_count, "latency", "a time to the answer"),
                *_measured(everything.first_token_count, "first-token", "a time to the first token"),
                *_not_measured(everything, "latency", everything.timed_count, "no time to the answer"),
                *_not_measured(
                    everything, "first-token", everything.first_token_count, "no time to the first token"
                ),
            ],
            key="speed",
        )
        st.caption(
            f"{_coverage(everything.timed_count, everything.answered_count)} First tokens: on {first}. Half "
            "of the answers took no longer than p50, and 95 and 99 of 100 no longer than p95 and p99, all "
            "within 2 percent. Tokens/s: of the completion, by the time until the whole answer. Failed calls "
            "do not count."
        )


def show_failures(page: Page, answers: Answers) -> None:
    """A row per provider and model: calls by outcome, retries, and what attempts cost that led to nothing."""
    everything, providers, models = measured(answers)
    with st.container(border=True):
        show_heading(f"Failures and retries, {window(page.days)}", "Most requests first")
        if not everything.told_count and not everything.retry_count:
            show_empty("No call of these days says how it ended", HOW_TO_MEASURE, icon=":material/error:")
            return
        told = [name for name in OUTCOMES if everything.by_outcome.get(OUTCOMES[name])]
        lines = _lines(everything, providers, models)
        table = pd.DataFrame([_names(line) | _failures_row(line, told) for line in lines])
        cells = {name: {"outcome": OUTCOMES[name] or ""} for name in told}
        cells |= dict.fromkeys(("Led to nothing", "Cost of these"), LED_TO_NOTHING)
        cells |= {"Requests": {}} | dict.fromkeys(("Retries", "Cost of retries"), RETRIED)
        _draw(table, lines, key="outcomes table", cells=cells)
        show_ways(_told(everything), key="outcomes")
        st.caption(
            f"{_coverage(everything.told_count, everything.request_count)} Led to nothing: the cost of calls "
            "that failed, were refused or cut off. Retries are attempts after the first, whatever became of "
            "them; a call that another one replaced is found below, by reading every call."
        )


def show_cache(page: Page, answers: Answers) -> None:
    """A row per model with tokens from a cache: their share of the prompt, and what they saved."""
    everything, _, models = measured(answers)
    told = [line for line in models if line.reported_cache_prompt_tokens]
    with st.container(border=True):
        show_heading(f"From the cache, {window(page.days)}", "US dollars, by the price list of each day")
        if not told:
            show_empty(
                "No call of these days tells its cached tokens",
                "Usage objects of OpenAI, Anthropic, Google and others have them. For other calls pass "
                "`cached_tokens` to `log_*()`.",
                icon=":material/bolt:",
            )
            return
        saved = {(each.source, each.model): each for each in answers.cached}
        lines = sorted(told, key=lambda line: -line.cached_tokens)
        table = pd.DataFrame(
            [_names(line) | _cache_row(line, saved.get((line.source or "", line.model))) for line in lines]
        )
        table = without_zeros(table, "Written tokens", "Writing cost more")
        _draw(
            table,
            lines,
            key="cache table",
            cells={
                "Told by prompts with": {"has.cache": YES},
                **{name: {"has.cached": YES} for name in ("Cached tokens", "Cached", "Saved")},
                **{name: {"has.cache-write": YES} for name in ("Written tokens", "Writing cost more")},
            },
        )
        prompts = sum(line.reported_cache_prompt_tokens for line in told)
        show_ways(
            [
                calls_with("Calls with tokens from a cache", **{"has.cached": YES}),
                calls_with("Calls that tell their cached tokens", **{"has.cache": YES}),
            ],
            key="cache",
        )
        st.caption(with_dollars(_saved(everything, prompts, answers.cached)))


def _saved(everything: Measured, prompt_tokens: int, cached: Sequence[CacheSavings]) -> str:
    share = formatting.share(everything.cached_tokens, prompt_tokens)
    known = [each for each in cached if each.saved_usd is not None]
    total = sum((each.saved_usd or Decimal(0) for each in known), Decimal(0))
    written = sum((each.written_usd or Decimal(0) for each in known), Decimal(0))
    about = "" if all(each.is_exact for each in known) else "about "
    came = f"{share} of the prompt tokens that tell it came from a cache"
    text = f"{came}, and saved {about}{formatting.usd(total)}"
    if written:
        text += f"; writing into it cost {about}{formatting.usd(written)} more than other input"
    unknown = len(cached) - len(known)
    left_out = f" {formatting.plural(unknown, 'model')} without a price left out." if unknown else ""
    return f"{text}, at the rates of the ordinary tier.{left_out}"


def _lines(everything: Measured, providers: Sequence[Measured], models: Sequence[Measured]) -> list[Measured]:
    """All, the providers where there are several, and the models."""
    if len(models) == 1:
        return list(models)
    return [everything, *(providers if len(providers) > 1 else ()), *models]


def _names(line: Measured) -> dict[str, Any]:
    provider = _ALL if line.source is None else charts.source_name(line.source)
    model = line.model or formatting.NO_MODEL
    return {"Provider": provider, "Model": model if line.kind == "model" else ""}


def _speed_row(line: Measured) -> dict[str, Any]:
    found = line.percentiles
    return {
        "Requests": line.request_count,
        "Measured": _share(line.timed_count, line.answered_count),
        **{name: _float(found.get(f"{name}_ms")) for name in ("p50", "p95", "p99")},
        "Tokens/s": _float(line.tokens_per_second),
        **{
            f"First token {name}": _float(found.get(f"first_token_{name}_ms"))
            for name in ("p50", "p95", "p99")
        },
    }


def _failures_row(line: Measured, told: Sequence[str]) -> dict[str, Any]:
    return {
        "Requests": line.request_count,
        "Led to nothing": _share(line.failed_count, line.told_count),
        **{name: line.by_outcome.get(OUTCOMES[name], 0) for name in told},
        "Cost of these": None
        if line.failed_unpriced_count and line.failed_unpriced_count == line.failed_count
        else float(line.failed_cost_usd),
        "Retries": line.retry_count,
        "Cost of retries": float(line.retry_cost_usd),
    }


def _cache_row(line: Measured, saved: CacheSavings | None) -> dict[str, Any]:
    return {
        "Told by prompts with": line.reported_cache_prompt_tokens,
        "Cached tokens": line.cached_tokens,
        "Cached": _share(line.cached_tokens, line.reported_cache_prompt_tokens),
        "Saved": 0.0 if saved is None else _float(saved.saved_usd),
        "Written tokens": line.cache_write_tokens,
        "Writing cost more": 0.0 if saved is None else _float(saved.written_usd),
    }


def _draw(
    table: pd.DataFrame,
    lines: Sequence[Measured],
    *,
    key: str,
    cells: Mapping[str, Mapping[str, str] | Callable[[Measured], Mapping[str, str]]],
    milliseconds: Sequence[str] = (),
) -> None:
    """Shows a table with its numbers in words; a click on a row filters by its provider and model.

    A click on a cell of the columns `cells` opens the calls of the row with these parameters of filters, or
    with those that it says for the row.
    """
    percents: list[Hashable] = [name for name in table if name in _PERCENTS]
    money: list[Hashable] = [name for name in table if name in _MONEY]
    times: list[Hashable] = [name for name in milliseconds if name in table]
    table = table.astype(dict.fromkeys((*percents, *money, *times), "float64"))
    shown = harmless(table)
    counts: list[Hashable] = [name for name in shown if pd.api.types.is_integer_dtype(shown[name])]
    formats: dict[Hashable, Any] = {
        **dict.fromkeys(counts, "{:,}"),
        **dict.fromkeys(percents, _percent),
        **dict.fromkeys(money, _usd),
        **dict.fromkeys(times, _duration),
        **{name: "{:,.1f}" for name in ("Tokens/s",) if name in shown},
    }
    show_table(
        styled(shown, formats),
        len(shown),
        max_rows=MAX_ROWS,
        columns=NARROW_MODEL if len(shown.columns) > MANY_COLUMNS else MODEL_WIDTH,
        opens=opening(
            key,
            pd.DataFrame({"place": range(len(lines))}),
            lambda row: _show_only(lines[row["place"]]),
            {column: partial(_open_calls, lines, only) for column, only in cells.items()},
        ),
    )


def _of(line: Measured) -> Mapping[str, str]:
    """The parameters of filters that leave the calls of a line."""
    if line.source is None:
        return {}
    return of_model(line.source, line.model) if line.kind == "model" else {"provider": spelled(line.source)}


def _open_calls(
    lines: Sequence[Measured],
    only: Mapping[str, str] | Callable[[Measured], Mapping[str, str]],
    row: "pd.Series[Any]",
) -> None:
    line = lines[row["place"]]
    calls_with("", **_of(line), **(only(line) if callable(only) else only)).go()


def _slowest(column: str, line: Measured) -> Mapping[str, str]:
    """The parameter of the filter that leaves the calls that took as long as a percentile of a line."""
    fact, name = PERCENTILES[column]
    found = line.percentiles.get(name)
    return {f"has.{fact}": YES} if found is None else {fact: slowest_from(found)}


def _show_only(line: Measured) -> None:
    Way(page="speed_and_errors", text="", only=_of(line)).go()


def _measured(count: int, fact: str, what: str) -> Sequence[Way]:
    """The way to the calls with it, where there are some."""
    text = f"{formatting.plural(count, 'call')} with {what}"
    return [calls_with(text, **{f"has.{fact}": YES})] if count else []


def _not_measured(everything: Measured, fact: str, count: int, what: str) -> Sequence[Way]:
    """The way to the answered calls without it, where there are some."""
    left = everything.answered_count - count
    text = f"{formatting.plural(left, 'call')} with {what}"
    return [calls_with(text, **{f"has.{fact}": NO, "outcome!": "error"})] if left else []


def _told(everything: Measured) -> Sequence[Way]:
    """The ways to the calls that say how they ended, and to those that do not."""
    left = everything.request_count - everything.told_count
    return [
        calls_with(f"{formatting.plural(count, 'call')} {what} an outcome", **only)
        for count, what, only in (
            (everything.told_count, "with", {"outcome!": ""}),
            (left, "without", {"outcome": ""}),
        )
        if count
    ]


def _coverage(count: int, whole: int) -> str:
    """`Measured on 62.0% of calls.`"""
    return f"Measured on {formatting.share(count, whole)} of calls."


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _percent(share: object) -> str:
    return formatting.share(float(str(share)), 1)


def _usd(amount: object) -> str:
    return formatting.usd(Decimal(repr(amount)))


def _duration(milliseconds: object) -> str:
    return formatting.duration(Decimal(repr(milliseconds)))
