"""The structure of CSV text: where records begin and end, and where the quoting is broken.

Arrow's reader takes broken quoting for text (an unclosed quote swallows the rest of the file, what follows a closing
quote is glued to it), so quoting is checked here first, strictly, and here the line of an error is found.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from robosystems.graph_api.domain.errors import LoadError

_BOM: Final = b"\xef\xbb\xbf"
_WIDE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_MATCHED_AT_ONCE: Final = 2_000
_COUNTED_BYTES: Final = 1 << 20
_END: Final = rb"(?:\r\n|\n|\r)"

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
    """

    def __init__(self, data: Buffer, delimiter: str) -> None:
        self._data = data
        mark = re.escape(delimiter.encode())
        field = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"' + mark + rb"\r\n][^" + mark + rb"\r\n]*+)?+"
        record = field + rb"(?:" + mark + field + rb")*+"
        self._field = re.compile(field)
        self._record = re.compile(rb"(" + record + rb")(?:" + _END + rb"|\Z)")
        self._records = re.compile(rb"(?:" + record + _END + rb"){1,%d}+" % _MATCHED_AT_ONCE)
        self._begin = len(_BOM) if data[:3] == _BOM else 0

    @property
    def has_quotes(self) -> bool:
        """Whether any value may be quoted."""
        return self._data.find(b'"') >= 0

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

    def has_rows(self) -> bool:
        """Whether anything but empty lines follows the header."""
        record = self._record.match(self._data, self._skip_empty_lines(self._begin))
        return record is not None and self._skip_empty_lines(record.end()) < len(self._data)

    def check_quotes(self) -> Iterator[None]:
        """Check the quoting of the whole file, piece by piece.

        Raises:
            LoadError: A quote is not closed, or something follows the closing one.
        """
        position, size = self._begin, len(self._data)
        while position < size:
            several = self._records.match(self._data, position)
            if several is None:
                last = self._record.match(self._data, position)
                if last is None or last.end() < size:
                    raise self._broken(position)
                return
            position = several.end()
            yield

    def first_ragged(self, expected: int) -> Position | None:
        """Find the first record with another number of fields than the header."""
        position, size, row, line = self._skip_empty_lines(self._begin), len(self._data), -1, 1
        line += self._lines(0, position)
        while position < size:
            record = self._record.match(self._data, position)
            if record is None:
                return None
            if record[1]:
                row += 1
                count = len(self._fields(record[1]))
                if count != expected:
                    return Position(line, row, count)
            line += self._lines(position, record.end())
            position = record.end()
        return None

    def _skip_empty_lines(self, position: int) -> int:
        while self._data[position : position + 1] in (b"\r", b"\n"):
            position += 1
        return position

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
