"""One call: all that is known of it, in plain words."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import charts, formatting
from analytics.pricing.explained import price_in_words
from analytics.queries import TAG
from analytics.ui.frame.filters import show_only
from analytics.ui.frame.messages import escaped
from analytics.ui.frame.page import Page
from analytics.ui.frame.unlinked import may_be_phone
from analytics.ui.parts.headings import show_heading

_MAX_BUTTON = 40  # characters
_LABELS_TO_VALUES = [1, 4]  # widths
_TOKEN_PARTS = {
    "cached_tokens": "cached",
    "cache_write_tokens": "written to the cache",
    "cache_write_1h_tokens": "of them for an hour",
    "reasoning_tokens": "reasoning",
    "prompt_audio_tokens": "audio in",
    "cached_audio_tokens": "cached audio",
    "completion_audio_tokens": "audio out",
    "prompt_image_tokens": "picture in",
    "cached_image_tokens": "cached picture",
    "completion_image_tokens": "picture out",
}
PIECES = {
    "character_count": ("character", "characters"),
    "image_count": ("picture", "pictures"),
    "web_search_count": ("web search", "web searches"),
    "file_search_count": ("file search", "file searches"),
    "code_run_count": ("code run", "code runs"),
}
_OUTCOMES = {
    "ok": "answered",
    "error": "failed",
    "refused": "refused by the provider or the model",
    "cut": "cut off: the stream broke",
}


def show_call_facts(
    page: Page, row: Mapping[Any, Any], *, beside: Callable[[], object] | None = None
) -> None:
    """What is known of a call, a row of queries.CALL; `beside` draws at the right end of its heading."""
    at = row["created_at"].tz_convert(page.client.timezone)
    provider, model = charts.source_name(row["source"]), row["model"] or formatting.NO_MODEL
    show_heading(
        f"Call of {formatting.day(at)}, {at:%H:%M:%S}", escaped(f"{model}, {provider}"), beside=beside
    )
    for label, text in _facts(row):
        name, value = st.columns(_LABELS_TO_VALUES, gap="xxsmall")
        name.markdown(f"**{label}**")
        value.markdown(text)
    # What is told above in words is left out.
    told = {"price": _price(row), "tags": row["tags"]}
    metadata = {key: value for key, value in _metadata(row).items() if key not in told or told[key] != value}
    if metadata:
        name, value = st.columns(_LABELS_TO_VALUES, gap="xxsmall")
        name.markdown("**Metadata**")
        value.json(metadata, expanded=1)
    _show_ways(page, row)


def _show_ways(page: Page, row: Mapping[Any, Any]) -> None:
    """Buttons that show only calls that have the same as this one."""
    same = [
        ("provider", charts.source_name(row["source"]), row["source"]),
        ("model", row["model"] or formatting.NO_MODEL, row["model"]),
        *((name, row[name], row[name]) for name in ("operation", "outcome") if row[name]),
    ]
    if isinstance(row["tags"], dict):
        # A filter is in the link, which a phone never is.
        same += [
            (f"{TAG}{key}", f"{key}: {value}", value)
            for key, value in row["tags"].items()
            if not (page.sees_phones and may_be_phone(f"{key}{value}"))
        ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="same"):
        st.caption("Only calls with the same:", width="content")
        for name, text, value in same:
            st.button(
                escaped(_short(text)),
                icon=":material/filter_alt:",
                type="tertiary",
                key=f"only {name}",
                on_click=show_only,
                args=[name, value],
            )


def _short(text: str) -> str:
    return text if len(text) <= _MAX_BUTTON else f"{text[:_MAX_BUTTON]}…"


def _metadata(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    """As an object: who writes with SQL may have put anything there."""
    metadata = row["metadata"]
    if metadata is None or isinstance(metadata, dict):
        return metadata or {}
    return {"metadata": metadata}


def _bucket(requests: int, bucket: Any) -> str:
    """`270 requests, 2026-10-01T00:00:00+00:00 to ...`: what a sum is of, as far as its report tells."""
    told = bucket if isinstance(bucket, dict) else {}
    number = formatting.plural(requests, "request")
    if "requests" not in told and told:
        number = "requests whose number is not told: it counts as 1"
    span = [str(told[name]) for name in ("from_at", "until_at") if name in told]
    return f"{number}, {' to '.join(span)}" if span else number


def _price(row: Mapping[Any, Any]) -> Any:
    price = _metadata(row).get("price")
    return price if isinstance(price, dict) else None


def _facts(row: Mapping[Any, Any]) -> Iterator[tuple[str, str]]:
    """Labels and Markdown, as far as something is known."""
    is_unpriced = row["cost_basis"] == "unpriced"
    cost = "unknown" if is_unpriced else formatting.exact_usd(row["cost_usd"])
    words = price_in_words(row["cost_basis"], row["metadata"], row["source"])
    yield "Cost", escaped(f"{cost}, {row['cost_basis']}")
    yield "Price from", escaped(words)
    if row["stated_cost_usd"] is not None:
        stated = f"{formatting.exact_usd(row['stated_cost_usd'])}, as the provider says"
        not_money = {"plan": ": not money, and in no sum", "unpriced": ": in no sum"}
        yield "Stated cost", escaped(stated + not_money.get(row["cost_basis"], ""))
    if (requests := row["bucket_request_count"]) is not None and not pd.isna(requests):
        yield "Sum of", escaped(_bucket(int(requests), _metadata(row).get("bucket")))
    prompt, completion = (formatting.count(row[name]) for name in ("prompt_tokens", "completion_tokens"))
    total = formatting.plural(row["total_tokens"], "token")
    yield "Tokens", escaped(f"{total}: {prompt} prompt, {completion} completion")
    if meters := _meters(row):
        yield "Meters", escaped(meters)
    if row["outcome"]:
        yield "Outcome", escaped(_OUTCOMES.get(row["outcome"], row["outcome"]) + _attempt(row))
    elif attempt := _attempt(row):
        yield "Outcome", escaped(f"not told{attempt}")
    if latency := _latency(row):
        yield "Latency", escaped(latency)
    for label, column in (("Tier", "service_tier"), ("Operation", "operation")):
        if row[column]:
            yield label, escaped(row[column])
    if row["tags"]:
        yield (
            "Tags",
            ", ".join(f"{escaped(key)}: **{escaped(str(value))}**" for key, value in row["tags"].items()),
        )
    for label, column in (
        ("Operation id", "operation_id"),
        ("Response id", "response_id"),
        ("Account", "account"),
        ("Id", "id"),
    ):
        if row[column]:
            yield label, escaped(str(row[column]))


def _attempt(row: Mapping[Any, Any]) -> str:
    return "" if pd.isna(row["attempt"]) else f", attempt {row['attempt']}"


def _latency(row: Mapping[Any, Any]) -> str:
    """`2.31 s, the first token after 480 ms`."""
    parts = []
    if not pd.isna(row["latency_ms"]):
        parts.append(formatting.duration(Decimal(int(row["latency_ms"]))))
    if not pd.isna(row["time_to_first_token_ms"]):
        first = formatting.duration(Decimal(int(row["time_to_first_token_ms"])))
        parts.append(f"the first token after {first}")
    return ", ".join(parts)


def _meters(row: Mapping[Any, Any]) -> str | None:
    """`1,024 cached, 1 web search`; None where there is nothing to tell."""

    def used(column: str) -> int:
        return 0 if pd.isna(row[column]) else int(row[column])

    parts = [
        f"{formatting.count(count)} {words}"
        for column, words in _TOKEN_PARTS.items()
        if (count := used(column))
    ]
    parts += [
        f"{formatting.count(count)} {one if count == 1 else many}"
        for column, (one, many) in PIECES.items()
        if (count := used(column))
    ]
    if (seconds := row["duration_seconds"]) is not None:
        parts.append(f"{seconds.normalize():,f} s of audio")
    return ", ".join(parts) or None
