"""A limit on requests per minute that all calls of a client share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Pace:
    """Lets requests through at even distances; as an HTTP hook it sees repeated requests too.

    Args:
        per_minute: requests; None for no limit.
        clock, sleep: time, replaced in tests.
    """

    def __init__(
        self,
        per_minute: int | None,
        clock: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._gap = 60.0 / per_minute if per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._free_at = 0.0

    async def __call__(self, request: object = None) -> None:
        """Wait for the next free place."""
        if not self._gap:
            return
        now = (self._clock or asyncio.get_running_loop().time)()
        place = max(now, self._free_at)
        # Taken before the wait, so that whoever comes meanwhile queues behind.
        self._free_at = place + self._gap
        if place > now:
            await self._sleep(place - now)
