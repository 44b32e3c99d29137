"""One worker process as its supervisor sees it: a socket, a process id, and an end."""

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Final, Protocol

from robosystems.graph_api.backends.lbug.connection import WorkerConnection
from robosystems.graph_api.backends.lbug.observer import KillReason, StopCause
from robosystems.graph_api.backends.lbug.template_process import name_of_exit_code
from robosystems.graph_api.backends.lbug.wire import EXIT_SPOILED, Ready
from robosystems.graph_api.domain.errors import GraphApiError

if TYPE_CHECKING:
    from robosystems.graph_api.backends.lbug.memory_groups import MemoryGroup

_SOCKET_GRACE_S: Final = 0.5
"""A worker that has closed its socket gets so long to end by itself."""

_LAST_ANSWERS_S: Final = 0.1
"""So long after a worker's end its socket is still read: answers may lie in it. Then it is closed, whoever holds it."""

_STATUS_WAIT_S: Final = 2.0
"""How long the cause of an end is waited for, once the end itself is known; as a rule the template tells it at once."""


class WorkerListener(Protocol):
    """What the owner of a worker is told; called on the event loop."""

    def worker_lost(self, worker: "WorkerProcess") -> None:
        """The socket is closed: no more answers. What is pending has to be failed by the listener."""

    def worker_degraded(self) -> None:
        """A commit was durable, but the checkpoint after it failed."""

    def worker_stopped_query(self, cause: StopCause) -> None:
        """A query was stopped before its end, or before it began."""


class WorkerProcess:
    """One worker, from the order to fork it to its end.

    Args:
        worker_id: Number by which the template names it.
        listener: Who is told of its end.
        credit: Bytes of one stream that may be on their way.

    Attributes:
        connection: Its socket.
        opening: Becomes what the worker says about opening: `Ready`, the error, or None if it ended without a word.
        forked: Becomes the process id, or None if it will never be forked.
        killed: Why it was killed on purpose; None if it was not.
        process_id: Once it is forked.
        group: Its control group, if it has one.
        ran_out_of_memory: Whether the kernel killed it because its control group had no memory left.
    """

    def __init__(self, worker_id: int, listener: WorkerListener, credit: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.worker_id = worker_id
        self.connection = WorkerConnection(self, credit)
        self.opening: asyncio.Future[Ready | GraphApiError | None] = self._loop.create_future()
        self.forked: asyncio.Future[int | None] = self._loop.create_future()
        self.killed: KillReason | None = None
        self.process_id: int | None = None
        self.group: MemoryGroup | None = None
        self.ran_out_of_memory = False
        self._listener = listener
        self._pidfd = -1
        self._gone: asyncio.Future[None] = self._loop.create_future()
        self._status: asyncio.Future[int] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    # -- what the supervisor reports ----------------------------------------------------------------------------------

    def has_forked(self, process_id: int) -> None:
        """It runs as this process."""
        self.process_id = process_id
        try:
            self._pidfd = os.pidfd_open(process_id)
        except ProcessLookupError:  # Ended and waited for already; the template will say how.
            self._set_gone()
        else:
            self._loop.add_reader(self._pidfd, self._on_end)
            if self.killed is not None:
                self._send_kill()
        if not self.forked.done():
            self.forked.set_result(process_id)

    def has_exited(self, wait_status: int) -> None:
        """It ended and somebody has waited for it."""
        if not self._status.done():
            self._status.set_result(os.waitstatus_to_exitcode(wait_status))
        self._set_gone()
        self._close_pidfd()

    def template_died(self) -> None:
        """Nobody else will fork it or wait for it: it is this process's child now, or it never was."""
        if self.process_id is None:
            if not self.forked.done():
                self.forked.set_result(None)
            self._set_gone()
        elif self._gone.done() and not self._status.done():
            self._reap()

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is to be expected of it: it has ended, and nobody need wait for it."""
        return self._gone.done() and (self._status.done() or self.process_id is None)

    @property
    def is_gone(self) -> bool:
        """Whether its process has ended."""
        return self._gone.done()

    # -- what the owner asks ------------------------------------------------------------------------------------------

    def kill(self, reason: KillReason) -> None:
        """End the process at once. No effect if it has ended."""
        if self.killed is None and not self._gone.done():
            self.killed = reason
            self._send_kill()

    async def ended(self, timeout_s: float) -> bool:
        """Wait until the process has ended and its socket is closed; return whether that is so.

        The cause is known then, as a rule.
        """
        await asyncio.wait((self._gone,), timeout=timeout_s)
        if not self._gone.done():
            return False
        if self.process_id is not None:
            await asyncio.wait((self._status,), timeout=_STATUS_WAIT_S)
        await self.connection.lost.wait()
        return True

    @property
    def cause(self) -> str:
        """How it ended: `SIGSEGV`, `exit 1`, or `unknown`."""
        return name_of_exit_code(self._status.result() if self._status.done() else None)

    @property
    def ended_spoiled(self) -> bool:
        """Whether it closed its database in order, because only a new process may write on."""
        return self._status.done() and self._status.result() == EXIT_SPOILED

    # -- what the connection reports ----------------------------------------------------------------------------------

    def worker_ready(self, ready: Ready) -> None:
        """The database is open."""
        if not self.opening.done():
            self.opening.set_result(ready)

    def worker_failed(self, error: GraphApiError) -> None:
        """The database could not be opened."""
        if not self.opening.done():
            self.opening.set_result(error)

    def worker_degraded(self) -> None:
        """Pass it on."""
        self._listener.worker_degraded()

    def worker_stopped_query(self, cause: StopCause) -> None:
        """Pass it on."""
        self._listener.worker_stopped_query(cause)

    def connection_lost(self, *, broken_protocol: bool) -> None:
        """The socket is closed: tell the owner, and see to it that the process ends."""
        if not self.opening.done():
            self.opening.set_result(None)
        self.ran_out_of_memory = self.group is not None and self.group.has_run_out()
        if broken_protocol:
            self.kill(KillReason.PROTOCOL)
        elif not self._gone.done():
            self._timer = self._loop.call_later(_SOCKET_GRACE_S, self.kill, KillReason.PROTOCOL)
        self._listener.worker_lost(self)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _send_kill(self) -> None:
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        elif self.process_id is None:  # Not forked yet: a worker that finds its socket closed ends at once.
            self.connection.abort()

    def _on_end(self) -> None:
        """The descriptor of the process says that it has ended."""
        self._loop.remove_reader(self._pidfd)
        self._reap()
        self._set_gone()

    def _reap(self) -> None:
        """Wait for the process if it is a child of this one; otherwise the template does, and tells."""
        if self._pidfd < 0:
            return
        try:
            result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOHANG)
        except ChildProcessError:
            return
        if result is not None:
            is_signal = result.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            if not self._status.done():
                self._status.set_result(-result.si_status if is_signal else result.si_status)
            self._close_pidfd()

    def _set_gone(self) -> None:
        if self._gone.done():
            return
        self._gone.set_result(None)
        if self.group is not None:
            self.ran_out_of_memory |= self.group.has_run_out()
            self.group.remove()
        if self._timer is not None:
            self._timer.cancel()
        self._loop.call_later(_LAST_ANSWERS_S, self.connection.abort)

    def _close_pidfd(self) -> None:
        descriptor, self._pidfd = self._pidfd, -1
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
