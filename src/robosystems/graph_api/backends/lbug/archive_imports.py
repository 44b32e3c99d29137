"""Importing an archive: all or nothing, whatever dies meanwhile.

The content is built in a directory of its own, by a worker of its own, while the database goes on as it is. Only when
everything is there, counted and on disk, the database is closed for a moment, looked at once more (it must still be
empty), and its file is replaced by the new one with a single rename. Before the rename nothing has happened; after it
everything has. What is left of an import that was cut off is removed at the next start, like any unfinished database.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.lbug.archive_calls import ImportCall, decode_import_report
from robosystems.graph_api.backends.lbug.catalog import Catalog
from robosystems.graph_api.backends.lbug.database import Database
from robosystems.graph_api.backends.lbug.own_queries import OwnQueries
from robosystems.graph_api.backends.lbug.refusals import over_quota
from robosystems.graph_api.backends.lbug.schema_access import count_rows, read_schema, recorded_schema
from robosystems.graph_api.backends.lbug.storage_layout import DATABASE_FILE, DatabaseDirectory, sync_directory
from robosystems.graph_api.concurrency.background import BackgroundTasks
from robosystems.graph_api.domain.archive import ImportReport, ImportRequest, check_without_rows
from robosystems.graph_api.domain.errors import (
    DatabaseBusyError,
    DiskFullError,
    GraphApiError,
    QueryMemoryExceededError,
    QueryNotFoundError,
    QueryTimeoutError,
    UnavailableError,
    WorkerCrashedError,
)
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import RunningQuery
from robosystems.graph_api.domain.schema import restore_schema_document

_LOOK_S: Final = 0.5
"""So often the growing files are held against the quota."""


class ArchiveImports:
    """All imports of a node.

    Args:
        catalog: Its databases.
        background: Finishes what must not stop half-way.
        credit: Bytes of an answer that may be on their way.
    """

    def __init__(self, catalog: Catalog, background: BackgroundTasks, credit: int) -> None:
        self._catalog = catalog
        self._background = background
        self._credit = credit
        self._staged: dict[GraphId, Database | None] = {}

    def running(self, graph_id: GraphId) -> list[RunningQuery]:
        """Return the import into a database, if one is being built."""
        staged = self._staged.get(graph_id)
        return staged.running() if staged is not None else []

    def cancel(self, graph_id: GraphId, query_id: str) -> bool:
        """Stop the import of this name and return true, or return false if there is none."""
        staged = self._staged.get(graph_id)
        try:
            if staged is not None:
                staged.cancel(query_id)
                return True
        except QueryNotFoundError:
            pass
        return False

    async def run(self, database: Database, request: ImportRequest, query_id: str) -> ImportReport:
        """Import an archive into a database; see the port."""
        graph_id = database.graph_id
        if graph_id in self._staged:
            raise DatabaseBusyError(f"An archive is being imported into database {graph_id} already.", retry_after=5.0)
        self._staged[graph_id] = None
        try:
            existing = await self._content(database)
            check_without_rows(existing)
            async with self._catalog.staged(database) as staged:
                self._staged[graph_id] = staged
                report = await self._build(staged, request, existing, query_id)
                self._staged[graph_id] = None
                await self._background.finish(
                    self._take_over(database, staged, existing, report), f"import into {graph_id}"
                )
                return report
        finally:
            del self._staged[graph_id]

    async def _content(self, database: Database) -> dict[str, object]:
        """Return the schema document with the number of rows of each table."""
        run = OwnQueries(database, self._credit)
        schema = await read_schema(run, None)
        return schema.to_document(await count_rows(run, schema))

    async def _build(
        self, staged: Database, request: ImportRequest, existing: Mapping[str, object], query_id: str
    ) -> ImportReport:
        """Build everything in the staged database and close it."""
        path = staged.keeper.directory.fresh_incoming()
        staged.keeper.incoming.add(path)
        await asyncio.to_thread(request.path.rename, path)
        call = ImportCall(request, path, existing, query_id)
        watch = self._background.start(
            self._watch_quota(staged, path, call), f"watch the import into {staged.graph_id}"
        )
        try:
            report = decode_import_report(await staged.request(call))
        except (WorkerCrashedError, QueryMemoryExceededError, QueryTimeoutError) as error:
            raise _nothing_imported(error, request) from error
        finally:
            watch.cancel()
        await self._check_quota(staged, path)
        await staged.stop()
        await asyncio.to_thread(_check_closed, staged.keeper.directory)
        return report

    async def _watch_quota(self, staged: Database, archive: Path, call: ImportCall) -> None:
        """End the import when it has outgrown the quota."""
        while not call.future.done():
            await asyncio.sleep(_LOOK_S)
            try:
                await self._check_quota(staged, archive)
            except DiskFullError as error:
                call.fail(error)

    async def _check_quota(self, staged: Database, archive: Path) -> None:
        """Refuse content that is over the quota; the archive itself does not count, it will be gone."""
        quota = staged.keeper.record.limits.max_disk_bytes
        if quota is None:
            return
        used = await asyncio.to_thread(_size_without, staged.keeper.directory, archive)
        if used > quota:
            raise over_quota(staged.graph_id, used, quota)

    async def _take_over(
        self, database: Database, staged: Database, existing: Mapping[str, object], report: ImportReport
    ) -> None:
        """Put the staged file in the place of the database's, if that is as it was."""

        async def check(closed: Database) -> None:
            now = await self._content(closed)
            check_without_rows(now)
            if now != existing:
                raise DatabaseBusyError("The schema was changed during the import; nothing was imported. Repeat it.")
            # First, because descriptions of tables that are not there yet describe nothing, and harm nobody.
            imported = restore_schema_document(report.schema)
            await closed.keeper.update(
                lambda record: replace(
                    record,
                    schema_document=imported.described_by(recorded_schema(record.schema_document)).to_document(),
                )
            )

        await self._catalog.exchange(database, check, lambda live: _replace_file(live, staged.keeper.directory))


def _nothing_imported(error: GraphApiError, request: ImportRequest) -> GraphApiError:
    """Return an error that says what is certain here, unlike for other writes: nothing has happened."""
    match error:
        case WorkerCrashedError():
            detail = "The process that built the database died; nothing was imported. Send the archive again."
            return WorkerCrashedError(detail, retry_after=1.0, retryable=True)
        case QueryTimeoutError():
            detail = f"The import did not end within its time-out of {request.timeout_s:g} s; nothing was imported."
            return QueryTimeoutError(detail, timeout_s=request.timeout_s)
        case _:
            detail = "The import needed more memory than one database may use; nothing was imported."
            return QueryMemoryExceededError(detail)


def _check_closed(directory: DatabaseDirectory) -> None:
    """Check that everything is in the main file. Blocks."""
    left = [path for path in directory.path.glob(f"{DATABASE_FILE}.*") if path.stat().st_size]
    if left:
        raise UnavailableError("The database could not be closed; nothing was imported.", retry_after=5.0)


def _replace_file(live: DatabaseDirectory, staged: DatabaseDirectory) -> None:
    """Put one file in the place of another: the moment in which an import happens. Blocks."""
    _check_closed(live)
    with staged.database_file.open("rb") as file:
        os.fsync(file.fileno())
    staged.database_file.replace(live.database_file)
    sync_directory(live.path)


def _size_without(directory: DatabaseDirectory, archive: Path) -> int:
    try:
        return directory.size_bytes() - archive.stat().st_size
    except FileNotFoundError:
        return directory.size_bytes()
