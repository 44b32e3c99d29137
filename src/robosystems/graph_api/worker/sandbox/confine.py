"""Probe the kernel, and confine the calling process."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from robosystems.graph_api.concurrency.linux import other_threads
from robosystems.graph_api.domain.errors import SandboxUnavailableError
from robosystems.graph_api.worker.sandbox import landlock, privileges, seccomp
from robosystems.graph_api.worker.sandbox.numbers import SYSTEM_CALLS
from robosystems.graph_api.worker.sandbox.policy import SandboxMode, SandboxPolicy
from robosystems.graph_api.worker.sandbox.report import (
    ESSENTIAL,
    Mechanism,
    MechanismReport,
    MechanismState,
    MechanismSupport,
    SandboxReport,
    SandboxSupport,
)

_CONTROL_GROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CONTROL_GROUP: Final = Path("/proc/self/cgroup")
_DEVICES: Final = (Path("/dev/null"), Path("/dev/zero"), Path("/dev/random"), Path("/dev/urandom"))


class _NotConfinedError(Exception):
    """A mechanism was applied only in part, or not at all, for a reason that the message gives."""


def probe() -> SandboxSupport:
    """Return what the running kernel offers; changes nothing, so the server can ask at start-up."""
    try:
        abi, problem = landlock.version(), None
    except OSError as error:
        abi, problem = 0, landlock.reason(error)
    machine = seccomp.architecture()
    known = machine in SYSTEM_CALLS
    filter_problem = seccomp.unsupported_reason()
    return SandboxSupport(
        landlock_abi=abi,
        mechanisms=(
            MechanismSupport(
                Mechanism.PRIVILEGES,
                known,
                "capabilities" if known else f"system call numbers of {machine} are unknown",
            ),
            _landlock_support(Mechanism.FILES, abi, 1, problem),
            _landlock_support(Mechanism.TCP, abi, landlock.ABI_TCP, problem),
            _landlock_support(Mechanism.SCOPES, abi, landlock.ABI_SCOPES, problem),
            MechanismSupport(
                Mechanism.SYSTEM_CALLS, filter_problem is None, filter_problem or f"seccomp filters, {machine}"
            ),
        ),
    )


def apply(policy: SandboxPolicy, mode: SandboxMode) -> SandboxReport:
    """Confine the calling process for good: to be called in a freshly forked worker, before an engine opens a file.

    The process should have a single thread. Landlock (before ABI 8) and capabilities bind only the calling thread and
    those that it starts afterwards; where others run already, that is reported as failed. Descriptors that are open
    keep working: close what the worker does not need (`linux.close_descriptors_except`) and create `linux.OwnMemory`
    before.

    Args:
        policy: What the worker may reach.
        mode: How much it insists.

    Returns:
        What became of each mechanism.

    Raises:
        SandboxUnavailableError: The mode is `required` and something essential does not hold. The process may be
            confined in part by then: it must end.
        OSError: The database's directory does not exist.
    """
    if mode is SandboxMode.OFF:
        off = (MechanismReport(mechanism, MechanismState.OFF, "switched off") for mechanism in Mechanism)
        return SandboxReport(mode, tuple(off))
    support = probe()
    support.ensure(mode)
    policy.directory.stat()
    report = SandboxReport(mode, tuple(_confine(policy, support)))
    if mode is SandboxMode.REQUIRED and not report.confined:
        broken = [
            f"{entry.mechanism}: {entry.detail}"
            for entry in report.mechanisms
            if entry.mechanism in ESSENTIAL and entry.state is not MechanismState.ACTIVE
        ]
        raise SandboxUnavailableError(
            f"The sandbox is required and could not be set up: {'; '.join(broken)}.", report=report.to_document()
        )
    return report


def _confine(policy: SandboxPolicy, support: SandboxSupport) -> Iterator[MechanismReport]:
    """Apply one mechanism after the other; each needs what a later one takes away."""
    threads = other_threads()
    privileges.forbid_new_privileges()
    yield _attempt(Mechanism.PRIVILEGES, support, lambda: _drop_privileges(policy, threads))
    files = _attempt(Mechanism.FILES, support, lambda: _restrict_files(policy, support.landlock_abi, threads))
    yield files
    for mechanism in (Mechanism.TCP, Mechanism.SCOPES):
        entry = support.entry(mechanism)
        # They stand in the same ruleset as the files and share its fate.
        state, detail = (files.state, files.detail) if entry.available else (MechanismState.UNSUPPORTED, entry.detail)
        yield MechanismReport(mechanism, state, detail)
    yield _attempt(Mechanism.SYSTEM_CALLS, support, lambda: _filter_system_calls(policy, support.landlock_abi))


def _attempt(mechanism: Mechanism, support: SandboxSupport, apply_it: Callable[[], str]) -> MechanismReport:
    """Apply a mechanism that the kernel offers; `apply_it` returns a remark for the report."""
    entry = support.entry(mechanism)
    if not entry.available:
        return MechanismReport(mechanism, MechanismState.UNSUPPORTED, entry.detail)
    try:
        return MechanismReport(mechanism, MechanismState.ACTIVE, apply_it())
    except _NotConfinedError as error:
        return MechanismReport(mechanism, MechanismState.FAILED, str(error))
    except OSError as error:
        return MechanismReport(mechanism, MechanismState.FAILED, f"{error.strerror or error}")


def _drop_privileges(policy: SandboxPolicy, threads: int) -> str:
    identity = None
    if policy.worker_uid is not None:
        gid = policy.worker_uid if policy.worker_gid is None else policy.worker_gid
        identity = privileges.Identity(policy.worker_uid, gid)
    if refusal := privileges.refusal(policy.directory, identity):
        raise _NotConfinedError(refusal)
    remark = privileges.drop(identity)
    if threads:
        raise _NotConfinedError(f"{threads} other threads ran already and keep their capabilities")
    return remark


def _restrict_files(policy: SandboxPolicy, abi: int, threads: int) -> str:
    with landlock.Ruleset(abi) as ruleset:
        ruleset.allow(policy.directory, landlock.OWN)
        for path in policy.read_only:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                ruleset.allow(path, landlock.READ)
        for path in _DEVICES:
            with contextlib.suppress(FileNotFoundError):
                ruleset.allow(path, landlock.DEVICE)
        with contextlib.suppress(FileNotFoundError):
            _allow_limits(ruleset)
        ruleset.restrict_self()
    if threads and abi < landlock.ABI_ALL_THREADS:
        raise _NotConfinedError(f"{threads} other threads ran already and stay outside")
    return f"Landlock ABI {abi}"


def _allow_limits(ruleset: landlock.Ruleset) -> None:
    """Let the worker read its memory and processor limits: files of control groups, without listing them.

    DuckDB aborts the process, at each `connect`, when these files exist and cannot be opened. The one that names the
    process's own group is all that the worker sees of `/proc`. That rule belongs to the kernel's present object for the
    file; the descriptor, which stays open as long as the process, keeps it from being replaced under memory pressure.
    """
    os.open(_OWN_CONTROL_GROUP, os.O_PATH | os.O_CLOEXEC)
    ruleset.allow(_OWN_CONTROL_GROUP, landlock.FileRight.READ_FILE)
    ruleset.allow(_CONTROL_GROUPS, landlock.FileRight.READ_FILE)


def _filter_system_calls(policy: SandboxPolicy, abi: int) -> str:
    options = seccomp.FilterOptions(
        architecture=seccomp.architecture(),
        own_pid=os.getpid(),
        truncate_by_path=abi >= landlock.ABI_TRUNCATE,
        load_libraries=policy.load_libraries,
    )
    program = seccomp.compile_filter(options)
    seccomp.install(program)
    return f"filter of {len(program)} instructions"


def _landlock_support(mechanism: Mechanism, abi: int, since: int, problem: str | None) -> MechanismSupport:
    if problem is not None:
        return MechanismSupport(mechanism, available=False, detail=problem)
    if abi < since:
        return MechanismSupport(mechanism, available=False, detail=f"needs Landlock ABI {since}, the kernel has {abi}")
    return MechanismSupport(mechanism, available=True, detail=f"Landlock ABI {abi}")
