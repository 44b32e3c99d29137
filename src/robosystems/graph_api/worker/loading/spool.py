"""Bringing a file into a form that the engine reads rightly: a temporary Parquet file with converted values."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from robosystems.graph_api.domain.errors import DiskFullError
from robosystems.graph_api.worker.arrow import Array, arrow
from robosystems.graph_api.worker.loading.convert import first_unfit
from robosystems.graph_api.worker.loading.formats import parquet
from robosystems.graph_api.worker.loading.plan import Slot
from robosystems.graph_api.worker.loading.row_errors import missing_value, unfit_value
from robosystems.graph_api.worker.loading.scalars import ConversionError
from robosystems.graph_api.worker.loading.transport import transport_type
from robosystems.graph_api.worker.loading.values import Values

_GROUP_ROWS: Final = 122_880
_GROUP_BYTES: Final = 32 << 20
_DISK_FULL: Final = (28, 122)
"""ENOSPC and EDQUOT."""


@dataclass(frozen=True, slots=True)
class Spool:
    """Where values go.

    Attributes:
        path: Parquet file to write; its columns are named by `column_name`.
        slots: Values of a row.
        check: Called for every batch; raises to stop.
    """

    path: Path
    slots: Sequence[Slot]
    check: Callable[[], None]

    def write(self, batches: Iterable[Sequence[Values]]) -> int:
        """Convert and write all rows; return their number.

        Raises:
            LoadError: A value does not fit its column; row, column and value are named.
            DiskFullError: No room.
        """
        schema = arrow.schema(
            [(column_name(index), transport_type(slot.type)) for index, slot in enumerate(self.slots)]
        )
        rows = 0
        try:
            with parquet.ParquetWriter(self.path, schema, compression="snappy", use_dictionary=False) as writer:
                group = _Group(writer, schema)
                for batch in batches:
                    self.check()
                    arrays = [
                        self._converted(values, slot, rows) for values, slot in zip(batch, self.slots, strict=True)
                    ]
                    rows += len(arrays[0]) if arrays else 0
                    group.add(arrays)
                group.flush()
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise DiskFullError("The disk is full: the file could not be converted. Nothing was loaded.") from error
            raise
        return rows

    def _converted(self, values: Values, slot: Slot, rows_before: int) -> Array:
        try:
            array = values.to_transport(slot.type)
        except ConversionError:
            index, error = first_unfit(lambda low, high: values[low:high].to_transport(slot.type), len(values))
            shown = values[index : index + 1].shown()
            raise unfit_value(rows_before + index + 1, slot.source, shown, slot.type, error.reason) from error
        if slot.required and array.null_count:
            index = array.is_null().index(True).as_py()
            raise missing_value(rows_before + index + 1, slot.source, "a key")
        return array


class _Group:
    """Collects batches until a row group is worth writing."""

    def __init__(self, writer: Any, schema: Any) -> None:  # noqa: ANN401 (pyarrow is untyped)
        self._writer = writer
        self._schema = schema
        self._batches: list[Any] = []
        self._rows = 0
        self._bytes = 0

    def add(self, arrays: Sequence[Array]) -> None:
        batch = arrow.RecordBatch.from_arrays(list(arrays), schema=self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was collected."""
        if self._batches:
            self._writer.write_table(arrow.Table.from_batches(self._batches, self._schema), row_group_size=_GROUP_ROWS)
        self._batches, self._rows, self._bytes = [], 0, 0


def column_name(index: int) -> str:
    """Return the name of the column of a slot: names from outside could collide with names of the engine."""
    return f"c{index}"
