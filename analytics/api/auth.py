"""API keys of requests: valid or not, their scope, and their rate."""

import math
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated
from uuid import UUID

import anyio
from cachetools import LRUCache
from fastapi import HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer

from analytics.access.keys import Key, Scope, is_like_a_key
from analytics.api.cache import SingleFlightCache
from analytics.api.service import Service

KEY_SECONDS = 60
"""How long a key counts as valid without a look-up: a revoked one works at most as long."""

UNKNOWN_KEYS_A_MINUTE = 1_200
"""Keys that this server has not seen valid yet, of all clients together. Each costs a look-up."""
LOOK_UPS_AT_ONCE = 3

_MAX_KEYS = 10_000
_MAX_KEY_CHARACTERS = 200
# The cached answer for a text that is no key.
_NO_KEY: tuple[()] = ()
_EVERYBODY = UUID(int=0)

_bearer = HTTPBearer(auto_error=False, description='A key of "python -m analytics keys create"')
_basic = HTTPBasic(
    auto_error=False, description="Any name, and as password a key: Langfuse's public and secret key"
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
BasicCredentials = Annotated[HTTPBasicCredentials | None, Security(_basic)]


class Guard:
    """Lets requests through that have a valid key of the right scope, up to the key's rate."""

    def __init__(self, service: Service, requests_per_minute: int) -> None:
        self._service = service
        self._keys: SingleFlightCache[Key | tuple[()]] = SingleFlightCache(
            seconds=KEY_SECONDS, capacity=_MAX_KEYS, threads=anyio.CapacityLimiter(LOOK_UPS_AT_ONCE)
        )
        # Keys that were valid once: whoever guesses keys does not lock them out.
        self._known: LRUCache[bytes, bool] = LRUCache(_MAX_KEYS)
        self._rate = _Rate(requests_per_minute)
        self._unknown_rate = _Rate(UNKNOWN_KEYS_A_MINUTE)

    def key(self, scope: Scope) -> Callable[[HTTPAuthorizationCredentials | None], Awaitable[Key]]:
        """A dependency of FastAPI: the key of the request.

        It raises HTTPException: 401 without a valid key, 403 for another scope, 429 where a key makes too
        many requests, or the server has seen too many unknown keys.
        """

        async def check(credentials: Credentials) -> Key:
            return await self._checked(credentials.credentials if credentials else None, scope)

        return check

    def basic_key(self, scope: Scope) -> Callable[[HTTPBasicCredentials | None], Awaitable[Key]]:
        """The same for clients that know Basic authentication alone: the key is the password."""

        async def check(credentials: BasicCredentials) -> Key:
            return await self._checked(credentials.password if credentials else None, scope, "Basic")

        return check

    async def _checked(self, text: str | None, scope: Scope, scheme: str = "Bearer") -> Key:
        key = await self._find(text) if text else None
        if key is None:
            how = "Bearer usage_..." if scheme == "Bearer" else "Basic, with the key as password"
            raise HTTPException(
                401,
                f"a valid API key is required, as Authorization: {how}: "
                'make one with "python -m analytics keys create"',
                headers={"WWW-Authenticate": scheme},
            )
        if wait := self._rate.wait(key.id):
            limit = self._rate.requests_per_minute
            raise _too_many(f"this key is limited to {limit} requests a minute", wait)
        if key.scope != scope:
            raise HTTPException(403, f'this key has scope "{key.scope}"; scope "{scope}" is required')
        return key

    async def _find(self, text: str) -> Key | None:
        if len(text) > _MAX_KEY_CHARACTERS or not is_like_a_key(text):
            return None
        # Not the key itself: memory should hold no secret for long.
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        found = self._keys.get(digest)
        if found is None:
            if digest not in self._known and (wait := self._unknown_rate.wait(_EVERYBODY)):
                raise _too_many(f"more than {UNKNOWN_KEYS_A_MINUTE} unknown keys a minute", wait)
            found = await self._keys.ask(digest, lambda: self._service.find_key(text) or _NO_KEY)
            if found:
                self._known[digest] = True
        return found or None


class _Rate:
    """A leaky bucket per key that holds one minute's requests. For one event loop.

    Not the package `limits`: its storage starts a thread each time, a quarter of a request's time.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self.requests_per_minute = requests_per_minute
        self._seconds_each = 60 / requests_per_minute
        self._empty_at: LRUCache[UUID, float] = LRUCache(_MAX_KEYS)

    def wait(self, key_id: UUID) -> float:
        """0, and the request is counted; or the seconds to wait, and it is not counted."""
        now = time.monotonic()
        empty_at = max(now, self._empty_at.get(key_id, now)) + self._seconds_each
        # A rounding error must not cost the last request of a minute.
        if (wait := empty_at - now - 60) > 1e-6:
            return wait
        self._empty_at[key_id] = empty_at
        return 0


def _too_many(what: str, wait: float) -> HTTPException:
    seconds = math.ceil(wait)
    return HTTPException(
        429, f"{what}: try again in {seconds} seconds", headers={"Retry-After": str(seconds)}
    )
