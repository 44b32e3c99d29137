"""What large answers cost in each format: time, processor time, bytes, memory."""

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from robosystems.graph_api.routers.databases.media_types import FORMAT_BY_TYPE
from tests.graph_api.bench import workload
from tests.graph_api.bench.figures import Figure
from tests.graph_api.bench.load_generators import require
from tests.graph_api.bench.node import Node

ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"

MANY_ROWS = 10_000_000
MANY = (
    f"UNWIND range(1, {MANY_ROWS}) AS i RETURN i AS id, 'person ' + CAST(i AS STRING) AS name, "
    "CAST(i % 90 AS INT32) AS age, i * 0.37 AS score, i % 3 = 0 AS active"
)
_ROUNDS = 5
_MUCH_MEMORY_MB = 6_144


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        seconds: Until its last byte.
        first: Seconds until its first byte.
        size: Bytes, as they came.
        processor: Seconds of processor time of API process and worker.
    """

    seconds: float
    first: float
    size: int
    processor: float


def arrow(node: Node, folder: Path) -> list[Figure]:
    """A million rows as Arrow IPC over HTTP, against the engine and Arrow in one process, in turns."""
    _answer(node, "t0", workload.EXPORT, ARROW)
    bare: list[float] = []
    served: list[Answer] = []
    for _ in range(_ROUNDS):
        bare.append(_bare_arrow(folder))
        served.append(_answer(node, "t0", workload.EXPORT, ARROW))
    rate = workload.PERSONS / statistics.median(answer.seconds for answer in served)
    processor = min(answer.processor for answer in served)
    yardstick = statistics.median(bare)
    value = f"{rate / yardstick:.2f}   ({rate:,.0f} / {yardstick:,.0f} per s; {processor:.2f} s of processor time)"
    return [Figure("1M rows x 5 as Arrow IPC / engine to Arrow IPC in process", value, "0.7", "1.1")]


def each(node: Node) -> list[Figure]:
    """A million rows in each streaming format, and in two of them compressed."""
    figures: list[Figure] = []
    cases = [(name, "identity") for name, kind in FORMAT_BY_TYPE.items() if not kind.is_document]
    for accept, coding in (*cases, (ARROW, "zstd"), (NDJSON, "zstd"), (NDJSON, "gzip")):
        answers = [_answer(node, "t0", workload.EXPORT, accept, coding) for _ in range(_ROUNDS)]
        best = min(answers, key=lambda answer: answer.seconds)
        processor = min(answer.processor for answer in answers)
        value = (
            f"{workload.PERSONS / best.seconds / 1e6:.2f} M rows/s, first byte after {best.first * 1e3:.0f} ms, "
            f"{best.size / 1e6:.0f} MB, {processor:.2f} s of processor time"
        )
        figures.append(Figure(f"1M rows x 5 as {accept}, {coding}", value, "-", "-"))
    return figures


def memory(folder: Path) -> list[Figure]:
    """What a stream of ten million rows takes beside the engine's own result, which one row of it shows."""
    settings = {"LBUG_MAX_MEMORY_MB": str(_MUCH_MEMORY_MB), "LBUG_MEMORY_PER_DB_MB": str(_MUCH_MEMORY_MB)}
    figures: list[Figure] = []
    with Node(folder, LBUG_MAX_OPEN_DATABASES="1", **settings) as node, node.client(timeout_s=300) as client:
        for number, accept in enumerate((ARROW, NDJSON)):
            graph_id = f"m{number}"
            client.create_database(graph_id, "custom", custom_schema_ddl=workload.PERSON_DDL)
            api, worker = _processes(node, graph_id)
            idle = _peak(worker)
            for _ in range(2):
                client.query(graph_id, MANY, max_rows=1)
            engine, api_before = _peak(worker), _peak(api)
            assert _answer(node, graph_id, MANY, accept).size > MANY_ROWS
            own = _peak(worker) - engine + _peak(api) - api_before
            value = f"{own / 1e6:.0f} MB   (the engine's result: {(engine - idle) / 1e6:.0f} MB)"
            figures.append(Figure(f"memory of a 10M-row stream as {accept}, beside the result", value, "300 MB", "150"))
    return figures


def _bare_arrow(folder: Path) -> float:
    """Return the rows per second of the bare engine in a fresh process."""
    command = [sys.executable, "-m", "tests.graph_api.bench.bare_engine", str(folder / "bare0.lbug"), "arrow-ipc", "1"]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _answer(node: Node, graph_id: str, cypher: str, accept: str, coding: str = "identity") -> Answer:
    """Take an answer with curl and throw it away.

    Raises:
        CalledProcessError: It was no success, or broken off.
    """
    headers = (f"X-Graph-API-Key: {node.key}", f"Accept: {accept}", f"Accept-Encoding: {coding}")
    options = [part for header in headers for part in ("-H", header)]
    body = json.dumps({"cypher": cypher, "timeout": 300})
    url = f"{node.url}/databases/{graph_id}/query"
    told = "%{time_starttransfer} %{size_download}"
    command = [require("curl"), "-sS", "--fail", "-o", "/dev/null", "-w", told, *options, "-d", body, url]
    used = sum(map(_processor_seconds, _processes(node, graph_id)))
    started = time.perf_counter()
    first, size = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    seconds = time.perf_counter() - started
    used = sum(map(_processor_seconds, _processes(node, graph_id))) - used
    return Answer(seconds, float(first), int(size), used)


def _processes(node: Node, graph_id: str) -> tuple[psutil.Process, psutil.Process]:
    """Return the API process and the worker of an open database."""
    api = psutil.Process(node.process_id)
    return api, next(each for each in api.children(recursive=True) if each.name() == f"graph:{graph_id}")


def _processor_seconds(process: psutil.Process) -> float:
    """Return the processor time that a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def _peak(process: psutil.Process) -> int:
    """Return the most resident memory that a process has ever had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))
