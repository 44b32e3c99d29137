"""The port that every graph backend implements.

An implementation can be written from this file alone; `tests/graph_api/conformance` runs one suite over all of them.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from robosystems.graph_api.domain.archive import ExportRequest, ImportReport, ImportRequest
from robosystems.graph_api.domain.capabilities import BackendCapabilities
from robosystems.graph_api.domain.graph import DatabaseLimits, DatabaseRecord, DatabaseState
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.load import LoadProgress, LoadReport, LoadRequest
from robosystems.graph_api.domain.query import EncodedResult, Query, RunningQuery, TransactionStatement
from robosystems.graph_api.domain.schema import GraphSchema


class GraphBackend(ABC):
    """Databases of one node. Enter it before use; leaving it closes every database cleanly.

    All methods may be called concurrently. Every method on a database raises `DatabaseNotFoundError` if there is none,
    `DatabaseBrokenError` if it is quarantined, `ShuttingDownError` once the backend is being left, and
    `WorkerCrashedError` if the engine died while it worked; these are not repeated below.
    """

    @property
    @abstractmethod
    def capabilities(self) -> BackendCapabilities:
        """What this backend can do. Never raises; constant during the backend's life."""

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Start. Raises `UnavailableError` if the engine cannot be started; then nothing is left behind."""

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Refuse new work, let what runs finish for a bounded time, close all databases. Idempotent, never raises."""

    @abstractmethod
    async def create(self, record: DatabaseRecord, schema: GraphSchema | None, ddl: Sequence[str]) -> DatabaseRecord:
        """Create a database with the tables of `schema`, then run `ddl` in order, all or nothing.

        Returns the record completed with the engine's versions.

        Raises:
            DatabaseExistsError: The name, or one that differs only in case, is taken.
            InvalidSchemaError: A statement failed; the context names `statement_number` (from 1) and `statement`.
                Nothing is left behind.
            CapabilityNotSupportedError: `multiple_databases` is missing and the one database exists.
        """

    @abstractmethod
    async def drop(self, graph_id: GraphId) -> None:
        """Delete a database and all its files; a broken one, too. Running queries end with `QueryCancelledError`.

        Raises:
            DatabaseBusyError: It is being created or deleted.
        """

    @abstractmethod
    async def list(self) -> list[DatabaseRecord]:
        """All databases sorted by name, also broken ones; those that are being created are left out. Opens none.

        Never raises.
        """

    @abstractmethod
    async def record(self, graph_id: GraphId) -> DatabaseRecord:
        """The record of one database, without opening it. Raises what all methods raise, but not for broken ones."""

    @abstractmethod
    async def set_limits(self, graph_id: GraphId, limits: DatabaseLimits) -> DatabaseRecord:
        """Replace the limits durably. Raises only what all methods raise."""

    @abstractmethod
    async def state(self, graph_id: GraphId) -> DatabaseState:
        """Figures of this moment, without opening the database. Raises only what all methods raise."""

    @abstractmethod
    async def retry_open(self, graph_id: GraphId) -> DatabaseRecord:
        """Lift the quarantine of a broken database and open it; one that is not broken is opened if it is closed.

        Raises:
            DatabaseBrokenError: It still cannot be opened, and is quarantined again.
        """

    @abstractmethod
    def version(self, graph_id: GraphId) -> str | None:
        """A name for the content of one database at this moment, without opening it; None if that cannot be known.

        Two equal names mean that no change of the database was running at either moment or happened in between, so that
        every read that was sent after the first and had ended before the second saw the same content. While a change is
        running each name is new. A name never comes again after a restart, nor for another database.

        Raises only what all methods raise. Gives names only with the capability `result_versions`.
        """

    @abstractmethod
    async def run(self, graph_id: GraphId, query: Query) -> EncodedResult:
        """Run one statement. A database that is closed is opened first.

        A write is durable when this returns (or, for a stream, before its first piece). Writes of one database run one
        after another in the order of the calls; reads run beside them and see committed data only.

        Raises:
            StatementError: The engine refused or failed it; nothing was changed.
            InvalidParameterError: A parameter is missing or of a kind that the engine cannot take.
            StatementForbiddenError: A READ query turned out to write; nothing was changed.
            QueryTimeoutError: The deadline passed, at the latest half a second ago.
            QueryCancelledError: `cancel` was called.
            QueryMemoryExceededError: Over the database's memory.
            PoolExhaustedError: Too many pending queries on this database.
        """

    @abstractmethod
    async def run_transaction(
        self, graph_id: GraphId, statements: Sequence[TransactionStatement], *, timeout_s: float, query_id: str
    ) -> EncodedResult:
        """Run statements in order in one transaction: all of them are durable when this returns, or none has happened.

        The answer is one JSON document: `{"results": [<as ResultFormat.JSON>...], "execution_time_ms": ...}`.

        Raises:
            StatementError: One failed; the context names its `statement_number` (from 1).
            Others as `run`.
        """

    @abstractmethod
    async def rows(self, graph_id: GraphId, query: Query, *, max_bytes: int = 16_000_000) -> Sequence[Sequence[object]]:
        """Run a small read for the service's own use and return JSON values. Raises what `run` raises."""

    @abstractmethod
    async def running(self, graph_id: GraphId) -> Sequence[RunningQuery]:
        """Queries that run or wait now, oldest first. Opens nothing. Raises only what all methods raise."""

    @abstractmethod
    async def cancel(self, graph_id: GraphId, query_id: str) -> None:
        """Stop a query: its caller gets `QueryCancelledError`. Returns once the order is given.

        Raises:
            QueryNotFoundError: It is not pending.
        """

    @abstractmethod
    async def schema(self, graph_id: GraphId, *, counts: bool = False) -> dict[str, object]:
        """The schema document as `GraphSchema.to_document` gives it, with `row_count` per table when `counts`.

        Raises what `run` raises.
        """

    @abstractmethod
    async def apply_ddl(self, graph_id: GraphId, schema: GraphSchema | None, ddl: Sequence[str]) -> None:
        """Add tables, or run DDL statements, in one transaction, all or nothing.

        Raises:
            InvalidSchemaError: As in `create`.
        """

    @abstractmethod
    def incoming(self, graph_id: GraphId) -> AbstractAsyncContextManager[Path]:
        """A fresh path for one file, on the file system from which `load` reads. The file is removed on leaving.

        Raises only what all methods raise.
        """

    @abstractmethod
    async def load(
        self,
        graph_id: GraphId,
        request: LoadRequest,
        *,
        query_id: str,
        on_progress: Callable[[LoadProgress], None] | None = None,
    ) -> LoadReport:
        """Load one file into one table in one transaction, which readers see whole or not at all, even after a crash.

        Columns are matched by name. Takes its turn among the writes. `on_progress` is called about once a second.

        Raises:
            TableNotFoundError: No such table.
            LoadError: The file is unreadable or does not fit, or a row is wrong (context: `row` from 1, `reason`).
            Others as `run`.
        """

    @abstractmethod
    async def rejects(self, graph_id: GraphId, load_id: str) -> Path:
        """A file with the rows that a load with `OnError.SKIP` left out: NDJSON of `domain.load.Reject`.

        It is kept for a day at least, unless many loads follow. Opens nothing.

        Raises:
            LoadNotFoundError: There is none.
        """

    @abstractmethod
    async def export(self, graph_id: GraphId, request: ExportRequest, *, query_id: str) -> EncodedResult:
        """Give the whole graph as an archive (see `domain.archive`), as of one moment; writes go on beside it.

        Needs the capability `export_import`. What cannot be exported is refused before the first byte. A stream that
        fails raises; what was taken of it is no archive.

        Raises:
            NotExportableError: The graph holds something that an archive cannot; the detail names it.
            DatabaseBusyError: The database is being exported already, or its schema was changed meanwhile.
            Others as `run`.
        """

    @abstractmethod
    async def import_archive(self, graph_id: GraphId, request: ImportRequest, *, query_id: str) -> ImportReport:
        """Fill a database without rows with the content of an archive: all of it, durably, or nothing.

        Needs the capability `export_import`. Tables that are there already have to be those of the archive. The archive
        is checked completely before anything of it is seen by others.

        Raises:
            ArchiveError: The archive is damaged, incomplete or not one; the context names `reason` and `member`.
            DatabaseNotEmptyError: There are rows, or other tables than in the archive.
            DatabaseBusyError: Another import runs, or the schema was changed meanwhile.
            Others as `run`.
        """

    @abstractmethod
    async def ping(self) -> None:
        """Return if the backend can serve. Raises `UnavailableError` with the reason if not."""
