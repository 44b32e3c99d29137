"""Keeping reads and changes of the schema apart.

The engine crashes when a plan is run that was made before a change of the schema, or while a table is altered under a
running read. So a change waits until no read is in the engine, keeps new ones out while it runs, and lets every
connection forget its plans afterwards. A long read must not lock out all others meanwhile: the gate is closed for
moments only, until one of them finds the engine empty.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Final

from robosystems.graph_api.worker.executor import Executor
from robosystems.graph_api.worker.requests import Cause, Request

_CLOSED_S: Final = 0.25
_OPEN_S: Final = 0.1
_LOOK_S: Final = 0.001
_STOP_CHECK_S: Final = 0.02


class SchemaGate:
    """Reads pass through it one by one per connection; the writer closes it for a change of the schema."""

    def __init__(self) -> None:
        self._closed = False
        self._opened = threading.Condition()
        self._epoch = 0
        self._readers: list[Executor] = []

    def add_reader(self, executor: Executor) -> None:
        """Let a connection pass from now on."""
        with self._opened:
            executor.epoch = self._epoch
            self._readers = [*self._readers, executor]

    def remove_reader(self, executor: Executor) -> None:
        """Forget a connection that is not used any more."""
        with self._opened:  # A new list: the writer may be looking through the old one.
            self._readers = [reader for reader in self._readers if reader is not executor]

    def enter(self, executor: Executor, request: Request) -> None:
        """Wait until reads may run; `leave` has to follow.

        Raises:
            GraphApiError: The request has to stop.
        """
        # First say so, then look: the writer closes first and looks for readers then, so one sees the other.
        executor.inside = True
        while self._closed:
            executor.inside = False
            with self._opened:
                request.check()
                if self._closed:
                    self._opened.wait(_STOP_CHECK_S)
            executor.inside = True
        if executor.epoch != self._epoch:
            executor.connection.forget_statements()
            executor.epoch = self._epoch

    @contextmanager
    def closed(self, request: Request) -> Generator[None]:
        """Keep all reads out for the block, which changes the schema.

        Raises:
            QueryTimeoutError: Reads ran on until the deadline of the request.
            GraphApiError: It has to stop for another reason.
        """
        while not self._close():
            self._open()
            if monotonic() >= request.deadline:
                request.stop(Cause.DEADLINE)
            request.check()
            sleep(_OPEN_S)
        try:
            yield
        finally:
            self._epoch += 1
            self._open()

    def _close(self) -> bool:
        """Close, and return whether the readers inside have left in time."""
        self._closed = True
        give_up = monotonic() + _CLOSED_S
        while any(reader.inside for reader in self._readers):
            if monotonic() >= give_up:
                return False
            sleep(_LOOK_S)
        return True

    def _open(self) -> None:
        with self._opened:
            self._closed = False
            self._opened.notify_all()
