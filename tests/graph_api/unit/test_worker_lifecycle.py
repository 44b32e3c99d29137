"""A real template and its workers: opening, closing, dying, recovering, and leaving nothing behind."""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from robosystems.graph_api.backends.lbug.engine import Engine
from robosystems.graph_api.backends.lbug.wire import Format, Kind
from robosystems.graph_api.concurrency.linux import open_descriptors
from tests.graph_api.worker_harness import TemplateHarness, WorkerClient, running_template

_TABLE = "CREATE NODE TABLE P(id INT64, name STRING, PRIMARY KEY(id))"
_SLOW = "UNWIND range(1, 9000) AS a UNWIND range(1, 9000) AS b UNWIND range(1, 9000) AS c WITH a * b AS d RETURN max(d)"
_COUNT = "MATCH (p:P) RETURN count(*) AS n"


@pytest.fixture(scope="module")
def template() -> Iterator[TemplateHarness]:
    """Start a template for the tests of this module."""
    with running_template() as harness:
        yield harness


def _soon(condition: Callable[[], bool], timeout_s: float = 20.0) -> bool:
    give_up = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


def _filled(template: TemplateHarness, directory: Path, rows: int = 10) -> WorkerClient:
    client = template.open(directory)
    client.write(_TABLE)
    for number in range(rows):
        client.write("CREATE (:P {id: $id})", {"id": number})
    return client


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_ready_names_versions_and_confinement(template: TemplateHarness, tmp_path: Path) -> None:
    """An open worker says what it runs and what confines it."""
    client = template.open(tmp_path)
    assert client.ready is not None
    assert (client.ready.engine_version, client.ready.storage_version) == (Engine.version, Engine.storage_version)
    assert client.ready.open_ms > 0
    assert client.ready.sandbox["mode"] == "preferred"
    assert client.ready.possible_loss == ()
    assert psutil.Process(client.process_id).nice() == 5
    assert psutil.Process(client.process_id).name() == "graph:test"
    assert template.shut(client) == 0


def test_close_checkpoints(template: TemplateHarness, tmp_path: Path) -> None:
    """After CLOSE the database file stands alone and holds everything."""
    client = _filled(template, tmp_path)
    assert template.shut(client) == 0
    assert _names(tmp_path) == {"graph.lbug", "lock"}
    client = template.open(tmp_path)
    assert client.run(_COUNT).data == [{"n": 10}]
    assert template.shut(client) == 0


def test_sigterm_closes_cleanly_too(template: TemplateHarness, tmp_path: Path) -> None:
    """A worker that is terminated closes its database as at CLOSE."""
    client = _filled(template, tmp_path)
    os.kill(client.process_id, signal.SIGTERM)
    assert template.exit_of(client) == 0
    assert _names(tmp_path) == {"graph.lbug", "lock"}


def test_close_finishes_what_runs_and_refuses_the_rest(template: TemplateHarness, tmp_path: Path) -> None:
    """What runs at CLOSE is answered as ever; what comes after it is refused."""
    client = _filled(template, tmp_path)
    running = client.start("UNWIND range(1, 300000) AS x RETURN x", format=Format.NDJSON)
    client.pump(lambda: client.answers[running].streamed)
    client.post(Kind.CLOSE, 0)
    late = client.start("RETURN 1")
    late_write = client.start("CREATE (:P {id: -1})", write=True)
    assert client.wait(late).error == "SHUTTING_DOWN"
    assert client.wait(late_write).error == "SHUTTING_DOWN"
    assert client.wait(running).rows == 300_000
    assert template.exit_of(client) == 0


def test_end_of_file_ends_the_worker_at_once(template: TemplateHarness, tmp_path: Path) -> None:
    """A worker whose API process is gone exits, idle or busy on all lanes; what it committed is there."""
    for busy in (False, True):
        directory = tmp_path / str(busy)
        directory.mkdir()
        client = _filled(template, directory)
        if busy:
            for write in (False, False, True):
                client.start(_SLOW, write=write)
            time.sleep(0.1)
        client.close()
        assert template.exit_of(client, 10.0) != 0
        again = template.open(directory)
        assert again.run(_COUNT).data == [{"n": 10}]
        assert template.shut(again) == 0


def test_nonsense_on_the_socket_ends_the_worker(template: TemplateHarness, tmp_path: Path) -> None:
    """A frame of impossible length, or of an unknown kind, means a broken peer."""
    for number, nonsense in enumerate((b"\xff\xff\xff\xff\x01\0\0\0\0", b"\0\0\0\0\x63\0\0\0\0")):
        directory = tmp_path / str(number)
        directory.mkdir()
        client = template.open(directory)
        client.sock.sendall(nonsense)
        assert template.exit_of(client, 10.0) != 0


def test_killed_worker_is_reported_and_loses_nothing(template: TemplateHarness, tmp_path: Path) -> None:
    """After a kill all acknowledged writes are there, and the next worker opens at once."""
    client = _filled(template, tmp_path, rows=50)
    os.kill(client.process_id, signal.SIGKILL)
    assert template.exit_of(client) == -signal.SIGKILL
    client.close()
    again = template.open(tmp_path)
    assert again.ready is not None
    assert again.ready.possible_loss == ()
    assert again.run(_COUNT).data == [{"n": 50}]
    assert template.shut(again) == 0


def test_native_crash_costs_one_worker_only(template: TemplateHarness, tmp_path: Path) -> None:
    """A statement that crashes the engine ends its worker by a signal; others and the template go on."""
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one, other = template.open(tmp_path / "one"), template.open(tmp_path / "other")
    one.start("CALL READ_PARQUET('x') RETURN *")
    assert template.exit_of(one) == -signal.SIGSEGV
    assert other.run("RETURN 1 AS x").data == [{"x": 1}]
    assert template.shut(other) == 0


def test_locked_directory_is_refused(template: TemplateHarness, tmp_path: Path) -> None:
    """While another process holds the lock a worker gives up with a typed error; a short hold is waited for."""
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        client = template.fork(tmp_path)
        client.pump(lambda: client.failed is not None)
        assert client.failed is not None
        assert client.failed.code == "DATABASE_LOCKED"
        assert template.exit_of(client) == 1
        waiting = template.fork(tmp_path)
        time.sleep(0.2)
        fcntl.flock(lock, fcntl.LOCK_UN)
        waiting.pump(lambda: waiting.ready is not None)
    assert template.shut(waiting) == 0


def test_second_worker_of_one_database_is_refused(template: TemplateHarness, tmp_path: Path) -> None:
    """Two workers never have one database open."""
    first, second = template.open(tmp_path), template.fork(tmp_path)
    second.pump(lambda: second.failed is not None)
    assert second.failed is not None
    assert second.failed.code == "DATABASE_LOCKED"
    assert first.run("RETURN 1 AS x").data == [{"x": 1}]
    assert template.shut(first) == 0


def test_missing_directory_is_refused(template: TemplateHarness, tmp_path: Path) -> None:
    """A directory that is not there is an error, not a crash."""
    client = template.fork(tmp_path / "nowhere")
    client.pump(lambda: client.failed is not None)
    assert client.failed is not None
    assert client.failed.code == "UNAVAILABLE"
    assert template.exit_of(client) == 1


def test_foreign_file_is_refused(template: TemplateHarness, tmp_path: Path) -> None:
    """A file that is no database, or of another storage version, is refused by the reason and left as it is."""
    client = _filled(template, tmp_path)
    assert template.shut(client) == 0
    path = tmp_path / "graph.lbug"
    content = path.read_bytes()
    position = content.index(b"LBUG") + 4
    other_version = content[:position] + b"\x07" + content[position + 1 :]
    for wrong, code in ((other_version, "STORAGE_VERSION"), (b"something else " * 1000, "DATABASE_BROKEN")):
        path.write_bytes(wrong)
        failed = template.fork(tmp_path)
        failed.pump(lambda failed=failed: failed.failed is not None)
        assert failed.failed is not None
        assert failed.failed.code == code
        assert template.exit_of(failed) == 1
        assert path.read_bytes() == wrong


@pytest.mark.parametrize("damage", ["torn", "changed"])
def test_damaged_log_is_set_aside_and_replayed_as_far_as_it_goes(
    template: TemplateHarness, tmp_path: Path, damage: str
) -> None:
    """A torn or changed write-ahead log costs the commits after the damage, is kept, and is told."""
    client = _filled(template, tmp_path, rows=100)
    os.kill(client.process_id, signal.SIGKILL)
    template.exit_of(client)
    log = tmp_path / "graph.lbug.wal"
    content = log.read_bytes()
    if damage == "torn":
        damaged = content[: len(content) * 2 // 3]
    else:
        middle = len(content) * 2 // 3
        damaged = (
            content[:middle] + bytes(255 - byte for byte in content[middle : middle + 64]) + content[middle + 64 :]
        )
    log.write_bytes(damaged)
    again = template.open(tmp_path)
    assert again.ready is not None
    rows = again.run(_COUNT).data[0]["n"]
    assert 0 < rows < 100
    if damage == "changed":
        assert len(again.ready.possible_loss) == 1
        kept = [path for path in tmp_path.iterdir() if ".wal.torn-" in path.name]
        assert kept[0].read_bytes() == damaged
    again.write("CREATE (:P {id: 1000})")
    assert template.shut(again) == 0


def test_workers_hold_only_their_own_descriptors(template: TemplateHarness, tmp_path: Path) -> None:
    """Later workers inherit nothing of earlier ones: closing a socket reaches its worker."""
    clients: list[WorkerClient] = []
    for number in range(4):
        directory = tmp_path / str(number)
        directory.mkdir()
        clients.append(template.open(directory))
    counts = {open_descriptors(client.process_id) for client in clients}
    assert len(counts) == 1
    for client in clients:
        client.close()
        assert template.exit_of(client, 10.0) != 0


def test_many_lives_leave_nothing_in_the_template(template: TemplateHarness, tmp_path: Path) -> None:
    """Two hundred workers later the template has the same descriptors, no threads and no zombies."""
    process = psutil.Process(template.process.pid)
    before = open_descriptors(process.pid)
    for _ in range(200):
        client = template.open(tmp_path)
        assert template.shut(client) == 0
    assert open_descriptors(process.pid) == before
    assert process.num_threads() == 1
    assert process.children() == []


def test_terminal_interrupt_reaches_nobody(template: TemplateHarness, tmp_path: Path) -> None:
    """Control-C is the API process's affair: the template and its workers ignore the signal."""
    client = template.open(tmp_path)
    for process_id in (client.process_id, template.process.pid):
        os.kill(process_id, signal.SIGINT)
    assert client.run("RETURN 1 AS x").data == [{"x": 1}]
    assert template.shut(client) == 0


def test_template_without_its_owner_ends_with_its_workers(tmp_path: Path) -> None:
    """When the control socket closes, stopped workers are ended too, and the template exits."""
    harness = TemplateHarness()
    client = harness.open(tmp_path)
    stuck = psutil.Process(client.process_id)
    stuck.suspend()
    assert harness.stop() == 0
    assert _soon(lambda: not stuck.is_running())


def test_environment_is_empty_and_memory_small(template: TemplateHarness, tmp_path: Path) -> None:
    """A worker carries no variable of the server, and little of its own memory."""
    client = template.open(tmp_path)
    assert client.run("RETURN 1 AS x").data == [{"x": 1}]
    assert b"=" not in Path(f"/proc/{client.process_id}/environ").read_bytes()
    assert psutil.Process(client.process_id).memory_full_info().uss < 40 << 20
    assert template.shut(client) == 0


def test_memory_bomb_is_refused_and_the_worker_goes_on(template: TemplateHarness, tmp_path: Path) -> None:
    """A statement over the database's memory gets its own error, also with a limit for the whole process."""
    client = template.open(tmp_path, memory_bytes=192 << 20)
    answer = client.run("UNWIND range(1, 30000000) AS x RETURN string(x) + 'abcdefghijklmnop' AS s ORDER BY s")
    assert answer.error == "MEMORY_EXCEEDED"
    assert client.run("RETURN 1 AS x").data == [{"x": 1}]
    assert template.shut(client) == 0
