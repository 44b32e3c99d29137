"""Keys of nodes, checked before the engine sees them.

A COPY of nodes that fails is rolled back, but leaves the engine unable to write on (see `copying`). What would make it
fail most often is found here instead: a key that is missing, that the file has twice, or that the table has already.
"""

from contextlib import suppress
from typing import Any, Final

from robosystems.graph_api.backends.lbug.engine import EngineConnection
from robosystems.graph_api.domain.errors import QueryMemoryExceededError
from robosystems.graph_api.domain.schema import NodeTable
from robosystems.graph_api.worker.arrow import Array, arrow, kernels
from robosystems.graph_api.worker.loading import statements
from robosystems.graph_api.worker.loading.convert import to_transport
from robosystems.graph_api.worker.loading.diagnosis import repeated_key
from robosystems.graph_api.worker.loading.plan import NodeKey
from robosystems.graph_api.worker.loading.row_errors import missing_value
from robosystems.graph_api.worker.loading.row_finder import LoadedFile, RowFinder

_LOOKED_UP_ROWS: Final = 100_000
"""Keys are looked up in the table for so many rows: who loads a file twice is found, at little cost for the others."""

_MAX_COLLECTED_BYTES: Final = 48 << 20
"""Keys that are not in ascending order are collected up to this size; beyond, duplicates are left to the engine."""


def check_keys(connection: EngineConnection, file: LoadedFile, finder: RowFinder) -> None:
    """Check the keys of a file of nodes; one of relationships, or with keys that the database makes, passes.

    What there is no memory to find is left to the engine.

    Raises:
        LoadError: A key is missing, occurs twice, or exists; row and key are named.
        StatementError: The engine cannot read the file.
    """
    table = file.plan.target.table
    if not isinstance(table, NodeTable):
        return
    index = next((index for index, slot in enumerate(file.plan.slots) if slot.required), None)
    if index is None:
        return
    _check_within_file(finder, index)
    if connection.count_nodes(table.name) == 0:
        return
    node = NodeKey(table.name, table.primary_key, file.plan.slots[index].type)
    statement = statements.first_known_key(node, file.paths, file.value(index), _LOOKED_UP_ROWS)
    with suppress(QueryMemoryExceededError), connection.run_plain(str(statement)) as result:
        for known in result.take(1):
            raise repeated_key(finder, str(known[0]))


def _check_within_file(finder: RowFinder, index: int) -> None:
    """Look for null and for duplicates."""
    pieces: list[Array] | None = []
    size = 0
    ascending = True
    last: Any = None
    for rows, raw in finder.arrays(index):
        array = to_transport(raw, finder.plan.slots[index].type)
        if array.null_count:
            row = rows[int(array.is_null().index(True).as_py())]
            raise missing_value(row, finder.plan.slots[index].source, "a key")
        ascending = ascending and _continues(last, array)
        last = array[-1] if len(array) else last
        size += array.nbytes
        if pieces is not None:
            pieces.append(array)
        if size > _MAX_COLLECTED_BYTES:
            pieces = None
        if pieces is None and not ascending:
            return
    if not ascending and pieces:
        _check_unique(finder, arrow.chunked_array(pieces))


def _continues(last: Any, array: Array) -> bool:  # noqa: ANN401 (an Arrow scalar)
    """Whether each value is greater than the one before it."""
    if len(array) == 0:
        return True
    if last is not None and not kernels.greater(array[0], last).as_py():
        return False
    return bool(kernels.all(kernels.greater(array[1:], array[:-1]), min_count=0).as_py())


def _check_unique(finder: RowFinder, keys: Any) -> None:  # noqa: ANN401 (a chunked array)
    repeated = None
    with suppress(MemoryError):
        if len(kernels.unique(keys)) < len(keys):
            counts = kernels.value_counts(keys)
            repeated = counts.filter(kernels.greater(counts.field("counts"), 1)).field("values")[0]
    if repeated is not None:
        raise repeated_key(finder, str(repeated.as_py()))
