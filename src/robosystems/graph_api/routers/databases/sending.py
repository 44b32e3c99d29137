"""Sending the encoded answer of a statement: whole with its length, or chunk by chunk as the client takes it."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

import msgspec
from starlette.types import Scope, Send

from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.query import EncodedResult, ResultFormat
from robosystems.graph_api.routers.databases.compression import SMALLEST_BYTES, compress, compressor
from robosystems.graph_api.routers.databases.media_types import NDJSON, TYPE_BY_FORMAT, MediaType
from robosystems.graph_api.routers.databases.negotiation import Coding, negotiate_coding
from robosystems.graph_api.routers.deps import describe_request, request_id_of
from robosystems.graph_api.routers.errors import problem_of

Header = tuple[bytes, bytes]

ROW_COUNT_HEADER: Final = "X-Row-Count"
TRUNCATED_HEADER: Final = "X-Truncated"

_VARY: Final[Header] = (b"vary", b"accept, accept-encoding")
_LONGEST_HELD: Final = 1 << 20
"""Bytes of a record that are held back at most: a longer one is sent before its end is known."""


class WholeRecords:
    """Cuts chunks at the ends of records, so that the problem of a stream that fails is a record of its own.

    Args:
        separator: What ends each record.
    """

    __slots__ = ("_held", "_inside", "_separator")

    def __init__(self, separator: bytes) -> None:
        self._separator = separator
        self._held = b""
        self._inside = False

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be sent: the chunk with what was held back before it, without the record that it begins."""
        size = len(self._separator)
        # The separator may have begun at the end of what is held back.
        overlap = self._held[len(self._held) + 1 - size :]
        cut = (overlap + chunk).rfind(self._separator) + size - len(overlap)
        if cut < size - len(overlap):
            self._held += chunk
            ready = b""
        else:
            ready = self._held + chunk[:cut]
            self._held = chunk[cut:]
            self._inside = False
        if len(self._held) > _LONGEST_HELD:
            ready += self._held
            self._held = b""
            self._inside = True
        return ready

    def end(self) -> bytes:
        """Return what is left of a complete stream."""
        return self._held

    def end_with(self, record: bytes) -> bytes:
        """Return the end of a stream that failed; the record that broke off is left out where that is possible."""
        return self._separator + record if self._inside else record


async def send_result(
    scope: Scope,
    send: Send,
    result: EncodedResult,
    result_format: ResultFormat,
    query_id: str,
    *,
    headers: Iterable[Header] = (),
) -> None:
    """Send an answer, compressed if the client wants it.

    A failure becomes the last record of NDJSON or an event stream. Answers of other formats are broken off: the client
    sees an incomplete body.

    Args:
        scope: Of the request.
        send: Of the request.
        result: What to send; its stream is closed in any case.
        result_format: Its format.
        query_id: Name of the query.
        headers: Further headers.

    Raises:
        GraphApiError: The answer has to be broken off.
    """
    kind = TYPE_BY_FORMAT[result_format]
    head = [(b"content-type", kind.content_type), (b"x-query-id", query_id.encode()), _VARY, *headers]
    if kind.suffix is not None:
        head += _announced(scope, result, kind.suffix)
    is_small = result.body is not None and len(result.body) < SMALLEST_BYTES
    coding = negotiate_coding(scope) if kind.compressible and not is_small else None
    if result.body is not None:
        await _send_whole(send, result.body, head, coding)
        return
    assert result.stream is not None  # noqa: S101 - has a body or a stream
    try:
        pieces = result.stream if kind.separator is None else _with_record(scope, result.stream, kind)
        async with aclosing(pieces):
            await _send_pieces(send, pieces, head, coding)
    finally:
        await result.stream.aclose()


def _announced(scope: Scope, result: EncodedResult, suffix: str) -> Iterable[Header]:
    """Return what a format without a summary says in headers, and the name of the file to save."""
    summary = result.summary
    return (
        (b"content-disposition", f'attachment; filename="{scope["path_params"]["graph_id"]}.{suffix}"'.encode()),
        (ROW_COUNT_HEADER.lower().encode(), b"%d" % summary.row_count),
        (TRUNCATED_HEADER.lower().encode(), b"true" if summary.truncated else b"false"),
    )


async def _send_whole(send: Send, body: bytes, head: list[Header], coding: Coding | None) -> None:
    """Send an answer that is there."""
    if coding is not None:
        stream = compressor(coding)
        body = await compress(stream, body) + stream.finish()
        head.append((b"content-encoding", coding.value.encode()))
    head.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def _send_pieces(send: Send, pieces: AsyncGenerator[bytes], head: list[Header], coding: Coding | None) -> None:
    """Send an answer as it comes."""
    if coding is None:
        await send({"type": "http.response.start", "status": 200, "headers": head})
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    stream = compressor(coding)
    head.append((b"content-encoding", coding.value.encode()))
    await send({"type": "http.response.start", "status": 200, "headers": head})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": await compress(stream, piece), "more_body": True})
    await send({"type": "http.response.body", "body": stream.finish()})


async def _with_record(scope: Scope, stream: AsyncGenerator[bytes], kind: MediaType) -> AsyncGenerator[bytes]:
    """Yield whole records; whatever happens, the last one is a summary or a problem."""
    assert kind.separator is not None  # noqa: S101 - the caller has checked it
    records = WholeRecords(kind.separator)
    try:
        async for chunk in stream:
            ready = records.feed(chunk)
            if ready:
                yield ready
        last = records.end()
    except GraphApiError as error:
        describe_request(scope, error_code=error.code)
        problem = msgspec.json.encode(problem_of(error, request_id_of(scope)), enc_hook=str)
        form = b'{"problem":%b}\n' if kind is NDJSON else b"event: problem\ndata: %b\n\n"
        last = records.end_with(form % problem)
    if last:
        yield last
