"""Which rows of a file are new to the table, which are there already, and which are wrong beside the others.

The rows lie converted in a temporary file. They are taken in parts; the engine is asked for the keys of each part.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from robosystems.graph_api.backends.lbug.engine import EngineConnection
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import LoadError
from robosystems.graph_api.domain.load import LoadMode, LoadPhase
from robosystems.graph_api.worker.arrow import Array, Batch, arrow, kernels
from robosystems.graph_api.worker.loading import change_statements
from robosystems.graph_api.worker.loading.formats import parquet
from robosystems.graph_api.worker.loading.key_hashes import keys_of
from robosystems.graph_api.worker.loading.parquet_file import open_parquet, read_batches
from robosystems.graph_api.worker.loading.plan import NodeKey
from robosystems.graph_api.worker.loading.progress import Progress
from robosystems.graph_api.worker.loading.rejects import RejectLog
from robosystems.graph_api.worker.loading.row_errors import wrong_row
from robosystems.graph_api.worker.loading.row_finder import LoadedFile
from robosystems.graph_api.worker.loading.spool import ROW_COLUMN, on_disk
from robosystems.graph_api.worker.loading.values import shortened

_PART_ROWS: Final = 262_144
_PART_BYTES: Final = 32 << 20
_ANSWER_ROWS: Final = 65_536


@dataclass(slots=True)
class Sorted:
    """Where the rows of a file belong.

    Attributes:
        new: Files with rows that are new to the table.
        new_rows: How many these are.
        known: Files with rows that the table has already.
        known_rows: How many these are.
        offsets: For nodes, the internal offsets of those.
    """

    new: list[Path] = field(default_factory=list[Path])
    new_rows: int = 0
    known: list[Path] = field(default_factory=list[Path])
    known_rows: int = 0
    offsets: list[Array] = field(default_factory=list[Array])


@dataclass(frozen=True, slots=True)
class Comparison:
    """What rows are compared with.

    Attributes:
        mode: What happens to rows that are there.
        key: For nodes, their key; None if the database numbers them itself, or there are none to compare with.
        ends: For relationships, the keys of their ends; None for nodes.
        pairs: Whether relationships are compared with those that are there.
        columns: Which values of a row are its key, or those of its ends.
        repeated: Hashes of keys that may occur more than once in the file.
    """

    mode: LoadMode
    key: NodeKey | None
    ends: tuple[NodeKey, NodeKey] | None
    pairs: bool
    columns: tuple[int, ...]
    repeated: frozenset[int]

    @property
    def is_trivial(self) -> bool:
        """Whether all rows are new and right."""
        return self.key is None and self.ends is None and not self.repeated


class Sorter:
    """Sorts the rows of one file.

    Args:
        connection: Asked for keys.
        file: The temporary file, numbered.
        comparison: What the rows are compared with.
        log: Takes wrong rows.
        progress: Told of each part; raises to stop.
    """

    def __init__(
        self,
        connection: EngineConnection,
        file: LoadedFile,
        comparison: Comparison,
        log: RejectLog,
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._file = file
        self._comparison = comparison
        self._log = log
        self._progress = progress
        self._folder = file.paths[0].parent
        self._first_rows: dict[Hashable, int] = {}
        self._result = Sorted()

    def sort(self, rows: int) -> Sorted:
        """Sort all rows, of which there are so many.

        Raises:
            LoadError: A row is wrong, and wrong rows are not left out.
            DiskFullError: No room for the sorted files.
            GraphApiError: As `EngineConnection.run_plain`.
        """
        if self._comparison.is_trivial:
            return Sorted(new=list(self._file.paths) if rows else [], new_rows=rows)
        done = 0
        for part in self._parts():
            self._progress.at(LoadPhase.CHECKING, done, rows)
            self._sort(part)
            done += part.num_rows
        return self._result

    def _parts(self) -> Iterator[Batch]:
        """Yield the rows in parts of bounded size."""
        schema = open_parquet(self._file.paths[0])
        held: list[Batch] = []
        for batch in read_batches(schema, schema.schema_arrow.names):
            held.append(batch)
            if sum(one.num_rows for one in held) >= _PART_ROWS or sum(one.nbytes for one in held) >= _PART_BYTES:
                yield _joined(held)
                held = []
        if held:
            yield _joined(held)

    def _sort(self, part: Batch) -> None:
        comparison = self._comparison
        wrong: dict[int, LoadError] = {}
        if comparison.repeated:
            self._find_repeated(part, wrong)
        keys = self._write_keys(part)
        known = arrow.array([], arrow.int64())
        if comparison.ends is not None:
            for index, node in enumerate(comparison.ends):
                self._find_dangling(part, keys, index, node, wrong)
            if comparison.pairs:
                known = self._find_pairs(part, keys, comparison.ends, wrong)
        elif comparison.key is not None:
            known = self._find_nodes(part, keys, comparison.key, wrong)
        keys.unlink()
        for index in sorted(wrong):
            self._log.add(wrong[index])
        places = arrow.array(range(part.num_rows), arrow.int64())
        is_right = kernels.invert(kernels.is_in(places, arrow.array(list(wrong), arrow.int64())))
        is_known = kernels.is_in(places, known)
        self._keep(part.filter(kernels.and_(is_right, kernels.invert(is_known))), known=False)
        self._keep(part.filter(kernels.and_(is_right, is_known)), known=True)

    def _find_repeated(self, part: Batch, wrong: dict[int, LoadError]) -> None:
        """Find rows whose key an earlier row has."""
        keys = keys_of([part.column(name) for name in self._key_names])
        rows = part.column(ROW_COLUMN)
        for index, key in enumerate(keys):
            if hash(key) not in self._comparison.repeated:
                continue
            row = rows[index].as_py()
            first = self._first_rows.setdefault(key, row)
            if first != row:
                wrong[index] = self._repeated(row, first, key)

    def _repeated(self, row: int, first: int, key: Hashable) -> LoadError:
        value = shortened(str(key))
        column = self._source(0)
        if self._comparison.ends is None:
            detail = f"Rows {first} and {row} have the same key {value!r} in column {column!r}."
            return wrong_row(detail, "duplicate_key", column, value, row=row, first_row=first)
        detail = f"Rows {first} and {row} have the same ends {value}: which of them is meant cannot be known."
        return wrong_row(detail, "duplicate_pair", column, value, row=row, first_row=first)

    def _find_nodes(self, part: Batch, keys: Path, node: NodeKey, wrong: dict[int, LoadError]) -> Array:
        """Find rows whose key a node has."""
        found = self._ask(change_statements.known_nodes(node, keys, self._value(0)))
        known = found.column(0)
        if self._comparison.mode is not LoadMode.APPEND:
            right = kernels.invert(kernels.is_in(known, arrow.array(list(wrong), arrow.int64())))
            self._result.offsets.append(found.column(1).filter(right).combine_chunks())
            return known
        column = self._source(0)
        for index in known.to_pylist():
            row, value = self._shown(part, index, 0)
            detail = f"Row {row}, column {column!r}: table {node.table!r} has the key {value!r} already."
            wrong.setdefault(index, wrong_row(detail, "key_exists", column, value, row=row))
        return known

    def _find_dangling(self, part: Batch, keys: Path, index: int, node: NodeKey, wrong: dict[int, LoadError]) -> None:
        """Find rows with an end to which there is no node."""
        found = self._ask(change_statements.known_nodes(node, keys, self._value(index))).column(0)
        places = arrow.array(range(part.num_rows), arrow.int64())
        column = self._source(index)
        for place in places.filter(kernels.invert(kernels.is_in(places, found))).to_pylist():
            row, value = self._shown(part, place, index)
            detail = f"Row {row}, column {column!r}: table {node.table!r} has no node with the key {value!r}."
            wrong.setdefault(place, wrong_row(detail, "dangling_end", column, value, row=row, table=node.table))

    def _find_pairs(self, part: Batch, keys: Path, ends: tuple[NodeKey, NodeKey], wrong: dict[int, LoadError]) -> Array:
        """Find rows whose ends a relationship has; one of several cannot be chosen."""
        table = self._file.plan.target.table.name
        values = [self._value(0), self._value(1)]
        found = self._ask(change_statements.known_pairs(table, ends, keys, values)).column(0)
        counts = kernels.value_counts(found)
        several = counts.filter(kernels.greater(counts.field("counts"), 1))
        column = self._source(0)
        for index, count in zip(several.field(0).to_pylist(), several.field(1).to_pylist(), strict=True):
            row, start = self._shown(part, index, 0)
            value = f"{start} -> {self._shown(part, index, 1)[1]}"
            detail = f"Row {row}: table {table!r} has {count} relationships {value}: which is meant cannot be known."
            wrong.setdefault(index, wrong_row(detail, "several_relationships", column, value, row=row))
        return found

    @property
    def _key_names(self) -> list[str]:
        return [self._file.columns[number] for number in self._comparison.columns]

    def _source(self, index: int) -> str:
        """Return the name in the client's file of a key."""
        return self._file.plan.slots[self._comparison.columns[index]].source

    def _value(self, index: int) -> CypherText:
        """Return the expression for a key in a statement that reads the file."""
        return self._file.value(self._comparison.columns[index])

    def _shown(self, part: Batch, place: int, index: int) -> tuple[int, str]:
        """Return number and value, shortened, of a row."""
        value = part.column(self._key_names[index])[place].as_py()
        return part.column(ROW_COLUMN)[place].as_py(), shortened(str(value))

    def _write_keys(self, part: Batch) -> Path:
        """Write the keys of a part, each with its place in it."""
        names = self._key_names
        places = arrow.array(range(part.num_rows), arrow.int64())
        table = arrow.table([*(part.column(name) for name in names), places], [*names, ROW_COLUMN])
        path = self._folder / "keys"
        on_disk(lambda: parquet.write_table(table, path, compression="snappy", use_dictionary=False))
        return path

    def _ask(self, text: CypherText) -> "_Answer":
        self._progress()
        with self._connection.run_plain(str(text)) as result:
            return _Answer(list(result.batches(_ANSWER_ROWS)))

    def _keep(self, rows: Batch, *, known: bool) -> None:
        if not rows.num_rows:
            return
        paths = self._result.known if known else self._result.new
        path = self._folder / f"{'known' if known else 'new'}-{len(paths)}"
        on_disk(
            lambda: parquet.write_table(
                arrow.Table.from_batches([rows]), path, compression="snappy", use_dictionary=False
            )
        )
        paths.append(path)
        if known:
            self._result.known_rows += rows.num_rows
        else:
            self._result.new_rows += rows.num_rows


class _Answer:
    """Numbers that the engine answered with."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self._batches = batches

    def column(self, index: int) -> Array:
        """Return a column of it."""
        return arrow.chunked_array([batch.column(index) for batch in self._batches], arrow.int64())


def _joined(batches: Sequence[Batch]) -> Batch:
    return arrow.Table.from_batches(batches).combine_chunks().to_batches()[0]
