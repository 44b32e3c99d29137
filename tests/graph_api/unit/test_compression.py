"""Content codings: nothing waits in a compressor, nothing is lost."""

import zlib

import hypothesis
import pytest
import zstandard
from hypothesis import strategies

from robosystems.graph_api.routers.databases.compression import compress, compressor
from robosystems.graph_api.routers.databases.negotiation import Coding

PIECES = strategies.lists(strategies.binary(max_size=2_000), max_size=10)


@pytest.mark.parametrize("coding", list(Coding))
@hypothesis.given(pieces=PIECES)
def test_each_piece_can_be_read_as_soon_as_it_is_sent(coding: Coding, pieces: list[bytes]) -> None:
    """Whoever has a compressed piece has all bytes of it, and at the end the stream is complete."""
    stream = compressor(coding)
    reader = zstandard.ZstdDecompressor().decompressobj() if coding is Coding.ZSTD else zlib.decompressobj(31)
    for piece in pieces:
        assert reader.decompress(stream.compress(piece)) == piece
    assert reader.decompress(stream.finish()) == b""
    assert reader.eof


@pytest.mark.anyio
@pytest.mark.parametrize("coding", list(Coding))
@pytest.mark.parametrize("size", [0, 1_000, 100_000])
async def test_long_pieces_are_compressed_alike(coding: Coding, size: int) -> None:
    """Beside the event loop as on it."""
    piece = bytes(range(250)) * (size // 250)
    stream = compressor(coding)
    packed = await compress(stream, piece) + await compress(stream, piece) + stream.finish()
    if coding is Coding.ZSTD:
        assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == piece * 2
    else:
        assert zlib.decompress(packed, 31) == piece * 2
