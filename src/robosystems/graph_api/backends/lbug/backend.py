"""LadybugDB as a `GraphBackend`: one supervised process for each open database."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.backends.lbug import refusals
from robosystems.graph_api.backends.lbug.answers import collect_rows, decode_report
from robosystems.graph_api.backends.lbug.archive_calls import ExportCall
from robosystems.graph_api.backends.lbug.archive_imports import ArchiveImports
from robosystems.graph_api.backends.lbug.calls import LoadCall, RunCall, StatsCall, TransactionCall
from robosystems.graph_api.backends.lbug.database import Database
from robosystems.graph_api.backends.lbug.introspection import Rows
from robosystems.graph_api.backends.lbug.node import Node
from robosystems.graph_api.backends.lbug.observer import BackendObserver, SilentObserver
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig
from robosystems.graph_api.backends.lbug.own_queries import OWN_BYTES, OWN_TIMEOUT_S, OwnQueries
from robosystems.graph_api.backends.lbug.reject_files import find_rejects
from robosystems.graph_api.backends.lbug.schema_access import (
    as_schema_error,
    count_rows,
    definition_statements,
    read_schema,
    recorded_schema,
)
from robosystems.graph_api.backends.lbug.usage import measure_private, measure_usage
from robosystems.graph_api.backends.lbug.wire import Ready
from robosystems.graph_api.domain.archive import ExportRequest, ImportReport, ImportRequest
from robosystems.graph_api.domain.capabilities import BackendCapabilities
from robosystems.graph_api.domain.errors import GraphApiError, StatementError, UnavailableError
from robosystems.graph_api.domain.graph import DatabaseLimits, DatabaseRecord, DatabaseState
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.load import LoadProgress, LoadReport, LoadRequest
from robosystems.graph_api.domain.query import (
    EncodedResult,
    Query,
    ResultFormat,
    RunningQuery,
    TransactionStatement,
)
from robosystems.graph_api.domain.schema import GraphSchema

_LOG: Final = logging.getLogger(__name__)

_CAPABILITIES: Final = BackendCapabilities(
    backend="ladybug",
    multiple_databases=True,
    schema_first=True,
    read_only_transactions=True,
    multi_statement_transactions=True,
    streaming=True,
    cancel=True,
    bulk_load=True,
    export_import=True,
    schema_introspection=True,
    process_isolation=True,
    result_versions=True,
)


class LadybugBackend(GraphBackend):
    """The port, served by worker processes. Use it on one event loop; it may be entered once.

    Args:
        config: Sizes and times.
        observer: Told of openings, crashes and the like; nobody by default.
    """

    def __init__(self, config: LbugBackendConfig, observer: BackendObserver | None = None) -> None:
        self._config = config
        self._node = Node(config, observer or SilentObserver())
        self._catalog = self._node.catalog
        self._credit = config.stream_credit_bytes
        self._imports = ArchiveImports(self._catalog, self._node.background, self._credit)

    @property
    def capabilities(self) -> BackendCapabilities:
        """What LadybugDB can do here: everything."""
        return _CAPABILITIES

    @property
    def engine(self) -> Ready | None:
        """What a worker said at the start: versions of engine and storage, confinement; None before."""
        return self._node.engine

    async def __aenter__(self) -> Self:
        await self._node.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._node.stop()

    # -- databases ----------------------------------------------------------------------------------------------------

    async def create(self, record: DatabaseRecord, schema: GraphSchema | None, ddl: Sequence[str]) -> DatabaseRecord:
        """Create a database in a directory of its own; see the port."""
        self._check_running()

        async def build(database: Database) -> DatabaseRecord:
            await database.request(StatsCall(self._config.open_timeout_s * 2))
            await self._define(database, schema, ddl)
            versions = database.ready
            document = record.schema_document or (schema.to_document() if schema is not None else None)
            return replace(
                record,
                engine_version=versions.engine_version if versions is not None else None,
                storage_version=versions.storage_version if versions is not None else None,
                schema_document=document,
            )

        database = await self._node.background.finish(self._catalog.create(record, build), f"create {record.graph_id}")
        return database.keeper.record

    async def drop(self, graph_id: GraphId) -> None:
        """Kill the worker, rename the directory away, delete it; see the port."""
        self._check_running()
        await self._node.background.finish(self._catalog.drop(graph_id), f"drop {graph_id}")

    async def list(self) -> list[DatabaseRecord]:
        """All databases, from memory; see the port."""
        self._check_running()
        return [database.keeper.record for database in self._catalog]

    async def record(self, graph_id: GraphId) -> DatabaseRecord:
        """One record, from memory; see the port."""
        return self._database(graph_id).keeper.record

    async def set_limits(self, graph_id: GraphId, limits: DatabaseLimits) -> DatabaseRecord:
        """Rewrite the manifest; see the port."""
        return await self._database(graph_id).keeper.update(lambda record: replace(record, limits=limits))

    async def state(self, graph_id: GraphId) -> DatabaseState:
        """Figures of this moment; see the port."""
        database = self._database(graph_id)
        process_id = database.process_id
        usage = await asyncio.to_thread(measure_usage, database.keeper.directory, process_id)
        return DatabaseState(
            open=database.is_open,
            size_bytes=usage.size_bytes,
            memory_bytes=await asyncio.to_thread(measure_private, process_id),
            pending_queries=database.pending,
            restarts=database.restarts,
            process_id=process_id,
        )

    async def retry_open(self, graph_id: GraphId) -> DatabaseRecord:
        """Lift the quarantine of a database and open it; after another failure it is quarantined again.

        Raises:
            DatabaseNotFoundError: There is none.
            DatabaseBrokenError: It still cannot be opened.
            GraphApiError: As `run`.
        """
        database = self._database(graph_id)
        await database.lift_quarantine()
        await database.request(StatsCall(self._config.open_timeout_s * 2 + self._config.lock_wait_s))
        return database.keeper.record

    # -- queries ------------------------------------------------------------------------------------------------------

    def version(self, graph_id: GraphId) -> str:
        """Look at the counter of the database's changes; see the port."""
        database = self._database(graph_id)
        database.check_usable()
        return database.version.look()

    async def run(self, graph_id: GraphId, query: Query) -> EncodedResult:
        """Send one statement to the worker; see the port."""
        database = self._database(graph_id)
        if query.may_grow:
            database.quota.check()
        return await database.request(RunCall(query, self._credit))

    async def run_transaction(
        self, graph_id: GraphId, statements: Sequence[TransactionStatement], *, timeout_s: float, query_id: str
    ) -> EncodedResult:
        """Send several statements as one; see the port."""
        database = self._database(graph_id)
        if any(statement.may_grow for statement in statements):
            database.quota.check()
        return await database.request(TransactionCall(statements, query_id, timeout_s))

    async def rows(self, graph_id: GraphId, query: Query, *, max_bytes: int = OWN_BYTES) -> Rows:
        """Run a small read and decode its answer; see the port."""
        result = await self.run(graph_id, replace(query, format=ResultFormat.JSON_ARRAYS))
        return await collect_rows(result, max_bytes)

    async def running(self, graph_id: GraphId) -> Sequence[RunningQuery]:
        """What is pending here; see the port."""
        return [*self._database(graph_id).running(), *self._imports.running(graph_id)]

    async def cancel(self, graph_id: GraphId, query_id: str) -> None:
        """Order the worker to stop a query; see the port."""
        database = self._database(graph_id)
        if not self._imports.cancel(graph_id, query_id):
            database.cancel(query_id)

    # -- schema -------------------------------------------------------------------------------------------------------

    async def schema(self, graph_id: GraphId, *, counts: bool = False) -> dict[str, object]:
        """Ask the engine's catalogue, and add what only the manifest knows; see the port."""
        database = self._database(graph_id)
        run = OwnQueries(database, self._credit)
        schema = await read_schema(run, database.keeper.record.schema_document)
        return schema.to_document(await count_rows(run, schema) if counts else None)

    async def apply_ddl(self, graph_id: GraphId, schema: GraphSchema | None, ddl: Sequence[str]) -> None:
        """Run definitions in one transaction; see the port."""
        database = self._database(graph_id)
        await self._define(database, schema, ddl)
        if schema is None:
            return

        def extended(record: DatabaseRecord) -> DatabaseRecord:
            known = recorded_schema(record.schema_document)
            return replace(record, schema_document=known.extended_by(schema).to_document())

        try:
            await database.keeper.update(extended)
        except GraphApiError as error:  # The tables are there and stay; only their descriptions are not kept.
            _LOG.warning("descriptions of new tables of database %s were not kept: %s", graph_id, error)

    async def _define(self, database: Database, schema: GraphSchema | None, ddl: Sequence[str]) -> None:
        statements = definition_statements(schema, ddl)
        if not statements:
            return
        try:
            await database.request(TransactionCall(statements, "", OWN_TIMEOUT_S))
        except StatementError as error:
            raise as_schema_error(error, statements) from error

    # -- loading ------------------------------------------------------------------------------------------------------

    def incoming(self, graph_id: GraphId) -> AbstractAsyncContextManager[Path]:
        """A path in the database's own directory; see the port."""
        return self._incoming(graph_id)

    @asynccontextmanager
    async def _incoming(self, graph_id: GraphId) -> AsyncGenerator[Path]:
        database = self._database(graph_id)
        database.check_usable()
        path = database.keeper.directory.fresh_incoming()
        database.keeper.incoming.add(path)
        try:
            yield path
        finally:
            database.keeper.incoming.discard(path)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(path.unlink, missing_ok=True)

    async def load(
        self,
        graph_id: GraphId,
        request: LoadRequest,
        *,
        query_id: str,
        on_progress: Callable[[LoadProgress], None] | None = None,
    ) -> LoadReport:
        """Have the worker load a file; see the port."""
        database = self._database(graph_id)
        if database.keeper.record.limits.max_disk_bytes is not None:  # The look, with the new file, costs its place.
            usage = await asyncio.to_thread(measure_usage, database.keeper.directory, None)
            database.quota.used = usage.size_bytes
            database.quota.check()
        return decode_report(await database.request(LoadCall(request, query_id, on_progress)))

    async def rejects(self, graph_id: GraphId, load_id: str) -> Path:
        """Look into the database's directory; see the port."""
        directory = self._database(graph_id).keeper.directory
        return await asyncio.to_thread(find_rejects, directory.rejects, load_id)

    # -- archives -----------------------------------------------------------------------------------------------------

    async def export(self, graph_id: GraphId, request: ExportRequest, *, query_id: str) -> EncodedResult:
        """Have the worker write an archive; see the port."""
        database = self._database(graph_id)
        return await database.request(ExportCall(request, database.keeper.record, query_id, self._credit))

    async def import_archive(self, graph_id: GraphId, request: ImportRequest, *, query_id: str) -> ImportReport:
        """Build the content beside the database, then put it in its place; see the port."""
        return await self._imports.run(self._database(graph_id), request, query_id)

    async def ping(self) -> None:
        """Return if workers can be started; see the port."""
        self._check_running()
        if not self._node.supervisor.is_able:
            raise UnavailableError("The process for database workers is being restarted.", retry_after=1.0)

    def _database(self, graph_id: GraphId) -> Database:
        if not self._node.is_running:
            raise refusals.shutting_down()
        return self._catalog.get(graph_id)

    def _check_running(self) -> None:
        if not self._node.is_running:
            raise refusals.shutting_down()
