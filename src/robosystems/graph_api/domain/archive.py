"""The archive of a whole graph: what is in it, where, and what it promises.

An archive is a POSIX tar (ustar) without compression of its own. In this order it holds `manifest.json`, `schema.json`,
the parts of the tables (Parquet), and `summary.json`, which proves that the archive is complete. Nothing in it depends
on an engine. docs/archives.md is the specification; reading lies in `domain.archive_index`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from tarfile import BLOCKSIZE, NUL, USTAR_FORMAT, TarInfo
from typing import Final, cast

from robosystems.graph_api.domain.errors import DatabaseNotEmptyError
from robosystems.graph_api.domain.schema import GraphSchema, TableKind

FORMAT: Final = "graph-archive"
"""Value of `format` in the manifest."""

FORMAT_VERSION: Final = 1
"""Version of the format; a reader refuses a higher one."""

MANIFEST: Final = "manifest.json"
SCHEMA: Final = "schema.json"
SUMMARY: Final = "summary.json"

FROM_COLUMN: Final = "_src"
"""Column of relationship parts with the keys of the start nodes; no property can have this name."""

TO_COLUMN: Final = "_dst"
"""Likewise for the end nodes."""

_FOLDERS: Final = {TableKind.NODE: "nodes", TableKind.RELATIONSHIP: "relationships"}


class TableOutcome(StrEnum):
    """What an import did about a table."""

    CREATED = "created"
    FILLED = "filled"
    """It was there without rows."""


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a SERIAL column goes on counting: values that were used once are never given again."""

    table: str
    column: str
    next: int


@dataclass(frozen=True, slots=True)
class ArchiveManifest:
    """`manifest.json`: what made the archive, of what, and when.

    Attributes:
        producer: Program and version.
        engine: Name of the backend.
        engine_version: Its version.
        graph_id: The database.
        created_at: Beginning of the read transaction, ISO 8601 in UTC.
    """

    producer: str
    engine: str
    engine_version: str
    graph_id: str
    created_at: str

    def to_document(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """One Parquet file of an archive.

    Attributes:
        path: Name in the archive.
        rows: Rows in it.
        bytes: Its size.
        sha256: Of its bytes, hexadecimal.
    """

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ArchivedTable:
    """One table in the summary.

    Attributes:
        name: Its name.
        kind: Nodes or relationships.
        rows: Rows of all its parts.
        parts: Its parts, in the order of the archive; for relationships pair by pair.
    """

    name: str
    kind: TableKind
    rows: int
    parts: tuple[ArchivePart, ...]


@dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """`summary.json`, the last member: without it an archive is incomplete.

    Attributes:
        tables: Nodes, then relationships, in the order of the schema.
        counters: Of all SERIAL columns.
    """

    tables: tuple[ArchivedTable, ...]
    counters: tuple[Counter, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    def to_document(self) -> dict[str, object]:
        """Return the JSON object."""
        totals = {folder: sum(t.rows for t in self.tables if t.kind is kind) for kind, folder in _FOLDERS.items()}
        return {"complete": True, **totals, **asdict(self)}


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """A whole graph to be exported.

    Attributes:
        timeout_s: Seconds until the last byte must have been taken.
        producer: Program and version, for the manifest.
    """

    timeout_s: float
    producer: str


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """An archive to be imported.

    Attributes:
        path: File in the database's own `incoming` directory; the backend may move it.
        timeout_s: Seconds until the caller must have an answer.
    """

    path: Path
    timeout_s: float


@dataclass(frozen=True, slots=True)
class ImportedTable:
    """One table of a report."""

    name: str
    kind: TableKind
    rows: int
    outcome: TableOutcome


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: everything in the archive is in the database, or an error was raised and nothing is.

    Attributes:
        tables: All tables of the archive, in its order.
        source_graph_id: The database that was exported.
        source_engine: Backend that made the archive.
        created_at: When.
        schema: The archive's schema document.
        execution_time_ms: Milliseconds in the backend.
    """

    tables: tuple[ImportedTable, ...]
    source_graph_id: str
    source_engine: str
    created_at: str
    schema: dict[str, object]
    execution_time_ms: float


def part_folders(schema: GraphSchema) -> list[tuple[str, TableKind, list[str]]]:
    """Return, for each table in the order of the archive, its name, kind, and the folders of its parts.

    Nodes have one folder, relationships one for each pair of their endpoints.
    """
    nodes = [(table.name, table.kind, [f"nodes/{table.name}"]) for table in schema.nodes]
    relationships = [
        (table.name, table.kind, [f"relationships/{table.name}/{number}" for number in range(len(table.endpoints))])
        for table in schema.relationships
    ]
    return [*nodes, *relationships]


def part_path(folder: str, number: int) -> str:
    """Return the name of a part in its folder; numbers begin with 0 in each."""
    return f"{folder}/part-{number:05d}.parquet"


def member(path: str, data: Sequence[bytes | memoryview], modified: int) -> list[bytes | memoryview]:
    """Return a member of the tar in pieces: header, data, padding.

    Args:
        path: Its name.
        data: Its content in pieces.
        modified: Seconds since 1970.
    """
    size = sum(len(piece) for piece in data)
    header = TarInfo(path)
    header.size, header.mtime = size, modified
    return [header.tobuf(USTAR_FORMAT, "ascii", "strict"), *data, NUL * (-size % BLOCKSIZE)]


def end_of_archive() -> bytes:
    """Return what follows the last member."""
    return NUL * (2 * BLOCKSIZE)


def check_without_rows(document: Mapping[str, object]) -> None:
    """Check that no table has rows, by a schema document with counts.

    Raises:
        DatabaseNotEmptyError: One has; the detail names it.
    """
    for table in cast("list[dict[str, object]]", document["tables"]):
        if table["row_count"]:
            raise DatabaseNotEmptyError(
                f"Table {table['name']!r} has {table['row_count']} rows: an archive can only be imported into a "
                "database without any. Nothing was imported; use a new database.",
                table=table["name"],
            )
