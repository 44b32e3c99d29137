"""The life of the backend: what is started, in which order, what happens as time goes by, and how all of it ends."""

import asyncio
import logging
import time
from typing import Final, cast

import msgspec

from robosystems.graph_api.backends.lbug.catalog import Catalog
from robosystems.graph_api.backends.lbug.database import DatabaseServices
from robosystems.graph_api.backends.lbug.memory_groups import MemoryGroups
from robosystems.graph_api.backends.lbug.observer import BackendObserver, CloseReason, StopCause
from robosystems.graph_api.backends.lbug.open_slots import OpenSlots
from robosystems.graph_api.backends.lbug.opening import WorkerOpener
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig
from robosystems.graph_api.backends.lbug.server_lock import ServerLock
from robosystems.graph_api.backends.lbug.storage_layout import DataRoot, storage_error
from robosystems.graph_api.backends.lbug.supervisor import SupervisorOptions, TemplateLost, WorkerSupervisor
from robosystems.graph_api.backends.lbug.usage import measure_usage
from robosystems.graph_api.backends.lbug.wire import Ready, WorkerConfig
from robosystems.graph_api.backends.lbug.worker_process import WorkerProcess
from robosystems.graph_api.concurrency.background import BackgroundTasks
from robosystems.graph_api.domain.errors import GraphApiError, UnavailableError

_LOG: Final = logging.getLogger(__name__)

_TICK_S: Final = 0.05
_TICKS_OF_SLOW_WORK: Final = 20
_CANCELLED_WAIT_S: Final = 1.0
_PROBE_ATTEMPTS: Final = 2
_TASKS_WAIT_S: Final = 5.0


class Node:
    """Everything that one backend runs.

    Args:
        config: Sizes and times.
        observer: Told of events.

    Attributes:
        config: As given.
        background: Its tasks.
        supervisor: Its processes.
        catalog: Its databases.
        engine: What a worker said at the start: versions, confinement.
        is_running: Whether new work is taken.
    """

    def __init__(self, config: LbugBackendConfig, observer: BackendObserver) -> None:
        self.config = config
        self.background = BackgroundTasks()
        self.supervisor = WorkerSupervisor(
            SupervisorOptions(config.open_timeout_s, config.stream_credit_bytes, config.memory_bytes), observer
        )
        self._slots = OpenSlots(config.max_open, config.slot_wait_s, self._evict)
        opener = WorkerOpener(config, self.supervisor, observer)
        services = DatabaseServices(config, opener, self._slots, self.background, observer)
        self._root = DataRoot(config.base_path)
        self._lock = ServerLock(self._root.server_lock)
        self.catalog = Catalog(self._root, config.max_databases, services)
        self.engine: Ready | None = None
        self.is_running = False
        self._timer: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._measured = 0.0
        self._ended = False
        self._looking: asyncio.Task[None] | None = None

    # -- start --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take the directory, start the template, prove that the engine works, read what there is.

        Raises:
            UnavailableError: Something of that failed; nothing is left running.
        """
        try:
            await asyncio.to_thread(self._root.prepare)
            await self._lock.acquire(self.config.lock_wait_s)
            groups = await asyncio.to_thread(MemoryGroups.prepare)
            if not groups.are_used:
                _LOG.info(
                    "memory of databases is limited by RLIMIT_DATA and a watcher: %s", groups.to_document()["detail"]
                )
            self.supervisor.start(groups)
            self.engine = _with_memory(await self._probe(), groups)
            await self.catalog.load()
        except BaseException as error:
            await self.supervisor.aclose()
            self._lock.release()
            if isinstance(error, OSError):
                raise storage_error(error) from error
            raise
        self.is_running = True
        self._measured = time.monotonic()
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)

    async def _probe(self) -> Ready:
        """Open a scratch database: a node whose engine or confinement does not work should not start."""
        directory = await asyncio.to_thread(self._root.probe_directory)
        try:
            worker, ready = await self._launch_probe(self.config.worker("probe", directory))
            worker.connection.order_close()
            await worker.ended(self.config.close_timeout_s)
            return ready
        except UnavailableError:
            raise
        except GraphApiError as error:
            raise UnavailableError(f"The database engine cannot be started: {error.detail}") from error
        finally:
            await asyncio.to_thread(self._root.discard, directory)

    async def _launch_probe(self, config: WorkerConfig) -> tuple[WorkerProcess, Ready]:
        for _ in range(_PROBE_ATTEMPTS):
            try:
                worker = await self.supervisor.launch(config, _NoListener())
                return worker, await self.supervisor.opened(worker)
            except TemplateLost:
                continue
        raise UnavailableError("The process for database workers does not stay alive; its error output says why.")

    # -- time ---------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Do what is due. One timer for all: a timer for each query would cost more than the query's own handling."""
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)
        now = time.monotonic()
        for database in self.catalog.active():
            database.sweep(now)
        self._slots.make_room()
        self._ticks += 1
        if self._ticks % _TICKS_OF_SLOW_WORK == 0:
            self._slow_work(now)

    def _slow_work(self, now: float) -> None:
        seconds, self._measured = now - self._measured, now
        for database in self.catalog.active():
            database.measure(max(seconds, _TICK_S))
            if 0 < self.config.idle_close_s < now - database.last_used and database.is_idle:
                database.begin_close(CloseReason.IDLE)
        self.supervisor.reap()
        if self._looking is None or self._looking.done():
            self._looking = self.background.start(self._look(), "look at memory and disk")

    async def _look(self) -> None:
        """Measure every database that has a process: memory against the limit, disk against the quota."""
        for database in list(self.catalog.active()):
            process_id = database.process_id
            usage = await asyncio.to_thread(measure_usage, database.keeper.directory, process_id)
            database.quota.used = usage.size_bytes
            if database.process_id == process_id:
                database.limit_memory(usage.resident_bytes)

    def _evict(self) -> bool:
        """Begin to close the idle database that was not used for the longest time."""
        idle = [database for database in self.catalog.active() if database.is_idle]
        if not idle:
            return False
        min(idle, key=lambda database: database.last_used).begin_close(CloseReason.EVICTED)
        return True

    # -- end ----------------------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Refuse new work, let what runs finish for a bounded time, checkpoint and close everything. Idempotent."""
        self.is_running = False
        if self._ended:
            return
        self._ended = True
        await self._drain(self.config.drain_timeout_s)
        left = [(database, call) for database in self.catalog.active() for call in database.calls()]
        if left:
            _LOG.warning("%d queries did not end in time and are cancelled", len(left))
            for database, call in left:
                database.cancel_call(call)
            await self._drain(_CANCELLED_WAIT_S)
        abandoned = await self.background.drain(_TASKS_WAIT_S)
        if abandoned:
            _LOG.warning("%d tasks did not end in time and were cancelled", abandoned)
        outcomes = await asyncio.gather(
            *(database.stop() for database in self.catalog.active()), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                _LOG.error("a database could not be closed", exc_info=outcome)
        if self._timer is not None:
            self._timer.cancel()
        await self.supervisor.aclose()
        self._lock.release()

    async def _drain(self, timeout_s: float) -> None:
        """Wait until nothing is pending, looking now and then: an event for it would cost something on each query."""
        for _ in range(round(timeout_s / _TICK_S) + 1):
            if not any(database.pending for database in self.catalog.active()):
                return
            await asyncio.sleep(_TICK_S)


def _with_memory(ready: Ready, groups: MemoryGroups) -> Ready:
    """Add to what confines a worker what bounds its memory from outside."""
    mechanisms = ready.sandbox.get("mechanisms")
    known: dict[str, object] = cast("dict[str, object]", mechanisms) if isinstance(mechanisms, dict) else {}
    sandbox = ready.sandbox | {"mechanisms": known | {"memory": groups.to_document()}}
    return msgspec.structs.replace(ready, sandbox=sandbox)


class _NoListener:
    """Owner of the worker that proves the engine: nothing is ever pending there."""

    def worker_lost(self, worker: WorkerProcess) -> None:
        """Nothing to do."""

    def worker_degraded(self) -> None:
        """Nothing to do."""

    def worker_stopped_query(self, cause: StopCause) -> None:
        """Nothing to do."""
