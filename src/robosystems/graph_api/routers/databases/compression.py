"""Content codings of answers. Each piece is flushed, so that nothing waits in a compressor for what comes later."""

import asyncio
import zlib
from typing import Final, Protocol

import zstandard

from robosystems.graph_api.routers.databases.negotiation import Coding

SMALLEST_BYTES: Final = 1_400
"""A body below this fits into one packet anyway and is sent as it is."""

_LEVEL: Final = 1
"""The fastest: an answer is compressed once for one reader, and time is what that reader wants."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_LONG_BYTES: Final = 16 << 10
"""Longer pieces are compressed in a thread: they would hold up everybody else."""


class Compressor(Protocol):
    """Compresses one answer."""

    def compress(self, piece: bytes) -> bytes:
        """Return the compressed piece, all of it."""
        ...

    def finish(self) -> bytes:
        """Return the end."""
        ...


class Zstandard:
    """zstd."""

    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(level=_LEVEL).compressobj()

    def compress(self, piece: bytes) -> bytes:
        """Return the compressed piece, all of it."""
        return self._stream.compress(piece) + self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        """Return the end."""
        return self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


class Gzip:
    """gzip."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    def compress(self, piece: bytes) -> bytes:
        """Return the compressed piece, all of it."""
        return self._stream.compress(piece) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """Return the end."""
        return self._stream.flush(zlib.Z_FINISH)


def compressor(coding: Coding) -> Compressor:
    """Return a new compressor."""
    return Zstandard() if coding is Coding.ZSTD else Gzip()


async def compress(stream: Compressor, piece: bytes) -> bytes:
    """Compress a piece of an answer; a long one beside the event loop."""
    if len(piece) < _LONG_BYTES:
        return stream.compress(piece)
    return await asyncio.to_thread(stream.compress, piece)
