"""Archives taken apart and put together again, in ways that they should not be."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

PART = "nodes/Person/part-00000.parquet"
SUMMARY = "summary.json"


@dataclass
class ArchiveFile:
    """The members of an archive in order; change them and `pack` them again.

    Attributes:
        members: Content by name.
        kinds: Tar types of members that are no plain files.
    """

    members: dict[str, bytes]
    kinds: dict[str, bytes] = field(default_factory=dict[str, bytes])

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Take an archive apart with nothing but the standard library."""
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            found = {info.name: tar.extractfile(info) for info in tar.getmembers()}
            return cls({name: file.read() for name, file in found.items() if file is not None})

    def pack(self) -> bytes:
        """Put it together again."""
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, content in self.members.items():
                info = tarfile.TarInfo(name)
                info.type = self.kinds.get(name, tarfile.REGTYPE)
                info.size = len(content) if info.type == tarfile.REGTYPE else 0
                info.linkname = "manifest.json" if info.type != tarfile.REGTYPE else ""
                tar.addfile(info, io.BytesIO(content))
        return target.getvalue()

    def json(self, name: str) -> dict[str, Any]:
        """Return a document."""
        return json.loads(self.members[name])

    def change(self, name: str, change: Callable[[dict[str, Any]], object]) -> Self:
        """Change a document in place; returns the archive."""
        document = self.json(name)
        change(document)
        self.members[name] = json.dumps(document).encode()
        return self

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a part."""
        return pq.read_table(io.BytesIO(self.members[name])).to_pylist()

    def replace_part(self, name: str, table: pa.Table) -> Self:
        """Put other rows into a part, with a summary that fits; returns the archive."""
        target = io.BytesIO()
        pq.write_table(table, target)
        self.members[name] = content = target.getvalue()

        def fit(summary: dict[str, Any]) -> None:
            for entry in summary["tables"]:
                for part in entry["parts"]:
                    if part["path"] == name:
                        entry["rows"] += table.num_rows - part["rows"]
                        digest = hashlib.sha256(content).hexdigest()
                        part.update(rows=table.num_rows, bytes=len(content), sha256=digest)

        return self.change(SUMMARY, fit)

    def in_order(self, *names: str) -> Self:
        """Put members into another order; returns the archive."""
        self.members = {name: self.members[name] for name in names}
        return self


def small_archive() -> ArchiveFile:
    """Return the archive of two people who know each other, made by hand after docs/archives.md."""
    people = pa.table({"name": ["Ada", "Bob"], "age": pa.array([36, None], pa.int64())})
    knows = pa.table({"_src": ["Ada"], "_dst": ["Bob"], "since": [1999]})
    names = (PART, "relationships/Knows/0/part-00000.parquet")
    columns = [{"name": "name", "type": "STRING", "primary_key": True}, {"name": "age", "type": "INT64"}]
    ends = [{"from": "Person", "to": "Person"}]
    since = [{"name": "since", "type": "INT64"}]
    manifest = {
        "format": "graph-archive",
        "format_version": 1,
        "producer": "a test",
        "engine": "hand",
        "engine_version": "1",
        "graph_id": "people",
        "created_at": "2024-01-01T00:00:00+00:00",
    }
    schema = {
        "tables": [
            {"name": "Person", "kind": "node", "columns": columns},
            {"name": "Knows", "kind": "relationship", "endpoints": ends, "columns": since},
        ]
    }
    summary = {
        "complete": True,
        "tables": [
            {"name": table, "kind": kind, "rows": 0, "parts": [{"path": path, "rows": 0, "bytes": 0, "sha256": ""}]}
            for table, kind, path in (("Person", "node", names[0]), ("Knows", "relationship", names[1]))
        ],
        "counters": [],
    }
    documents = {"manifest.json": manifest, "schema.json": schema}
    members = {name: json.dumps(document).encode() for name, document in documents.items()}
    archive = ArchiveFile({**members, **dict.fromkeys(names, b""), SUMMARY: json.dumps(summary).encode()})
    return archive.replace_part(names[0], people).replace_part(names[1], knows)
