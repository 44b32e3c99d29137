"""Modes, wrong rows, Arrow and progress of loads over HTTP."""

import io
import json
import re
import threading
from collections.abc import Iterator
from typing import Any, Final

import duckdb
import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.graph_api.api.contract import assert_problem
from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.tenant import CSV, NDJSON, PARQUET, Tenant, checked, parquet, tenant_of, wait_until

pytestmark = pytest.mark.integration

ARROW_STREAM: Final = "application/vnd.apache.arrow.stream"
ARROW_FILE: Final = "application/vnd.apache.arrow.file"
PEOPLE_QUERY: Final = "MATCH (p:Person) RETURN p.name AS name, p.age AS age ORDER BY name"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    with running_server(tmp_path_factory.mktemp("modes"), settings={"LBUG_MAX_DATABASES_PER_NODE": "50"}) as server:
        yield server


@pytest.fixture
def tenant(server: RunningServer) -> Iterator[Tenant]:
    """Give a database with Ada and Grace."""
    with tenant_of(server) as tenant:
        assert tenant.load("Person", b"name,age\nAda,36\nGrace,45\n").status_code == 200
        yield tenant


def people(tenant: Tenant) -> dict[str, Any]:
    """Return all people with their ages."""
    return {row["name"]: row["age"] for row in tenant.rows(PEOPLE_QUERY)}


def counts(report: dict[str, Any]) -> tuple[int, ...]:
    """Return what a report counts."""
    return tuple(report[f"rows_{what}"] for what in ("in_file", "loaded", "updated", "deleted", "skipped"))


def send(tenant: Tenant, content: bytes, **options: Any) -> httpx.Response:
    """Send CSV of people with these options."""
    url = tenant.url("/load/Person")
    return checked(tenant.http.post(url, content=content, headers={"Content-Type": CSV}, params=options))


# -- modes ------------------------------------------------------------------------------------------------------------


def test_an_upsert_updates_known_keys_and_adds_the_others(tenant: Tenant) -> None:
    """Only given columns change, and relationships stay."""
    tenant.load("Knows", b"from,to,since\nAda,Grace,1950\n")
    answer = tenant.load("Person", b"name,age\nGrace,46\nAlan,41\n", mode="upsert")
    assert answer.status_code == 200, answer.text
    assert counts(answer.json()) == (2, 1, 1, 0, 0)
    assert (answer.json()["mode"], answer.json()["rejects_url"]) == ("upsert", None)
    assert people(tenant) == {"Ada": 36, "Alan": 41, "Grace": 46}
    assert counts(tenant.load("Person", b"name\nGrace\nEve\n", mode="upsert").json()) == (2, 1, 1, 0, 0)
    assert people(tenant) == {"Ada": 36, "Alan": 41, "Eve": None, "Grace": 46}
    assert tenant.rows("MATCH (:Person)-[k:Knows]->(:Person) RETURN k.since AS since") == [{"since": 1950}]


def test_a_replacement_leaves_exactly_the_rows_of_the_file(tenant: Tenant) -> None:
    """Nodes that stay keep their relationships; what the file has no column for becomes null."""
    tenant.load("Knows", b"from,to,since\nAda,Ada,1950\n")
    answer = tenant.load("Person", b"name,age\nAda,37\nAlan,41\n", mode="replace")
    assert counts(answer.json()) == (2, 1, 1, 1, 0)
    assert people(tenant) == {"Ada": 37, "Alan": 41}
    assert counts(tenant.load("Person", b"name\nAda\n", mode="replace").json()) == (1, 0, 1, 1, 0)
    assert people(tenant) == {"Ada": None}
    assert tenant.rows("MATCH (a:Person)-[:Knows]->(b:Person) RETURN a.name AS a") == [{"a": "Ada"}]


def test_a_replacement_deletes_relationships_only_if_that_is_said(tenant: Tenant) -> None:
    """A node that would take relationships with it refuses the load by name."""
    tenant.load("Knows", b"from,to,since\nAda,Grace,1950\n")
    refused = tenant.load("Person", b"name,age\nAda,1\n", mode="replace")
    problem = assert_problem(refused, 400, "LOAD_FAILED")
    assert (problem["reason"], problem["value"], problem["table"]) == ("has_relationships", "Grace", "Knows")
    assert people(tenant) == {"Ada": 36, "Grace": 45}
    assert counts(tenant.load("Person", b"name,age\nAda,1\n", mode="replace", detach=True).json()) == (1, 0, 1, 1, 0)
    assert people(tenant) == {"Ada": 1}
    assert tenant.rows("MATCH ()-[k:Knows]->() RETURN count(*) AS n") == [{"n": 0}]


def test_relationships_are_replaced_and_updated_by_their_ends(tenant: Tenant) -> None:
    """Of several between the same nodes none is chosen."""
    two = b"from,to,since\nAda,Grace,1\nAda,Grace,2\n"
    assert counts(tenant.load("Knows", two).json()) == (2, 2, 0, 0, 0)
    problem = assert_problem(tenant.load("Knows", b"from,to,since\nAda,Grace,3\n", mode="upsert"), 400, "LOAD_FAILED")
    assert problem["reason"] == "several_relationships"
    replaced = tenant.load("Knows", b"from,to,since\nAda,Grace,4\nGrace,Ada,5\n", mode="replace")
    assert counts(replaced.json()) == (2, 2, 0, 2, 0)
    updated = tenant.load("Knows", b"from,to,since\nAda,Grace,6\nAda,Ada,7\n", mode="upsert")
    assert counts(updated.json()) == (2, 1, 1, 0, 0)
    found = tenant.rows("MATCH (a:Person)-[k:Knows]->(b:Person) RETURN k.since AS since ORDER BY since")
    assert [row["since"] for row in found] == [5, 6, 7]


def test_detaching_goes_with_replacing_only(tenant: Tenant) -> None:
    """What would be ignored is refused."""
    assert_problem(tenant.load("Person", b"name\nx\n", detach=True), 400, "INVALID_REQUEST")


def test_readers_see_the_old_or_the_new_rows_and_nothing_between(tenant: Tenant) -> None:
    """While tables are replaced again and again, every count and sum is that of one of the files."""
    size = 4_000
    files = [b"name,age\n" + b"".join(b"p%d,%d\n" % (row, age) for row in range(size)) for age in (1, 2)]
    assert tenant.load("Person", files[0], mode="replace").status_code == 200
    seen: set[tuple[int, int]] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            row = tenant.rows("MATCH (p:Person) RETURN count(*) AS n, sum(p.age) AS total")[0]
            seen.add((row["n"], int(row["total"])))

    reader = threading.Thread(target=look)
    reader.start()
    for turn in range(4):
        assert tenant.load("Person", files[turn % 2], mode="replace").status_code == 200
    ended.set()
    reader.join()
    assert seen <= {(size, size), (size, 2 * size)}


# -- wrong rows -------------------------------------------------------------------------------------------------------

BAD: Final = b"name,age\nAlan,41\nBob,x\n,5\nAda,1\nAlan,2\nCarl,3,4\nEve,\n"


def test_wrong_rows_are_left_out_and_reported(tenant: Tenant) -> None:
    """Each with row, line, column, value and reason, in the answer and for download."""
    answer = tenant.load("Person", BAD, on_error="skip")
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert counts(report) == (7, 2, 0, 0, 5)
    assert people(tenant) == {"Ada": 36, "Alan": 41, "Eve": None, "Grace": 45}
    rejects = {reject["row"]: reject for reject in report["rejects"]}
    assert {row: reject["reason"] for row, reject in rejects.items()} == {
        2: "unfit_value",
        3: "missing_value",
        4: "key_exists",
        5: "duplicate_key",
        6: "field_count",
    }
    assert (rejects[2]["line"], rejects[2]["column"], rejects[2]["value"]) == (3, "age", "'x'")
    assert rejects[6]["line"] == 7
    assert report["rejects_complete"]
    download = checked(tenant.http.get(report["rejects_url"]))
    assert download.headers["content-type"] == NDJSON
    lines = [json.loads(line) for line in download.text.splitlines()]
    assert lines == [
        {name: reject[name] for name in reject if reject[name] is not None} for reject in report["rejects"]
    ]


def test_a_file_without_wrong_rows_leaves_nothing_to_download(tenant: Tenant) -> None:
    """There is no address, and no other load's rows are found."""
    report = tenant.load("Person", b"name,age\nAlan,41\n", on_error="skip").json()
    assert (report["rejects"], report["rejects_url"], report["rejects_complete"]) == ([], None, True)
    assert_problem(tenant.http.get(tenant.url(f"/loads/{'0' * 32}/rejects")), 404, "LOAD_NOT_FOUND")
    assert_problem(tenant.http.get(tenant.url("/loads/..%2f..%2fmanifest.json/rejects")), 404, "NOT_FOUND")
    assert_problem(tenant.http.get(tenant.url("/loads/manifest/rejects")), 404, "LOAD_NOT_FOUND")


def test_rejected_rows_belong_to_their_database(server: RunningServer, tenant: Tenant) -> None:
    """They cannot be read under another one, survive its closing, and go with it."""
    report = tenant.load("Person", BAD, on_error="skip").json()
    with tenant_of(server) as other:
        name = report["rejects_url"].split("/")[-2]
        assert_problem(other.http.get(other.url(f"/loads/{name}/rejects")), 404, "LOAD_NOT_FOUND")
    assert tenant.http.get(report["rejects_url"]).status_code == 200
    assert checked(tenant.http.delete(tenant.url())).status_code == 200
    assert_problem(tenant.http.get(report["rejects_url"]), 404, "DATABASE_NOT_FOUND")


def test_relationships_to_nobody_are_left_out(tenant: Tenant) -> None:
    """The end is named with its table."""
    content = b'{"from":"Ada","to":"Grace"}\n{"from":"Ada","to":"Nobody"}\n{broken\n{"from":null,"to":"Ada"}\n'
    report = tenant.load("Knows", content, NDJSON, on_error="skip").json()
    assert counts(report) == (4, 1, 0, 0, 3)
    reasons = {reject["row"]: (reject["reason"], reject["line"]) for reject in report["rejects"]}
    assert reasons == {2: ("dangling_end", None), 3: ("not_json", 3), 4: ("missing_value", 4)}


def test_a_file_of_wrong_rows_alone_loads_nothing_and_counts_all(tenant: Tenant) -> None:
    """The first ones are in the answer, all of them in the file."""
    content = b"name,age\n" + b"".join(b"p%d,x\n" % number for number in range(5_000))
    report = tenant.load("Person", content, on_error="skip").json()
    assert counts(report) == (5_000, 0, 0, 0, 5_000)
    assert len(report["rejects"]) == 20
    assert len(tenant.http.get(report["rejects_url"]).text.splitlines()) == 5_000


def test_what_is_wrong_with_the_whole_file_is_not_skipped(tenant: Tenant) -> None:
    """An unclosed quote could hide any number of rows."""
    problem = assert_problem(tenant.load("Person", b'name,age\n"Al,1\nBo,2\n', on_error="skip"), 400, "LOAD_FAILED")
    assert problem["reason"] == "quoting"


# -- CSV as others write it -------------------------------------------------------------------------------------------


def test_csv_of_another_dialect_is_loaded(tenant: Tenant) -> None:
    """Without a header, with another quote, another null and another encoding."""
    content = "'J\u00fcrgen; \u20ac';NA\n'NA';7\nplain;8\n".encode("utf-16")
    options = {"columns": "name,age", "delimiter": ";", "quote": "'", "null": "NA", "encoding": "utf-16"}
    answer = send(tenant, content, header=False, mode="replace", **options)
    assert answer.status_code == 200, answer.text
    assert people(tenant) == {"J\u00fcrgen; \u20ac": None, "NA": 7, "plain": 8}


@pytest.mark.parametrize(
    "options",
    [
        {"header": False},
        {"columns": "a,b"},
        {"header": False, "columns": "name,,age"},
        {"encoding": "rot13"},
        {"encoding": "zip"},
        {"quote": ","},
        {"null": "a,b"},
        {"mode": "merge"},
        {"on_error": "ignore"},
    ],
)
def test_impossible_options_are_refused_by_name(tenant: Tenant, options: dict[str, Any]) -> None:
    """With what would be right."""
    problem = assert_problem(send(tenant, b"name,age\nx,1\n", **options), 400, "INVALID_REQUEST")
    assert any(name in problem["detail"] for name in (*options, "quote", "columns"))


def test_bytes_of_another_encoding_are_named_by_their_line(tenant: Tenant) -> None:
    """The text before them is fine."""
    problem = assert_problem(send(tenant, b"name,age\nAl,1\nB\xff,2\n", encoding="ascii"), 400, "LOAD_FAILED")
    assert (problem["reason"], problem["line"]) == ("encoding", 3)


# -- files of other writers -------------------------------------------------------------------------------------------

TABLE: Final = pa.table({"name": pa.array(["Zoe", "Yan"]).dictionary_encode(), "age": pa.array([1, None], pa.int32())})


def arrow_stream(compression: str | None = None) -> bytes:
    """Return the table as a stream."""
    written = io.BytesIO()
    with pa.ipc.new_stream(written, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(TABLE)
    return written.getvalue()


def arrow_file(compression: str | None = None) -> bytes:
    """Return the table as a file."""
    written = io.BytesIO()
    with pa.ipc.new_file(written, TABLE.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(TABLE)
    return written.getvalue()


def written_by_polars(kind: str) -> bytes:
    """Return the table as polars writes it."""
    frame = pl.DataFrame({"name": ["Zoe", "Yan"], "age": [1, None]})
    written = io.BytesIO()
    {
        "file": frame.write_ipc,
        "stream": frame.write_ipc_stream,
        "parquet": frame.write_parquet,
        "csv": frame.write_csv,
        "ndjson": frame.write_ndjson,
    }[kind](written)
    return written.getvalue()


def written_by_pandas(kind: str) -> bytes:
    """Return the table as pandas writes it: whole numbers beside a gap are floats there."""
    frame = pd.DataFrame({"name": ["Zoe", "Yan"], "age": [1, None]})
    written = io.BytesIO()
    if kind == "parquet":
        frame.to_parquet(written, index=False)
    elif kind == "csv":
        frame.to_csv(written, index=False)
    else:
        frame.to_json(written, orient="records", lines=True)
    return written.getvalue()


def written_by_duckdb(folder: Any, form: str) -> bytes:
    """Return the table as DuckDB writes it."""
    path = folder / "written"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * FROM (VALUES ('Zoe', 1), ('Yan', NULL)) AS t(name, age)) TO '{path}' (FORMAT {form})"
        )
    return path.read_bytes()


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *((ARROW_STREAM, arrow_stream(compression)) for compression in (None, "lz4", "zstd")),
        *((ARROW_FILE, arrow_file(compression)) for compression in (None, "lz4", "zstd")),
        (ARROW_FILE, written_by_polars("file")),
        (ARROW_STREAM, written_by_polars("stream")),
        (PARQUET, written_by_polars("parquet")),
        (CSV, written_by_polars("csv")),
        (NDJSON, written_by_polars("ndjson")),
        (PARQUET, written_by_pandas("parquet")),
        (CSV, written_by_pandas("csv")),
        (NDJSON, written_by_pandas("ndjson")),
        (PARQUET, parquet(name=["Zoe", "Yan"], age=[1, None])),
    ],
)
def test_files_of_other_writers_are_loaded(tenant: Tenant, kind: str, content: bytes) -> None:
    """Dictionaries, views of texts and compressed batches included."""
    answer = tenant.load("Person", content, kind, mode="replace")
    assert answer.status_code == 200, answer.text
    assert people(tenant) == {"Zoe": 1, "Yan": None}


@pytest.mark.parametrize(("kind", "form"), [(PARQUET, "parquet"), (CSV, "csv"), (NDJSON, "json")])
def test_files_of_duckdb_are_loaded(tenant: Tenant, tmp_path: Any, kind: str, form: str) -> None:
    """As it exports them."""
    answer = tenant.load("Person", written_by_duckdb(tmp_path, form), kind, mode="replace")
    assert answer.status_code == 200, answer.text
    assert people(tenant) == {"Zoe": 1, "Yan": None}


# -- progress and places ----------------------------------------------------------------------------------------------


def events(tenant: Tenant, content: bytes, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    """Load with progress, and return the events."""
    headers = {"Content-Type": CSV, "Accept": "text/event-stream"}
    url = tenant.url("/load/Person")
    answer = tenant.http.post(url, content=content, headers=headers, params=options)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = re.findall(r"event: (\w+)\ndata: (.*)\n\n", answer.text)
    assert "".join(f"event: {name}\ndata: {data}\n\n" for name, data in found) == answer.text
    return [(name, json.loads(data)) for name, data in found]


def test_a_load_tells_how_far_it_is(tenant: Tenant) -> None:
    """Its phases in order, then the result as it would have been without."""
    content = b"name,age\n" + b"".join(b"p%d,%d\n" % (number, number) for number in range(30_000))
    found = events(tenant, content, mode="upsert")
    assert [name for name, _ in found][-1] == "result"
    assert counts(found[-1][1]) == (30_000, 30_000, 0, 0, 0)
    phases = [data["phase"] for name, data in found if name == "progress"]
    order = ["receiving", "waiting", "converting", "checking", "copying", "checkpointing"]
    assert phases
    assert phases == sorted(phases, key=order.index)
    assert tenant.count() == 30_002


def test_a_load_that_fails_ends_its_events_with_the_problem(tenant: Tenant) -> None:
    """The status was sent before."""
    name, problem = events(tenant, b"name,age\nx,y\n")[-1]
    assert (name, problem["code"], problem["row"]) == ("problem", "LOAD_FAILED", 1)
    assert people(tenant) == {"Ada": 36, "Grace": 45}


def test_a_replacement_can_be_cancelled_and_changes_nothing(tenant: Tenant) -> None:
    """The lane is free at once, and the rows are the old ones."""
    content = b"name,age\n" + b"".join(b"p%d,%d\n" % (number, number) for number in range(300_000))
    answers: list[Any] = []
    loading = threading.Thread(target=lambda: answers.append(tenant.load("Person", content, mode="replace")))
    loading.start()
    wait_until(tenant.running)
    query = tenant.running()[0]
    assert query["cypher"] == "load csv into Person"
    checked(tenant.http.delete(tenant.url(f"/queries/{query['query_id']}")))
    loading.join()
    if answers[0].status_code == 200:  # It was quicker.
        assert tenant.count() == 300_000
    else:
        assert_problem(answers[0], 409, "QUERY_CANCELLED")
        assert people(tenant) == {"Ada": 36, "Grace": 45}
    assert tenant.ask("CREATE (:Person {name: 'New'})").status_code == 200
