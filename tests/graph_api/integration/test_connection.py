"""The API side of a worker's socket, against a scripted worker on the other end."""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
import pytest

from robosystems.graph_api.backends.lbug import refusals
from robosystems.graph_api.backends.lbug.calls import Call, RunCall, TransactionCall
from robosystems.graph_api.backends.lbug.connection import BACKSTOP_S, WorkerConnection
from robosystems.graph_api.backends.lbug.observer import StopCause
from robosystems.graph_api.backends.lbug.wire import (
    CREDIT,
    HEADER,
    SUMMARY,
    Failure,
    Kind,
    Ready,
    RunRequest,
    SummaryFlag,
    TransactionRequest,
    frame,
)
from robosystems.graph_api.domain.errors import (
    GraphApiError,
    QueryCancelledError,
    QueryTimeoutError,
    StatementError,
    WorkerCrashedError,
)
from robosystems.graph_api.domain.query import AccessMode, EncodedResult, Query, TransactionStatement
from tests.graph_api.waiting import eventually

pytestmark = pytest.mark.anyio

CREDIT_BYTES = 1000


@dataclass
class Events:
    """Remembers what the connection tells its owner."""

    ready: list[Ready] = field(default_factory=list[Ready])
    failed: list[GraphApiError] = field(default_factory=list[GraphApiError])
    lost: list[bool] = field(default_factory=list[bool])
    degraded: int = 0
    stopped: list[StopCause] = field(default_factory=list[StopCause])

    def worker_ready(self, ready: Ready) -> None:
        """Remember it."""
        self.ready.append(ready)

    def worker_failed(self, error: GraphApiError) -> None:
        """Remember it."""
        self.failed.append(error)

    def worker_degraded(self) -> None:
        """Count it."""
        self.degraded += 1

    def worker_stopped_query(self, cause: StopCause) -> None:
        """Remember it."""
        self.stopped.append(cause)

    def connection_lost(self, *, broken_protocol: bool) -> None:
        """Remember whether the worker was to blame."""
        self.lost.append(broken_protocol)


class Peer:
    """The worker's end of the socket, moved by hand."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._loop = asyncio.get_running_loop()
        self._received = b""

    async def send(self, data: bytes) -> None:
        """Send raw bytes."""
        await self._loop.sock_sendall(self._socket, data)

    async def receive(self) -> tuple[Kind, int, bytes]:
        """Return the next frame that the connection has sent."""
        async with asyncio.timeout(30):
            header = await self._read(HEADER.size)
            length, kind, request_id = HEADER.unpack(header)
            return Kind(kind), request_id, await self._read(length)

    async def silence(self, seconds: float = 0.05) -> None:
        """Check that nothing arrives for a moment."""
        await asyncio.sleep(seconds)
        with pytest.raises(BlockingIOError):
            self._socket.recv(1)

    def close(self) -> None:
        """Close the worker's end."""
        self._socket.close()

    async def _read(self, count: int) -> bytes:
        while len(self._received) < count:
            data = await self._loop.sock_recv(self._socket, 65536)
            assert data
            self._received += data
        result, self._received = self._received[:count], self._received[count:]
        return result


@asynccontextmanager
async def connected() -> AsyncGenerator[tuple[WorkerConnection, Peer, Events]]:
    """Give a connection, the other end, and what the connection tells."""
    events = Events()
    connection = WorkerConnection(events, CREDIT_BYTES)
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)  # noqa: FBT003 (the standard library's own form)
    await asyncio.get_running_loop().create_unix_connection(lambda: connection, sock=ours)
    peer = Peer(theirs)
    try:
        yield connection, peer, events
    finally:
        peer.close()
        connection.abort()
        async with asyncio.timeout(30):
            await connection.lost.wait()


def call_of(text: str = "RETURN 1", timeout_s: float = 5.0, mode: AccessMode = AccessMode.READ) -> RunCall:
    """Return a call for one statement."""
    return RunCall(Query(text, mode, timeout_s, f"q-{text}"), CREDIT_BYTES)


def document(request_id: int, body: bytes, flags: SummaryFlag = SummaryFlag.NONE) -> bytes:
    """Return a DOCUMENT frame."""
    return frame(Kind.DOCUMENT, request_id, SUMMARY.pack(1, 0.5, flags) + body)


def end(request_id: int, rows: int = 1) -> bytes:
    """Return an END frame."""
    return frame(Kind.END, request_id, SUMMARY.pack(rows, 0.5, SummaryFlag.NONE))


def error(request_id: int, failure: GraphApiError) -> bytes:
    """Return an ERROR frame."""
    return frame(Kind.ERROR, request_id, msgspec.msgpack.encode(Failure.from_error(failure)))


async def started_stream(connection: WorkerConnection, peer: Peer) -> tuple[EncodedResult, Call]:
    """Return the result of a call whose answer has begun to stream."""
    call = call_of()
    connection.send(call, call.timeout_s)
    await peer.receive()
    await peer.send(frame(Kind.HEAD, call.request_id, SUMMARY.pack(1, 0.0, 0)))
    async with asyncio.timeout(30):
        return await call.future, call


async def test_answers_find_their_calls_in_any_order() -> None:
    """Two calls, answered the other way round, each get their own answer."""
    async with connected() as (connection, peer, _):
        first, second = call_of("a"), call_of("b")
        connection.send(first, first.timeout_s)
        connection.send(second, second.timeout_s)
        sent = [await peer.receive(), await peer.receive()]
        assert [msgspec.msgpack.decode(payload, type=RunRequest).text for _, _, payload in sent] == ["a", "b"]
        await peer.send(document(second.request_id, b"B") + document(first.request_id, b"A"))
        assert (await first.future).body == b"A"
        assert (await second.future).body == b"B"
        assert not connection.pending


async def test_frames_may_come_in_any_pieces() -> None:
    """An answer that arrives byte by byte is the same answer."""
    async with connected() as (connection, peer, _):
        call = call_of()
        connection.send(call, call.timeout_s)
        for byte in document(call.request_id, b"hello", SummaryFlag.TRUNCATED):
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        result = await call.future
        assert (result.body, result.summary.truncated, result.summary.row_count) == (b"hello", True, 1)


async def test_a_large_document_arrives_whole() -> None:
    """An answer far larger than any read is put together."""
    async with connected() as (connection, peer, _):
        call = call_of()
        connection.send(call, call.timeout_s)
        body = bytes(range(256)) * 40_000
        await peer.send(document(call.request_id, body))
        assert (await call.future).body == body


async def test_the_time_left_is_told_at_the_moment_of_sending() -> None:
    """A call that waited before it was sent has that much less time."""
    async with connected() as (connection, peer, _):
        call = TransactionCall([TransactionStatement("RETURN 1")], "q", 10.0)
        connection.send(call, 6.0)
        kind, _, payload = await peer.receive()
        assert kind is Kind.TRANSACTION
        assert msgspec.msgpack.decode(payload, type=TransactionRequest).timeout_s == 6.0


async def test_an_error_is_the_domain_error_that_the_worker_meant() -> None:
    """Code, text, context and retry_after cross the socket."""
    async with connected() as (connection, peer, _):
        call = call_of()
        connection.send(call, call.timeout_s)
        await peer.send(error(call.request_id, StatementError("bad", retry_after=2.0, statement_number=3)))
        with pytest.raises(StatementError, match="bad") as caught:
            await call.future
        assert caught.value.retry_after == 2.0
        assert caught.value.context == {"statement_number": 3}


async def test_a_stream_is_passed_on_in_pieces_and_ends_with_a_summary() -> None:
    """Pieces of a chunk are readable before the chunk is complete; the summary is there after the end."""
    async with connected() as (connection, peer, _):
        result, call = await started_stream(connection, peer)
        assert result.stream is not None
        chunk = frame(Kind.CHUNK, call.request_id, b"abcdef")
        await peer.send(chunk[:-3])
        assert await anext(result.stream) == b"abc"
        await peer.send(chunk[-3:] + end(call.request_id, rows=7))
        assert [piece async for piece in result.stream] == [b"def"]
        assert result.summary.row_count == 7


async def test_credit_returns_only_as_the_reader_takes() -> None:
    """A slow reader sends no credit: the producer must stop. A reader that goes on lets it go on."""
    async with connected() as (connection, peer, _):
        result, call = await started_stream(connection, peer)
        assert result.stream is not None
        for _ in range(10):
            await peer.send(frame(Kind.CHUNK, call.request_id, bytes(100)))
        await peer.silence()
        for _ in range(3):
            await anext(result.stream)
        kind, request_id, payload = await peer.receive()
        assert (kind, request_id, CREDIT.unpack(payload)[0]) == (Kind.CREDIT, call.request_id, 300)


async def test_closing_a_stream_early_cancels_its_query() -> None:
    """A reader that stops in the middle stops the worker too; what still arrives is thrown away."""
    async with connected() as (connection, peer, _):
        result, call = await started_stream(connection, peer)
        assert result.stream is not None
        await peer.send(frame(Kind.CHUNK, call.request_id, b"x"))
        await anext(result.stream)
        await result.stream.aclose()
        assert (await peer.receive())[:2] == (Kind.CANCEL, call.request_id)
        await peer.send(frame(Kind.CHUNK, call.request_id, b"y") + error(call.request_id, QueryCancelledError("gone")))
        assert [piece async for piece in result.stream] == []
        await eventually(lambda: not connection.pending)


async def test_closing_a_stream_that_was_never_read_cancels_its_query() -> None:
    """A client that vanished before its first byte leaves nothing running."""
    async with connected() as (connection, peer, _):
        result, call = await started_stream(connection, peer)
        assert result.stream is not None
        await result.stream.aclose()
        assert (await peer.receive())[:2] == (Kind.CANCEL, call.request_id)


async def test_an_error_in_the_middle_of_a_stream_is_raised_after_what_was_sent() -> None:
    """A stream that breaks off does not look complete."""
    async with connected() as (connection, peer, _):
        result, call = await started_stream(connection, peer)
        assert result.stream is not None
        await peer.send(frame(Kind.CHUNK, call.request_id, b"x") + error(call.request_id, QueryTimeoutError("late")))
        assert await anext(result.stream) == b"x"
        with pytest.raises(QueryTimeoutError):
            await anext(result.stream)


async def test_a_silent_worker_is_answered_for() -> None:
    """After the deadline the connection answers itself, orders a cancel, and later asks for the worker to be killed."""
    async with connected() as (connection, peer, _):
        call = call_of(timeout_s=0.01)
        connection.send(call, call.timeout_s)
        await peer.receive()
        assert not connection.sweep(call.deadline + BACKSTOP_S / 2, 2.0)
        assert not call.future.done()
        assert not connection.sweep(call.deadline + BACKSTOP_S + 0.1, 2.0)
        with pytest.raises(QueryTimeoutError):
            await call.future
        assert (await peer.receive())[:2] == (Kind.CANCEL, call.request_id)
        assert not connection.sweep(call.deadline + 1, 2.0)
        assert connection.sweep(call.deadline + 3, 2.0)


async def test_a_late_write_says_that_its_outcome_is_unknown() -> None:
    """Only the worker knows whether it was committed."""
    async with connected() as (connection, _, _):
        call = call_of(timeout_s=0.01, mode=AccessMode.WRITE)
        connection.send(call, call.timeout_s)
        connection.sweep(time.monotonic() + 0.3, 2.0)
        with pytest.raises(QueryTimeoutError, match="not known") as caught:
            await call.future
        assert caught.value.context["outcome"] == "unknown"


async def test_the_end_of_the_worker_is_told_at_once() -> None:
    """End of file loses the connection; what is pending can then be failed, reads as repeatable, writes as not."""
    async with connected() as (connection, peer, events):
        read, write = call_of("r"), call_of("w", mode=AccessMode.WRITE)
        connection.send(read, read.timeout_s)
        connection.send(write, write.timeout_s)
        await peer.receive()
        peer.close()
        async with asyncio.timeout(30):
            await connection.lost.wait()
        assert events.lost == [False]
        connection.fail_pending(lambda call: refusals.crashed(call.mode))
        for call, repeatable in ((read, True), (write, False)):
            with pytest.raises(WorkerCrashedError) as caught:
                await call.future
            assert caught.value.context["retryable"] is repeatable


@pytest.mark.parametrize(
    "nonsense", [HEADER.pack(2**31, Kind.DOCUMENT, 1), frame(Kind.RUN, 1, b""), HEADER.pack(3, 99, 0) + b"abc"]
)
async def test_a_worker_that_breaks_the_protocol_is_dropped(nonsense: bytes) -> None:
    """Frames that no worker sends end the connection, and the owner is told why."""
    async with connected() as (connection, peer, events):
        await peer.send(nonsense)
        async with asyncio.timeout(30):
            await connection.lost.wait()
        assert events.lost == [True]


async def test_opening_is_reported() -> None:
    """READY and FAILED reach the owner with all they say."""
    async with connected() as (_, peer, events):
        await peer.send(frame(Kind.READY, 0, msgspec.msgpack.encode(Ready("0.22.0", 39, 12.0))))
        await peer.send(frame(Kind.FAILED, 0, msgspec.msgpack.encode(Failure("STORAGE_VERSION", "old"))))
        await eventually(lambda: bool(events.failed))
        assert events.ready[0].storage_version == 39
        assert events.failed[0].code == "STORAGE_VERSION"


async def test_a_degraded_commit_is_reported_and_succeeds() -> None:
    """Committed, but not checkpointed: the caller has success, the owner knows."""
    async with connected() as (connection, peer, events):
        call = call_of()
        connection.send(call, call.timeout_s)
        await peer.send(document(call.request_id, b"ok", SummaryFlag.DEGRADED))
        assert (await call.future).body == b"ok"
        assert events.degraded == 1


async def test_request_ids_wrap_around_without_clashing() -> None:
    """After four billion calls an id that is still pending is not used twice, and zero never."""
    async with connected() as (connection, _, _):
        old = call_of("old")
        connection._last_id = 0
        connection.send(old, old.timeout_s)
        connection._last_id = 2**32 - 1
        new = call_of("new")
        connection.send(new, new.timeout_s)
        assert (old.request_id, new.request_id) == (1, 2)
