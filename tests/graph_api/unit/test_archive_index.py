"""Reading archives: every check refuses what it is there for, by name."""

import io
import tarfile
from collections.abc import Callable

import pytest

from robosystems.graph_api.domain.archive_index import differing_table, read_archive
from robosystems.graph_api.domain.errors import ArchiveError, QueryCancelledError
from robosystems.graph_api.domain.schema import GraphSchema, parse_schema_document
from tests.graph_api.archive_files import PART, SUMMARY, ArchiveFile, small_archive

Tamper = Callable[[ArchiveFile], object]


def renamed(old: str, new: str) -> Tamper:
    """Rename a member where it stands."""

    def tamper(archive: ArchiveFile) -> None:
        archive.members = {new if name == old else name: data for name, data in archive.members.items()}

    return tamper


def added(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Tamper:
    """Add a member before the summary."""

    def tamper(archive: ArchiveFile) -> None:
        last = archive.members.pop(SUMMARY)
        archive.members |= {name: content, SUMMARY: last}
        archive.kinds[name] = kind

    return tamper


def without(name: str) -> Tamper:
    """Leave a member out."""
    return lambda archive: archive.members.pop(name)


def replaced(name: str, old: bytes, new: bytes) -> Tamper:
    """Replace bytes in a member."""

    def tamper(archive: ArchiveFile) -> None:
        assert old in archive.members[name]
        archive.members[name] = archive.members[name].replace(old, new, 1)

    return tamper


def flipped(archive: ArchiveFile) -> None:
    """Flip a bit in the middle of a part."""
    content = bytearray(archive.members[PART])
    content[len(content) // 2] ^= 1
    archive.members[PART] = bytes(content)


def two_tables_swapped(archive: ArchiveFile) -> None:
    """List the tables of the summary in another order."""
    archive.change(SUMMARY, lambda summary: summary["tables"].reverse())


WRONG: dict[str, tuple[Tamper, str]] = {
    "no summary": (without(SUMMARY), "incomplete"),
    "not complete": (replaced(SUMMARY, b'"complete": true', b'"complete": false'), "incomplete"),
    "no manifest": (without("manifest.json"), "not_an_archive"),
    "no schema": (without("schema.json"), "order"),
    "another format": (replaced("manifest.json", b"graph-archive", b"graph-archivf"), "not_an_archive"),
    "a later version": (replaced("manifest.json", b'"format_version": 1', b'"format_version": 2'), "version"),
    "a manifest without its maker": (replaced("manifest.json", b'"producer"', b'"product"'), "document"),
    "a manifest that is no JSON": (replaced("manifest.json", b"{", b"["), "document"),
    "a flipped bit": (flipped, "checksum"),
    "a wrong checksum": (replaced(SUMMARY, b'"sha256": "', b'"sha256": "x'), "document"),
    "a wrong sum of rows": (replaced(SUMMARY, b'"rows": 2,', b'"rows": 3,'), "row_count"),
    "a negative number": (replaced(SUMMARY, b'"rows": 2,', b'"rows": -2,'), "document"),
    "a missing part": (without(PART), "members"),
    "a part more": (added("nodes/Person/part-00001.parquet", b"x"), "members"),
    "a stranger": (added("README.txt", b"x"), "members"),
    "a part elsewhere": (renamed(PART, "nodes/Persom/part-00000.parquet"), "members"),
    "a part of a table that is not there": (replaced(SUMMARY, b"nodes/Person", b"nodes/Persom"), "members"),
    "a wrong size": (replaced(SUMMARY, b'"bytes": ', b'"bytes": 1'), "members"),
    "tables in another order": (two_tables_swapped, "tables"),
    "a way out": (added("../x", b"x"), "member_name"),
    "a way out inside": (added("nodes/../../x", b"x"), "member_name"),
    "an absolute name": (added("/etc/passwd", b"x"), "member_name"),
    "a symbolic link": (added("nodes/Person/link", kind=tarfile.SYMTYPE), "member_type"),
    "a hard link": (added("nodes/Person/link", kind=tarfile.LNKTYPE), "member_type"),
    "a directory": (added("nodes", kind=tarfile.DIRTYPE), "member_type"),
    "a device": (added("nodes/null", kind=tarfile.CHRTYPE), "member_type"),
    "a schema with an unknown type": (replaced("schema.json", b"INT64", b"INT65"), "schema"),
    "a schema with an illegal name": (replaced("schema.json", b'"age"', b'"a-e"'), "schema"),
    "a relationship to nobody": (replaced("schema.json", b'"to": "Person"', b'"to": "Perso"'), "schema"),
    "a counter of no SERIAL column": (
        replaced(SUMMARY, b'"counters": []', b'"counters": [{"table": "Person", "column": "age", "next": 5}]'),
        "counters",
    ),
}


def read(data: bytes) -> None:
    """Read an archive."""
    read_archive(io.BytesIO(data))


def test_an_archive_made_by_hand_is_read() -> None:
    """The specification is enough to write one."""
    index = read_archive(io.BytesIO(small_archive().pack()))
    assert [(table.name, table.rows) for table in index.summary.tables] == [("Person", 2), ("Knows", 1)]
    assert index.manifest.graph_id == "people"
    assert list(index.members) == [PART, "relationships/Knows/0/part-00000.parquet"]


@pytest.mark.parametrize(("tamper", "reason"), WRONG.values(), ids=WRONG.keys())
def test_what_was_tampered_with_is_refused_by_name(tamper: Tamper, reason: str) -> None:
    """Each check has its reason, and says that nothing was imported."""
    archive = small_archive()
    tamper(archive)
    with pytest.raises(ArchiveError, match="Nothing was imported") as caught:
        read(archive.pack())
    assert caught.value.context["reason"] == reason


def test_a_member_occurs_once() -> None:
    """The second of a name is refused."""
    data = bytearray(small_archive().pack())
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as tar:
        part, summary = tar.getmember(PART), tar.getmember(SUMMARY)
        again = data[part.offset : part.offset_data + part.size + -part.size % 512]
        data[summary.offset : summary.offset] = again
    with pytest.raises(ArchiveError) as caught:
        read(bytes(data))
    assert caught.value.context["reason"] == "repeated_member"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.6])
def test_an_archive_that_was_cut_off_is_refused(share: float) -> None:
    """Wherever: at the beginning, in a header, in a part, before the summary."""
    data = small_archive().pack()
    with pytest.raises(ArchiveError) as caught:
        read(data[: int(len(data) * share)])
    assert caught.value.context["reason"] in {"incomplete", "not_an_archive"}


def test_nothing_may_follow_the_end() -> None:
    """Behind the last member there are zeros only."""
    with pytest.raises(ArchiveError) as caught:
        read(small_archive().pack() + b"x" * 512)
    assert caught.value.context["reason"] == "incomplete"


def test_a_file_that_is_no_tar_is_refused() -> None:
    """Random bytes, text, Parquet."""
    for content in (b"PAR1" * 1000, b"\xff" * 5000, b"name,age\n" * 200):
        with pytest.raises(ArchiveError) as caught:
            read(content)
        assert caught.value.context["reason"] == "not_an_archive"


def test_the_check_of_the_caller_stops_the_reading() -> None:
    """A cancelled import ends while checksums are made."""

    def stop() -> None:
        raise QueryCancelledError("enough")

    with pytest.raises(QueryCancelledError):
        read_archive(io.BytesIO(small_archive().pack()), stop)


def schema(*columns: str, name: str = "T", description: str = "") -> GraphSchema:
    """Return a schema of one table of nodes."""
    key: dict[str, object] = {"name": "id", "type": "STRING", "primary_key": True}
    more = [{"name": column, "type": "INT64", "description": description} for column in columns]
    return parse_schema_document({"tables": [{"name": name, "kind": "node", "columns": [key, *more]}]})


def test_a_database_may_have_some_of_the_tables() -> None:
    """Those it has must be the same but for descriptions."""
    assert differing_table(GraphSchema(), schema("a")) is None
    assert differing_table(schema("a", description="of a"), schema("a")) is None
    assert "'T'" in str(differing_table(schema("a"), schema("a", "b")))
    assert "'T'" in str(differing_table(schema("a", "b"), schema("a")))
    assert "'Other'" in str(differing_table(schema("a", name="Other"), schema("a")))
