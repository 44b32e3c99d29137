"""Sending the encoded answer of a statement: whole with its length, or chunk by chunk as the client takes it."""

from typing import Final

import msgspec
from starlette.types import Scope, Send

from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.query import EncodedResult, ResultFormat
from robosystems.graph_api.routers.databases.negotiation import JSON, NDJSON
from robosystems.graph_api.routers.deps import describe_request, request_id_of
from robosystems.graph_api.routers.errors import problem_of

_CONTENT_TYPES: Final = {
    ResultFormat.JSON: JSON.encode(),
    ResultFormat.JSON_ARRAYS: JSON.encode(),
    ResultFormat.NDJSON: NDJSON.encode(),
}
_LONGEST_HELD: Final = 1 << 20
"""Bytes of a line that are held back at most: a longer row is sent before its end is known."""


class WholeLines:
    """Cuts chunks at the ends of lines, so that the problem of a stream that fails begins a line of its own."""

    __slots__ = ("_held", "_in_line")

    def __init__(self) -> None:
        self._held = b""
        self._in_line = False

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be sent: the chunk with what was held back before it, without the line that it begins."""
        cut = chunk.rfind(b"\n") + 1
        ready = self._held + chunk[:cut] if cut else b""
        self._held = chunk[cut:] if cut else self._held + chunk
        if cut:
            self._in_line = False
        if len(self._held) > _LONGEST_HELD:
            ready += self._held
            self._held = b""
            self._in_line = True
        return ready

    def end(self) -> bytes:
        """Return what is left of a complete stream."""
        return self._held

    def end_with(self, line: bytes) -> bytes:
        """Return the last line of a stream that failed; the row that broke off is left out where that is possible."""
        return b"\n" + line if self._in_line else line


async def send_result(
    scope: Scope, send: Send, result: EncodedResult, result_format: ResultFormat, query_id: str
) -> None:
    """Send an answer. A failure becomes the last line of NDJSON; a JSON document is cut off and does not parse.

    Raises:
        GraphApiError: The document broke off.
    """
    headers = [(b"content-type", _CONTENT_TYPES[result_format]), (b"x-query-id", query_id.encode())]
    if result.body is not None:
        headers.append((b"content-length", str(len(result.body)).encode()))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": result.body})
        return
    assert result.stream is not None  # noqa: S101 - has a body or a stream
    try:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if result_format is ResultFormat.NDJSON:
            await _send_lines(scope, send, result)
        else:
            async for chunk in result.stream:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
    finally:
        await result.stream.aclose()


async def _send_lines(scope: Scope, send: Send, result: EncodedResult) -> None:
    """Forward lines; whatever happens, the last one is a summary or a problem."""
    assert result.stream is not None  # noqa: S101 - the caller has checked it
    lines = WholeLines()
    try:
        async for chunk in result.stream:
            ready = lines.feed(chunk)
            if ready:
                await send({"type": "http.response.body", "body": ready, "more_body": True})
        last = lines.end()
    except GraphApiError as error:
        describe_request(scope, error_code=error.code)
        problem = msgspec.json.encode({"problem": problem_of(error, request_id_of(scope))}, enc_hook=str)
        last = lines.end_with(problem + b"\n")
    await send({"type": "http.response.body", "body": last})
