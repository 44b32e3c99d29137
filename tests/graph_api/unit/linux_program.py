"""Process settings that would change a test process for good, as a program: `linux_program.py SCENARIO`."""

import fcntl
import json
import mmap
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from robosystems.graph_api.concurrency import linux
from robosystems.graph_api.worker.sandbox import privileges

_MIB = 1 << 20
_WAIT = 20.0


def scenario_subreaper() -> dict[str, object]:
    """Adopt a grandchild whose parent has ended, once as a subreaper and once not."""

    def adopter() -> int:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            middle = os.getpid()
            if os.fork() == 0:
                while os.getppid() == middle:
                    time.sleep(0.005)
                os.write(writer, str(os.getppid()).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with os.fdopen(reader) as stream:
            return int(stream.read())

    without = adopter()
    linux.set_child_subreaper()
    enabled = linux.is_child_subreaper()
    adopted = adopter()
    ended, _ = os.wait()
    linux.set_child_subreaper(enabled=False)
    return {
        "adopted without": without == os.getpid(),
        "enabled": enabled,
        "adopted": adopted == os.getpid(),
        "reaped": ended > 0,
        "disabled": not linux.is_child_subreaper(),
    }


def scenario_parent_death() -> dict[str, object]:
    """End a parent and see its child get the signal; ask for a parent that is gone already."""
    reader, writer = os.pipe()

    def tell(number: int, frame: FrameType | None) -> None:
        os.write(writer, b"signalled")
        os._exit(0)

    middle = os.fork()
    if middle == 0:
        parent = os.getpid()
        if os.fork() == 0:
            signal.signal(signal.SIGUSR1, tell)
            linux.set_parent_death_signal(signal.SIGUSR1, parent)
            os.write(writer, b"ready ")
            time.sleep(_WAIT)
            os._exit(1)
        time.sleep(_WAIT)
    seen = os.read(reader, 6)
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    os.close(writer)
    while piece := os.read(reader, 100):
        seen += piece
    try:
        linux.set_parent_death_signal(signal.SIGUSR1, os.getpid())
    except ProcessLookupError as error:
        return {"seen": seen.decode(), "wrong parent": str(error)}
    return {"seen": seen.decode()}


def scenario_data_limit() -> dict[str, object]:
    """Run into the limit, then lift it."""
    with linux.OwnMemory() as memory:
        before = memory.data_bytes()
        linux.set_data_limit(before + 64 * _MIB)
        small = mmap.mmap(-1, 16 * _MIB, flags=mmap.MAP_PRIVATE)
        grown = memory.data_bytes() - before
        try:
            bytearray(256 * _MIB)
        except MemoryError:
            outcome = "MemoryError"
        else:
            outcome = "allocated"
        small.close()
        linux.set_data_limit(None)
        after = len(bytearray(256 * _MIB))
    return {"grown": grown, "outcome": outcome, "after": after, "limit": resource.getrlimit(resource.RLIMIT_DATA)[0]}


def scenario_descriptors() -> dict[str, object]:
    """Close what is not needed, with high numbers and gaps."""
    wanted = os.open("/dev/null", os.O_RDONLY)
    high = fcntl.fcntl(wanted, fcntl.F_DUPFD, 200)
    unwanted = [os.open("/dev/null", os.O_RDONLY), fcntl.fcntl(wanted, fcntl.F_DUPFD, 100)]
    linux.close_descriptors_except([high, wanted, 1])
    return {
        "open": linux.open_descriptors(os.getpid()) - 1,  # The listing has one itself.
        "kept": [is_open(number) for number in (0, 1, 2, wanted, high)],
        "closed": [not is_open(number) for number in unwanted],
    }


def is_open(descriptor: int) -> bool:
    """Whether the number is an open descriptor."""
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def scenario_nice() -> dict[str, object]:
    """Change the nice value of one thread from another; the first keeps its own."""
    ready, stop, seen = threading.Event(), threading.Event(), dict[str, int]()

    def body() -> None:
        seen["id"] = threading.get_native_id()
        ready.set()
        stop.wait(_WAIT)
        seen["nice"] = os.getpriority(os.PRIO_PROCESS, 0)

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=body)
    thread.start()
    ready.wait(_WAIT)
    threads = linux.other_threads()
    linux.set_nice_of_thread(seen["id"], before + 3)
    stop.set()
    thread.join()
    return {"raised": seen["nice"] - before, "own": os.getpriority(os.PRIO_PROCESS, 0) - before, "threads": threads}


def scenario_memory() -> dict[str, object]:
    """Measure a forked child that shares 64 MiB with its parent and has 32 MiB of its own, dumpable and not."""
    shared = bytearray(os.urandom(_MIB) * 64)

    def measure(*, dumpable: bool) -> dict[str, object]:
        told, tell = os.pipe()
        stopped, stop = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(stop)
            own = bytearray(os.urandom(_MIB) * 32)
            linux.process_control(4, int(dumpable))
            os.write(tell, b"x")
            os.read(stopped, 1)
            os._exit(len(own) == 0)
        os.read(told, 1)
        try:
            return {
                "resident": linux.resident_bytes(child) // _MIB,
                "private": linux.private_bytes(child) // _MIB,
            }
        finally:
            os.close(stop)
            os.waitpid(child, 0)

    rollup = measure(dumpable=True)
    privileges.drop(None)
    return {"shared": len(shared) // _MIB, "rollup": rollup, "closed": measure(dumpable=False)}


SCENARIOS: dict[str, Callable[[], dict[str, object]]] = {
    "subreaper": scenario_subreaper,
    "parent-death": scenario_parent_death,
    "data-limit": scenario_data_limit,
    "descriptors": scenario_descriptors,
    "nice": scenario_nice,
    "memory": scenario_memory,
}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(SCENARIOS[sys.argv[1]]()))
