"""The numbers of an installation over HTTP, for scripts, notebooks and other Streamlit apps.

usage = use_analytics(days=30)
print(usage.analytics["summary"]["total_cost"], usage.age_seconds, usage.error)
"""

import json
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from analytics.errors import AnalyticsError, ConfigurationError

TIMEOUT_SECONDS = 15.0
# The pause after a failure, so that a page does not wait at each run.
RETRY_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class RemoteAnalytics:
    """The last good answer, and why there is no newer one."""

    analytics: Mapping[str, Any] | None
    """The answer of GET /api/analytics, money as Decimal; None before the first good answer."""
    period: Mapping[str, Any] | None
    filters: Sequence[Mapping[str, Any]] | None
    """Which calls count; empty where all do."""
    loaded_at: datetime | None
    """When the numbers were read from the database."""
    error: str | None
    """Why the last request failed; None if it did not."""

    @property
    def age_seconds(self) -> float | None:
        """How old the numbers are."""
        return None if self.loaded_at is None else (datetime.now(UTC) - self.loaded_at).total_seconds()


def use_analytics(
    days: int | str | None = None,
    *,
    type: str = "all",
    first: date | None = None,
    last: date | None = None,
    month: str | None = None,
    limit: int | None = None,
    order: str | None = None,
    filters: Mapping[str, str | Sequence[str | int | None]] | None = None,
    group_by: str | None = None,
    grain: str | None = None,
    refresh_seconds: float = 60,
    url: str | None = None,
    api_key: str | None = None,
) -> RemoteAnalytics:
    """The numbers of the key's client, at most `refresh_seconds` old.

    The same call answers from memory until then, and keeps the last good answer while the server does not
    answer: a Streamlit app may call it at every run.

    Args:
        days: whole days up to today, 30 if left out, or a name such as "this-month"; or `first` and `last`
            day.
        type: "all", "daily", "weekly", "monthly" or "conversation".
        month: of the monthly numbers, as "2026-03".
        limit: number of conversations, or of values of a group.
        order: sorted by "tokens" or "cost"; groups also by "requests".
        filters: which calls count, as in {"model": "gpt-4o,o1", "provider!": "groq", "tag.feature": [None]}:
            a text as it stands in a link, or a list of values, in which None is for calls that do not tell
            it.
        group_by: "provider", "model", "operation", "outcome", "hour", "weekday" or "tag.<key>", for
            `byGroup` instead.
        grain: of groups: "hour", "day", "week", "month", or one for all days.
        url: of the server, such as "https://usage.example.com"; USAGE_URL if left out.
        api_key: one that may read; USAGE_API_KEY if left out.

    Raises:
        ConfigurationError: the address or key is missing, or the package httpx.
    """
    given = {
        "days": days,
        "type": None if group_by is not None and type == "all" else type,
        "from": first,
        "to": last,
        "month": month,
        "limit": limit,
        "order": order,
        "group_by": group_by,
        "grain": grain,
    }
    parameters = {name: str(value) for name, value in given.items() if value is not None}
    parameters |= {name: _filter_text(values) for name, values in (filters or {}).items()}
    address = _setting("url", url, "USAGE_URL").rstrip("/")
    key = _setting("api_key", api_key, "USAGE_API_KEY")
    with _making:
        source = _sources.setdefault((address, key, *parameters.items()), _Source(address, key, parameters))
    return source.renewed(refresh_seconds)


def forget() -> None:
    """Forgets all answers: the next use_analytics() asks the server."""
    with _making:
        _sources.clear()


class _Source:
    """One request to one server, and its last answer."""

    def __init__(self, address: str, key: str, parameters: Mapping[str, str]) -> None:
        self._address = address
        self._key = key
        self._parameters = parameters
        self._asking = threading.Lock()
        self._asked_at: float | None = None
        self._etag = ""
        self._last = RemoteAnalytics(analytics=None, period=None, filters=None, loaded_at=None, error=None)

    def renewed(self, refresh_seconds: float) -> RemoteAnalytics:
        with self._asking:
            wait = refresh_seconds if self._last.error is None else min(refresh_seconds, RETRY_SECONDS)
            if self._asked_at is None or time.monotonic() - self._asked_at >= wait:
                self._asked_at = time.monotonic()
                try:
                    self._last = self._ask()
                except AnalyticsError as error:
                    self._last = replace(self._last, error=str(error))
            return self._last

    def _ask(self) -> RemoteAnalytics:
        httpx = _httpx()
        try:
            answer = httpx.get(
                f"{self._address}/api/analytics",
                params=self._parameters,
                headers={"Authorization": f"Bearer {self._key}", "If-None-Match": self._etag},
                timeout=TIMEOUT_SECONDS,
            )
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise AnalyticsError(f"{self._address} cannot be reached: {reason}") from error
        loaded_at = datetime.now(UTC) - timedelta(seconds=_age(answer.headers.get("Age", "0")))
        if answer.status_code == 304:
            return replace(self._last, loaded_at=loaded_at, error=None)
        try:
            content = json.loads(answer.content, parse_float=Decimal)
            if answer.status_code != 200:
                raise AnalyticsError(f"{self._address} answered {answer.status_code}: {content['error']}")
            numbers, period, counted = content["analytics"], content["period"], content.get("filters", [])
        except (ValueError, KeyError, TypeError) as error:
            raise AnalyticsError(
                f"{self._address} answered {answer.status_code}, but not like this API: check the address"
            ) from error
        self._etag = answer.headers.get("ETag", "")
        return RemoteAnalytics(
            analytics=numbers, period=period, filters=counted, loaded_at=loaded_at, error=None
        )


_making = threading.Lock()
_sources: dict[tuple[Any, ...], _Source] = {}


def _filter_text(values: str | Sequence[str | int | None]) -> str:
    if isinstance(values, str):
        return values
    return ",".join(re.sub(r"([\\,])", r"\\\1", "" if value is None else str(value)) for value in values)


def _setting(argument: str, given: str | None, variable: str) -> str:
    value = given or os.environ.get(variable)
    if not value:
        raise ConfigurationError(f"use_analytics() needs {argument}=..., or {variable} in the environment")
    return value


def _age(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _httpx() -> Any:
    try:
        import httpx
    except ModuleNotFoundError:
        raise ConfigurationError(
            'use_analytics() needs httpx: pip install "usage-analytics[client]"'
        ) from None
    return httpx
