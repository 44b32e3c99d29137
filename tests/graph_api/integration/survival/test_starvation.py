"""Disks that fill up or refuse, descriptors that run out, processes that stand still, clients that do."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest

from tests.graph_api.integration.survival.family import WAIT_S, Family, Footprint, leftovers, within
from tests.graph_api.integration.survival.journal import Journal, Outcome, check_all, make_database
from tests.graph_api.integration.survival.writers import BY_NAME, ROW, write
from tests.graph_api.server_process import ServerProcess

pytestmark = pytest.mark.integration

NAMES: Final = ("one", "two")
DISK_BYTES: Final = 24 << 20
LOG_BYTES: Final = 6 << 10
SPARE_DESCRIPTORS: Final = 6
MANY_ROWS: Final = "UNWIND range(1, 2000000) AS x RETURN x, 'a text that takes some room in every row' AS t"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server for this file, on a disk of its own if this machine allows that."""
    folder = tmp_path_factory.mktemp("starved")
    databases = folder / "databases"
    databases.mkdir()
    settings = {"LBUG_MEMORY_PER_DB_MB": "1024", "LBUG_RESULT_CACHE_MB": "0"}  # Each answer comes from a worker.
    with small_disk(databases), ServerProcess(folder, more_keys=(), **settings) as server:
        with server.http() as http:
            for name in NAMES:
                make_database(http, name)
        yield server
        assert server.stop() == 0
        assert leftovers(databases) == []


@contextlib.contextmanager
def small_disk(folder: Path) -> Generator[None]:
    """Mount a small file system in memory, where that is permitted."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    """Give a client of the server."""
    with server.http() as http:
        yield http


@pytest.fixture(scope="module")
def journal(server: ServerProcess) -> Journal:
    """Give the journal of everything that this file writes."""
    return Journal(server.folder / "journal.txt")


def query(http: httpx.Client, graph_id: str, cypher: str, **body: Any) -> httpx.Response:
    """Send a query."""
    return http.post(f"/databases/{graph_id}/query", json={"cypher": cypher, **body})


def worker_of(server: ServerProcess, http: httpx.Client, graph_id: str) -> int:
    """Return the worker of a database, opening it if need be."""
    family = Family(server.process_id)
    assert within(
        WAIT_S, lambda: query(http, graph_id, "RETURN 1 AS x").is_success and family.worker(graph_id) is not None
    )
    process_id = family.worker(graph_id)
    assert process_id is not None
    return process_id


@contextlib.contextmanager
def full_disk(server: ServerProcess, worker: int) -> Generator[None]:
    """Leave no space: a ballast fills the small disk, or the worker may not write more than a short log."""
    databases = server.folder / "databases"
    if databases.is_mount():
        ballast = databases / ".ballast"
        with ballast.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        try:
            yield
        finally:
            ballast.unlink()
    else:
        _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (LOG_BYTES, hard))
        yield  # The process that replaces this one has no limit.


def test_a_full_disk_gives_errors_and_no_damage(server: ServerProcess, http: httpx.Client, journal: Journal) -> None:
    """Writes are refused as such, reads go on; when there is space again everything acknowledged is there."""
    worker = worker_of(server, http, "one")
    for kind in ("row", "load", "row", "row"):
        assert write(http, journal, "one", BY_NAME[kind]).outcome is Outcome.ACKNOWLEDGED
    with full_disk(server, worker):
        refused = [write(http, journal, "one", BY_NAME[kind]) for kind in ("load", "load-nodes", "transaction") * 3]
        refused += [write(http, journal, "one", ROW) for _ in range(200)]
        codes = {entry.detail.split()[1] for entry in refused if entry.detail}
        assert query(http, "two", "MATCH (n:N) RETURN count(n) AS n").json()["data"] == [{"n": 2}]
        assert http.get("/health").is_success
        assert codes <= {"DISK_FULL", "DATABASE_BROKEN", "WORKER_CRASHED"}, codes
        assert "DISK_FULL" in codes
    assert within(WAIT_S, lambda: write(http, journal, "one", ROW).outcome is Outcome.ACKNOWLEDGED)
    check_all(server, journal, ("one",))
    Family(server.process_id).kill_worker("one")
    assert within(WAIT_S, lambda: query(http, "one", "RETURN 1 AS x").is_success)
    check_all(server, journal, ("one",))


def test_a_load_whose_checkpoint_fails_is_not_acknowledged(
    server: ServerProcess, http: httpx.Client, journal: Journal
) -> None:
    """The rows of a load are in no log: without the checkpoint they are lost with the process, so it is refused."""
    worker = worker_of(server, http, "one")
    _, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (LOG_BYTES, hard))
    kinds = ("row", "load", "row", "load-nodes", "transaction")
    entries = [write(http, journal, "one", BY_NAME[kind]) for kind in kinds]
    assert entries[0].outcome is Outcome.ACKNOWLEDGED
    assert (entries[1].outcome, entries[1].detail.split()[1]) == (Outcome.REFUSED, "DISK_FULL")
    worker_of(server, http, "one")
    check_all(server, journal, ("one",))
    Family(server.process_id).kill_worker("one")
    worker_of(server, http, "one")
    check_all(server, journal, ("one",))


@contextlib.contextmanager
def read_only(folder: Path) -> Generator[None]:
    """Make a directory read-only: by a mount for those whom permissions do not bind, else by permissions."""
    if os.geteuid() != 0:
        folder.chmod(0o500)
        try:
            yield
        finally:
            folder.chmod(0o700)
        return
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_stopped_worker_is_answered_for_and_replaced(server: ServerProcess, http: httpx.Client) -> None:
    """Its queries get their time-outs, other databases notice nothing, and then it is killed and replaced."""
    stopped = worker_of(server, http, "one")
    os.kill(stopped, signal.SIGSTOP)
    assert query(http, "one", "RETURN 1 AS x", timeout=0.5).json()["code"] == "QUERY_TIMEOUT"
    assert query(http, "two", "RETURN 1 AS x").is_success
    assert within(WAIT_S, lambda: query(http, "one", "RETURN 1 AS x", timeout=1).is_success)
    assert within(WAIT_S, lambda: not psutil.pid_exists(stopped))


def test_a_worker_that_crashes_again_and_again_costs_nobody_else(server: ServerProcess, http: httpx.Client) -> None:
    """It is not restarted in a loop that nobody asked for, it is not quarantined, and it comes back when asked."""
    family = Family(server.process_id)
    worker_of(server, http, "two")
    for _ in range(10):
        worker_of(server, http, "one")
        family.kill_worker("one")
        assert query(http, "two", "RETURN 1 AS x").is_success
    assert within(WAIT_S, lambda: query(http, "one", "RETURN 1 AS x").is_success)
    assert http.get("/databases/one").json()["status"] == "active"


def test_slow_and_vanished_clients_hold_nothing(server: ServerProcess, http: httpx.Client) -> None:
    """A reader of a few bytes a second does not slow others down, and whoever goes away leaves no query behind."""
    worker_of(server, http, "one")
    before = Footprint.of(server.process_id)
    slow = [begin_stream(server) for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert [len(reader.recv(1)) for reader in slow] == [1] * len(slow)
            answers = pool.map(lambda _: query(http, "one", "RETURN 1 AS x").is_success, range(20))
            assert all(answers)
    memory = http.get("/databases/one").json()["memory_bytes"]
    assert memory < 1 << 30
    for reader in slow:
        reader.close()
    assert within(WAIT_S, lambda: http.get("/databases/one/queries").json()["queries"] == [])
    assert within(WAIT_S, lambda: Footprint.of(server.process_id).sockets <= before.sockets + 4)


def begin_stream(server: ServerProcess) -> socket.socket:
    """Ask for a large answer and read nothing of it yet."""
    reader = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    body = f'{{"cypher": "{MANY_ROWS}", "timeout": 120}}'
    reader.sendall(
        (
            "POST /databases/one/query HTTP/1.1\r\nHost: localhost\r\nAccept: application/x-ndjson\r\n"
            f"X-Graph-API-Key: {server.key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
    )
    return reader


def test_a_client_that_vanishes_in_an_upload_leaves_no_file(server: ServerProcess, http: httpx.Client) -> None:
    """Half a file is not loaded, and not kept."""
    incoming = server.folder / "databases" / "one" / "incoming"
    sender = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = (
        "POST /databases/one/load/N HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
        f"X-Graph-API-Key: {server.key}\r\nContent-Length: 100000\r\n\r\nid,op\n5,0\n"
    )
    sender.sendall(head.encode())
    assert within(WAIT_S, lambda: bool(list(incoming.iterdir())))
    sender.close()
    assert within(WAIT_S, lambda: not list(incoming.iterdir()))
    assert query(http, "one", "MATCH (n:N {id: 5}) RETURN n.op AS op").json()["row_count"] == 0


def test_an_upload_survives_the_opening_of_its_database(server: ServerProcess, http: httpx.Client) -> None:
    """A database that opens clears what old processes left, not what a client is just sending."""
    worker_of(server, http, "one")
    family = Family(server.process_id)

    def body() -> Generator[bytes]:
        yield b"id,op\n77,0\n"
        family.kill_worker("one")
        assert within(WAIT_S, lambda: query(http, "one", "RETURN 1 AS x").is_success)
        yield b"78,0\n"

    with server.http() as sender:
        answer = sender.post("/databases/one/load/N", content=body(), headers={"Content-Type": "text/csv"})
    assert (answer.status_code, answer.json().get("rows_loaded")) == (200, 2), answer.text


def test_a_node_without_descriptors_says_so_and_recovers(server: ServerProcess, http: httpx.Client) -> None:
    """What needs a new descriptor is refused or waits; what is open goes on; afterwards all is well."""
    worker_of(server, http, "one")
    Family(server.process_id).kill_worker("two")
    assert within(WAIT_S, lambda: query(http, "two", "RETURN 1 AS x").is_success)
    before = Footprint.of(server.process_id)
    soft, hard = resource.prlimit(server.process_id, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process_id, resource.RLIMIT_NOFILE, (before.descriptors + SPARE_DESCRIPTORS, hard))
    held: list[socket.socket] = []
    try:
        held = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(2 * SPARE_DESCRIPTORS)]
        assert query(http, "one", "RETURN 1 AS x").is_success
        Family(server.process_id).kill_worker("two")
        answer = query(http, "two", "RETURN 1 AS x", timeout=2)
        assert answer.is_success or answer.status_code in {503, 504}, answer.text
    finally:
        resource.prlimit(server.process_id, resource.RLIMIT_NOFILE, (soft, hard))
        for connection in held:
            connection.close()
    for name in NAMES:
        assert within(WAIT_S, lambda name=name: query(http, name, "RETURN 1 AS x").is_success)
    with server.http() as fresh:
        assert within(WAIT_S, lambda: is_healthy(fresh))
    assert within(WAIT_S, lambda: Footprint.of(server.process_id).fits_into(before)), Footprint.of(server.process_id)


def is_healthy(http: httpx.Client) -> bool:
    """Whether a new connection is served."""
    with contextlib.suppress(httpx.TransportError):
        return http.get("/health").is_success
    return False


def test_a_read_only_disk_is_reported_and_not_taken_for_damage(
    server: ServerProcess, http: httpx.Client, journal: Journal
) -> None:
    """The database does not open and is not quarantined; when the disk takes writes again, it does."""
    assert write(http, journal, "one", ROW).outcome is Outcome.ACKNOWLEDGED
    folder = server.folder / "databases" / "one"
    with read_only(folder):
        Family(server.process_id).kill_worker("one")
        assert within(WAIT_S, lambda: is_refused(lambda: query(http, "one", "RETURN 1 AS x")))
        assert http.get("/databases/one").json()["status"] == "active"
    assert within(WAIT_S, lambda: query(http, "one", "RETURN 1 AS x").is_success)
    check_all(server, journal, ("one",))


def is_refused(send: Callable[[], httpx.Response]) -> bool:
    """Whether the answer says that the file system refuses."""
    answer = send()
    return answer.status_code == 503 and answer.json()["code"] == "UNAVAILABLE"
