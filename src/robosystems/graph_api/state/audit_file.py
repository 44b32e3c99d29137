"""Administrative acts as lines of JSON in a file, on disk before their answers are sent."""

import asyncio
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from robosystems.graph_api.domain.audit import AuditEntry
from robosystems.graph_api.state.base import AuditLog

_LOG: Final = logging.getLogger(__name__)
_FILE_MODE: Final = 0o600


class AuditFile(AuditLog):
    """Appends to a file; when it is large it becomes `<name>.1`, that one `<name>.2`, and so on.

    Args:
        path: The file, readable by its owner only.
        max_bytes: Size from which on a new file is begun.
        max_files: Files that are kept, this one not counted.
    """

    def __init__(self, path: Path, *, max_bytes: int = 16 << 20, max_files: int = 9) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._writing = asyncio.Lock()

    async def record(self, entry: AuditEntry) -> None:
        """Write one act down."""
        members: dict[str, object] = {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "act": entry.act,
            "target": entry.target,
            "outcome": entry.outcome,
            "key_id": entry.key_id,
            "request_id": entry.request_id,
            "address": entry.address,
        }
        line = msgspec.json.encode({name: value for name, value in members.items() if value is not None}) + b"\n"
        async with self._writing:
            try:
                await asyncio.to_thread(self._append, line)
            except OSError as error:
                _LOG.error(
                    "the act %s on %s by %s was not written down: %s",
                    entry.act,
                    entry.target,
                    entry.key_id,
                    error.strerror,
                )

    def _append(self, line: bytes) -> None:
        """Write a line and wait for the disk. Blocking."""
        descriptor = self._open()
        try:
            if os.fstat(descriptor).st_size >= self._max_bytes:
                os.close(descriptor)
                descriptor = -1
                self._rotate()
                descriptor = self._open()
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _open(self) -> int:
        """Open the file for appending. Opened for each act, so that it may be moved away at any time."""
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)

    def _rotate(self) -> None:
        """Number the files anew; the oldest goes."""
        for number in range(self._max_files - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        """Return the path of an earlier file."""
        return self._path.with_name(f"{self._path.name}.{number}")
