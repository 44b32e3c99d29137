"""Rows as server-sent events: events `rows` with an array of objects each, then one event `summary`.

JSON texts hold no line ends, so each event is an `event:` and a `data:` line and the empty line that ends it.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from robosystems.graph_api.worker.arrow import Batch
from robosystems.graph_api.worker.columns import json_texts, text_bytes
from robosystems.graph_api.worker.json_rows import row_strings, separated_rows
from robosystems.graph_api.worker.results import Figures, Piece, Rows, Shape, batches_of, encode_json

_EVENT_ROWS: Final = 1_000
_EVENT_BYTES: Final = 64 << 10
"""Arrow bytes of the rows of one event: a reader handles an event when it is complete."""


def event_pieces(result: Rows, shape: Shape, figures: Figures) -> Iterator[Piece]:
    """Yield events.

    Raises:
        StatementError: A column has no counterpart in Arrow, through which the rows go.
        PayloadTooLargeError: A single row is over 2 GiB.
    """
    if shape.columns:
        between = separated_rows(shape)
        for batch in batches_of(result, figures.rows):
            yield b"".join(chain.from_iterable(_events(batch, between)))
    yield summary_event(shape, figures)


def rows_event(objects: list[dict[str, object]]) -> bytes:
    """Return one event for rows that are plain values; nothing for no rows."""
    return b"event: rows\ndata: %b\n\n" % encode_json(objects) if objects else b""


def summary_event(shape: Shape, figures: Figures) -> bytes:
    """Return the last event."""
    return b"event: summary\ndata: %b\n\n" % shape.summary(figures)


def _events(batch: Batch, between: list[str]) -> Iterator[tuple[Piece, ...]]:
    rows = max(1, min(_EVENT_ROWS, _EVENT_BYTES * batch.num_rows // max(1, batch.nbytes)))
    for strings in row_strings(batch, between, json_texts):
        for start in range(0, len(strings), rows):
            yield b"event: rows\ndata: [", text_bytes(strings.slice(start, rows))[1:], b"]\n\n"
