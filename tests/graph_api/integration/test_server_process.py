"""The server as a process: start, refusals, signals, what is left behind."""

import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.graph_api.api.contract import assert_problem
from tests.graph_api.api.running_server import KEY, RunningServer, command, environment_of, running_server

pytestmark = pytest.mark.integration

WAIT_S = 20.0
SLOW = "UNWIND range(1, 200000) AS a UNWIND range(1, 200000) AS b WITH a, b WHERE a * b < 0 RETURN count(*) AS n"
"""Runs far longer than any test waits for it."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server of the test's own, with one small database."""
    with running_server(tmp_path, settings={"LBUG_SHUTDOWN_GRACE_SECONDS": "20"}) as server:
        with server.client() as client:
            create(client)
        yield server


def create(client: httpx.Client, graph_id: str = "kg1") -> None:
    """Create a small database."""
    ddl = "CREATE NODE TABLE T(id INT64 PRIMARY KEY)"
    body = {"graph_id": graph_id, "schema_type": "custom", "custom_schema_ddl": ddl}
    assert client.post("/databases", json=body).status_code == 201


def query(client: httpx.Client, cypher: str, **fields: Any) -> httpx.Response:
    """Run a statement on the small database."""
    return client.post("/databases/kg1/query", json={"cypher": cypher, **fields})


def eventually(holds: Callable[[], bool]) -> None:
    """Wait, bounded, until something holds."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Slow:
    """A query that runs in the background until its time-out."""

    def __init__(self, server: RunningServer, timeout: float) -> None:
        self._server = server
        self._timeout = timeout
        self.answer: httpx.Response | None = None
        self.error: httpx.HTTPError | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        with server.client() as client:
            eventually(lambda: bool(client.get("/databases/kg1/queries").json()["queries"]))

    def _run(self) -> None:
        with self._server.client() as client:
            try:
                self.answer = query(client, SLOW, timeout=self._timeout)
            except httpx.HTTPError as error:
                self.error = error


def failed_start(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Start a server that must refuse to start; return what it said."""
    folder.mkdir(exist_ok=True)
    environment = environment_of({"LBUG_DATABASE_PATH": str(folder / "databases"), **settings})
    done = subprocess.run(
        command(*arguments),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done


def test_sigterm_stops_an_idle_server_cleanly(server: RunningServer) -> None:
    """Exit status 0, databases closed, no process left."""
    family = psutil.Process(server.process.pid).children(recursive=True)
    assert family
    assert server.stop() == 0
    gone, alive = psutil.wait_procs(family, timeout=WAIT_S)
    assert gone
    assert not alive
    assert server.wait_for_log(message="draining")["operation"] == "shutdown"


def test_sigterm_lets_what_runs_finish_and_refuses_new_work(server: RunningServer) -> None:
    """While it drains the node says so, and the request that was there first gets its answer."""
    slow = Slow(server, timeout=6)
    with server.client() as client:
        client.get("/health")
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: client.get("/ready").status_code == 503)
        problem = assert_problem(query(client, "RETURN 1"), 503, "SHUTTING_DOWN")
        assert problem["retryable"] is True
        assert_problem(client.get("/databases"), 503, "SHUTTING_DOWN")
        assert client.get("/health").status_code == 200
        assert client.get("/status").json()["status"] == "draining"
        assert "graph_api_ready 0.0" in client.get("/metrics").text
        slow.thread.join(WAIT_S)
    assert slow.answer is not None
    assert_problem(slow.answer, 504, "QUERY_TIMEOUT")
    assert server.process.wait(timeout=WAIT_S) == 0


def test_a_second_signal_ends_the_grace(server: RunningServer) -> None:
    """An operator in a hurry does not wait for a long query, and databases are still closed."""
    slow = Slow(server, timeout=60)
    with server.client() as client:
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: client.get("/ready").status_code == 503)
        server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=WAIT_S) == 0
    slow.thread.join(WAIT_S)
    assert slow.answer is not None
    assert assert_problem(slow.answer, 503, "SHUTTING_DOWN")["retryable"] is False


def test_the_grace_bounds_the_drain(tmp_path: Path) -> None:
    """A query that does not end in time is cut off; the server ends all the same."""
    with running_server(tmp_path, settings={"LBUG_SHUTDOWN_GRACE_SECONDS": "0.5"}) as server:
        with server.client() as client:
            create(client)
        slow = Slow(server, timeout=120)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=WAIT_S) == 0
        slow.thread.join(WAIT_S)
        assert slow.answer is not None
        assert_problem(slow.answer, 503, "SHUTTING_DOWN")


def test_sigint_drains_like_sigterm(server: RunningServer) -> None:
    """Control-C in a terminal ends the server without a traceback."""
    server.process.send_signal(signal.SIGINT)
    assert server.process.wait(timeout=WAIT_S) == 0
    assert "Traceback" not in server.log_file.read_text()


def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    """A clean stop closes databases; the next server on the same directory serves them."""
    with running_server(tmp_path) as server, server.client() as client:
        create(client)
        assert query(client, "CREATE (:T {id: 7})").status_code == 200
    with running_server(tmp_path) as server, server.client() as client:
        assert query(client, "MATCH (t:T) RETURN t.id AS id").json()["data"] == [{"id": 7}]


def test_workers_end_with_a_server_that_is_killed(server: RunningServer) -> None:
    """Nothing lives on that would hold a lock."""
    with server.client() as client:
        query(client, "RETURN 1")
    family = psutil.Process(server.process.pid).children(recursive=True)
    server.process.kill()
    server.process.wait(timeout=WAIT_S)
    _, alive = psutil.wait_procs(family, timeout=WAIT_S)
    assert not alive


def test_a_taken_port_gives_one_clear_line(tmp_path: Path) -> None:
    """It names the port and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = failed_start(tmp_path, "--port", str(port))
    lines = [line for line in done.stderr.splitlines() if line.startswith("graph-api: ")]
    assert len(lines) == 1
    assert str(port) in lines[0]
    assert "--port" in lines[0]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_a_network_address_without_a_key_refuses_to_start(tmp_path: Path, host: str) -> None:
    """As a flag and as a variable."""
    assert "GRAPH_API_KEY" in failed_start(tmp_path, "--host", host).stderr
    assert "GRAPH_API_KEY" in failed_start(tmp_path, GRAPH_API_HOST=host).stderr


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (
            {"GRAPH_BACKEND_TYPE": "neo4j_community"},
            "GRAPH_BACKEND_TYPE: 'neo4j_community' is not part of this release",
        ),
        ({"LBUG_MAX_DATABASES_PER_NODE": "many"}, "LBUG_MAX_DATABASES_PER_NODE"),
        ({"GRAPH_API_KEY": "schlüssel"}, "GRAPH_API_KEY"),
    ],
)
def test_wrong_settings_refuse_to_start(tmp_path: Path, settings: dict[str, str], named: str) -> None:
    """With the name of the variable."""
    assert named in failed_start(tmp_path, **settings).stderr


def test_a_directory_that_cannot_be_used_refuses_to_start(tmp_path: Path) -> None:
    """With its path."""
    (tmp_path / "file").write_text("not a directory")
    done = failed_start(tmp_path, "--port", "0", "--base-path", str(tmp_path / "file" / "databases"))
    assert "graph-api: cannot start: " in done.stderr
    assert str(tmp_path / "file") in done.stderr


def test_a_development_key_is_made_kept_and_shown_how_to_use(tmp_path: Path) -> None:
    """Its file is for the owner only; the printed commands work as they are."""
    key_file = tmp_path / "keys" / "development"
    with running_server(tmp_path, "--development-key", str(key_file)) as server:
        key = key_file.read_text().strip()
        assert re.fullmatch(r"graph_api_[A-Za-z0-9]{64}", key)
        assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
        for valid in (key, KEY):
            with server.client(key=valid) as client:
                assert client.get("/info").status_code == 200
        eventually(lambda: server.output_file.read_text().count("curl ") == 2)
        printed = server.output_file.read_text()
        assert key not in printed
        create_command, query_command = [line.strip() for line in printed.splitlines() if "curl " in line]
        created = subprocess.run(["bash", "-c", create_command], capture_output=True, text=True, timeout=60, check=True)
        assert '"demo"' in created.stdout
        counted = subprocess.run(["bash", "-c", query_command], capture_output=True, text=True, timeout=60, check=True)
        assert '"nodes":0' in counted.stdout.replace(" ", "")
    with running_server(tmp_path, "--development-key", str(key_file)):
        assert key_file.read_text().strip() == key


@pytest.mark.parametrize(("content", "mode"), [("a-key\n", 0o644), ("a-key\n", 0o640), ("", 0o600), ("a,b", 0o600)])
def test_an_unsafe_key_file_refuses_to_start(tmp_path: Path, content: str, mode: int) -> None:
    """One that others can read, or that holds no single key."""
    key_file = tmp_path / "key"
    key_file.write_text(content)
    key_file.chmod(mode)
    done = failed_start(tmp_path, "--development-key", str(key_file))
    assert str(key_file) in done.stderr
    assert "a-key" not in done.stderr


def test_flags_go_before_variables(tmp_path: Path) -> None:
    """And show in what the node says about itself."""
    settings = {"LBUG_NODE_TYPE": "writer", "WRITER_TIER": "large", "INSTANCE_ID": "i-42"}
    with running_server(tmp_path, "--node-type", "shared_master", settings=settings) as server:
        with server.client() as client:
            status, info = client.get("/status").json(), client.get("/info").json()
        assert (status["node_type"], status["tier"], info["instance_id"]) == ("shared_master", "large", "i-42")
        line = server.wait_for_log(message="serving")
        assert (line["node_type"], line["tier"], line["instance_id"]) == ("shared_master", "large", "i-42")


def test_help_names_every_flag_and_the_client() -> None:
    """For the server and for its client."""
    shown = subprocess.run(command("--help"), capture_output=True, text=True, timeout=60, check=True).stdout
    for flag in ("--base-path", "--node-type", "--tier", "--host", "--port", "--log-level", "--development-key"):
        assert flag in shown
    assert "cli" in shown
    shown = subprocess.run(command("cli", "--help"), capture_output=True, text=True, timeout=60, check=True).stdout
    for name in ("health", "databases", "create", "query", "load", "ingest"):
        assert name in shown


def test_requests_are_logged_in_the_documented_format(server: RunningServer) -> None:
    """One line for each, without the statement and its parameters."""
    with server.client() as client:
        headers = {"X-Request-ID": "find-me"}
        body = {"cypher": "RETURN $p AS p, 'literal-value' AS q", "parameters": {"p": "parameter-value"}}
        assert client.post("/databases/kg1/query", json=body, headers=headers).status_code == 200
    line = server.wait_for_log(request_id="find-me")
    assert (line["operation"], line["graph_id"], line["status"], line["level"]) == ("query", "kg1", "success", "INFO")
    assert line["duration_ms"] > 0
    server.stop()
    log = server.log_file.read_text()
    assert "parameter-value" not in log
    assert "literal-value" not in log


def test_health_answers_while_a_query_runs(server: RunningServer) -> None:
    """Named after the mistake: a query that blocks the event loop holds up the probes."""
    slow = Slow(server, timeout=5)
    with server.client() as client:
        for _ in range(20):
            assert client.get("/health").status_code == 200
            assert slow.answer is None
    slow.thread.join(WAIT_S)


def test_the_environment_of_workers_holds_no_key(server: RunningServer) -> None:
    """A statement that could read its process's environment would find nothing."""
    with server.client() as client:
        query(client, "RETURN 1")
    for process in psutil.Process(server.process.pid).children(recursive=True):
        assert KEY not in str(Path(f"/proc/{process.pid}/environ").read_bytes())
        assert KEY not in " ".join(process.cmdline())
    assert os.environ.get("GRAPH_API_KEY") != KEY
