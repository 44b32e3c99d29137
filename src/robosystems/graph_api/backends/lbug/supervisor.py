"""Starts workers and sees all processes to their end; restarts the template when it dies."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from dataclasses import dataclass
from typing import Final

from robosystems.graph_api.backends.lbug.memory_groups import MemoryGroups
from robosystems.graph_api.backends.lbug.observer import BackendObserver, KillReason
from robosystems.graph_api.backends.lbug.template_process import TemplateProcess
from robosystems.graph_api.backends.lbug.wire import Exited, Forked, Ready, WorkerConfig
from robosystems.graph_api.backends.lbug.worker_process import WorkerListener, WorkerProcess
from robosystems.graph_api.concurrency.linux import is_child_subreaper, set_child_subreaper
from robosystems.graph_api.domain.errors import GraphApiError, ShuttingDownError, UnavailableError, WorkerCrashedError

_LOG: Final = logging.getLogger(__name__)

_TEMPLATE_WAIT_S: Final = 5.0
"""For a template to be there that can be given an order."""

_KILLED_WAIT_S: Final = 10.0
"""For a killed process to be gone; only a process in an uninterruptible system call takes so long."""

_FORK_REFUSED_WAIT_S: Final = 0.5
"""A worker's socket was closed before anybody said that it was forked: how long that may still be said."""

_HEALTHY_S: Final = 1.0
"""A template that lived so long is restarted at once; one that did not, after a pause."""

_LONGEST_PAUSE_S: Final = 5.0


class TemplateLost(Exception):  # noqa: N818 (an event that the caller answers by trying again, never an answer to anybody)
    """The template died with the order: the worker was never forked, which says nothing about the database."""


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """What the supervisor has to know.

    Attributes:
        open_timeout_s: For a worker to open its database.
        stream_credit_bytes: Bytes of one stream that may be on their way.
        memory_bytes: Memory that the control group of a worker may have; 0 for no limit.
    """

    open_timeout_s: float
    stream_credit_bytes: int
    memory_bytes: int = 0


class WorkerSupervisor:
    """All processes of one backend. Belongs to the event loop on which it is started.

    Workers are children of the template. If it dies, they live on as children of this process, which is why it makes
    itself a subreaper; a new template serves the orders that follow.

    Args:
        options: Times and sizes.
        observer: Told of restarts of the template.
    """

    def __init__(self, options: SupervisorOptions, observer: BackendObserver) -> None:
        self._options = options
        self._observer = observer
        self._template: TemplateProcess | None = None
        self._template_changed: asyncio.Event = asyncio.Event()
        self._restart_pause_s = 0.1
        self._restart: asyncio.TimerHandle | None = None
        self._workers: dict[int, WorkerProcess] = {}
        self._orphaned_groups: set[int] = set()
        self._groups = MemoryGroups(None, "not started")
        self._last_id = 0
        self._closing = False
        self._is_subreaper = False

    def start(self, groups: MemoryGroups) -> None:
        """Start the template. Call it on the loop's thread.

        Args:
            groups: Makes the workers' control groups.

        Raises:
            UnavailableError: It cannot be started.
        """
        self._groups = groups
        self._is_subreaper = not is_child_subreaper()
        if self._is_subreaper:
            set_child_subreaper()
        try:
            self._template = TemplateProcess(self)
        except OSError as error:
            raise UnavailableError(f"The process for database workers cannot be started: {error}.") from error

    @property
    def is_able(self) -> bool:
        """Whether workers can be started now."""
        return self._template is not None and self._template.alive and not self._closing

    @property
    def template_process_id(self) -> int | None:
        """Process id of the template; None while there is none."""
        return self._template.process_id if self._template is not None and self._template.alive else None

    # -- workers ------------------------------------------------------------------------------------------------------

    async def launch(self, config: WorkerConfig, listener: WorkerListener) -> WorkerProcess:
        """Order a worker and return it before it runs; `opened` waits for it.

        Raises:
            TemplateLost: Try again.
            UnavailableError: No template can be started.
        """
        template = await self._usable_template()
        self._last_id += 1
        worker = WorkerProcess(self._last_id, listener, self._options.stream_credit_bytes)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            ours.setblocking(False)  # noqa: FBT003 (the standard library's own form)
            await asyncio.get_running_loop().create_unix_connection(lambda: worker.connection, sock=ours)
            self._workers[worker.worker_id] = worker
            try:
                await self._order(template, worker, config, theirs.fileno())
            except BaseException:
                del self._workers[worker.worker_id]
                worker.connection.abort()
                raise
        return worker

    async def opened(self, worker: WorkerProcess) -> Ready:
        """Wait until a launched worker has opened its database. On any error its process is gone.

        Raises:
            TemplateLost: It was never forked; try again.
            WorkerCrashedError: It died, or took too long.
            GraphApiError: What the worker says about why it cannot open the database.
        """
        try:
            await self._forked(worker)
            await asyncio.wait((worker.opening,), timeout=self._options.open_timeout_s)
            if not worker.opening.done():
                worker.kill(KillReason.OPEN_TIMEOUT)
            outcome = await worker.opening
            if isinstance(outcome, Ready):
                return outcome
            await worker.ended(_KILLED_WAIT_S)
            raise outcome or self._death_while_opening(worker)  # noqa: TRY301 (the handler sees to the process)
        except BaseException:
            worker.kill(KillReason.DROPPED)
            await worker.ended(_KILLED_WAIT_S)
            raise

    async def _forked(self, worker: WorkerProcess) -> None:
        """Wait until the worker runs."""
        await asyncio.wait(
            (worker.forked, worker.opening), timeout=self._patience_s, return_when=asyncio.FIRST_COMPLETED
        )
        if not worker.forked.done():
            if worker.opening.done():
                await asyncio.wait((worker.forked,), timeout=_FORK_REFUSED_WAIT_S)
            elif self._template is not None:
                _LOG.error("the template has not forked a worker in time; it is replaced")
                self._template.kill()
                await asyncio.wait((worker.forked,), timeout=_KILLED_WAIT_S)
        if not worker.forked.done():
            worker.template_died()  # Refused: no process belongs to the order.
            raise UnavailableError("The system refused to start another process.", retry_after=2.0)
        if worker.process_id is None:
            worker.connection.abort()
            raise TemplateLost

    @property
    def _patience_s(self) -> float:
        """How long an order may take before the template is taken for stuck."""
        return self._template.patience_s if self._template is not None else _TEMPLATE_WAIT_S

    def _death_while_opening(self, worker: WorkerProcess) -> GraphApiError:
        if worker.killed is KillReason.OPEN_TIMEOUT:
            return WorkerCrashedError(f"The database did not open within {self._options.open_timeout_s:g} s.")
        return WorkerCrashedError(f"The database's process died while opening it ({worker.cause}).", cause=worker.cause)

    async def _order(self, template: TemplateProcess, worker: WorkerProcess, config: WorkerConfig, end: int) -> None:
        deadline = asyncio.get_running_loop().time() + template.patience_s
        while True:
            try:
                template.order(worker.worker_id, config, end)
                return
            except BlockingIOError:
                if asyncio.get_running_loop().time() > deadline:
                    template.kill()
                    raise TemplateLost from None
                await asyncio.sleep(0.005)
            except OSError:
                raise TemplateLost from None

    async def _usable_template(self) -> TemplateProcess:
        deadline = asyncio.get_running_loop().time() + _TEMPLATE_WAIT_S
        while self._template is None or not self._template.alive:
            if self._closing:
                raise ShuttingDownError("The node is shutting down.")
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                raise UnavailableError("No database worker can be started on this node.", retry_after=_LONGEST_PAUSE_S)
            self._template_changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._template_changed.wait(), left)
        return self._template

    # -- what the template reports ------------------------------------------------------------------------------------

    def worker_forked(self, message: Forked) -> None:
        """Note the process of a worker."""
        worker = self._workers.get(message.worker_id)
        if worker is not None:
            worker.group = self._groups.confine(message.process_id, self._options.memory_bytes)
            worker.has_forked(message.process_id)

    def worker_exited(self, message: Exited) -> None:
        """Note the end of a worker."""
        worker = self._workers.pop(message.worker_id, None)
        if worker is not None:
            worker.has_exited(message.status)

    def template_died(self, template: TemplateProcess) -> None:
        """Take over its workers and replace it."""
        self._orphaned_groups.add(template.process_id)
        self._template = None
        for worker in list(self._workers.values()):
            worker.template_died()
        self.reap()
        if self._closing:
            self._template_changed.set()
            return
        loop = asyncio.get_running_loop()
        _LOG.warning("the template process died (%s); it is replaced", template.cause)
        if loop.time() - template.started >= _HEALTHY_S:
            self._restart_pause_s = 0.1
            self._restart_template(template.cause)
        else:
            self._restart = loop.call_later(self._restart_pause_s, self._restart_template, template.cause)
            self._restart_pause_s = min(2 * self._restart_pause_s, _LONGEST_PAUSE_S)

    def _restart_template(self, cause: str) -> None:
        self._restart = None
        if self._closing:
            return
        try:
            self._template = TemplateProcess(self)
        except OSError:
            _LOG.exception("the template process cannot be started")
            self._restart = asyncio.get_running_loop().call_later(_LONGEST_PAUSE_S, self._restart_template, cause)
            return
        self._template_changed.set()
        self._observer.template_restarted(cause)

    # -- the end of processes -----------------------------------------------------------------------------------------

    def reap(self) -> None:
        """Wait for what dead templates have left behind and that has ended since. Call it from time to time."""
        for group in list(self._orphaned_groups):
            self._reap_group(group)
        for worker_id in [number for number, worker in self._workers.items() if worker.is_settled]:
            del self._workers[worker_id]

    def _reap_group(self, group: int) -> None:
        while True:
            try:
                process_id, status = os.waitpid(-group, os.WNOHANG)
            except ChildProcessError:
                self._orphaned_groups.discard(group)
                return
            if process_id == 0:
                return
            for worker in self._workers.values():
                if worker.process_id == process_id:
                    worker.has_exited(status)

    async def aclose(self) -> None:
        """End every process, by force where one does not end by itself, and wait for all of them. Idempotent."""
        self._closing = True
        if self._restart is not None:
            self._restart.cancel()
        for worker in list(self._workers.values()):
            worker.kill(KillReason.CLOSE_TIMEOUT)
        for worker in list(self._workers.values()):
            await worker.ended(_KILLED_WAIT_S)
        await self._end_template()
        deadline = asyncio.get_running_loop().time() + _KILLED_WAIT_S
        self.reap()
        while self._orphaned_groups and asyncio.get_running_loop().time() < deadline:
            for group in self._orphaned_groups:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)
            await asyncio.sleep(0.01)
            self.reap()
        if self._is_subreaper:  # Orphans of whoever uses this process otherwise are not its business.
            set_child_subreaper(enabled=False)
            self._is_subreaper = False

    async def _end_template(self) -> None:
        template = self._template
        if template is None:
            return
        template.request_exit()
        for patience in (2.0, _KILLED_WAIT_S):
            self._template_changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._template_changed.wait(), patience)
            if not template.alive:
                return
            template.kill()
