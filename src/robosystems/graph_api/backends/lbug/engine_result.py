"""Rows of one statement, as values or as Arrow batches."""

from collections.abc import Iterator
from typing import Any, Final, Self, TypeAlias

from robosystems.graph_api.backends.lbug.engine_arrow import sound
from robosystems.graph_api.backends.lbug.engine_batches import BATCHES, BatchTap
from robosystems.graph_api.backends.lbug.engine_errors import to_domain_error

ArrowSchema: TypeAlias = Any
"""`pyarrow.Schema`; pyarrow has no type information."""

ArrowBatch: TypeAlias = Any
"""`pyarrow.RecordBatch`."""

FAILURES: Final = (RuntimeError, MemoryError, TypeError, ValueError, OverflowError)
"""What the binding raises; anything else is a defect here."""


class EngineResult:
    """Rows of one statement, materialised in the engine. Read it once: by `rows`/`take`, or by `batches`.

    It stays readable after its connection has run other statements, until it or the connection is closed.

    Attributes:
        columns: Names as the engine gives them; they may repeat.
        types: Type of each column, for example `INT64` or `STRUCT(a INT8)[]`.
        row_count: Rows in all.
    """

    __slots__ = ("_left", "_raw", "_whole", "columns", "row_count", "types")

    def __init__(self, raw: Any) -> None:  # noqa: ANN401 (the binding's result)
        self._raw = raw
        self._whole: Iterator[ArrowBatch] | None = None
        self.columns = raw.getColumnNames()
        self.types = raw.getColumnDataTypes()
        self.row_count = self._left = raw.getNumTuples()

    @property
    def compile_ms(self) -> float:
        """Milliseconds of parsing and planning."""
        return self._raw.getCompilingTime()

    @property
    def execute_ms(self) -> float:
        """Milliseconds of execution."""
        return self._raw.getExecutionTime()

    def take(self, count: int) -> list[list[Any]]:
        """Return the next rows, at most `count`.

        Raises:
            StatementError: A value has no counterpart in Python, for example a date after the year 9999.
        """
        count = min(count, self._left)
        self._left -= count
        following = self._raw.getNext
        try:
            return [following() for _ in range(count)]
        except FAILURES as error:
            raise to_domain_error(error) from error

    def rows(self) -> Iterator[list[Any]]:
        """Yield the remaining rows; raises as `take`."""
        while self._left:
            yield from self.take(1000)

    def rewind(self) -> None:
        """Begin again with the first row."""
        self._raw.resetIterator()
        self._whole = None
        self._left = self.row_count

    def next_batch(self, rows: int) -> ArrowBatch | None:
        """Return the next rows as an Arrow batch, as a rule at most `rows`; None after the last.

        Only these rows are converted, if `EngineConnection.prepare_batches` was called in time; else all that are left,
        at once, and `rows` counts the first time only.

        The engine writes negative DECIMALs of up to 18 digits without their sign; `worker.columns` puts that right. Its
        other way to Arrow, `query_as_arrow`, is twice as fast and gives wrong values wherever there is a null: it must
        not be used.

        Raises:
            StatementError: A column has no counterpart in Arrow.
        """
        if not self._left:
            return None
        try:
            batch = self._take_batch(max(1, min(rows, self._left)))
        except FAILURES as error:
            raise to_domain_error(error) from error
        self._left -= batch.num_rows
        return sound(batch)

    def install(self, tap: BatchTap) -> None:
        """Let the binding meet `tap` when it first makes Arrow batches."""
        tap.install(self._raw)

    def _take_batch(self, rows: int) -> ArrowBatch:
        if BATCHES.works:
            return BATCHES.next_batch(self._raw, rows)
        if self._whole is None:
            self._whole = iter(self._raw.getAsArrow(rows, False).to_batches())  # noqa: FBT003
        return next(self._whole)

    def batches(self, rows_per_batch: int) -> Iterator[ArrowBatch]:
        """Yield the rows that are left as Arrow batches; raises as `next_batch`."""
        while (batch := self.next_batch(rows_per_batch)) is not None:
            yield batch

    def arrow_schema(self) -> ArrowSchema:
        """Return the columns as an Arrow schema, once no rows are left: before that, each batch has it.

        Raises:
            StatementError: A column has no counterpart in Arrow.
        """
        try:
            return self._raw.getAsArrow(1, False).schema  # noqa: FBT003
        except FAILURES as error:
            raise to_domain_error(error) from error

    def close(self) -> None:
        """Free the rows. Idempotent."""
        self._left = 0
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
