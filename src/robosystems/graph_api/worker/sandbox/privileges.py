"""Capabilities, user, core dumps: what a worker gives up of what the server had."""

import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from robosystems.graph_api.concurrency.linux import process_control, system_call
from robosystems.graph_api.worker.sandbox.numbers import AARCH64, X86_64

_PR_SET_PDEATHSIG: Final = 1
_PR_GET_PDEATHSIG: Final = 2
_PR_SET_DUMPABLE: Final = 4
_PR_CAPBSET_DROP: Final = 24
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_AMBIENT_CLEAR_ALL: Final = 4

_CAPABILITY_VERSION: Final = 0x2008_0522
_CAPGET: Final = {X86_64: 125, AARCH64: 90}
_CAPSET: Final = {X86_64: 126, AARCH64: 91}
_CAP_SETPCAP: Final = 8


@dataclass(frozen=True, slots=True)
class Identity:
    """User and group that a worker becomes."""

    uid: int
    gid: int


def forbid_new_privileges() -> None:
    """Make every later program start without set-user-id and file capabilities; Landlock and seccomp need it."""
    process_control(_PR_SET_NO_NEW_PRIVS, 1)


def refusal(directory: Path, identity: Identity | None) -> str | None:
    """Return why the database could not be opened after `drop`, or None.

    Root without CAP_DAC_OVERRIDE is bound by owner and mode like anybody else.
    """
    user = os.geteuid() if identity is None else identity.uid
    owner = directory.stat().st_uid
    if owner == user or effective_capabilities() == 0:
        return None
    return (
        f"{directory} belongs to user {owner}, not to {user}, and could not be written without capabilities: "
        f"give it to user {user}, or run the workers as user {owner}"
    )


def drop(identity: Identity | None) -> str:
    """Give up all capabilities and core dumps, and become another user if asked to.

    Capabilities belong to a thread: call it while there is only one. The directory entries in `/proc` then belong to
    root, and a server without CAP_SYS_PTRACE no longer sees the worker's mappings and descriptors.

    Returns:
        What was given up, for the report.

    Raises:
        OSError: The process may not become that user.
    """
    held = effective_capabilities()
    if held & (1 << _CAP_SETPCAP):
        _empty_bounding_set()
    process_control(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    if identity is not None:
        _become(identity)
    _set_no_capabilities()
    process_control(_PR_SET_DUMPABLE, 0)
    dropped = f"{held.bit_count()} capabilities dropped" if held else "no capabilities to drop"
    return dropped if identity is None else f"{dropped}, runs as user {identity.uid}"


def effective_capabilities() -> int:
    """Return the effective capabilities of the calling thread as a bit set."""
    header = _capability_header()
    sets = ctypes.create_string_buffer(24)
    system_call(_CAPGET[os.uname().machine], ctypes.addressof(header), ctypes.addressof(sets))
    low, _, _, high, _, _ = struct.unpack("=6I", sets.raw)
    return low | high << 32


def _set_no_capabilities() -> None:
    header = _capability_header()
    sets = ctypes.create_string_buffer(24)
    system_call(_CAPSET[os.uname().machine], ctypes.addressof(header), ctypes.addressof(sets))


def _capability_header() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0), 8)


def _empty_bounding_set() -> None:
    """Drop every capability that this kernel knows; it answers `EINVAL` for the first that it does not."""
    for capability in range(64):
        try:
            process_control(_PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == errno.EINVAL:
                return
            raise


def _become(identity: Identity) -> None:
    """Change user and group for good; the kernel forgets the parent-death signal on the way, so set it again."""
    signal_number = ctypes.c_int()
    process_control(_PR_GET_PDEATHSIG, ctypes.addressof(signal_number))
    os.setgroups([])
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)
    process_control(_PR_SET_PDEATHSIG, signal_number.value)
