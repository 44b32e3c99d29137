"""The system call filter, evaluated for both architectures as the kernel would."""

import errno
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

import pytest

from robosystems.graph_api.worker.sandbox import numbers, seccomp

_AUDIT: Final = {numbers.X86_64: 0xC000_003E, numbers.AARCH64: 0xC000_00B7}
_I386: Final = 0x4000_0003
_OWN: Final = 4242


def _evaluate(program: list[seccomp.Instruction], audit: int, number: int, arguments: Mapping[int, int]) -> int:
    """Run a filter as the kernel would; return 0 for an allowed call, else the error number."""
    words = {0: number & 0xFFFF_FFFF, 4: audit}
    for position in range(6):
        value = arguments.get(position, 0) & 0xFFFF_FFFF_FFFF_FFFF
        words |= {16 + 8 * position: value & 0xFFFF_FFFF, 20 + 8 * position: value >> 32}
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = words[value]
            case 0x54:
                accumulator &= value
            case 0x06:
                return 0 if value == 0x7FFF_0000 else value & 0xFFFF
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: bool(accumulator & value)}[code]
                at += if_true if holds else if_false
            case _:
                raise AssertionError(f"instruction {code:#x}")


def _program(architecture: str, **options: bool) -> list[seccomp.Instruction]:
    """Compile the filter, with everything allowed that an option can forbid unless it is given."""
    flags = {"truncate_by_path": True, "load_libraries": True} | options
    return seccomp.compile_filter(seccomp.FilterOptions(architecture, _OWN, **flags))


def _verdict(architecture: str, name: str, *arguments: int, **options: bool) -> int:
    number = numbers.SYSTEM_CALLS[architecture][name]
    return _evaluate(_program(architecture, **options), _AUDIT[architecture], number, dict(enumerate(arguments)))


_THREAD_FLAGS: Final = 0x003D_0F00
_CALLS: Final = (
    # name, arguments, expected error
    ("socket", (2, 1), errno.EPERM),
    ("socket", (1, 1), errno.EPERM),
    ("socketpair", (1, 1), 0),
    ("socketpair", (1, 1 | 0o2000000), 0),
    ("socketpair", (1, 2), errno.EPERM),
    ("socketpair", (1, 5), errno.EPERM),
    ("socketpair", (2, 1), errno.EPERM),
    ("clone", (_THREAD_FLAGS,), 0),
    ("clone", (17,), errno.EPERM),
    ("clone", (_THREAD_FLAGS | 0x4000_0000,), errno.EPERM),
    ("clone", (0x4000_0011,), errno.EPERM),
    ("clone3", (0,), errno.ENOSYS),
    ("execve", (), errno.EPERM),
    ("execveat", (), errno.EPERM),
    ("kill", (_OWN, 9), 0),
    ("kill", (0, 9), errno.EPERM),
    ("kill", (-1, 9), errno.EPERM),
    ("kill", (1, 9), errno.EPERM),
    ("tgkill", (_OWN, _OWN + 1, 6), 0),
    ("tgkill", (1, 1, 6), errno.EPERM),
    ("tkill", (_OWN, 6), errno.EPERM),
    ("rt_sigqueueinfo", (1, 6), errno.EPERM),
    ("rt_tgsigqueueinfo", (1, 1, 6), errno.EPERM),
    ("pidfd_open", (_OWN,), errno.EPERM),
    ("prlimit64", (0,), 0),
    ("prlimit64", (_OWN,), 0),
    ("prlimit64", (1,), errno.EPERM),
    ("setpriority", (0, _OWN + 7, 10), 0),
    ("setpriority", (1, 0, 10), errno.EPERM),
    ("setpriority", (2, 0, 10), errno.EPERM),
    ("fcntl", (3, 3), 0),
    ("fcntl", (3, 8), errno.EPERM),
    ("fcntl", (3, 10), errno.EPERM),
    ("fcntl", (3, 15), errno.EPERM),
    ("ioctl", (0, 0x5401), 0),
    ("ioctl", (0, 0x5412), errno.EPERM),
    ("ioctl", (0, 0x8902), errno.EPERM),
    ("utimensat", (3, 0), 0),
    ("utimensat", (-100, 0x1000), errno.EPERM),
    ("utimensat", (-100, 0x7FFF_0000_0000), errno.EPERM),
    ("fchmodat", (-100, 0x1000), errno.EPERM),
    ("truncate", (0x1000,), 0),
    ("mmap", (0, 4096, 5), 0),
    ("io_uring_setup", (1,), errno.EPERM),
    ("ptrace", (), errno.EPERM),
)


@pytest.mark.parametrize("architecture", _AUDIT)
@pytest.mark.parametrize(("name", "arguments", "expected"), _CALLS)
def test_filter_decides_by_arguments(architecture: str, name: str, arguments: tuple[int, ...], expected: int) -> None:
    """Both architectures allow and refuse the same calls."""
    assert _verdict(architecture, name, *arguments) == expected


@pytest.mark.parametrize("architecture", _AUDIT)
def test_filter_options(architecture: str) -> None:
    """Truncation by path and executable mappings are refused when the options say so."""
    assert _verdict(architecture, "truncate", 0x1000, truncate_by_path=False) == errno.EPERM
    for name, writable in product(("mmap", "mprotect", "pkey_mprotect"), (0, 2)):
        assert _verdict(architecture, name, 0, 4096, 4 | writable, load_libraries=False) == errno.EPERM
        assert _verdict(architecture, name, 0, 4096, 1 | writable, load_libraries=False) == 0


def _other_numbers(architecture: str) -> Iterator[int]:
    listed = set(numbers.SYSTEM_CALLS[architecture].values())
    yield from (number for number in range(470) if number not in listed)


@pytest.mark.parametrize("architecture", _AUDIT)
def test_filter_allows_calls_that_it_does_not_name(architecture: str) -> None:
    """Reading, writing, memory, time and threads are never touched."""
    program = seccomp.compile_filter(
        seccomp.FilterOptions(architecture, _OWN, truncate_by_path=True, load_libraries=True)
    )
    assert not [n for n in _other_numbers(architecture) if _evaluate(program, _AUDIT[architecture], n, {})]


@pytest.mark.parametrize("architecture", _AUDIT)
def test_filter_refuses_foreign_call_tables(architecture: str) -> None:
    """Calls by the table of another architecture (32-bit, x32) are refused, whatever their number means there."""
    program = seccomp.compile_filter(
        seccomp.FilterOptions(architecture, _OWN, truncate_by_path=True, load_libraries=True)
    )
    assert all(_evaluate(program, _I386, number, {}) == errno.EPERM for number in range(470))
    if architecture == numbers.X86_64:
        assert all(_evaluate(program, _AUDIT[architecture], 0x4000_0000 | n, {}) == errno.EPERM for n in range(550))


def test_refused_calls_are_spelt_right() -> None:
    """Each name is known on x86, which has all of them, and stands once; aarch64 lacks only what it never had."""
    names = [name for group in seccomp.REFUSED for name in group]
    assert len(names) == len(set(names))
    assert set(names) <= set(numbers.SYSTEM_CALLS[numbers.X86_64])
    for table in numbers.SYSTEM_CALLS.values():
        assert len(set(table.values())) == len(table)
    assert set(numbers.SYSTEM_CALLS[numbers.X86_64]) - set(numbers.SYSTEM_CALLS[numbers.AARCH64]) == {
        *("chmod", "chown", "lchown", "fork", "vfork", "utime", "utimes", "futimesat", "uselib"),
        *("inotify_init", "iopl", "ioperm", "modify_ldt"),
    }
