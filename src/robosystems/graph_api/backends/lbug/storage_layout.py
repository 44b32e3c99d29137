"""Where everything lies on disk.

::

    <base>/.server.lock               held by the one server that uses the directory
    <base>/.new-<random>/             a database before it has its name
    <base>/.trash-<random>/           a deleted database whose files are being removed
    <base>/.probe-<random>/           a scratch database, made at start to prove that the engine works
    <base>/<graph_id>/manifest.json   what is known of the database
    <base>/<graph_id>/lock            held by its worker
    <base>/<graph_id>/graph.lbug      the engine's file, with its side files and the note of `log_note`
    <base>/<graph_id>/incoming/       files to be loaded
    <base>/<graph_id>/rejects/        rows that loads left out, for a while
    <base>/<graph_id>/tmp/            the worker's own temporary files

A graph id cannot begin with a dot, so the server's own entries never clash with a database.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robosystems.graph_api.domain.errors import (
    DatabaseExistsError,
    DiskFullError,
    GraphApiError,
    InvalidGraphIdError,
    UnavailableError,
)
from robosystems.graph_api.domain.ids import GraphId

DATABASE_FILE: Final = "graph.lbug"
"""Name of the engine's main file in a database's directory."""

_NEW: Final = ".new-"
_TRASH: Final = ".trash-"
_PROBE: Final = ".probe-"
_LEFTOVERS: Final = (_NEW, _TRASH, _PROBE)


@dataclass(frozen=True, slots=True)
class DatabaseDirectory:
    """Paths of one database. All methods block: call them in a thread."""

    path: Path

    @property
    def manifest(self) -> Path:
        """The manifest."""
        return self.path / "manifest.json"

    @property
    def database_file(self) -> Path:
        """The engine's main file."""
        return self.path / DATABASE_FILE

    @property
    def incoming(self) -> Path:
        """Directory of files to be loaded."""
        return self.path / "incoming"

    @property
    def rejects(self) -> Path:
        """Directory of the rows that loads left out; see `reject_files`."""
        return self.path / "rejects"

    @property
    def temporary(self) -> Path:
        """Directory of the worker's temporary files."""
        return self.path / "tmp"

    def make_subdirectories(self) -> None:
        """Make the directories inside."""
        for directory in (self.incoming, self.temporary):
            directory.mkdir(mode=0o700, exist_ok=True)

    def clear_transient(self, in_use: Collection[Path] = ()) -> None:
        """Remove what an earlier process left in `incoming` and `tmp`, but not files that somebody uses now."""
        self.make_subdirectories()
        for directory in (self.incoming, self.temporary):
            for entry in os.scandir(directory):
                if Path(entry.path) in in_use:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    Path(entry.path).unlink(missing_ok=True)

    def fresh_incoming(self) -> Path:
        """Return a path in `incoming` that nobody uses."""
        return self.incoming / secrets.token_hex(16)

    def size_bytes(self) -> int:
        """Return the bytes of all files."""
        return sum(_size(entry) for entry in _files_below(self.path))


class DataRoot:
    """The base directory that holds all databases of a node. All methods but `directory` block.

    Args:
        base: The directory; it is made if it is missing.
    """

    def __init__(self, base: Path) -> None:
        self.base = base.absolute()

    def prepare(self) -> None:
        """Make the base directory, and resolve links on the way to it once and for all."""
        self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.base = self.base.resolve(strict=True)

    @property
    def server_lock(self) -> Path:
        """The file that the server locks."""
        return self.base / ".server.lock"

    def directory(self, graph_id: GraphId) -> DatabaseDirectory:
        """Turn a graph id into its directory: the only function that does.

        Raises:
            InvalidGraphIdError: The path would not lie directly inside the base directory.
        """
        checked = GraphId.parse(graph_id.value)
        path = self.base / checked.value
        if path.parent != self.base or path.is_symlink():
            raise InvalidGraphIdError(f"graph_id {checked.value!r} does not name a directory of its own.")
        return DatabaseDirectory(path)

    def new_directory(self) -> DatabaseDirectory:
        """Make a directory for a database that has no name yet."""
        directory = DatabaseDirectory(self._unused(_NEW))
        directory.path.mkdir(mode=0o700)
        directory.make_subdirectories()
        return directory

    def probe_directory(self) -> DatabaseDirectory:
        """Make a directory for a scratch database."""
        directory = DatabaseDirectory(self._unused(_PROBE))
        directory.path.mkdir(mode=0o700)
        directory.make_subdirectories()
        return directory

    def give_name(self, directory: DatabaseDirectory, graph_id: GraphId) -> DatabaseDirectory:
        """Rename a new directory to its final place, in one step.

        Raises:
            DatabaseExistsError: Something lies there already.
        """
        final = self.directory(graph_id)
        if final.path.exists():
            raise DatabaseExistsError(f"A directory for database {graph_id} exists already.", graph_id=graph_id.value)
        directory.path.rename(final.path)
        sync_directory(self.base)
        return final

    def discard(self, directory: DatabaseDirectory) -> None:
        """Delete a directory: after the first step, a rename, it is gone for good even if the rest is interrupted."""
        trash = self._unused(_TRASH)
        try:
            directory.path.rename(trash)
        except FileNotFoundError:
            return
        sync_directory(self.base)
        shutil.rmtree(trash, ignore_errors=True)

    def remove_leftovers(self) -> int:
        """Remove what interrupted creations, deletions and probes left; return how many directories that were."""
        leftovers = [path for path in self.base.iterdir() if path.name.startswith(_LEFTOVERS) and path.is_dir()]
        for path in leftovers:
            shutil.rmtree(path, ignore_errors=True)
        return len(leftovers)

    def database_directories(self) -> list[Path]:
        """List the directories that can be databases, sorted by name."""
        return sorted(path for path in self.base.iterdir() if not path.name.startswith(".") and path.is_dir())

    def _unused(self, prefix: str) -> Path:
        return self.base / f"{prefix}{secrets.token_hex(8)}"


def sync_directory(path: Path) -> None:
    """Make changed names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_error(error: OSError) -> GraphApiError:
    """Return the domain error for a refusal of the file system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError("The disk of this node is full; nothing was changed.")
    return UnavailableError(f"The file system refused: {error.strerror}.", retry_after=5.0)


def _files_below(path: Path) -> Iterator[os.DirEntry[str]]:
    """Yield all files below a directory; what vanishes meanwhile is left out."""
    try:
        entries = list(os.scandir(path))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(Path(entry.path))
        else:
            yield entry


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
