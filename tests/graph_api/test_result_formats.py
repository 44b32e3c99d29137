"""Rows over HTTP in every format: what libraries read, how answers end, how they are compressed and negotiated."""

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robosystems.graph_api.domain.query import SUMMARY_KEY, ResultFormat
from robosystems.graph_api.routers.databases.media_types import FORMAT_BY_TYPE
from tests.graph_api.api.contract import assert_problem
from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.tenant import Tenant, checked, tenant_of

pytestmark = pytest.mark.integration

ARROW, CSV, EVENTS = "application/vnd.apache.arrow.stream", "text/csv", "text/event-stream"
JSON, NDJSON, PARQUET = "application/json", "application/x-ndjson", "application/vnd.apache.parquet"
ALL = (JSON, NDJSON, ARROW, CSV, PARQUET, EVENTS)

TABLES = (
    "CREATE NODE TABLE Person(name STRING, age INT64, PRIMARY KEY(name));"
    "CREATE REL TABLE KNOWS(FROM Person TO Person, since INT64)"
)
ROWS = "UNWIND range(1, $n) AS i RETURN CAST(i AS INT64) AS i, 'text ' + CAST(i AS STRING) AS t, i % 2 = 0 AS even"
COUNTS = (0, 1, 300, 301, 50_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    with running_server(tmp_path_factory.mktemp("formats")) as server:
        yield server


@pytest.fixture(scope="module")
def tenant(server: RunningServer) -> Iterator[Tenant]:
    """Give the database that all tests share: two persons, one of whom knows the other."""
    with tenant_of(server, TABLES) as tenant:
        tenant.rows("CREATE (:Person {name: 'Ada', age: 36})-[:KNOWS {since: 1980}]->(:Person {name: 'Grace'})")
        yield tenant


def answer(tenant: Tenant, accept: str, cypher: str, coding: str = "identity", **body: Any) -> httpx.Response:
    """Send a statement and return its answer, which is as the OpenAPI document says."""
    headers = {"Accept": accept, "Accept-Encoding": coding}
    got = checked(tenant.http.post(tenant.url("/query"), json={"cypher": cypher, **body}, headers=headers))
    assert got.status_code == 200, got.text
    return got


def expected_rows(count: int) -> list[dict[str, Any]]:
    """Return the rows of `ROWS`."""
    return [{"i": number, "t": f"text {number}", "even": number % 2 == 0} for number in range(1, count + 1)]


def arrow_of(body: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """Read an Arrow stream to its end; return its rows, and the summary of its last batch."""
    with pa.ipc.open_stream(body) as reader:
        *batches, last = list(reader.iter_batches_with_custom_metadata())
        assert last.batch.num_rows == 0
        table = pa.Table.from_batches([each.batch for each in batches], reader.schema)
    return table, json.loads(last.custom_metadata[SUMMARY_KEY])


def parquet_of(body: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """Read a Parquet file; return its rows, and the summary of its metadata."""
    file = pq.ParquetFile(io.BytesIO(body))
    return file.read(), json.loads(file.metadata.metadata[SUMMARY_KEY.encode()])


def events_of(body: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Read server-sent events; return the rows and the summary of the last one."""
    events: list[tuple[str, Any]] = []
    for event in body.removesuffix("\n\n").split("\n\n"):
        name, data = event.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    *rows, (last, summary) = events
    assert last == "summary"
    assert {name for name, _ in rows} <= {"rows"}
    return [row for _, batch in rows for row in batch], summary


# -- readers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", COUNTS)
def test_an_arrow_stream_holds_all_rows_and_the_summary(tenant: Tenant, count: int) -> None:
    """From no row to many batches; the last batch is empty and says how many there were."""
    table, summary = arrow_of(answer(tenant, ARROW, ROWS, parameters={"n": count}).content)
    assert table.schema == pa.schema({"i": pa.int64(), "t": pa.string(), "even": pa.bool_()})
    assert table.to_pylist() == expected_rows(count)
    assert summary["columns"] == ["i", "t", "even"]
    assert summary["types"] == ["INT64", "STRING", "BOOL"]
    assert (summary["row_count"], summary["truncated"]) == (count, False)


@pytest.mark.parametrize("count", COUNTS)
def test_a_parquet_file_holds_all_rows_and_the_summary(tenant: Tenant, count: int) -> None:
    """From no row to several row groups."""
    got = answer(tenant, PARQUET, ROWS, parameters={"n": count})
    table, summary = parquet_of(got.content)
    assert table.to_pylist() == expected_rows(count)
    assert (summary["row_count"], summary["truncated"]) == (count, False)
    assert (got.headers["x-row-count"], got.headers["x-truncated"]) == (str(count), "false")


@pytest.mark.parametrize("count", COUNTS)
def test_a_csv_file_holds_all_rows(tenant: Tenant, count: int) -> None:
    """Its first record is the header."""
    got = answer(tenant, CSV, ROWS, parameters={"n": count})
    assert got.content.endswith(b"\r\n")
    header, *records = list(csv.reader(io.StringIO(got.text, newline="")))
    assert header == ["i", "t", "even"]
    assert records == [[str(row["i"]), row["t"], str(row["even"]).lower()] for row in expected_rows(count)]
    assert (got.headers["x-row-count"], got.headers["x-truncated"]) == (str(count), "false")


@pytest.mark.parametrize("count", COUNTS)
def test_an_event_stream_holds_all_rows_and_the_summary(tenant: Tenant, count: int) -> None:
    """Rows come in events of some size, the summary in the last one."""
    rows, summary = events_of(answer(tenant, EVENTS, ROWS, parameters={"n": count}).text)
    assert rows == expected_rows(count)
    assert (summary["row_count"], summary["truncated"]) == (count, False)


def test_polars_reads_arrow_csv_and_parquet(tenant: Tenant) -> None:
    """With its usual functions and no options."""
    read = {ARROW: pl.read_ipc_stream, CSV: pl.read_csv, PARQUET: pl.read_parquet}
    for accept, reader in read.items():
        frame = reader(answer(tenant, accept, ROWS, parameters={"n": 20_000}).content)
        assert frame.to_dicts() == expected_rows(20_000)


def test_pandas_reads_arrow_csv_and_parquet(tenant: Tenant) -> None:
    """Arrow through pyarrow, files directly."""
    bodies = {accept: answer(tenant, accept, ROWS, parameters={"n": 1_000}).content for accept in (ARROW, CSV, PARQUET)}
    frames = (
        pa.ipc.open_stream(bodies[ARROW]).read_pandas(),
        pd.read_csv(io.BytesIO(bodies[CSV])),
        pd.read_parquet(io.BytesIO(bodies[PARQUET])),
    )
    for frame in frames:
        assert frame.to_dict("records") == expected_rows(1_000)


def test_duckdb_reads_arrow_csv_and_parquet(tenant: Tenant, tmp_path: Path) -> None:
    """From memory and from files."""
    for accept, name in ((CSV, "rows.csv"), (PARQUET, "rows.parquet")):
        (tmp_path / name).write_bytes(answer(tenant, accept, ROWS, parameters={"n": 1_000}).content)
    table, _ = arrow_of(answer(tenant, ARROW, ROWS, parameters={"n": 1_000}).content)
    expected = [(row["i"], row["t"], row["even"]) for row in expected_rows(1_000)]
    with duckdb.connect() as connection:
        for source in (
            connection.from_arrow(table),
            connection.read_csv(str(tmp_path / "rows.csv")),
            connection.read_parquet(str(tmp_path / "rows.parquet")),
        ):
            assert source.fetchall() == expected


@pytest.mark.parametrize("coding", ["", "gzip", "zstd"])
def test_curl_saves_what_was_sent(server: RunningServer, tenant: Tenant, tmp_path: Path, coding: str) -> None:
    """Plain, or compressed and then unpacked with the tool of that name's library."""
    file = tmp_path / "rows.csv"
    body = json.dumps({"cypher": ROWS, "parameters": {"n": 1_000}})
    headers = [f"X-Graph-API-Key: {server.key}", f"Accept: {CSV}", f"Accept-Encoding: {coding}"]
    options = [part for header in headers for part in ("-H", header)]
    url = f"{server.base_url}{tenant.url('/query')}"
    subprocess.run(["curl", "-sS", "--fail", "-o", str(file), *options, "-d", body, url], check=True, timeout=60)
    content = pa.CompressedInputStream(pa.OSFile(str(file)), coding).read() if coding else file.read_bytes()
    assert content == answer(tenant, CSV, ROWS, parameters={"n": 1_000}).content


def test_graph_values_look_the_same_in_every_format(tenant: Tenant) -> None:
    """Nodes, relationships, paths and ids: public names in the same order, ids as the same texts."""
    cypher = "MATCH path = (a:Person)-[k:KNOWS]->(b:Person) RETURN a, k, path, id(b) AS i, [id(a)] AS ids, {x: b} AS s"
    (expected,) = answer(tenant, JSON, cypher).json()["data"]
    assert list(expected["k"]) == ["_id", "_label", "_src", "_dst", "since"]
    (line, _) = answer(tenant, NDJSON, cypher).text.splitlines()
    (record,) = csv.DictReader(io.StringIO(answer(tenant, CSV, cypher).text, newline=""))
    in_csv = {name: value if name == "i" else json.loads(value) for name, value in record.items()}
    tables = arrow_of(answer(tenant, ARROW, cypher).content)[0], parquet_of(answer(tenant, PARQUET, cypher).content)[0]
    rows = [
        json.loads(line),
        events_of(answer(tenant, EVENTS, cypher).text)[0][0],
        in_csv,
        *(table.to_pylist()[0] for table in tables),
    ]
    assert [json.dumps(row) for row in rows] == [json.dumps(expected)] * len(rows)


def test_a_csv_file_can_be_loaded_again(server: RunningServer, tenant: Tenant) -> None:
    """Null stays null, and the empty text and hostile texts stay what they are."""
    texts = ["", " ", "a,b", 'say "so"', "two\r\nlines", "=1+1", "NULL", "é😀", None]
    cypher = "UNWIND range(0, 8) AS i RETURN i AS id, $texts[i + 1] AS t, NULL AS nothing"
    body = answer(tenant, CSV, cypher, parameters={"texts": texts}).content
    with tenant_of(server, "CREATE NODE TABLE T(id INT64, t STRING, nothing STRING, PRIMARY KEY(id))") as other:
        assert other.load("T", body).status_code == 200
        rows = other.rows("MATCH (t:T) RETURN t.t AS t, t.nothing AS nothing ORDER BY t.id")
    assert [row["t"] for row in rows] == texts
    assert {row["nothing"] for row in rows} == {None}


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_row_limit_is_never_silent(tenant: Tenant) -> None:
    """The summary says that rows were left out; formats without one say so in a header before the first row."""
    for limit, truncated in ((400, True), (500, False), (600, False)):
        options: dict[str, Any] = {"parameters": {"n": 500}, "max_rows": limit}
        count = min(limit, 500)
        summaries = [
            arrow_of(answer(tenant, ARROW, ROWS, **options).content)[1],
            parquet_of(answer(tenant, PARQUET, ROWS, **options).content)[1],
            events_of(answer(tenant, EVENTS, ROWS, **options).text)[1],
        ]
        for summary in summaries:
            assert (summary["row_count"], summary["truncated"]) == (count, truncated)
        for accept in (CSV, PARQUET):
            headers = answer(tenant, accept, ROWS, **options).headers
            assert (headers["x-row-count"], headers["x-truncated"]) == (str(count), str(truncated).lower())


def test_only_documents_have_a_cap_of_their_own(tenant: Tenant) -> None:
    """Whatever streams brings every row."""
    for accept in (ARROW, CSV, PARQUET):
        got = answer(tenant, accept, "UNWIND range(1, 100001) AS i RETURN i")
        rows = arrow_of(got.content)[0].num_rows if accept == ARROW else int(got.headers["x-row-count"])
        assert rows == 100_001
    document = answer(tenant, JSON, "UNWIND range(1, 100001) AS i RETURN i").json()
    assert (document["row_count"], document["truncated"]) == (100_000, True)


def test_a_write_carries_its_counters(tenant: Tenant) -> None:
    """Wherever there is a summary, with rows and without."""
    for number, returned in enumerate(("RETURN p.name AS name", "")):
        for accept, read in ((ARROW, arrow_of), (PARQUET, parquet_of)):
            cypher = f"CREATE (p:Person {{name: '{accept} {number}'}}) {returned}"
            table, summary = read(answer(tenant, accept, cypher).content)
            assert summary["counters"]["nodes_created"] == 1
            assert table.num_rows == (1 if returned else 0)
        cypher = f"CREATE (p:Person {{name: '{EVENTS} {number}'}}) {returned}"
        assert events_of(answer(tenant, EVENTS, cypher).text)[1]["counters"]["nodes_created"] == 1
        got = answer(tenant, CSV, f"CREATE (p:Person {{name: '{CSV} {number}'}}) {returned}")
        assert got.text == (f'name\r\n"{CSV} 0"\r\n' if returned else "")


@pytest.mark.parametrize("accept", ALL)
def test_an_error_before_the_first_row_is_a_problem(tenant: Tenant, accept: str) -> None:
    """Whatever Accept says."""
    body = {"cypher": "MATCH (n:Nobody) RETURN n"}
    headers = {"Accept": accept, "Accept-Encoding": "zstd"}
    got = tenant.http.post(tenant.url("/query"), json=body, headers=headers)
    assert_problem(got, 400, "STATEMENT_ERROR")


def test_files_are_named_after_the_database(tenant: Tenant) -> None:
    """What is meant to be saved says so."""
    for accept, suffix in ((CSV, "csv"), (PARQUET, "parquet")):
        disposition = answer(tenant, accept, "RETURN 1 AS x").headers["content-disposition"]
        assert disposition == f'attachment; filename="{tenant.graph_id}.{suffix}"'
    assert "content-disposition" not in answer(tenant, ARROW, "RETURN 1 AS x").headers


# -- negotiation ------------------------------------------------------------------------------------------------------


def test_every_format_can_be_asked_for() -> None:
    """By a media type of its own; arrays are a form of JSON."""
    assert set(FORMAT_BY_TYPE.values()) | {ResultFormat.JSON_ARRAYS} == set(ResultFormat)
    assert set(FORMAT_BY_TYPE) == set(ALL)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/*", CSV),
        ("text/event-stream, */*", EVENTS),
        ("application/vnd.apache.arrow.stream;q=0.9, text/csv", CSV),
        ("application/vnd.apache.arrow.stream, text/csv;q=0.9, */*;q=0.1", ARROW),
        ("application/json;q=0, application/x-ndjson;q=0, application/*", ARROW),
        ("*/*", JSON),
    ],
)
def test_accept_decides_among_all_formats(tenant: Tenant, accept: str, kind: str) -> None:
    """By quality, then by how exactly a type is named, then by order, then by what is usual."""
    assert answer(tenant, accept, "RETURN 1 AS x").headers["content-type"].split(";")[0] == kind


def test_a_format_that_is_not_there_is_refused_with_all_that_are(tenant: Tenant) -> None:
    """The refusal is the list to choose from."""
    headers = {"Accept": "application/x-msgpack"}
    got = tenant.http.post(tenant.url("/query"), json={"cypher": "RETURN 1"}, headers=headers)
    problem = assert_problem(got, 400, "INVALID_REQUEST", names="Accept: ")
    assert all(name in problem["detail"] for name in ALL)


@pytest.mark.parametrize("accept", [NDJSON, ARROW, CSV, PARQUET, EVENTS])
def test_arrays_are_a_form_of_json_only(tenant: Tenant, accept: str) -> None:
    """Elsewhere the option is refused."""
    url = tenant.url("/query?format=arrays")
    got = tenant.http.post(url, json={"cypher": "RETURN 1"}, headers={"Accept": accept})
    assert_problem(got, 400, "INVALID_REQUEST", names="format: ")


# -- compression ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ALL)
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("count", [200, 50_000])
def test_compression_changes_nothing_but_the_size(tenant: Tenant, accept: str, coding: str, count: int) -> None:
    """Short answers and streams; Parquet is compressed in itself."""
    plain = answer(tenant, accept, ROWS, parameters={"n": count})
    packed = answer(tenant, accept, ROWS, coding, parameters={"n": count})
    assert plain.headers["vary"] == packed.headers["vary"] == "accept, accept-encoding"
    assert "content-encoding" not in plain.headers
    if accept == PARQUET:
        assert "content-encoding" not in packed.headers
        assert parquet_of(plain.content)[0] == parquet_of(packed.content)[0]
        return
    assert packed.headers["content-encoding"] == coding
    assert packed.num_bytes_downloaded < plain.num_bytes_downloaded / 2
    if accept == ARROW:
        assert arrow_of(plain.content)[0] == arrow_of(packed.content)[0]
    else:  # All but the time that the engine took is the same.
        assert plain.text.split('"execution_time_ms"')[0] == packed.text.split('"execution_time_ms"')[0]


def test_tiny_answers_are_not_compressed(tenant: Tenant) -> None:
    """They would become larger."""
    assert "content-encoding" not in answer(tenant, JSON, "RETURN 1 AS x", "gzip, zstd").headers


@pytest.mark.parametrize(
    ("wanted", "coding"),
    [
        ("gzip, zstd", "zstd"),
        ("gzip, zstd;q=0.5", "gzip"),
        ("GZIP", "gzip"),
        ("*", "zstd"),
        ("*;q=0.5, zstd;q=0", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0", None),
        ("br, deflate", None),
        ("", None),
        (";;,q=1", None),
    ],
)
def test_accept_encoding_decides_the_coding(tenant: Tenant, wanted: str, coding: str | None) -> None:
    """By quality; zstd where the client leaves the choice."""
    got = answer(tenant, NDJSON, ROWS, wanted, parameters={"n": 1_000})
    assert got.headers.get("content-encoding") == coding
