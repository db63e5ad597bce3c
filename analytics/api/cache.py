"""Answers that are kept for a while, and asked for once however many want them at the same moment."""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

import anyio
from cachetools import TTLCache

Answer = TypeVar("Answer")


class Remembered(Generic[Answer]):
    """A cache over something that blocks. What raises is not kept. For one event loop.

    `most` of what `size` says of an answer: of answers, if left out. `threads`: how many may block at once.
    """

    def __init__(
        self,
        *,
        seconds: float,
        most: int,
        threads: anyio.CapacityLimiter,
        size: Callable[[Answer], int] | None = None,
    ) -> None:
        self._kept: TTLCache[Hashable, Answer] = TTLCache(maxsize=most, ttl=seconds, getsizeof=size)
        self._running: dict[Hashable, asyncio.Task[Answer]] = {}
        self._threads = threads

    def get(self, key: Hashable) -> Answer | None:
        """What is kept, or None."""
        return self._kept.get(key)

    async def ask(self, key: Hashable, load: Callable[[], Answer]) -> Answer:
        """What load() says, in another thread, and keeps it."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._load(key, load))
        # Who asked first may go away without taking the answer from the others.
        return await asyncio.shield(task)

    async def _load(self, key: Hashable, load: Callable[[], Answer]) -> Answer:
        try:
            answer = await anyio.to_thread.run_sync(load, limiter=self._threads)
            with suppress(ValueError):  # one that is larger than all that may be kept
                self._kept[key] = answer
            return answer
        finally:
            del self._running[key]
