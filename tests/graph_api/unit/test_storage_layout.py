"""Paths and manifests of databases on disk."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from robosystems.graph_api.backends.lbug.manifest import (
    Manifest,
    ManifestError,
    ManifestState,
    missing_files,
    read_manifest,
    write_manifest,
)
from robosystems.graph_api.backends.lbug.storage_layout import DatabaseDirectory, DataRoot
from robosystems.graph_api.domain.errors import DatabaseExistsError, InvalidGraphIdError
from robosystems.graph_api.domain.graph import DatabaseLimits, DatabaseRecord, DatabaseStatus, SchemaType
from robosystems.graph_api.domain.ids import GraphId

RECORD = DatabaseRecord(
    graph_id=GraphId("kg1"),
    schema_type=SchemaType.SHARED,
    created_at=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
    repository_name="sec",
    limits=DatabaseLimits(query_timeout_s=1.5, max_rows=7, max_disk_bytes=1 << 40, max_pending_queries=3),
    engine_version="0.22.0",
    storage_version=41,
    possible_loss=("Rows after the last checkpoint.",),
    schema_document={"tables": [{"name": "Größe", "columns": []}]},
)


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    """A base directory."""
    prepared = DataRoot(tmp_path / "base")
    prepared.prepare()
    return prepared


@pytest.fixture
def directory(root: DataRoot) -> DatabaseDirectory:
    """The directory of database kg1."""
    return root.give_name(root.new_directory(), RECORD.graph_id)


@pytest.mark.parametrize("value", ["..", "../kg1", "a/b", "/etc", "", ".trash-1", "a\0b", "kg1/", "é"])
def test_an_id_leads_nowhere_else(root: DataRoot, value: str) -> None:
    """An id that went round its check is refused where it becomes a path."""
    with pytest.raises(InvalidGraphIdError):
        root.directory(GraphId(value))


def test_an_id_leads_to_its_own_directory(root: DataRoot) -> None:
    """Directly inside the base directory."""
    assert root.directory(GraphId("kg1")).path == root.base / "kg1"


def test_a_link_is_not_followed(root: DataRoot, tmp_path: Path) -> None:
    """A database's directory is a directory."""
    (root.base / "kg1").symlink_to(tmp_path)
    with pytest.raises(InvalidGraphIdError):
        root.directory(GraphId("kg1"))


def test_a_name_is_given_once(root: DataRoot, directory: DatabaseDirectory) -> None:
    """What lies there already stays."""
    write_manifest(directory, Manifest.of(RECORD))
    with pytest.raises(DatabaseExistsError):
        root.give_name(root.new_directory(), RECORD.graph_id)
    assert directory.manifest.exists()


def test_discarding_leaves_nothing(root: DataRoot, directory: DatabaseDirectory) -> None:
    """All files go, and what an interrupted deletion left goes with the leftovers."""
    write_manifest(directory, Manifest.of(RECORD))
    root.discard(directory)
    root.discard(directory)
    (root.base / ".trash-x").mkdir()
    assert root.remove_leftovers() == 1
    assert list(root.base.iterdir()) == []


def test_sizes_are_summed(directory: DatabaseDirectory) -> None:
    """All files count, those in subdirectories too."""
    directory.database_file.write_bytes(bytes(1000))
    (directory.incoming / "upload").write_bytes(bytes(500))
    assert directory.size_bytes() == 1500


@pytest.mark.parametrize(
    "record", [RECORD, replace(RECORD, status=DatabaseStatus.BROKEN, status_reason="Why.", possible_loss=())]
)
def test_a_record_survives_the_manifest(directory: DatabaseDirectory, record: DatabaseRecord) -> None:
    """What is written is what is read, to the microsecond."""
    write_manifest(directory, Manifest.of(record))
    manifest = read_manifest(directory)
    assert manifest.to_record() == record
    assert manifest.state is ManifestState.READY


def test_a_manifest_is_replaced_as_a_whole(directory: DatabaseDirectory) -> None:
    """No temporary file is left beside it."""
    for _ in range(2):
        write_manifest(directory, Manifest.of(RECORD))
    assert sorted(path.name for path in directory.path.iterdir()) == ["incoming", "manifest.json", "tmp"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"state": "ready"}', b"\xff", b'{"state": "new"}', None],
)
def test_a_damaged_manifest_is_told(directory: DatabaseDirectory, content: bytes | None) -> None:
    """Never a record made of guesses."""
    if content is not None:
        directory.manifest.write_bytes(content)
    with pytest.raises(ManifestError, match="manifest"):
        read_manifest(directory)


def test_lost_files_are_named(directory: DatabaseDirectory) -> None:
    """Missing and empty ones, for a database that is complete; one that is being created has none yet."""
    ready, creating = Manifest.of(RECORD), Manifest.of(RECORD, ManifestState.CREATING)
    assert missing_files(directory, creating) == []
    assert missing_files(directory, ready) == ["graph.lbug"]
    directory.database_file.touch()
    assert missing_files(directory, ready) == ["graph.lbug"]
    directory.database_file.write_bytes(b"x")
    assert missing_files(directory, ready) == []
