"""Waiting, for a bounded time, for what happens soon."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx


async def eventually(condition: Callable[[], bool | Awaitable[bool]], timeout_s: float = 30.0) -> None:
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


def answered(send: Callable[[], httpx.Response], timeout_s: float = 20.0) -> httpx.Response:
    """Send a request again as long as its answer says that nothing was done and that it can be repeated.

    Whoever has just killed a process may meet it with the next request: the server has not noticed the death yet.

    Args:
        send: Sends the request.
        timeout_s: Seconds after which the answer is returned as it is.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = send()
        is_to_be_repeated = answer.status_code == 503 and answer.json()["retryable"]
        if not is_to_be_repeated or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)
