"""Decompressing an upload piece by piece, with bounded memory whatever the body claims to be."""

import zlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol

import zstandard

from robosystems.graph_api.domain.errors import LoadError

_OUTPUT_BYTES = 1 << 20
"""Bytes that one step of gzip may put out."""

_ZSTD_INPUT_BYTES = 1 << 10
"""Bytes fed to zstd in one step: its blocks swell four bytes to 128 KiB at worst, so a step puts out at most 32 MiB."""

_ZSTD_MAX_WINDOW = 128 << 20
"""Largest window taken, as the command line tool's default; a frame may ask for gigabytes."""


class Compression(StrEnum):
    """How the body of an upload is compressed: the values of Content-Encoding."""

    IDENTITY = "identity"
    GZIP = "gzip"
    ZSTD = "zstd"


class Decoder(Protocol):
    """Turns pieces of a compressed stream into pieces of the original. Several streams in a row are one."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out of the next piece. Raises `LoadError` if the stream is damaged."""
        ...

    def check_complete(self) -> None:
        """Raise `LoadError` if the stream does not end here; otherwise never raises."""
        ...


class _Identity:
    """No compression."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out of the next piece."""
        yield data

    def check_complete(self) -> None:
        """Raise never: any end is a good one."""


class _Gzip:
    """RFC 1952, several members allowed."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out of the next piece."""
        try:
            while data:
                if self._stream.eof:
                    self._stream = zlib.decompressobj(wbits=31)
                yield self._stream.decompress(data, _OUTPUT_BYTES)
                data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
        except zlib.error as error:
            raise _damaged(Compression.GZIP, error) from error

    def check_complete(self) -> None:
        """Raise if the stream does not end here."""
        if not self._stream.eof:
            raise _incomplete(Compression.GZIP)


class _Zstd:
    """RFC 8878, several frames allowed."""

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW)
        self._frame = self._decompressor.decompressobj()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out of the next piece."""
        try:
            for start in range(0, len(data), _ZSTD_INPUT_BYTES):
                piece = data[start : start + _ZSTD_INPUT_BYTES]
                while piece:
                    if self._frame.eof:
                        self._frame = self._decompressor.decompressobj()
                    yield self._frame.decompress(piece)
                    piece = self._frame.unused_data if self._frame.eof else b""
        except zstandard.ZstdError as error:
            raise _damaged(Compression.ZSTD, error) from error

    def check_complete(self) -> None:
        """Raise if the stream does not end here."""
        if not self._frame.eof:
            raise _incomplete(Compression.ZSTD)


def decoder_for(compression: Compression) -> Decoder:
    """Return a fresh decoder."""
    match compression:
        case Compression.GZIP:
            return _Gzip()
        case Compression.ZSTD:
            return _Zstd()
        case Compression.IDENTITY:
            return _Identity()


def _damaged(compression: Compression, cause: Exception) -> LoadError:
    """Return the error for bytes that the codec refuses."""
    return LoadError(f"The body is not valid {compression.value}, as its Content-Encoding says: {cause}.")


def _incomplete(compression: Compression) -> LoadError:
    """Return the error for a stream that was cut off."""
    return LoadError(f"The {compression.value} body is incomplete: the end of the stream is missing; send it again.")
