"""A LadybugDB backend for tests of supervision: small, observed, with its processes in reach."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil

from robosystems.graph_api.backends.lbug.backend import LadybugBackend
from robosystems.graph_api.backends.lbug.observer import SilentObserver
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig
from robosystems.graph_api.domain.errors import GraphApiError, WorkerCrashedError
from robosystems.graph_api.domain.ids import GraphId
from tests.graph_api.conformance.people import People
from tests.graph_api.waiting import eventually

T = TypeVar("T")


@dataclass
class Recorder(SilentObserver):
    """Remembers events as lines of text: kind, database, detail."""

    events: list[str] = field(default_factory=list[str])

    def opened(self, graph_id: GraphId, seconds: float) -> None:
        """Remember it."""
        assert seconds > 0
        self.events.append(f"opened {graph_id}")

    def open_failed(self, graph_id: GraphId, error: GraphApiError) -> None:
        """Remember it."""
        self.events.append(f"open_failed {graph_id} {error.code}")

    def quarantined(self, graph_id: GraphId, reason: str) -> None:
        """Remember it."""
        assert reason
        self.events.append(f"quarantined {graph_id}")

    def closed(self, graph_id: GraphId, reason: object) -> None:
        """Remember it."""
        self.events.append(f"closed {graph_id} {reason}")

    def crashed(self, graph_id: GraphId, cause: str) -> None:
        """Remember it."""
        self.events.append(f"crashed {graph_id} {cause}")

    def killed(self, graph_id: GraphId, reason: object) -> None:
        """Remember it."""
        self.events.append(f"killed {graph_id} {reason}")

    def template_restarted(self, cause: str) -> None:
        """Remember it."""
        self.events.append(f"template {cause}")

    def count(self, beginning: str) -> int:
        """Count the events that begin like this."""
        return sum(event.startswith(beginning) for event in self.events)


def node_config(folder: Path, **changes: Any) -> LbugBackendConfig:
    """Return a small configuration."""
    defaults: dict[str, Any] = {
        "base_path": folder / "databases",
        "buffer_pool_bytes": 64 << 20,
        "max_db_bytes": 4 << 30,
        "drain_timeout_s": 1.0,
        "kill_grace_s": 0.5,
        "lock_wait_s": 20.0,
        "idle_close_s": 0.0,
    }
    return LbugBackendConfig(**defaults | changes)


class ObservedNode(LadybugBackend):
    """The backend, with its events and processes."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.recorder = Recorder()
        self.folder = folder / "databases"
        super().__init__(node_config(folder, **changes), self.recorder)

    async def graph(self, name: str) -> People:
        """Create a database."""
        return await People(self, GraphId.parse(name)).make()

    async def process_of(self, graph: People) -> int:
        """Return the worker of an open database."""
        process_id = (await self.state(graph.graph_id)).process_id
        assert process_id is not None
        return process_id

    async def kill_worker(self, graph: People, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to the worker of a database, once it is open, and wait for a stop; return its process id."""
        while True:
            state = await self.state(graph.graph_id)
            if state.open and state.process_id is not None:
                with contextlib.suppress(ProcessLookupError):  # It may just have died of the last one.
                    os.kill(state.process_id, number)
                    break
            await asyncio.sleep(0.01)
        if number is signal.SIGSTOP:  # All threads have to notice.
            await eventually(lambda: psutil.Process(state.process_id).status() == psutil.STATUS_STOPPED)
        return state.process_id

    @property
    def template(self) -> int:
        """The template's process."""
        process_id = self._node.supervisor.template_process_id
        assert process_id is not None
        return process_id

    async def kill_template(self) -> None:
        """Kill the template and wait until it is replaced."""
        old = self.template
        restarts = self.recorder.count("template")
        os.kill(old, signal.SIGKILL)
        await eventually(lambda: self.recorder.count("template") > restarts)

    async def until_closed(self, graph: People) -> None:
        """Wait until a database has no process."""

        async def closed() -> bool:
            return not (await self.state(graph.graph_id)).open

        await eventually(closed)


async def outcome(work: Any) -> str:
    """Return how a call ends: the code of its error, or `answered`."""
    try:
        async with asyncio.timeout(60):
            await work
    except GraphApiError as error:
        return error.code
    return "answered"


async def repeated(read: Callable[[], Awaitable[T]]) -> T:
    """Call a read again as long as its database's process dies under it: it may just have been killed, unnoticed."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await read()
            except WorkerCrashedError as error:
                if not error.context["retryable"]:
                    raise
                await asyncio.sleep(0.01)


def is_running(process_id: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Footprint:
    """What this process holds of the system."""

    descriptors: int
    threads: int
    children: int
    zombies: int

    @classmethod
    def now(cls) -> "Footprint":
        """Look."""
        me = psutil.Process()
        children = me.children(recursive=True)
        zombies = sum(child.status() == psutil.STATUS_ZOMBIE for child in children)
        return cls(me.num_fds(), me.num_threads(), len(children), zombies)
