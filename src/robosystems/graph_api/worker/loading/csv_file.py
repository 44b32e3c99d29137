"""CSV files as they come from clients: with or without a header, quotes doubled inside quotes.

Unless another text stands for null, a value left empty is null and `""` is an empty text. Quoted values may contain
line breaks; empty lines are skipped.
"""

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import InvalidRequestError, LoadError
from robosystems.graph_api.worker.arrow import arrow
from robosystems.graph_api.worker.loading.csv_text import CsvText, Dialect, Record
from robosystems.graph_api.worker.loading.formats import FAILURES, csv
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot, Target, plan_load
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.rejects import RejectLog
from robosystems.graph_api.worker.loading.values import FileSource, Records, TextValues

_MAX_NULL: Final = 100


class CsvSource(FileSource):
    """A CSV file in UTF-8.

    Args:
        path: The file.
        order: How to load it.
        target: Where to.
        log: Takes records with too many or too few fields.
        progress: Called now and then; raises to stop.

    Raises:
        InvalidRequestError: An option is impossible.
        LoadError: The header is missing, or its columns do not suit the table.
    """

    def __init__(self, path: Path, order: LoadOrder, target: Target, log: RejectLog, progress: Progress) -> None:
        self._path = path
        self._dialect = _checked_dialect(order)
        self._null = _checked_null(order.null, self._dialect)
        self._log = log
        self._progress = progress
        self._rows = 0
        self._names = list(order.columns) if not order.header else self._header()
        self._plan = plan_load(order, target, self._names)

    @property
    def rows_read(self) -> int:
        """Records that were read, wrong ones included."""
        return self._rows

    def plan(self) -> LoadPlan:
        """Return what is read and where it goes."""
        return self._plan

    def batches(self, slots: Sequence[Slot]) -> Iterator[Records]:
        """Yield the rows in pieces of bounded size; as `FileSource`."""
        names = list(dict.fromkeys(slot.source for slot in slots))
        with self._text() as text:
            if text is None:
                return
            for piece, line in text.pieces():
                self._progress()
                lines = _Lines(piece, line, self._dialect)
                try:
                    batch = self._read(piece, names, quoted=text.has_quotes)
                    rows: Sequence[int] = range(self._rows + 1, self._rows + batch.num_rows + 1)
                    self._rows += batch.num_rows
                except FAILURES as error:
                    rest, rows = self._without_ragged(piece, lines, error)
                    if not rows:
                        continue
                    batch = self._read(rest, names, quoted=text.has_quotes)
                yield Records([TextValues(batch[slot.source].combine_chunks()) for slot in slots], rows, lines)

    def _header(self) -> list[str]:
        with self._text() as text:
            names = text.header() if text is not None else []
        if not names:
            raise LoadError("The file is empty: its first line must name the columns.", reason="no_header")
        return names

    def _text(self) -> "_MappedText":
        return _MappedText(self._path, self._dialect)

    def _read(self, piece: bytes, names: Sequence[str], *, quoted: bool) -> Any:  # noqa: ANN401 (pyarrow is untyped)
        """Read whole records into a table. In one block: the reader for many holds dozens of them in memory."""
        return csv.read_csv(
            arrow.BufferReader(piece),
            read_options=csv.ReadOptions(use_threads=False, block_size=len(piece) + 1, column_names=self._names),
            parse_options=csv.ParseOptions(
                delimiter=self._dialect.delimiter,
                quote_char=self._dialect.quote or False,
                double_quote=bool(self._dialect.quote),
                newlines_in_values=quoted,
            ),
            convert_options=csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(names, arrow.binary()),
                include_columns=names,
                null_values=[self._null],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    def _without_ragged(self, piece: bytes, lines: "_Lines", error: Exception) -> tuple[bytes, list[int]]:
        """Leave out the records with a wrong number of fields; return the others and the numbers of their rows.

        Raises:
            LoadError: Such a record, if it may not be left out; or something else is wrong.
        """
        if isinstance(error, MemoryError):
            raise error
        expected = len(self._names)
        good: list[bytes] = []
        rows: list[int] = []
        kept: list[int] = []
        records = lines.records()
        for record in records:
            self._rows += 1
            if record.fields == expected:
                good.append(piece[record.begin : record.end])
                rows.append(self._rows)
                kept.append(record.line)
            else:
                self._log.add(_ragged(record, self._rows, expected))
        if len(good) == len(records):
            raise LoadError(
                f"The file cannot be read as CSV: {str(error)[:300]} Nothing was loaded.", reason="damaged"
            ) from error
        lines.kept = kept
        return b"".join(good), rows


class _Lines:
    """Says on which physical lines the records of a piece are; they are counted only when that is asked."""

    def __init__(self, piece: bytes, first_line: int, dialect: Dialect) -> None:
        self.kept: list[int] | None = None
        self._piece = piece
        self._first_line = first_line
        self._dialect = dialect

    def records(self) -> list[Record]:
        """Return the records of the piece."""
        return list(CsvText(self._piece, self._dialect).records(self._first_line))

    def __call__(self) -> Sequence[int]:
        """Return the line of each record that was not left out."""
        if self.kept is None:
            self.kept = [record.line for record in self.records()]
        return self.kept


class _MappedText:
    """A file's text, mapped into memory; None for an empty file, which cannot be mapped."""

    def __init__(self, path: Path, dialect: Dialect) -> None:
        self._path = path
        self._dialect = dialect
        self._mapped: mmap.mmap | None = None

    def __enter__(self) -> CsvText | None:
        with self._path.open("rb") as file:
            if self._path.stat().st_size == 0:
                return None
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return CsvText(self._mapped, self._dialect)

    def __exit__(self, *exc: object) -> None:
        if self._mapped is not None:
            self._mapped.close()


def _ragged(record: Record, row: int, expected: int) -> LoadError:
    return LoadError(
        f"Line {record.line} (row {row}) has {record.fields} fields, but there are {expected} columns. "
        "Nothing was loaded.",
        reason="field_count",
        row=row,
        line=record.line,
    )


def _checked_dialect(order: LoadOrder) -> Dialect:
    delimiter, quote = order.delimiter, order.quote
    if len(quote) > 1 or not quote.isascii() or quote in tuple("\r\n\x00"):
        raise InvalidRequestError(
            f"quote {quote[:10]!r} is not possible: use one ASCII character other than a line break, or nothing at all."
        )
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in "\r\n\x00" or delimiter == quote:
        raise InvalidRequestError(
            f"delimiter {delimiter[:10]!r} is not possible: use one ASCII character other than a quote or a line break."
        )
    if not order.header and not order.columns:
        raise InvalidRequestError("columns: a file without a header needs the names of its columns.")
    return Dialect(delimiter, quote, order.header)


def _checked_null(text: str, dialect: Dialect) -> str:
    marks = {dialect.delimiter, dialect.quote, "\r", "\n", "\x00"} - {""}
    if len(text) > _MAX_NULL or any(mark in text for mark in marks):
        raise InvalidRequestError(
            f"null {text[:20]!r} is not possible: use at most {_MAX_NULL} characters, without delimiter, quote or line "
            "break."
        )
    return text
