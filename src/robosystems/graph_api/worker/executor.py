"""One connection on which statements can be stopped."""

import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Final

from robosystems.graph_api.backends.lbug.engine import Engine, EngineResult, Parameters, StatementInterrupted
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.worker.requests import Request

BEGIN: Final = "BEGIN TRANSACTION"
BEGIN_READ_ONLY: Final = "BEGIN TRANSACTION READ ONLY"
COMMIT: Final = "COMMIT"
ROLLBACK: Final = "ROLLBACK"


class Executor:
    """Runs statements of requests, one at a time, and stops them.

    An interrupt reaches the engine only while the statement of that very request runs: a late one must not hit the
    next.

    Attributes:
        connection: The engine's connection.
        interrupts: Statements that ended by an interrupt.
        inside: Whether a read of this connection is in the engine; see `SchemaGate`.
        epoch: Changes of the schema that its plans know of; see `SchemaGate`.
    """

    def __init__(self, engine: Engine, threads: int) -> None:
        self.connection = engine.connect(threads)
        self.interrupts = 0
        self.inside = False
        self.epoch = 0
        self._threads = threads
        self._guard = threading.Lock()
        self._running: Request | None = None

    def run(self, request: Request, text: str, parameters: Parameters, *, keep: bool) -> EngineResult:
        """Run one statement for a request; as `EngineConnection.run`.

        Raises:
            GraphApiError: The engine's error, or the request's own if it has to stop.
        """
        # Spelled out instead of `interruptible`, which costs a microsecond: this is the hot path.
        request.executor = self
        self._running = request
        try:
            request.check()
            return self.connection.run(text, parameters, keep=keep)
        except StatementInterrupted:
            self.interrupts += 1
            raise request.error() from None
        finally:
            with self._guard:
                self._running = None

    @contextmanager
    def interruptible(self, request: Request) -> Generator[None]:
        """Let `interrupt` reach the engine while the block runs statements for a request; raises as `run`."""
        request.executor = self
        self._running = request
        try:
            # Whoever stops a request notes the cause first and interrupts then, so one of the two is seen.
            request.check()
            yield
        except StatementInterrupted:
            self.interrupts += 1
            raise request.error() from None
        finally:
            with self._guard:
                self._running = None

    def interrupt(self, request: Request) -> None:
        """Stop the statement of a request if it runs here. Lost while it is being compiled, so repeat it."""
        with self._guard:
            if self._running is request:
                self.connection.interrupt()

    def control(self, text: str) -> None:
        """Run `BEGIN ...`, `COMMIT` or the like; cannot be interrupted."""
        self.connection.run(text).close()

    def roll_back(self) -> None:
        """Roll back if a transaction is open; the engine has often done so by itself."""
        with suppress(GraphApiError):
            self.control(ROLLBACK)

    def use_threads(self, threads: int) -> None:
        """Use so many engine threads from the next statement on."""
        if threads != self._threads:
            self.connection.set_threads(threads)
            self._threads = threads

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()
