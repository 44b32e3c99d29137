"""Seeing what a process does to files at the moment when it does it."""

import ctypes
import os
import re
import select
import struct
import time
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_KINDS: Final = {
    0x2: "modify",
    0x20: "open",
    0x40: "moved_from",
    0x80: "moved_to",
    0x100: "create",
    0x200: "delete",
}
_ALL: Final = sum(_KINDS)
_APPEARS: Final = 0x80 | 0x100
_HEADER: Final = struct.Struct("iIII")
_BUFFER_BYTES: Final = 1 << 16


class Watch:
    """Reports events below a directory as texts: a kind and a file name, for example `create graph.lbug.shadow`.

    The kinds are `open`, `create`, `modify`, `delete`, `moved_from` and `moved_to`.
    """

    def __init__(self, root: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = int(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        assert self._descriptor >= 0, os.strerror(ctypes.get_errno())
        self._paths: dict[int, Path] = {}
        self._unseen: deque[str] = deque()
        self._add(root)
        for directory, _, _ in os.walk(root):
            self._add(Path(directory))

    def __enter__(self) -> Self:
        """Return the watch."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop watching."""
        os.close(self._descriptor)

    def sees(self, pattern: str, seconds: float) -> bool:
        """Wait until an event matches a pattern, at most so long; return whether one did.

        Events up to that one are over; the next call looks at those that follow it.
        """
        wanted = re.compile(pattern)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            while self._unseen:
                if wanted.fullmatch(self._unseen.popleft()):
                    return True
            select.select([self._descriptor], [], [], 0.1)
            self._unseen.extend(self._events())
        return False

    def _add(self, directory: Path) -> None:
        number = int(self._libc.inotify_add_watch(self._descriptor, os.fsencode(directory), _ALL))
        if number >= 0:  # Else it is gone again.
            self._paths[number] = directory

    def _events(self) -> list[str]:
        try:
            data = os.read(self._descriptor, _BUFFER_BYTES)
        except BlockingIOError:
            return []
        found: list[str] = []
        position = 0
        while position < len(data):
            number, mask, _, length = _HEADER.unpack_from(data, position)
            position += _HEADER.size
            name = os.fsdecode(data[position : position + length].rstrip(b"\0"))
            position += length
            found.extend(f"{kind} {name}" for bit, kind in _KINDS.items() if mask & bit)
            if mask & _APPEARS and name and number in self._paths:
                path = self._paths[number] / name
                if path.is_dir():
                    self._add(path)
                    found.extend(_missed(path))
        return found


def _missed(directory: Path) -> list[str]:
    """Return events of files that a new directory held before it was watched; which of them it was nobody knows."""
    try:
        names = [entry.name for entry in os.scandir(directory)]
    except OSError:  # Gone again.
        return []
    return [f"{kind} {name}" for name in names for kind in ("create", "open", "modify", "moved_to")]
