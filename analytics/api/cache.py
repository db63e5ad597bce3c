"""A cache whose answers are loaded once, however many requests want them at the same moment."""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

import anyio
from cachetools import TTLCache

Answer = TypeVar("Answer")


class SingleFlightCache(Generic[Answer]):
    """A cache over a load that blocks. Errors are not cached. For one event loop.

    `capacity` is a number of answers, or the sum of their `size`. `threads` limits the loads at once.
    """

    def __init__(
        self,
        *,
        seconds: float,
        capacity: int,
        threads: anyio.CapacityLimiter,
        size: Callable[[Answer], int] | None = None,
    ) -> None:
        self._answers: TTLCache[Hashable, Answer] = TTLCache(maxsize=capacity, ttl=seconds, getsizeof=size)
        self._running: dict[Hashable, asyncio.Task[Answer]] = {}
        self._threads = threads

    def get(self, key: Hashable) -> Answer | None:
        """The cached answer, or None."""
        return self._answers.get(key)

    async def ask(self, key: Hashable, load: Callable[[], Answer]) -> Answer:
        """The answer of load(), which runs in another thread; cached from then on."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._load(key, load))
        # The first client may disconnect; the others still get the answer.
        return await asyncio.shield(task)

    async def _load(self, key: Hashable, load: Callable[[], Answer]) -> Answer:
        try:
            answer = await anyio.to_thread.run_sync(load, limiter=self._threads)
            with suppress(ValueError):  # larger than the whole cache
                self._answers[key] = answer
            return answer
        finally:
            del self._running[key]
