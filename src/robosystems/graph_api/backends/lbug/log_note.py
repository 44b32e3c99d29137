"""A note beside the database file that says: there is a write-ahead log with commits in it.

The engine takes a log that was lost for one that never was, and opens an older state without a word. The note tells the
two apart. The worker refreshes it after each write. It names the log, and the state of the database file at that time:
a checkpoint changes the file before it removes the log, so a note that names an older state of the file says nothing
any more. To accept the older state of a database whose log was lost, an operator deletes the note.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from robosystems.graph_api.backends.lbug.storage_layout import DATABASE_FILE

LOG_FILE: Final = f"{DATABASE_FILE}.wal"
"""Name of the engine's write-ahead log."""

_CHECKPOINTED: Final = f"{LOG_FILE}.checkpoint"
_NOTE: Final = f"{DATABASE_FILE}.log-note"


class _Note(msgspec.Struct, frozen=True):
    """What the note says.

    Attributes:
        log: Inode of the log.
        file_ns: When the database file had been changed last, nanoseconds.
        file_bytes: Its size then.
    """

    log: int
    file_ns: int
    file_bytes: int


class LogNote:
    """Keeps the note of one open database; used by the thread that writes. All methods block.

    Args:
        directory: The database's.
    """

    def __init__(self, directory: Path) -> None:
        self._log = directory / LOG_FILE
        self._file = directory / DATABASE_FILE
        self._note = directory / _NOTE
        self._noted: _Note | None = None

    def renew(self) -> None:
        """Make the note what the files say: after opening, which may have repaired something."""
        self.remove()
        self.refresh()

    def refresh(self) -> None:
        """See to it that the note is about the present log: after each write. Costs two looks at files as a rule.

        A note that cannot be written (the disk is full) is tried again with the next write.
        """
        try:
            note = self._present()
            if note is None:
                if self._noted is not None:
                    self.remove()
            elif note != self._noted:
                _write(self._note, note)
                self._noted = note
        except OSError:
            self._noted = None

    def remove(self) -> None:
        """Withdraw the note: everything is in the database file.

        Raises:
            OSError: The file system refused.
        """
        self._note.unlink(missing_ok=True)
        self._noted = None

    def _present(self) -> _Note | None:
        try:
            log = self._log.stat()
        except FileNotFoundError:  # A checkpoint has taken it.
            return None
        if log.st_size == 0:
            return None
        file = self._file.stat()
        return _Note(log.st_ino, file.st_mtime_ns, file.st_size)


def log_is_lost(directory: Path) -> bool:
    """Whether a log with commits should be there and is missing or empty. The database must not be open. Blocks."""
    try:
        note = msgspec.msgpack.decode((directory / _NOTE).read_bytes(), type=_Note)
        file = (directory / DATABASE_FILE).stat()
    except (FileNotFoundError, msgspec.MsgspecError):
        return False
    if (note.file_ns, note.file_bytes) != (file.st_mtime_ns, file.st_size):
        return False
    return not any(_holds_something(directory / name) for name in (LOG_FILE, _CHECKPOINTED))


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _write(path: Path, note: _Note) -> None:
    """Replace the note durably; a torn one would say nothing."""
    replacement = path.with_name(f"{path.name}.new")
    descriptor = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, msgspec.msgpack.encode(note))
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
    replacement.rename(path)
