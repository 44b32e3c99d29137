"""The bound on databases that are open at once."""

import asyncio
from collections import deque
from collections.abc import Callable

from robosystems.graph_api.domain.errors import PoolExhaustedError


class OpenSlots:
    """Places for open databases, given in the order of asking. One who waits has an idle database closed to make room.

    Args:
        limit: How many there are.
        wait_s: Seconds after which waiting is given up.
        evict: Begins to close the idle database that was not used for the longest time; returns whether there is one.
    """

    def __init__(self, limit: int, wait_s: float, evict: Callable[[], bool]) -> None:
        self._limit = limit
        self._wait_s = wait_s
        self._evict = evict
        self._free = limit
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._evicting = 0

    async def acquire(self) -> None:
        """Take a place.

        Raises:
            PoolExhaustedError: All are taken by databases that are in use.
        """
        if self._free > 0:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self.make_room()
        try:
            await asyncio.wait_for(asyncio.shield(place), self._wait_s)
        except BaseException as error:
            if place.done() and not place.cancelled():  # Given in the same moment: pass it on.
                self.release()
            else:
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise PoolExhaustedError(
                    f"Connection pool exhausted: all {self._limit} databases that may be open on this node are in use.",
                    retry_after=self._wait_s,
                ) from None
            raise

    def release(self) -> None:
        """Give a place back."""
        self._evicting = max(0, self._evicting - 1)
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def make_room(self) -> None:
        """Begin to close idle databases for those that wait. Call it from time to time: databases become idle."""
        while self._evicting < len(self._waiting) and self._evict():
            self._evicting += 1
