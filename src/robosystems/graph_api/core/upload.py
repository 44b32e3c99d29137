"""Receiving a file: streamed to disk, decompressed on the way, bounded in bytes and in time."""

import asyncio
import errno
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from robosystems.graph_api.core.decompression import Decoder
from robosystems.graph_api.domain.errors import DiskFullError, LoadError, PayloadTooLargeError

_WRITE_BYTES = 1 << 20
"""Bytes collected before a thread writes them: one hand-over per MiB costs nothing against the disk."""


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Bounds of one upload. A load holds its place while its file comes in, so no file may come in for ever.

    Attributes:
        max_bytes: Bytes after decompression.
        max_idle_s: Seconds without a byte.
        min_bytes_per_s: Least average speed, from `max_idle_s` after the beginning on.
    """

    max_bytes: int = 8 << 30
    max_idle_s: float = 30.0
    min_bytes_per_s: int = 4_096


async def receive_file(path: Path, body: AsyncIterator[bytes], decoder: Decoder, limits: UploadLimits) -> None:
    """Stream a body into a new file.

    Raises:
        PayloadTooLargeError: It is over the limit after decompression.
        LoadError: It is damaged, incomplete, or comes too slowly.
        DiskFullError: There is no room.
        FileNotFoundError: The directory is gone.
    """
    with await asyncio.to_thread(path.open, "wb", buffering=0) as file:
        sink = _BoundedFile(file, limits.max_bytes)
        pending: list[bytes] = []
        size = 0
        async for piece in _in_time(body, limits):
            pending.append(piece)
            size += len(piece)
            if size >= _WRITE_BYTES:
                await asyncio.to_thread(sink.write_all, decoder, b"".join(pending))
                pending, size = [], 0
        await asyncio.to_thread(sink.write_all, decoder, b"".join(pending))
        decoder.check_complete()


async def _in_time(body: AsyncIterator[bytes], limits: UploadLimits) -> AsyncIterator[bytes]:
    """Pass a body on as long as it keeps coming."""
    began = time.monotonic()
    received = 0
    try:
        while True:
            async with asyncio.timeout(limits.max_idle_s):
                piece = await anext(body)
            received += len(piece)
            late = time.monotonic() - began - limits.max_idle_s
            if late > 0 and received < late * limits.min_bytes_per_s:
                raise LoadError(
                    f"The upload is too slow: {received} bytes in {late + limits.max_idle_s:.0f} s. Nothing was kept; "
                    "send it again over a better connection, in smaller files or compressed.",
                    reason="upload_too_slow",
                )
            yield piece
    except StopAsyncIteration:
        return
    except TimeoutError as error:
        raise LoadError(
            f"The upload stopped: no byte came for {limits.max_idle_s:g} s. Nothing was kept; send it again.",
            reason="upload_stalled",
        ) from error


class _BoundedFile:
    """A file that takes only so many bytes. Unbuffered, so that a full disk shows here and not when it is closed."""

    def __init__(self, file: BinaryIO, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._written = 0

    def write_all(self, decoder: Decoder, data: bytes) -> None:
        """Decompress a piece and write what comes out. Blocking.

        Raises:
            PayloadTooLargeError: Over the limit.
            LoadError: The compressed stream is damaged.
            DiskFullError: There is no room.
        """
        for piece in decoder.feed(data):
            self._written += len(piece)
            if self._written > self._max_bytes:
                raise PayloadTooLargeError(
                    f"The file is larger than {self._max_bytes} bytes (LBUG_MAX_UPLOAD_BYTES): split it.",
                    limit_bytes=self._max_bytes,
                )
            self._write(piece)

    def _write(self, piece: bytes) -> None:
        """Write bytes, naming a full disk as what it is."""
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise DiskFullError(
                    "The disk is full: the file was not kept. Free space, then send it again."
                ) from error
            raise
