"""Uploads do not come in for ever."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from robosystems.graph_api.core.decompression import Compression, decoder_for
from robosystems.graph_api.core.upload import UploadLimits, receive_file
from robosystems.graph_api.domain.errors import LoadError, PayloadTooLargeError


async def pieces(*bodies: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    """Yield pieces with pauses before them."""
    for body in bodies:
        await asyncio.sleep(pause_s)
        yield body


async def receive(path: Path, body: AsyncIterator[bytes], limits: UploadLimits) -> bytes:
    """Receive a file and return its content."""
    await receive_file(path, body, decoder_for(Compression.IDENTITY), limits)
    return await asyncio.to_thread(path.read_bytes)


async def test_a_file_arrives_as_it_was_sent(tmp_path: Path) -> None:
    """Small and large pieces, empty ones too."""
    bodies = [b"", b"a", b"b" * 3_000_000, b"", b"c" * 10]
    assert await receive(tmp_path / "file", pieces(*bodies), UploadLimits()) == b"".join(bodies)


async def test_an_upload_that_stops_is_given_up(tmp_path: Path) -> None:
    """Silence is bounded."""
    limits = UploadLimits(max_idle_s=0.05)
    with pytest.raises(LoadError) as caught:
        await receive(tmp_path / "file", pieces(b"a", pause_s=20), limits)
    assert caught.value.context["reason"] == "upload_stalled"


async def test_an_upload_that_trickles_is_given_up(tmp_path: Path) -> None:
    """A byte now and then does not hold a place."""
    limits = UploadLimits(max_idle_s=0.2, min_bytes_per_s=1_000)
    started = time.monotonic()
    with pytest.raises(LoadError) as caught:
        await receive(tmp_path / "file", pieces(*[b"a"] * 1_000, pause_s=0.02), limits)
    assert caught.value.context["reason"] == "upload_too_slow"
    assert time.monotonic() - started < 10


async def test_an_upload_that_takes_long_but_moves_is_taken(tmp_path: Path) -> None:
    """Size alone never makes it too slow."""
    limits = UploadLimits(max_idle_s=0.2, min_bytes_per_s=1_000)
    bodies = [b"a" * 1_000] * 20
    assert await receive(tmp_path / "file", pieces(*bodies, pause_s=0.03), limits) == b"".join(bodies)


async def test_an_upload_over_its_limit_is_refused(tmp_path: Path) -> None:
    """The limit itself is allowed."""
    assert len(await receive(tmp_path / "a", pieces(b"x" * 10), UploadLimits(max_bytes=10))) == 10
    with pytest.raises(PayloadTooLargeError):
        await receive(tmp_path / "b", pieces(b"x" * 11), UploadLimits(max_bytes=10))
