"""A database worker, from the fork to its exit."""

import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from time import monotonic, perf_counter
from types import FrameType
from typing import Final, NoReturn

import msgspec

from robosystems.graph_api.backends.lbug.engine import EngineConfig
from robosystems.graph_api.backends.lbug.log_note import LogNote
from robosystems.graph_api.backends.lbug.storage_layout import storage_error
from robosystems.graph_api.backends.lbug.wire import EXIT_SPOILED, Failure, Kind, Ready, WorkerConfig, frame
from robosystems.graph_api.concurrency.linux import OwnMemory, set_data_limit, set_process_name
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.worker.channel import Channel, PeerGoneError
from robosystems.graph_api.worker.desk import Desk
from robosystems.graph_api.worker.executor import Executor
from robosystems.graph_api.worker.lanes import ORPHANED, SLOW_NICE, LanePool
from robosystems.graph_api.worker.monitor import Monitor
from robosystems.graph_api.worker.opening import DATABASE_FILE, Opened, lock_directory, open_database
from robosystems.graph_api.worker.reads import ReadSettings
from robosystems.graph_api.worker.requests import Cause
from robosystems.graph_api.worker.sandbox import SandboxMode, SandboxPolicy, apply
from robosystems.graph_api.worker.schema_gate import SchemaGate
from robosystems.graph_api.worker.statements import StatementBook
from robosystems.graph_api.worker.writer import WriterLane
from robosystems.graph_api.worker.writes import Writes, WriteSettings

NOT_OPENED: Final = 1
"""Exit status of a worker that could not open its database."""

NOT_CLOSED: Final = 2
"""Exit status of a worker that was told to close, and could not do so cleanly; the log recovers the rest."""

DRAIN_S: Final = 10.0
"""At CLOSE, so long running statements may go on; then they are stopped."""

_STOP_S: Final = 2.0
_SWITCH_S: Final = 0.001
"""A lane that makes rows gives the interpreter lock to the others after so long."""

_DRAIN_TICK_S: Final = 0.005
_NICEST: Final = 19
_STACK_BYTES: Final = 8 << 20
_SMALLEST_ALLOWANCE: Final = 64 << 20


def run_worker(config: WorkerConfig, sock: socket.socket) -> NoReturn:
    """Serve one database on a connected socket until told to close; never returns.

    Call it in a freshly forked process with a single thread, which holds nothing else.
    """
    set_process_name(f"graph:{config.graph_id}")
    sys.setswitchinterval(_SWITCH_S)
    # What each thread did when the engine crashed, or does now, is all that the log will ever know.
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    os.setpriority(os.PRIO_PROCESS, 0, config.nice)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel(sock)
    try:
        worker = _open(config, channel)
    except GraphApiError as error:
        _fail(channel, error)
    except OSError as error:
        _fail(channel, storage_error(error))
    try:
        status = worker.serve()
    except PeerGoneError:
        status = ORPHANED
    os._exit(status)


def _fail(channel: Channel, error: GraphApiError) -> NoReturn:
    with suppress(PeerGoneError):
        channel.send(frame(Kind.FAILED, 0, msgspec.msgpack.encode(Failure.from_error(error), enc_hook=str)))
    os._exit(NOT_OPENED)


def _open(config: WorkerConfig, channel: Channel) -> "Worker":
    """Lock, confine, open, and announce it."""
    started = perf_counter()
    directory = Path(config.directory)
    lock_directory(directory)  # The descriptor stays open as long as the process: that is the lock.
    with OwnMemory() as memory:
        report = apply(SandboxPolicy(directory), SandboxMode(config.sandbox))
        opened = open_database(
            EngineConfig(
                path=directory / DATABASE_FILE,
                buffer_pool_bytes=config.buffer_pool_bytes,
                max_db_bytes=config.max_db_bytes,
                # Threads for all lanes at once: a pool that slow statements fill makes the fastest one wait for them.
                threads=(config.reader_lanes + 1) * config.engine_threads,
                statement_cache=config.statement_cache,
            ),
            min(_NICEST, config.nice + SLOW_NICE),
        )
        LogNote(directory).renew()
        worker = Worker(opened, config, channel)
        if config.memory_bytes:
            allowance = max(_SMALLEST_ALLOWANCE, config.memory_bytes - config.buffer_pool_bytes)
            stacks = (config.reader_lanes + 2) * _STACK_BYTES
            set_data_limit(memory.data_bytes() + allowance + stacks)
    ready = Ready(
        engine_version=opened.engine.version,
        storage_version=opened.engine.storage_version,
        open_ms=(perf_counter() - started) * 1000.0,
        sandbox=report.to_document(),
        possible_loss=opened.possible_loss,
    )
    channel.send(frame(Kind.READY, 0, msgspec.msgpack.encode(ready, enc_hook=str)))
    return worker


class Worker:
    """An open database and everything that serves it."""

    def __init__(self, opened: Opened, config: WorkerConfig, channel: Channel) -> None:
        self._engine = opened.engine
        self._desk = Desk(channel, config.frame_bytes)
        book, gate = StatementBook(2 * config.statement_cache), SchemaGate()
        writes = Writes(
            Executor(self._engine, 1),
            self._desk,
            self._desk.replies(),
            WriteSettings(book, gate, Path(config.directory), config.engine_threads),
        )
        self._writer = WriterLane(writes)
        reads = ReadSettings(book, gate, config.engine_threads)
        self._pool = LanePool(self._engine, self._desk, self._writer, reads, config, self._order_end)
        self._monitor = Monitor(self._desk, self._pool, config.slow_after_s)
        self._replies = self._desk.replies()

    def serve(self) -> int:
        """Serve until CLOSE or SIGTERM, close, and return the exit status.

        Raises:
            PeerGoneError: The API process is gone.
        """
        signal.signal(signal.SIGTERM, self._on_signal)
        threading.Thread(target=self._write, name="writer", daemon=True).start()
        self._pool.start()
        self._monitor.watch()
        return self._close()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._order_end()

    def _order_end(self) -> None:
        self._pool.closing = True
        self._monitor.end()

    def _write(self) -> None:
        """Body of the writer's thread: the process ends with it."""
        try:
            self._writer.serve()
        except PeerGoneError:
            os._exit(ORPHANED)
        os._exit(NOT_CLOSED)

    def _close(self) -> int:
        """Let running statements end, then stop them; checkpoint and close if all have ended."""
        if not self._drain(DRAIN_S):
            self._desk.stop_all(Cause.CLOSING, self._replies)
            self._replies.flush()
            if not self._drain(_STOP_S):
                return NOT_CLOSED
        try:
            self._writer.writes.executor.connection.run_plain("CHECKPOINT").close()
            for executor in (self._writer.writes.executor, *(lane.executor for lane in self._pool.lanes)):
                if executor is not None:
                    executor.close()
            self._engine.close()
            self._writer.writes.note.remove()
        except (GraphApiError, OSError):
            return NOT_CLOSED
        return EXIT_SPOILED if self._writer.writes.spoiled else 0

    def _drain(self, seconds: float) -> bool:
        """Watch on until nothing is pending; return whether that was reached in time."""
        give_up = monotonic() + seconds
        while self._desk.pending:
            if self._monitor.tick() > give_up:
                return False
            time.sleep(_DRAIN_TICK_S)
        return True
