"""Bringing sorted rows into a table that has rows already: in one transaction, all of it in the log.

A COPY would be faster, but its rows are in no log: if the process died while a transaction of copied and changed rows
is made durable, the changes would be there after recovery and the copied rows would not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.lbug.engine import DegradedCommit, EngineConnection
from robosystems.graph_api.domain.cypher import CypherText, compose
from robosystems.graph_api.domain.errors import LoadError, StatementError
from robosystems.graph_api.domain.load import LoadMode, LoadPhase
from robosystems.graph_api.domain.schema import NodeTable, ScalarKind, ScalarType
from robosystems.graph_api.worker.arrow import Array, arrow, kernels
from robosystems.graph_api.worker.loading import change_statements, statements
from robosystems.graph_api.worker.loading.change_statements import Given
from robosystems.graph_api.worker.loading.convert import to_transport
from robosystems.graph_api.worker.loading.copying import explained, roll_back
from robosystems.graph_api.worker.loading.formats import parquet
from robosystems.graph_api.worker.loading.parquet_file import open_parquet
from robosystems.graph_api.worker.loading.plan import LoadPlan, NodeKey
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.row_finder import LoadedFile, RowFinder
from robosystems.graph_api.worker.loading.sorting import Sorted
from robosystems.graph_api.worker.loading.spool import on_disk
from robosystems.graph_api.worker.loading.transport import needs_cast

_ANSWER_ROWS: Final = 65_536
_KEY: Final = "k"


@dataclass(frozen=True, slots=True)
class ChangeOrder:
    """What is to be done.

    Attributes:
        mode: UPSERT or REPLACE.
        detach: Whether nodes that vanish take their relationships with them.
        folder: For temporary files.
    """

    mode: LoadMode
    detach: bool
    folder: Path


class Change:
    """One such change.

    Args:
        connection: Of the writer lane, with no transaction open.
        file: The temporary file with all rows: its columns are those of the sorted ones.
        rows: The sorted rows.
        order: What is to be done.
        progress: Told of each part; raises to stop.

    Attributes:
        deleted: How many rows of the table were deleted, once it is made.
    """

    def __init__(
        self, connection: EngineConnection, file: LoadedFile, rows: Sorted, order: ChangeOrder, progress: Progress
    ) -> None:
        self._connection = connection
        self._file = file
        self._plan: LoadPlan = file.plan
        self._rows = rows
        self._order = order
        self._progress = progress
        self._total = rows.new_rows + rows.known_rows
        self.deleted = 0

    def make(self) -> None:
        """Do it.

        Raises:
            LoadError: The engine refuses a row, or the numbers do not agree; nothing was changed.
            DegradedCommit: All is committed, but the checkpoint failed.
            StatementInterrupted: `interrupt()` was called.
            GraphApiError: Others as `EngineConnection.run`.
        """
        try:
            self._run(statements.BEGIN)
            self._change()
            self._progress.at(LoadPhase.CHECKPOINTING)
            self._run(statements.COMMIT)
        except DegradedCommit:
            raise
        except StatementError as error:
            roll_back(self._connection)
            raise self._explained(error) from error
        except BaseException:
            roll_back(self._connection)
            raise

    def _change(self) -> None:
        before = self._count()
        if self._order.mode is LoadMode.REPLACE:
            self._delete(before)
        done = 0
        for path, known in [*((path, True) for path in self._rows.known), *((path, False) for path in self._rows.new)]:
            self._progress.at(LoadPhase.COPYING, done, self._total)
            rows = open_parquet(path).metadata.num_rows
            text = self._update(path) if known else self._create(path)
            if text is not None:
                self._check("changed", rows, self._ask(text))
            done += rows
        self._check("left in the table", before - self.deleted + self._rows.new_rows, self._count())

    # -- rows that vanish ---------------------------------------------------------------------------------------------

    def _delete(self, before: int) -> None:
        """Delete what the file does not have, of so many rows that are there."""
        self._progress()
        plan, known = self._plan, self._rows.known_rows
        table = plan.target.table
        if plan.target.ends is not None:
            self._run(change_statements.delete_relationships(table.name, plan.target.ends))
        elif known == 0 or self._key is None:
            self._run(change_statements.delete_all_nodes(table.name, detach=self._order.detach))
        elif before > known:
            self._delete_others(self._key)
        self.deleted = before - known
        self._check("left", known, self._count())

    def _delete_others(self, node: NodeKey) -> None:
        """Delete the nodes that have none of the known offsets."""
        is_known = _Marks(self._rows.offsets)
        path = self._order.folder / "vanishing"
        with self._connection.run_plain(str(change_statements.all_nodes(node))) as result:
            for batch in result.batches(_ANSWER_ROWS):
                others = is_known.missing(batch.column(0))
                if not others:
                    continue
                self._progress()
                keys = to_transport(batch.column(1).take(arrow.array(others, arrow.int64())), node.type)
                self._write_keys(path, keys)
                given = Given(path, [statements.from_file(_KEY, node.type if needs_cast(node.type) else None)])
                text = change_statements.delete_nodes(node, given, detach=self._order.detach)
                self._check("deleted", len(keys), self._ask(text))

    @staticmethod
    def _write_keys(path: Path, keys: Array) -> None:
        table = arrow.table([keys], [_KEY])
        on_disk(lambda: parquet.write_table(table, path, compression="snappy", use_dictionary=False))

    # -- rows that come or change -------------------------------------------------------------------------------------

    def _create(self, path: Path) -> CypherText:
        plan = self._plan
        defaults = [(column.name, statements.default_value(column)) for column in plan.defaults]
        given = Given(path, self._ends(), [*self._values(), *defaults])
        if plan.target.ends is not None:
            return change_statements.create_relationships(plan.target.table.name, plan.target.ends, given)
        return change_statements.create_nodes(plan.target.table.name, given)

    def _update(self, path: Path) -> CypherText | None:
        """Return the statement for rows that are there; None if nothing of them can differ."""
        plan = self._plan
        key = self._key
        values = [(name, value) for name, value in self._values() if key is None or name != key.column]
        if self._order.mode is LoadMode.REPLACE:
            values += self._left_out()
        if not values:
            return None
        if plan.target.ends is not None:
            given = Given(path, self._ends(), values)
            return change_statements.update_relationships(plan.target.table.name, plan.target.ends, given)
        assert key is not None  # noqa: S101 (rows without a key are always new)
        index = next(index for index, slot in enumerate(plan.slots) if slot.required)
        return change_statements.update_nodes(key, Given(path, [self._file.value(index)], values))

    def _left_out(self) -> list[tuple[str, CypherText]]:
        """Return what columns get that the file lacks: as in new rows, their defaults or null."""
        defaults = {column.name: column for column in self._plan.defaults}
        return [
            (column.name, statements.default_value(column) if column.name in defaults else compose("NULL"))
            for column in self._plan.target.table.columns
            if column.name not in self._plan.filled and column.type != ScalarType(ScalarKind.SERIAL)
        ]

    def _values(self) -> list[tuple[str, CypherText]]:
        first = len(self._plan.ends)
        return [(name, self._file.value(first + number)) for number, name in enumerate(self._plan.filled)]

    def _ends(self) -> list[CypherText]:
        return [self._file.value(index) for index in range(len(self._plan.ends))]

    # -- the engine ---------------------------------------------------------------------------------------------------

    @property
    def _key(self) -> NodeKey | None:
        return node_key(self._plan)

    def _count(self) -> int:
        table, ends = self._plan.target.table.name, self._plan.target.ends
        if ends is not None:
            return self._ask(change_statements.count_relationships(table, ends))
        return self._ask(change_statements.count_nodes(table))

    @staticmethod
    def _check(what: str, expected: int, found: int) -> None:
        if found != expected:
            raise LoadError(
                f"{expected} rows should have been {what}, but the database counts {found}. Nothing was loaded.",
                reason="row_count",
            )

    def _ask(self, text: CypherText) -> int:
        with self._connection.run_plain(str(text)) as result:
            rows = result.take(1)
        return int(rows[0][0]) if rows else 0

    def _run(self, text: CypherText) -> None:
        self._connection.run_plain(str(text)).close()

    def _explained(self, error: StatementError) -> Exception:
        paths = (*self._rows.known, *self._rows.new)
        return explained(self._connection, RowFinder(replace(self._file, paths=paths), self._progress), error)


class _Marks:
    """A set of internal offsets, one byte for each that is possible."""

    def __init__(self, pieces: Sequence[Array]) -> None:
        last = max((kernels.max(piece).as_py() or 0 for piece in pieces), default=0)
        self._marks = bytearray(last + 1)
        for piece in pieces:
            for offset in piece.to_pylist():
                self._marks[offset] = 1

    def missing(self, offsets: Array) -> list[int]:
        """Return the places of the offsets that are not in the set."""
        marks, size = self._marks, len(self._marks)
        return [place for place, offset in enumerate(offsets.to_pylist()) if offset >= size or not marks[offset]]


def node_key(plan: LoadPlan) -> NodeKey | None:
    """Return the key by which nodes of the table are told apart; None for relationships and keys that are numbered."""
    table = plan.target.table
    if not isinstance(table, NodeTable):
        return None
    slot = next((slot for slot in plan.slots if slot.required), None)
    return None if slot is None else NodeKey(table.name, table.primary_key, slot.type)
