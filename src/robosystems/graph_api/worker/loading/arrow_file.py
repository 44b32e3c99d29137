"""Arrow IPC as it comes from clients, as a stream or as a file: dictionaries and compression included."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import Any, Final

from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.worker.arrow import Batch, arrow, kernels
from robosystems.graph_api.worker.loading.arrow_messages import check_file, check_message
from robosystems.graph_api.worker.loading.formats import FAILURES, ipc
from robosystems.graph_api.worker.loading.parquet_file import check_type, first_line
from robosystems.graph_api.worker.loading.plan import LoadPlan, Slot, Target, plan_load
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.values import ArrowValues, FileSource, Records

_MAGIC: Final = b"ARROW1"
_PADDED_MAGIC: Final = 8
_FOOTER_END: Final = len(_MAGIC)
_LENGTH: Final = Struct("<i")
_END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_SLICE_ROWS: Final = 32_768
_SLICE_BYTES: Final = 8 << 20


class ArrowSource(FileSource):
    """An Arrow stream or file.

    Args:
        path: The file.
        order: How to load it.
        target: Where to.
        progress: Called now and then; raises to stop.

    Raises:
        LoadError: It is neither, is damaged or cut off, or its columns do not suit the table.
    """

    def __init__(self, path: Path, order: LoadOrder, target: Target, progress: Progress) -> None:
        self._path = path
        self._progress = progress
        self._rows = 0
        self._sizes_are_checked = False
        self._is_file = self._check_ends()
        with self._opened() as source:
            self._check_sizes(source)
            self._sizes_are_checked = True
            schema = self._read(lambda: self._reader(source).schema)
            names = self._read(lambda: schema.names)
        self._plan = plan_load(order, target, names)
        for slot in self._plan.slots:
            check_type(slot, schema)

    @property
    def rows_read(self) -> int:
        """Rows that were read."""
        return self._rows

    def plan(self) -> LoadPlan:
        """Return what is read and where it goes."""
        return self._plan

    def batches(self, slots: Sequence[Slot]) -> Iterator[Records]:
        """Yield the rows in pieces of bounded size; as `FileSource`."""
        with self._opened() as source:
            batches = self._batches(self._read(lambda: self._reader(source)))
            while (batch := self._read(lambda: next(batches, None))) is not None:
                for piece in _pieces(batch):
                    self._progress()
                    rows = range(self._rows + 1, self._rows + piece.num_rows + 1)
                    self._rows += piece.num_rows
                    yield Records([ArrowValues(piece.column(slot.source)) for slot in slots], rows)

    def _check_ends(self) -> bool:
        """Check beginning and end; return whether it is a file."""
        with self._path.open("rb") as file:
            begin = file.read(_PADDED_MAGIC)
            size = file.seek(0, 2)
            file.seek(max(0, size - len(_END)))
            end = file.read()
        is_file = begin.startswith(_MAGIC)
        if is_file and (size < 2 * _PADDED_MAGIC or not end.endswith(_MAGIC)):
            raise _damaged("the Arrow file is cut off: its end mark is missing.")
        if not is_file and end != _END:
            raise _damaged("this is no Arrow stream or file, or it is cut off: the end-of-stream mark is missing.")
        return is_file

    def _check_sizes(self, source: Any) -> None:  # noqa: ANN401 (pyarrow is untyped)
        """Look at all messages before any is decompressed, and check that nothing follows the end of a stream."""
        if self._is_file:
            whole = memoryview(source.read_buffer()).cast("B")
            begin, end = len(whole) - _FOOTER_END - _LENGTH.size, len(whole) - _FOOTER_END
            length = _LENGTH.unpack(whole[begin:end])[0]
            if not 0 < length <= begin:
                raise _damaged("the footer of the Arrow file has an impossible length.")
            check_file(whole, bytes(whole[begin - length : begin]))
            return
        messages = self._read(lambda: ipc.MessageReader.open_stream(source))
        while (message := self._read(lambda: _next_message(messages))) is not None:
            self._progress()
            check_message(message.metadata.to_pybytes(), memoryview(message.body or b""))
        if source.tell() != source.size():
            raise _damaged("something follows the end of the Arrow stream: send one stream.")

    def _opened(self) -> Any:  # noqa: ANN401 (pyarrow is untyped)
        return arrow.memory_map(str(self._path))

    def _reader(self, source: Any) -> Any:  # noqa: ANN401 (pyarrow is untyped)
        source.seek(0)
        return ipc.open_file(source) if self._is_file else ipc.open_stream(source)

    def _batches(self, reader: Any) -> Iterator[Batch]:  # noqa: ANN401 (pyarrow is untyped)
        """Yield batches, checked: buffers that lie would be read beyond their ends."""
        batches = map(reader.get_batch, range(reader.num_record_batches)) if self._is_file else reader
        for batch in batches:
            batch.validate(full=True)
            yield batch

    def _read(self, step: Any) -> Any:  # noqa: ANN401 (pyarrow is untyped)
        """Take one step of a reader."""
        try:
            return step()
        except MemoryError as error:
            if self._sizes_are_checked:
                raise
            raise _damaged("a message has an impossible length.") from error
        except (*FAILURES, OSError) as error:
            raise _damaged(f"after row {self._rows}: {first_line(error)}", row=self._rows + 1) from error


def _next_message(messages: Any) -> Any | None:  # noqa: ANN401 (pyarrow is untyped)
    try:
        return messages.read_next_message()
    except StopIteration:
        return None


def _pieces(batch: Batch) -> Iterator[Batch]:
    """Cut a batch so that no piece is large, even when its dictionaries are spelled out."""
    width = batch.nbytes // max(1, batch.num_rows) + sum(_longest(column) for column in batch.columns)
    rows = max(1, min(_SLICE_ROWS, _SLICE_BYTES // max(1, width)))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _longest(column: Any) -> int:  # noqa: ANN401 (pyarrow is untyped)
    """Return the length of the longest value of a dictionary of texts; 0 for anything else."""
    types = arrow.types
    if not types.is_dictionary(column.type):
        return 0
    kind = column.type.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return int(kernels.max(kernels.binary_length(column.dictionary)).as_py() or 0)
    return 0


def _damaged(what: str, row: int | None = None) -> LoadError:
    error = LoadError(f"The file is damaged: {what} Nothing was loaded.", reason="damaged")
    if row is not None:
        error.context["row"] = row
    return error
