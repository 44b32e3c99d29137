"""The API side of the socket to one worker: requests go out, answers come back in any order."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

import msgspec

from robosystems.graph_api.backends.lbug.calls import Call
from robosystems.graph_api.backends.lbug.observer import StopCause
from robosystems.graph_api.backends.lbug.result_stream import ResultStream, StreamBuffer
from robosystems.graph_api.backends.lbug.wire import (
    CREDIT,
    HEADER,
    MAX_FRAME_BYTES,
    SUMMARY,
    Failure,
    Kind,
    Ready,
    SummaryFlag,
    frame,
)
from robosystems.graph_api.domain.errors import (
    GraphApiError,
    PayloadTooLargeError,
    PoolExhaustedError,
    QueryCancelledError,
    QueryTimeoutError,
)
from robosystems.graph_api.domain.query import EncodedResult, ResultSummary

BACKSTOP_S: Final = 0.2
"""A worker answers its deadlines itself; so much later (plus one sweep) the connection does it in its place."""

_MAX_UNSENT_BYTES: Final = 64 << 20
"""Requests that wait for a worker that does not read; more are refused."""

_ID_MASK: Final = 0xFFFF_FFFF
_HEADER_BYTES: Final = HEADER.size
_SUMMARY_BYTES: Final = SUMMARY.size

# Plain numbers: comparing with an enum member costs several times as much, on every frame.
_READY: Final = int(Kind.READY)
_FAILED: Final = int(Kind.FAILED)
_DOCUMENT: Final = int(Kind.DOCUMENT)
_HEAD: Final = int(Kind.HEAD)
_CHUNK: Final = int(Kind.CHUNK)
_END: Final = int(Kind.END)
_ERROR: Final = int(Kind.ERROR)
_PROGRESS: Final = int(Kind.PROGRESS)
_TRUNCATED: Final = int(SummaryFlag.TRUNCATED)
_DEGRADED: Final = int(SummaryFlag.DEGRADED)

_STOP_CAUSES: Final[dict[type[GraphApiError], StopCause]] = {
    QueryTimeoutError: StopCause.DEADLINE,
    QueryCancelledError: StopCause.CANCELLED,
}

_decode_failure: Final = msgspec.msgpack.Decoder(Failure).decode
_decode_ready: Final = msgspec.msgpack.Decoder(Ready).decode


class ConnectionEvents(Protocol):
    """What the owner of a connection is told; called on the event loop."""

    def worker_ready(self, ready: Ready) -> None:
        """The worker has opened its database."""

    def worker_failed(self, error: GraphApiError) -> None:
        """The worker could not open its database and ends."""

    def worker_degraded(self) -> None:
        """A commit was durable, but the checkpoint after it failed."""

    def worker_stopped_query(self, cause: StopCause) -> None:
        """A query was stopped before its end, or before it began."""

    def connection_lost(self, *, broken_protocol: bool) -> None:
        """No more answers will come; `pending` still holds what was not answered."""


class WorkerConnection(asyncio.Protocol):
    """Sends calls and delivers their answers. All methods are called on the event loop and none waits.

    Frames of one loop iteration go out together in one write. Answers are matched by request id.

    Args:
        events: Who is told of what is not an answer.
        credit: Bytes of one stream that may be on their way.

    Attributes:
        pending: Calls without a final answer, by request id, in the order of sending.
        answers_per_s: How fast answers came lately.
        lost: Set when the socket is closed.
    """

    def __init__(self, events: ConnectionEvents, credit: int) -> None:
        self.pending: dict[int, Call] = {}
        self.answers_per_s = 0.0
        self.lost = asyncio.Event()
        self._events = events
        self._credit = credit
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport | None = None
        self._outbox: list[bytes] = []
        self._paused = False
        self._last_id = 0
        self._answered = 0
        self._rest: list[bytes] = []
        self._rest_missing = 0
        self._chunk_left = 0
        self._chunk_stream: StreamBuffer | None = None
        self._broken_protocol = False

    # -- sending ------------------------------------------------------------------------------------------------------

    def send(self, call: Call, seconds_left: float) -> None:
        """Send a call; its future will be answered, by the worker or by whoever fails what is pending.

        Args:
            call: The call.
            seconds_left: Until its deadline, at this moment.

        Raises:
            PoolExhaustedError: The worker does not read, and too many bytes wait for it already.
            PayloadTooLargeError: The request does not fit into a frame.
        """
        if self._paused and self._transport is not None and self._transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            raise PoolExhaustedError("Connection pool exhausted: the database does not take requests.", retry_after=2.0)
        payload = call.payload(seconds_left)
        if len(payload) > MAX_FRAME_BYTES:
            raise PayloadTooLargeError(f"The request has {len(payload)} bytes; at most {MAX_FRAME_BYTES} are taken.")
        request_id = self._last_id + 1 & _ID_MASK
        while request_id == 0 or request_id in self.pending:
            request_id = request_id + 1 & _ID_MASK
        self._last_id = call.request_id = request_id
        self.pending[request_id] = call
        outbox = self._outbox
        if not outbox:
            self._loop.call_soon(self._flush)
        outbox.append(HEADER.pack(len(payload), call.kind, request_id) + payload)

    def cancel(self, request_id: int) -> None:
        """Order the worker to stop a request; no effect if it has ended."""
        if request_id in self.pending:
            self._post(frame(Kind.CANCEL, request_id))

    def grant(self, request_id: int, count: int) -> None:
        """Let the worker send so many more bytes of a stream."""
        if request_id in self.pending:
            self._post(frame(Kind.CREDIT, request_id, CREDIT.pack(count)))

    def order_close(self) -> None:
        """Order the worker to finish, checkpoint and exit."""
        self._post(frame(Kind.CLOSE, 0))

    def abort(self) -> None:
        """Close the socket at once; `connection_lost` follows."""
        if self._transport is not None:
            self._transport.abort()

    def _post(self, whole_frame: bytes) -> None:
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(whole_frame)

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(outbox[0] if len(outbox) == 1 else b"".join(outbox))

    def pause_writing(self) -> None:
        """Remember that the worker does not keep up with reading (called by the transport)."""
        self._paused = True

    def resume_writing(self) -> None:
        """Forget it (called by the transport)."""
        self._paused = False

    # -- deadlines ----------------------------------------------------------------------------------------------------

    def sweep(self, now: float, kill_grace_s: float) -> bool:
        """Answer what the worker should have answered, and return whether it is stuck for so long that it must go."""
        stuck = False
        limit = now - BACKSTOP_S
        for call in self.pending.values():
            if call.deadline < limit:
                if not call.overdue:
                    call.expire()
                    self.cancel(call.request_id)
                elif call.deadline < limit - kill_grace_s:
                    stuck = True
        return stuck

    def measure(self, seconds: float) -> None:
        """Set `answers_per_s` from the answers since the last call, so many seconds ago."""
        self.answers_per_s = self._answered / seconds
        self._answered = 0

    def fail_pending(self, make_error: Callable[[Call], GraphApiError]) -> None:
        """Answer everything pending with an error."""
        calls = list(self.pending.values())
        self.pending.clear()
        for call in calls:
            call.fail(make_error(call))
            call.end_change()

    # -- receiving ----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (called by the event loop)."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.set_write_buffer_limits(high=4 << 20)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (why does not matter: the worker is gone)
        """Tell the owner (called by the event loop)."""
        self._transport = None
        self.lost.set()
        self._events.connection_lost(broken_protocol=self._broken_protocol)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the worker (called by the event loop)."""
        if self._rest:
            self._rest.append(data)
            self._rest_missing -= len(data)
            if self._rest_missing > 0:
                return
            data = b"".join(self._rest)
            self._rest.clear()
        offset = 0
        end = len(data)
        if self._chunk_left:
            offset = self._continue_chunk(data, 0)
        while end - offset >= _HEADER_BYTES:
            length, kind, request_id = HEADER.unpack_from(data, offset)
            start = offset + _HEADER_BYTES
            stop = start + length
            if kind == _CHUNK:
                self._chunk_left = length
                call = self.pending.get(request_id)
                self._chunk_stream = call.stream if call is not None else None
                offset = self._continue_chunk(data, start)
            elif stop <= end:
                if kind == _DOCUMENT:
                    self._answer(request_id, data, start, stop)
                else:
                    self._handle(kind, request_id, data[start:stop])
                offset = stop
            elif length > MAX_FRAME_BYTES:
                self._refuse_peer()
                return
            else:
                self._keep(data[offset:], stop - end)
                return
        if offset < end:
            self._keep(data[offset:], _HEADER_BYTES - (end - offset))

    def _keep(self, rest: bytes, missing: int) -> None:
        """Wait for the rest of a frame; collecting the pieces and joining once keeps large frames linear."""
        self._rest.append(rest)
        self._rest_missing = missing

    def _continue_chunk(self, data: bytes, start: int) -> int:
        """Pass what is here of a chunk on without waiting for the rest; return where the next frame begins."""
        stop = min(start + self._chunk_left, len(data))
        self._chunk_left -= stop - start
        if self._chunk_stream is not None and stop > start:
            self._chunk_stream.feed(data[start:stop])
        return stop

    def _answer(self, request_id: int, data: bytes, start: int, stop: int) -> None:
        """Act on a DOCUMENT, whose payload lies between two places of the data: what most frames are."""
        self._answered += 1
        call = self.pending.pop(request_id, None)
        if call is None:
            return
        if call.changing is not None:
            call.end_change()
        if not call.future.done():
            body = data[start + _SUMMARY_BYTES : stop]
            call.future.set_result(EncodedResult(body, None, self._summary(data, start)))

    def _handle(self, kind: int, request_id: int, payload: bytes) -> None:
        """Act on one whole frame other than a CHUNK or a DOCUMENT."""
        if kind == _HEAD:
            self._start_stream(request_id, payload)
        elif kind == _END:
            call = self._ended(request_id)
            if call is not None and call.stream is not None:
                call.stream.end(self._summary(payload, 0))
        elif kind == _ERROR:
            call = self._ended(request_id)
            if call is not None:
                call.fail(self._failure(payload))
        elif kind == _PROGRESS:
            call = self.pending.get(request_id)
            if call is not None:
                call.progressed(payload)
        elif kind == _READY:
            self._events.worker_ready(_decode_ready(payload))
        elif kind == _FAILED:
            self._events.worker_failed(_decode_failure(payload).to_error())
        else:
            self._refuse_peer()

    def _ended(self, request_id: int) -> Call | None:
        """Take a call that the worker is done with; None if nobody asked for it."""
        self._answered += 1
        call = self.pending.pop(request_id, None)
        if call is not None:
            call.end_change()
        return call

    def _start_stream(self, request_id: int, head: bytes) -> None:
        call = self.pending.get(request_id)
        if call is None:
            return
        if call.future.done():  # Nobody waits any more; its CANCEL is on the way.
            return
        call.stream = StreamBuffer(self, request_id, self._credit)
        rows, milliseconds, flags = SUMMARY.unpack(head)
        announced = ResultSummary(rows, bool(flags & _TRUNCATED), milliseconds)
        call.future.set_result(ResultStream.result(call.stream, announced))

    def _summary(self, data: bytes, offset: int) -> ResultSummary:
        rows, milliseconds, flags = SUMMARY.unpack_from(data, offset)
        if flags & _DEGRADED:
            self._events.worker_degraded()
        return ResultSummary(rows, bool(flags & _TRUNCATED), milliseconds)

    def _failure(self, payload: bytes) -> GraphApiError:
        """Decode an error, and tell the owner if it says that the query was stopped."""
        error = _decode_failure(payload).to_error()
        cause = _STOP_CAUSES.get(type(error))
        if cause is not None:
            self._events.worker_stopped_query(cause)
        return error

    def _refuse_peer(self) -> None:
        """Give up on a worker that does not keep to the protocol."""
        self._broken_protocol = True
        self.abort()
