"""Limits of a key's load: requests at once, and seconds of work a minute.

A thousand requests may be cheap and a single one expensive: with a limit of requests alone one key could keep
all others waiting.
"""

import asyncio
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

import anyio
from cachetools import LRUCache
from fastapi import HTTPException

AT_ONCE = 4
"""Requests of a key that run at the same time; its others wait."""
PATIENCE_SECONDS = 10
"""How long a request waits for its turn."""
SECONDS_A_MINUTE = 30
"""Of a thread's time; a key may use all of it at once."""
READERS_OF_BODIES = 2
"""Threads that decompress and parse bodies: more would only take turns."""
DATABASE_THREADS = 12
"""Threads that wait for the database. It has 15 connections; the dashboard's pages need some."""

_MAX_KEYS = 10_000

Result = TypeVar("Result")


class Work:
    """Places and seconds of all keys. For one event loop."""

    def __init__(self) -> None:
        self._places: LRUCache[UUID, asyncio.Semaphore] = LRUCache(_MAX_KEYS)
        self._free_at: LRUCache[UUID, float] = LRUCache(_MAX_KEYS)
        self._lock = threading.Lock()
        self._reading_bodies = anyio.CapacityLimiter(READERS_OF_BODIES)
        self.database_threads = anyio.CapacityLimiter(DATABASE_THREADS)

    @asynccontextmanager
    async def place(self, key_id: UUID) -> AsyncIterator[None]:
        """One of the key's places.

        Raises:
            HTTPException: 429, no place became free, or the key has used up its seconds.
        """
        with self._lock:
            wait = self._free_at.get(key_id, 0) - time.monotonic() - 60
            places = self._places.get(key_id)
            if places is None:
                places = self._places[key_id] = asyncio.Semaphore(AT_ONCE)
        if wait > 0:
            raise _too_much(f"this key has used its {SECONDS_A_MINUTE} seconds of work a minute", wait)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await places.acquire()
        except TimeoutError:
            raise _too_much(f"this key has {AT_ONCE} long requests running", 1) from None
        try:
            yield
        finally:
            places.release()

    async def read_body(self, key_id: UUID, read: Callable[[], Result]) -> Result:
        """The result of read(), which parses a body, in a thread."""
        return await anyio.to_thread.run_sync(self.timed(key_id, read), limiter=self._reading_bodies)

    async def ask_database(self, key_id: UUID, ask: Callable[[], Result]) -> Result:
        """The result of ask(), which reads or writes the database, in a thread."""
        return await anyio.to_thread.run_sync(self.timed(key_id, ask), limiter=self.database_threads)

    def timed(self, key_id: UUID, function: Callable[[], Result]) -> Callable[[], Result]:
        """The function, whose run time is counted for the key."""

        def counted() -> Result:
            begin = time.monotonic()
            try:
                return function()
            finally:
                end = time.monotonic()
                with self._lock:
                    # All seconds are free again within a minute.
                    taken = (end - begin) * 60 / SECONDS_A_MINUTE
                    self._free_at[key_id] = max(end, self._free_at.get(key_id, 0)) + taken

        return counted


def _too_much(what: str, wait: float) -> HTTPException:
    seconds = math.ceil(wait)
    return HTTPException(
        429, f"{what}: try again in {seconds} seconds", headers={"Retry-After": str(seconds)}
    )
