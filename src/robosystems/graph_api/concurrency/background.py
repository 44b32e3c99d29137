"""Work that nobody awaits: the one place that starts tasks."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_LOG: Final = logging.getLogger(__name__)

_T = TypeVar("_T")


class BackgroundTasks:
    """Keeps started tasks alive, logs those that fail, and ends them all together.

    Belongs to one event loop. A failure of one task affects no other.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, _T], name: str) -> asyncio.Task[_T]:
        """Run a coroutine as a task; the name shows in logs. The task may be awaited, but need not be."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("background task %s failed", task.get_name(), exc_info=error)

    async def drain(self, timeout_s: float) -> int:
        """Wait for all tasks, then cancel those that are left and wait for them. Return how many were cancelled."""
        tasks = {task for task in self._tasks if task is not asyncio.current_task()}
        if not tasks:
            return 0
        _, left = await asyncio.wait(tasks, timeout=timeout_s)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        return len(left)
