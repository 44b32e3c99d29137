"""Files of the rows that loads left out: written by workers, read by the API process, kept for a while.

Each is `<load_id>.ndjson` in the `rejects` directory of its database. Writing makes room first: files are few, together
not large, and not old. All functions block.
"""

import re
import time
from pathlib import Path
from typing import Final

from robosystems.graph_api.domain.errors import LoadNotFoundError

MAX_FILE_BYTES: Final = 64 << 20
"""More of one load is counted, but not kept."""

MAX_FILES: Final = 20
MAX_TOTAL_BYTES: Final = 256 << 20
MAX_AGE_S: Final = 7 * 86_400.0

_LOAD_ID: Final = re.compile(r"[0-9a-f]{16,64}")
_SUFFIX: Final = ".ndjson"


def reject_path(directory: Path, load_id: str) -> Path:
    """Return the path of a load's file.

    Raises:
        LoadNotFoundError: No load has such a name.
    """
    if _LOAD_ID.fullmatch(load_id) is None:
        raise LoadNotFoundError("load_id: a load's name is 16 to 64 digits of 0-9 and a-f, as its answer says.")
    return directory / f"{load_id}{_SUFFIX}"


def find_rejects(directory: Path, load_id: str) -> Path:
    """Return the file of a load.

    Raises:
        LoadNotFoundError: There is none, or it is too old.
    """
    path = reject_path(directory, load_id)
    try:
        if path.is_file() and time.time() - path.stat().st_mtime <= MAX_AGE_S:
            return path
    except OSError:
        pass  # Removed at this moment.
    raise LoadNotFoundError(
        f"Nothing is kept of load {load_id}: it left no row out, or that was long ago, or many loads followed."
    )


def make_room(directory: Path) -> None:
    """Remove files so that one more can be written, the oldest first, and what crashed loads left."""
    found: list[tuple[float, int, Path]] = []
    for path in directory.iterdir():
        status = path.stat()
        found.append((status.st_mtime, status.st_size, path))
    found.sort(reverse=True)
    now = time.time()
    total = MAX_FILE_BYTES
    for number, (changed, size, path) in enumerate(found, 2):
        total += size
        unwanted = path.suffix != _SUFFIX or number > MAX_FILES or total > MAX_TOTAL_BYTES
        if unwanted or now - changed > MAX_AGE_S:
            path.unlink(missing_ok=True)
