"""What a database takes up, bytes on disk and memory, and its quota."""

from dataclasses import dataclass

from robosystems.graph_api.backends.lbug import refusals
from robosystems.graph_api.backends.lbug.record_keeper import RecordKeeper
from robosystems.graph_api.backends.lbug.storage_layout import DatabaseDirectory
from robosystems.graph_api.concurrency.linux import private_bytes, resident_bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """Figures of one moment, in bytes.

    Attributes:
        size_bytes: All files of the directory.
        resident_bytes: Memory of the process, shared pages included; 0 without a process.
    """

    size_bytes: int
    resident_bytes: int


class DiskQuota:
    """Whether a database may take more room: by its size at the last look, which is a second or two old.

    Args:
        keeper: Knows its limits.

    Attributes:
        used: Bytes of its directory at the last look.
    """

    def __init__(self, keeper: RecordKeeper) -> None:
        self.used = 0
        self._keeper = keeper

    def check(self, more: int = 0) -> None:
        """Refuse what adds data to a database that is full, or would be with `more` bytes.

        Raises:
            DiskFullError: It is, or would be.
        """
        quota = self._keeper.record.limits.max_disk_bytes
        if quota is not None and self.used + more > quota:
            raise refusals.over_quota(self._keeper.record.graph_id, self.used, quota)


def measure_usage(directory: DatabaseDirectory, process_id: int | None) -> Usage:
    """Look at a directory and the process that works on it. Blocks for a few system calls."""
    size = directory.size_bytes()
    try:
        return Usage(size, resident_bytes(process_id) if process_id is not None else 0)
    except OSError:  # It has just ended.
        return Usage(size, 0)


def measure_private(process_id: int | None) -> int:
    """Return the memory that only this process uses. Blocks; costs more than the resident figure."""
    try:
        return private_bytes(process_id) if process_id is not None else 0
    except OSError:
        return 0
