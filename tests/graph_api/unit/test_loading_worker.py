"""Loading in a real worker: confined, and ended where its engine must not go on."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robosystems.graph_api.backends.lbug.wire import EXIT_SPOILED, Kind
from tests.graph_api.unit.loading_support import load_order
from tests.graph_api.worker_harness import Answer, TemplateHarness, WorkerClient, running_template


@pytest.fixture(scope="module")
def template() -> Iterator[TemplateHarness]:
    """Start one template for the module."""
    with running_template() as harness:
        yield harness


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Make the directory of a database."""
    for name in ("incoming", "tmp"):
        (tmp_path / "g" / name).mkdir(parents=True)
    return tmp_path / "g"


def load(client: WorkerClient, path: Path, form: str) -> Answer:
    """Send a LOAD and wait for its answer."""
    return client.wait(client.ask(Kind.LOAD, msgspec.msgpack.encode(load_order("T", path, form))))


def test_every_format_is_loaded_by_a_confined_worker(template: TemplateHarness, directory: Path) -> None:
    """The readers need nothing that the sandbox forbids."""
    client = template.open(directory)
    client.write("CREATE NODE TABLE T(id STRING PRIMARY KEY, d DATE, m DECIMAL(10,2))")
    incoming = directory / "incoming"
    pq.write_table(pa.table({"id": ["a"], "d": ["2024-01-02"]}), incoming / "one")
    (incoming / "two").write_text('id,m\n"b",1.5\n')
    (incoming / "three").write_text('{"id": "c", "m": 2.5}\n')
    for name, form in (("one", "parquet"), ("two", "csv"), ("three", "ndjson")):
        assert load(client, incoming / name, form).json["rows_loaded"] == 1
    assert client.run("MATCH (n:T) RETURN count(*) AS n").data == [{"n": 3}]
    assert list((directory / "tmp").iterdir()) == []
    assert template.shut(client) == 0


def test_a_worker_ends_after_a_load_that_spoiled_its_engine(template: TemplateHarness, directory: Path) -> None:
    """The error is answered first; what comes then is refused, and the next worker finds all that was committed."""
    client = template.open(directory)
    client.write("CREATE NODE TABLE T(id STRING PRIMARY KEY, s STRING)")
    client.write("CREATE (:T {id: 'kept'})")
    garbled = pa.Array.from_buffers(pa.string(), 2, pa.array([b"ok", b"\xff\xfe"]).buffers())
    path = directory / "incoming" / "file"
    pq.write_table(pa.table({"id": ["a", "b"], "s": garbled}), path)
    failure = load(client, path, "parquet").failure
    assert failure is not None
    assert (failure.code, failure.context["row"]) == ("LOAD_FAILED", 2)
    assert template.exit_of(client) == EXIT_SPOILED
    client = template.open(directory)
    assert client.run("MATCH (n:T) RETURN n.id AS id").data == [{"id": "kept"}]
    assert template.shut(client) == 0
