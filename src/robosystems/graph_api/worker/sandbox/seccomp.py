"""seccomp: system calls that a database worker has no use for are refused with an error; the rest stay allowed.

The filter is a small BPF program that the kernel runs before each call. Calls whose answer depends on nothing but
their number cost nothing measurable: the kernel remembers the answer.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from robosystems.graph_api.concurrency.linux import system_call
from robosystems.graph_api.worker.sandbox.numbers import AARCH64, SYSTEM_CALLS, X86_64

_SET_MODE_FILTER: Final = 1
_GET_ACTION_AVAIL: Final = 2
_ALL_THREADS: Final = 1

_RETURN_ALLOW: Final = 0x7FFF_0000
_RETURN_ERROR: Final = 0x0005_0000

# Positions in the kernel's `struct seccomp_data`; both architectures are little-endian.
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16
_AUDIT_ARCHITECTURE: Final = {X86_64: 0xC000_003E, AARCH64: 0xC000_00B7}
_X32_CALLS: Final = 0x4000_0000

_LOAD: Final = 0x20
_AND: Final = 0x54
_IF_EQUAL: Final = 0x15
_IF_AT_LEAST: Final = 0x35
_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

_AF_UNIX: Final = 1
_SOCK_STREAM: Final = 1
_SOCK_TYPE_BITS: Final = 0xF
_CLONE_THREAD: Final = 0x0001_0000
_CLONE_NAMESPACES: Final = 0x7E02_0000
_PROT_EXEC: Final = 4
_PRIO_PROCESS: Final = 0
_FCNTL_REFUSED: Final = (8, 10, 15)
"""F_SETOWN, F_SETSIG, F_SETOWN_EX: signals to others by way of a descriptor."""

_IOCTL_REFUSED: Final = (0x5412, 0x541C, 0x8901, 0x8902)
"""TIOCSTI, TIOCLINUX: input to a terminal; FIOSETOWN, SIOCSPGRP: as F_SETOWN."""

REFUSED: Final = (
    # Network and other ways to somebody else; the worker inherits the one socket that it needs.
    ("socket", "mq_open", "mq_unlink", "msgget", "msgsnd", "msgrcv", "msgctl"),
    ("shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl"),
    # New processes and programs.
    ("fork", "vfork", "execve", "execveat", "uselib"),
    # Other processes.
    ("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "kcmp"),
    ("pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill", "move_pages", "migrate_pages"),
    # What Landlock leaves open: owner, mode, times and attributes of any file by its path, and watching directories.
    ("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat", "utime", "utimes", "futimesat", "file_setattr"),
    ("setxattr", "lsetxattr", "setxattrat", "removexattr", "lremovexattr", "removexattrat"),
    ("inotify_init", "inotify_init1", "fanotify_init", "name_to_handle_at", "open_by_handle_at"),
    # Mounts and namespaces.
    ("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "open_tree_attr", "mount_setattr"),
    ("fsopen", "fsconfig", "fsmount", "fspick", "unshare", "setns"),
    # Large, rarely needed parts of the kernel.
    ("bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "modify_ldt"),
    ("io_uring_setup", "io_uring_enter", "io_uring_register"),
    # The machine.
    ("kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot", "iopl", "ioperm"),
    ("swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "sethostname", "setdomainname"),
)
"""Calls that are refused whatever their arguments, by what they would reach."""


class Instruction(NamedTuple):
    """One BPF instruction; the jumps are relative and skip that many instructions."""

    code: int
    if_true: int
    if_false: int
    value: int


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """What a filter depends on.

    Args:
        architecture: As `uname` names it; a key of `numbers.SYSTEM_CALLS`.
        own_pid: The process that will install the filter: it may signal itself (`abort` does) and nobody else.
        truncate_by_path: Allow `truncate(2)`; False where Landlock is too old to confine it.
        load_libraries: Allow executable mappings.
    """

    architecture: str
    own_pid: int
    truncate_by_path: bool
    load_libraries: bool


_ALLOW: Final = Instruction(_RETURN, 0, 0, _RETURN_ALLOW)
_REFUSE: Final = Instruction(_RETURN, 0, 0, _RETURN_ERROR | errno.EPERM)
_UNKNOWN: Final = Instruction(_RETURN, 0, 0, _RETURN_ERROR | errno.ENOSYS)


def architecture() -> str:
    """Return the architecture as `uname` names it, with a note where a 32-bit interpreter runs on a 64-bit kernel."""
    machine = os.uname().machine
    return machine if sys.maxsize > 2**32 else f"{machine} with a 32-bit interpreter"


def unsupported_reason() -> str | None:
    """Return why the filter cannot be used here, or None if it can; changes nothing."""
    machine = architecture()
    if machine not in SYSTEM_CALLS:
        return f"no filter is defined for {machine}; there is one for {', '.join(SYSTEM_CALLS)}"
    action = ctypes.c_uint32(_RETURN_ERROR)
    try:
        system_call(SYSTEM_CALLS[machine]["seccomp"], _GET_ACTION_AVAIL, 0, ctypes.addressof(action))
    except OSError as error:
        return f"the kernel offers no system call filters (CONFIG_SECCOMP_FILTER): {error.strerror}"
    return None


def compile_filter(options: FilterOptions) -> list[Instruction]:
    """Return the BPF program.

    Raises:
        KeyError: No numbers for this architecture.
    """
    numbers = SYSTEM_CALLS[options.architecture]
    program = [
        Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        Instruction(_IF_EQUAL, 1, 0, _AUDIT_ARCHITECTURE[options.architecture]),
        _REFUSE,
        Instruction(_LOAD, 0, 0, _NUMBER),
    ]
    if options.architecture == X86_64:
        program += [Instruction(_IF_AT_LEAST, 0, 1, _X32_CALLS), _REFUSE]
    checks = _argument_checks(options)
    checks |= {name: [_REFUSE] for group in REFUSED for name in group}
    for name, check in checks.items():
        if name in numbers:
            program += [Instruction(_IF_EQUAL, 0, len(check), numbers[name]), *check]
    return [*program, _ALLOW]


def install(program: list[Instruction]) -> None:
    """Filter the system calls of all threads of this process, and of those to come; there is no way back.

    Raises:
        OSError: The process has neither "no new privileges" nor CAP_SYS_ADMIN (`EACCES`), the kernel refuses the
            program (`EINVAL`), or another thread has filters of its own (`ESRCH`).
    """
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    number = SYSTEM_CALLS[architecture()]["seccomp"]
    outside = system_call(number, _SET_MODE_FILTER, _ALL_THREADS, ctypes.addressof(header))
    if outside:
        raise OSError(errno.ESRCH, f"thread {outside} has system call filters of its own and cannot take these")


def _argument_checks(options: FilterOptions) -> dict[str, list[Instruction]]:
    """Return the checks of calls that are allowed with some arguments; each ends in a verdict."""
    executable = [_argument(2), Instruction(_IF_ANY_BIT, 0, 1, _PROT_EXEC), _REFUSE, _ALLOW]
    to_itself = _only(_argument(0), [options.own_pid])
    checks: dict[str, list[Instruction]] = {
        "clone": [
            _argument(0),
            Instruction(_IF_ANY_BIT, 1, 0, _CLONE_NAMESPACES),
            Instruction(_IF_ANY_BIT, 1, 0, _CLONE_THREAD),
            _REFUSE,
            _ALLOW,
        ],
        # Its arguments lie in memory, out of a filter's reach: "unknown" makes the C library fall back to clone.
        "clone3": [_UNKNOWN],
        "ioctl": _none_of(_argument(1), _IOCTL_REFUSED),
        "fcntl": _none_of(_argument(1), _FCNTL_REFUSED),
        # A connected pair reaches nobody; a datagram socket of a pair could still send to any address.
        "socketpair": [
            _argument(0),
            Instruction(_IF_EQUAL, 1, 0, _AF_UNIX),
            _REFUSE,
            _argument(1),
            Instruction(_AND, 0, 0, _SOCK_TYPE_BITS),
            Instruction(_IF_EQUAL, 1, 0, _SOCK_STREAM),
            _REFUSE,
            _ALLOW,
        ],
        "kill": to_itself,
        "tgkill": to_itself,
        "rt_sigqueueinfo": to_itself,
        "rt_tgsigqueueinfo": to_itself,
        "prlimit64": _only(_argument(0), [0, options.own_pid]),
        "setpriority": _only(_argument(0), [_PRIO_PROCESS]),
        # Without a path it sets the times of an open file, which the worker may.
        "utimensat": [
            _argument(1),
            Instruction(_IF_EQUAL, 1, 0, 0),
            _REFUSE,
            _argument(1, high=True),
            Instruction(_IF_EQUAL, 1, 0, 0),
            _REFUSE,
            _ALLOW,
        ],
    }
    if not options.truncate_by_path:
        checks["truncate"] = [_REFUSE]
    if not options.load_libraries:
        checks |= dict.fromkeys(("mmap", "mprotect", "pkey_mprotect"), executable)
    return checks


def _argument(position: int, *, high: bool = False) -> Instruction:
    """Load the lower (or upper) half of an argument."""
    return Instruction(_LOAD, 0, 0, _ARGUMENTS + 8 * position + 4 * high)


def _only(argument: Instruction, values: Iterable[int]) -> list[Instruction]:
    """Allow the call when the argument is one of the values."""
    wanted = list(values)
    tests = [Instruction(_IF_EQUAL, len(wanted) - at, 0, value) for at, value in enumerate(wanted)]
    return [argument, *tests, _REFUSE, _ALLOW]


def _none_of(argument: Instruction, values: Iterable[int]) -> list[Instruction]:
    """Refuse the call when the argument is one of the values."""
    unwanted = list(values)
    tests = [Instruction(_IF_EQUAL, len(unwanted) - at, 0, value) for at, value in enumerate(unwanted)]
    return [argument, *tests, _ALLOW, _REFUSE]
