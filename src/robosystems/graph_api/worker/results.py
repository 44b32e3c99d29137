"""A result on its way into bytes: its columns, its figures, and its rows as Arrow batches in the public shape."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from robosystems.graph_api.backends.lbug.engine import EngineResult
from robosystems.graph_api.backends.lbug.wire import SummaryFlag
from robosystems.graph_api.worker.arrow import Batch, Schema, arrow
from robosystems.graph_api.worker.rows import RowPlan, plan_for_types

Piece: TypeAlias = bytes | memoryview
"""Some bytes of an answer."""

BATCH_ROWS: Final = 16_384
"""Rows that are taken from the engine at once, at most. More are no faster, hold the interpreter longer, and do not fit
into the credit of a stream, so that sending one batch would no longer go on beside making the next."""

BATCH_BYTES: Final = 1 << 20
"""Bytes of Arrow data that a batch should have, at most: what an answer needs in memory is a small multiple of it."""

_FIRST_ROWS: Final = 4_096
"""Rows of the first batch, which is sent soon and shows how long rows are."""

# Plain numbers: combining enum members costs microseconds.
_TRUNCATED: Final = int(SummaryFlag.TRUNCATED)
_DEGRADED: Final = int(SummaryFlag.DEGRADED)

encode_json: Final[Callable[[object], bytes]] = msgspec.json.Encoder().encode
"""A JSON text of plain values."""


class Rows(Protocol):
    """Rows of a statement that has run; methods as in `EngineResult`."""

    row_count: int

    def take(self, count: int) -> list[list[Any]]:
        """Return the next rows as values."""
        ...

    def next_batch(self, rows: int) -> Batch | None:
        """Return the next rows as an Arrow batch."""
        ...

    def arrow_schema(self) -> Schema:
        """Return the columns, once no rows are left."""
        ...


class NoRows:
    """The result of a statement that is done, though the engine gave an error in place of its rows."""

    row_count = 0

    def take(self, count: int) -> list[list[Any]]:  # noqa: ARG002 (there are none)
        """Return nothing."""
        return []

    def next_batch(self, rows: int) -> None:  # noqa: ARG002 (there are none)
        """Return None."""
        return

    def arrow_schema(self) -> Schema:
        """Return no columns."""
        return arrow.schema(())


@dataclass(slots=True)
class Figures:
    """What the end of an answer says; rows are final when its first piece has been made."""

    execution_ms: float
    counters: Mapping[str, int] | None = None
    rows: int = 0
    truncated: bool = False
    degraded: bool = False

    @property
    def flags(self) -> int:
        """The same as `SummaryFlag` of the wire."""
        return (_TRUNCATED if self.truncated else 0) | (_DEGRADED if self.degraded else 0)

    def members(self) -> bytes:
        """Return them as members of a JSON object, without its braces."""
        text = b'"row_count":%d,"truncated":%b,"execution_time_ms":%.3f' % (
            self.rows,
            b"true" if self.truncated else b"false",
            self.execution_ms,
        )
        return text if self.counters is None else text + b',"counters":' + encode_json(self.counters)


@dataclass(slots=True)
class Shape:
    """Columns of a result, and what can be prepared from them. Kept with the statement, since it rarely changes.

    Attributes:
        engine_columns: Names as the engine gives them.
        types: Types as the engine gives them.
        columns: Names made unique: `x`, `x_2`, `x_3`.
        plan: How rows become JSON values; None if only Arrow will do. For nested types it is known after the first
            result.
        head: Beginning of a document, up to the rows.
    """

    engine_columns: list[str]
    types: list[str]
    columns: list[str] = field(init=False)
    plan: RowPlan | None = field(init=False)
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.columns = unique_names(self.engine_columns)
        self.plan = plan_for_types(self.types)
        self.head = b'{"columns":%b,"types":%b,"data":' % (encode_json(self.columns), encode_json(self.types))

    def fits(self, result: EngineResult) -> bool:
        """Whether the result has these columns."""
        return result.columns == self.engine_columns and result.types == self.types

    def summary(self, figures: Figures) -> bytes:
        """Return the summary of an answer as a JSON object: columns, types and figures."""
        columns, types = encode_json(self.columns), encode_json(self.types)
        return b'{"columns":%b,"types":%b,%b}' % (columns, types, figures.members())


def unique_names(names: Sequence[str]) -> list[str]:
    """Make repeated names unique by a number, leaving out numbers that give a name which is there already."""
    if len(set(names)) == len(names):
        return list(names)
    taken = set(names)
    seen: set[str] = set()
    unique: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in seen or (number > 1 and candidate in taken):
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate)
        unique.append(candidate)
    return unique


def batches_of(result: Rows, count: int) -> Iterator[Batch]:
    """Yield the first `count` rows as the engine's Arrow batches, sized by how long the rows turn out to be.

    Raises:
        StatementError: A column has no counterpart in Arrow.
    """
    rows = _FIRST_ROWS
    while count > 0:
        batch = result.next_batch(min(rows, count))
        if batch is None:
            return
        got = batch.num_rows
        if got > count:
            batch = batch.slice(0, count)
        count -= got
        rows = max(1, min(BATCH_ROWS, got * BATCH_BYTES // max(1, batch.nbytes)))
        yield batch
