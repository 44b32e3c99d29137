"""What the node says about itself."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.domain.errors import DatabaseNotFoundError, ShuttingDownError
from robosystems.graph_api.domain.graph import DatabaseRecord, DatabaseState, DatabaseStatus

_MEBIBYTE = 1 << 20
_CGROUP = Path("/sys/fs/cgroup")
_WORD_AGE_S = 1.0
_LOW_MEMORY_RATIO = 0.05
"""Part of the node's memory below which what is left counts as low."""


class Traffic:
    """Requests of one application: how many are being served, and whether new work is taken."""

    __slots__ = ("draining", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        self.draining = False

    def begin_drain(self) -> None:
        """Take no new work from now on; what is being served goes on."""
        self.draining = True


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What the backend found out about its engine when it was opened.

    Attributes:
        version: Of the engine.
        storage_version: Of the format of its files; None if it has none.
        sandbox: How the processes of databases are confined: `mode`, `confined`, and `mechanisms` by name, each with
            `state` and `detail`.
    """

    version: str
    storage_version: int | None
    sandbox: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Fixed properties of the node.

    Attributes:
        node_type: `writer` or `shared_master`.
        tier: Cluster tier.
        instance_id: Name of the machine.
        version: Of the service.
        max_databases: Databases it may hold.
        max_memory_mb: Memory it may use, MiB.
        auth: Whether requests need a key.
        engine: What was found out about the engine.
    """

    node_type: str
    tier: str
    instance_id: str
    version: str
    max_databases: int
    max_memory_mb: int
    auth: bool
    engine: EngineFacts


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """Memory in bytes.

    Attributes:
        server: Resident memory of the server process.
        databases: Private memory of all database processes.
        available: What can still be used: the tighter of machine and control group.
        total: What there is in all, likewise.
    """

    server: int
    databases: int
    available: int
    total: int

    @property
    def low(self) -> bool:
        """Whether too little is left to begin something large."""
        return self.available < self.total * _LOW_MEMORY_RATIO


@dataclass(frozen=True, slots=True)
class NodeState:
    """Figures of the node at one moment.

    Attributes:
        records: All databases.
        states: Their states, in the same order.
        memory: Memory.
        uptime_s: Seconds since the services were opened.
        in_flight: Requests that are being served, this one included.
        draining: Whether the node is being shut down.
    """

    records: Sequence[DatabaseRecord]
    states: Sequence[DatabaseState]
    memory: MemoryFigures
    uptime_s: float
    in_flight: int
    draining: bool

    @property
    def open_databases(self) -> int:
        """Databases that a process holds open."""
        return sum(state.open for state in self.states)

    @property
    def broken_databases(self) -> int:
        """Databases in quarantine."""
        return sum(record.status is DatabaseStatus.BROKEN for record in self.records)

    @property
    def pending_queries(self) -> int:
        """Queries that run or wait."""
        return sum(state.pending_queries for state in self.states)

    @property
    def word(self) -> str:
        """`healthy`, `degraded` (a database is in quarantine) or `draining`."""
        if self.draining:
            return "draining"
        return "degraded" if self.broken_databases else "healthy"


class NodeInformation:
    """Answers questions about the node."""

    def __init__(self, config: NodeConfig, backend: GraphBackend, traffic: Traffic) -> None:
        self._config = config
        self._backend = backend
        self._traffic = traffic
        self._started = time.monotonic()
        self._last: tuple[float, NodeState] | None = None

    @property
    def config(self) -> NodeConfig:
        """Fixed properties."""
        return self._config

    @property
    def backend_name(self) -> str:
        """Name of the backend."""
        return self._backend.capabilities.backend

    @property
    def capabilities(self) -> dict[str, bool]:
        """What the backend can do, by name."""
        return {name: value for name, value in asdict(self._backend.capabilities).items() if isinstance(value, bool)}

    async def ready(self) -> None:
        """Return if the node takes new work.

        Raises:
            ShuttingDownError: It drains.
            UnavailableError: The backend cannot serve.
        """
        if self._traffic.draining:
            raise ShuttingDownError("The node is shutting down.", retry_after=1.0)
        await self._backend.ping()

    async def word(self) -> str:
        """Return the word for the node's state; measured at most once a second, because anybody may ask."""
        if self._traffic.draining:
            return "draining"
        if self._last is None or time.monotonic() - self._last[0] > _WORD_AGE_S:
            await self.state()
        assert self._last is not None  # noqa: S101 - state() has set it
        return self._last[1].word

    async def state(self) -> NodeState:
        """Return the figures of this moment; opens no database."""
        records: list[DatabaseRecord] = []
        states: list[DatabaseState] = []
        for record in await self._backend.list():
            try:
                states.append(await self._backend.state(record.graph_id))
            except DatabaseNotFoundError:
                continue  # deleted since it was listed
            records.append(record)
        memory = await asyncio.to_thread(_memory, sum(state.memory_bytes for state in states))
        now = time.monotonic()
        state = NodeState(
            records=records,
            states=states,
            memory=memory,
            uptime_s=now - self._started,
            in_flight=self._traffic.in_flight,
            draining=self._traffic.draining,
        )
        self._last = (now, state)
        return state


def _memory(databases: int) -> MemoryFigures:
    """Measure memory; takes some hundred microseconds."""
    machine = psutil.virtual_memory()
    limit, used = _cgroup_figure("memory.max"), _cgroup_figure("memory.current")
    total, available = machine.total, machine.available
    if limit is not None and used is not None and limit < total:
        total, available = limit, min(available, max(0, limit - used))
    return MemoryFigures(
        server=psutil.Process().memory_info().rss, databases=databases, available=available, total=total
    )


def _cgroup_figure(name: str) -> int | None:
    """Return a figure of the process's control group (version 2), or None if there is none or no limit."""
    try:
        text = (_CGROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
