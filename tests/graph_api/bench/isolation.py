"""What isolation costs: the statement policy, the sandbox, and the time until a killed worker is replaced."""

import os
import signal
import statistics
import time
import timeit
from functools import lru_cache
from pathlib import Path

import httpx

from robosystems.graph_api.domain.statement import classify
from robosystems.graph_api.domain.statement.policy import check
from robosystems.graph_api.worker.statements import StatementBook
from tests.graph_api.bench import workload
from tests.graph_api.bench.figures import Figure
from tests.graph_api.bench.node import Node
from tests.graph_api.bench.worker_path import frames_of, pipelined
from tests.graph_api.integration.survival.family import Family, within
from tests.graph_api.worker_harness import TemplateHarness, WorkerClient, running_template

_CALLS = 200_000
_REQUESTS = 2_000
_ROUNDS = 40
_ROWS = 10_000
_KILLS = 7
_WAIT_S = 20.0


def policy_share(lookups_per_s: float) -> Figure:
    """Policy and read proof of a text that was seen before, as a share of a point lookup.

    Args:
        lookups_per_s: Of the bare engine.
    """

    @lru_cache(maxsize=1024)
    def admitted(text: str) -> None:
        check(classify(text))

    book = StatementBook(512)
    seconds = min(
        timeit.repeat(lambda: (admitted(workload.LOOKUP), book.facts(workload.LOOKUP)), number=_CALLS, repeat=5)
    )
    share = seconds / _CALLS * lookups_per_s
    value = f"{share:.2%}   ({seconds / _CALLS * 1e6:.2f} / {1e6 / lookups_per_s:.0f} us)"
    return Figure("policy and read proof, known text / point lookup", value, "<= 5 %", "1 %")


def sandbox_cost(folder: Path) -> Figure:
    """Processor time of a point lookup in a confined worker against one that is not, in turns."""
    with running_template() as template:
        confined, free = (_worker(template, folder / mode, mode) for mode in ("required", "off"))
        pairs: list[tuple[float, float]] = []
        for turn in range(_ROUNDS):
            order = (confined, free) if turn % 2 else (free, confined)
            seconds = {worker.worker_id: _lookup_seconds(worker) for worker in order}
            pairs.append((seconds[confined.worker_id], seconds[free.worker_id]))
        for worker in (confined, free):
            template.shut(worker)
    more = statistics.median(inside / outside - 1 for inside, outside in pairs)
    inside, outside = (statistics.median(side) for side in zip(*pairs, strict=True))
    value = f"{more:+.1%}   ({inside * 1e6:.1f} / {outside * 1e6:.1f} us of processor time)"
    return Figure("point lookup in the sandbox / without it", value, "<= +3 %", "0 %")


def recovery(node: Node, graph_id: str) -> Figure:
    """From the kill of a worker to the next answer of its database."""
    family = Family(node.process_id)
    seconds: list[float] = []
    with node.http() as http:
        for _ in range(_KILLS):
            assert within(_WAIT_S, lambda: _is_answered(http, graph_id) and family.worker(graph_id) is not None)
            time.sleep(1.5)  # One that dies young is replaced on demand only.
            worker = family.worker(graph_id)
            assert worker is not None
            os.kill(worker, signal.SIGKILL)
            began = time.perf_counter()
            assert within(_WAIT_S, lambda: _is_answered(http, graph_id))
            seconds.append(time.perf_counter() - began)
    value = f"{statistics.median(seconds) * 1000:.0f} ms   (worst of {_KILLS}: {max(seconds) * 1000:.0f} ms)"
    return Figure("back after kill -9 of a worker, 1M rows", value, "<= 300 ms", "100 ms")


def _lookup_seconds(worker: WorkerClient) -> float:
    """Return the seconds of processor time that the worker needs for one of many lookups."""
    before = _processor_ns(worker.process_id)
    pipelined(worker, _lookups(), 16)
    return (_processor_ns(worker.process_id) - before) / 1e9 / _REQUESTS


def _processor_ns(process_id: int) -> int:
    """Return the processor time that all threads of a process have had."""
    tasks = Path(f"/proc/{process_id}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks)


def _is_answered(http: httpx.Client, graph_id: str) -> bool:
    """Whether the worker answers; a new key each time, so that no remembered answer comes in its place."""
    body = {"cypher": workload.LOOKUP, "parameters": {"id": time.monotonic_ns() % workload.PERSONS}}
    return http.post(f"/databases/{graph_id}/query", json=body).is_success


def _worker(template: TemplateHarness, directory: Path, mode: str) -> WorkerClient:
    """Open a worker with some rows."""
    directory.mkdir()
    worker = template.open(directory, sandbox=mode)
    worker.write(workload.PERSON_DDL)
    text = "UNWIND range(0, $last) AS i CREATE (:Person {id: i, name: 'person', age: 1, score: 0.5, active: true})"
    worker.write(text, {"last": _ROWS - 1})
    pipelined(worker, _lookups(), 16)
    return worker


def _lookups() -> list[bytes]:
    return frames_of(workload.LOOKUP, 0, _REQUESTS, write=False)
