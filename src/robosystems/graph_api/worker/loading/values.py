"""Values as a file gives them, before their conversion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from robosystems.graph_api.domain.schema import ColumnType, ScalarKind, ScalarType
from robosystems.graph_api.worker.arrow import Array, arrow, kernels
from robosystems.graph_api.worker.loading.convert import to_transport
from robosystems.graph_api.worker.loading.formats import FAILURES
from robosystems.graph_api.worker.loading.json_values import to_arrow
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot
from robosystems.graph_api.worker.loading.scalars import ConversionError

MAX_SHOWN: int = 100
"""Characters of a value that an error shows."""

_KEEP_EMPTY = (ScalarType(ScalarKind.STRING), ScalarType(ScalarKind.BLOB))


class Values(Protocol):
    """Values of one column of some consecutive rows."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> Self: ...

    def to_transport(self, column_type: ColumnType) -> Array:
        """Convert; raises `ConversionError` if any value does not fit."""
        ...

    def shown(self) -> str:
        """Return the first value as an error shows it."""
        ...


class FileSource(Protocol):
    """A file whose columns are known and whose rows can be read once, in order, with flat memory."""

    def plan(self) -> LoadPlan:
        """Return what is read and where it goes.

        Raises:
            LoadError: The columns of the file and of the table do not match.
        """
        ...

    def batches(self, slots: Sequence[Slot]) -> Iterator[Sequence[Values]]:
        """Yield the rows in pieces: for each slot the values of as many rows.

        Raises:
            LoadError: The file is damaged; the detail says where.
        """
        ...

    def final_plan(self) -> LoadPlan:
        """Return the plan again once all rows were read: some files show only then which columns they have."""
        ...


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that is to be loaded, and where temporary files go."""

    path: Path
    temporary: Path


class ArrowValues:
    """Values that have types of their own."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, rows: slice) -> "ArrowValues":
        return ArrowValues(self._array[rows])

    def to_transport(self, column_type: ColumnType) -> Array:
        """Convert by the type that they have."""
        return to_transport(self._array, column_type)

    def shown(self) -> str:
        """Return the first value as Python prints it."""
        try:
            return shortened(repr(self._array[0].as_py()))
        except FAILURES:
            return shortened(str(self._array[0]))


class TextValues:
    """Fields of a text file as bytes; null is what was left empty without quotes."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, rows: slice) -> "TextValues":
        return TextValues(self._array[rows])

    def to_transport(self, column_type: ColumnType) -> Array:
        """Decode, and convert from text. Blanks around a value and empty quotes count only in columns of text."""
        try:
            texts = kernels.cast(self._array, arrow.string())
        except FAILURES as error:
            raise ConversionError("is not UTF-8") from error
        if column_type not in _KEEP_EMPTY:
            texts = kernels.utf8_trim_whitespace(texts)
            texts = kernels.if_else(kernels.equal(texts, ""), arrow.scalar(None, arrow.string()), texts)
        return to_transport(texts, column_type)

    def shown(self) -> str:
        """Return the first value as text."""
        value = self._array[0].as_py()
        return "an empty value" if value is None else shortened(repr(value[: 4 * MAX_SHOWN].decode(errors="replace")))


class JsonValues:
    """JSON values, decoded for a column type."""

    def __init__(self, values: Sequence[object], decoded_for: ColumnType) -> None:
        self._values = values
        self._decoded_for = decoded_for

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, rows: slice) -> "JsonValues":
        return JsonValues(self._values[rows], self._decoded_for)

    def to_transport(self, column_type: ColumnType) -> Array:
        """Convert; the type is another one only where one value fills two columns."""
        return to_transport(to_arrow(self._values, self._decoded_for), column_type)

    def shown(self) -> str:
        """Return the first value as Python prints it."""
        return shortened(str(self._values[0]))


def shortened(text: str) -> str:
    """Cut a text that is too long for an error."""
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
