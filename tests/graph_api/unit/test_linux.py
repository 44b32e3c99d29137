"""Process primitives on the kernel that runs the tests."""

import contextlib
import errno
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from robosystems.graph_api.concurrency import linux

_ROOT: Final = Path(__file__).parents[3]
_GIB: Final = 1 << 30
_NO_PROCESS: Final = 2**22 + 1
"""Above the largest process id that Linux gives."""


def _run(scenario: str) -> Any:
    """Run a scenario of the program and return its document."""
    command = [sys.executable, "-m", "tests.graph_api.unit.linux_program", scenario]
    done = subprocess.run(command, cwd=_ROOT, env={}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_subreaper_adopts_orphans() -> None:
    """A grandchild whose parent has ended becomes the subreaper's child, who can wait for it."""
    assert _run("subreaper") == {
        "adopted without": False,
        "enabled": True,
        "adopted": True,
        "reaped": True,
        "disabled": True,
    }


def test_death_of_the_parent_is_signalled() -> None:
    """A child gets its signal when the parent is killed; a parent that is gone already is an error."""
    found = _run("parent-death")
    assert found["seen"] == "ready signalled"
    assert "is gone" in found["wrong parent"]


def test_data_limit_is_an_error_that_the_process_survives() -> None:
    """An allocation over the limit fails as MemoryError, one below passes, and the limit can be lifted again."""
    found = _run("data-limit")
    assert found["outcome"] == "MemoryError"
    assert found["grown"] == 16 << 20
    assert found["after"] == 256 << 20
    assert found["limit"] == resource.getrlimit(resource.RLIMIT_DATA)[1]


def test_descriptors_are_closed_but_for_some() -> None:
    """Standard streams and the named descriptors stay, whatever their numbers."""
    assert _run("descriptors") == {"open": 5, "kept": [True] * 5, "closed": [True, True]}


def test_nice_belongs_to_one_thread() -> None:
    """Another thread's nice value is raised, the caller's stays."""
    assert _run("nice") == {"raised": 3, "own": 0, "threads": 1}


def test_private_memory_leaves_shared_pages_out() -> None:
    """A forked child counts its own 32 MiB; where its mappings are closed to us, the shared 64 MiB count too."""
    found = _run("memory")
    assert found["rollup"]["resident"] >= 96
    assert 32 <= found["rollup"]["private"] < 64
    assert found["closed"]["resident"] >= 96
    assert found["closed"]["private"] >= 96


def test_name_of_a_thread() -> None:
    """The name is the thread's, cut off after 15 bytes."""
    seen: list[str] = []

    def body() -> None:
        linux.set_process_name("a-name-longer-than-that")
        seen.append(linux.process_name())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == ["a-name-longer-t"]


def test_own_process_is_measured_like_others_measure_it() -> None:
    """Resident memory, descriptors and data agree with an independent reading."""
    process = psutil.Process()
    assert linux.resident_bytes(os.getpid()) == pytest.approx(process.memory_info().rss, rel=0.1)
    assert linux.open_descriptors(os.getpid()) - 1 == pytest.approx(process.num_fds() - 1, abs=1)
    assert 0 < linux.private_bytes(os.getpid()) <= linux.resident_bytes(os.getpid())
    with linux.OwnMemory() as memory:
        assert memory.resident_bytes() == pytest.approx(process.memory_info().rss, rel=0.1)
        assert memory.data_bytes() == pytest.approx(linux.data_bytes_self(), rel=0.1)
    memory.close()
    assert linux.malloc_trim() in {True, False}


@pytest.mark.parametrize("measure", [linux.resident_bytes, linux.private_bytes, linux.open_descriptors])
def test_missing_process_is_an_error(measure: Any) -> None:
    """Nobody is measured as nothing."""
    with pytest.raises(ProcessLookupError, match=str(_NO_PROCESS)):
        measure(_NO_PROCESS)


@pytest.mark.parametrize("measure", [linux.resident_bytes, linux.private_bytes])
def test_ended_process_has_no_memory(measure: Any) -> None:
    """A child that nobody has waited for yet has nothing, or is no process any more."""
    child = subprocess.Popen([sys.executable, "-c", ""], env={})
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        with contextlib.suppress(ProcessLookupError):
            assert measure(child.pid) == 0
    finally:
        child.wait()


def test_refused_calls_raise_the_error_of_the_kernel() -> None:
    """The number of the error is kept, and the message names the call."""
    with pytest.raises(OSError, match="system call 100000") as caught:
        linux.system_call(100_000)
    assert caught.value.errno == errno.ENOSYS
    with pytest.raises(OSError, match="prctl 100000") as caught:
        linux.process_control(100_000)
    assert caught.value.errno == errno.EINVAL


def test_memory_of_this_machine() -> None:
    """What is available is less than the limit, and the limit at most what the machine has."""
    assert 0 < linux.available_memory_bytes() <= linux.memory_limit_bytes() <= psutil.virtual_memory().total


def _machine(root: Path, groups: str, files: Mapping[str, object]) -> tuple[Path, Path]:
    """Write a procfs and a tree of control groups, and return both."""
    proc, tree = root / "proc", root / "cgroup"
    (proc / "self").mkdir(parents=True)
    tree.mkdir()
    (proc / "self" / "cgroup").write_text(groups)
    (proc / "meminfo").write_text(f"MemTotal: {16 * _GIB // 1024} kB\nMemAvailable: {8 * _GIB // 1024} kB\nHuge: 0\n")
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(f"{content}\n")
    return proc, tree


_V2: Final = "0::/pod/server\n"
_UNLIMITED_V1: Final = 2**63 - 4096


@pytest.mark.parametrize(
    ("groups", "files", "available", "limit"),
    [
        pytest.param(_V2, {"cgroup.controllers": "memory"}, 8, 16, id="no limit"),
        pytest.param(
            _V2,
            {"cgroup.controllers": "", "pod/server/memory.max": 4 * _GIB, "pod/server/memory.current": 3 * _GIB},
            1,
            4,
            id="version 2",
        ),
        pytest.param(
            _V2,
            {
                "cgroup.controllers": "",
                "pod/server/memory.max": "max",
                "pod/server/memory.current": _GIB,
                "pod/memory.max": 6 * _GIB,
                "pod/memory.high": 5 * _GIB,
                "pod/memory.current": 3 * _GIB,
            },
            2,
            5,
            id="group above, throttled before its limit",
        ),
        pytest.param(
            _V2,
            {
                "cgroup.controllers": "",
                "pod/server/memory.max": 4 * _GIB,
                "pod/server/memory.current": 3 * _GIB,
                "pod/server/memory.stat": f"anon 7\ninactive_file {_GIB}\nactive_file {_GIB}",
            },
            3,
            4,
            id="page cache is available",
        ),
        pytest.param(
            _V2,
            {"cgroup.controllers": "", "memory.max": 4 * _GIB, "memory.current": 5 * _GIB},
            0,
            4,
            id="path of the host inside a container, over the limit",
        ),
        pytest.param(
            "5:cpu,memory:/job\n0::/job\n",
            {
                "memory/job/memory.limit_in_bytes": 4 * _GIB,
                "memory/job/memory.usage_in_bytes": 3 * _GIB,
                "memory/job/memory.stat": f"inactive_file 0\ntotal_inactive_file {_GIB}",
                "memory/memory.limit_in_bytes": _UNLIMITED_V1,
                "memory/memory.usage_in_bytes": 9 * _GIB,
            },
            2,
            4,
            id="version 1",
        ),
    ],
)
def test_tightest_limit_counts(
    tmp_path: Path, groups: str, files: Mapping[str, object], available: int, limit: int
) -> None:
    """The host and every control group around the process bound what is available; files in the cache do not count."""
    proc, tree = _machine(tmp_path, groups, files)
    assert linux.available_memory_bytes(proc, tree) == available * _GIB
    assert linux.memory_limit_bytes(proc, tree) == limit * _GIB
