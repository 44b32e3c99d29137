"""The manifest of a database: a small JSON document beside the engine's files.

It is the truth about which databases exist and what they are. It is replaced as a whole, so that a reader sees the old
or the new document and never half of one.
"""

import os
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import msgspec

from robosystems.graph_api.backends.lbug.storage_layout import DATABASE_FILE, DatabaseDirectory, sync_directory
from robosystems.graph_api.domain.errors import GraphApiError
from robosystems.graph_api.domain.graph import DatabaseLimits, DatabaseRecord, DatabaseStatus, SchemaType
from robosystems.graph_api.domain.ids import GraphId

MANIFEST_VERSION: Final = 1
"""Version of the document; a higher one is not read."""

_MAX_BYTES: Final = 64 << 20


class ManifestState(StrEnum):
    """How far creation has come. There is no state for deletion: it begins by renaming the directory away."""

    CREATING = "creating"
    """Not complete: removed at the next start."""
    READY = "ready"


class ManifestError(Exception):
    """A manifest is missing, damaged, or of a later version; the text says which."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The document. Fields not explained here are those of `DatabaseRecord`.

    Attributes:
        manifest_version: Of this document.
        state: How far creation has come.
        broken_reason: Why the database is quarantined; None if it is not.
        expected_files: Files that must be there and must not be empty; else data was lost.
    """

    manifest_version: int = MANIFEST_VERSION
    state: ManifestState
    graph_id: str
    schema_type: SchemaType
    created_at: datetime
    repository_name: str | None = None
    broken_reason: str | None = None
    limits: DatabaseLimits = msgspec.field(default_factory=DatabaseLimits)
    engine_version: str | None = None
    storage_version: int | None = None
    possible_loss: tuple[str, ...] = ()
    schema_document: dict[str, object] | None = None
    expected_files: tuple[str, ...] = ()

    @classmethod
    def of(cls, record: DatabaseRecord, state: ManifestState = ManifestState.READY) -> Self:
        """Return the manifest that keeps a record."""
        return cls(
            state=state,
            graph_id=record.graph_id.value,
            schema_type=record.schema_type,
            created_at=record.created_at.astimezone(UTC),
            repository_name=record.repository_name,
            broken_reason=record.status_reason if record.status is DatabaseStatus.BROKEN else None,
            limits=record.limits,
            engine_version=record.engine_version,
            storage_version=record.storage_version,
            possible_loss=record.possible_loss,
            schema_document=record.schema_document,
            expected_files=(DATABASE_FILE,) if state is ManifestState.READY else (),
        )

    def to_record(self) -> DatabaseRecord:
        """Return the record that this manifest keeps."""
        return DatabaseRecord(
            graph_id=GraphId.parse(self.graph_id),
            schema_type=self.schema_type,
            created_at=self.created_at,
            repository_name=self.repository_name,
            status=DatabaseStatus.BROKEN if self.broken_reason is not None else DatabaseStatus.ACTIVE,
            status_reason=self.broken_reason,
            limits=self.limits,
            engine_version=self.engine_version,
            storage_version=self.storage_version,
            possible_loss=self.possible_loss,
            schema_document=self.schema_document,
        )


def read_manifest(directory: DatabaseDirectory) -> Manifest:
    """Read the manifest of a directory. Blocks.

    Raises:
        ManifestError: There is none that can be used; the text says why.
    """
    path = directory.manifest
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ManifestError("manifest.json is too large to be one")
        content = path.read_bytes()
        manifest = msgspec.json.decode(content, type=Manifest)
        GraphId.parse(manifest.graph_id)
    except FileNotFoundError:
        raise ManifestError("manifest.json is missing") from None
    except OSError as error:
        raise ManifestError(f"manifest.json cannot be read: {error.strerror}") from error
    except (msgspec.MsgspecError, GraphApiError, UnicodeDecodeError) as error:
        raise ManifestError(f"manifest.json is damaged: {error}") from error
    if manifest.manifest_version > MANIFEST_VERSION:
        raise ManifestError(
            f"manifest.json has version {manifest.manifest_version}; this server reads up to {MANIFEST_VERSION}"
        )
    if manifest.graph_id != directory.path.name:
        raise ManifestError(f"manifest.json is that of database {manifest.graph_id!r}")
    return manifest


def write_manifest(directory: DatabaseDirectory, manifest: Manifest) -> None:
    """Replace the manifest of a directory durably, as a whole. Blocks.

    Raises:
        OSError: The disk refused; the old manifest is untouched.
    """
    path = directory.manifest
    replacement = path.with_name("manifest.json.new")
    _write_durably(replacement, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    replacement.rename(path)
    sync_directory(directory.path)


def missing_files(directory: DatabaseDirectory, manifest: Manifest) -> list[str]:
    """Name the files that should be there and hold something, but are missing or empty. Blocks."""

    def is_lost(name: str) -> bool:
        try:
            return (directory.path / name).stat().st_size == 0
        except FileNotFoundError:
            return True

    return [name for name in manifest.expected_files if is_lost(name)]


def unreadable_record(path: Path, reason: str) -> DatabaseRecord:
    """Return a record for a directory without a usable manifest: listed as broken, so that nobody takes it for gone.

    Raises:
        InvalidGraphIdError: The directory's name is not a graph id.
    """
    return DatabaseRecord(
        graph_id=GraphId.parse(path.name),
        schema_type=SchemaType.CUSTOM,
        created_at=datetime.fromtimestamp(path.stat().st_mtime, UTC),
        status=DatabaseStatus.BROKEN,
        status_reason=f"The {reason}. Restore the database from a backup, or delete it.",
    )


def _write_durably(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
