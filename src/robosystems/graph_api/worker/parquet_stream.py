"""Rows as a Parquet file, sent while it is being written: its footer, which a reader needs, comes last.

The footer's metadata holds the summary as JSON under `SUMMARY_KEY`. Parquet knows no unions: they become their value's
JSON text.
"""

from collections.abc import Iterator
from typing import Any, Final

from pyarrow import parquet  # pyright: ignore[reportMissingTypeStubs]

from robosystems.graph_api.domain.errors import StatementError
from robosystems.graph_api.domain.query import SUMMARY_KEY
from robosystems.graph_api.worker.arrow import ArrowError, Batch, arrow
from robosystems.graph_api.worker.public_values import PublicColumns
from robosystems.graph_api.worker.results import BATCH_ROWS, Figures, Piece, Rows, Shape, batches_of

_GROUP_ROWS: Final = 128 << 10
_GROUP_BYTES: Final = 8 << 20
"""Arrow bytes after which a row group ends: it is held until it is complete."""

_parquet: Final[Any] = parquet


class _Sink:
    """A file that keeps what is written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes | memoryview) -> int:
        """Keep data."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Do nothing: all is kept here."""

    def take(self) -> Iterator[bytes]:
        """Yield what was written since the last time."""
        pieces, self._pieces = self._pieces, []
        yield from pieces


def parquet_pieces(result: Rows, shape: Shape, figures: Figures) -> Iterator[Piece]:
    """Yield a Parquet file.

    Raises:
        StatementError: A column has no counterpart in Arrow or Parquet.
    """
    batches = batches_of(result, figures.rows)
    first = next(batches, None)
    columns = PublicColumns(result.arrow_schema() if first is None else first.schema, shape.columns, unions=False)
    sink = _Sink()
    try:
        with _parquet.ParquetWriter(sink, columns.schema, compression="snappy", store_schema=True) as writer:
            group: list[Batch] = []
            while first is not None:
                group.append(columns.batch(first))
                first = next(batches, None)
                if first is None or _is_full(group):
                    writer.write_table(arrow.Table.from_batches(group, columns.schema), row_group_size=_GROUP_ROWS)
                    group.clear()
                    yield from sink.take()
            writer.add_key_value_metadata({SUMMARY_KEY: shape.summary(figures).decode()})
    except ArrowError as error:
        raise StatementError(f"The result cannot be written as Parquet: {error}") from error
    yield from sink.take()


def _is_full(group: list[Batch]) -> bool:
    rows = sum(batch.num_rows for batch in group)
    return rows > _GROUP_ROWS - BATCH_ROWS or sum(batch.nbytes for batch in group) >= _GROUP_BYTES
