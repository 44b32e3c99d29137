"""The frames between the API process and a database worker; both sides import this module.

A worker inherits one end of a Unix stream socket pair. Either side sends frames::

    length: u32   bytes of the payload, header not counted
    kind:   u8    `Kind`
    id:     u32   request id, chosen by the API process, unique among what is pending; 0 where none applies
    payload

All numbers are little endian. Structured payloads are MessagePack arrays of the structs below.

Life of a worker: it opens the database and sends READY, or FAILED and exits. Then requests and answers interleave.

* Each of RUN, TRANSACTION, LOAD, EXPORT, IMPORT and STATS is answered by exactly one of: DOCUMENT; or HEAD, CHUNK*,
  END; or ERROR. An ERROR may also come after HEAD instead of END.
* The engine makes all rows of a result before the first one is sent, so HEAD announces how many will follow, and
  whether the result was cut; END repeats it when they have been sent. That of an EXPORT says so at its END only.
* Before the answer to a LOAD that asks for it come PROGRESS frames: JSON of `domain.load.LoadProgress`, one a second.
* A stream may send as many bytes of CHUNK payload as it has credit: it starts with `RunRequest.credit`, CREDIT adds. A
  worker out of credit waits, so a slow reader stops the producer; a CANCEL ends the wait.
* CANCEL stops the request of its id (waiting, running, or streaming): its answer is then ERROR with the code
  QUERY_CANCELLED, unless it had already ended. A CANCEL for an unknown id is ignored.
* CLOSE: the worker refuses what comes after, finishes what runs, checkpoints, closes and exits with status 0.
* End of file means that the other side is gone: a worker then exits at once, without a checkpoint.
"""

from enum import IntEnum, IntFlag
from struct import Struct
from typing import Final

import msgspec

from robosystems.graph_api.domain.errors import GraphApiError, error_from_code
from robosystems.graph_api.domain.load import LoadMode, OnError


class Kind(IntEnum):
    """What a frame is. Below 64: API process to worker; from 64 on: worker to API process."""

    RUN = 1
    TRANSACTION = 2
    LOAD = 3
    CANCEL = 4
    CREDIT = 5
    STATS = 6
    CLOSE = 7
    EXPORT = 8
    IMPORT = 9
    READY = 64
    FAILED = 65
    DOCUMENT = 66
    HEAD = 67
    CHUNK = 68
    END = 69
    ERROR = 70
    PROGRESS = 71


EXIT_SPOILED: Final = 5
"""Status of a worker that closed its database in order, because only a new process may write to it."""

HEADER: Final = Struct("<IBI")
"""Length, kind, request id."""

SUMMARY: Final = Struct("<QdB")
"""Begins the payload of DOCUMENT and is that of HEAD and END: rows, milliseconds of execution, `SummaryFlag`."""

CREDIT: Final = Struct("<I")
"""Payload of CREDIT: bytes."""

MAX_FRAME_BYTES: Final = 1 << 30
"""A longer frame is a broken peer."""


class SummaryFlag(IntFlag):
    """Properties of an answer."""

    NONE = 0
    TRUNCATED = 1
    DEGRADED = 2
    """Committed, but the checkpoint after the commit failed (disk full): success, and the database needs attention."""


class Format(IntEnum):
    """Wire numbers of `domain.query.ResultFormat`."""

    JSON = 0
    JSON_ARRAYS = 1
    NDJSON = 2
    EVENT_STREAM = 3
    ARROW = 4
    CSV = 5
    PARQUET = 6


class RunRequest(msgspec.Struct, array_like=True, frozen=True):
    """Payload of RUN; fields as in `domain.query.Query`.

    Attributes:
        text: The statement.
        parameters: JSON object as UTF-8 text.
        write: Whether it takes the writer lane; a read is run so that the engine refuses writes.
        format: Encoding of the rows.
        timeout_s: Seconds left from the moment of sending.
        max_rows: Cap on rows, or None.
        credit: Bytes of CHUNK payload that may be sent before the first CREDIT.
        counted_tables: Tables to count around a write; None for all, empty for none.
    """

    text: str
    parameters: bytes
    write: bool
    format: Format
    timeout_s: float
    max_rows: int | None
    credit: int
    counted_tables: tuple[str, ...] | None = ()


class StatementPart(msgspec.Struct, array_like=True, frozen=True):
    """One statement of a transaction."""

    text: str
    parameters: bytes
    counted_tables: tuple[str, ...] | None = ()


class TransactionRequest(msgspec.Struct, array_like=True, frozen=True):
    """Payload of TRANSACTION: run all statements in one transaction on the writer lane; the answer is one DOCUMENT.

    Attributes:
        statements: In order.
        timeout_s: Seconds left from the moment of sending.
        max_rows: Cap on the rows of each statement's result.
    """

    statements: tuple[StatementPart, ...]
    timeout_s: float
    max_rows: int | None = None


class LoadOrder(msgspec.Struct, array_like=True, frozen=True):
    """Payload of LOAD; fields as in `domain.load.LoadRequest` and `domain.load.CsvOptions`.

    The answer is a DOCUMENT holding a JSON `LoadReport`.

    Attributes:
        progress: Whether PROGRESS frames are wanted.
    """

    table: str
    path: str
    format: str
    timeout_s: float
    from_column: str
    to_column: str
    from_table: str | None
    to_table: str | None
    ignore_unknown_columns: bool
    delimiter: str = ","
    header: bool = True
    columns: tuple[str, ...] = ()
    quote: str = '"'
    null: str = ""
    encoding: str = "utf-8"
    mode: LoadMode = LoadMode.APPEND
    detach: bool = False
    on_error: OnError = OnError.FAIL
    load_id: str = ""
    progress: bool = False


class ExportOrder(msgspec.Struct, array_like=True, frozen=True):
    """Payload of EXPORT. The answer is an archive of the whole graph, as a DOCUMENT or a stream.

    Attributes:
        timeout_s: Seconds left from the moment of sending.
        credit: As of `RunRequest`.
        graph_id: The database, for the manifest.
        producer: Program and version, for the manifest.
        described: Schema document with what the engine does not keep; None if there is none.
    """

    timeout_s: float
    credit: int
    graph_id: str
    producer: str
    described: dict[str, object] | None = None


class ImportOrder(msgspec.Struct, array_like=True, frozen=True):
    """Payload of IMPORT, for a worker whose database is empty and new. The answer is a DOCUMENT with an `ImportReport`.

    Attributes:
        path: The archive, in the database's `incoming`.
        timeout_s: Seconds left from the moment of sending.
        existing: Schema document of the database that is to have the content afterwards.
    """

    path: str
    timeout_s: float
    existing: dict[str, object]


class Ready(msgspec.Struct, array_like=True, frozen=True):
    """Payload of READY.

    Attributes:
        engine_version: For example `0.22.0`.
        storage_version: Version of the file format.
        open_ms: Milliseconds that opening took.
        sandbox: What confines the worker (JSON-able).
        possible_loss: Sentences about a recovery in which rows may have been lost; empty as a rule.
    """

    engine_version: str
    storage_version: int
    open_ms: float
    sandbox: dict[str, object] = {}
    possible_loss: tuple[str, ...] = ()


class Failure(msgspec.Struct, array_like=True, frozen=True):
    """Payload of ERROR and FAILED: a domain error by its code."""

    code: str
    detail: str
    context: dict[str, object] = {}
    retry_after: float | None = None

    def to_error(self) -> GraphApiError:
        """Return the domain error that this stands for."""
        return error_from_code(self.code, self.detail, retry_after=self.retry_after, context=self.context)

    @classmethod
    def from_error(cls, error: GraphApiError) -> "Failure":
        """Return the payload for a domain error."""
        return cls(error.code, error.detail, dict(error.context), error.retry_after)


class Stats(msgspec.Struct, frozen=True):
    """Body (JSON) of the answer to STATS.

    Attributes:
        reads: Reads that have ended since the start.
        writes: Writes, transactions and loads that have ended.
        commits: Commits that they took; writes that wait are committed together.
        lanes_busy: Reader lanes that run a statement.
        lanes: Reader lanes that exist.
        waiting: Requests that wait for a lane.
        cached_statements: Prepared statements held.
        interrupts: Statements that were interrupted.
    """

    reads: int
    writes: int
    commits: int
    lanes_busy: int
    lanes: int
    waiting: int
    cached_statements: int
    interrupts: int


class WorkerConfig(msgspec.Struct, frozen=True):
    """Everything a worker needs to know; travels with the order to fork.

    Attributes:
        graph_id: Whose database it is (process name and logs).
        directory: The database's own directory, absolute: holds `graph.lbug`, `lock`, `incoming/`.
        buffer_pool_bytes: Size of the engine's buffer pool.
        max_db_bytes: Address space the engine reserves for the file, a power of two.
        engine_threads: Threads of the engine for one statement.
        reader_lanes: Connections that may run reads at once.
        statement_cache: Prepared statements kept per connection.
        slow_after_s: Seconds after which a running read gives up the socket to another lane.
        frame_bytes: Target size of a CHUNK.
        nice: Nice value of the process; long statements get 5 more.
        memory_bytes: Memory the process may use in all; 0 for no limit.
        sandbox: required, preferred or off.
    """

    graph_id: str
    directory: str
    buffer_pool_bytes: int = 256 << 20
    max_db_bytes: int = 64 << 30
    engine_threads: int = 2
    reader_lanes: int = 10
    statement_cache: int = 256
    slow_after_s: float = 0.005
    frame_bytes: int = 128 << 10
    nice: int = 5
    memory_bytes: int = 0
    sandbox: str = "preferred"


class ForkOrder(msgspec.Struct, frozen=True, tag="fork"):
    """API process to template, one SEQPACKET message; the worker's end of its socket pair is attached to it."""

    worker_id: int
    config: WorkerConfig


class Forked(msgspec.Struct, frozen=True, tag="forked"):
    """Template to API process: the worker of this id runs as this process."""

    worker_id: int
    process_id: int


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """Template to API process: a worker ended and was reaped; `status` is the wait status."""

    worker_id: int
    process_id: int
    status: int


def frame(kind: Kind, request_id: int, payload: bytes = b"") -> bytes:
    """Return one whole frame."""
    return HEADER.pack(len(payload), kind, request_id) + payload
