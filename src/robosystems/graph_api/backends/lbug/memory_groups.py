"""A control group for each worker, whose memory the kernel bounds, where one was delegated to the server.

That is version 2 of control groups, and only a group that its owner has marked as delegated (systemd does, for a unit
with `Delegate=yes`): nobody else's groups are touched. The server moves itself into the group `server` below its own,
since a group that has groups with limits may hold no process, and makes a group beside it for each worker.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_LOG: Final = logging.getLogger(__name__)

_MOUNTED: Final = Path("/sys/fs/cgroup")
_MEMBERSHIP: Final = Path("/proc/self/cgroup")
_UNIFIED: Final = "0::"
_MARKS: Final = ("user.delegate", "trusted.delegate")
_OWN_LEAF: Final = "server"
_PREFIX: Final = "worker-"
_PROCESSES: Final = "cgroup.procs"


@dataclass(frozen=True, slots=True)
class MemoryGroup:
    """The control group of one worker.

    Attributes:
        path: Its directory.
        remove_directory: Removes it; the kernel's own files in it need not be.
    """

    path: Path
    remove_directory: Callable[[Path], object]

    def has_run_out(self) -> bool:
        """Whether the kernel has killed the worker because it needed more than the group may have."""
        try:
            events = dict(line.split() for line in (self.path / "memory.events").read_text().splitlines())
        except OSError:
            return False
        return int(events.get("oom_kill", "0")) > 0

    def remove(self) -> None:
        """Remove the group once its process has ended; one that is still there is removed at the next start."""
        with contextlib.suppress(OSError):
            self.remove_directory(self.path)


class MemoryGroups:
    """Makes control groups below the server's own.

    Args:
        parent: The server's group; None if there is none to use.
        detail: What is used, or why there is none, for people.
        remove_directory: Removes a group.
    """

    def __init__(
        self, parent: Path | None, detail: str, remove_directory: Callable[[Path], object] = Path.rmdir
    ) -> None:
        self._parent = parent
        self._detail = detail
        self._remove_directory = remove_directory

    @classmethod
    def prepare(cls) -> Self:
        """Find the server's group and make it ready; blocks for some system calls."""
        own = own_group(_MEMBERSHIP.read_text())
        if own is None or not (_MOUNTED / own / "cgroup.controllers").is_file():
            return cls(None, "control groups of version 2 are not in use here")
        if not is_delegated(_MOUNTED / own):
            return cls(None, "the server's control group is not delegated to it (systemd: Delegate=yes)")
        return cls.below(_MOUNTED / own)

    @classmethod
    def below(cls, group: Path, remove_directory: Callable[[Path], object] = Path.rmdir) -> Self:
        """Make a delegated group ready: it gets a leaf for the server, and hands its memory controller down.

        Args:
            group: The directory of the group that this process is in.
            remove_directory: Removes a group.
        """
        leaf = group / _OWN_LEAF
        moved = False
        try:
            if "memory" not in (group / "cgroup.controllers").read_text().split():
                return cls(None, "the server's control group has no memory controller")
            for old in group.glob(f"{_PREFIX}*"):
                MemoryGroup(old, remove_directory).remove()
            leaf.mkdir(exist_ok=True)
            (leaf / _PROCESSES).write_text(str(os.getpid()))
            moved = True
            (group / "cgroup.subtree_control").write_text("+memory")
        except OSError as error:
            with contextlib.suppress(OSError):
                if moved:
                    (group / _PROCESSES).write_text(str(os.getpid()))
                remove_directory(leaf)
            return cls(None, f"the server's control group cannot be divided: {error.strerror}")
        return cls(group, "each database's process has a control group with memory.max", remove_directory)

    @property
    def are_used(self) -> bool:
        """Whether workers get groups."""
        return self._parent is not None

    def confine(self, process_id: int, memory_bytes: int) -> MemoryGroup | None:
        """Put a process into a group of its own with so many bytes; None if there are no groups, or no limit."""
        if self._parent is None or not memory_bytes:
            return None
        group = MemoryGroup(self._parent / f"{_PREFIX}{process_id}", self._remove_directory)
        try:
            group.path.mkdir()
            (group.path / "memory.max").write_text(str(memory_bytes))
            (group.path / _PROCESSES).write_text(str(process_id))
        except OSError as error:  # The other limits hold; a process that has just ended is no reason to complain.
            _LOG.debug("process %d has no control group: %s", process_id, error)
            group.remove()
            return None
        return group

    def to_document(self) -> dict[str, str]:
        """Return what is reported as the mechanism `memory`."""
        return {"state": "active" if self.are_used else "unsupported", "detail": self._detail}


def own_group(membership: str) -> str | None:
    """Return the path of a process's group from its `/proc/<pid>/cgroup`, relative to where groups are mounted."""
    found = next((line for line in membership.splitlines() if line.startswith(_UNIFIED)), None)
    return None if found is None else found.removeprefix(_UNIFIED).lstrip("/")


def is_delegated(group: Path) -> bool:
    """Whether the owner of a group has marked it as delegated."""
    for mark in _MARKS:
        with contextlib.suppress(OSError):
            if os.getxattr(group, mark) == b"1":
                return True
    return False
