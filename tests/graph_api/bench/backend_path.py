"""What the way through a worker costs, without HTTP: point lookups through `GraphBackend` and in the bare engine.

    python -m tests.graph_api.bench.backend_path [SECONDS]

prints, for 1 and 16 callers at once: lookups per second, the ratio to the bare engine in one process, and processor
time of the API process for each lookup.
"""

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from robosystems.graph_api.backends.lbug.backend import LadybugBackend
from robosystems.graph_api.backends.lbug.options import LbugBackendConfig
from robosystems.graph_api.domain.graph import DatabaseRecord, SchemaType
from robosystems.graph_api.domain.ids import GraphId
from robosystems.graph_api.domain.query import AccessMode, Query
from tests.graph_api.bench import workload
from tests.graph_api.conformance.people import record_of

GRAPH = GraphId("bench")
ROWS = 10_000


async def lookups(backend: LadybugBackend, callers: int, seconds: float) -> tuple[float, float]:
    """Return lookups per second, and microseconds of this process's processor time for each."""
    done = 0
    until = time.perf_counter() + seconds

    async def call(seed: int) -> None:
        nonlocal done
        pick = random.Random(seed)
        while time.perf_counter() < until:
            parameters = b'{"id":%d}' % pick.randrange(ROWS)
            result = await backend.run(GRAPH, Query(workload.LOOKUP, AccessMode.READ, 30.0, "", parameters))
            assert result.body
            done += 1

    used = time.process_time()
    began = time.perf_counter()
    await asyncio.gather(*(call(seed) for seed in range(callers)))
    return done / (time.perf_counter() - began), (time.process_time() - used) / done * 1e6


async def fill(backend: LadybugBackend) -> DatabaseRecord:
    """Create the database with its rows."""
    record = await backend.create(record_of(GRAPH), None, [workload.PERSON_DDL])
    rows = [{"id": number, "name": f"person {number:07d}", "age": number % 90} for number in range(ROWS)]
    text = "UNWIND $rows AS r CREATE (:Person {id: r.id, name: r.name, age: r.age, score: 0.5, active: true})"
    for first in range(0, ROWS, 1000):
        parameters = json.dumps({"rows": rows[first : first + 1000]}).encode()
        await backend.run(GRAPH, Query(text, AccessMode.WRITE, 60.0, "fill", parameters))
    return record


async def measure_backend(folder: Path, seconds: float) -> dict[int, tuple[float, float]]:
    """Measure the backend with 1 and with 16 callers."""
    async with LadybugBackend(LbugBackendConfig(base_path=folder)) as backend:
        record = await fill(backend)
        assert record.schema_type is SchemaType.CUSTOM
        await lookups(backend, 16, 0.5)
        return {callers: await lookups(backend, callers, seconds) for callers in (1, 16)}


def measure_bare(path: Path, seconds: float) -> float:
    """Measure the bare engine in a process of its own; return lookups per second."""
    program = (
        "import sys, ladybug\n"
        "from pathlib import Path\n"
        "from tests.graph_api.bench import bare_engine, workload\n"
        "connection = bare_engine.open_bare(Path(sys.argv[1]))\n"
        "measure = bare_engine.statements_per_second\n"
        "measure(connection, workload.LOOKUP, int(sys.argv[2]), 0.5)\n"
        "print(measure(connection, workload.LOOKUP, int(sys.argv[2]), float(sys.argv[3])))\n"
    )
    command = [sys.executable, "-c", program, str(path), str(ROWS), str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure both in turns, and print the best of each."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured = uvloop.run(measure_backend(folder, seconds))
        bare = measure_bare(folder / GRAPH.value / "graph.lbug", seconds)
    print(f"bare engine in one process: {bare:,.0f} lookups/s")
    for callers, (rate, microseconds) in measured.items():
        ratio = rate / bare
        print(f"{callers:2} callers: {rate:,.0f} lookups/s, ratio {ratio:.2f}, {microseconds:.1f} us of this process")


if __name__ == "__main__":
    main()
