"""Reading an archive strictly: what is in it is checked as a whole before anybody acts on a part of it."""

import hashlib
import json
import re
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final, cast

from robosystems.graph_api.domain.archive import (
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    SCHEMA,
    SUMMARY,
    ArchivedTable,
    ArchiveManifest,
    ArchivePart,
    ArchiveSummary,
    Counter,
    part_folders,
    part_path,
)
from robosystems.graph_api.domain.errors import ArchiveError, InvalidSchemaError
from robosystems.graph_api.domain.schema import (
    Column,
    GraphSchema,
    NodeTable,
    RelationshipTable,
    ScalarKind,
    ScalarType,
    TableKind,
    parse_schema_document,
)

MAX_MEMBERS: Final = 100_000
MAX_PART_BYTES: Final = 256 << 20
MAX_DOCUMENT_BYTES: Final = 32 << 20

_BLOCK: Final = tarfile.BLOCKSIZE
_READ_BYTES: Final = 1 << 20
_MAX_PADDING: Final = 1 << 20
_MAX_INT64: Final = (1 << 63) - 1
_SHA256: Final = re.compile("[0-9a-f]{64}")
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """Where a member's bytes lie in the file of the archive."""

    path: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class ArchiveIndex:
    """An archive whose members, documents and checksums fit together. What the parts hold is not known yet.

    Attributes:
        manifest: Of the archive.
        schema: Tables to create; checked like a schema document that a client sends.
        summary: Of the archive.
        members: The parts by their names.
    """

    manifest: ArchiveManifest
    schema: GraphSchema
    summary: ArchiveSummary
    members: Mapping[str, ArchiveMember]


def read_archive(file: BinaryIO, check: Callable[[], None] = lambda: None) -> ArchiveIndex:
    """Read an archive and check all that can be checked without an engine, every checksum included.

    Args:
        file: The archive, seekable.
        check: Called now and then; raises to stop.

    Raises:
        ArchiveError: Something is wrong; the context names `reason`, and `member` where it concerns one.
    """
    members = list(_members(file))
    names = [found.path for found in members]
    if names[:1] != [MANIFEST]:
        raise _wrong("not_an_archive", f"The first member has to be {MANIFEST}: this is no archive of a graph.")
    if names[-1] != SUMMARY or len(names) < len((MANIFEST, SCHEMA, SUMMARY)):
        raise _wrong("incomplete", f"The archive is incomplete: its last member is not {SUMMARY}. Export again.")
    if names[1] != SCHEMA:
        raise _wrong("order", f"The second member has to be {SCHEMA}.", names[1])
    manifest = _manifest(_document(file, members[0]))
    schema = _schema(_document(file, members[1]))
    summary = _summary(_document(file, members[-1]))
    parts = {found.path: found for found in members[2:-1]}
    _check_parts(schema, summary, members[2:-1])
    _check_counters(summary, schema)
    for table in summary.tables:
        for part in table.parts:
            check()
            _check_sum(file, parts[part.path], part)
    return ArchiveIndex(manifest, schema, summary, parts)


def open_member(file: BinaryIO, found: ArchiveMember) -> bytes:
    """Return the bytes of a member."""
    file.seek(found.offset)
    return file.read(found.size)


def differing_table(existing: GraphSchema, wanted: GraphSchema) -> str | None:
    """Say why a database with the tables of `existing` cannot become one with those of `wanted`; None if it can.

    It can if each of its tables is wanted in the same shape; descriptions do not count, nor do multiplicities, which
    not every engine tells.
    """
    known = {table.name: table for table in wanted.tables}
    for table in existing.tables:
        other = known.get(table.name)
        if other is None:
            return f"The database has a table {table.name!r} that the archive lacks."
        if _shape(table) != _shape(other):
            return f"Table {table.name!r} of the database has other columns or endpoints than that of the archive."
    return None


def _shape(table: NodeTable | RelationshipTable) -> object:
    plain = replace(table, description="", columns=tuple(_plain(column) for column in table.columns))
    return replace(plain, multiplicity=None) if isinstance(plain, RelationshipTable) else plain


def _plain(column: Column) -> Column:
    return replace(column, description="")


# ---------------------------------------------------------------------------------------------------------------------
# Members
# ---------------------------------------------------------------------------------------------------------------------


def _members(file: BinaryIO) -> Iterator[ArchiveMember]:
    """Yield the members; plain files with sensible names and sizes, each once, and nothing behind the end."""
    file.seek(0, 2)
    length = file.tell()
    seen: set[str] = set()
    offset = 0
    while True:
        header = _header(file, offset)
        if header is None:
            break
        offset += _BLOCK
        path = header.name
        _check_member(header, seen)
        end = offset + header.size + -header.size % _BLOCK
        if end > length:
            raise _wrong("incomplete", f"The archive ends in the middle of {path!r}. Send it again.", path)
        seen.add(path)
        yield ArchiveMember(path, offset, header.size)
        offset = end
    file.seek(offset)
    rest = file.read(_MAX_PADDING + 1)
    if len(rest) < 2 * _BLOCK or len(rest) > _MAX_PADDING or rest.strip(b"\0"):
        raise _wrong("incomplete", "The archive does not end where its members end. Send it again.")


def _header(file: BinaryIO, offset: int) -> tarfile.TarInfo | None:
    """Read the header of a member; None at the end of the archive."""
    file.seek(offset)
    block = file.read(_BLOCK)
    if len(block) < _BLOCK:
        raise _wrong("incomplete", f"The archive ends too early, at byte {offset + len(block)}. Send it again.")
    if not block.strip(b"\0"):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeError) as error:
        raise _wrong("not_an_archive", f"There is no header of a tar member at byte {offset}.") from error


def _check_member(header: tarfile.TarInfo, seen: set[str]) -> None:
    path = header.name
    if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise _wrong("member_type", f"{path[:_SHOWN]!r} is not a plain file; an archive holds nothing else.", path)
    if path.startswith("/") or "\\" in path or any(part in {"", ".", ".."} for part in path.split("/")):
        raise _wrong("member_name", f"{path[:_SHOWN]!r} is not a name of a member of an archive.", path)
    if path in seen:
        raise _wrong("repeated_member", f"{path[:_SHOWN]!r} occurs twice.", path)
    most = MAX_PART_BYTES if path.endswith(".parquet") else MAX_DOCUMENT_BYTES
    if header.size > most:
        raise _wrong("member_size", f"{path[:_SHOWN]!r} has {header.size} bytes; at most {most} are taken.", path)
    if len(seen) >= MAX_MEMBERS:
        raise _wrong("member_count", f"The archive has more than {MAX_MEMBERS} members.")


def _document(file: BinaryIO, found: ArchiveMember) -> object:
    try:
        return json.loads(open_member(file, found))
    except (ValueError, RecursionError) as error:
        raise _wrong("document", f"{found.path} is not JSON.", found.path) from error


def _check_parts(schema: GraphSchema, summary: ArchiveSummary, members: list[ArchiveMember]) -> None:
    """Check that summary, schema and members name the same tables and parts, in the same order."""
    expected = part_folders(schema)
    if [(table.name, table.kind) for table in summary.tables] != [(name, kind) for name, kind, _ in expected]:
        raise _wrong("tables", f"{SUMMARY} does not list the tables of {SCHEMA} in their order.", SUMMARY)
    for table, (_, _, folders) in zip(summary.tables, expected, strict=True):
        if table.rows != sum(part.rows for part in table.parts):
            raise _wrong("row_count", f"The parts of table {table.name!r} do not have {table.rows} rows.", SUMMARY)
        _check_numbers(table, folders)
    listed = [(part.path, part.bytes) for table in summary.tables for part in table.parts]
    present = [(found.path, found.size) for found in members]
    for wanted, found in zip(listed, present, strict=False):
        if wanted != found:
            raise _wrong("members", f"{found[0][:_SHOWN]!r} is not what {SUMMARY} lists at its place.", found[0])
    if len(listed) > len(present):
        raise _wrong("members", f"{listed[len(present)][0]!r} is missing.", listed[len(present)][0])
    if len(present) > len(listed):
        path = present[len(listed)][0]
        raise _wrong("members", f"{path[:_SHOWN]!r} is not listed in {SUMMARY}.", path)


def _check_numbers(table: ArchivedTable, folders: list[str]) -> None:
    """Check that the parts lie in the table's folders, folder after folder, numbered from 0."""
    folder, number = 0, 0
    for part in table.parts:
        while folder < len(folders) and part.path != part_path(folders[folder], number):
            folder, number = folder + 1, 0
        if folder == len(folders):
            raise _wrong("members", f"{part.path[:_SHOWN]!r} is not a part of table {table.name!r}.", part.path)
        number += 1


def _check_counters(summary: ArchiveSummary, schema: GraphSchema) -> None:
    tables = {table.name: table for table in schema.tables}
    for counter in summary.counters:
        table = tables.get(counter.table)
        column = table.column(counter.column) if table is not None else None
        if column is None or column.type != ScalarType(ScalarKind.SERIAL):
            raise _wrong("counters", f"{SUMMARY} has a counter for a column that is no SERIAL column.", SUMMARY)


def _check_sum(file: BinaryIO, found: ArchiveMember, part: ArchivePart) -> None:
    digest = hashlib.sha256()
    file.seek(found.offset)
    left = found.size
    while left:
        piece = file.read(min(left, _READ_BYTES))
        if not piece:
            raise _wrong("incomplete", "The archive became shorter while it was read.")
        digest.update(piece)
        left -= len(piece)
    if digest.hexdigest() != part.sha256:
        raise _wrong("checksum", f"{part.path!r} is damaged: its checksum is not that of {SUMMARY}.", part.path)


# ---------------------------------------------------------------------------------------------------------------------
# Documents
# ---------------------------------------------------------------------------------------------------------------------


def _schema(document: object) -> GraphSchema:
    try:
        return parse_schema_document(document)
    except InvalidSchemaError as error:
        raise _wrong("schema", f"{SCHEMA}: {error.detail}", SCHEMA) from error


def _manifest(document: object) -> ArchiveManifest:
    fields = _Fields(MANIFEST, document)
    if fields.text("format") != FORMAT:
        raise _wrong("not_an_archive", f"{MANIFEST}: format is not {FORMAT!r}.", MANIFEST)
    version = fields.number("format_version")
    if not 1 <= version <= FORMAT_VERSION:
        raise _wrong("version", f"Format version {version} is not known; this server reads {FORMAT_VERSION}.", MANIFEST)
    names = ("producer", "engine", "engine_version", "graph_id", "created_at")
    return ArchiveManifest(*(fields.text(name)[:_SHOWN] for name in names))


class _Fields:
    """Fields of a JSON object; what is missing or of another type is an error. Unknown fields are left alone."""

    def __init__(self, where: str, value: object) -> None:
        self._where = where
        if not isinstance(value, dict):
            raise _wrong("document", f"{where} holds no object where there has to be one.", where)
        self._values = cast("dict[str, object]", value)

    def text(self, name: str) -> str:
        """Return a text."""
        return cast("str", self._of(name, str))

    def number(self, name: str) -> int:
        """Return a whole number that is not negative."""
        value = cast("int", self._of(name, int))
        if isinstance(value, bool) or not 0 <= value <= _MAX_INT64:
            raise _wrong("document", f"{self._where}: {name} is not a whole number in range.", self._where)
        return value

    def is_true(self, name: str) -> bool:
        """Return whether a field is there and true."""
        return self._values.get(name) is True

    def entries(self, name: str) -> "list[_Fields]":
        """Return an array of objects."""
        return [_Fields(self._where, entry) for entry in cast("list[object]", self._of(name, list))]

    def _of(self, name: str, kind: type[Any]) -> object:
        value = self._values.get(name)
        if not isinstance(value, kind):
            raise _wrong("document", f"{self._where}: {name} is missing or of the wrong type.", self._where)
        return value


def _summary(document: object) -> ArchiveSummary:
    fields = _Fields(SUMMARY, document)
    if not fields.is_true("complete"):
        raise _wrong("incomplete", f"{SUMMARY} does not say that the archive is complete.", SUMMARY)
    counters = [
        Counter(entry.text("table"), entry.text("column"), entry.number("next")) for entry in fields.entries("counters")
    ]
    return ArchiveSummary(tuple(_table(entry) for entry in fields.entries("tables")), tuple(counters))


def _table(fields: _Fields) -> ArchivedTable:
    try:
        kind = TableKind(fields.text("kind"))
    except ValueError as error:
        raise _wrong("document", f"{SUMMARY}: kind is neither node nor relationship.", SUMMARY) from error
    return ArchivedTable(
        fields.text("name"), kind, fields.number("rows"), tuple(_part(part) for part in fields.entries("parts"))
    )


def _part(fields: _Fields) -> ArchivePart:
    checksum = fields.text("sha256")
    if _SHA256.fullmatch(checksum) is None:
        raise _wrong("document", f"{SUMMARY}: sha256 is not 64 hexadecimal digits.", SUMMARY)
    return ArchivePart(fields.text("path"), fields.number("rows"), fields.number("bytes"), checksum)


def _wrong(reason: str, detail: str, path: str | None = None) -> ArchiveError:
    """Return the error for an archive that is not as it should be."""
    if path is None:
        return ArchiveError(f"{detail} Nothing was imported.", reason=reason)
    return ArchiveError(f"{detail} Nothing was imported.", reason=reason, member=path[:_SHOWN])
