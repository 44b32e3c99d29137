"""Loads that compare rows: with one another, and with what the table has."""

from collections.abc import Sequence
from dataclasses import replace

from robosystems.graph_api.backends.lbug.engine import EngineConnection
from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.domain.load import LoadMode
from robosystems.graph_api.worker.arrow import Array
from robosystems.graph_api.worker.loading.change_statements import count_nodes, count_relationships
from robosystems.graph_api.worker.loading.changing import Change, ChangeOrder, node_key
from robosystems.graph_api.worker.loading.copying import Prepared, copy
from robosystems.graph_api.worker.loading.key_hashes import KeyHashes, keys_of
from robosystems.graph_api.worker.loading.plan import LoadPlan
from robosystems.graph_api.worker.loading.preparing import Work, convert, open_source
from robosystems.graph_api.worker.loading.row_finder import RowFinder
from robosystems.graph_api.worker.loading.sorting import Comparison, Sorted, Sorter


class Stage:
    """One such load: `sort`, then `apply`.

    Attributes:
        file: The temporary file with all rows that fit; once they are sorted.
        rows_in_file: Rows that the file has, once they are sorted.
        deleted: Rows of the table that were deleted, once they are applied.
        is_logged: Whether what was applied is in the log.

    Raises:
        InvalidRequestError: An option is impossible.
        LoadError: The file is not of its format, or does not suit the table or the mode.
    """

    def __init__(self, connection: EngineConnection, work: Work) -> None:
        self._connection = connection
        self._work = work
        self._source = open_source(work)
        self._plan: LoadPlan = self._source.plan()
        self._key_columns = _key_columns(self._plan)
        self._rows = Sorted()
        self.rows_in_file = 0
        self.deleted = 0
        self.is_logged = False
        self._is_empty = self._count() == 0
        if work.order.mode is LoadMode.UPSERT and not self._key_columns:
            raise LoadError(
                f"Table {self._plan.target.table.name!r} numbers its rows itself: there is no key by which rows of the "
                "file could be found in it. Use mode=append or mode=replace.",
                reason="missing_key",
            )

    def sort(self) -> Sorted:
        """Convert and sort all rows.

        Raises:
            LoadError: A row is wrong, and wrong rows are not left out; or the file is broken.
            GraphApiError: As `EngineConnection.run`.
        """
        hashes = KeyHashes()

        def collect(arrays: Sequence[Array]) -> None:
            hashes.add(keys_of([arrays[index] for index in self._key_columns]))

        prepared = convert(self._source, self._work, numbered=True, seen=collect if self._must_differ else None)
        self.file = prepared.file
        self.rows_in_file = self._source.rows_read
        plan = self.file.plan
        comparison = Comparison(
            mode=self._work.order.mode,
            key=None if self._is_empty else node_key(plan),
            ends=plan.target.ends,
            pairs=self._work.order.mode is LoadMode.UPSERT and not self._is_empty,
            columns=_key_columns(plan),
            repeated=hashes.repeated(),
        )
        sorter = Sorter(self._connection, self.file, comparison, self._work.log, self._work.progress)
        self._rows = sorter.sort(prepared.rows)
        return self._rows

    def apply(self) -> int:
        """Bring the rows into the table; return how many rows of it were deleted.

        Raises:
            LoadError: The engine refuses a row; nothing was changed.
            EngineSpoiled: As `copying.copy`.
            DegradedCommit: All is committed, but the checkpoint failed.
            GraphApiError: As `EngineConnection.run`.
        """
        rows, order, progress = self._rows, self._work.order, self._work.progress
        only_new = order.mode is LoadMode.APPEND or self._is_empty
        if not rows.known_rows and (only_new or order.mode is LoadMode.UPSERT):
            if rows.new_rows:
                file = replace(self.file, paths=tuple(rows.new))
                prepared = Prepared(file, rows.new_rows, checked=True)
                copy(self._connection, prepared, RowFinder(file, progress), progress)
            return 0
        self.is_logged = True
        change = Change(
            self._connection, self.file, rows, ChangeOrder(order.mode, order.detach, self._work.folder), progress
        )
        try:
            change.make()
        finally:
            self.deleted = change.deleted
        return self.deleted

    @property
    def _must_differ(self) -> bool:
        """Whether no key may occur twice in the file; relationships may be parallel, unless one is to be found."""
        if self._plan.target.ends is not None:
            return self._work.order.mode is LoadMode.UPSERT
        return bool(self._key_columns)

    def _count(self) -> int:
        """Count the rows; only the slow count knows those that were deleted."""
        table, ends = self._plan.target.table.name, self._plan.target.ends
        if ends is not None:
            fast, text = self._connection.count_relationships(table), count_relationships(table, ends)
        else:
            fast, text = self._connection.count_nodes(table), count_nodes(table)
        if fast == 0:
            return 0
        with self._connection.run_plain(str(text)) as result:
            return int(result.take(1)[0][0])


def _key_columns(plan: LoadPlan) -> tuple[int, ...]:
    """Return which values of a row are its key, or the keys of its ends."""
    if plan.ends:
        return tuple(range(len(plan.ends)))
    return tuple(index for index, slot in enumerate(plan.slots) if slot.required)
