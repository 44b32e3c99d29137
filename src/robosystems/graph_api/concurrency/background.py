"""Work that nobody awaits, or that goes on when nobody awaits it any more: the one place that starts tasks."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_LOG: Final = logging.getLogger(__name__)

_T = TypeVar("_T")


class BackgroundTasks:
    """Keeps started tasks alive, logs failures that nobody sees, and ends all tasks together.

    Belongs to one event loop. A failure of one task affects no other.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
        """Run a coroutine as a task whose failure is logged. The name shows in logs."""
        task = self._start(work, name)
        task.add_done_callback(_log_failure)
        return task

    async def finish(self, work: Coroutine[Any, Any, _T], name: str) -> _T:
        """Run a coroutine to its end and return its result, even if the caller is cancelled meanwhile."""
        task = self._start(work, name)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_failure)
            raise

    def _start(self, work: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, timeout_s: float) -> int:
        """Wait for all tasks, then cancel those that are left and wait for them. Return how many were cancelled."""
        tasks = self._tasks - {asyncio.current_task()}
        if not tasks:
            return 0
        _, left = await asyncio.wait(tasks, timeout=timeout_s)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        return len(left)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("background task %s failed", task.get_name(), exc_info=error)
