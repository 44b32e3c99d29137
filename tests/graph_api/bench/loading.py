"""Measure `load_file` against the engine's own COPY, in process and in the same run, and print a table of ratios.

    python -m tests.graph_api.bench.loading [--nodes 1000000] [--relationships 2000000] [--rounds 3]

Each measurement runs in a process of its own, on a new database, bare and loaded taking turns.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from robosystems.graph_api.backends.lbug.engine import Engine, EngineConfig, EngineConnection
from robosystems.graph_api.backends.lbug.wire import LoadOrder
from robosystems.graph_api.worker.arrow import prepare
from robosystems.graph_api.worker.loading import load_file

NODES = "CREATE NODE TABLE P(id STRING PRIMARY KEY, name STRING, age INT64, score DOUBLE, active BOOL)"
RELATIONSHIPS = "CREATE REL TABLE K(FROM P TO P, w DOUBLE)"
COPY_NODES = (
    "COPY P(id, name, age, score, active) FROM "
    "(LOAD FROM '{path}' (file_format='parquet') RETURN id, name, age, score, active)"
)
COPY_RELATIONSHIPS = "COPY K(w) FROM (LOAD FROM '{path}' (file_format='parquet') RETURN `from`, `to`, w)"


def write_files(folder: Path, nodes: int, relationships: int) -> None:
    """Write the files that are loaded."""
    rng = random.Random(1)
    order = list(range(nodes))
    rng.shuffle(order)
    columns = {
        "name": [f"name {i % 5003}" for i in range(nodes)],
        "age": [rng.randrange(99) for _ in range(nodes)],
        "score": [rng.random() for _ in range(nodes)],
        "active": [rng.random() > 0.5 for _ in range(nodes)],
    }
    table = pa.table({"id": [f"id-{i:08d}" for i in range(nodes)], **columns})
    pq.write_table(table, folder / "sorted.parquet")
    pyarrow.csv.write_csv(table, folder / "sorted.csv")
    with (folder / "sorted.ndjson").open("w") as file:
        for batch in table.to_batches(10_000):
            file.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())
    shuffled = pa.table({"id": [f"id-{i:08d}" for i in order], **columns})
    pq.write_table(shuffled, folder / "shuffled.parquet")
    encodings = {**dict.fromkeys(shuffled.column_names, "PLAIN"), "age": "DELTA_BINARY_PACKED"}
    pq.write_table(shuffled, folder / "delta.parquet", use_dictionary=False, column_encoding=encodings)
    other = pa.table({"id": [f"ix-{i:08d}" for i in order], **columns})
    pq.write_table(other, folder / "other.parquet")
    schema = pa.schema([("from", pa.string()), ("to", pa.string()), ("w", pa.float64())])
    with pq.ParquetWriter(folder / "relationships.parquet", schema) as writer:
        for start in range(0, relationships, 500_000):
            count = min(500_000, relationships - start)
            ends = [[f"id-{rng.randrange(nodes):08d}" for _ in range(count)] for _ in range(2)]
            writer.write_table(pa.table({"from": ends[0], "to": ends[1], "w": [rng.random() for _ in range(count)]}))


def measure(folder: Path, what: str, directory: Path) -> None:
    """Load one file into a new database; print seconds and how far the resident memory rose at its peak."""
    prepare()
    (directory / "incoming").mkdir(parents=True)
    (directory / "tmp").mkdir()
    kind, _, name = what.partition(":")
    source = directory / "incoming" / "file"
    source.hardlink_to(folder / name)
    config = EngineConfig(path=directory / "graph.lbug", buffer_pool_bytes=512 << 20, max_db_bytes=16 << 30, threads=2)
    with Engine.open(config) as engine:
        connection = engine.connect()
        connection.run_plain(NODES).close()
        connection.run_plain(RELATIONSHIPS).close()
        if name in {"relationships.parquet", "other.parquet"}:
            connection.run_plain(COPY_NODES.replace("{path}", str(folder / "sorted.parquet"))).close()
        work = {"bare": bare, "loaded": loaded}[kind]
        before = resident()
        started = time.perf_counter()
        work(connection, source, name)
        seconds = time.perf_counter() - started
        print(json.dumps([seconds, peak() - before]))
        connection.close()


def bare(connection: EngineConnection, path: Path, name: str) -> None:
    """Let the engine copy."""
    text = COPY_RELATIONSHIPS if name == "relationships.parquet" else COPY_NODES
    connection.run_plain(text.replace("{path}", str(path))).close()


def loaded(connection: EngineConnection, path: Path, name: str) -> None:
    """Load as a worker does."""
    table = "K" if name == "relationships.parquet" else "P"
    form = name.rpartition(".")[2]
    order = LoadOrder(table, str(path), form, 600.0, "from", "to", None, None, ignore_unknown_columns=False)
    load_file(connection, order, path.parent.parent)


def resident() -> int:
    """Return the resident memory in MiB, and begin anew to note its peak."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> int:
    """Return the peak of the resident memory in MiB."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) // 1024


CASES: list[tuple[str, str, str]] = [
    ("nodes, Parquet, keys ascending", "bare:sorted.parquet", "loaded:sorted.parquet"),
    ("nodes, Parquet, keys shuffled", "bare:shuffled.parquet", "loaded:shuffled.parquet"),
    ("nodes, Parquet, into a table that has as many", "bare:other.parquet", "loaded:other.parquet"),
    ("nodes, Parquet that is converted first", "bare:shuffled.parquet", "loaded:delta.parquet"),
    ("nodes, CSV / Parquet copy", "bare:sorted.parquet", "loaded:sorted.csv"),
    ("nodes, NDJSON / Parquet copy", "bare:sorted.parquet", "loaded:sorted.ndjson"),
    ("relationships, Parquet", "bare:relationships.parquet", "loaded:relationships.parquet"),
]


def compare(folder: Path, rounds: int, only: str, report: Callable[[str], None]) -> None:
    """Run all cases."""
    report(f"{'what':48} {'bare s':>8} {'loaded s':>8} {'ratio':>6}  peak MiB bare / loaded")
    for name, *sides in CASES:
        if only not in name:
            continue
        found: dict[str, list[Any]] = {side: [] for side in sides}
        for number in range(rounds):
            for side in sides:
                with tempfile.TemporaryDirectory(dir=folder) as directory:
                    command = [sys.executable, "-m", "tests.graph_api.bench.loading", "--measure", side]
                    command += ["--folder", str(folder), "--directory", str(Path(directory) / str(number))]
                    done = subprocess.run(command, check=True, capture_output=True, text=True)
                    found[side].append(json.loads(done.stdout))
        seconds = [statistics.median(value[0] for value in found[side]) for side in sides]
        peaks = [max(value[1] for value in found[side]) for side in sides]
        ratio = seconds[0] / seconds[1]
        report(f"{name:48} {seconds[0]:8.2f} {seconds[1]:8.2f} {ratio:6.2f}  {peaks[0]} / {peaks[1]}")


def main() -> None:
    """Measure, or compare measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1_000_000)
    parser.add_argument("--relationships", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--measure")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()
    if options.measure:
        measure(options.folder, options.measure, options.directory)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), options.nodes, options.relationships)
        compare(Path(folder), options.rounds, options.only, print)


if __name__ == "__main__":
    main()
