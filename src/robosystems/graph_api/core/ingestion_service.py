"""Loading files that clients send: to disk as a stream, decompressed and bounded, then into one table."""

import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.base import GraphBackend
from robosystems.graph_api.core.decompression import Compression, decoder_for
from robosystems.graph_api.core.load_places import LoadPlaces, PlaceLimits
from robosystems.graph_api.core.upload import UploadLimits, receive_file
from robosystems.graph_api.domain.errors import InvalidRequestError
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.load import LoadPhase, LoadProgress, LoadReport, LoadRequest

_TELL_EVERY_S: Final = 1.0
_ID_BYTES: Final = 16

Tell = Callable[[LoadProgress], None]
"""Is told how far a load is."""


@dataclass(frozen=True, slots=True)
class IngestionConfig:
    """Limits of loading.

    Attributes:
        max_upload_bytes: Bytes of one file after decompression.
        max_concurrent_loads: Loads that may run at once on the node.
        max_waiting_loads: Loads that may wait for their turn; of one database at most half as many.
        max_wait_s: Seconds a load may wait.
        max_timeout_s: Seconds a load may run, and has if it asks for nothing.
    """

    max_upload_bytes: int = 8 << 30
    max_concurrent_loads: int = 4
    max_waiting_loads: int = 16
    max_wait_s: float = 30.0
    max_timeout_s: float = 3_600.0


class LoadJob:
    """One load as a client asked for it.

    Attributes:
        graph_id: Its database.
        request: What to load and how, with a new `load_id`; `path` is not known yet.
        compression: How the body is compressed.
        query_id: Name for listing and cancelling.
    """

    __slots__ = ("compression", "graph_id", "query_id", "request")

    def __init__(self, graph_id: GraphId, request: LoadRequest, compression: Compression, query_id: str) -> None:
        self.graph_id = graph_id
        self.request = replace(request, load_id=secrets.token_hex(_ID_BYTES))
        self.compression = compression
        self.query_id = query_id


class IngestionService:
    """Takes files and loads them; bounded in number, bytes and time."""

    def __init__(self, backend: GraphBackend, config: IngestionConfig) -> None:
        self._backend = backend
        self._config = config
        self._upload = UploadLimits(max_bytes=config.max_upload_bytes)
        self._places = LoadPlaces(
            PlaceLimits(
                running=config.max_concurrent_loads,
                waiting=config.max_waiting_loads,
                waiting_per_database=(config.max_waiting_loads + 1) // 2,
                max_wait_s=config.max_wait_s,
            )
        )

    @property
    def waiting(self) -> int:
        """Loads that wait for their turn."""
        return self._places.waiting

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

    async def load(self, job: LoadJob, body: AsyncIterator[bytes], *, on_progress: Tell | None = None) -> LoadReport:
        """Write the body to disk and load it.

        Args:
            job: What to load, and how.
            body: The file as it comes in; read only once the load has a place.
            on_progress: Told about once a second how far it is.

        Raises:
            IngestionQueueFullError: Too many loads wait, or the wait was too long.
            PayloadTooLargeError: The file is over the limit after decompression.
            LoadError: The body is not what its Content-Encoding says or came too slowly, or as `GraphBackend.load`.
        """
        graph_id = job.graph_id
        async with self._places.place(graph_id), self._backend.incoming(graph_id) as path:
            told = body if on_progress is None else _told(body, on_progress)
            try:
                await receive_file(path, told, decoder_for(job.compression), self._upload)
            except FileNotFoundError:
                await self._backend.record(graph_id)  # Raises if the database was deleted under the upload.
                raise
            request = replace(job.request, path=path)
            return await self._backend.load(graph_id, request, query_id=job.query_id, on_progress=on_progress)

    async def rejects(self, graph_id: GraphId, load_id: str) -> Path:
        """Return the file with the rows that a load left out; as `GraphBackend.rejects`."""
        return await self._backend.rejects(graph_id, load_id)


async def _told(body: AsyncIterator[bytes], tell: Tell) -> AsyncIterator[bytes]:
    """Pass a body on and tell how much of it has come, at once and about every second."""
    received = 0
    due = 0.0
    async for piece in body:
        received += len(piece)
        now = time.monotonic()
        if now >= due:
            due = now + _TELL_EVERY_S
            tell(LoadProgress(LoadPhase.RECEIVING, bytes_done=received))
        yield piece
    tell(LoadProgress(LoadPhase.WAITING, bytes_done=received))
