"""Landlock: files, TCP, signals and abstract sockets, by raw system calls.

A ruleset names the rights that it handles; a handled right that no rule grants is refused. All rights that both this
module and the kernel know are handled, so a newer kernel confines more and never less.
"""

import ctypes
import errno
import os
import stat
import struct
from enum import IntFlag
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from robosystems.graph_api.concurrency.linux import system_call

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446

_ASK_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1
_RESTRICT_ALL_THREADS: Final = 1 << 3

ABI_REFER: Final = 2
ABI_TRUNCATE: Final = 3
ABI_TCP: Final = 4
ABI_IOCTL: Final = 5
ABI_SCOPES: Final = 6
ABI_ALL_THREADS: Final = 8
ABI_UNIX_SOCKETS: Final = 9


class FileRight(IntFlag):
    """Rights on files and directories, with the kernel's numbers."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15
    RESOLVE_UNIX = 1 << 16


READ: Final = FileRight.READ_FILE | FileRight.READ_DIR
"""Reading, and mapping as a shared library: that needs no right to execute."""

OWN: Final = (
    READ
    | FileRight.WRITE_FILE
    | FileRight.REMOVE_DIR
    | FileRight.REMOVE_FILE
    | FileRight.MAKE_DIR
    | FileRight.MAKE_REG
    | FileRight.REFER
    | FileRight.TRUNCATE
)
"""Everything an engine does in its directory; no links out, no special files, no programs."""

DEVICE: Final = FileRight.READ_FILE | FileRight.WRITE_FILE | FileRight.TRUNCATE
"""Reading and writing a device such as /dev/null."""

_ALL: Final = FileRight(sum(FileRight))
_ON_FILES: Final = (
    FileRight.EXECUTE
    | FileRight.WRITE_FILE
    | FileRight.READ_FILE
    | FileRight.TRUNCATE
    | FileRight.IOCTL_DEV
    | FileRight.RESOLVE_UNIX
)
_SINCE: Final = {
    FileRight.REFER: ABI_REFER,
    FileRight.TRUNCATE: ABI_TRUNCATE,
    FileRight.IOCTL_DEV: ABI_IOCTL,
    FileRight.RESOLVE_UNIX: ABI_UNIX_SOCKETS,
}
_TCP_BIND_AND_CONNECT: Final = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11


def version() -> int:
    """Return the version of Landlock in the running kernel; changes nothing.

    Raises:
        OSError: No Landlock (`ENOSYS`), switched off at boot (`EOPNOTSUPP`), or hidden by a container's own filter.
    """
    return system_call(_CREATE_RULESET, 0, 0, _ASK_VERSION)


def reason(error: OSError) -> str:
    """Say what an error of `version()` means to whoever runs the server."""
    match error.errno:
        case errno.ENOSYS:
            return "the kernel has no Landlock (Linux 5.13 or later, CONFIG_SECURITY_LANDLOCK), or a container hides it"
        case errno.EOPNOTSUPP:
            return "Landlock is switched off at boot: add it to the lsm= list of the kernel's command line"
        case _:
            return f"Landlock cannot be asked for its version: {error.strerror}"


def handled_rights(abi: int) -> FileRight:
    """Return all file rights that a kernel of this version can refuse."""
    return FileRight(sum(right for right in FileRight if _SINCE.get(right, 1) <= abi))


class Ruleset:
    """What a process may do; nothing is restricted before `restrict_self`.

    Args:
        abi: Version of the running kernel, from `version()`.

    Raises:
        OSError: The kernel refuses the ruleset.
    """

    def __init__(self, abi: int) -> None:
        self._abi = abi
        self._handled = handled_rights(abi)
        handled_tcp = _TCP_BIND_AND_CONNECT if abi >= ABI_TCP else 0
        scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if abi >= ABI_SCOPES else 0
        # An older kernel accepts the longer structure as long as what it does not know is zero.
        attributes = ctypes.create_string_buffer(struct.pack("=QQQ", self._handled, handled_tcp, scoped), 24)
        self._descriptor = system_call(_CREATE_RULESET, ctypes.addressof(attributes), len(attributes), 0)

    def allow(self, path: Path, rights: FileRight) -> None:
        """Grant rights on a file, or on a directory and everything below it; symbolic links are followed now.

        Raises:
            OSError: The path does not exist or cannot be reached.
        """
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            granted = rights & self._handled & (_ALL if is_directory else _ON_FILES)
            rule = ctypes.create_string_buffer(struct.pack("=Qi", granted, descriptor), 12)
            system_call(_ADD_RULE, self._descriptor, _RULE_PATH_BENEATH, ctypes.addressof(rule), 0)
        finally:
            os.close(descriptor)

    def restrict_self(self) -> None:
        """Confine the calling thread and all that it starts from now on; from ABI 8 on all threads of the process.

        There is no way back. Descriptors that are open already keep working.

        Raises:
            OSError: The process has neither "no new privileges" nor CAP_SYS_ADMIN (`EPERM`), or is confined 16 times
                over (`E2BIG`).
        """
        system_call(_RESTRICT_SELF, self._descriptor, _RESTRICT_ALL_THREADS if self._abi >= ABI_ALL_THREADS else 0)

    def close(self) -> None:
        """Give up the ruleset; what is restricted stays restricted."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
