"""The processes of a running server, and what they hold of the system."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil

WAIT_S: Final = 20.0
"""Seconds after which anything that should happen soon counts as not happening."""

_TEMPLATE: Final = "graph:template"
_KERNEL_NAME_BYTES: Final = 15


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds, at most so long; return whether it did."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@dataclass(frozen=True)
class Family:
    """The API process and all that descend from it.

    Attributes:
        server: Process id of the API process.
    """

    server: int

    def members(self) -> dict[int, str]:
        """Return the names of all descendants that live, by process id."""
        found: dict[int, str] = {}
        for child in psutil.Process(self.server).children(recursive=True):
            with contextlib.suppress(OSError, psutil.Error):
                if child.status() != psutil.STATUS_ZOMBIE:
                    found[child.pid] = Path(f"/proc/{child.pid}/comm").read_text().strip()
        return found

    def kill_at_once(self) -> dict[int, str]:
        """Kill all descendants of the server, and stop the server itself, which has to be killed next; return whom.

        A worker that outlives its server for a moment may close its database, which removes the log.
        """
        os.kill(self.server, signal.SIGSTOP)
        members = self.members()
        for process_id in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        return members

    def template(self) -> int | None:
        """Return the template, if there is one."""
        return self._named(_TEMPLATE)

    def worker(self, graph_id: str) -> int | None:
        """Return the worker of a database, if it has one."""
        return self._named(f"graph:{graph_id}"[:_KERNEL_NAME_BYTES])

    def kill_template(self) -> int:
        """Kill the template; return which process that was."""
        return self._kill(self.template)

    def kill_worker(self, graph_id: str) -> int:
        """Kill the worker of a database; return which process that was."""
        return self._kill(lambda: self.worker(graph_id))

    def _kill(self, find: Callable[[], int | None]) -> int:
        """Kill what is found, waiting for it to be there."""
        killed: list[int] = []

        def kill() -> bool:
            process_id = find()
            if process_id is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process_id, signal.SIGKILL)
                    killed.append(process_id)
            return bool(killed)

        assert within(WAIT_S, kill)
        return killed[0]

    def _named(self, name: str) -> int | None:
        return next((process_id for process_id, found in self.members().items() if found == name), None)


@dataclass(frozen=True)
class Footprint:
    """What a process holds.

    Attributes:
        descriptors: Open ones, sockets included.
        sockets: Open ones.
        threads: Its own.
        children: Living descendants.
        zombies: Descendants that nobody waited for.
    """

    descriptors: int
    sockets: int
    threads: int
    children: int
    zombies: int

    @classmethod
    def of(cls, process_id: int) -> Self:
        """Look at a process."""
        process = psutil.Process(process_id)
        statuses: list[str] = []
        for child in process.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                statuses.append(child.status())
        zombies = statuses.count(psutil.STATUS_ZOMBIE)
        targets = _descriptor_targets(process_id)
        sockets = sum(target.startswith("socket:") for target in targets)
        return cls(len(targets), sockets, process.num_threads(), len(statuses) - zombies, zombies)

    def fits_into(self, before: Self) -> bool:
        """Whether nothing is held that was not before. A pool of threads may have grown, within its bound."""
        return (
            self.descriptors <= before.descriptors
            and self.sockets <= before.sockets
            and self.threads <= before.threads + _pool_threads()
            and self.children <= before.children
            and self.zombies == 0
        )


def _pool_threads() -> int:
    """Return how many threads the event loop starts at most for blocking work."""
    return min(32, (os.cpu_count() or 1) + 4)


def _descriptor_targets(process_id: int) -> list[str]:
    targets: list[str] = []
    for descriptor in Path(f"/proc/{process_id}/fd").iterdir():
        with contextlib.suppress(OSError):
            targets.append(str(descriptor.readlink()))
    return targets


def leftovers(databases: Path) -> list[str]:
    """Name what should not be in a directory of databases in which nothing is going on."""
    hidden = [path.name for path in databases.iterdir() if path.name.startswith((".new-", ".trash-", ".probe-"))]
    transient = [
        str(path.relative_to(databases)) for name in ("incoming", "tmp") for path in databases.glob(f"*/{name}/*")
    ]
    return [*hidden, *transient]
