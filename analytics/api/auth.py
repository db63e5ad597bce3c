"""Who may ask: keys, scopes, and how often."""

import math
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated
from uuid import UUID

import anyio
from cachetools import LRUCache
from fastapi import HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from analytics.access.keys import Key, Scope, is_like_a_key
from analytics.api.cache import Remembered
from analytics.api.service import Service

KEY_SECONDS = 60
"""How long a key is taken for valid without asking: a revoked one works as long at the most."""

UNKNOWN_KEYS_A_MINUTE = 1_200
"""Texts that were no valid key so far, of everybody together. Each has to be looked up."""
LOOK_UPS_AT_ONCE = 3

_MOST_KEYS = 10_000
_MAX_KEY_CHARACTERS = 200
# What is found for a text that is no key: nothing, which is kept as well.
_NO_KEY: tuple[()] = ()
_EVERYBODY = UUID(int=0)

_bearer = HTTPBearer(auto_error=False, description='A key of "python -m analytics keys create"')
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]


class Guard:
    """Lets requests with a valid key of the right scope through, as many a minute as a key may make."""

    def __init__(self, service: Service, requests_per_minute: int) -> None:
        self._service = service
        self._keys: Remembered[Key | tuple[()]] = Remembered(
            seconds=KEY_SECONDS, most=_MOST_KEYS, threads=anyio.CapacityLimiter(LOOK_UPS_AT_ONCE)
        )
        # Keys that were valid once: those who guess do not keep them out.
        self._known: LRUCache[bytes, bool] = LRUCache(_MOST_KEYS)
        self._rate = _Rate(requests_per_minute)
        self._unknown_rate = _Rate(UNKNOWN_KEYS_A_MINUTE)

    def key(self, scope: Scope) -> Callable[[HTTPAuthorizationCredentials | None], Awaitable[Key]]:
        """A dependency of FastAPI: the key of the request.

        It raises HTTPException: 401 without a valid key, 403 with one of another scope, 429 with one that
        asks too often, or is not known yet while many others are not.
        """

        async def check(credentials: Credentials) -> Key:
            key = await self._find(credentials.credentials) if credentials else None
            if key is None:
                raise HTTPException(
                    401,
                    "a valid API key is needed, as Authorization: Bearer usage_...: "
                    'make one with "python -m analytics keys create"',
                    headers={"WWW-Authenticate": "Bearer"},
                )
            if wait := self._rate.wait(key.id):
                raise _too_many(f"this key may make {self._rate.requests_per_minute} requests a minute", wait)
            if key.scope != scope:
                raise HTTPException(403, f"this key may {key.scope}, and a key that may {scope} is needed")
            return key

        return check

    async def _find(self, text: str) -> Key | None:
        if len(text) > _MAX_KEY_CHARACTERS or not is_like_a_key(text):
            return None
        # Not the key itself: what is kept in memory for long should be of no use to anybody.
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        found = self._keys.get(digest)
        if found is None:
            if digest not in self._known and (wait := self._unknown_rate.wait(_EVERYBODY)):
                raise _too_many(f"more than {UNKNOWN_KEYS_A_MINUTE} keys a minute are none", wait)
            found = await self._keys.ask(digest, lambda: self._service.find_key(text) or _NO_KEY)
            if found:
                self._known[digest] = True
        return found or None


class _Rate:
    """A bucket per key: a minute's requests at once, then as many as run out of it. For one event loop.

    Not of the package limits: its storage starts thread after thread, a quarter of what a request takes.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self.requests_per_minute = requests_per_minute
        self._seconds_each = 60 / requests_per_minute
        self._empty_at: LRUCache[UUID, float] = LRUCache(_MOST_KEYS)

    def wait(self, key_id: UUID) -> float:
        """Counts a request and returns 0; else how many seconds it comes too early, and counts none."""
        now = time.monotonic()
        empty_at = max(now, self._empty_at.get(key_id, now)) + self._seconds_each
        # What a sum of parts of a minute is off by must not cost the last request.
        if (wait := empty_at - now - 60) > 1e-6:
            return wait
        self._empty_at[key_id] = empty_at
        return 0


def _too_many(what: str, wait: float) -> HTTPException:
    seconds = math.ceil(wait)
    return HTTPException(
        429, f"{what}: try again in {seconds} seconds", headers={"Retry-After": str(seconds)}
    )
