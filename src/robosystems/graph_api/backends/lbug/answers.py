"""Answers that the service itself reads, as values."""

from typing import Final

import msgspec

from robosystems.graph_api.domain.errors import PayloadTooLargeError
from robosystems.graph_api.domain.load import LoadReport
from robosystems.graph_api.domain.query import EncodedResult


class _Document(msgspec.Struct):
    data: list[list[object]]


_decode_document: Final = msgspec.json.Decoder(_Document).decode
_decode_report: Final = msgspec.json.Decoder(LoadReport).decode


async def collect_rows(result: EncodedResult, max_bytes: int) -> list[list[object]]:
    """Return the rows of a JSON document of arrays.

    Raises:
        PayloadTooLargeError: It has more than `max_bytes`.
    """
    return _decode_document(await collect_body(result, max_bytes)).data


async def collect_body(result: EncodedResult, max_bytes: int) -> bytes:
    """Return a whole answer, streamed or not.

    Raises:
        PayloadTooLargeError: It has more than `max_bytes`.
    """
    if result.stream is None:
        body = result.body or b""
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        return body
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in result.stream:
            pieces.append(piece)
            size += len(piece)
            if size > max_bytes:
                raise _too_large(max_bytes)
    finally:
        await result.stream.aclose()
    return b"".join(pieces)


def decode_report(result: EncodedResult) -> LoadReport:
    """Return the report of a load."""
    return _decode_report(result.body or b"")


def _too_large(max_bytes: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"The answer has more than {max_bytes} bytes.")
