"""Writing the archive of an open database, within one read transaction."""

import hashlib
import json
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from robosystems.graph_api.backends.lbug.engine import Engine, EngineResult
from robosystems.graph_api.backends.lbug.introspection import (
    SHOW_TABLES,
    connections_statement,
    schema_from_catalog,
    table_info_statement,
    tables_in,
)
from robosystems.graph_api.backends.lbug.wire import ExportOrder
from robosystems.graph_api.domain.archive import (
    FROM_COLUMN,
    MANIFEST,
    SCHEMA,
    SUMMARY,
    TO_COLUMN,
    ArchivedTable,
    ArchiveManifest,
    ArchivePart,
    ArchiveSummary,
    Counter,
    end_of_archive,
    member,
    part_folders,
    part_path,
)
from robosystems.graph_api.domain.cypher import CypherText
from robosystems.graph_api.domain.errors import GraphApiError, InvalidSchemaError, NotExportableError
from robosystems.graph_api.domain.schema import (
    DecimalType,
    GraphSchema,
    NodeTable,
    ScalarKind,
    ScalarType,
    Table,
    TableKind,
    check_schema,
    restore_schema_document,
)
from robosystems.graph_api.worker.archive import statements
from robosystems.graph_api.worker.archive.columns import ArchivedColumn, archived_column, why_not_archivable
from robosystems.graph_api.worker.archive.statements import NODE, RELATIONSHIP, SOURCE, TARGET
from robosystems.graph_api.worker.archive.windows import Pieces
from robosystems.graph_api.worker.arrow import arrow
from robosystems.graph_api.worker.loading.formats import parquet

Piece = bytes | memoryview
Run = Callable[[CypherText], EngineResult]
"""Runs a statement on the connection of the export; raises if the export has to stop."""

_PART_ROWS: Final = 131_072
_PART_BYTES: Final = 32 << 20
_LARGEST_COUNTER: Final = (1 << 63) - 1


class Transaction(Protocol):
    """The read transaction in which everything is read."""

    def begin(self) -> None:
        """Begin: from now on nothing that others commit is seen."""

    def end(self) -> None:
        """End it; afterwards the present state is seen."""


class GraphExport:
    """One export. Iterate `pieces` once.

    Args:
        run: Runs statements.
        transaction: Of the connection on which they run.
        order: What was asked for.
    """

    def __init__(self, run: Run, transaction: Transaction, order: ExportOrder) -> None:
        self._run = run
        self._transaction = transaction
        self._order = order
        self._moment = datetime.now(UTC)
        self.rows = 0

    def pieces(self) -> Iterator[Piece]:
        """Yield the archive. What cannot be exported is refused before the first piece.

        Raises:
            NotExportableError: The graph holds something that an archive cannot.
            GraphApiError: A statement failed, or the export has to stop. The archive is incomplete then.
        """
        self._transaction.begin()
        schema = self._schema()
        check_exportable(schema)
        yield from self._document(MANIFEST, self._manifest().to_document())
        yield from self._document(SCHEMA, schema.to_document())
        tables: list[ArchivedTable] = []
        for (name, kind, folders), table in zip(part_folders(schema), schema.tables, strict=True):
            parts: list[ArchivePart] = []
            for folder, source in zip(folders, self._sources(schema, table), strict=True):
                yield from self._parts(folder, source, parts)
            tables.append(ArchivedTable(name, kind, sum(part.rows for part in parts), tuple(parts)))
        largest = {place: self._largest(*place) for place in _serial_columns(schema)}
        self._transaction.end()
        summary = ArchiveSummary(tuple(tables), self._counters(largest))
        yield from self._document(SUMMARY, summary.to_document())
        yield end_of_archive()
        self.rows = summary.rows

    def _manifest(self) -> ArchiveManifest:
        return ArchiveManifest(
            producer=self._order.producer,
            engine="ladybug",
            engine_version=Engine.version,
            graph_id=self._order.graph_id,
            created_at=self._moment.isoformat(timespec="seconds"),
        )

    def _document(self, path: str, document: dict[str, object]) -> list[Piece]:
        text = json.dumps(document, ensure_ascii=False, indent=1).encode()
        return member(path, [text], int(self._moment.timestamp()))

    def _schema(self) -> GraphSchema:
        tables = self._rows(SHOW_TABLES)
        names = tables_in(tables)
        info = {name: self._rows(table_info_statement(name)) for name, _, _ in names}
        connections = {
            name: self._rows(connections_statement(name)) for name, kind, _ in names if kind is TableKind.RELATIONSHIP
        }
        live = schema_from_catalog(tables, info, connections)
        try:
            return live.described_by(restore_schema_document(self._order.described or {"tables": []}))
        except InvalidSchemaError:  # Descriptions that have lost their shape describe nothing.
            return live

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _sources(self, schema: GraphSchema, table: Table) -> list["_Source"]:
        """Return what is read for each folder of a table."""
        if isinstance(table, NodeTable):
            columns = [archived_column(NODE, column) for column in table.columns]
            return [_Source(Pieces.of_nodes(self._row, table.name), columns)]
        properties = [archived_column(RELATIONSHIP, column) for column in table.columns]
        nodes = {node.name: node for node in schema.nodes}
        return [
            _Source(
                Pieces.of_relationships(self._row, table.name, pair),
                [
                    _key(SOURCE, nodes[pair.source], FROM_COLUMN),
                    _key(TARGET, nodes[pair.target], TO_COLUMN),
                    *properties,
                ],
            )
            for pair in table.endpoints
        ]

    def _parts(self, folder: str, source: "_Source", parts: list[ArchivePart]) -> Generator[Piece]:
        """Yield the parts of a folder, and add what the summary says of them to `parts`."""
        part = _Part(source)
        number = 0
        for pattern, condition in source.pieces:
            text = statements.read(pattern, condition, [column.expression for column in source.columns])
            with self._run(text) as result:
                source.pieces.measured(result.row_count, part.add(result))
            if part.rows >= _PART_ROWS or part.size >= _PART_BYTES:
                yield from self._part(part_path(folder, number), part, parts)
                part, number = _Part(source), number + 1
        if part.rows:
            yield from self._part(part_path(folder, number), part, parts)

    def _part(self, path: str, part: "_Part", parts: list[ArchivePart]) -> list[Piece]:
        data = part.encoded()
        parts.append(ArchivePart(path, part.rows, len(data), hashlib.sha256(data).hexdigest()))
        return member(path, [data], int(self._moment.timestamp()))

    def _rows(self, text: CypherText) -> list[list[Any]]:
        with self._run(text) as result:
            return list(result.rows())

    def _row(self, text: CypherText) -> list[Any]:
        return self._rows(text)[0]

    # -- counters -----------------------------------------------------------------------------------------------------

    def _largest(self, table: Table, column: str) -> int:
        value = self._row(statements.largest(table, column))[0]
        return -1 if value is None else int(value)

    def _counters(self, largest: dict[tuple[Table, str], int]) -> tuple[Counter, ...]:
        """Find out where SERIAL columns go on; after the transaction, which a failing statement would end."""
        starts = {str(row[0]): int(row[2]) for row in self._rows(statements.SHOW_SEQUENCES)} if largest else {}
        counters: list[Counter] = []
        for (table, column), value in largest.items():
            following = max(value + 1, self._following(statements.sequence_of(table.name, column), starts))
            counters.append(Counter(table.name, column, min(following, _LARGEST_COUNTER)))
        return tuple(counters)

    def _following(self, sequence: str, starts: dict[str, int]) -> int:
        if sequence not in starts:  # The table or the column was renamed.
            return 0
        try:
            return int(self._row(statements.current_value(sequence))[0]) + 1
        except GraphApiError:
            self._run(statements.SHOW_SEQUENCES).close()  # Raises if it was not about the sequence.
            return starts[sequence]


@dataclass(slots=True)
class _Source:
    """What one folder is made of."""

    pieces: Pieces
    columns: Sequence[ArchivedColumn]


@dataclass(slots=True)
class _Part:
    """Rows of a part that is being filled."""

    source: _Source
    rows: int = 0
    size: int = 0
    _batches: list[Any] = field(default_factory=list[Any])

    def add(self, result: EngineResult) -> int:
        """Add the rows of a result; return their size in bytes."""
        before = self.size
        schema = self._schema()
        for batch in result.batches(_PART_ROWS):
            columns = zip(self.source.columns, batch.columns, strict=True)
            converted = arrow.RecordBatch.from_arrays(
                [column.convert(array) for column, array in columns], schema=schema
            )
            self._batches.append(converted)
            self.rows += converted.num_rows
            self.size += converted.nbytes
        return self.size - before

    def encoded(self) -> memoryview:
        """Return the part as Parquet, and let go of the rows."""
        sink = arrow.BufferOutputStream()
        table = arrow.Table.from_batches(self._batches, self._schema())
        self._batches = []
        parquet.write_table(table, sink, compression="zstd", version="2.6", row_group_size=_PART_ROWS)
        return memoryview(sink.getvalue())

    def _schema(self) -> Any:  # noqa: ANN401 (`pyarrow.Schema`)
        return arrow.schema([(column.name, column.arrow_type) for column in self.source.columns])


def check_exportable(schema: GraphSchema) -> None:
    """Check that an archive can hold the tables.

    Raises:
        NotExportableError: It cannot; the detail names table and column.
    """
    for table in schema.tables:
        for column in table.columns:
            reason = why_not_archivable(column.type)
            if reason is not None:
                raise NotExportableError(
                    f"Column {column.name!r} of table {table.name!r} cannot be exported: {reason}.",
                    table=table.name,
                    column=column.name,
                )
    for node in schema.nodes:
        key = node.column(node.primary_key)
        if key is not None and isinstance(key.type, DecimalType):
            raise NotExportableError(
                f"Table {node.name!r} cannot be exported: its key {key.name!r} is a DECIMAL, which bulk loads refuse.",
                table=node.name,
                column=key.name,
            )
    try:
        check_schema(schema)
    except InvalidSchemaError as error:
        raise NotExportableError(
            f"The schema cannot be exported: {error.detail} Archives hold what a schema document can declare."
        ) from error


def _key(variable: str, node: NodeTable, name: str) -> ArchivedColumn:
    column = node.column(node.primary_key)
    if column is None:
        raise NotExportableError(f"Table {node.name!r} has no primary key.", table=node.name)
    return archived_column(variable, column, name)


def _serial_columns(schema: GraphSchema) -> list[tuple[Table, str]]:
    serial = ScalarType(ScalarKind.SERIAL)
    return [(table, column.name) for table in schema.tables for column in table.columns if column.type == serial]
