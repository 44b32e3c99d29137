"""Measure the service against the bare engine and print a table of ratios.

    python -m tests.graph_api.bench [--seconds 5] [--only WORD]

Needs wrk, hey and curl. Both sides of every ratio are measured in this run, one after the other, on this machine.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.graph_api.bench import clients, formats, isolation, load_generators, loads, workload, writes
from tests.graph_api.bench.bare_engine import make_bare_copy
from tests.graph_api.bench.figures import Figure, ratio
from tests.graph_api.bench.node import Node, resident_bytes


@dataclass(frozen=True)
class Bench:
    """What every measurement needs."""

    node: Node
    folder: Path
    seconds: int

    def bare(self, what: str, *, processes: int = 1) -> float:
        """Measure the bare engine in fresh processes on copies of the first tenant's file; return the sum."""
        command = [sys.executable, "-m", "tests.graph_api.bench.bare_engine"]
        arguments = [[*command, str(self.folder / f"bare{n}.lbug"), what, str(self.seconds)] for n in range(processes)]
        running = [subprocess.Popen(each, stdout=subprocess.PIPE, text=True) for each in arguments]
        return sum(float(process.communicate()[0]) for process in running)

    def http(self, databases: list[str], cypher: str, *, keys: int, connections: int) -> float:
        """Measure the service with wrk."""
        return load_generators.requests_per_second(
            self.node,
            databases,
            cypher,
            keys=keys,
            connections=connections,
            seconds=self.seconds,
            folder=self.folder,
        )


def lookup(bench: Bench) -> list[Figure]:
    """Point lookups of one tenant over 16 connections."""
    bare = bench.bare("lookup")
    served = bench.http(["t0"], workload.LOOKUP, keys=workload.PERSONS, connections=16)
    return [Figure("point lookup, 16 connections", ratio(served, bare), "0.6", "0.8")]


def hop(bench: Bench) -> list[Figure]:
    """One hop to 100 rows over 16 connections."""
    bare = bench.bare("hop")
    served = bench.http(["t0"], workload.HOP, keys=workload.HUBS, connections=16)
    return [Figure("1-hop of 100 rows, 16 connections", ratio(served, bare), "0.8", "1.2")]


def tenants(bench: Bench) -> list[Figure]:
    """Point lookups of four tenants against two bare processes."""
    bare = bench.bare("lookup", processes=2)
    served = bench.http(["t0", "t1", "t2", "t3"], workload.LOOKUP, keys=workload.PERSONS, connections=32)
    return [Figure("4 tenants, 32 connections / 2 bare processes", ratio(served, bare), "0.25", "0.4")]


def stream(bench: Bench) -> list[Figure]:
    """A million rows as NDJSON against the engine's own Arrow."""
    bare = bench.bare("arrow")
    assert load_generators.summary_of(bench.node, "t0", workload.EXPORT)["rows"] == workload.PERSONS
    seconds: list[float] = []
    for _ in range(3):
        started = time.perf_counter()
        assert load_generators.start_stream(bench.node, "t0", workload.EXPORT).wait() == 0
        seconds.append(time.perf_counter() - started)
    served = workload.PERSONS / statistics.median(seconds)
    return [Figure("1M rows x 5 as NDJSON / engine to Arrow", ratio(served, bare), "0.4", "0.6")]


def neighbours(bench: Bench) -> list[Figure]:
    """The 99th percentile of a small tenant, paced at 900 a second, beside a busy one."""

    def p99() -> float:
        return load_generators.paced_latencies(bench.node, "t1", workload.LOOKUP, rate=900, seconds=bench.seconds)[1]

    quiet = p99()
    figures: list[Figure] = []
    for name, cypher in (("a 1M-row stream", workload.EXPORT), ("a 3-hop count", workload.HEAVY)):
        with load_generators.repeated(bench.node, "t0", cypher):
            beside = p99()
        value = f"{beside / quiet:.2f}   ({beside:.1f} / {quiet:.1f} ms)"
        figures.append(Figure(f"p99 at 900/s beside {name} / quiet", value, "<= 3", "1.5"))
    with load_generators.crowd(bench.node, "t0", workload.HEAVY, connections=200, folder=bench.folder):
        beside = p99()
    value = f"{beside / quiet:.2f}   ({beside:.1f} / {quiet:.1f} ms)"
    figures.append(Figure("p99 at 900/s beside 200 connections of 3-hop counts / quiet", value, "<= 3", "-"))
    return figures


def load(bench: Bench) -> list[Figure]:
    """A million nodes and five million relationships as Parquet over HTTP against COPY in process."""
    return loads.figures(bench.node, bench.folder)


def cold(bench: Bench) -> list[Figure]:
    """First query of a closed database, and memory at rest, on a fresh node."""
    folder = bench.folder / "cold"
    folder.mkdir()
    with Node(folder) as node, node.client() as client:
        for number in range(3):
            client.create_database(f"c{number}", "custom", custom_schema_ddl=workload.PERSON_DDL)
    with Node(folder) as node, node.client() as client:
        client.status()
        first: list[float] = []
        for number in range(3):
            started = time.perf_counter()
            client.query(f"c{number}", workload.LOOKUP, {"id": 1})
            first.append(time.perf_counter() - started)
        workers = [client.get_database(f"c{number}").document["memory_bytes"] for number in range(3)]
        api = resident_bytes(node.process_id)
    return [
        Figure("cold database, first query", f"{statistics.median(first) * 1000:.0f} ms", "<= 100 ms", "50 ms"),
        Figure("idle API process, resident", f"{api / 1e6:.0f} MB", "<= 100 MB", "60 MB"),
        Figure("idle open database, private", f"{statistics.median(workers) / 1e6:.0f} MB", "<= 40 MB", "15 MB"),
    ]


def policy(bench: Bench) -> list[Figure]:
    """What the policy costs a statement that was seen before."""
    return [isolation.policy_share(bench.bare("lookup"))]


def sandbox(bench: Bench) -> list[Figure]:
    """What the sandbox costs."""
    folder = bench.folder / "sandbox"
    folder.mkdir()
    return [isolation.sandbox_cost(folder)]


def recovery(bench: Bench) -> list[Figure]:
    """How soon a killed worker is replaced."""
    return [isolation.recovery(bench.node, "t0")]


def client_lookups(bench: Bench) -> list[Figure]:
    """Point lookups through the asynchronous client against bare httpx."""
    return clients.lookups(bench.node, bench.seconds)


def client_arrow(bench: Bench) -> list[Figure]:
    """A million rows as Arrow through the client against curl."""
    return clients.arrow(bench.node, bench.folder)


def client_import(_bench: Bench) -> list[Figure]:
    """Import of the client against httpx."""
    return clients.imports()


def single_writes(bench: Bench) -> list[Figure]:
    """Durable writes of one row each against one writer in process."""
    return writes.single(bench.node, bench.folder, bench.seconds)


def batches(bench: Bench) -> list[Figure]:
    """Rows by UNWIND and by transactions against the same in process."""
    return writes.batches(bench.node, bench.folder, bench.seconds)


def repeated(bench: Bench) -> list[Figure]:
    """Equal reads that are remembered against the same that are run."""
    return writes.repeated(bench.node, bench.folder, bench.seconds)


def arrow(bench: Bench) -> list[Figure]:
    """A million rows as Arrow IPC against the engine's own in process."""
    return formats.arrow(bench.node, bench.folder)


def all_formats(bench: Bench) -> list[Figure]:
    """A million rows in each format, plain and compressed."""
    return formats.each(bench.node)


def memory(bench: Bench) -> list[Figure]:
    """Memory of a stream of ten million rows, on a fresh node."""
    folder = bench.folder / "memory"
    folder.mkdir()
    return formats.memory(folder)


MEASUREMENTS: dict[str, Callable[[Bench], list[Figure]]] = {
    "lookup": lookup,
    "hop": hop,
    "tenants": tenants,
    "stream": stream,
    "arrow": arrow,
    "formats": all_formats,
    "memory": memory,
    "neighbours": neighbours,
    "load": load,
    "cold": cold,
    "writes": single_writes,
    "batches": batches,
    "repeated": repeated,
    "policy": policy,
    "sandbox": sandbox,
    "recovery": recovery,
    "client-lookup": client_lookups,
    "client-arrow": client_arrow,
    "client-import": client_import,
}


def _prepare(folder: Path, node: Node) -> None:
    """Write the data, load four tenants, and make copies for the bare engine with its own loads."""
    workload.write_files(folder)
    for number in range(4):
        node.fill(f"t{number}", folder)
    for number in range(2):
        make_bare_copy(folder / f"bare{number}.lbug", folder)


def main() -> None:
    """Measure what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5, help="length of each measurement")
    parser.add_argument("--only", choices=sorted(MEASUREMENTS), action="append", help="measure only this")
    options = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="graph-api-bench-") as name:
        folder = Path(name)
        with Node(folder, LBUG_MAX_DATABASES_PER_NODE="20") as node:
            _prepare(folder, node)
            bench = Bench(node, folder, options.seconds)
            for measurement in options.only or MEASUREMENTS:
                for figure in MEASUREMENTS[measurement](bench):
                    figures.append(figure)
                    print(f"{figure.name:50} {figure.value}", flush=True)
    print("\n| what | measured | must reach | aim for |\n|---|---|---|---|")
    for figure in figures:
        print(f"| {figure.name} | {figure.value} | {figure.must} | {figure.aim} |")


if __name__ == "__main__":
    main()
