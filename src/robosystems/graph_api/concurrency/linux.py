"""What Linux offers for supervised processes: control, descriptors, memory.

Everything here is a thin, typed function over one kernel interface, for the API process and for the database workers.
Failures are `OSError` with the kernel's error number. Sizes are bytes. Importing the module changes nothing.

Reading `/proc/<pid>` of a process that is not dumpable (a confined worker) needs the same privileges as tracing it;
each function says what it does where they are missing.
"""

import ctypes
import errno
import os
import resource
import signal
from collections.abc import Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_KIB: Final = 1024

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_GET_NAME: Final = 16
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_GET_CHILD_SUBREAPER: Final = 37
_NAME_BYTES: Final = 16


# ---------------------------------------------------------------------------------------------------------------------
# Calls
# ---------------------------------------------------------------------------------------------------------------------


@cache
def _libc() -> ctypes.CDLL:
    """Return the C library that is loaded already; opens no file, so it works in a confined process too."""
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def system_call(number: int, *arguments: int) -> int:
    """Make a system call that neither Python nor the C library wraps.

    Args:
        number: Number of the call on this architecture.
        arguments: Up to six machine words; an address must belong to memory that the caller keeps alive.

    Returns:
        What the kernel answers, at least 0.

    Raises:
        OSError: The kernel refused; `errno` says why (`ENOSYS`: it does not know the call).
    """
    words = [ctypes.c_long(argument) for argument in arguments]
    return _checked(int(_libc().syscall(ctypes.c_long(number), *words)), f"system call {number}")


def process_control(option: int, *arguments: int) -> int:
    """Call `prctl(2)`; options that take fewer than four arguments get zeros for the rest.

    Raises:
        OSError: The kernel does not know the option or refuses it.
    """
    words = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(int(_libc().prctl(ctypes.c_int(option), *words)), f"prctl {option}")


# ---------------------------------------------------------------------------------------------------------------------
# Processes and threads
# ---------------------------------------------------------------------------------------------------------------------


def set_child_subreaper(*, enabled: bool = True) -> None:
    """Make orphaned descendants children of this process instead of init's, so that it can wait for them.

    A supervisor whose fork server dies keeps the workers that way. Children do not inherit the setting.
    """
    process_control(_PR_SET_CHILD_SUBREAPER, int(enabled))


def is_child_subreaper() -> bool:
    """Whether orphaned descendants come to this process."""
    answer = ctypes.c_int()
    process_control(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(answer))
    return bool(answer.value)


def set_parent_death_signal(signal_number: signal.Signals, parent_pid: int) -> None:
    """Ask for a signal when the parent ends, so that no process outlives its supervisor.

    The kernel watches the parent's *thread* that forked: fork from one that lives as long as the process. Forking
    clears the setting, changing the user does too.

    Args:
        signal_number: Signal that this process gets.
        parent_pid: Process that is expected as parent. It is checked afterwards, because a parent that ended before
            this call sends nothing.

    Raises:
        ProcessLookupError: The parent is gone already (or adopted this process away); the caller should exit.
    """
    process_control(_PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent_pid:
        raise ProcessLookupError(errno.ESRCH, f"parent process {parent_pid} is gone")


def set_process_name(name: str) -> None:
    """Set the name that `ps` and `/proc/<pid>/comm` show for the calling thread (the process, on its main thread).

    Bytes after the fifteenth are cut off by the kernel.
    """
    text = ctypes.create_string_buffer(name.encode())
    process_control(_PR_SET_NAME, ctypes.addressof(text))


def process_name() -> str:
    """Return the name of the calling thread."""
    text = ctypes.create_string_buffer(_NAME_BYTES)
    process_control(_PR_GET_NAME, ctypes.addressof(text))
    return text.value.decode(errors="replace")


def set_nice_of_thread(thread_id: int, nice: int) -> None:
    """Set the nice value of one thread, and of the threads that it starts from then on.

    Args:
        thread_id: Native id of the thread (`threading.get_native_id()`); 0 is the calling thread.
        nice: -20 (most processor time) to 19 (least).

    Raises:
        PermissionError: The value is lower than the present one and the process lacks CAP_SYS_NICE. A confined worker
            lacks it: raising a thread's nice value cannot be undone there, use a fresh thread.
        ProcessLookupError: No such thread.
    """
    os.setpriority(os.PRIO_PROCESS, thread_id, nice)


def other_threads() -> int:
    """Return how many threads this process has besides the calling one, native ones included.

    Raises:
        OSError: `/proc` is missing or closed.
    """
    return len(os.listdir(_PROC / "self" / "task")) - 1  # noqa: PTH208 (names only, no Path objects)


# ---------------------------------------------------------------------------------------------------------------------
# Descriptors
# ---------------------------------------------------------------------------------------------------------------------


def open_descriptors(pid: int) -> int:
    """Count the open descriptors of a process.

    Raises:
        ProcessLookupError: No such process.
        PermissionError: The process is not dumpable or another user's, and this one may not trace it.
    """
    try:
        return len(os.listdir(_PROC / str(pid) / "fd"))  # noqa: PTH208 (names only, no Path objects)
    except FileNotFoundError as error:
        raise _gone(pid) from error


def close_descriptors_except(keep: Collection[int]) -> None:
    """Close every descriptor from 3 on that is not in `keep`.

    For a freshly forked worker: it inherits what its fork server holds, above all the sockets of other workers, and
    neither Landlock nor seccomp takes away what is open already.
    """
    start = 3
    for descriptor in sorted(number for number in keep if number >= start):
        os.closerange(start, descriptor)
        start = descriptor + 1
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(start, max(start, limit))


# ---------------------------------------------------------------------------------------------------------------------
# Memory of processes
# ---------------------------------------------------------------------------------------------------------------------


def malloc_trim() -> bool:
    """Give memory that the C library keeps for later allocations back to the system.

    Returns:
        Whether anything was given back; False too where the C library has no such function.
    """
    try:
        return bool(_libc().malloc_trim(ctypes.c_size_t(0)))
    except AttributeError:
        return False


def resident_bytes(pid: int) -> int:
    """Return the physical memory that a process has mapped, shared pages included.

    Works for any process of the same PID namespace, dumpable or not.

    Raises:
        ProcessLookupError: No such process.
    """
    try:
        pages = int((_PROC / str(pid) / "statm").read_bytes().split()[1])
    except FileNotFoundError as error:
        raise _gone(pid) from error
    return pages * resource.getpagesize()


def private_bytes(pid: int) -> int:
    """Return the physical and swapped memory that belongs to this process alone: what its end would free.

    Pages that a forked process still shares with its parent do not count. Where this process may not look into the
    other's mappings (it is not dumpable, and CAP_SYS_PTRACE is missing), the answer is its anonymous memory instead,
    an upper bound that does count them. Costs up to some milliseconds for each GiB.

    Raises:
        ProcessLookupError: No such process, or it has ended and waits for its parent.
    """
    directory = _PROC / str(pid)
    try:
        rollup = _kib_fields((directory / "smaps_rollup").read_bytes())
        return sum(value for name, value in rollup.items() if name.startswith(b"Private_") or name == b"SwapPss")
    except PermissionError:
        status = _kib_fields((directory / "status").read_bytes())
        if b"RssAnon" not in status:
            raise _gone(pid) from None
        return status[b"RssAnon"] + status.get(b"VmSwap", 0)
    except FileNotFoundError as error:
        raise _gone(pid) from error


class OwnMemory:
    """Memory of the process that created it; goes on working after the process has lost `/proc`.

    Create it in the worker (after the fork: it belongs to the process that opened it) and before the sandbox.
    """

    def __init__(self) -> None:
        self._descriptor = os.open(_PROC / "self" / "status", os.O_RDONLY | os.O_CLOEXEC)

    def data_bytes(self) -> int:
        """Return what `RLIMIT_DATA` counts: private writable address space, touched or not."""
        return self._field(b"VmData")

    def resident_bytes(self) -> int:
        """Return the physical memory mapped, shared pages included."""
        return self._field(b"VmRSS")

    def close(self) -> None:
        """Close the descriptor; further calls have no effect."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _field(self, name: bytes) -> int:
        return _kib_fields(os.pread(self._descriptor, 8 * _KIB, 0))[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def data_bytes_self() -> int:
    """Return what `RLIMIT_DATA` counts for this process; needs `/proc` (see `OwnMemory` for a confined one)."""
    with OwnMemory() as memory:
        return memory.data_bytes()


def set_data_limit(limit: int | None) -> None:
    """Bound the private writable address space of this process (`RLIMIT_DATA`), or lift the bound.

    Allocations over it fail (`MemoryError`, `std::bad_alloc`) and the process goes on. Memory mapped before counts,
    so take `OwnMemory.data_bytes()` after opening the engines and add what they may use. Only the soft limit changes:
    it can be raised again without privileges.

    Args:
        limit: Bytes; None lifts the bound.

    Raises:
        ValueError: The limit is above the hard limit of the process.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard if limit is None else limit, hard))


# ---------------------------------------------------------------------------------------------------------------------
# Memory of the machine
# ---------------------------------------------------------------------------------------------------------------------


def memory_limit_bytes(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Return the memory that this process and its neighbours may use: the tightest of host and control groups."""
    host = _kib_fields((proc / "meminfo").read_bytes())[b"MemTotal"]
    return min([host, *(limit for limit, _ in _group_limits(proc, cgroups))])


def available_memory_bytes(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Return the memory that can still be allocated without swapping: the tightest of host and control groups.

    Page cache counts as available, as in the kernel's own estimate for the host: a warm file cache is no pressure.

    Args:
        proc: Where procfs is mounted.
        cgroups: Where the control groups (version 1, 2 or both) are mounted.

    Raises:
        OSError: `/proc` is missing or closed. Control groups that cannot be read are left out.
    """
    host = _kib_fields((proc / "meminfo").read_bytes())[b"MemAvailable"]
    return min([host, *(max(0, limit - used) for limit, used in _group_limits(proc, cgroups))])


def _group_limits(proc: Path, cgroups: Path) -> Iterator[tuple[int, int]]:
    """Yield limit and use (without page cache) of the memory group of this process and of all groups around it."""
    for line in (proc / "self" / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            unified = cgroups if (cgroups / "cgroup.controllers").exists() else cgroups / "unified"
            for group in _up_to(unified, path):
                yield from _limit_of(group, ("memory.max", "memory.high"), "memory.current", "")
        elif "memory" in controllers.split(","):
            for group in _up_to(cgroups / "memory", path):
                yield from _limit_of(group, ("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_")


def _up_to(root: Path, path: str) -> Iterator[Path]:
    """Yield the group at `path` and those above it; inside a container the path may not exist, its root does."""
    group = root / path.lstrip("/")
    yield from (candidate for candidate in (group, *group.parents) if candidate.is_relative_to(root))


def _limit_of(group: Path, limits: Iterable[str], usage: str, prefix: str) -> Iterator[tuple[int, int]]:
    numbers = [text for name in limits if (text := _text(group / name)).isdigit()]
    used = _text(group / usage)
    if not numbers or not used.isdigit():
        return
    statistics = dict(line.split(" ", 1) for line in _text(group / "memory.stat").splitlines())
    cached = sum(int(statistics.get(f"{prefix}{name}", 0)) for name in ("active_file", "inactive_file"))
    yield min(map(int, numbers)), max(0, int(used) - cached)


def _text(path: Path) -> str:
    """Return the content of a small file, or nothing where it cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _kib_fields(content: bytes) -> dict[bytes, int]:
    """Parse `Name:  123 kB` lines into bytes; other lines are left out."""
    fields: dict[bytes, int] = {}
    for line in content.splitlines():
        name, separator, value = line.partition(b":")
        if separator and value.endswith(b" kB"):
            fields[name] = int(value[:-3]) * _KIB
    return fields


def _gone(pid: int) -> ProcessLookupError:
    return ProcessLookupError(errno.ESRCH, f"no process {pid}")
