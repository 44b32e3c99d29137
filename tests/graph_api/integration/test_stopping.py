"""Queries that are stopped, workers that end, and the figures that tell of both."""

import io
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.graph_api.integration.survival.family import WAIT_S, Family, within
from tests.graph_api.server_process import ServerProcess
from tests.graph_api.waiting import answered

pytestmark = pytest.mark.integration

DDL = "CREATE NODE TABLE N(id INT64, text STRING, PRIMARY KEY(id))"
ENDLESS = "UNWIND range(1, 1000000) AS a UNWIND range(1, 1000000) AS b WITH a % b AS c RETURN max(c)"
LARGE = b"id,text\n" + b"".join(b"%d,some text\n" % number for number in range(1000, 600_000))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Run one server with one database; each answer comes from its process."""
    with ServerProcess(tmp_path_factory.mktemp("stopping"), LBUG_RESULT_CACHE_MB="0") as server:
        with server.http() as http:
            body = {"graph_id": "g", "schema_type": "custom", "custom_schema_ddl": DDL}
            assert http.post("/databases", json=body).status_code == 201
        yield server


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    """Give a client of the server, the database open."""
    with server.http() as http:
        assert within(WAIT_S, lambda: query(http, "RETURN 1 AS x").is_success)
        yield http


def query(http: httpx.Client, cypher: str, **body: Any) -> httpx.Response:
    """Send a query."""
    return http.post("/databases/g/query", json={"cypher": cypher, **body})


def pending(http: httpx.Client) -> list[str]:
    """Return the ids of pending queries."""
    return [each["query_id"] for each in http.get("/databases/g/queries").json()["queries"]]


def figure(http: httpx.Client, name: str, label: str) -> float:
    """Return a counter for one value of its only label; 0 if it has not counted yet."""
    found = re.search(rf'^graph_api_{name}_total{{\w+="{label}"}} (\S+)$', http.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def counts_one(http: httpx.Client, name: str, label: str, event: Callable[[], object]) -> bool:
    """Whether a counter grows by one when something happens."""
    before = figure(http, name, label)
    event()
    return within(WAIT_S, lambda: figure(http, name, label) == before + 1)


def test_queries_that_are_stopped_are_counted_by_cause(server: ServerProcess, http: httpx.Client) -> None:
    """By their deadline, by a cancel, because the client has gone; none of these costs a worker."""

    def expire() -> None:
        assert query(http, ENDLESS, timeout=0.3).json()["code"] == "QUERY_TIMEOUT"

    def cancel() -> None:
        with ThreadPoolExecutor(1) as pool, server.http() as other:
            running = pool.submit(query, other, ENDLESS, timeout=60)
            assert within(WAIT_S, lambda: len(pending(http)) == 1)
            assert http.delete(f"/databases/g/queries/{pending(http)[0]}").is_success
            assert running.result(timeout=WAIT_S).json()["code"] == "QUERY_CANCELLED"

    def vanish() -> None:
        with server.http() as other, pytest.raises(httpx.ReadTimeout):
            other.post("/databases/g/query", json={"cypher": ENDLESS, "timeout": 60}, timeout=0.5)

    worker = Family(server.process_id).worker("g")
    assert counts_one(http, "stopped_queries", "deadline", expire)
    assert counts_one(http, "stopped_queries", "cancelled", cancel)
    assert counts_one(http, "stopped_queries", "cancelled", vanish)
    assert Family(server.process_id).worker("g") == worker


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_deaths_of_workers_are_counted_by_signal(
    server: ServerProcess, http: httpx.Client, number: signal.Signals
) -> None:
    """Each death once, under the name of the signal."""

    def kill() -> None:
        worker = Family(server.process_id).worker("g")
        assert worker is not None
        os.kill(worker, number)

    assert counts_one(http, "worker_restarts", number.name, kill)


def test_a_stuck_worker_is_counted_as_such(server: ServerProcess, http: httpx.Client) -> None:
    """The statement is answered at its deadline; the worker that did not stop it is killed."""

    def hang() -> None:
        worker = Family(server.process_id).worker("g")
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)
        assert query(http, "RETURN 1 AS x", timeout=0.3).json()["code"] == "QUERY_TIMEOUT"

    assert counts_one(http, "worker_restarts", "stuck", hang)


def test_a_worker_that_ends_after_a_failed_load_did_not_crash(http: httpx.Client) -> None:
    """The engine cannot undo such a load completely, so the worker makes room for a new one: a reason of its own."""
    text = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff\xfe"]).buffers())
    file = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2], "text": text}), file)

    def fail() -> None:
        headers = {"Content-Type": "application/vnd.apache.parquet"}
        answer = http.post("/databases/g/load/N", content=file.getvalue(), headers=headers)
        assert answer.json()["code"] == "LOAD_FAILED", answer.text

    before = figure(http, "worker_restarts", "exit 0")
    assert counts_one(http, "worker_restarts", "spoiled", fail)
    assert figure(http, "worker_restarts", "exit 0") == before
    counting = answered(lambda: query(http, "MATCH (n:N) WHERE n.id < 1000 RETURN count(n) AS n"))
    assert counting.json()["data"] == [{"n": 0}]


def test_the_template_is_counted_apart(server: ServerProcess, http: httpx.Client) -> None:
    """Its death costs no database, and is a figure of its own."""
    assert counts_one(http, "template_restarts", "SIGKILL", Family(server.process_id).kill_template)
    assert query(http, "RETURN 1 AS x").is_success


@pytest.mark.parametrize("by", ["cancel", "disconnect"])
def test_a_load_that_hangs_does_not_hold_up_writes(server: ServerProcess, http: httpx.Client, by: str) -> None:
    """Stopped by its owner, it is interrupted; a worker that does not react is killed long before the time-out."""
    connection = begin_load(server)
    assert within(WAIT_S, lambda: len(pending(http)) == 1)
    worker = Family(server.process_id).worker("g")
    assert worker is not None
    os.kill(worker, signal.SIGSTOP)

    def stop() -> None:
        if by == "cancel":
            assert http.delete(f"/databases/g/queries/{pending(http)[0]}").is_success
        else:
            connection.close()

    assert counts_one(http, "worker_restarts", "stuck", stop)
    assert answered(lambda: query(http, "RETURN 1 AS x")).is_success
    assert query(http, "MERGE (n:N {id: 1}) SET n.text = 'x'").is_success
    found = query(http, "MATCH (n:N) WHERE n.id >= 1000 RETURN count(n) AS n").json()["data"]
    assert found == [{"n": 0}]
    if by == "cancel":
        assert b"QUERY_CANCELLED" in rest_of(connection)
    connection.close()


@pytest.mark.parametrize("by", ["cancel", "disconnect"])
def test_a_long_load_can_be_stopped(server: ServerProcess, http: httpx.Client, by: str) -> None:
    """By its owner's cancel, or because its client has gone: nothing of it is kept, and its worker goes on."""
    connection = begin_load(server)
    assert within(WAIT_S, lambda: len(pending(http)) == 1)
    if by == "cancel":
        assert http.delete(f"/databases/g/queries/{pending(http)[0]}").is_success
        assert b"QUERY_CANCELLED" in rest_of(connection)
    connection.close()
    assert within(WAIT_S, lambda: not pending(http))
    found = answered(lambda: query(http, "MATCH (n:N) WHERE n.id >= 1000 RETURN count(n) AS n")).json()["data"]
    assert found == [{"n": 0}]


def begin_load(server: ServerProcess) -> socket.socket:
    """Send a load, and return the connection on which its answer will come."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = (
        "POST /databases/g/load/N?timeout=600 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: text/csv\r\nX-Graph-API-Key: {server.key}\r\nContent-Length: {len(LARGE)}\r\n\r\n"
    )
    connection.sendall(head.encode() + LARGE)
    return connection


def rest_of(connection: socket.socket) -> bytes:
    """Return all that still comes."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))
