"""Values as a file gives them, before their conversion."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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

    def take(self, indices: Sequence[int]) -> Self:
        """Return the values at these places."""
        ...

    def to_transport(self, column_type: ColumnType) -> Array:
        """Convert; raises `ConversionError` if any value does not fit."""
        ...

    def shown(self) -> str:
        """Return the first value as an error shows it."""
        ...


@dataclass(frozen=True, slots=True)
class Records:
    """Some rows of a file.

    Attributes:
        values: For each slot the values of these rows.
        rows: Their numbers in the file, from 1, ascending.
        lines: Returns their physical lines, for text files.
    """

    values: Sequence[Values]
    rows: Sequence[int]
    lines: Callable[[], Sequence[int]] | None = None

    def line(self, index: int) -> int | None:
        """Return the physical line of one of the rows; None if there are none."""
        return self.lines()[index] if self.lines is not None else None


class FileSource(Protocol):
    """A file whose columns are known and whose rows can be read once, in order, with flat memory.

    Rows that cannot be read go to the log of rejects that it was given.
    """

    @property
    def rows_read(self) -> int:
        """Rows that were read, the rejected ones included; once all are read, the rows of the file."""
        ...

    @property
    def row_count(self) -> int | None:
        """Rows of the file, if it says so before they are read; most do not."""
        return None

    def plan(self) -> LoadPlan:
        """Return what is read and where it goes.

        Raises:
            LoadError: The columns of the file and of the table do not match.
        """
        ...

    def batches(self, slots: Sequence[Slot]) -> Iterator[Records]:
        """Yield the rows in pieces, with values for each slot.

        Raises:
            LoadError: The file is damaged; the detail says where.
        """
        ...

    def final_plan(self) -> LoadPlan:
        """Return the plan again once all rows were read: some files show only then which columns they have."""
        return self.plan()


class ArrowValues:
    """Values that have types of their own."""

    def __init__(self, array: Array) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, rows: slice) -> "ArrowValues":
        return ArrowValues(self._array[rows])

    def take(self, indices: Sequence[int]) -> "ArrowValues":
        """Return the values at these places."""
        return ArrowValues(self._array.take(arrow.array(indices, arrow.int64())))

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

    def take(self, indices: Sequence[int]) -> "TextValues":
        """Return the values at these places."""
        return TextValues(self._array.take(arrow.array(indices, arrow.int64())))

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

    def take(self, indices: Sequence[int]) -> "JsonValues":
        """Return the values at these places."""
        return JsonValues([self._values[index] for index in indices], self._decoded_for)

    def to_transport(self, column_type: ColumnType) -> Array:
        """Convert; the type is another one only where one value fills two columns."""
        return to_transport(to_arrow(self._values, self._decoded_for), column_type)

    def shown(self) -> str:
        """Return the first value as Python prints it."""
        return shortened(str(self._values[0]))


def shortened(text: str) -> str:
    """Cut a text that is too long for an error."""
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."
