"""Parquet files as they come from clients."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.domain.schema import ColumnType, ScalarKind, ScalarType
from robosystems.graph_api.worker.arrow import DataType, arrow
from robosystems.graph_api.worker.loading.convert import to_transport
from robosystems.graph_api.worker.loading.formats import FAILURES, parquet
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot, Target, plan_load
from robosystems.graph_api.worker.loading.row_errors import expected
from robosystems.graph_api.worker.loading.scalars import ConversionError
from robosystems.graph_api.worker.loading.transport import PLAIN
from robosystems.graph_api.worker.loading.values import ArrowValues, FileSource, Records

_BATCH_BYTES: Final = 8 << 20
_BATCH_ROWS: Final = 32_768

_PROVEN_ENCODINGS: Final = frozenset({"PLAIN", "RLE", "RLE_DICTIONARY", "PLAIN_DICTIONARY", "BIT_PACKED"})
"""What the engine reads rightly. It returns wrong integers for DELTA_BINARY_PACKED, and no error."""

_PROVEN_COMPRESSIONS: Final = frozenset({"UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD"})

_PLAIN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")

_INTEGER_BITS: Final = {
    kind: int(kind.value.lstrip("UINT")) for kind in PLAIN if kind.value.startswith(("INT", "UINT"))
}


class ParquetSource(FileSource):
    """A Parquet file.

    Args:
        file: `pyarrow.parquet.ParquetFile`.
        order: How to load it.
        target: Where to.
    """

    def __init__(self, file: Any, order: LoadOrder, target: Target) -> None:  # noqa: ANN401 (pyarrow is untyped)
        self._file = file
        self._rows = 0
        self._schema = file.schema_arrow
        self._plan = plan_load(order, target, self._schema.names)
        for slot in self._plan.slots:
            check_type(slot, self._schema)

    @classmethod
    def open(cls, path: Path, order: LoadOrder, target: Target) -> Self:
        """Read the footer.

        Raises:
            LoadError: The file is no Parquet file, or its columns do not suit the table.
        """
        return cls(open_parquet(path), order, target)

    @property
    def row_count(self) -> int:
        """Rows according to the footer."""
        return int(self._file.metadata.num_rows)

    @property
    def rows_read(self) -> int:
        """Rows that were read."""
        return self._rows

    def plan(self) -> LoadPlan:
        """Return what is read and where it goes."""
        return self._plan

    def batches(self, slots: Sequence[Slot]) -> Iterator[Records]:
        """Yield the rows in pieces of bounded size; as `FileSource`."""
        names = list(dict.fromkeys(slot.source for slot in slots))
        for batch in read_batches(self._file, names):
            rows = range(self._rows + 1, self._rows + batch.num_rows + 1)
            self._rows += batch.num_rows
            yield Records([ArrowValues(batch.column(slot.source)) for slot in slots], rows)

    def casts_if_read_by_engine(self) -> tuple[bool, ...] | None:
        """Return for each slot whether the engine has to cast it, if the engine can read this file rightly by itself.

        None means that it cannot: some type, encoding, compression or name is not among those that were proven.
        """
        names = [name.lower() for name in self._schema.names]
        if len(set(names)) < len(names) or not all(map(_PLAIN_NAME.fullmatch, self._schema.names)):
            return None
        if any(_engine_kind(kind) is None for kind in self._schema.types) or not self._is_stored_plainly():
            return None
        casts = [_cast_in_engine(self._schema.field(slot.source).type, slot.type) for slot in self._plan.slots]
        known = [cast for cast in casts if cast is not None]
        return tuple(known) if len(known) == len(casts) else None

    def _is_stored_plainly(self) -> bool:
        metadata = self._file.metadata
        schema = self._file.schema
        if any(schema.column(index).physical_type == "INT96" for index in range(len(schema.names))):
            return False
        for group in range(metadata.num_row_groups):
            chunks = metadata.row_group(group)
            for index in range(chunks.num_columns):
                chunk = chunks.column(index)
                if not _PROVEN_ENCODINGS.issuperset(chunk.encodings) or chunk.compression not in _PROVEN_COMPRESSIONS:
                    return False
        return True


def check_type(slot: Slot, schema: Any) -> None:  # noqa: ANN401 (pyarrow is untyped)
    """Check that a column of an Arrow schema can fill a slot.

    Raises:
        LoadError: It cannot, whatever its values are.
    """
    found = schema.field(slot.source).type
    try:
        to_transport(arrow.nulls(0, found), slot.type)
    except ConversionError as error:
        reason = error.reason or f"is of type {found}"
        raise LoadError(
            f"Column {slot.source!r} {reason} in the file and cannot become {expected(slot.type)} in the table.",
            reason="column_type",
            column=slot.source,
        ) from error


def open_parquet(path: Path) -> Any:  # noqa: ANN401 (pyarrow is untyped)
    """Open a Parquet file for reading piece by piece.

    Raises:
        LoadError: It is not one, or damaged.
    """
    try:
        return parquet.ParquetFile(path, memory_map=True, pre_buffer=False)
    except MemoryError:
        raise
    except (*FAILURES, OSError) as error:
        raise LoadError(f"The file is not a Parquet file, or damaged: {first_line(error)}", reason="damaged") from error


def read_batches(file: Any, names: Sequence[str]) -> Iterator[Any]:  # noqa: ANN401 (pyarrow is untyped)
    """Yield record batches of bounded size with these columns.

    Raises:
        LoadError: The file is damaged.
    """
    done = 0
    try:
        for batch in file.iter_batches(_batch_rows(file.metadata), columns=list(names), use_threads=False):
            yield batch
            done += batch.num_rows
    except MemoryError:
        raise
    except (*FAILURES, OSError) as error:
        raise LoadError(
            f"The file is damaged after row {done}: {first_line(error)} Nothing was loaded.",
            reason="damaged",
            row=done + 1,
        ) from error


def _batch_rows(metadata: Any) -> int:  # noqa: ANN401 (pyarrow is untyped)
    """Return how many rows fit into a batch, judged by the widest row group."""
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    width = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=1)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, width)))


def _engine_kind(kind: DataType) -> ScalarKind | None:
    """Return which type the engine sees in a column, if it reads it rightly."""
    types = arrow.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_large_string(kind) or types.is_string_view(kind):
        return ScalarKind.STRING
    if types.is_large_binary(kind):
        return ScalarKind.BLOB
    if types.is_timestamp(kind) and kind.unit in {"s", "ms", "us"}:
        return ScalarKind.TIMESTAMP if kind.tz is None else ScalarKind.TIMESTAMP_TZ
    found = _KINDS.get(kind)
    return None if found is ScalarKind.JSON else found


_KINDS: Final = {transport: kind for kind, transport in PLAIN.items() if kind is not ScalarKind.JSON}


def _cast_in_engine(found: DataType, wanted: ColumnType) -> bool | None:
    """Return whether the engine has to cast what it reads; None if it could lose something."""
    kind = _engine_kind(found)
    if kind is None or not isinstance(wanted, ScalarType):
        return None
    if wanted.kind is ScalarKind.TIMESTAMP_TZ and kind in {ScalarKind.TIMESTAMP, ScalarKind.TIMESTAMP_TZ}:
        return True
    if kind is wanted.kind or (kind is ScalarKind.TIMESTAMP_TZ and wanted.kind is ScalarKind.TIMESTAMP):
        return False
    if (kind, wanted.kind) == (ScalarKind.FLOAT, ScalarKind.DOUBLE) or _is_wider(kind, wanted.kind):
        return True
    return None


def _is_wider(kind: ScalarKind, wanted: ScalarKind) -> bool:
    """Whether every value of one integer type is one of the other."""
    have, want = _INTEGER_BITS.get(kind), _INTEGER_BITS.get(wanted)
    if have is None or want is None or have >= want:
        return False
    return kind.value.startswith("U") or not wanted.value.startswith("U")


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, bounded."""
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:300]
