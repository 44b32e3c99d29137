"""The lock that keeps a second server out of a base directory."""

import asyncio
import fcntl
import os
from pathlib import Path
from typing import Final

from robosystems.graph_api.domain.errors import UnavailableError

_POLL_S: Final = 0.05


class ServerLock:
    """An exclusive lock on a file; the kernel drops it when the process ends, however it ends.

    Without it a second server would take the databases that the first is just creating for leftovers.

    Args:
        path: The file; it is made and stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    async def acquire(self, timeout_s: float) -> None:
        """Take the lock, waiting for a server that is just ending.

        Raises:
            UnavailableError: Another server holds it.
            OSError: The file cannot be made.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._descriptor = descriptor
        while not _try_lock(descriptor):
            if asyncio.get_running_loop().time() > deadline:
                self.release()
                raise UnavailableError(
                    f"Another server uses {self._path.parent}. Stop it, or give this one a directory of its own.",
                    retry_after=timeout_s,
                )
            await asyncio.sleep(_POLL_S)

    def release(self) -> None:
        """Give the lock back; no effect if it is not held."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
