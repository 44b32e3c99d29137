"""Places for loads: how many run at once on the node, shared fairly among its databases."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from robosystems.graph_api.domain.errors import IngestionQueueFullError
from robosystems.graph_api.domain.ids import GraphId

RUNNING_PER_DATABASE: Final = 2
"""One that loads, and one whose file comes in meanwhile: the writer lane takes one after the other anyway."""


@dataclass(frozen=True, slots=True)
class PlaceLimits:
    """How many loads there may be.

    Attributes:
        running: That run, uploads included.
        waiting: That wait, of all databases.
        waiting_per_database: That wait, of one database.
        max_wait_s: Seconds that one may wait.
    """

    running: int
    waiting: int
    waiting_per_database: int
    max_wait_s: float


class LoadPlaces:
    """Gives places to loads. A place that becomes free goes to the database that was served longest ago.

    Used on one event loop.
    """

    def __init__(self, limits: PlaceLimits) -> None:
        self._limits = limits
        self._running: dict[GraphId, int] = {}
        self._queues: OrderedDict[GraphId, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Loads that wait for a place."""
        return sum(map(len, self._queues.values()))

    @asynccontextmanager
    async def place(self, graph_id: GraphId) -> AsyncGenerator[None]:
        """Hold a place.

        Raises:
            IngestionQueueFullError: Too many wait, or the wait was too long.
        """
        if self._may_run(graph_id) and not self._queues:
            self._begin(graph_id)
        else:
            await self._wait(graph_id)
        try:
            yield
        finally:
            self._end(graph_id)

    async def _wait(self, graph_id: GraphId) -> None:
        queue = self._queues.get(graph_id, deque())
        if self.waiting >= self._limits.waiting or len(queue) >= self._limits.waiting_per_database:
            raise self._full()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._queues[graph_id] = queue
        self._serve()
        try:
            async with asyncio.timeout(self._limits.max_wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self._end(graph_id)  # The place came at the same moment.
            else:
                self._leave(graph_id, turn)
            if isinstance(error, TimeoutError):
                raise self._full() from error
            raise

    def _leave(self, graph_id: GraphId, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(graph_id)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[graph_id]

    def _may_run(self, graph_id: GraphId) -> bool:
        running = sum(self._running.values())
        return running < self._limits.running and self._running.get(graph_id, 0) < RUNNING_PER_DATABASE

    def _begin(self, graph_id: GraphId) -> None:
        self._running[graph_id] = self._running.get(graph_id, 0) + 1

    def _end(self, graph_id: GraphId) -> None:
        self._running[graph_id] -= 1
        if not self._running[graph_id]:
            del self._running[graph_id]
        self._serve()

    def _serve(self) -> None:
        """Give free places to those who wait, one database after the other."""
        for graph_id in list(self._queues):
            queue = self._queues[graph_id]
            while queue and queue[0].done():  # Gave up; its task has not noticed yet.
                queue.popleft()
            if queue and not self._may_run(graph_id):
                continue
            del self._queues[graph_id]
            if not queue:
                continue
            turn = queue.popleft()
            if queue:
                self._queues[graph_id] = queue  # At the end: the others come first.
            self._begin(graph_id)
            turn.set_result(None)

    def _full(self) -> IngestionQueueFullError:
        running = sum(self._running.values())
        return IngestionQueueFullError(
            f"Ingestion queue full: {running} loads run and {self.waiting} wait.",
            retry_after=max(1.0, self._limits.max_wait_s / 4),
        )
