"""Building a database from an archive: all checks first, then tables, rows, counters, and a count of everything.

The database is a new one that nobody else sees; it gets its place when all has succeeded, and is thrown away otherwise.
So nothing here has to be undone.
"""

import secrets
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from robosystems.graph_api.backends.lbug.ddl import compile_ddl
from robosystems.graph_api.backends.lbug.engine import DegradedCommit, EngineConnection
from robosystems.graph_api.backends.lbug.wire import ImportOrder
from robosystems.graph_api.domain.archive import (
    FROM_COLUMN,
    TO_COLUMN,
    ArchivePart,
    ImportedTable,
    ImportReport,
    TableOutcome,
    part_folders,
)
from robosystems.graph_api.domain.archive_index import ArchiveIndex, differing_table, open_member, read_archive
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import (
    ArchiveError,
    DatabaseNotEmptyError,
    DiskFullError,
    InvalidRequestError,
    QueryMemoryExceededError,
    StatementError,
)
from robosystems.graph_api.domain.schema import (
    ColumnType,
    Endpoint,
    GraphSchema,
    NodeTable,
    Table,
    restore_schema_document,
)
from robosystems.graph_api.worker.archive import statements
from robosystems.graph_api.worker.archive.columns import why_not_archivable
from robosystems.graph_api.worker.archive.feeding import FedColumn, fed_column
from robosystems.graph_api.worker.arrow import arrow
from robosystems.graph_api.worker.loading import statements as load_statements
from robosystems.graph_api.worker.loading.formats import FAILURES, parquet
from robosystems.graph_api.worker.loading.scalars import ConversionError

_MAX_ROWS: Final = 1_000_000
_MAX_UNPACKED_BYTES: Final = 1 << 30
_GROUP_ROWS: Final = 122_880
_DISK_FULL: Final = (28, 122)
"""ENOSPC and EDQUOT."""

_KEYWORDS: Final = ("from", "to")
"""Properties of these names get the keys of the end points from a COPY, whatever the file has for them."""


def import_archive(
    connection: EngineConnection, order: ImportOrder, directory: Path, check: Callable[[], None]
) -> dict[str, object]:
    """Build everything that an archive holds in an empty database, and see to it that all of it is on disk.

    Args:
        connection: Of the writer lane.
        order: What to import.
        directory: The database's own: the file lies in its `incoming`.
        check: Called now and then; raises to stop.

    Returns:
        The fields of `domain.archive.ImportReport`, ready for JSON.

    Raises:
        ArchiveError: The archive is damaged, incomplete or hostile; `reason` and `member` say how and where.
        DatabaseNotEmptyError: The tables of the database that is to have the content afterwards are other ones.
        QueryMemoryExceededError: Engine or conversion ran out of memory.
        GraphApiError: Others as `EngineConnection.run`, for example for a full disk.
    """
    started = time.monotonic()
    path = Path(order.path)
    if path.parent.resolve() != (directory / "incoming").resolve() or path.is_symlink() or not path.is_file():
        raise InvalidRequestError("The file does not lie in the database's incoming directory.")
    try:
        with path.open("rb") as file:
            index = read_archive(file, check)
            existing = restore_schema_document(order.existing)
            _check_target(existing, index.schema)
            _Builder(connection, file, index, directory / "tmp", check).build()
    except MemoryError as error:
        raise QueryMemoryExceededError(
            "The import needed more memory than the database may use. Nothing was imported."
        ) from error
    except DegradedCommit as event:  # Rows of a COPY are in no log: without their checkpoint they are lost.
        raise DiskFullError("The disk is full. Nothing was imported.") from event
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise DiskFullError("The disk is full. Nothing was imported.") from error
        raise
    return asdict(_report(index, existing, started))


def _check_target(existing: GraphSchema, wanted: GraphSchema) -> None:
    difference = differing_table(existing, wanted)
    if difference is not None:
        raise DatabaseNotEmptyError(
            f"{difference} Nothing was imported: use a new database of schema_type 'custom' without a schema."
        )
    for table in wanted.tables:
        for column in table.columns:
            reason = why_not_archivable(column.type)
            if reason is not None:
                raise ArchiveError(
                    f"Column {column.name!r} of table {table.name!r}: {reason}. Nothing was imported.", reason="schema"
                )


def _report(index: ArchiveIndex, existing: GraphSchema, started: float) -> ImportReport:
    present = {table.name for table in existing.tables}
    tables = tuple(
        ImportedTable(
            table.name,
            table.kind,
            table.rows,
            TableOutcome.FILLED if table.name in present else TableOutcome.CREATED,
        )
        for table in index.summary.tables
    )
    return ImportReport(
        tables=tables,
        source_graph_id=index.manifest.graph_id,
        source_engine=index.manifest.engine,
        created_at=index.manifest.created_at,
        schema=index.schema.to_document(),
        execution_time_ms=round((time.monotonic() - started) * 1000, 3),
    )


@dataclass(frozen=True, slots=True)
class _Folder:
    """Rows of one table or pair.

    Attributes:
        table: Where they go.
        pair: For relationships, between which nodes; None if the table has one pair only.
        columns: What their parts hold.
        parts: Their parts.
    """

    table: Table
    pair: Endpoint | None
    columns: Sequence[FedColumn]
    parts: Sequence[ArchivePart]


class _Builder:
    """Fills an empty database."""

    def __init__(
        self,
        connection: EngineConnection,
        file: BinaryIO,
        index: ArchiveIndex,
        temporary: Path,
        check: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._file = file
        self._index = index
        self._temporary = temporary
        self._check = check

    def build(self) -> None:
        """Make tables, rows and counters, count, and write everything to disk."""
        for text in compile_ddl(self._index.schema):
            self._run(text, "schema", "A table cannot be made")
        for folder in self._folders():
            if folder.parts:
                self._fill(folder)
        for counter in self._index.summary.counters:
            sequence = statements.sequence_of(counter.table, counter.column)
            self._run(statements.drop_sequence(sequence), "counters", "A counter cannot be set")
            self._run(statements.create_sequence(sequence, counter.next), "counters", "A counter cannot be set")
        for table, expected in zip(self._index.schema.tables, self._index.summary.tables, strict=True):
            with self._connection.run_plain(str(statements.count_rows(table))) as result:
                found = int(result.take(1)[0][0])
            if found != expected.rows:
                raise ArchiveError(
                    f"Table {table.name!r} got {found} rows, but the archive promises {expected.rows}. "
                    "Nothing was imported.",
                    reason="row_count",
                )
        self._check()
        self._connection.run_plain(str(statements.CHECKPOINT)).close()

    def _folders(self) -> Generator[_Folder]:
        schema = self._index.schema
        keys = {node.name: _key_type(node) for node in schema.nodes}
        listed = zip(schema.tables, part_folders(schema), self._index.summary.tables, strict=True)
        for table, (_, _, folders), summary in listed:
            for number, folder in enumerate(folders):
                given = [(column.name, column.type) for column in table.columns]
                pair: Endpoint | None = None
                if not isinstance(table, NodeTable):
                    pair = table.endpoints[number]
                    given = [(FROM_COLUMN, keys[pair.source]), (TO_COLUMN, keys[pair.target]), *given]
                columns = [fed_column(name, kind, f"c{place}") for place, (name, kind) in enumerate(given)]
                parts = [part for part in summary.parts if part.path.rpartition("/")[0] == folder]
                yield _Folder(table, pair if len(folders) > 1 else None, columns, parts)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _fill(self, folder: _Folder) -> None:
        """Bring all rows of a folder into its table, in one go."""
        with _temporary_file(self._temporary) as path:
            self._convert(folder, path)
            table = folder.table.name
            renamed = _names_in_the_way(folder.table)
            for old, new in renamed.items():
                self._run(load_statements.rename(table, old, new), "schema", "A column cannot be renamed")
            properties = [column.name for column in folder.table.columns]
            text = load_statements.copy(
                table,
                [renamed.get(name, name) for name in properties],
                [column.expression for column in folder.columns],
                [path],
                folder.pair,
            )
            self._run(text, "rows", f"The rows of table {table!r} are refused")
            for old, new in renamed.items():
                self._run(load_statements.rename(table, new, old), "schema", "A column cannot be renamed")

    def _convert(self, folder: _Folder, path: Path) -> None:
        """Write all parts of a folder into one file that the engine reads rightly."""
        fields = [
            (name, feed.type)
            for column in folder.columns
            for name, feed in zip(column.names, column.feeds, strict=True)
        ]
        schema = arrow.schema(fields)
        with parquet.ParquetWriter(path, schema, compression="snappy", use_dictionary=False) as writer:
            for part in folder.parts:
                self._check()
                rows = self._read(part, folder.columns)
                arrays = [self._fed(part, column, rows.column(column.name)) for column in folder.columns]
                flat = [array for several in arrays for array in several]
                writer.write_table(arrow.Table.from_arrays(flat, schema=schema), row_group_size=_GROUP_ROWS)

    def _read(self, part: ArchivePart, columns: Sequence[FedColumn]) -> Any:  # noqa: ANN401 (`pyarrow.Table`)
        """Read a part, whose columns are exactly those that the schema promises."""
        wanted = arrow.schema([(column.name, column.arrow_type) for column in columns])
        try:
            data = open_member(self._file, self._index.members[part.path])
            source = parquet.ParquetFile(arrow.BufferReader(data))
            meta = source.metadata
            unpacked = sum(meta.row_group(number).total_byte_size for number in range(meta.num_row_groups))
            if meta.num_rows != part.rows:
                raise _wrong(part, "row_count", f"has {meta.num_rows} rows, but the summary says {part.rows}")
            if meta.num_rows > _MAX_ROWS or unpacked > _MAX_UNPACKED_BYTES:
                raise _wrong(part, "part_size", f"has over {_MAX_ROWS} rows or {_MAX_UNPACKED_BYTES} bytes unpacked")
            if sorted(source.schema_arrow.names) != sorted(wanted.names):
                raise _wrong(part, "columns", "has other columns than its table in schema.json")
            return source.read().select(wanted.names).cast(wanted)
        except MemoryError:
            raise
        except (*FAILURES, OSError) as error:
            raise _wrong(part, "part", f"cannot be read: {str(error)[:200]}") from error

    def _fed(self, part: ArchivePart, column: FedColumn, values: Any) -> list[Any]:  # noqa: ANN401 (`pyarrow` array)
        try:
            array = values.combine_chunks()
            return [feed.make(array).cast(feed.type) for feed in column.feeds]
        except MemoryError:
            raise
        except ConversionError as error:
            raise _wrong(part, "value", f"has a value in {column.name!r} that is no {column.type}") from error
        except FAILURES as error:
            raise _wrong(part, "value", f"has a value in {column.name!r} that is no {column.type}") from error

    def _run(self, text: CypherText, reason: str, what: str) -> None:
        self._check()
        try:
            self._connection.run_plain(str(text)).close()
        except StatementError as error:
            raise ArchiveError(f"{what}: {error.detail[:500]} Nothing was imported.", reason=reason) from error


def _key_type(node: NodeTable) -> ColumnType:
    column = node.column(node.primary_key)
    assert column is not None  # noqa: S101 (the schema was checked)
    return column.type


def _names_in_the_way(table: Table) -> dict[str, str]:
    """Return properties that have to be called differently during a COPY, with their names for that time."""
    if isinstance(table, NodeTable):
        return {}
    taken = {column.name.lower() for column in table.columns}
    renamed: dict[str, str] = {}
    for name in _KEYWORDS:
        if table.column(name) is not None:
            other = f"{name}_property"
            while other in taken:
                other += "_"
            taken.add(other)
            renamed[name] = other
    return renamed


@contextmanager
def _temporary_file(directory: Path) -> Generator[Path]:
    directory.mkdir(exist_ok=True)
    path = directory / f"import-{secrets.token_hex(8)}.parquet"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _wrong(part: ArchivePart, reason: str, what: str) -> ArchiveError:
    return ArchiveError(f"{part.path!r} {what}. Nothing was imported.", reason=reason, member=part.path)
