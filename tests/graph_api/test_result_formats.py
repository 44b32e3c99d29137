"""Rows over HTTP in every format: what libraries read, how answers end, what breaks them off."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.tenant import PEOPLE, Tenant, checked, tenant_of

pytestmark = pytest.mark.integration

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    with running_server(tmp_path_factory.mktemp("formats")) as server:
        yield server


@pytest.fixture(scope="module")
def tenant(server: RunningServer) -> Iterator[Tenant]:
    """Give the database that all tests share."""
    with tenant_of(server, PEOPLE) as tenant:
        yield tenant


def answer(tenant: Tenant, accept: str, cypher: str, **body: Any) -> httpx.Response:
    """Send a statement and return its answer, which is as the OpenAPI document says."""
    headers = {"Accept": accept, "Accept-Encoding": "identity"}
    got = checked(tenant.http.post(tenant.url("/query"), json={"cypher": cypher, **body}, headers=headers))
    assert got.status_code == 200, got.text
    return got


def arrow_of(body: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """Read an Arrow stream to its end; return its rows, and the summary of its last batch."""
    with pa.ipc.open_stream(body) as reader:
        *batches, last = list(reader.iter_batches_with_custom_metadata())
        assert last.batch.num_rows == 0
        table = pa.Table.from_batches([each.batch for each in batches], reader.schema)
    return table, json.loads(last.custom_metadata["graph_api.summary"])


@pytest.mark.parametrize("rows", [0, 1, 300, 100_000])
def test_an_arrow_stream_holds_all_rows_and_the_summary(tenant: Tenant, rows: int) -> None:
    """From no row to many batches; the last batch is empty and says how many there were."""
    cypher = "UNWIND range(1, $n) AS i RETURN i, CAST(i AS STRING) AS i, CAST(i AS DOUBLE) AS half"
    got = answer(tenant, ARROW, cypher, parameters={"n": rows})
    assert got.headers["content-type"] == ARROW
    table, summary = arrow_of(got.content)
    assert table.schema == pa.schema({"i": pa.int64(), "i_2": pa.string(), "half": pa.float64()})
    assert table["i"].to_pylist() == list(range(1, rows + 1))
    assert table["i_2"].to_pylist() == [str(number) for number in range(1, rows + 1)]
    assert summary["columns"] == ["i", "i_2", "half"]
    assert summary["types"] == ["SERIAL", "STRING", "DOUBLE"]
    assert (summary["row_count"], summary["truncated"]) == (rows, False)
