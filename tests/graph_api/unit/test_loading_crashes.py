"""A worker that dies in the middle of a load that changes rows: the old rows are there afterwards, or the new ones."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robosystems.graph_api.backends.lbug.wire import Kind
from tests.graph_api.unit.loading_support import load_order
from tests.graph_api.worker_harness import TemplateHarness, WorkerClient, running_template

ROWS = 8_000
ROUNDS = 4


@pytest.fixture(scope="module")
def template() -> Iterator[TemplateHarness]:
    """Start one template for the module."""
    with running_template() as harness:
        yield harness


def write(path: Path, first: int, value: int) -> Path:
    """Write a file of rows from a key on, all with one value."""
    keys = range(first, first + ROWS)
    pq.write_table(pa.table({"id": [f"k{key}" for key in keys], "v": [value] * ROWS}), path)
    return path


def order(path: Path, mode: str) -> bytes:
    """Return a LOAD."""
    return msgspec.msgpack.encode(load_order("T", path, mode=mode))


def state(client: WorkerClient) -> tuple[int, int, int]:
    """Return how many rows there are, how many the index finds, and the sum of the values."""
    row = client.run("MATCH (n:T) RETURN count(*) AS n, sum(n.v) AS v").data[0]
    keys = [f"k{key}" for key in range(0, 2 * ROWS, 97)]
    text = "UNWIND $keys AS key MATCH (n:T) WHERE n.id = key RETURN count(*) AS n"
    return row["n"], client.run(text, {"keys": keys}).data[0]["n"], int(row["v"])


@pytest.mark.parametrize("mode", ["upsert", "replace"])
def test_a_crash_leaves_the_old_rows_or_the_new_ones(template: TemplateHarness, tmp_path: Path, mode: str) -> None:
    """Whenever it comes: half of the rows are changed and as many are new, and no mixture is ever seen."""
    directory = tmp_path / "g"
    for name in ("incoming", "tmp"):
        (directory / name).mkdir(parents=True)
    client = template.open(directory)
    client.write("CREATE NODE TABLE T(id STRING PRIMARY KEY, v INT64)")
    files = [write(directory / "incoming" / f"f{turn}", turn * ROWS // 2, turn + 1) for turn in range(2)]
    found: list[tuple[int, int, int]] = []
    seconds = 0.0
    for turn in range(2):
        began = time.monotonic()
        assert client.wait(client.ask(Kind.LOAD, order(files[0], "replace"))).failure is None
        if turn == 0:
            found.append(state(client))
        assert client.wait(client.ask(Kind.LOAD, order(files[1], mode))).failure is None
        seconds = time.monotonic() - began
    found.append(state(client))
    for number in range(ROUNDS):
        assert client.wait(client.ask(Kind.LOAD, order(files[0], "replace"))).failure is None
        assert state(client) == found[0]
        client.ask(Kind.LOAD, order(files[1], mode))
        time.sleep(seconds * (number + 1) / (ROUNDS + 2))
        os.kill(template.process_id_of(client), signal.SIGKILL)
        template.exit_of(client)
        client = template.open(directory)
        assert state(client) in found
    assert template.shut(client) == 0
