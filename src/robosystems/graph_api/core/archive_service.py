"""Whole graphs as archives: out of a database as a stream, and into one all or nothing."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.core.decompression import Compression, decoder_for
from robosystems.graph_api.core.upload import UploadLimits, receive_file
from robosystems.graph_api.domain.archive import ExportRequest, ImportReport, ImportRequest, check_without_rows
from robosystems.graph_api.domain.errors import (
    DatabaseBusyError,
    IngestionQueueFullError,
    InvalidRequestError,
    UnavailableError,
)
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import EncodedResult

_CAPABILITY = "export_import"
_RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class ArchiveConfig:
    """Limits of exports and imports.

    Attributes:
        producer: Program and version, for the manifest.
        max_upload_bytes: Bytes of an archive after decompression.
        max_concurrent: Exports that may run at once on the node, and as many imports.
        max_timeout_s: Seconds that an export or import may take, and has if it asks for nothing.
    """

    producer: str
    max_upload_bytes: int = 8 << 30
    max_concurrent: int = 4
    max_timeout_s: float = 3_600.0


@dataclass(frozen=True, slots=True)
class ImportJob:
    """One import as a client asked for it.

    Attributes:
        graph_id: The database.
        compression: How the body is compressed.
        timeout_s: Seconds, the upload not counted.
        query_id: Name for listing and cancelling.
    """

    graph_id: GraphId
    compression: Compression
    timeout_s: float
    query_id: str


class ArchiveService:
    """Exports and imports; bounded in number, bytes and time. Nobody waits for a place: who finds none comes again."""

    def __init__(self, backend: GraphBackend, config: ArchiveConfig) -> None:
        self._backend = backend
        self._config = config
        self._upload = UploadLimits(max_bytes=config.max_upload_bytes)
        self._exporting = 0
        self._importing: set[GraphId] = set()

    def timeout(self, wanted_s: float | None) -> float:
        """Return the seconds that an export or import gets.

        Raises:
            InvalidRequestError: More than the maximum.
        """
        if wanted_s is None:
            return self._config.max_timeout_s
        if not 0 < wanted_s <= self._config.max_timeout_s:
            raise InvalidRequestError(
                f"timeout: {wanted_s:g} is not between 0 and {self._config.max_timeout_s:g} seconds "
                "(LBUG_LOAD_TIMEOUT)."
            )
        return wanted_s

    @asynccontextmanager
    async def export(self, graph_id: GraphId, *, timeout_s: float, query_id: str) -> AsyncGenerator[EncodedResult]:
        """Give the archive of a database for the block, in which it has to be sent.

        Raises:
            UnavailableError: As many exports run as may.
            GraphApiError: As `GraphBackend.export`.
        """
        self._backend.capabilities.require(_CAPABILITY)
        if self._exporting >= self._config.max_concurrent:
            raise UnavailableError(
                f"{self._exporting} databases of this node are being exported already.", retry_after=_RETRY_S
            )
        self._exporting += 1
        try:
            request = ExportRequest(timeout_s, self._config.producer)
            result = await self._backend.export(graph_id, request, query_id=query_id)
            if result.stream is None:
                yield result
                return
            async with aclosing(result.stream):
                yield result
        finally:
            self._exporting -= 1

    async def import_archive(self, job: ImportJob, body: AsyncIterator[bytes]) -> ImportReport:
        """Write the body to disk and import it.

        Raises:
            IngestionQueueFullError: As many imports run as may.
            DatabaseBusyError: One into this database runs already.
            DatabaseNotEmptyError: The database has rows; the body is not read then.
            PayloadTooLargeError: The archive is over the limit after decompression.
            LoadError: The body is not what its Content-Encoding says, or came too slowly.
            GraphApiError: Others as `GraphBackend.import_archive`.
        """
        self._backend.capabilities.require(_CAPABILITY)
        async with self._place(job.graph_id):
            check_without_rows(await self._backend.schema(job.graph_id, counts=True))
            async with self._backend.incoming(job.graph_id) as path:
                await self._receive(job, path, body)
                request = ImportRequest(path, job.timeout_s)
                return await self._backend.import_archive(job.graph_id, request, query_id=job.query_id)

    async def _receive(self, job: ImportJob, path: Path, body: AsyncIterator[bytes]) -> None:
        try:
            await receive_file(path, body, decoder_for(job.compression), self._upload)
        except FileNotFoundError:
            await self._backend.record(job.graph_id)  # Raises if the database was deleted under the upload.
            raise

    @asynccontextmanager
    async def _place(self, graph_id: GraphId) -> AsyncGenerator[None]:
        if graph_id in self._importing:
            raise DatabaseBusyError(
                f"An archive is being imported into database {graph_id} already.", retry_after=_RETRY_S
            )
        if len(self._importing) >= self._config.max_concurrent:
            raise IngestionQueueFullError(
                f"Ingestion queue full: {len(self._importing)} archives are being imported on this node.",
                retry_after=_RETRY_S,
            )
        self._importing.add(graph_id)
        try:
            yield
        finally:
            self._importing.discard(graph_id)
