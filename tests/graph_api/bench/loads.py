"""A million nodes and five million relationships: over HTTP, and as COPY in a process of its own.

    python -m tests.graph_api.bench.loads FOLDER DATABASE

is the bare side; it prints the seconds and by how many bytes its memory rose at most.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from robosystems.graph_api.worker.arrow import kernels
from tests.graph_api.bench import workload
from tests.graph_api.bench.bare_engine import open_bare
from tests.graph_api.bench.figures import Figure, ratio
from tests.graph_api.bench.node import Node

RELATIONSHIPS = 5_000_000
ROUNDS = 2
_SAMPLE_S = 0.05
_FILE = "MANY.parquet"


@dataclass(frozen=True)
class Cost:
    """What a load took.

    Attributes:
        seconds: From the first byte of the nodes to the end of the relationships.
        peak_bytes: By how much the resident memory of all its processes rose at most.
    """

    seconds: float
    peak_bytes: int


def figures(node: Node, folder: Path) -> list[Figure]:
    """Compare both sides, taking turns."""
    write_relationships(folder)
    bare: list[Cost] = []
    served: list[Cost] = []
    for number in range(ROUNDS):
        bare.append(copied(folder, folder / f"copied{number}.lbug"))
        served.append(loaded(node, f"load{number}", folder))
    rows = workload.LOADED_ROWS + RELATIONSHIPS
    speeds = [rows / statistics.median(cost.seconds for cost in side) for side in (served, bare)]
    peaks = [max(cost.peak_bytes for cost in side) / 1e6 for side in (served, bare)]
    beyond = f"{peaks[0] - peaks[1]:.0f} MB   ({peaks[0]:.0f} / {peaks[1]:.0f})"
    return [
        Figure("1M nodes and 5M relationships as Parquet / COPY in process", ratio(*speeds), "0.8", "0.95"),
        Figure("peak memory of that load above idle, beyond the COPY's", beyond, "<= 300 MB", "150 MB"),
    ]


def write_relationships(folder: Path) -> None:
    """Write relationships between persons, in no order."""
    numbers = pa.array(range(RELATIONSHIPS), pa.int64())

    def spread(factor: int) -> pa.Array:
        product = kernels.multiply(numbers, factor)
        return kernels.subtract(product, kernels.multiply(kernels.divide(product, workload.PERSONS), workload.PERSONS))

    table = pa.table({"from": spread(7_919), "to": spread(104_729), "since": numbers})
    pq.write_table(table, folder / _FILE)


def copied(folder: Path, database: Path) -> Cost:
    """Copy in a fresh process."""
    command = [sys.executable, "-m", "tests.graph_api.bench.loads", str(folder), str(database)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Cost(**json.loads(done.stdout))


def loaded(node: Node, graph_id: str, folder: Path) -> Cost:
    """Load over HTTP into a new database that is open already."""
    with node.client(timeout_s=600) as client:
        client.create_database(graph_id, "custom", custom_schema_ddl=f"{workload.PERSON_DDL}; {workload.KNOWS_DDL}")
        with _peak_above_now(psutil.Process(node.process_id)) as peak:
            started = time.perf_counter()
            client.load(graph_id, "Person", folder / "Person.parquet")
            client.load(graph_id, "KNOWS", folder / _FILE)
            seconds = time.perf_counter() - started
    return Cost(seconds, peak[0])


@contextmanager
def _peak_above_now(root: psutil.Process) -> Generator[list[int]]:
    """Give a list whose only element is, at the end, by how much the memory of a process and its children rose."""
    peak = [0]
    ended = threading.Event()
    before = _resident(root)

    def watch() -> None:
        while not ended.wait(_SAMPLE_S):
            peak[0] = max(peak[0], _resident(root) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def _resident(root: psutil.Process) -> int:
    """Return the memory that a process and its children have for themselves."""
    total = 0
    for process in (root, *root.children(recursive=True)):
        try:
            memory = process.memory_info()
        except psutil.NoSuchProcess:
            continue
        total += memory.rss - memory.shared
    return total


def main() -> None:
    """Copy, and say what it took."""
    folder, database = Path(sys.argv[1]), Path(sys.argv[2])
    connection = open_bare(database)
    connection.execute(workload.PERSON_DDL)
    connection.execute(workload.KNOWS_DDL)
    with _peak_above_now(psutil.Process()) as peak:
        started = time.perf_counter()
        persons = folder / "Person.parquet"
        connection.execute(f"COPY Person FROM (LOAD FROM '{persons}' RETURN id, name, age, score, active)")
        connection.execute(f"COPY KNOWS FROM (LOAD FROM '{folder / _FILE}' RETURN `from`, `to`, since)")
        seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_bytes": peak[0]}))


if __name__ == "__main__":
    main()
