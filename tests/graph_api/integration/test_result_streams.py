"""Streams of every format when something goes wrong or slowly: broken off, stalled, and how much memory they take."""

import contextlib
import json
import time
from collections.abc import Generator, Iterator
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.tenant import Tenant, tenant_of, wait_until

pytestmark = pytest.mark.integration

ARROW, CSV, EVENTS = "application/vnd.apache.arrow.stream", "text/csv", "text/event-stream"
NDJSON, PARQUET = "application/x-ndjson", "application/vnd.apache.parquet"
WITHOUT_RECORD = (ARROW, CSV, PARQUET)

ROWS = 1_000_000
MANY = f"UNWIND range(1, {ROWS}) AS i RETURN i, CAST(hash(i) AS STRING) AS t, CAST(hash(-i) AS STRING) AS u"
"""A result that no socket buffer holds, compressed or not."""

WIDE = f"UNWIND range(1, {ROWS}) AS i RETURN i, CAST(hash(i) AS STRING) + '" + 80 * "x" + "' AS t"
"""A result that takes more than a hundred megabytes as Arrow."""

END_OF_ARROW = b"\xff\xff\xff\xff\x00\x00\x00\x00"
ENCODING_BYTES = 80 << 20
"""What an answer may take beyond what the engine holds, libraries included: less than `WIDE` as Arrow."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    with running_server(tmp_path_factory.mktemp("streams")) as server:
        yield server


@pytest.fixture
def tenant(server: RunningServer) -> Iterator[Tenant]:
    """Give a new database."""
    with tenant_of(server) as tenant:
        yield tenant


@contextlib.contextmanager
def stream_of(
    server: RunningServer, tenant: Tenant, accept: str, cypher: str = MANY, coding: str = "identity"
) -> Generator[HTTPResponse]:
    """Give the answer to a statement whose first bytes have come."""
    host = server.base_url.removeprefix("http://")
    connection = HTTPConnection(host, timeout=60)
    headers = {"X-Graph-API-Key": server.key, "Accept": accept, "Accept-Encoding": coding}
    connection.request("POST", tenant.url("/query"), json.dumps({"cypher": cypher, "timeout": 120}), headers)
    response = connection.getresponse()
    try:
        assert response.status == 200
        yield response
    finally:
        response.close()
        connection.close()


def worker_of(server: RunningServer, tenant: Tenant) -> psutil.Process:
    """Return the process of a database."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    return next(child for child in children if child.name() == f"graph:{tenant.graph_id}")


def peak_of(process: psutil.Process) -> int:
    """Return the most resident memory that a process has ever had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM:"))


# -- broken off -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "coding"),
    [(ARROW, "identity"), (ARROW, "gzip"), (CSV, "identity"), (CSV, "zstd"), (PARQUET, "identity")],
)
def test_a_stream_without_a_last_record_breaks_off(
    server: RunningServer, tenant: Tenant, accept: str, coding: str
) -> None:
    """When its worker dies the HTTP body does not end, so that no client takes it for complete."""
    with stream_of(server, tenant, accept, coding=coding) as response:
        begun = response.read(1_000)
        worker_of(server, tenant).kill()
        with pytest.raises(IncompleteRead) as event:
            response.read()
    assert len(begun) == 1_000
    assert not event.value.partial.endswith((END_OF_ARROW, b"PAR1"))


def test_pyarrow_raises_for_a_stream_that_breaks_off(server: RunningServer, tenant: Tenant) -> None:
    """It reads the answer itself, gets whole batches, and then the failure of the connection instead of an end."""
    with stream_of(server, tenant, ARROW) as response, pa.ipc.open_stream(response) as reader:
        first = reader.read_next_batch()
        worker_of(server, tenant).kill()
        with pytest.raises(IncompleteRead):
            reader.read_all()
    assert first["i"].to_pylist() == list(range(1, first.num_rows + 1))


@pytest.mark.parametrize(("accept", "coding"), [(NDJSON, "gzip"), (EVENTS, "zstd")])
def test_the_problem_of_a_compressed_stream_can_be_read(
    server: RunningServer, tenant: Tenant, accept: str, coding: str
) -> None:
    """It is the last record, and the compressed body is complete."""
    with stream_of(server, tenant, accept, coding=coding) as response:
        begun = response.read(1_000)
        worker_of(server, tenant).kill()
        packed = begun + response.read()
    text = pa.CompressedInputStream(pa.BufferReader(packed), coding).read().decode()
    if accept == NDJSON:
        problem = json.loads(text.splitlines()[-1])["problem"]
    else:
        name, data = text.removesuffix("\n\n").split("\n\n")[-1].split("\n")
        assert name == "event: problem"
        problem = json.loads(data.removeprefix("data: "))
    assert problem["code"] == "WORKER_CRASHED"


def test_an_event_stream_that_breaks_holds_whole_events(server: RunningServer, tenant: Tenant) -> None:
    """The rows up to the problem are the first ones, none twice and none cut."""
    with stream_of(server, tenant, EVENTS) as response:
        begun = response.read(1_000)
        worker_of(server, tenant).kill()
        events = (begun + response.read()).decode().removesuffix("\n\n").split("\n\n")
    numbers = [row["i"] for event in events[:-1] for row in json.loads(event.removeprefix("event: rows\ndata: "))]
    assert numbers == list(range(1, len(numbers) + 1))
    assert 0 < len(numbers) < ROWS
    assert events[-1].startswith("event: problem\n")


# -- stalled ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("accept", "coding"), [(ARROW, "identity"), (CSV, "zstd")])
def test_a_client_that_stops_reading_stops_the_producer(
    server: RunningServer, tenant: Tenant, accept: str, coding: str
) -> None:
    """The worker comes to rest and keeps its place; when the client reads on, it gets everything."""
    with stream_of(server, tenant, accept, coding=coding) as response:
        begun = response.read(1_000)
        worker, api = worker_of(server, tenant), psutil.Process(server.process.pid)
        wait_until(lambda: rests(worker) and rests(api))
        assert len(tenant.running()) == 1
        body = begun + response.read()
    if coding != "identity":
        body = pa.CompressedInputStream(pa.BufferReader(body), coding).read()
    if accept == ARROW:
        assert body.endswith(END_OF_ARROW)
        assert pa.ipc.open_stream(body).read_all().num_rows == ROWS
    else:
        assert body.count(b"\r\n") == 1 + ROWS


def rests(process: psutil.Process) -> bool:
    """Say whether a process hardly uses a processor for a moment."""
    before = process.cpu_times()
    time.sleep(0.2)
    after = process.cpu_times()
    return after.user + after.system - before.user - before.system <= 0.03


def test_a_client_that_goes_away_ends_its_stream(server: RunningServer, tenant: Tenant) -> None:
    """In a format without a last record as in the others."""
    with stream_of(server, tenant, ARROW, coding="zstd") as response:
        response.read(1_000)
    wait_until(lambda: not tenant.running())
    assert tenant.count() == 0


# -- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", [NDJSON, EVENTS, *WITHOUT_RECORD])
def test_a_stream_takes_little_memory_beside_the_result_of_the_engine(
    server: RunningServer, tenant: Tenant, accept: str
) -> None:
    """The engine holds the whole result, which one row of it shows; sending all rows adds some batches."""
    for _ in range(2):
        assert tenant.ask(WIDE, max_rows=1).json()["truncated"] is True
    worker, api = worker_of(server, tenant), psutil.Process(server.process.pid)
    worker_before, api_before = peak_of(worker), peak_of(api)
    with stream_of(server, tenant, accept, WIDE) as response:
        size = sum(len(piece) for piece in iter(lambda: response.read(1 << 20), b""))
    assert size > 20_000_000
    assert peak_of(worker) - worker_before < ENCODING_BYTES
    assert peak_of(api) - api_before < ENCODING_BYTES
