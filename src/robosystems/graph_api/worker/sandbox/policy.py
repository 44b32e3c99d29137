"""What a confined worker may reach."""

import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import robosystems.graph_api

_SYSTEM_PATHS: Final = (
    # Shared libraries, and what the loader and the C library read to find and use them.
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    # Time zones: both engines and Python convert timestamps.
    "/usr/share/zoneinfo",
    "/etc/localtime",
    # Number of processors, for the engines' thread pools.
    "/sys/devices/system/cpu",
)


def default_read_only_paths() -> tuple[Path, ...]:
    """Return what the interpreter and the engines need to read, resolved, without what is missing or lies in another.

    That is: the standard library, the installed packages, this package, shared libraries, time zones and the list of
    processors. `sys.path` is left out on purpose: its first entry can be the working directory.
    """
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    candidates = [
        *(Path(sysconfig.get_path(name)) for name in names),
        *(Path(prefix) / "lib" for prefix in (sys.prefix, sys.base_prefix)),
        *(Path(directory) for directory in robosystems.graph_api.__path__),
        *(Path(path) for path in _SYSTEM_PATHS),
    ]
    return _outermost(path.resolve() for path in candidates if path.exists())


def _outermost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Sort, and drop paths that lie in another one."""
    kept: list[Path] = []
    for path in sorted(set(paths)):
        if not any(path.is_relative_to(outer) for outer in kept):
            kept.append(path)
    return tuple(kept)


class SandboxMode(StrEnum):
    """How much a worker insists on being confined."""

    REQUIRED = "required"
    """A worker that cannot be confined does not start."""

    PREFERRED = "preferred"
    """What the kernel lacks is reported, and the worker runs without it."""

    OFF = "off"
    """Nothing is applied: for debugging, and for tests of the other layer."""


@dataclass(frozen=True, slots=True)
class SandboxPolicy:
    """What one worker may reach; everything else is refused.

    Args:
        directory: The database's own directory: read, write, create, remove and rename inside it; no links out of it,
            no sockets, pipes, devices, symbolic links or programs in it.
        read_only: Files and trees that may be read, above all the interpreter and its libraries. Missing ones are
            left out.
        worker_uid: User that the worker becomes; None keeps the present one. Needs a server with CAP_SETUID, and a
            directory that belongs to this user.
        worker_gid: Group that the worker becomes, with no other group; None means `worker_uid` as a number.
        load_libraries: Whether shared libraries can still be loaded. With False a file in the database's directory
            cannot become code, but every native module must have been imported before.

    Raises:
        ValueError: The directory is not absolute, or lies in a read-only tree, where its neighbours could be read.
    """

    directory: Path
    read_only: tuple[Path, ...] = field(default_factory=default_read_only_paths)
    worker_uid: int | None = None
    worker_gid: int | None = None
    load_libraries: bool = True

    def __post_init__(self) -> None:
        if not self.directory.is_absolute():
            raise ValueError(f"directory {self.directory} must be absolute")
        if self.worker_uid == 0:
            raise ValueError("worker_uid must not be 0: use None to keep the present user")
        resolved = self.directory.resolve()
        for path in self.read_only:
            if resolved.is_relative_to(path.resolve()):
                raise ValueError(f"directory {resolved} lies in the read-only tree {path}, next to other databases")
