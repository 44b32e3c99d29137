"""What an operator can set about the LadybugDB backend, as one frozen value."""

from dataclasses import dataclass
from pathlib import Path

from robosystems.graph_api.backends.lbug.storage_layout import DatabaseDirectory
from robosystems.graph_api.backends.lbug.wire import WorkerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class LbugBackendConfig:
    """Settings of the backend; sizes in bytes, times in seconds.

    Attributes:
        base_path: Directory of all databases; made if missing. One server at a time uses it.
        max_databases: Databases that may exist.
        max_open: Databases that may be open at once; the least recently used idle one makes room.
        idle_close_s: A database without queries for so long is closed; 0 keeps it open.
        max_pending_queries: Queries that may run or wait on one database, unless its limits say otherwise.
        open_timeout_s: For one attempt to open a database, recovery included.
        lock_wait_s: How long a database that another process holds is waited for (a server that is just ending).
        slot_wait_s: How long a database waits for another to make room.
        close_timeout_s: For checkpoint and close; then the worker is killed (nothing is lost, the next open is slower).
        drain_timeout_s: How long running queries may go on when the backend is left.
        early_death_s: A database whose process dies twice in a row within so long of its opening is not opened again
            before somebody asks for it.
        kill_grace_s: A worker that has not stopped a statement so long after its deadline is killed.
        stream_credit_bytes: Bytes of one stream that may be on their way to a slow reader.
        buffer_pool_bytes: Buffer pool of each engine.
        max_db_bytes: Largest size of one database, a power of two.
        memory_bytes: Memory that one worker may use in all; 0 for no limit.
        engine_threads: Threads of an engine for one statement.
        reader_lanes: Reads of one database that may run at once.
        statement_cache: Prepared statements kept per lane.
        frame_bytes: Size of the pieces of a stream.
        slow_after_s: Run time after which a read gives way to others in its worker.
        nice: Nice value of workers.
        sandbox: `required`, `preferred` or `off`.
    """

    base_path: Path
    max_databases: int = 100
    max_open: int = 64
    idle_close_s: float = 300.0
    max_pending_queries: int = 256
    open_timeout_s: float = 20.0
    lock_wait_s: float = 10.0
    slot_wait_s: float = 5.0
    close_timeout_s: float = 30.0
    drain_timeout_s: float = 10.0
    early_death_s: float = 1.0
    kill_grace_s: float = 2.0
    stream_credit_bytes: int = 1 << 20
    buffer_pool_bytes: int = 256 << 20
    max_db_bytes: int = 64 << 30
    memory_bytes: int = 0
    engine_threads: int = 2
    reader_lanes: int = 10
    statement_cache: int = 256
    frame_bytes: int = 128 << 10
    slow_after_s: float = 0.005
    nice: int = 5
    sandbox: str = "preferred"

    def worker(self, name: str, directory: DatabaseDirectory) -> WorkerConfig:
        """Return what the worker of one database has to know."""
        return WorkerConfig(
            graph_id=name,
            directory=str(directory.path),
            buffer_pool_bytes=self.buffer_pool_bytes,
            max_db_bytes=self.max_db_bytes,
            engine_threads=self.engine_threads,
            reader_lanes=self.reader_lanes,
            statement_cache=self.statement_cache,
            slow_after_s=self.slow_after_s,
            frame_bytes=self.frame_bytes,
            nice=self.nice,
            memory_bytes=self.memory_bytes,
            sandbox=self.sandbox,
        )
