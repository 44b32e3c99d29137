"""Each mechanism of the sandbox alone, and what happens where one is missing.

As a program: `sandbox_mechanisms.py SCENARIO DIRECTORY`.
"""

import errno
import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from robosystems.graph_api.concurrency import linux
from robosystems.graph_api.worker.sandbox import (
    SandboxMode,
    SandboxPolicy,
    SandboxUnavailableError,
    apply,
    landlock,
    privileges,
    probe,
    seccomp,
)
from tests.graph_api.unit.sandbox_attempts import in_child, outcome_of

_PR_GET_DUMPABLE = 3
_STATUS_FIELDS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")


def listener(address: tuple[str, int] | str) -> socket.socket:
    """Return a listening socket: TCP on a free port of loopback, or an abstract Unix one."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind(address)
    sock.listen()
    return sock


def connect(target: socket.socket) -> None:
    """Connect to a listener."""
    with socket.socket(target.family, socket.SOCK_STREAM) as sock:
        sock.connect(target.getsockname())


def send_datagram() -> None:
    """Send a datagram to a socket of this process."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        sender.sendto(b"x", receiver.getsockname())


def scenario_landlock(own: Path) -> dict[str, object]:
    """Landlock without the filter: what it holds, and what it leaves to the filter."""
    tcp = listener(("127.0.0.1", 0))
    abstract = listener(f"\0sandbox-test-{os.getpid()}")
    secret = own.parent / "neighbour" / "secret"

    def body() -> dict[str, object]:
        abi = landlock.version()
        privileges.forbid_new_privileges()
        with landlock.Ruleset(abi) as ruleset:
            ruleset.allow(own, landlock.OWN)
            ruleset.restrict_self()
        return {
            "abi": abi,
            "read a neighbour": outcome_of(secret.read_bytes),
            "truncate a neighbour": outcome_of(lambda: os.truncate(secret, 0)),
            "change a neighbour's mode": outcome_of(lambda: secret.chmod(0o640)),
            "TCP connect": outcome_of(lambda: connect(tcp)),
            "TCP bind": outcome_of(lambda: listener(("127.0.0.1", 0)).close()),
            "UDP": outcome_of(send_datagram),
            "abstract socket": outcome_of(lambda: connect(abstract)),
            "signal the parent": outcome_of(lambda: os.kill(os.getppid(), 0)),
        }

    return in_child(body)


def scenario_seccomp(own: Path) -> dict[str, object]:
    """The filter without Landlock."""
    secret = own.parent / "neighbour" / "secret"

    def body() -> dict[str, object]:
        privileges.forbid_new_privileges()
        options = seccomp.FilterOptions(
            seccomp.architecture(), os.getpid(), truncate_by_path=False, load_libraries=True
        )
        seccomp.install(seccomp.compile_filter(options))
        return {
            "read a neighbour": outcome_of(secret.read_bytes),
            "truncate a neighbour": outcome_of(lambda: os.truncate(secret, 0)),
            "change a neighbour's mode": outcome_of(lambda: secret.chmod(0o640)),
            "TCP": outcome_of(lambda: connect(socket.socket())),
            "UDP": outcome_of(send_datagram),
            "signal the parent": outcome_of(lambda: os.kill(os.getppid(), 0)),
        }

    return in_child(body)


def scenario_privileges(own: Path) -> dict[str, object]:
    """What the kernel says about a confined process."""

    def body() -> dict[str, object]:
        status = os.open("/proc/self/status", os.O_RDONLY)
        apply(SandboxPolicy(own), SandboxMode.REQUIRED)
        lines = os.pread(status, 1 << 16, 0).decode().splitlines()
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        return {"dumpable": linux.process_control(_PR_GET_DUMPABLE), **{name: fields[name] for name in _STATUS_FIELDS}}

    return in_child(body)


def attempt(own: Path, mode: SandboxMode, worker_uid: int | None = None) -> dict[str, object]:
    """Confine this process and return the report, or the error."""
    try:
        return apply(SandboxPolicy(own, worker_uid=worker_uid), mode).to_document()
    except SandboxUnavailableError as error:
        return {"code": error.code, "detail": error.detail, "retryable": error.retryable}


def scenario_threads(own: Path) -> dict[str, object]:
    """Confine a process that has a second thread already."""

    def with_thread(mode: SandboxMode) -> dict[str, object]:
        ask, answered, seen = threading.Event(), threading.Event(), dict[str, str]()

        def other() -> None:
            ask.wait(30)
            seen["file"] = outcome_of((own.parent / "neighbour" / "secret").read_bytes)
            seen["socket"] = outcome_of(socket.socket)
            answered.set()

        threading.Thread(target=other, daemon=True).start()
        result = attempt(own, mode)
        ask.set()
        answered.wait(30)
        return {"result": result, "other thread": seen}

    return {
        "preferred": in_child(lambda: with_thread(SandboxMode.PREFERRED)),
        "required": in_child(lambda: with_thread(SandboxMode.REQUIRED)),
    }


def scenario_without_landlock(own: Path) -> dict[str, object]:
    """Hide Landlock by a filter, as some containers do, and confine the process."""

    def hidden(error: int, mode: SandboxMode) -> dict[str, object]:
        privileges.forbid_new_privileges()
        load, is_equal, answer = 0x20, 0x15, 0x06
        seccomp.install(
            [
                seccomp.Instruction(load, 0, 0, 0),
                seccomp.Instruction(is_equal, 0, 1, 444),
                seccomp.Instruction(answer, 0, 0, 0x0005_0000 | error),
                seccomp.Instruction(answer, 0, 0, 0x7FFF_0000),
            ]
        )
        return {
            "probe": probe().to_document(),
            "result": attempt(own, mode),
            "read a neighbour": outcome_of((own.parent / "neighbour" / "secret").read_bytes),
            "socket": outcome_of(socket.socket),
        }

    return {
        "missing": in_child(lambda: hidden(errno.ENOSYS, SandboxMode.PREFERRED)),
        "switched off": in_child(lambda: hidden(errno.EOPNOTSUPP, SandboxMode.PREFERRED)),
        "forbidden": in_child(lambda: hidden(errno.EPERM, SandboxMode.PREFERRED)),
        "required": in_child(lambda: hidden(errno.ENOSYS, SandboxMode.REQUIRED)),
    }


def scenario_identity(own: Path) -> dict[str, object]:
    """Become another user, first with a directory of the wrong owner."""
    other = 65534

    def body() -> dict[str, object]:
        result = attempt(own, SandboxMode.PREFERRED, worker_uid=other)
        wrote = outcome_of(lambda: (own / "written").write_bytes(b"x"))
        return {"result": result, "ids": [os.getresuid(), os.getresgid(), os.getgroups()], "write": wrote}

    wrong_owner = in_child(lambda: attempt(own, SandboxMode.REQUIRED, worker_uid=other))
    if os.geteuid() == 0:
        os.chown(own, other, other)
    return {"wrong owner": wrong_owner, "right owner": in_child(body)}


def scenario_probe(own: Path) -> dict[str, object]:
    """Probe, and show that nothing changed."""
    status = Path("/proc/self/status")
    before = [line for line in status.read_text().splitlines() if line.startswith(_STATUS_FIELDS)]
    support = probe().to_document()
    after = [line for line in status.read_text().splitlines() if line.startswith(_STATUS_FIELDS)]
    return {"support": support, "unchanged": before == after, "file": outcome_of((own / "mine").read_bytes)}


SCENARIOS: dict[str, Callable[[Path], dict[str, object]]] = {
    "landlock": scenario_landlock,
    "seccomp": scenario_seccomp,
    "privileges": scenario_privileges,
    "threads": scenario_threads,
    "without-landlock": scenario_without_landlock,
    "identity": scenario_identity,
    "probe": scenario_probe,
}


def main() -> None:
    """Run one scenario."""
    scenario, directory = sys.argv[1:]
    sys.stdout.write(json.dumps(SCENARIOS[scenario](Path(directory))))


if __name__ == "__main__":
    main()
