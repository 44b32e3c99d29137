"""The lane of exports: one at a time, on a thread and a connection of its own, while reads and writes go on beside it.

A change of the schema ends an export: the engine crashes if a table is altered under a running read, and changes must
not wait for a slow client either. So the export passes the gate with each statement, and gives up when it finds that
the schema is another one.
"""

import os
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from robosystems.graph_api.backends.lbug.engine import Engine, EngineResult
from robosystems.graph_api.backends.lbug.wire import ExportOrder
from robosystems.graph_api.concurrency.linux import malloc_trim, set_nice_of_thread
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import DatabaseBusyError, QueryMemoryExceededError
from robosystems.graph_api.worker.answers import Replies
from robosystems.graph_api.worker.channel import PeerGoneError
from robosystems.graph_api.worker.desk import Desk
from robosystems.graph_api.worker.executor import BEGIN_READ_ONLY, COMMIT, Executor
from robosystems.graph_api.worker.requests import Request
from robosystems.graph_api.worker.results import Figures, Piece
from robosystems.graph_api.worker.schema_gate import SchemaGate

if TYPE_CHECKING:
    from robosystems.graph_api.worker.archive.export import GraphExport

_FREE_WAIT_S: Final = 1.0
_RETRY_S: Final = 5.0

_ORPHANED: Final = 3
"""Exit status of a worker whose API process is gone, as in `lanes`."""


class ExportLane:
    """Runs exports.

    Args:
        engine: The open database.
        desk: Where answers go.
        gate: Keeps changes of the schema away from statements.
        nice: Nice value of the thread.
    """

    def __init__(self, engine: Engine, desk: Desk, gate: SchemaGate, nice: int) -> None:
        self._engine = engine
        self._desk = desk
        self._gate = gate
        self._nice = nice
        self._free = threading.Semaphore(1)

    def start(self, request: Request) -> None:
        """Run an export on a thread of its own; how many there can be is the API process's affair."""
        if request.claim():
            threading.Thread(target=self._serve, args=(request,), name="export", daemon=True).start()

    def _serve(self, request: Request) -> None:
        """Body of the thread."""
        with suppress(OSError):
            set_nice_of_thread(threading.get_native_id(), self._nice)
        replies = self._desk.replies()
        try:
            self._desk.answer(request, replies, self._export_alone, replies)
            replies.flush()
        except PeerGoneError:
            os._exit(_ORPHANED)

    def _export_alone(self, request: Request, replies: Replies) -> None:
        """Answer an export if no other one runs; one that has just sent its last byte is waited for."""
        if not self._free.acquire(timeout=_FREE_WAIT_S):
            raise DatabaseBusyError(
                "The database is being exported already; wait until that has ended.", retry_after=_RETRY_S
            )
        try:
            self._export(request, replies)
        finally:
            self._free.release()

    def _export(self, request: Request, replies: Replies) -> None:
        """Answer an export; raises what is answered instead."""
        # Heavy, and often not needed.
        from robosystems.graph_api.worker.archive.export import GraphExport  # noqa: PLC0415

        order = request.order
        assert isinstance(order, ExportOrder)  # noqa: S101 (others are not sent here)
        with self._reader() as executor:
            reading = _Reading(executor, self._gate, request)
            export = GraphExport(reading.run, reading, order)
            figures = Figures(0.0)
            replies.rows(request, _counted(export, figures), figures)
        malloc_trim()

    @contextmanager
    def _reader(self) -> Generator[Executor]:
        executor = Executor(self._engine, 1)
        self._gate.add_reader(executor)
        try:
            yield executor
        finally:
            self._gate.remove_reader(executor)
            executor.close()


def _counted(export: "GraphExport", figures: Figures) -> Iterator[Piece]:
    try:
        yield from export.pieces()
    except MemoryError as error:
        raise QueryMemoryExceededError("The export needed more memory than the database may use.") from error
    figures.rows = export.rows


class _Reading:
    """The transaction of an export and the statements in it."""

    def __init__(self, executor: Executor, gate: SchemaGate, request: Request) -> None:
        self._executor = executor
        self._gate = gate
        self._request = request
        self._epoch: int | None = None

    def begin(self) -> None:
        """Begin the transaction, with the schema of this moment."""
        with self._inside():
            self._epoch = self._executor.epoch
            self._executor.control(BEGIN_READ_ONLY)

    def end(self) -> None:
        """End the transaction."""
        with self._inside():
            self._executor.control(COMMIT)

    def run(self, text: CypherText) -> EngineResult:
        """Run a statement.

        Raises:
            DatabaseBusyError: The schema was changed since the beginning.
            GraphApiError: The engine's error, or the request's own if it has to stop.
        """
        with self._inside(), self._executor.interruptible(self._request):
            return self._executor.connection.run_plain(str(text))

    @contextmanager
    def _inside(self) -> Generator[None]:
        self._gate.enter(self._executor, self._request)
        try:
            if self._epoch is not None and self._executor.epoch != self._epoch:
                raise DatabaseBusyError(
                    "The schema was changed while the database was being exported: the export is incomplete. "
                    "Export again.",
                    retry_after=1.0,
                )
            yield
        finally:
            self._executor.inside = False
