"""Rows as an Arrow IPC stream: the schema, batches, then a batch without rows that carries the summary, then the end.

The summary is JSON under `SUMMARY_KEY` in the custom metadata of the last batch. A stream without that batch, or
without the end-of-stream mark, is not complete.
"""

from collections.abc import Iterator

from robosystems.graph_api.domain.query import SUMMARY_KEY
from robosystems.graph_api.worker.arrow import arrow
from robosystems.graph_api.worker.public_values import PublicColumns
from robosystems.graph_api.worker.results import Figures, Piece, Rows, Shape, batches_of


def arrow_pieces(result: Rows, shape: Shape, figures: Figures) -> Iterator[Piece]:
    """Yield an Arrow IPC stream.

    Raises:
        StatementError: A column has no counterpart in Arrow.
    """
    columns: PublicColumns | None = None
    for batch in batches_of(result, figures.rows):
        if columns is None:
            columns = PublicColumns(batch.schema, shape.columns)
            yield memoryview(columns.schema.serialize())
        yield memoryview(columns.batch(batch).serialize())
    if columns is None:
        columns = PublicColumns(result.arrow_schema(), shape.columns)
        yield memoryview(columns.schema.serialize())
    yield _end(columns, shape, figures)


def _end(columns: PublicColumns, shape: Shape, figures: Figures) -> bytes:
    """Return the last batch and the end-of-stream mark: what a writer puts after the schema."""
    sink = arrow.BufferOutputStream()
    with arrow.ipc.new_stream(sink, columns.schema) as writer:
        writer.write_batch(columns.no_rows(), custom_metadata={SUMMARY_KEY: shape.summary(figures)})
    return bytes(memoryview(sink.getvalue())[columns.schema.serialize().size :])
