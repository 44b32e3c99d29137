"""Bringing a file into a form that the engine reads rightly: a temporary Parquet file with converted values."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from robosystems.graph_api.domain.errors import DiskFullError, LoadError
from robosystems.graph_api.domain.load import LoadPhase
from robosystems.graph_api.worker.arrow import Array, Batch, arrow
from robosystems.graph_api.worker.loading.convert import fitting_parts
from robosystems.graph_api.worker.loading.formats import parquet
from robosystems.graph_api.worker.loading.plan import Slot
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.rejects import DISK_FULL, RejectLog
from robosystems.graph_api.worker.loading.row_errors import missing_value, unfit_value
from robosystems.graph_api.worker.loading.scalars import ConversionError
from robosystems.graph_api.worker.loading.transport import transport_type
from robosystems.graph_api.worker.loading.values import Records, Values

ROW_COLUMN: Final = "row"
"""Column of a temporary file that has the number of each row in the file that was sent."""

_GROUP_ROWS: Final = 122_880
_GROUP_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Spool:
    """Where values go.

    Attributes:
        path: Parquet file to write; its columns are named by `column_name`.
        slots: Values of a row.
        log: Takes rows with values that do not fit.
        progress: Told of every batch; raises to stop.
        numbered: Whether the file gets `ROW_COLUMN` besides.
        seen: Given the values of each batch that is written.
    """

    path: Path
    slots: Sequence[Slot]
    log: RejectLog
    progress: Progress
    numbered: bool = False
    seen: Callable[[Sequence[Array]], None] | None = None

    def write(self, batches: Iterable[Records], total: int | None = None) -> int:
        """Convert and write all rows, but for those that the log takes; return how many were written.

        Args:
            batches: The rows.
            total: Their number, if it is known.

        Raises:
            LoadError: A value does not fit its column; row, column and value are named.
            DiskFullError: No room.
        """
        written = 0
        with GroupWriter(self.path, spool_schema(self.slots, numbered=self.numbered)) as writer:
            for batch in batches:
                self.progress.at(LoadPhase.CONVERTING, written, total)
                arrays, rows = self._converted(batch)
                written += len(rows)
                if self.seen is not None:
                    self.seen(arrays)
                writer.add([*arrays, arrow.array(rows, arrow.int64())] if self.numbered else arrays)
        return written

    def _converted(self, records: Records) -> tuple[list[Array], Sequence[int]]:
        """Convert rows; return their values and numbers."""
        try:
            arrays = [values.to_transport(slot.type) for values, slot in zip(records.values, self.slots, strict=True)]
        except ConversionError:
            return self._without_wrong(records)
        if any(slot.required and array.null_count for slot, array in zip(self.slots, arrays, strict=True)):
            return self._without_wrong(records)
        return arrays, records.rows

    def _without_wrong(self, records: Records) -> tuple[list[Array], Sequence[int]]:
        """Give the wrong rows to the log, and convert the others."""
        wrong: dict[int, LoadError] = {}
        for values, slot in zip(records.values, self.slots, strict=True):
            for index, error in self._wrong_values(values, slot, records):
                wrong.setdefault(index, error)
                if not self.log.skips:
                    raise error
        for index in sorted(wrong):
            self.log.add(wrong[index])
        good = [index for index in range(len(records.rows)) if index not in wrong]
        arrays = [
            values.take(good).to_transport(slot.type) for values, slot in zip(records.values, self.slots, strict=True)
        ]
        return arrays, [records.rows[index] for index in good]

    def _wrong_values(self, values: Values, slot: Slot, records: Records) -> Iterable[tuple[int, LoadError]]:
        """Yield which values are wrong, each with its error."""

        def attempt(begin: int, end: int) -> Array:
            self.progress()
            return values[begin:end].to_transport(slot.type)

        for begin, part in fitting_parts(attempt, 0, len(values)):
            row = records.rows[begin]
            if isinstance(part, ConversionError):
                shown = values[begin : begin + 1].shown()
                error = unfit_value(row, slot.source, shown, slot.type, part.reason)
                yield begin, _with_line(error, records, begin)
            elif slot.required and part.null_count:
                for index in _nulls(part):
                    missing = missing_value(records.rows[begin + index], slot.source, "a key")
                    yield begin + index, _with_line(missing, records, begin + index)


class GroupWriter:
    """Writes a Parquet file; batches are collected until a row group is worth writing. Use it as a context.

    Raises:
        DiskFullError: No room; from all methods.
    """

    def __init__(self, path: Path, schema: Any) -> None:  # noqa: ANN401 (pyarrow is untyped)
        self._schema = schema
        self._batches: list[Batch] = []
        self._rows = 0
        self._bytes = 0
        self._writer = on_disk(lambda: parquet.ParquetWriter(path, schema, compression="snappy", use_dictionary=False))

    def add(self, arrays: Sequence[Array]) -> None:
        """Add rows."""
        batch = arrow.RecordBatch.from_arrays(list(arrays), schema=self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
            on_disk(self._writer.close)
        else:
            with suppress(OSError):
                self._writer.close()

    def _flush(self) -> None:
        if self._batches:
            table = arrow.Table.from_batches(self._batches, self._schema)
            on_disk(lambda: self._writer.write_table(table, row_group_size=_GROUP_ROWS))
        self._batches, self._rows, self._bytes = [], 0, 0


def column_name(index: int) -> str:
    """Return the name of the column of a slot: names from outside could collide with names of the engine."""
    return f"c{index}"


def spool_schema(slots: Sequence[Slot], *, numbered: bool) -> Any:  # noqa: ANN401 (pyarrow is untyped)
    """Return the Arrow schema of a temporary file."""
    fields = [(column_name(index), transport_type(slot.type)) for index, slot in enumerate(slots)]
    return arrow.schema([*fields, (ROW_COLUMN, arrow.int64())] if numbered else fields)


def _nulls(array: Array) -> list[int]:
    return [index for index, missing in enumerate(array.is_null().to_pylist()) if missing]


def _with_line(error: LoadError, records: Records, index: int) -> LoadError:
    line = records.line(index)
    if line is not None:
        error.context["line"] = line
    return error


def on_disk(step: Callable[[], Any]) -> Any:  # noqa: ANN401 (pyarrow is untyped)
    """Take one step of writing, naming a full disk as what it is.

    Raises:
        DiskFullError: No room.
    """
    try:
        return step()
    except OSError as error:
        if error.errno in DISK_FULL:
            raise DiskFullError("The disk is full: the file could not be converted. Nothing was loaded.") from error
        raise
