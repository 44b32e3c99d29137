"""Finding the rows of a loaded file that have a certain value."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.schema import ColumnType, ScalarKind, ScalarType
from robosystems.graph_api.worker.arrow import Array, arrow, kernels
from robosystems.graph_api.worker.loading import statements
from robosystems.graph_api.worker.loading.convert import to_transport
from robosystems.graph_api.worker.loading.parquet_file import open_parquet, read_batches
from robosystems.graph_api.worker.loading.plan import LoadPlan
from robosystems.graph_api.worker.loading.scalars import ConversionError
from robosystems.graph_api.worker.loading.spool import ROW_COLUMN
from robosystems.graph_api.worker.loading.values import shortened

_UNITS: Final[dict[ScalarKind | None, str]] = {
    ScalarKind.TIMESTAMP: "us",
    ScalarKind.TIMESTAMP_TZ: "us",
    ScalarKind.TIMESTAMP_SEC: "s",
    ScalarKind.TIMESTAMP_MS: "ms",
    ScalarKind.TIMESTAMP_NS: "ns",
}
_PRINTED_AS_BITS: Final = {*_UNITS, ScalarKind.DATE, ScalarKind.UUID}
_NUMBER: Final = re.compile(r"-?[0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """The Parquet files that the engine was given, all with the same columns.

    Attributes:
        paths: Where they lie.
        columns: Its column for each slot of the plan.
        casts: For each slot the type that the engine has to cast it to, or None.
        plan: What they hold.
        numbered: Whether they have the number of each row in the file that was sent.
    """

    paths: tuple[Path, ...]
    columns: tuple[str, ...]
    casts: tuple[ColumnType | None, ...]
    plan: LoadPlan
    numbered: bool = False

    def value(self, index: int) -> CypherText:
        """Return the expression for the value of a slot in a statement that reads the file."""
        return statements.from_file(self.columns[index], self.casts[index])


class RowFinder:
    """Looks rows up by reading the file again.

    Args:
        file: The file.
        check: Called for every batch; raises to stop.
    """

    def __init__(self, file: LoadedFile, check: Callable[[], None]) -> None:
        self._file = file
        self._check = check

    @property
    def plan(self) -> LoadPlan:
        """What the file holds."""
        return self._file.plan

    def arrays(self, index: int) -> Iterator[tuple[Sequence[int], Array]]:
        """Yield the values of a slot in pieces, each with the numbers of its rows."""
        name = self._file.columns[index]
        names = [name, ROW_COLUMN] if self._file.numbered else [name]
        start = 0
        for path in self._file.paths:
            for batch in read_batches(open_parquet(path), names):
                self._check()
                rows = range(start + 1, start + batch.num_rows + 1)
                yield batch.column(ROW_COLUMN).to_pylist() if self._file.numbered else rows, batch.column(name)
                start += batch.num_rows

    def rows_with(self, index: int, printed: str) -> Iterator[tuple[int, str]]:
        """Yield the rows, from 1, that have in a slot the value which the engine printed; and the value."""
        column_type = self.plan.slots[index].type
        wanted = _read_back(printed, column_type)
        if wanted is None:
            return
        for rows, raw in self.arrays(index):
            equal = kernels.equal(to_transport(raw, column_type), wanted)
            for hit in kernels.indices_nonzero(kernels.fill_null(equal, False)):  # noqa: FBT003 (a value, not a flag)
                yield rows[hit.as_py()], shortened(str(raw[hit.as_py()].as_py()))

    def first_null(self, index: int) -> int | None:
        """Return the first row, from 1, that has null in a slot."""
        for rows, array in self.arrays(index):
            if array.null_count:
                return rows[int(array.is_null().index(True).as_py())]
        return None


def _read_back(printed: str, column_type: ColumnType) -> Any | None:  # noqa: ANN401 (an Arrow scalar)
    """Return what the engine printed as a value of the transport type; it prints some keys as their bare bits."""
    kind = column_type.kind if isinstance(column_type, ScalarType) else None
    if kind is ScalarKind.BLOB:
        return None
    try:
        bits = int(printed) if kind in _PRINTED_AS_BITS and _NUMBER.fullmatch(printed) else None
        values = arrow.array([printed], arrow.string()) if bits is None else _from_bits(bits, kind)
        return to_transport(values, column_type)[0]
    except (ConversionError, ValueError, OverflowError):
        return None


def _from_bits(bits: int, kind: ScalarKind | None) -> Array:
    """Return the value, in an array of its own, that has these bits."""
    if kind is ScalarKind.DATE:
        return kernels.cast(arrow.array([bits], arrow.int32()), arrow.date32())
    if kind is ScalarKind.UUID:
        return arrow.array([str(UUID(int=(bits ^ (1 << 127)) % (1 << 128)))], arrow.string())
    return kernels.cast(arrow.array([bits], arrow.int64()), arrow.timestamp(_UNITS.get(kind, "us")))
