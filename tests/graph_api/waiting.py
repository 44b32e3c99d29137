"""Waiting, for a bounded time, for what happens soon."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], bool | Awaitable[bool]], timeout_s: float = 10.0) -> None:
    """Return as soon as the condition holds.

    Args:
        condition: A plain or an asynchronous function; it is asked again and again.
        timeout_s: Seconds after which the test has failed.

    Raises:
        TimeoutError: It did not come to hold.
    """
    async with asyncio.timeout(timeout_s):
        while True:
            outcome = condition()
            if outcome if isinstance(outcome, bool) else await outcome:
                return
            await asyncio.sleep(0.01)
