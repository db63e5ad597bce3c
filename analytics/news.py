"""Whether an open page has newer numbers to show: its browser asks, and no script runs for that.

A run of a script costs the server ten milliseconds, and a thousand open pages ask every four seconds.
"""

import asyncio
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from cachetools import LRUCache
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from analytics import formatting
from analytics.errors import AnalyticsError

PATH = "/news"
SHOWN_NUMBERS = 2_000
"""Different numbers whose pages may ask; other pages look by a run of their script."""
ANSWER_SECONDS = 2.0
"""How long one answer serves all pages with the same numbers."""
PATIENCE_SECONDS = 1.0
"""How long a request waits for numbers that are read meanwhile."""


class Numbers(Protocol):
    """Numbers on a page: ui/frame/reads.py has them."""

    @property
    def loaded_at(self) -> datetime:
        """When they were read."""

    @property
    def failure(self) -> str | None:
        """Why they could not be renewed."""

    @property
    def key(self) -> Hashable:
        """Equal keys have equal numbers."""

    @property
    def renew(self) -> Callable[[datetime], "Numbers"]:
        """The numbers at a later moment."""

    @property
    def fingerprint(self) -> bytes:
        """Equal for equal numbers, whenever they were read."""


@dataclass(kw_only=True)
class _Shown:
    """What pages with one mark show; not the numbers themselves, which are large."""

    loaded_at: datetime
    failure: str | None
    fingerprint: bytes
    renew: Callable[[datetime], Numbers]
    answered_at: float = float("-inf")
    answer: Mapping[str, object] | None = None
    looking: "asyncio.Future[None] | None" = None


_lock = threading.Lock()
_shown: LRUCache[str, _Shown] = LRUCache(SHOWN_NUMBERS)
_secret = secrets.token_bytes(32)
# Few, as numbers that have to be read keep one busy for as long as the database takes.
_looking = ThreadPoolExecutor(4, thread_name_prefix="news")


def path_for(shown: Numbers) -> str:
    """Where a page asks for news of these numbers: nobody can guess it, and it tells no number."""
    mark = hmac.digest(_secret, repr((shown.key, shown.failure)).encode(), "sha256").hex()[:32]
    with _lock:
        if mark not in _shown:
            _shown[mark] = _Shown(
                loaded_at=shown.loaded_at,
                failure=shown.failure,
                fingerprint=shown.fingerprint,
                renew=shown.renew,
            )
    return f"{PATH}/{mark}"


def are_new(newest: Numbers, shown: "Numbers | _Shown") -> bool:
    """Whether a page has to draw the newest numbers: others, or the database went away or came back."""
    return (newest.failure, newest.fingerprint) != (shown.failure, shown.fingerprint)


def age_text(loaded_at: datetime, now: datetime) -> str:
    """`Updated 12 s ago`."""
    return f"Updated {formatting.age(loaded_at, now)}"


async def _answer(request: Request) -> Response:
    with _lock:
        shown = _shown.get(request.path_params["mark"])
    if shown is None:
        return PlainTextResponse("no page shows this\n", 404)
    if time.monotonic() - shown.answered_at >= ANSWER_SECONDS:
        if shown.looking is None or shown.looking.done():
            shown.looking = asyncio.get_running_loop().run_in_executor(_looking, _look, shown)
        # What takes longer is in the next answer.
        await asyncio.wait([shown.looking], timeout=PATIENCE_SECONDS)
    waiting = {"is_new": False, "text": age_text(shown.loaded_at, datetime.now(UTC))}
    return JSONResponse(shown.answer or waiting, headers={"Cache-Control": "no-store"})


def _look(shown: _Shown) -> None:
    now = datetime.now(UTC)
    try:
        newest = shown.renew(now)
        has_news, loaded_at = are_new(newest, shown), newest.loaded_at
    except AnalyticsError:
        # The page says what is wrong.
        has_news, loaded_at = True, shown.loaded_at
    shown.answer = {"is_new": has_news, "text": age_text(loaded_at, now)}
    shown.answered_at = time.monotonic()


ROUTE = Route(f"{PATH}/{{mark}}", _answer)
