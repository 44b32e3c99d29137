"""What the Python clients cost: against the bare HTTP library, against curl, and at import."""

import asyncio
import itertools
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from robosystems.graph_api.client import AsyncGraphClient, GraphClient
from robosystems.graph_api.client.stream_arrow import ARROW_STREAM
from tests.graph_api.bench import workload
from tests.graph_api.bench.figures import Figure
from tests.graph_api.bench.load_generators import require
from tests.graph_api.bench.node import Node

_TASKS = 16
_ROUNDS = 3
_IMPORTS = 7


def lookups(node: Node, seconds: int) -> list[Figure]:
    """Point lookups of 16 tasks through the asynchronous client, against the same requests through httpx."""
    bare: list[float] = []
    served: list[float] = []
    for _ in range(_ROUNDS):
        bare.append(asyncio.run(_bare_lookups(node, seconds / _ROUNDS)))
        served.append(asyncio.run(_client_lookups(node, seconds / _ROUNDS)))
    ratio = statistics.median(served) / statistics.median(bare)
    value = f"{ratio:.2f}   ({statistics.median(served):,.0f} / {statistics.median(bare):,.0f} per s)"
    return [Figure("async client, lookups of 16 tasks / bare httpx", value, "0.8", "0.95")]


def arrow(node: Node, folder: Path) -> list[Figure]:
    """A million rows as Arrow batches in Python, against curl that writes the same answer to a file."""
    bare: list[float] = []
    served: list[float] = []
    with GraphClient(node.url, node.key, timeout_s=300) as client:
        for _ in range(_ROUNDS):
            bare.append(_timed(lambda: _curl(node, folder / "rows.arrow")))
            served.append(_timed(lambda: _read_batches(client)))
    ratio = statistics.median(bare) / statistics.median(served)
    value = f"{ratio:.2f}   ({statistics.median(bare):.2f} / {statistics.median(served):.2f} s)"
    return [Figure("client, 1M rows x 5 as Arrow / curl to a file", value, "0.8", "1.0")]


def imports() -> list[Figure]:
    """Import of the clients in a fresh interpreter, against httpx alone."""
    nothing = _import_seconds("pass")
    bare = _import_seconds("import httpx") - nothing
    served = _import_seconds("import robosystems.graph_api.client") - nothing
    value = f"{served / bare:.2f}   ({served * 1000:.0f} / {bare * 1000:.0f} ms)"
    return [Figure("import of the client / import of httpx", value, "<= 2", "1.2")]


async def _client_lookups(node: Node, seconds: float) -> float:
    """Return lookups a second through the client."""
    async with AsyncGraphClient(node.url, node.key) as client:

        async def look_up(identifier: int) -> None:
            result = await client.query("t0", workload.LOOKUP, {"id": identifier})
            assert len(result.rows) == 1

        return await _rate(look_up, seconds)


async def _bare_lookups(node: Node, seconds: float) -> float:
    """Return lookups a second through httpx, with the body made and the answer read as a program would."""
    headers = {"X-Graph-API-Key": node.key, "Content-Type": "application/json", "Accept-Encoding": "identity"}
    async with httpx.AsyncClient(base_url=node.url, headers=headers) as client:

        async def look_up(identifier: int) -> None:
            body = json.dumps({"cypher": workload.LOOKUP, "parameters": {"id": identifier}}).encode()
            answer = await client.post("/databases/t0/query", content=body)
            answer.raise_for_status()
            assert len(answer.json()["data"]) == 1

        return await _rate(look_up, seconds)


async def _rate(look_up: Callable[[int], Awaitable[None]], seconds: float) -> float:
    """Return calls a second of 16 tasks."""
    identifiers = itertools.count()
    end = time.perf_counter() + seconds

    async def work() -> int:
        done = 0
        while time.perf_counter() < end:
            await look_up(next(identifiers) * 7919 % workload.PERSONS)
            done += 1
        return done

    await look_up(0)
    began = time.perf_counter()
    done = sum(await asyncio.gather(*(work() for _ in range(_TASKS))))
    return done / (time.perf_counter() - began)


def _curl(node: Node, file: Path) -> None:
    """Write a million rows to a file."""
    headers = ["-H", f"X-Graph-API-Key: {node.key}", "-H", "Content-Type: application/json"]
    headers += ["-H", f"Accept: {ARROW_STREAM}"]
    body = json.dumps({"cypher": workload.EXPORT, "timeout": 300})
    url = f"{node.url}/databases/t0/query"
    subprocess.run([require("curl"), "-sSf", "-o", str(file), *headers, "-d", body, url], check=True)


def _read_batches(client: GraphClient) -> None:
    """Read a million rows as batches."""
    rows = sum(batch.num_rows for batch in client.arrow_stream("t0", workload.EXPORT, timeout=300))
    assert rows == workload.PERSONS


def _timed(work: Callable[[], None]) -> float:
    """Return the seconds that work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _import_seconds(statement: str) -> float:
    """Return the seconds of a fresh interpreter that runs a statement, the median of some."""
    return statistics.median(
        _timed(lambda: subprocess.run([sys.executable, "-c", statement], check=True) and None) for _ in range(_IMPORTS)
    )
