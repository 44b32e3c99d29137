"""One database: whether it is open, who waits for it, and what happens when its process dies."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from robosystems.graph_api.backends.lbug import refusals
from robosystems.graph_api.backends.lbug.backlog import Backlog
from robosystems.graph_api.backends.lbug.calls import Call
from robosystems.graph_api.backends.lbug.endings import report_end
from robosystems.graph_api.backends.lbug.manifest import ManifestState
from robosystems.graph_api.backends.lbug.observer import BackendObserver, CloseReason, KillReason, StopCause
from robosystems.graph_api.backends.lbug.open_slots import OpenSlots
from robosystems.graph_api.backends.lbug.opening import DatabaseUnusable, OpenOrder, WorkerOpener
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig
from robosystems.graph_api.backends.lbug.phase import Phase
from robosystems.graph_api.backends.lbug.record_keeper import RecordKeeper
from robosystems.graph_api.backends.lbug.usage import DiskQuota
from robosystems.graph_api.backends.lbug.versions import ContentVersion
from robosystems.graph_api.backends.lbug.worker_process import WorkerProcess
from robosystems.graph_api.concurrency.background import BackgroundTasks
from robosystems.graph_api.domain.errors import GraphApiError, QueryNotFoundError, UnavailableError
from robosystems.graph_api.domain.graph import DatabaseStatus
from robosystems.graph_api.domain.query import AccessMode, EncodedResult, RunningQuery

if TYPE_CHECKING:
    from robosystems.graph_api.backends.lbug.connection import WorkerConnection
    from robosystems.graph_api.backends.lbug.wire import Ready

_LOG: Final = logging.getLogger(__name__)

_GONE_WAIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class DatabaseServices:
    """What all databases of a backend share."""

    config: LbugBackendConfig
    opener: WorkerOpener
    slots: OpenSlots
    background: BackgroundTasks
    observer: BackendObserver


class Database:
    """The owner of everything that one database has at run time. Belongs to the event loop.

    Calls go straight to the worker while it is open, else into a backlog that is sent in order once it is. There is one
    transition at a time, run by one task; only it changes the phase.

    Args:
        keeper: What is known of it.
        services: What it shares with the others.

    Attributes:
        graph_id: Its name.
        keeper: What is known of it.
        phase: What it is doing.
        ready: What the worker said when it opened last; None before.
        restarts: How often its process had died and was replaced.
        last_used: When the last call came, on the monotonic clock.
        quota: Of its directory.
        version: Of its content.
    """

    def __init__(self, keeper: RecordKeeper, services: DatabaseServices) -> None:
        self.graph_id = keeper.record.graph_id
        self.keeper = keeper
        self.phase = Phase.BROKEN if keeper.record.status is DatabaseStatus.BROKEN else Phase.CLOSED
        self.ready: Ready | None = None
        self.restarts = 0
        self.last_used = 0.0
        self.quota = DiskQuota(keeper)
        self.version = ContentVersion()
        self._services = services
        self._connection: WorkerConnection | None = None  # Set exactly while it is open: what the fast path looks at.
        self._worker: WorkerProcess | None = None
        self._backlog = Backlog()
        self._transition: asyncio.Task[None] | None = None
        self._holds_slot = False
        self._refusal: Callable[[], GraphApiError] | None = None
        self._opened_at = 0.0
        self._died_young = False

    # -- calls --------------------------------------------------------------------------------------------------------

    async def request(self, call: Call) -> EncodedResult:
        """Send a call, now or when the database is open, and return its answer. Cancelling this cancels the call.

        Raises:
            PoolExhaustedError: Too many calls are pending.
            GraphApiError: What the port says of `run`.
        """
        connection = self._connection
        if connection is None:
            self._wait_in_backlog(call)
        elif len(connection.pending) < self._pending_limit:
            connection.send(call, call.timeout_s)
        else:
            raise refusals.exhausted(self.graph_id, len(connection.pending), connection.answers_per_s)
        if call.mode is AccessMode.WRITE:  # Nothing else has run since it was sent.
            call.begin_change(self.version)
        self.last_used = call.started
        try:
            return await call.future
        except asyncio.CancelledError:
            self.cancel_call(call)  # Nobody waits for it any more.
            raise

    def calls(self) -> list[Call]:
        """Return what is pending, oldest first."""
        sent = list(self._worker.connection.pending.values()) if self._worker is not None else []
        return sorted([*sent, *self._backlog.waiting()], key=lambda call: call.started)

    def running(self) -> list[RunningQuery]:
        """Return what is pending and has a name, oldest first."""
        return [call.describe() for call in self.calls() if call.query_id and not call.overdue]

    def cancel(self, query_id: str) -> None:
        """Stop a query.

        Raises:
            QueryNotFoundError: It is not pending.
        """
        for call in self.calls():
            if call.query_id == query_id and not call.overdue:
                self.cancel_call(call)
                return
        raise QueryNotFoundError(f"Query {query_id!r} is not running on this database; it may have ended.")

    def cancel_call(self, call: Call) -> None:
        """Stop a call: its caller is answered that it was cancelled. No effect if it has ended."""
        if call in self._backlog:
            self._backlog.cancel(call)
        elif self._worker is not None and self._worker.connection.pending.get(call.request_id) is call:
            call.cancel()
            self._worker.connection.cancel(call.request_id)

    @property
    def _pending_limit(self) -> int:
        return self.keeper.record.limits.max_pending_queries or self._services.config.max_pending_queries

    def check_usable(self) -> None:
        """Raise why the database takes no calls, if it takes none."""
        if self._refusal is not None:
            raise self._refusal()
        if self.phase is Phase.BROKEN:
            raise refusals.broken(self.keeper.record)

    def _wait_in_backlog(self, call: Call) -> None:
        self.check_usable()
        if len(self._backlog) >= self._pending_limit:
            raise refusals.exhausted(self.graph_id, len(self._backlog), 0.0)
        self._backlog.add(call)
        if self.phase is Phase.CLOSED:
            self._begin(Phase.OPENING, self._open())

    # -- figures ------------------------------------------------------------------------------------------------------

    @property
    def process_id(self) -> int | None:
        """Of its worker; None when it has none, or a dead one."""
        worker = self._worker
        return worker.process_id if worker is not None and not worker.is_gone else None

    @property
    def pending(self) -> int:
        """How many calls run or wait."""
        return len(self._backlog) + (len(self._worker.connection.pending) if self._worker is not None else 0)

    @property
    def is_open(self) -> bool:
        """Whether a process holds it open."""
        return self.phase in {Phase.OPEN, Phase.CLOSING}

    @property
    def is_idle(self) -> bool:
        """Whether it is open and nothing is pending."""
        return self._connection is not None and not self._connection.pending

    def sweep(self, now: float) -> None:
        """Enforce deadlines that the worker did not; called every few hundredths of a second."""
        if len(self._backlog):
            self._backlog.expire(now)
        worker = self._worker
        if worker is not None and worker.connection.sweep(now, self._services.config.kill_grace_s):
            if worker.killed is None:
                _LOG.error("database %s did not stop a statement in time; its process is killed", self.graph_id)
            self._kill(worker, KillReason.STUCK)

    def measure(self, seconds: float) -> None:
        """Note how fast answers come; called about once a second."""
        if self._connection is not None:
            self._connection.measure(seconds)

    def limit_memory(self, resident: int) -> None:
        """End a process that has outgrown what one database may use."""
        worker, limit = self._worker, self._services.config.memory_bytes
        if worker is not None and 0 < limit < resident and worker.killed is None:
            _LOG.error(
                "database %s uses %d of %d bytes of memory; its process is killed", self.graph_id, resident, limit
            )
            self._kill(worker, KillReason.MEMORY)

    # -- transitions --------------------------------------------------------------------------------------------------

    def _begin(self, phase: Phase, work: Coroutine[None, None, None]) -> None:
        self.phase = phase
        self._transition = self._services.background.start(self._run(work), f"{phase.value} {self.graph_id}")

    async def _run(self, work: Coroutine[None, None, None]) -> None:
        """Run a transition; one that is cancelled or has a defect leaves the database closed, and nobody waiting."""
        try:
            await work
        except BaseException:
            if self._worker is not None:
                self._worker.kill(KillReason.PROTOCOL)
            self._ended()
            self._backlog.fail(UnavailableError("The database could not be opened.", retry_after=1.0))
            self._settle(Phase.CLOSED)
            raise

    def _settle(self, phase: Phase) -> None:
        """End a transition; begin the next one if calls came meanwhile."""
        self.phase = phase
        self._transition = None
        if phase is Phase.CLOSED and self._backlog.waiting():
            self._begin(Phase.OPENING, self._open())

    def _ended(self) -> None:
        """Forget the worker and give its place back."""
        self._worker = None
        if self._holds_slot:
            self._holds_slot = False
            self._services.slots.release()

    async def _open(self) -> None:
        began = time.monotonic()
        try:
            if not self._holds_slot:
                await self._services.slots.acquire()
                self._holds_slot = True
            worker, self.ready = await self._services.opener.open(self._open_order())
            await self._keep_loss(self.ready.possible_loss)
        except (DatabaseUnusable, GraphApiError) as error:
            self._ended()
            await self._opening_failed(error)
        else:
            self._opened_at = self.last_used = time.monotonic()
            self._services.observer.opened(self.graph_id, self._opened_at - began)
            self._be_open(worker)

    def _open_order(self) -> OpenOrder:
        def started(worker: WorkerProcess) -> None:
            self._worker = worker

        return OpenOrder(
            graph_id=self.graph_id,
            directory=self.keeper.directory,
            manifest=self.keeper.manifest,
            in_use=self.keeper.incoming,
            listener=self,
            started=started,
            is_wanted=lambda: self._refusal is None,
        )

    def _be_open(self, worker: WorkerProcess) -> None:
        self._backlog.send(worker.connection)
        self.phase, self._transition = Phase.OPEN, None
        if worker.connection.lost.is_set():  # Between its word that it is ready and now.
            self.worker_lost(worker)
        elif self._refusal is None:
            self._connection = worker.connection

    async def _keep_loss(self, sentences: tuple[str, ...]) -> None:
        """Add what the worker says about lost rows to the record."""
        if sentences and self.keeper.state is ManifestState.READY:
            self.version.renew()
            _LOG.error("database %s was recovered, rows may be lost: %s", self.graph_id, " ".join(sentences))
            await self.keeper.update(lambda record: replace(record, possible_loss=(*record.possible_loss, *sentences)))

    async def _opening_failed(self, error: DatabaseUnusable | GraphApiError) -> None:
        if isinstance(error, GraphApiError):
            self._backlog.fail(error)
            self._settle(Phase.CLOSED)
            return
        reason = str(error)
        _LOG.error("database %s is quarantined: %s", self.graph_id, reason)
        self._services.observer.quarantined(self.graph_id, reason)
        await self.keeper.quarantine(reason)
        self._backlog.fail(refusals.broken(self.keeper.record))
        self._settle(Phase.BROKEN)

    def begin_close(self, reason: CloseReason) -> None:
        """Begin to close the open database; calls that come meanwhile have it opened again."""
        self._connection = None
        self._begin(Phase.CLOSING, self._close(reason))

    async def _close(self, reason: CloseReason) -> None:
        worker = self._worker
        if worker is not None:
            worker.connection.order_close()
            if not await worker.ended(self._services.config.close_timeout_s):
                self._kill(worker, KillReason.CLOSE_TIMEOUT)
                await worker.ended(_GONE_WAIT_S)
            report_end(self._services.observer, self.graph_id, worker, reason)
        self._ended()
        self._settle(Phase.CLOSED)

    async def _recover(self, worker: WorkerProcess) -> None:
        """Open the database again once its dead worker is gone for certain."""
        if not await worker.ended(_GONE_WAIT_S):
            self._kill(worker, KillReason.PROTOCOL)
            await worker.ended(_GONE_WAIT_S)
        report_end(self._services.observer, self.graph_id, worker, None)
        self._worker = None
        self.restarts += 1
        # One that dies young twice is opened for the next call only: no endless loop that nobody asked for.
        young = time.monotonic() - self._opened_at < self._services.config.early_death_s
        eager = bool(self._backlog.waiting()) or not (young and self._died_young)
        self._died_young = young
        if self._refusal is None and eager:
            self.phase = Phase.OPENING
            await self._open()
        else:
            self._ended()
            self._settle(Phase.CLOSED)

    def _kill(self, worker: WorkerProcess, reason: KillReason) -> None:
        if worker.killed is None:
            worker.kill(reason)
            self._services.observer.killed(self.graph_id, reason)

    def worker_lost(self, worker: WorkerProcess) -> None:
        """Answer what was pending, and see to a new worker."""
        over_memory = worker.killed is KillReason.MEMORY or worker.ran_out_of_memory
        lost = refusals.out_of_memory if over_memory else refusals.crashed
        worker.connection.fail_pending(lambda call: lost(call.mode))
        if worker is self._worker and self.phase is Phase.OPEN:
            self._connection = None
            self.version.renew()
            self._begin(Phase.RECOVERING, self._recover(worker))

    def worker_degraded(self) -> None:
        """Report that a checkpoint failed after a durable commit."""
        _LOG.error("database %s: committed, but the checkpoint failed (disk full?)", self.graph_id)
        self._services.observer.degraded(self.graph_id)

    def worker_stopped_query(self, cause: StopCause) -> None:
        """Count it."""
        self._services.observer.stopped(self.graph_id, cause)

    # -- administration -----------------------------------------------------------------------------------------------

    async def lift_quarantine(self) -> None:
        """Let a broken database be opened again by the next call."""
        if self.phase is Phase.BROKEN:
            self.version.renew()
            await self.keeper.update(lambda record: replace(record, status=DatabaseStatus.ACTIVE, status_reason=None))
            self._settle(Phase.CLOSED)

    async def stop(self) -> None:
        """Refuse calls from now on, finish what runs, checkpoint and close."""
        self._refusal = refusals.shutting_down
        self._backlog.fail(refusals.shutting_down())
        await self._transition_ended()
        if self.phase is Phase.OPEN:
            self.begin_close(CloseReason.SHUTDOWN)
            await self._transition_ended()

    async def remove(self) -> None:
        """End everything at once: pending queries end as cancelled, the worker is killed. The files stay."""
        self._refusal = lambda: refusals.not_found(self.graph_id)
        self._backlog.fail(refusals.deleted())
        self._connection = None
        while self._worker is not None or self._transition is not None:
            worker = self._worker
            if worker is not None:
                worker.connection.fail_pending(lambda _: refusals.deleted())
                self._kill(worker, KillReason.DROPPED)
            if self._transition is not None:
                await asyncio.wait((self._transition,), timeout=0.05)
            else:
                self.begin_close(CloseReason.SHUTDOWN)

    async def _transition_ended(self) -> None:
        while self._transition is not None:
            await asyncio.wait((self._transition,))
