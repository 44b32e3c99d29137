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
_PIECE_BYTES: Final = 1 << 20

MAX_RECORD_BYTES: Final = 32 << 20
"""A longer record is refused: read, it takes several times its length in memory."""

_COUNTED_BYTES: Final = 1 << 20
_END: Final = rb"(?:\r\n|\n|\r)"
_EMPTY_LINES: Final = re.compile(rb"[\r\n]*+")

Buffer = bytes | mmap


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the text; empty lines are none.

    Attributes:
        line: Physical line of its beginning, from 1.
        begin: Where it begins.
        end: Where the next one begins, empty lines aside.
        fields: How many fields it has.
    """

    line: int
    begin: int
    end: int
    fields: int


@dataclass(frozen=True, slots=True)
class Dialect:
    """How values are separated and quoted.

    Attributes:
        delimiter: One ASCII character.
        quote: One ASCII character, or empty if no value is quoted.
        has_header: Whether the first record names the columns.
    """

    delimiter: str = ","
    quote: str = '"'
    has_header: bool = True


class CsvText:
    """The bytes of a CSV file.

    Args:
        data: All of them.
        dialect: How they are to be read.

    Attributes:
        has_quotes: Whether any value may be quoted.
    """

    def __init__(self, data: Buffer, dialect: Dialect) -> None:
        self._data = data
        self._dialect = dialect
        self._line_known = (0, 1)
        mark, quote = re.escape(dialect.delimiter.encode()), re.escape(dialect.quote.encode())
        plain = rb"[^" + quote + mark + rb"\r\n][^" + mark + rb"\r\n]*+"
        inside = rb"[^" + quote + rb"]*+"
        quoted = quote + inside + rb"(?:" + quote + quote + inside + rb")*+" + quote
        field = rb"(?:" + (quoted + rb"|" if quote else b"") + plain + rb")?+"
        record = field + rb"(?:" + mark + field + rb")*+"
        self._field = re.compile(field)
        self._record = re.compile(rb"(" + record + rb")(?:" + _END + rb"|\Z)")
        self._records = re.compile(rb"(?:" + record + _END + rb")++")
        self.has_quotes = bool(quote) and data.find(dialect.quote.encode()) >= 0
        self._begin = len(_BOM) if data[:3] == _BOM else 0

    def header(self) -> list[str]:
        """Return the names of the columns.

        Raises:
            LoadError: There is no header, or it is not text.
        """
        if self._data[:2] in _WIDE_MARKS:
            raise LoadError("The file is UTF-16: say encoding=utf-16.", reason="encoding", line=1)
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

    def pieces(self) -> Iterator[tuple[bytes, int]]:
        """Yield what follows the header in pieces of whole records, none of them empty lines alone.

        Each comes with the physical line of its beginning.

        Raises:
            LoadError: A quote is not closed, or something follows the closing one; or a record is too long.
        """
        position, size = self._after_header(), len(self._data)
        wanted = _PIECE_BYTES
        while position < size:
            limit = min(position + wanted, size)
            end = self._end_of_records(position, limit)
            if end > position:
                piece = self._data[position:end]
                if piece.strip(b"\r\n"):
                    line = self._line_at(position)
                    # A mark at the beginning of a piece is text; readers drop it at the beginning of what they get.
                    yield (b"\n" + piece, line - 1) if piece.startswith(_BOM) else (piece, line)
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

    def records(self, first_line: int = 1) -> Iterator[Record]:
        """Yield all records, the header too, up to a broken one; `first_line` is the line of the first byte."""
        position, size = self._skip_empty_lines(self._begin), len(self._data)
        line = first_line + self._lines(0, position)
        while position < size:
            record = self._record.match(self._data, position)
            if record is None:
                return
            end = record.end()
            if record[1]:
                yield Record(line, position, end, len(self._fields(record[1])))
            line += self._lines(position, end)
            position = end

    def _after_header(self) -> int:
        """Return where the data begins."""
        if not self._dialect.has_header:
            return self._begin
        header = self._record.match(self._data, self._skip_empty_lines(self._begin))
        return header.end() if header is not None else self._begin

    def _line_at(self, position: int) -> int:
        """Return the physical line of a place that is not before the last one asked for."""
        known, line = self._line_known
        line += self._lines(known, position)
        self._line_known = (position, line)
        return line

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
        quote = self._dialect.quote.encode()
        return field[1:-1].replace(2 * quote, quote) if quote and field[:1] == quote else field

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
