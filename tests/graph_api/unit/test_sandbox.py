"""The sandbox of a database worker, in real confined processes on the kernel that runs the tests."""

import ctypes
import json
import os
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from robosystems.graph_api.worker.sandbox import (
    Mechanism,
    MechanismSupport,
    SandboxMode,
    SandboxPolicy,
    SandboxSupport,
    SandboxUnavailableError,
    default_read_only_paths,
    landlock,
    policy,
    probe,
)
from tests.graph_api.unit import sandbox_attempts, sandbox_engines, sandbox_mechanisms

_ROOT: Final = Path(__file__).parents[3]
_REFUSED: Final = {"EACCES", "EPERM", "EXDEV"}
_ESSENTIAL: Final = {"privileges", "files", "system_calls"}


def _prepare(root: Path) -> Path:
    """Make a database's directory and a neighbour, and return the first."""
    own, neighbour = root / "own", root / "neighbour"
    own.mkdir(parents=True)
    neighbour.mkdir()
    for path in (own / "mine", own / "mine-too", *(neighbour / name for name in ("secret", "movable", "removable"))):
        path.write_text("content")
    (neighbour / "secret.csv").write_text("a,b\n1,2\n")
    (own / "link-out").symlink_to(neighbour / "secret")
    (own / "link-out.csv").symlink_to(neighbour / "secret.csv")
    (own / "directory-link-out").symlink_to(neighbour)
    return own


def _run(program: str, *arguments: str) -> Any:
    """Run a scenario with nothing but a secret in its environment, and return its document."""
    command = [sys.executable, "-m", f"tests.graph_api.unit.{program}", *arguments]
    done = subprocess.run(
        command, cwd=_ROOT, env={"API_KEY": "secret"}, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document, done.stderr
    return document


@pytest.fixture(scope="module")
def confined(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Attempts of a confined process."""
    return _run("sandbox_attempts", str(_prepare(tmp_path_factory.mktemp("confined"))), "required")


@pytest.fixture(scope="module")
def unconfined(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same attempts of a process that is not confined."""
    return _run("sandbox_attempts", str(_prepare(tmp_path_factory.mktemp("unconfined"))), "off")


_SOMEWHERE: Final = Path("/somewhere/own")


@pytest.mark.parametrize("attempt", sandbox_attempts.refused_files(_SOMEWHERE))
def test_confined_process_reaches_no_file_outside(confined: Any, unconfined: Any, attempt: str) -> None:
    """What an ordinary process can do to other files, a confined one cannot."""
    assert unconfined["files"][attempt] == "ok"
    assert confined["files"][attempt] in _REFUSED


@pytest.mark.parametrize("attempt", sandbox_attempts.refused_calls())
def test_confined_process_reaches_no_network_and_no_process(confined: Any, unconfined: Any, attempt: str) -> None:
    """Sockets, programs, processes, signals and shared objects work without the sandbox, and are refused in it."""
    assert unconfined["calls"][attempt] == "ok"
    assert confined["calls"][attempt] == "EPERM"


@pytest.mark.parametrize("attempt", sandbox_attempts.refused_to_the_privileged())
def test_confined_process_has_no_powers(confined: Any, attempt: str) -> None:
    """What needs privileges or is a risk by itself is refused; only x86 knows the x32 calls."""
    expected = "ENOSYS" if attempt == "x32 call" and os.uname().machine != "x86_64" else "EPERM"
    assert confined["privileged"][attempt] == expected


@pytest.mark.parametrize("attempt", sandbox_attempts.ALLOWED)
def test_confined_process_can_work(confined: Any, attempt: str) -> None:
    """Files in the directory, threads, imports, the inherited socket and the process's own settings keep working."""
    by_path_too_old = attempt == "truncate by path" and landlock.version() < landlock.ABI_TRUNCATE
    assert confined["allowed"][attempt] == ("EPERM" if by_path_too_old else "ok")


def test_report_says_that_everything_holds(confined: Any, unconfined: Any) -> None:
    """In required mode everything essential is active; the rest is active exactly where the kernel offers it."""
    report = confined["report"]
    assert report["confined"]
    assert {name: entry["state"] for name, entry in report["mechanisms"].items()} == {
        str(entry.mechanism): "active" if entry.available else "unsupported" for entry in probe().mechanisms
    }
    assert {entry["state"] for entry in unconfined["report"]["mechanisms"].values()} == {"off"}


@pytest.mark.parametrize("mode", ["required", "off"])
def test_engines_work_and_stay_inside(tmp_path: Path, mode: str) -> None:
    """Both engines work in their directory; statements that reach outside fail in the sandbox, and only there."""
    document = _run("sandbox_engines", "statements", str(_prepare(tmp_path)), mode)
    assert set(document["lawful"].values()) == {"ok"}
    assert document["rows"] == [1000, 1000, 5]
    passed = {text for text, outcome in document["reaching"].items() if outcome == "ok"}
    outside = {*sandbox_engines.OUTSIDE_GRAPH, *sandbox_engines.OUTSIDE_STAGING}
    assert passed == (outside if mode == "off" else set())


def test_directory_cannot_become_code(tmp_path: Path) -> None:
    """Without new libraries nothing can be mapped as code; what is loaded, the engine above all, goes on working."""
    own = _prepare(tmp_path)
    sealed = _run("sandbox_engines", "libraries", str(own), "required")
    assert sealed.pop("native module").startswith("ImportError")
    assert sealed == {"query": 1, "library": "OSError", "executable memory": "EPERM", "thread": "ok"}


def test_landlock_alone(tmp_path: Path) -> None:
    """Landlock holds files, TCP, abstract sockets and signals; UDP and modes are what the filter is for."""
    found = _run("sandbox_mechanisms", "landlock", str(_prepare(tmp_path)))
    abi = found.pop("abi")
    assert found == {
        "read a neighbour": "EACCES",
        "truncate a neighbour": "EACCES" if abi >= landlock.ABI_TRUNCATE else "ok",
        "change a neighbour's mode": "ok",
        "TCP connect": "EACCES" if abi >= landlock.ABI_TCP else "ok",
        "TCP bind": "EACCES" if abi >= landlock.ABI_TCP else "ok",
        "UDP": "ok",
        "abstract socket": "EPERM" if abi >= landlock.ABI_SCOPES else "ok",
        "signal the parent": "EPERM" if abi >= landlock.ABI_SCOPES else "ok",
    }


def test_filter_alone(tmp_path: Path) -> None:
    """The filter holds sockets, signals and modes; reading files is what Landlock is for."""
    assert _run("sandbox_mechanisms", "seccomp", str(_prepare(tmp_path))) == {
        "read a neighbour": "ok",
        "truncate a neighbour": "EPERM",
        "change a neighbour's mode": "EPERM",
        "TCP": "EPERM",
        "UDP": "EPERM",
        "signal the parent": "EPERM",
    }


def test_privileges_are_gone(tmp_path: Path) -> None:
    """The kernel confirms: no capabilities, no new privileges, a filter, no core dumps."""
    found = _run("sandbox_mechanisms", "privileges", str(_prepare(tmp_path)))
    bounding = int(found.pop("CapBnd"), 16)
    assert (
        bounding == 0 or os.geteuid() != 0
    )  # Without capabilities the bounding set cannot be, and need not be, emptied.
    assert {name: int(value, 16) for name, value in found.items() if name.startswith("Cap")} == dict.fromkeys(
        ("CapInh", "CapPrm", "CapEff", "CapAmb"), 0
    )
    assert (found["NoNewPrivs"], found["Seccomp"], found["dumpable"]) == ("1", "2", 0)


def test_threads_that_run_already_are_reported(tmp_path: Path) -> None:
    """Landlock before ABI 8 and capabilities miss such threads: never reported as confined, refused when required."""
    found = _run("sandbox_mechanisms", "threads", str(_prepare(tmp_path)))
    misses = landlock.version() < landlock.ABI_ALL_THREADS
    states = {name: entry["state"] for name, entry in found["preferred"]["result"]["mechanisms"].items()}
    assert (states["privileges"], states["system_calls"]) == ("failed", "active")
    assert states["files"] == ("failed" if misses else "active")
    assert found["preferred"]["other thread"] == {"file": "ok" if misses else "EACCES", "socket": "EPERM"}
    assert found["required"]["result"]["code"] == "SANDBOX_UNAVAILABLE"
    assert "threads ran already" in found["required"]["result"]["detail"]


def test_missing_landlock_is_reported_or_refused(tmp_path: Path) -> None:
    """Without Landlock, preferred goes on with the rest and says why; required stops before anything happens."""
    found = _run("sandbox_mechanisms", "without-landlock", str(_prepare(tmp_path)))
    for case, word in (("missing", "5.13"), ("switched off", "lsm="), ("forbidden", "not permitted")):
        assert found[case]["probe"]["landlock_abi"] == 0
        assert not found[case]["result"]["confined"]
        mechanisms = found[case]["result"]["mechanisms"]
        assert {name: entry["state"] for name, entry in mechanisms.items()} == {
            "privileges": "active",
            "files": "unsupported",
            "tcp": "unsupported",
            "scopes": "unsupported",
            "system_calls": "active",
        }
        assert word in mechanisms["files"]["detail"]
        assert (found[case]["read a neighbour"], found[case]["socket"]) == ("ok", "EPERM")
    assert found["required"]["result"]["code"] == "SANDBOX_UNAVAILABLE"
    assert found["required"]["socket"] == "ok"


def test_worker_can_become_another_user() -> None:
    """Root's workers run as the user that owns the directory; a wrong owner, or missing rights, is an error."""
    # Not tmp_path: pytest keeps the directories above it from other users.
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        root.chmod(0o755)
        found = _run("sandbox_mechanisms", "identity", str(_prepare(root)))
    assert found["wrong owner"]["code"] == "SANDBOX_UNAVAILABLE"
    right = found["right owner"]
    if os.geteuid() == 0:
        assert "belongs to user 0, not to 65534" in found["wrong owner"]["detail"]
        assert right["result"]["confined"]
        assert right["ids"] == [[65534] * 3, [65534] * 3, []]
        assert right["write"] == "ok"
    else:
        assert right["result"]["mechanisms"]["privileges"]["state"] == "failed"


def test_probe_agrees_with_an_independent_attempt_and_changes_nothing(tmp_path: Path) -> None:
    """What the probe says is what the kernel does when asked by other means."""
    found = _run("sandbox_mechanisms", "probe", str(_prepare(tmp_path)))
    library = ctypes.CDLL(None, use_errno=True)
    version = library.syscall(444, None, ctypes.c_size_t(0), 1)
    has_filters = library.prctl(21, 0, 0, 0, 0) >= 0 and os.uname().machine in {"x86_64", "aarch64"}
    assert found["support"]["landlock_abi"] == max(0, version)
    assert {name: entry["available"] for name, entry in found["support"]["mechanisms"].items()} == {
        "privileges": os.uname().machine in {"x86_64", "aarch64"},
        "files": version >= 1,
        "tcp": version >= 4,
        "scopes": version >= 6,
        "system_calls": has_filters,
    }
    assert (found["unchanged"], found["file"]) == (True, "ok")


def test_every_scenario_is_used() -> None:
    """No scenario is written and then forgotten."""
    text = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in (*sandbox_engines.SCENARIOS, *sandbox_mechanisms.SCENARIOS) if f'"{name}"' not in text]


def test_required_refuses_a_kernel_that_lacks_something_essential() -> None:
    """The check at start-up names what is missing and what to do; `preferred` and `off` pass."""
    for lacking in Mechanism:
        support = SandboxSupport(0, tuple(MechanismSupport(each, each is not lacking, "why") for each in Mechanism))
        support.ensure(SandboxMode.PREFERRED)
        support.ensure(SandboxMode.OFF)
        assert [entry.mechanism for entry in support.missing()] == [lacking]
        if lacking in _ESSENTIAL:
            with pytest.raises(SandboxUnavailableError, match=f"lacks {lacking}: why.*LBUG_SANDBOX=preferred"):
                support.ensure(SandboxMode.REQUIRED)
        else:
            support.ensure(SandboxMode.REQUIRED)


def test_policy_refuses_what_would_open_neighbours(tmp_path: Path) -> None:
    """A relative directory, one inside a readable tree, or root as another user is an error."""
    SandboxPolicy(tmp_path)
    with pytest.raises(ValueError, match="must be absolute"):
        SandboxPolicy(Path("relative"))
    with pytest.raises(ValueError, match="next to other databases"):
        SandboxPolicy(tmp_path / "databases" / "one", read_only=(tmp_path,))
    with pytest.raises(ValueError, match="worker_uid must not be 0"):
        SandboxPolicy(tmp_path, worker_uid=0)


def test_readable_paths_are_few() -> None:
    """Nothing of what a tenant could be interested in is readable by default, and no path lies in another."""
    paths = default_read_only_paths()
    for secret in (
        "/etc/passwd",
        "/etc",
        "/proc",
        "/proc/self",
        "/tmp",
        "/home",
        "/var",
        "/dev",
        "/sys",
        "/",
        str(_ROOT),
    ):
        assert not [path for path in paths if Path(secret).is_relative_to(path)]
    assert not [(inner, outer) for inner in paths for outer in paths if inner != outer and inner.is_relative_to(outer)]
    assert all(path.is_absolute() and path.exists() for path in paths)
    assert Path(policy.__file__).is_relative_to(
        next(path for path in paths if Path(policy.__file__).is_relative_to(path))
    )


def test_newer_kernels_confine_more() -> None:
    """Each version of Landlock handles all rights of the one before."""
    handled = [landlock.handled_rights(abi) for abi in range(1, 12)]
    assert all(older & newer == older for older, newer in pairwise(handled))
    assert handled[0] == (1 << 13) - 1
    assert handled[-1] == (1 << 17) - 1
