"""Results to bytes, in every format: the one door for who has a result and wants an answer.

Small results of plain types go row by row into JSON texts, all others through Arrow, whole columns at a time.
`docs/formats.md` says what each format looks like, `docs/types.md` how values look in it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

import msgspec

from robosystems.graph_api.backends.lbug.wire import Format
from robosystems.graph_api.worker.arrow_stream import arrow_pieces
from robosystems.graph_api.worker.csv_rows import csv_pieces
from robosystems.graph_api.worker.event_stream import event_pieces, rows_event, summary_event
from robosystems.graph_api.worker.json_rows import document_pieces, line_pieces
from robosystems.graph_api.worker.results import Figures, NoRows, Piece, Rows, Shape, encode_json
from robosystems.graph_api.worker.rows import convert

SMALL_ROWS: Final = 300
"""Up to so many rows of plain types the way through Python values is the faster one."""

_JSON: Final = Format.JSON
_JSON_ARRAYS: Final = Format.JSON_ARRAYS
_NDJSON: Final = Format.NDJSON

_EVENT_STREAM: Final = Format.EVENT_STREAM

_TEXTS: Final = frozenset({_JSON, _JSON_ARRAYS, _NDJSON, _EVENT_STREAM})
"""Formats that a small result reaches without Arrow."""

_encode_lines: Final = msgspec.json.Encoder().encode_lines

_Writer: TypeAlias = Callable[[Rows, Shape, Figures], Iterator[Piece]]


def pieces(result: Rows, shape: Shape, layout: Format, max_rows: int | None, figures: Figures) -> Iterator[Piece]:
    """Yield a whole answer, piece by piece; a small one is a single piece.

    Fills in the rows of `figures`, which are final before the first piece: the engine has made all rows by then.

    Raises:
        StatementError: A value or type cannot be converted.
        PayloadTooLargeError: A single row is over 2 GiB.
    """
    small = small_answer(result, shape, layout, max_rows, figures)
    if small is not None:
        yield small
        return
    yield from _WRITERS[layout](result, shape, figures)


def small_answer(result: Rows, shape: Shape, layout: Format, max_rows: int | None, figures: Figures) -> bytes | None:
    """Return a whole answer if it has few rows of plain types and is text, else None; as `pieces`."""
    available = result.row_count
    count = available if max_rows is None or max_rows > available else max_rows
    figures.rows = count
    figures.truncated = count < available
    plan = shape.plan
    if plan is None or count > SMALL_ROWS or layout not in _TEXTS:
        return None
    rows = result.take(count)
    if plan:
        convert(rows, plan)
    if layout is _JSON_ARRAYS:
        return b"%b%b,%b}" % (shape.head, encode_json(rows), figures.members())
    names = shape.columns
    objects = [dict(zip(names, row)) for row in rows]  # noqa: B905 (a row has a value for each column)
    if layout is _JSON:
        return b"%b%b,%b}" % (shape.head, encode_json(objects), figures.members())
    if layout is _NDJSON:
        return b'%b{"summary":%b}\n' % (_encode_lines(objects), shape.summary(figures))
    return rows_event(objects) + summary_event(shape, figures)


def answer_without_rows(figures: Figures, layout: Format) -> bytes:
    """Return the answer to a statement that is done, though the engine gave an error in place of its rows."""
    return b"".join(pieces(NoRows(), Shape([], []), layout, None, figures))


def _parquet_pieces(result: Rows, shape: Shape, figures: Figures) -> Iterator[Piece]:
    # Its library is large, and often not needed.
    from robosystems.graph_api.worker.parquet_stream import parquet_pieces  # noqa: PLC0415

    return parquet_pieces(result, shape, figures)


_WRITERS: Final[Mapping[Format, _Writer]] = {
    Format.JSON: lambda result, shape, figures: document_pieces(result, shape, figures, arrays=False),
    Format.JSON_ARRAYS: lambda result, shape, figures: document_pieces(result, shape, figures, arrays=True),
    Format.NDJSON: line_pieces,
    Format.EVENT_STREAM: event_pieces,
    Format.ARROW: arrow_pieces,
    Format.CSV: csv_pieces,
    Format.PARQUET: _parquet_pieces,
}
