"""Rows as JSON: the objects or arrays of one document, or an object a line.

A document is `{"columns": [...], "types": [...], "data": [...], "row_count": n, "truncated": b,
"execution_time_ms": x}`, for writes with `"counters"`; lines are one object per row and then `{"summary": {...}}` with
the same members but `data`.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

import msgspec

from robosystems.graph_api.domain.errors import PayloadTooLargeError
from robosystems.graph_api.worker.arrow import Array, ArrowError, Batch
from robosystems.graph_api.worker.columns import Texts, joined_rows, json_texts, object_parts, text_bytes
from robosystems.graph_api.worker.results import Figures, Piece, Rows, Shape, batches_of, encode_json
from robosystems.graph_api.worker.rows import RowPlan, convert, plan_for_schema

_BATCH_BYTES: Final = 32 << 20
_CUT_FACTOR: Final = 8
_FEW_ROWS: Final = 1000
_PARALLEL_FROM: Final = 4
_ENCODERS: Final = 2

_encode_lines: Final = msgspec.json.Encoder().encode_lines


def document_pieces(result: Rows, shape: Shape, figures: Figures, *, arrays: bool) -> Iterator[Piece]:
    """Yield one JSON document whose rows are objects, or arrays."""
    yield shape.head + b"["

    def encode(rows: list[Any]) -> bytes:
        return b"," + encode_json(rows if arrays else _objects(rows, shape))[1:-1]

    first = True
    for text in _texts(result, shape, figures.rows, separated_rows(shape, arrays=arrays), encode):
        yield text[1:] if first else text
        first = False
    yield b"],%b}" % figures.members()


def separated_rows(shape: Shape, *, arrays: bool = False) -> list[str]:
    """Return what stands around the columns where each row begins with a comma, the first of which is left out."""
    if not shape.columns:
        return []
    if arrays:
        return [",[", *([","] * (len(shape.columns) - 1)), "]"]
    opening, *others = object_parts(shape.columns)
    return ["," + opening, *others]


def line_pieces(result: Rows, shape: Shape, figures: Figures) -> Iterator[Piece]:
    """Yield an object per row and line, then the summary."""

    def encode(rows: list[Any]) -> bytes:
        return _encode_lines(_objects(rows, shape))

    between = [*object_parts(shape.columns)[:-1], "}\n"] if shape.columns else []
    yield from _texts(result, shape, figures.rows, between, encode)
    yield b'{"summary":%b}\n' % shape.summary(figures)


def _texts(
    result: Rows, shape: Shape, count: int, between: Sequence[str], encode: Callable[[list[Any]], bytes]
) -> Iterator[Piece]:
    """Yield the first `count` rows as texts: by `encode` if they are few of many, else whole columns at a time."""
    plan = shape.plan
    if not shape.columns or not count:
        return
    if plan is not None and count * _CUT_FACTOR < result.row_count:
        yield from _by_rows(result, plan, count, encode)
        return
    batches = batches_of(result, count)
    yield from texts_of_batches(_noting_plan(batches, shape), between, json_texts)


def _objects(rows: list[Any], shape: Shape) -> list[Any]:
    return [dict(zip(shape.columns, row, strict=True)) for row in rows]


def _by_rows(result: Rows, plan: RowPlan, count: int, encode: Callable[[list[Any]], bytes]) -> Iterator[Piece]:
    """Take only the first rows of many."""
    for start in range(0, count, _FEW_ROWS):
        yield encode(convert(result.take(min(_FEW_ROWS, count - start)), plan))


def _noting_plan(batches: Iterator[Batch], shape: Shape) -> Iterator[Batch]:
    """Pass batches on; the first one tells whether a small result of these columns needs Arrow."""
    for batch in batches:
        if shape.plan is None:
            shape.plan = plan_for_schema([column.type for column in batch.schema])
        yield batch


def texts_of_batches(
    batches: Iterator[Batch], between: Sequence[str], texts_of: Callable[[Array], Texts]
) -> Iterator[memoryview]:
    """Yield the rows of batches as text, in order; several batches at a time are encoded if there are many."""
    first = list(islice(batches, _PARALLEL_FROM))
    if len(first) < _PARALLEL_FROM:
        for batch in first:
            yield from texts_of_rows(batch, between, texts_of)
        return

    def encode(batch: Batch) -> list[memoryview]:
        return list(texts_of_rows(batch, between, texts_of))

    ahead: deque[Future[list[memoryview]]] = deque()
    pool = ThreadPoolExecutor(_ENCODERS, thread_name_prefix="encode")
    try:
        ahead.extend(pool.submit(encode, batch) for batch in first)
        del first
        while ahead:
            yield from ahead.popleft().result()
            batch = next(batches, None)
            if batch is not None:
                ahead.append(pool.submit(encode, batch))
                del batch
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def texts_of_rows(batch: Batch, between: Sequence[str], texts_of: Callable[[Array], Texts]) -> Iterator[memoryview]:
    """Encode a batch, in parts if it is large; what stands around the columns is as in `joined_rows`."""
    return map(text_bytes, row_strings(batch, between, texts_of))


def row_strings(batch: Batch, between: Sequence[str], texts_of: Callable[[Array], Texts]) -> Iterator[Array]:
    """Encode a batch as arrays of a string per row; as `texts_of_rows`."""
    parts = 1 + batch.nbytes // _BATCH_BYTES
    rows = max(1, batch.num_rows // parts)
    for start in range(0, batch.num_rows, rows):
        yield from _halving(batch.slice(start, rows), between, texts_of)


def _halving(batch: Batch, between: Sequence[str], texts_of: Callable[[Array], Texts]) -> Iterator[Array]:
    try:
        rows = joined_rows([texts_of(column) for column in batch.columns], between)
    except ArrowError as error:
        if batch.num_rows <= 1:
            raise PayloadTooLargeError(f"A single row of the result is too large: {error}") from error
        half = batch.num_rows // 2
        yield from _halving(batch.slice(0, half), between, texts_of)
        yield from _halving(batch.slice(half), between, texts_of)
    else:
        yield rows
