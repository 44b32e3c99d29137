"""Loading files that clients send: to disk as a stream, decompressed and bounded, then into one table."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.core.decompression import Compression, decoder_for
from robosystems.graph_api.core.upload import UploadLimits, receive_file
from robosystems.graph_api.domain.errors import IngestionQueueFullError, InvalidRequestError
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.load import LoadReport, LoadRequest


@dataclass(frozen=True, slots=True)
class IngestionConfig:
    """Limits of loading.

    Attributes:
        max_upload_bytes: Bytes of one file after decompression.
        max_concurrent_loads: Loads that may run at once on the node.
        max_waiting_loads: Loads that may wait for their turn.
        max_wait_s: Seconds a load may wait.
        max_timeout_s: Seconds a load may run, and has if it asks for nothing.
    """

    max_upload_bytes: int = 8 << 30
    max_concurrent_loads: int = 4
    max_waiting_loads: int = 16
    max_wait_s: float = 30.0
    max_timeout_s: float = 3_600.0


class IngestionService:
    """Takes files and loads them; bounded in number, bytes and time."""

    def __init__(self, backend: GraphBackend, config: IngestionConfig) -> None:
        self._backend = backend
        self._config = config
        self._upload = UploadLimits(max_bytes=config.max_upload_bytes)
        self._slots = asyncio.Semaphore(config.max_concurrent_loads)
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Loads that wait for their turn."""
        return self._waiting

    def timeout(self, wanted_s: float | None) -> float:
        """Return the seconds that a load gets, the upload not counted.

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

    async def load(
        self,
        graph_id: GraphId,
        request: LoadRequest,
        body: AsyncIterator[bytes],
        *,
        compression: Compression,
        query_id: str,
    ) -> LoadReport:
        """Write the body to disk and load it into `request.table`; `request.path` is replaced.

        Raises:
            IngestionQueueFullError: Too many loads wait, or the wait was too long.
            PayloadTooLargeError: The file is over the limit after decompression.
            LoadError: The body is not what its Content-Encoding says or came too slowly, or as `GraphBackend.load`.
        """
        async with self._slot(), self._backend.incoming(graph_id) as path:
            try:
                await receive_file(path, body, decoder_for(compression), self._upload)
            except FileNotFoundError:
                await self._backend.record(graph_id)  # Raises if the database was deleted under the upload.
                raise
            return await self._backend.load(graph_id, replace(request, path=path), query_id=query_id)

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        """Wait, bounded in number and time, for one of the places of running loads."""
        if self._slots.locked() and self._waiting >= self._config.max_waiting_loads:
            raise self._queue_full()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._config.max_wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise self._queue_full() from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    def _queue_full(self) -> IngestionQueueFullError:
        """Return the error for a load that finds no place."""
        return IngestionQueueFullError(
            f"Ingestion queue full: {self._config.max_concurrent_loads} loads run and {self._waiting} wait.",
            retry_after=max(1.0, self._config.max_wait_s / 4),
        )
