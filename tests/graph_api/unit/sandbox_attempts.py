"""What a confined process can and cannot do, as a program: `sandbox_attempts.py DIRECTORY MODE`.

It forks, confines the child, tries things there and writes what happened as one JSON document. Without confinement
(mode `off`) the same attempts show that they would work, so that a refusal means something.
"""

import errno
import importlib
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import zoneinfo
from collections.abc import Callable, Mapping
from pathlib import Path

from robosystems.graph_api.concurrency import linux
from robosystems.graph_api.worker.sandbox import SandboxMode, SandboxPolicy, apply

Attempt = Callable[[], object]

_KEYCTL_GET_KEYRING = 0
_PTRACE_SEIZE = 0x4206
_CLONE_NEWNET = 0x4000_0000


def outcome_of(attempt: Attempt, error_of_engine: type[Exception] = RuntimeError) -> str:
    """Return `ok`, the name of the kernel's error, or the error's class and text."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    except (error_of_engine, ValueError, ImportError) as error:
        return f"{type(error).__name__}: {error}"
    return "ok"


def in_child(body: Callable[[], Mapping[str, object]]) -> dict[str, object]:
    """Run the body in a forked child and return what it found."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.write(writer, json.dumps(body()).encode())
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        content = stream.read()
    os.waitpid(pid, 0)
    return json.loads(content) if content else {}


def raw(x86_64: int, aarch64: int, *arguments: int) -> int:
    """Make a system call by its number on this machine."""
    return linux.system_call(x86_64 if os.uname().machine == "x86_64" else aarch64, *arguments)


def write(path: Path) -> None:
    """Open an existing file for writing and change it."""
    with path.open("r+b") as stream:
        stream.write(b"x")


def refused_files(own: Path) -> dict[str, Attempt]:
    """Return attempts on files outside the own directory, and on special files inside it."""
    other = own.parent / "neighbour"
    secret = other / "secret"
    return {
        "read /etc/passwd": Path("/etc/passwd").read_bytes,
        "read own environment": Path("/proc/self/environ").read_bytes,
        "read own status": Path("/proc/self/status").read_bytes,
        "read parent's control group": Path(f"/proc/{os.getppid()}/cgroup").read_bytes,
        "list processes": lambda: list(Path("/proc").iterdir()),
        "list control groups": lambda: list(Path("/sys/fs/cgroup").iterdir()),
        "list own descriptors": lambda: list(Path("/proc/self/fd").iterdir()),
        "list /": lambda: list(Path("/").iterdir()),
        "list the databases": lambda: list(own.parent.iterdir()),
        "list a neighbour": lambda: list(other.iterdir()),
        "read a neighbour": secret.read_bytes,
        "read a neighbour by ..": (own / ".." / "neighbour" / "secret").read_bytes,
        "read through a symbolic link": (own / "link-out").read_bytes,
        "list through a symbolic link": lambda: list((own / "directory-link-out").iterdir()),
        "write a neighbour": lambda: write(secret),
        "create beside the database": (own.parent / "new").touch,
        "create in the temporary directory": lambda: tempfile.TemporaryFile(dir="/tmp"),
        "make a directory beside the database": (own.parent / "new-directory").mkdir,
        "truncate a neighbour": lambda: os.truncate(secret, 0),
        "change a neighbour's mode": lambda: secret.chmod(0o640),
        "change a neighbour's times": lambda: os.utime(secret, (1, 1)),
        "link a neighbour's file to itself": lambda: (own / "stolen").hardlink_to(secret),
        "link out": lambda: (other / "leaked").hardlink_to(own / "mine"),
        "rename out": lambda: (own / "mine-too").rename(other / "moved"),
        "rename in": lambda: (other / "movable").rename(own / "moved-in"),
        "remove a neighbour's file": (other / "removable").unlink,
        "make a symbolic link": lambda: (own / "new-link").symlink_to("/etc/passwd"),
        "make a pipe": lambda: os.mkfifo(own / "pipe"),
        "watch a neighbour": lambda: raw(294, 26, 0),
    }


def refused_calls() -> dict[str, Attempt]:
    """Return attempts to reach the network, other processes and the kernel; all work for an ordinary user."""
    parent = os.getppid()
    return {
        "TCP": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "TCP over IPv6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_STREAM),
        "UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "UDP over IPv6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "Unix socket": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "Unix datagram pair": lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM),
        "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "fork": fork_and_reap,
        "start a program": lambda: subprocess.run(["/bin/true"], check=True),
        "spawn a program": lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0),
        "signal the parent": lambda: os.kill(parent, 0),
        "signal the group": lambda: os.kill(0, 0),
        "signal everybody": lambda: os.kill(-1, 0),
        "signal a thread of the parent": lambda: raw(234, 131, parent, parent, 0),
        "signal through a descriptor": lambda: os.pidfd_open(parent),
        "limit the parent": lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE),
        "slow down the group": lambda: os.setpriority(os.PRIO_PGRP, 0, os.getpriority(os.PRIO_PGRP, 0)),
        "shared memory": shared_memory_segment,
        "message queue": lambda: raw(68, 186, 0, 0o1600),
        "own a pipe's signals": own_a_pipes_signals,
    }


def refused_to_the_privileged() -> dict[str, Attempt]:
    """Return attempts that need privileges or kernel options even without confinement."""
    parent = os.getppid()
    return {
        "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
        "trace the parent": lambda: raw(101, 117, _PTRACE_SEIZE, parent, 0, 0),
        "read the parent's memory": lambda: raw(310, 270, parent, 0, 0, 0, 0, 0),
        "take a descriptor of the parent": lambda: linux.system_call(438, 0, 0, 0),
        "io_uring": lambda: linux.system_call(425, 1, 0),
        "bpf": lambda: raw(321, 280, 0, 0, 0),
        "performance counters": lambda: raw(298, 241, 0, 0, 0, 0, 0),
        "keyring": lambda: raw(250, 219, _KEYCTL_GET_KEYRING, 0, 0),
        "new network namespace": lambda: raw(272, 97, _CLONE_NEWNET),
        "mount": lambda: raw(165, 40, 0, 0, 0, 0, 0),
        "chroot": lambda: os.chroot("/"),
        "become another user": lambda: os.setresuid(65534, 65534, 65534) if os.geteuid() == 0 else os.setuid(0),
        "x32 call": lambda: linux.system_call(0x4000_0000 | 39),
    }


def fork_and_reap() -> None:
    """Make a process."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def shared_memory_segment() -> None:
    """Make a segment that other processes of this user could attach, and remove it."""
    segment = raw(29, 194, 0, 4096, 0o1600)
    raw(31, 195, segment, 0, 0)


def own_a_pipes_signals() -> None:
    """Direct the signals of a descriptor to the parent."""
    reader, writer = os.pipe()
    try:
        raw(72, 25, reader, 8, os.getppid())
    finally:
        os.close(reader)
        os.close(writer)


def allowed(own: Path, memory: linux.OwnMemory, inherited: socket.socket) -> dict[str, Attempt]:
    """Return what a worker needs to do."""
    return {
        "create, grow, shrink, rename, remove": lambda: exercise_files(own),
        "truncate by path": lambda: os.truncate(own / "mine-too", 3),
        "link inside the directory": lambda: (own / "linked").hardlink_to(own / "mine"),
        "read its control group": Path("/proc/self/cgroup").read_bytes,
        "start a thread": start_a_thread,
        "random bytes": lambda: (os.urandom(8), Path("/dev/urandom").open("rb").read(8)),
        "null device": lambda: Path("/dev/null").write_bytes(b"x"),
        "time zone": lambda: zoneinfo.ZoneInfo("Europe/Berlin").utcoffset(None),
        "import a native module": lambda: importlib.import_module("sqlite3"),
        "import a package": lambda: importlib.import_module("pyarrow.compute"),
        "inherited socket": lambda: (inherited.sendall(b"x"), inherited.recv(1)),
        "stream pair": lambda: [end.close() for end in socket.socketpair()],
        "signal itself": lambda: (os.kill(os.getpid(), 0), signal.raise_signal(signal.SIGURG)),
        "nice of a thread": lambda: linux.set_nice_of_thread(threading.get_native_id(), 10),
        "limit its data": lambda: linux.set_data_limit(memory.data_bytes() + (1 << 30)),
        "trim its heap": linux.malloc_trim,
        "name itself": lambda: linux.set_process_name("confined"),
        "executable memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC).close(),
    }


ALLOWED = (
    "create, grow, shrink, rename, remove",
    "truncate by path",
    "link inside the directory",
    "read its control group",
    "start a thread",
    "random bytes",
    "null device",
    "time zone",
    "import a native module",
    "import a package",
    "inherited socket",
    "stream pair",
    "signal itself",
    "nice of a thread",
    "limit its data",
    "trim its heap",
    "name itself",
    "executable memory",
)
"""Keys of `allowed`."""


def exercise_files(own: Path) -> None:
    """Do to files what engines do."""
    (own / "sub").mkdir()
    path = own / "sub" / "file"
    path.write_bytes(b"0123456789")
    with path.open("r+b") as stream:
        stream.truncate(5)
        os.fsync(stream.fileno())
        os.utime(stream.fileno())
    path.rename(own / "moved")
    (own / "moved").unlink()
    (own / "sub").rmdir()


def start_a_thread() -> None:
    """Start a thread and check that it is confined too."""
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(outcome_of(socket.socket)))
    thread.start()
    thread.join()
    if seen == ["ok"]:
        raise ValueError("the thread has a socket")


def attempts(own: Path, mode: SandboxMode) -> dict[str, object]:
    """Try everything."""
    inherited, peer = socket.socketpair()
    peer.sendall(b"x")

    def body() -> dict[str, object]:
        os.setpgrp()
        memory = linux.OwnMemory()
        report = apply(SandboxPolicy(own), mode).to_document()
        groups: dict[str, dict[str, Attempt]] = {
            "files": refused_files(own),
            "calls": refused_calls(),
            "privileged": refused_to_the_privileged() if mode is not SandboxMode.OFF else {},
            "allowed": allowed(own, memory, inherited),
        }
        outcomes = {name: {what: outcome_of(how) for what, how in group.items()} for name, group in groups.items()}
        return {"report": report, **outcomes}

    return in_child(body)


def main() -> None:
    """Try everything and write what happened."""
    directory, mode = sys.argv[1:]
    sys.stdout.write(json.dumps(attempts(Path(directory), SandboxMode(mode))))


if __name__ == "__main__":
    main()
