"""Native load generators, so that producing load costs little of the two cores that serve it."""

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.graph_api.bench.node import Node

_WRK_SCRIPT = """
local databases = { %(databases)s }
local counter = 0
math.randomseed(7)
request = function()
  counter = counter + 1
  local path = "/databases/" .. databases[counter %% #databases + 1] .. "/query"
  local body = string.format([[%(body)s]], math.random(0, %(keys)d - 1))
  return wrk.format("POST", path, {["X-Graph-API-Key"] = "%(key)s", ["Content-Type"] = "application/json"}, body)
end
response = function(status)
  if status ~= 200 then
    io.stderr:write("status " .. status .. "\\n")
  end
end
"""


def require(program: str) -> str:
    """Return the path of a program, or stop with advice."""
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"bench: {program} is missing; install the Debian package {program!r}.")
    return found


def requests_per_second(
    node: Node, databases: list[str], cypher: str, *, keys: int, connections: int, seconds: int, folder: Path
) -> float:
    """Send a statement with random keys over keep-alive connections with wrk; return answers per second.

    Raises:
        RuntimeError: An answer was not 200.
    """
    body = json.dumps({"cypher": cypher, "parameters": {"id": 0}}).replace('"id": 0', '"id": %d')
    script = folder / "request.lua"
    names = ", ".join(f'"{name}"' for name in databases)
    script.write_text(_WRK_SCRIPT % {"databases": names, "body": body, "keys": keys, "key": node.key})
    command = [require("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), node.url]
    output = subprocess.run(command, capture_output=True, text=True, check=True)
    if output.stderr or "Non-2xx" in output.stdout or "Socket errors" in output.stdout:
        raise RuntimeError(output.stdout + output.stderr[:1000])
    found = re.search(r"Requests/sec:\s+([\d.]+)", output.stdout)
    assert found is not None, output.stdout
    return float(found.group(1))


def paced_latencies(node: Node, graph_id: str, cypher: str, *, rate: int, seconds: int) -> tuple[float, float]:
    """Send point lookups at a fixed pace with hey; return median and 99th percentile in milliseconds."""
    workers = 9
    body = json.dumps({"cypher": cypher, "parameters": {"id": 123}})
    options = ["-z", f"{seconds}s", "-c", str(workers), "-q", str(rate // workers), "-m", "POST", "-d", body]
    headers = ["-T", "application/json", "-H", f"X-Graph-API-Key: {node.key}", "-o", "csv"]
    url = f"{node.url}/databases/{graph_id}/query"
    output = subprocess.run([require("hey"), *options, *headers, url], capture_output=True, text=True, check=True)
    lines = [line.split(",") for line in output.stdout.splitlines()[1:]]
    assert all(line[6] == "200" for line in lines), output.stdout[:1000]
    times = sorted(float(line[0]) * 1_000 for line in lines)
    return times[len(times) // 2], times[int(len(times) * 0.99)]


def start_stream(node: Node, graph_id: str, cypher: str, *, ndjson: bool = True) -> subprocess.Popen[bytes]:
    """Start curl on one query, its answer thrown away."""
    headers = ["-H", f"X-Graph-API-Key: {node.key}", "-H", "Content-Type: application/json"]
    if ndjson:
        headers += ["-H", "Accept: application/x-ndjson"]
    body = json.dumps({"cypher": cypher, "timeout": 300})
    url = f"{node.url}/databases/{graph_id}/query"
    return subprocess.Popen([require("curl"), "-sS", "-o", "/dev/null", *headers, "-d", body, url])


@contextmanager
def repeated(node: Node, graph_id: str, cypher: str) -> Generator[None]:
    """Run a query over and over for as long as the context lasts, one at a time."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            process = start_stream(node, graph_id, cypher)
            while process.poll() is None and not ended.wait(0.01):
                pass
            if process.poll() is None:
                process.terminate()
            process.wait()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def crowd(node: Node, graph_id: str, cypher: str, *, connections: int, folder: Path) -> Generator[None]:
    """Keep so many connections busy with one heavy query each, whatever the answers are, while the context lasts."""
    body = json.dumps({"cypher": cypher, "timeout": 10})
    script = folder / "crowd.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.path = "/databases/{graph_id}/query"\nwrk.body = [[{body}]]\n'
        f'wrk.headers["X-Graph-API-Key"] = "{node.key}"\nwrk.headers["Content-Type"] = "application/json"\n'
    )
    command = [require("wrk"), "-t1", f"-c{connections}", "-d300s", "-s", str(script), node.url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1.0)
        yield
    finally:
        process.kill()
        process.wait()


def summary_of(node: Node, graph_id: str, cypher: str) -> dict[str, Any]:
    """Run a query as NDJSON and return its terminal record: proof that the stream was complete."""
    with node.client() as client:
        rows = sum(1 for _ in client.query_stream(graph_id, cypher, timeout=300))
    return {"rows": rows}
