"""Answers on their way out: collected for a moment, or streamed as far as credit goes."""

import threading
import time
from collections.abc import Iterator
from itertools import chain
from typing import Final

import msgspec

from robosystems.graph_api.backends.lbug.wire import HEADER, SUMMARY, Failure, Kind, SummaryFlag
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.worker.channel import Channel
from robosystems.graph_api.worker.requests import Cause, Request
from robosystems.graph_api.worker.results import Figures, Piece

DOCUMENT_BYTES: Final = 256 << 10
"""Longer answers are streamed."""

FLUSH_AFTER_S: Final = 0.0003
"""So long an answer may wait for others before it is sent with them."""

_DOCUMENT: Final = int(Kind.DOCUMENT)
_HEAD: Final = int(Kind.HEAD)
_CHUNK: Final = int(Kind.CHUNK)
_END: Final = int(Kind.END)
_ERROR: Final = int(Kind.ERROR)

_encode_failure: Final = msgspec.msgpack.Encoder(enc_hook=str).encode
_pack_header: Final = HEADER.pack
_pack_summary: Final = SUMMARY.pack
_SUMMARY_BYTES: Final = SUMMARY.size


class Flow:
    """Credit of all streams of a worker: one condition, since there are few streams."""

    def __init__(self) -> None:
        self._changed = threading.Condition()

    def add(self, request: Request, count: int) -> None:
        """Let a stream send so many more bytes."""
        with self._changed:
            request.credit += count
            self._changed.notify_all()

    def wake(self) -> None:
        """Let all streams look whether they have to stop."""
        with self._changed:
            self._changed.notify_all()

    def take(self, request: Request, wanted: int) -> int:
        """Wait for credit and use up to `wanted` bytes of it.

        Raises:
            QueryTimeoutError: The deadline passed.
            QueryCancelledError: It was cancelled.
        """
        with self._changed:
            while request.credit <= 0:
                request.check()
                left = request.deadline - time.monotonic()
                if left <= 0:
                    request.stop(Cause.DEADLINE)
                    continue
                self._changed.wait(left)
            request.check()
            count = min(request.credit, wanted)
            request.credit -= count
            return count


class Replies:
    """Answers of one thread. Call `flush` before waiting for anything."""

    def __init__(self, channel: Channel, flow: Flow, frame_bytes: int) -> None:
        self._channel = channel
        self._flow = flow
        self._frame_bytes = frame_bytes
        self._collected: list[bytes] = []
        self._bytes = 0
        self._oldest = 0.0

    def document(self, request_id: int, body: bytes, figures: Figures) -> None:
        """Answer with one whole document."""
        summary = _pack_summary(figures.rows, figures.execution_ms, figures.flags)
        self._collect(b"%b%b%b" % (_pack_header(_SUMMARY_BYTES + len(body), _DOCUMENT, request_id), summary, body))

    def plain(
        self, request_id: int, body: bytes, execution_ms: float = 0.0, flags: int = SummaryFlag.NONE, rows: int = 0
    ) -> None:
        """Answer with a document that is no single result."""
        summary = _pack_summary(rows, execution_ms, flags)
        self._collect(_pack_header(_SUMMARY_BYTES + len(body), _DOCUMENT, request_id) + summary + body)

    def error(self, request_id: int, error: GraphApiError) -> None:
        """Answer with an error; also the end of a stream that has begun."""
        payload = _encode_failure(Failure.from_error(error))
        self._collect(_pack_header(len(payload), _ERROR, request_id) + payload)

    def frame(self, kind: Kind, payload: bytes, request_id: int = 0) -> None:
        """Send a frame that answers nothing."""
        self._collect(_pack_header(len(payload), kind, request_id) + payload)

    def rows(self, request: Request, pieces: Iterator[Piece], figures: Figures) -> None:
        """Answer with encoded rows: as one document if they are few, else as a stream.

        Raises:
            GraphApiError: Encoding failed, or the request has to stop; the caller answers with it.
        """
        begun: list[Piece] = []
        size = 0
        for piece in pieces:
            begun.append(piece)
            size += len(piece)
            if size > DOCUMENT_BYTES:
                break
            if not request.committed:
                request.check()
        else:
            self.document(request.request_id, b"".join(begun), figures)
            return
        self._stream(request, begun, pieces, figures)

    def _stream(self, request: Request, begun: list[Piece], pieces: Iterator[Piece], figures: Figures) -> None:
        summary = _pack_summary(figures.rows, figures.execution_ms, figures.flags)
        self._collect(_pack_header(len(summary), _HEAD, request.request_id) + summary)
        self.flush()
        for piece in chain(begun, pieces):
            request.check()
            self._chunks(request, piece)
        summary = _pack_summary(figures.rows, figures.execution_ms, figures.flags)
        self._collect(_pack_header(len(summary), _END, request.request_id) + summary)

    def _chunks(self, request: Request, piece: Piece) -> None:
        view = memoryview(piece)
        while view:
            count = self._flow.take(request, min(len(view), self._frame_bytes))
            self._channel.send(_pack_header(count, _CHUNK, request.request_id), view[:count])
            view = view[count:]

    def _collect(self, whole_frame: bytes) -> None:
        if not self._collected:
            self._oldest = time.monotonic()
        self._collected.append(whole_frame)
        self._bytes += len(whole_frame)
        if self._bytes > DOCUMENT_BYTES:
            self.flush()

    def flush_if_old(self, now: float) -> None:
        """Send what has waited long enough."""
        if self._collected and now - self._oldest > FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        """Send everything."""
        collected = self._collected
        if collected:
            self._collected = []
            self._bytes = 0
            self._channel.send(collected[0] if len(collected) == 1 else b"".join(collected))
