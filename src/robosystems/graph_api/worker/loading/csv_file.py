"""CSV files as they come from clients: UTF-8, a header, quotes doubled inside quotes.

A value left empty is null; `""` is an empty text. Quoted values may contain line breaks; empty lines are skipped.
"""

import mmap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import InvalidRequestError, LoadError
from robosystems.graph_api.worker.arrow import arrow
from robosystems.graph_api.worker.loading.csv_text import CsvText
from robosystems.graph_api.worker.loading.formats import FAILURES, csv
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot, Target, plan_load
from robosystems.graph_api.worker.loading.values import TextValues, Values


class CsvSource:
    """A CSV file.

    Args:
        path: The file.
        order: How to load it.
        target: Where to.
        check: Called now and then; raises to stop.

    Raises:
        InvalidRequestError: The delimiter cannot be one.
        LoadError: The header is missing, or its columns do not suit the table.
    """

    def __init__(self, path: Path, order: LoadOrder, target: Target, check: Callable[[], None]) -> None:
        self._path = path
        self._delimiter = _checked_delimiter(order.delimiter)
        self._check = check
        with self._text() as text:
            self._names = text.header() if text is not None else []
        if not self._names:
            raise LoadError("The file is empty: its first line must name the columns.", reason="no_header")
        self._plan = plan_load(order, target, self._names)

    def plan(self) -> LoadPlan:
        """Return what is read and where it goes."""
        return self._plan

    def final_plan(self) -> LoadPlan:
        """Return the plan: the header names all columns."""
        return self._plan

    def batches(self, slots: Sequence[Slot]) -> Iterator[Sequence[Values]]:
        """Yield the rows in pieces of bounded size; as `FileSource`."""
        names = list(dict.fromkeys(slot.source for slot in slots))
        with self._text() as text:
            if text is None:
                return
            for piece in text.pieces():
                self._check()
                batch = self._read(piece, names, quoted=text.has_quotes)
                yield [TextValues(batch[slot.source].combine_chunks()) for slot in slots]

    def _text(self) -> "_MappedText":
        return _MappedText(self._path, self._delimiter)

    def _read(self, piece: bytes, names: Sequence[str], *, quoted: bool) -> Any:  # noqa: ANN401 (pyarrow is untyped)
        """Read whole records into a table. In one block: the reader for many holds dozens of them in memory."""
        try:
            return csv.read_csv(
                arrow.BufferReader(piece),
                read_options=csv.ReadOptions(use_threads=False, block_size=len(piece) + 1, column_names=self._names),
                parse_options=csv.ParseOptions(
                    delimiter=self._delimiter, quote_char='"', double_quote=True, newlines_in_values=quoted
                ),
                convert_options=csv.ConvertOptions(
                    check_utf8=False,
                    column_types=dict.fromkeys(names, arrow.binary()),
                    include_columns=names,
                    null_values=[""],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except MemoryError:
            raise
        except (*FAILURES, OSError) as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> LoadError:
        """Say on which line the structure is broken."""
        with self._text() as text:
            ragged = text.first_ragged(len(self._names), self._check) if text is not None else None
        if ragged is not None:
            return LoadError(
                f"Line {ragged.line} (row {ragged.row}) has {ragged.fields} fields, but the header has "
                f"{len(self._names)}. Nothing was loaded.",
                reason="field_count",
                row=ragged.row,
                line=ragged.line,
            )
        return LoadError(f"The file cannot be read as CSV: {str(error)[:300]} Nothing was loaded.", reason="damaged")


class _MappedText:
    """A file's text, mapped into memory; None for an empty file, which cannot be mapped."""

    def __init__(self, path: Path, delimiter: str) -> None:
        self._path = path
        self._delimiter = delimiter
        self._mapped: mmap.mmap | None = None

    def __enter__(self) -> CsvText | None:
        with self._path.open("rb") as file:
            if self._path.stat().st_size == 0:
                return None
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return CsvText(self._mapped, self._delimiter)

    def __exit__(self, *exc: object) -> None:
        if self._mapped is not None:
            self._mapped.close()


def _checked_delimiter(delimiter: str) -> str:
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\x00':
        raise InvalidRequestError(
            f"delimiter {delimiter[:10]!r} is not possible: use one ASCII character other than a quote or a line break."
        )
    return delimiter
