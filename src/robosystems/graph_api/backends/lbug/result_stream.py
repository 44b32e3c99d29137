"""A streamed answer between the connection that receives it and the reader that takes it, with credit in between."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Protocol

from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.query import EncodedResult, ResultSummary


class StreamSource(Protocol):
    """Where a stream comes from."""

    def grant(self, request_id: int, count: int) -> None:
        """Allow so many more bytes to be sent."""

    def cancel(self, request_id: int) -> None:
        """Stop the request; no effect if it has ended."""


class StreamBuffer:
    """The pieces that were received and not yet taken; never more bytes than the credit.

    Args:
        source: Whom to grant credit.
        request_id: Number of the request.
        credit: Bytes that may be on their way at once.
    """

    __slots__ = (
        "_credit_due",
        "_pieces",
        "_source",
        "_threshold",
        "_waiter",
        "closed",
        "error",
        "request_id",
        "summary",
    )

    def __init__(self, source: StreamSource, request_id: int, credit: int) -> None:
        self.request_id = request_id
        self.summary: ResultSummary | None = None
        self.error: GraphApiError | None = None
        self.closed = False
        self._source = source
        self._pieces: deque[bytes] = deque()
        self._credit_due = 0
        # Credit goes back in quarters: a frame per piece would cost more than it saves, one per credit would stall.
        self._threshold = max(1, credit // 4)
        self._waiter: asyncio.Future[None] | None = None

    # -- the connection's side ----------------------------------------------------------------------------------------

    def feed(self, piece: bytes) -> None:
        """Take a piece from the worker; after `close` it is thrown away."""
        if not self.closed:
            self._pieces.append(piece)
            self._wake()

    def end(self, summary: ResultSummary) -> None:
        """The answer is complete."""
        self.summary = summary
        self._wake()

    def fail(self, error: GraphApiError) -> None:
        """The answer ends with an error, after what was received before; no effect after `end`."""
        if self.summary is None and self.error is None:
            self.error = error
            self._wake()

    # -- the reader's side --------------------------------------------------------------------------------------------

    async def take(self) -> bytes | None:
        """Return the next piece; None after the last one.

        Raises:
            GraphApiError: The answer broke off.
        """
        while not self._pieces:
            if self.error is not None:
                raise self.error
            if self.summary is not None or self.closed:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        if self.summary is None:
            self._credit_due += len(piece)
            if self._credit_due >= self._threshold:
                self._source.grant(self.request_id, self._credit_due)
                self._credit_due = 0
        return piece

    def close(self) -> None:
        """Throw away what is left and stop the request, unless it has ended."""
        if self.closed:
            return
        self.closed = True
        self._pieces.clear()
        if self.summary is None and self.error is None:
            self._source.cancel(self.request_id)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class ResultStream(AsyncGenerator[bytes, None]):
    """The reader's end of a buffer, in the form that `EncodedResult.stream` promises.

    A generator function would not do: closing one that was never iterated runs none of its code, and the query of a
    client that vanished before its first byte would go on.
    """

    __slots__ = ("_buffer", "_loop", "_result")

    def __init__(self, buffer: StreamBuffer) -> None:
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        self._result: EncodedResult | None = None

    @classmethod
    def result(cls, buffer: StreamBuffer, announced: ResultSummary) -> EncodedResult:
        """Return a result that streams from the buffer; its summary is the announced one until it has ended."""
        stream = cls(buffer)
        stream._result = EncodedResult(body=None, stream=stream, summary=announced)
        return stream._result

    async def __anext__(self) -> bytes:
        try:
            piece = await self._buffer.take()
        except BaseException:
            self._finish()
            raise
        if piece is not None:
            return piece
        self._finish()
        raise StopAsyncIteration

    async def asend(self, value: None) -> bytes:  # noqa: ARG002 (a stream takes no values)
        """Return the next piece."""
        return await self.__anext__()

    async def athrow(
        self,
        typ: type[BaseException] | BaseException,
        val: BaseException | object = None,
        tb: TracebackType | None = None,
    ) -> bytes:
        """Close the stream and raise."""
        self._finish()
        error = typ if isinstance(typ, BaseException) else val if isinstance(val, BaseException) else typ()
        raise error.with_traceback(tb)

    async def aclose(self) -> None:
        """End the stream; the query is cancelled if it still runs."""
        self._finish()

    def _finish(self) -> None:
        result, self._result = self._result, None
        if result is not None and self._buffer.summary is not None:
            result.summary = self._buffer.summary
        self._buffer.close()

    def __del__(self) -> None:
        # Forgotten without `aclose`. The collector may run in any thread, and when the loop has ended.
        if not self._buffer.closed and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._buffer.close)
