"""How large the parts of an Arrow stream become in memory: looked up before they are decompressed.

A compressed buffer begins with the length that it claims to have when decompressed, and the reader allocates that. The
messages are FlatBuffers, of which this reads what it needs: tables with their fields by number, and vectors.
"""

from struct import Struct, error
from typing import Final

from robosystems.graph_api.domain.errors import LoadError

MAX_BATCH_BYTES: Final = 256 << 20
"""A compressed batch that becomes larger is refused."""

_RECORD_BATCH: Final = 3
_DICTIONARY_BATCH: Final = 2
_U16: Final = Struct("<H")
_U32: Final = Struct("<I")
_I32: Final = Struct("<i")
_I64: Final = Struct("<q")
_BUFFER: Final = Struct("<qq")
_BLOCK: Final = Struct("<qi4xq")
_CONTINUATION: Final = b"\xff\xff\xff\xff"
_PREFIX: Final = 8


def check_message(metadata: bytes, body: memoryview) -> None:
    """Check what a message of a stream becomes in memory.

    Args:
        metadata: Its metadata, a FlatBuffer.
        body: Its buffers.

    Raises:
        LoadError: It is too large, or damaged.
    """
    try:
        size = _decompressed_bytes(metadata, body)
    except (error, IndexError) as cause:
        raise LoadError("The Arrow data is damaged: a message cannot be read.", reason="damaged") from cause
    if size > MAX_BATCH_BYTES:
        raise LoadError(
            f"A record batch or dictionary has {size} bytes decompressed; at most {MAX_BATCH_BYTES} are taken. "
            "Write smaller batches.",
            reason="batch_too_large",
        )


def check_file(data: memoryview, footer: bytes) -> None:
    """Check all messages that the footer of a file names; as `check_message`.

    Args:
        data: The whole file.
        footer: Its footer, a FlatBuffer.

    Raises:
        LoadError: One is too large, or something is damaged.
    """
    try:
        table = _Table(footer, _U32.unpack_from(footer, 0)[0])
        blocks = [*table.structs(2, _BLOCK), *table.structs(3, _BLOCK)]
        for offset, metadata_length, body_length in blocks:
            begin = offset + (_PREFIX if bytes(data[offset : offset + 4]) == _CONTINUATION else _U32.size)
            body = offset + metadata_length
            check_message(bytes(data[begin:body]), data[body : body + body_length])
    except (error, IndexError) as cause:
        raise LoadError("The Arrow data is damaged: its footer cannot be read.", reason="damaged") from cause


def _decompressed_bytes(metadata: bytes, body: memoryview) -> int:
    """Return the bytes of the buffers once decompressed; 0 if they are not compressed."""
    message = _Table(metadata, _U32.unpack_from(metadata, 0)[0])
    kind = message.byte(1)
    header = message.table(2)
    if kind == _DICTIONARY_BATCH and header is not None:
        header = header.table(1)
    if kind not in (_RECORD_BATCH, _DICTIONARY_BATCH) or header is None or header.table(3) is None:
        return 0
    total = 0
    for offset, length in header.structs(2, _BUFFER):
        if length >= _I64.size:
            claimed = _I64.unpack_from(body, offset)[0]
            total += length if claimed < 0 else claimed
    return total


class _Table:
    """A table of a FlatBuffer."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._fields = position - _I32.unpack_from(data, position)[0]

    def byte(self, number: int) -> int:
        """Return a field of one byte; 0 if it is left out."""
        place = self._place(number)
        return self._data[place] if place else 0

    def table(self, number: int) -> "_Table | None":
        """Return a field that is a table."""
        place = self._place(number)
        return _Table(self._data, place + _U32.unpack_from(self._data, place)[0]) if place else None

    def structs(self, number: int, kind: Struct) -> list[tuple[int, ...]]:
        """Return a field that is a vector of structs."""
        place = self._place(number)
        if not place:
            return []
        vector = place + _U32.unpack_from(self._data, place)[0]
        count = _U32.unpack_from(self._data, vector)[0]
        begin = vector + _U32.size
        return list(kind.iter_unpack(self._data[begin : begin + count * kind.size]))

    def _place(self, number: int) -> int:
        """Return where a field lies, or 0."""
        slot = 2 * _U16.size + number * _U16.size
        if self._fields < 0 or slot >= _U16.unpack_from(self._data, self._fields)[0]:
            return 0
        offset = _U16.unpack_from(self._data, self._fields + slot)[0]
        return self._position + offset if offset else 0
