"""Writes that leave together: what arrives is what was written, in order, whatever its sizes."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from robosystems.graph_api.concurrency.gathered_writes import GatheredWrites

LARGE = 64 << 10


@asynccontextmanager
async def gathered() -> AsyncGenerator[tuple[GatheredWrites, socket.socket]]:
    """Give a transport, and the other end of its connection."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    try:
        yield GatheredWrites(transport, loop), theirs
    finally:
        transport.abort()
        theirs.close()


async def received(theirs: socket.socket, count: int) -> bytes:
    """Return so many bytes of the other end, or fewer if it ends before."""

    def read() -> bytes:
        data = b""
        while len(data) < count and (piece := theirs.recv(1 << 20)):
            data += piece
        return data

    return await asyncio.to_thread(read)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sizes",
    [
        [1],
        [200, 300],
        [200, LARGE],
        [LARGE, 200],
        [200, LARGE - 200, 5],
        [LARGE * 40, 1, LARGE * 40],
        [10_000] * 50,
    ],
    ids=str,
)
async def test_everything_arrives_in_order(sizes: list[int]) -> None:
    """Small pieces, large ones, and both in turn."""
    pieces = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    async with gathered() as (transport, theirs):
        for piece in pieces:
            transport.write(piece)
        assert await received(theirs, sum(sizes)) == b"".join(pieces)


@pytest.mark.anyio
async def test_small_pieces_wait_for_each_other() -> None:
    """Until the next round of the loop nothing is handed on; then everything is."""
    async with gathered() as (transport, theirs):
        transport.write(b"head")
        transport.writelines([b"body", b"tail"])
        assert transport.get_write_buffer_size() == len(b"headbodytail")
        theirs.settimeout(0)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
        theirs.settimeout(10)
        assert await received(theirs, 12) == b"headbodytail"
        assert transport.get_write_buffer_size() == 0


@pytest.mark.anyio
async def test_closing_sends_what_was_written() -> None:
    """The end comes after it."""
    async with gathered() as (transport, theirs):
        transport.write(b"last words")
        transport.close()
        assert transport.is_closing()
        assert await received(theirs, 100) == b"last words"


@pytest.mark.anyio
async def test_the_end_of_sending_comes_after_what_was_written() -> None:
    """Half a close."""
    async with gathered() as (transport, theirs):
        assert transport.can_write_eof()
        transport.write(b"last words")
        transport.write_eof()
        assert await received(theirs, 100) == b"last words"


@pytest.mark.anyio
async def test_an_aborted_connection_sends_nothing_more() -> None:
    """What was held back is dropped, and the round of the loop that would have sent it does no harm."""
    async with gathered() as (transport, theirs):
        transport.write(b"never")
        transport.abort()
        assert await received(theirs, 100) == b""
        assert transport.get_write_buffer_size() == 0
