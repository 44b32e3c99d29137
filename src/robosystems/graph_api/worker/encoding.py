"""Results to bytes: one JSON document, or lines of JSON.

A document is `{"columns": [...], "types": [...], "data": [...], "row_count": n, "truncated": b,
"execution_time_ms": x}`, for writes with `"counters"`; lines are one object per row and then `{"summary": {...}}` with
the same fields but the rows.

Small results of plain types go row by row, all others through Arrow, whole columns at a time; `docs/results.md` says
how values look on both ways.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from robosystems.graph_api.backends.lbug.engine import EngineResult
from robosystems.graph_api.backends.lbug.wire import Format, SummaryFlag
from robosystems.graph_api.domain.errors import PayloadTooLargeError
from robosystems.graph_api.worker.arrow import ArrowError, Batch
from robosystems.graph_api.worker.columns import joined_rows, json_texts, object_parts, text_bytes
from robosystems.graph_api.worker.rows import RowPlan, convert, plan_for_schema, plan_for_types

Piece: TypeAlias = bytes | memoryview
"""Some bytes of an answer."""

SMALL_ROWS: Final = 300
"""Up to so many rows of plain types the way through Python values is the faster one."""

BATCH_ROWS: Final = 16_384
"""Rows that are converted at once: a compromise between speed and how long others wait for the interpreter lock."""

_BATCH_BYTES: Final = 32 << 20
_CUT_FACTOR: Final = 8
_FEW_ROWS: Final = 1000
_PARALLEL_FROM: Final = 4
_ENCODERS: Final = 2

# Plain numbers: combining enum members costs microseconds.
_TRUNCATED: Final = int(SummaryFlag.TRUNCATED)
_DEGRADED: Final = int(SummaryFlag.DEGRADED)
_JSON: Final = Format.JSON
_JSON_ARRAYS: Final = Format.JSON_ARRAYS

_encode: Final = msgspec.json.Encoder().encode
_encode_lines: Final = msgspec.json.Encoder().encode_lines


@dataclass(slots=True)
class Figures:
    """What the end of an answer says; rows are final when its last piece has been made."""

    execution_ms: float
    counters: Mapping[str, int] | None = None
    rows: int = 0
    truncated: bool = False
    degraded: bool = False

    @property
    def flags(self) -> int:
        """The same as `SummaryFlag` of the wire."""
        return (_TRUNCATED if self.truncated else 0) | (_DEGRADED if self.degraded else 0)


@dataclass(slots=True)
class Shape:
    """Columns of a result, and what can be prepared from them. Kept with the statement, since it rarely changes.

    Attributes:
        engine_columns: Names as the engine gives them.
        types: Types as the engine gives them.
        columns: Names made unique: `x`, `x_2`, `x_3`.
        plan: How rows become JSON values; None if only Arrow will do. For nested types it is known after the first
            result.
        head: Beginning of a document, up to the rows.
    """

    engine_columns: list[str]
    types: list[str]
    columns: list[str] = field(init=False)
    plan: RowPlan | None = field(init=False)
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.columns = unique_names(self.engine_columns)
        self.plan = plan_for_types(self.types)
        self.head = b'{"columns":%b,"types":%b,"data":' % (_encode(self.columns), _encode(self.types))

    def fits(self, result: EngineResult) -> bool:
        """Whether the result has these columns."""
        return result.columns == self.engine_columns and result.types == self.types


def unique_names(names: Sequence[str]) -> list[str]:
    """Make repeated names unique by a number, leaving out numbers that give a name which is there already."""
    if len(set(names)) == len(names):
        return list(names)
    taken = set(names)
    seen: set[str] = set()
    unique: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in seen or (number > 1 and candidate in taken):
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate)
        unique.append(candidate)
    return unique


def pieces(
    result: EngineResult, shape: Shape, layout: Format, max_rows: int | None, figures: Figures
) -> Iterator[Piece]:
    """Yield a whole answer, piece by piece; a small one is a single piece. Fills in the rows of `figures`.

    Raises:
        StatementError: A value or type cannot be converted.
        PayloadTooLargeError: A single row is over 2 GiB.
    """
    small = small_answer(result, shape, layout, max_rows, figures)
    if small is not None:
        yield small
        return
    plan, count = shape.plan, figures.rows
    if layout is not Format.NDJSON:
        yield shape.head + b"["
    if not shape.columns:
        pass
    elif plan is not None and count * _CUT_FACTOR < result.row_count:
        yield from _by_rows(result, shape, plan, layout, count)
    else:
        yield from _by_columns(result, shape, layout, count)
    yield _end(shape, layout, figures)


def small_answer(
    result: EngineResult, shape: Shape, layout: Format, max_rows: int | None, figures: Figures
) -> bytes | None:
    """Return a whole answer if it has few rows of plain types, else None; as `pieces`."""
    available = result.row_count
    count = available if max_rows is None or max_rows > available else max_rows
    figures.rows = count
    figures.truncated = count < available
    plan = shape.plan
    if plan is None or count > SMALL_ROWS:
        return None
    rows = result.take(count)
    if plan:
        convert(rows, plan)
    if layout is _JSON_ARRAYS:
        return b"%b%b,%b}" % (shape.head, _encode(rows), _figures(figures))
    names = shape.columns
    objects = [dict(zip(names, row)) for row in rows]  # noqa: B905 (a row has a value for each column)
    if layout is _JSON:
        return b"%b%b,%b}" % (shape.head, _encode(objects), _figures(figures))
    return _encode_lines(objects) + _summary_line(shape, figures)


def _by_rows(result: EngineResult, shape: Shape, plan: RowPlan, layout: Format, count: int) -> Iterator[Piece]:
    """Take only the first rows of many."""
    names = shape.columns
    for start in range(0, count, _FEW_ROWS):
        rows: list[Any] = convert(result.take(min(_FEW_ROWS, count - start)), plan)
        if layout is not Format.JSON_ARRAYS:
            rows = [dict(zip(names, row, strict=True)) for row in rows]
        if layout is Format.NDJSON:
            yield _encode_lines(rows)
        else:
            yield (b"," if start else b"") + _encode(rows)[1:-1]


def _by_columns(result: EngineResult, shape: Shape, layout: Format, count: int) -> Iterator[Piece]:
    between = _between(shape, layout)
    table = result.table(BATCH_ROWS)
    if shape.plan is None:
        shape.plan = plan_for_schema([column.type for column in table.schema])
    if count < table.num_rows:
        table = table.slice(0, count)
    batches = table.to_batches()
    del table
    if not batches:
        return
    skip = 0 if layout is Format.NDJSON else 1
    for text in _texts_of_batches(batches, between):
        yield text[skip:]
        skip = 0


def _texts_of_batches(batches: list[Batch], between: list[str]) -> Iterator[memoryview]:
    """Encode batches in order, several at a time if there are many; lets go of each one."""
    batches.reverse()
    if len(batches) < _PARALLEL_FROM:
        while batches:
            yield from texts_of_rows(batches.pop(), between)
        return

    def encode(batch: Batch) -> list[memoryview]:
        return list(texts_of_rows(batch, between))

    ahead: deque[Future[list[memoryview]]] = deque()
    pool = ThreadPoolExecutor(_ENCODERS, thread_name_prefix="encode")
    try:
        while batches or ahead:
            while batches and len(ahead) <= _ENCODERS:
                ahead.append(pool.submit(encode, batches.pop()))
            yield from ahead.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _between(shape: Shape, layout: Format) -> list[str]:
    """What stands around the columns; in documents each row begins with a comma, the first of which is left out."""
    if layout is Format.NDJSON:
        parts = object_parts(shape.columns)
        return [*parts[:-1], "}\n"]
    if layout is Format.JSON:
        parts = object_parts(shape.columns)
        return ["," + parts[0], *parts[1:]]
    return [",[", *([","] * (len(shape.columns) - 1)), "]"]


def texts_of_rows(batch: Batch, between: list[str]) -> Iterator[memoryview]:
    """Encode a batch, in parts if it is large; what stands around the columns is as in `joined_rows`."""
    parts = 1 + batch.nbytes // _BATCH_BYTES
    rows = max(1, batch.num_rows // parts)
    for start in range(0, batch.num_rows, rows):
        yield from _halving(batch.slice(start, rows), between)


def _halving(batch: Batch, between: list[str]) -> Iterator[memoryview]:
    try:
        text = text_bytes(joined_rows([json_texts(column) for column in batch.columns], between))
    except ArrowError as error:
        if batch.num_rows <= 1:
            raise PayloadTooLargeError(f"A single row of the result is too large: {error}") from error
        half = batch.num_rows // 2
        yield from _halving(batch.slice(0, half), between)
        yield from _halving(batch.slice(half), between)
    else:
        yield text


def _end(shape: Shape, layout: Format, figures: Figures) -> bytes:
    return _summary_line(shape, figures) if layout is Format.NDJSON else b"],%b}" % _figures(figures)


def _summary_line(shape: Shape, figures: Figures) -> bytes:
    columns, types = _encode(shape.columns), _encode(shape.types)
    return b'{"summary":{"columns":%b,"types":%b,%b}}\n' % (columns, types, _figures(figures))


def _figures(figures: Figures) -> bytes:
    text = b'"row_count":%d,"truncated":%b,"execution_time_ms":%.3f' % (
        figures.rows,
        b"true" if figures.truncated else b"false",
        figures.execution_ms,
    )
    return text if figures.counters is None else text + b',"counters":' + _encode(figures.counters)
