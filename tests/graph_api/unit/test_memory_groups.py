"""Control groups of workers, on a tree of plain files in the place of the kernel's."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from robosystems.graph_api.backends.lbug.endings import report_end
from robosystems.graph_api.backends.lbug.memory_groups import MemoryGroups, is_delegated, own_group
from robosystems.graph_api.backends.lbug.observer import KillReason, SilentObserver, StopCause
from robosystems.graph_api.backends.lbug.worker_process import WorkerProcess
from robosystems.graph_api.domain.ids import GraphId

LIMIT = 512 << 20


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Make what looks like a delegated group that holds this process."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n")
    return tmp_path


def test_the_server_moves_into_a_leaf_and_hands_the_controller_down(own: Path) -> None:
    """A group that has groups with limits may hold no process."""
    groups = MemoryGroups.below(own, shutil.rmtree)
    assert groups.are_used
    assert groups.to_document()["state"] == "active"
    assert (own / "server" / "cgroup.procs").read_text() == str(os.getpid())
    assert (own / "cgroup.subtree_control").read_text() == "+memory"


def test_each_worker_has_a_group_until_it_ends(own: Path) -> None:
    """With its limit, and itself as the only process; nothing is left of it."""
    groups = MemoryGroups.below(own, shutil.rmtree)
    group = groups.confine(1234, LIMIT)
    assert group is not None
    assert (group.path / "memory.max").read_text() == str(LIMIT)
    assert (group.path / "cgroup.procs").read_text() == "1234"
    assert not group.has_run_out()
    group.remove()
    assert not list(own.glob("worker-*"))
    group.remove()


def test_no_limit_needs_no_group(own: Path) -> None:
    """A node without a limit of memory per database makes none."""
    groups = MemoryGroups.below(own, shutil.rmtree)
    assert groups.confine(1234, 0) is None
    assert not list(own.glob("worker-*"))


def test_groups_of_an_earlier_server_are_removed(own: Path) -> None:
    """Those that a kill of the server left."""
    (own / "worker-77").mkdir()
    MemoryGroups.below(own, shutil.rmtree)
    assert not (own / "worker-77").exists()


def test_without_the_controller_the_reason_is_told(own: Path) -> None:
    """Nothing is changed, and workers get no groups."""
    (own / "cgroup.controllers").write_text("cpu pids\n")
    groups = MemoryGroups.below(own, shutil.rmtree)
    assert groups.to_document() == {
        "state": "unsupported",
        "detail": "the server's control group has no memory controller",
    }
    assert groups.confine(1234, LIMIT) is None
    assert not (own / "server").exists()


def test_a_group_that_cannot_be_divided_is_left_as_it_was(own: Path) -> None:
    """The kernel refuses while other processes are in it: the server moves back."""
    (own / "cgroup.subtree_control").mkdir()  # Stands for the refusal: it cannot be written.
    (own / "cgroup.procs").write_text("")
    groups = MemoryGroups.below(own, shutil.rmtree)
    assert not groups.are_used
    assert "cannot be divided" in groups.to_document()["detail"]
    assert (own / "cgroup.procs").read_text() == str(os.getpid())
    assert not (own / "server").exists()


def test_only_a_marked_group_is_used(own: Path) -> None:
    """Being able to write to a group is no permission to."""
    assert not is_delegated(own)
    assert not is_delegated(own / "nowhere")


def test_the_own_group_is_found_among_all_kinds() -> None:
    """Version 2 has the line without controllers; machines with version 1 only have none."""
    assert own_group("9:name=systemd:/x\n0::/system.slice/graph.service\n") == "system.slice/graph.service"
    assert own_group("0::/\n") == ""
    assert own_group("4:memory:/x\n") is None


@dataclass
class Kills(SilentObserver):
    """Remembers the last kill, or death."""

    last: str = ""

    def killed(self, graph_id: GraphId, reason: KillReason) -> None:
        """Remember it."""
        self.last = f"killed {reason}"

    def crashed(self, graph_id: GraphId, cause: str) -> None:
        """Remember it."""
        self.last = f"crashed {cause}"


@dataclass
class Owner:
    """Whom a worker belongs to."""

    told: bool = False

    def worker_lost(self, worker: WorkerProcess) -> None:
        """Remember that it was told; by then it can know why."""
        assert worker.ran_out_of_memory in {True, False}
        self.told = True

    def worker_degraded(self) -> None:
        """Not expected here."""
        raise AssertionError

    def worker_stopped_query(self, cause: StopCause) -> None:
        """Not expected here."""
        raise AssertionError(cause)


@pytest.mark.anyio
@pytest.mark.parametrize(("kills", "told"), [(0, "crashed unknown"), (1, "killed memory")])
async def test_a_worker_that_the_kernel_ended_for_its_memory_is_told_from_others(
    own: Path, kills: int, told: str
) -> None:
    """Its queries get the error for memory, and the figures the reason."""
    group = MemoryGroups.below(own, shutil.rmtree).confine(1234, LIMIT)
    assert group is not None
    (group.path / "memory.events").write_text(f"low 0\noom 1\noom_kill {kills}\n")
    owner = Owner()
    worker = WorkerProcess(1, owner, 1000)
    worker.group = group
    worker.connection_lost(broken_protocol=False)
    worker.template_died()
    assert owner.told
    assert worker.ran_out_of_memory is bool(kills)
    observer = Kills()
    report_end(observer, GraphId("g"), worker, None)
    assert observer.last == told
    assert not group.path.exists()


def test_what_bounds_memory_is_reported() -> None:
    """What is found on this machine has a state and a reason."""
    document = MemoryGroups.prepare().to_document()
    assert document["state"] in {"active", "unsupported"}
    assert document["detail"]
