"""Reading an Arrow IPC answer: the schema, record batches, then a batch without rows that carries the summary, the end.

The stream is cut into whole messages here, so that pyarrow, which can only read from something that blocks, never has
to wait: it is given a batch when all of its bytes are there.
"""

import struct
from collections import deque
from typing import Any, Final, TypeAlias

import msgspec

from robosystems.graph_api.client.exceptions import IncompleteStreamError
from robosystems.graph_api.client.libraries import ArrowTable, Library, library
from robosystems.graph_api.domain.query import SUMMARY_KEY

ARROW_STREAM: Final = "application/vnd.apache.arrow.stream"

RecordBatch: TypeAlias = Any
"""`pyarrow.RecordBatch`."""

_CONTINUATION: Final = 0xFFFFFFFF
_PREFIX: Final = struct.Struct("<II")
_SCHEMA, _RECORD_BATCH, _END = 1, 3, 0
_TYPE_SLOT, _BODY_SLOT = 1, 3
_LONGEST_METADATA: Final = 64 << 20


class ByteQueue:
    """Bytes that came and were not read yet; a file for pyarrow, without copies of whole pieces."""

    closed = False

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self.size = 0
        """Bytes that are there."""

    def put(self, piece: bytes) -> None:
        """Add bytes."""
        if piece:
            self._pieces.append(memoryview(piece))
            self.size += len(piece)

    def peek(self, start: int, count: int) -> bytes:
        """Return bytes from a distance on, without taking them; fewer if they are not there yet."""
        found: list[memoryview] = []
        for piece in self._pieces:
            if start >= len(piece):
                start -= len(piece)
                continue
            part = piece[start : start + count]
            found.append(part)
            start, count = 0, count - len(part)
            if not count:
                break
        return b"".join(found)

    def read(self, count: int = -1) -> bytes:
        """Take bytes: as a file does."""
        count = self.size if count < 0 else min(count, self.size)
        self.size -= count
        found: list[memoryview] = []
        while count:
            piece = self._pieces[0]
            if len(piece) <= count:
                found.append(self._pieces.popleft())
                count -= len(piece)
            else:
                found.append(piece[:count])
                self._pieces[0] = piece[count:]
                count = 0
        return bytes(found[0]) if len(found) == 1 else b"".join(found)


class ArrowDecoder:
    """Reads one Arrow answer.

    Raises:
        MissingLibraryError: pyarrow is not installed.
    """

    def __init__(self) -> None:
        self.summary: dict[str, Any] | None = None
        """The terminal record; None until the stream has ended well."""
        self.schema: Any = None
        """`pyarrow.Schema` of the batches; None until it has come."""
        self.row_count = 0
        """Rows that were given out."""
        self._arrow: Library = library("pyarrow")
        self._queue = ByteQueue()
        self._scanned = 0  # Bytes of whole messages at the beginning of the queue that were not given to pyarrow yet.
        self._reader: Any = None
        self._last: dict[str, Any] | None = None
        self._ended = False

    def feed(self, piece: bytes) -> list[RecordBatch]:
        """Return the batches that are whole after one more piece.

        Raises:
            IncompleteStreamError: The bytes are no Arrow stream.
        """
        self._queue.put(piece)
        batches: list[RecordBatch] = []
        try:
            while (kind := self._scan()) is not None:
                if kind == _SCHEMA:
                    self._reader = self._arrow.ipc.open_stream(self._queue)
                    self.schema = self._reader.schema
                    self._scanned = 0
                elif kind == _RECORD_BATCH:
                    batches += self._next_batch()
                    self._scanned = 0
                elif kind == _END:
                    self._ended = True
        except (self._arrow.ArrowException, struct.error, IndexError) as error:
            raise self._damaged(str(error)) from error
        return batches

    def finish(self) -> None:
        """Check that the stream came to its end.

        Raises:
            IncompleteStreamError: The summary or the end mark is missing: rows may be missing.
        """
        if not self._ended or self._last is None:
            raise IncompleteStreamError(
                f"The stream ended after {self.row_count:,} rows without its summary: rows may be missing; repeat the "
                "query."
            )
        if self._last.get("row_count") != self.row_count:
            raise self._damaged(f"it should have {self._last.get('row_count')} rows")
        self.summary = self._last

    def _scan(self) -> int | None:
        """Return the kind of the next message if all of it is there, and count its bytes as scanned."""
        if self._ended:
            return None
        prefix = self._queue.peek(self._scanned, _PREFIX.size)
        if len(prefix) < _PREFIX.size:
            return None
        mark, length = _PREFIX.unpack(prefix)
        if mark != _CONTINUATION or length > _LONGEST_METADATA:
            raise self._damaged("this is no message")
        if not length:
            return _END
        if self._queue.size < self._scanned + _PREFIX.size + length:
            return None
        kind, body = _kind_and_body(self._queue.peek(self._scanned + _PREFIX.size, length))
        end = self._scanned + _PREFIX.size + length + body
        if self._queue.size < end:
            return None
        self._scanned = end
        return kind

    def _next_batch(self) -> list[RecordBatch]:
        """Read the batch that is whole; the summary's has no rows and is none."""
        if self._reader is None:
            raise self._damaged("a batch comes before the schema")
        batch, metadata = self._reader.read_next_batch_with_custom_metadata()
        if metadata is not None and SUMMARY_KEY in metadata:
            self._last = msgspec.json.decode(metadata[SUMMARY_KEY])
            return []
        self.row_count += int(batch.num_rows)
        return [batch] if batch.num_rows else []

    def _damaged(self, why: str) -> IncompleteStreamError:
        """Return the error for bytes that are no Arrow stream."""
        return IncompleteStreamError(
            f"The stream was damaged on its way, after {self.row_count:,} rows ({why}): repeat the query."
        )


def read_arrow(body: bytes) -> ArrowTable:
    """Return a whole Arrow answer as a `pyarrow.Table`.

    Raises:
        IncompleteStreamError: It is not whole.
    """
    decoder = ArrowDecoder()
    batches = decoder.feed(body)
    decoder.finish()
    return library("pyarrow").Table.from_batches(batches, schema=decoder.schema)


def _kind_and_body(metadata: bytes) -> tuple[int, int]:
    """Return the kind of a message and the bytes of its body, from its flatbuffer."""
    table = struct.unpack_from("<I", metadata, 0)[0]
    offsets = table - struct.unpack_from("<i", metadata, table)[0]
    slots = (struct.unpack_from("<H", metadata, offsets)[0] - 4) // 2

    def place(slot: int) -> int:
        return struct.unpack_from("<H", metadata, offsets + 4 + 2 * slot)[0] if slot < slots else 0

    kind, body = place(_TYPE_SLOT), place(_BODY_SLOT)
    length = struct.unpack_from("<q", metadata, table + body)[0] if body else 0
    if length < 0:
        raise struct.error("a body of negative length")
    return metadata[table + kind] if kind else 0, length
