"""The structure of CSV text: where records begin and end, and where the quoting is broken.

Arrow's reader takes broken quoting for text (an unclosed quote swallows the rest of the file, what follows a closing
quote is glued to it), so quoting is checked here first, strictly, and here the line of an error is found.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from robosystems.graph_api.domain.errors import LoadError

_BOM: Final = b"\xef\xbb\xbf"
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_PIECE_BYTES: Final = 1 << 20

MAX_RECORD_BYTES: Final = 32 << 20
"""A longer record is refused: read, it takes several times its length in memory."""

_COUNTED_BYTES: Final = 1 << 20
_CHECKED_RECORDS: Final = 10_000
_END: Final = rb"(?:\r\n|\n|\r)"
_EMPTY_LINES: Final = re.compile(rb"[\r\n]*+")

Buffer = bytes | mmap


@dataclass(frozen=True, slots=True)
class Position:
    """A record of the file.

    Attributes:
        line: Physical line of its beginning, from 1.
        row: Number of the data row, from 1; empty lines do not count.
        fields: How many fields it has.
    """

    line: int
    row: int
    fields: int


class CsvText:
    """The bytes of a CSV file.

    Args:
        data: All of them.
        delimiter: One ASCII character.

    Attributes:
        has_quotes: Whether any value may be quoted.
    """

    def __init__(self, data: Buffer, delimiter: str) -> None:
        self._data = data
        mark = re.escape(delimiter.encode())
        field = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"' + mark + rb"\r\n][^" + mark + rb"\r\n]*+)?+"
        record = field + rb"(?:" + mark + field + rb")*+"
        self._field = re.compile(field)
        self._record = re.compile(rb"(" + record + rb")(?:" + _END + rb"|\Z)")
        self._records = re.compile(rb"(?:" + record + _END + rb")++")
        self.has_quotes = data.find(b'"') >= 0
        self._begin = len(_BOM) if data[:3] == _BOM else 0

    def header(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            LoadError: There is no header, or it is not text.
        """
        if self._data[:2] in _WIDE_MARKS:
            raise LoadError("The file is UTF-16: convert it to UTF-8.", reason="encoding", line=1)
        start = self._skip_empty_lines(self._begin)
        record = self._record.match(self._data, start)
        if record is None:
            raise self._broken(start)
        if not record[1]:
            raise LoadError("The file is empty: its first line must name the columns.", reason="no_header")
        try:
            return [self._unquoted(field).decode() for field in self._fields(record[1])]
        except UnicodeDecodeError as error:
            raise LoadError("The header is not UTF-8.", reason="encoding", line=1) from error

    def pieces(self) -> Iterator[bytes]:
        """Yield what follows the header in pieces of whole records, none of them empty lines alone.

        Raises:
            LoadError: A quote is not closed, or something follows the closing one; or a record is too long.
        """
        header = self._record.match(self._data, self._skip_empty_lines(self._begin))
        position = header.end() if header is not None else self._begin
        size = len(self._data)
        wanted = _PIECE_BYTES
        while position < size:
            limit = min(position + wanted, size)
            end = self._end_of_records(position, limit)
            if end > position:
                piece = self._data[position:end]
                if piece.strip(b"\r\n"):
                    # A mark at the beginning of a piece is text; readers drop it at the beginning of what they get.
                    yield b"\n" + piece if piece.startswith(_BOM) else piece
                position, wanted = end, _PIECE_BYTES
            elif limit < size and wanted < MAX_RECORD_BYTES:
                wanted = min(4 * wanted, MAX_RECORD_BYTES)
            else:
                raise self._unreadable(position)

    def _end_of_records(self, position: int, limit: int) -> int:
        """Return where the last whole record before a limit ends."""
        size = len(self._data)
        if not self.has_quotes:
            if limit == size:
                return size
            return max(position, *(self._data.rfind(end, position, limit) + 1 for end in (b"\n", b"\r")))
        several = self._records.match(self._data, position, limit)
        end = position if several is None else several.end()
        if limit == size and end < size:
            last = self._record.match(self._data, end)
            return size if last is not None and last.end() == size else end
        return end

    def first_ragged(self, expected: int, check: Callable[[], None]) -> Position | None:
        """Find the first record with another number of fields than the header; `check` raises to stop."""
        position, size, row, line = self._skip_empty_lines(self._begin), len(self._data), -1, 1
        line += self._lines(0, position)
        while position < size:
            record = self._record.match(self._data, position)
            if record is None:
                return None
            if record[1]:
                row += 1
                if row % _CHECKED_RECORDS == 0:
                    check()
                count = len(self._fields(record[1]))
                if count != expected:
                    return Position(line, row, count)
            line += self._lines(position, record.end())
            position = record.end()
        return None

    def _skip_empty_lines(self, position: int) -> int:
        found = _EMPTY_LINES.match(self._data, position)
        return position if found is None else found.end()

    def _fields(self, record: bytes) -> list[bytes]:
        """Split a well-formed record."""
        fields: list[bytes] = []
        position = -1
        while position < len(record):
            found = self._field.match(record, position + 1)
            if found is None:
                break
            fields.append(found[0])
            position = found.end()
        return fields

    def _unquoted(self, field: bytes) -> bytes:
        return field[1:-1].replace(b'""', b'"') if field[:1] == b'"' else field

    def _lines(self, start: int, end: int) -> int:
        """Count line ends."""
        feeds = returns = 0
        for begin in range(start, end, _COUNTED_BYTES):
            piece = self._data[begin : min(begin + _COUNTED_BYTES, end)]
            feeds += piece.count(b"\n")
            returns += piece.count(b"\r")
        return feeds or returns

    def _unreadable(self, position: int) -> LoadError:
        """Return the error for a record at a position that cannot be read."""
        if self._record.match(self._data, position) is None:
            return self._broken(position)
        line = 1 + self._lines(0, position)
        return LoadError(
            f"Line {line}: the record is longer than {MAX_RECORD_BYTES >> 20} MiB. Nothing was loaded.",
            reason="record_too_long",
            line=line,
        )

    def _broken(self, position: int) -> LoadError:
        """Return the error for broken quoting in or behind the record at a position."""
        while (record := self._record.match(self._data, position)) is not None and record.end() > position:
            position = record.end()
        line = 1 + self._lines(0, position)
        return LoadError(
            f"Line {line}: a quote is not closed, or text follows a closing quote. Inside quotes, double each quote. "
            "Nothing was loaded.",
            reason="quoting",
            line=line,
        )
