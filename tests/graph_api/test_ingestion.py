"""Loading over HTTP, end to end: formats, encodings, names, refusals, bounds, interruptions, many at once."""

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import zstandard

from tests.graph_api.api.contract import assert_problem
from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.tenant import CSV, NDJSON, PARQUET, PEOPLE, Tenant, checked, parquet, tenant_of, wait_until

pytestmark = pytest.mark.integration

UPLOAD_LIMIT = 8_000_000
ADA_AND_GRACE = b"name,age\nAda,36\nGrace,45\n"
ROWS = [{"name": "Ada", "age": 36}, {"name": "Grace", "age": 45}]
PEOPLE_QUERY = "MATCH (p:Person) RETURN p.name AS name, p.age AS age ORDER BY name"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    settings = {"LBUG_MAX_UPLOAD_BYTES": str(UPLOAD_LIMIT), "LBUG_MAX_DATABASES_PER_NODE": "100"}
    with running_server(tmp_path_factory.mktemp("ingestion"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def people(server: RunningServer) -> Iterator[Tenant]:
    """Give the database of people that all tests share."""
    with tenant_of(server) as tenant:
        yield tenant


@pytest.fixture
def tenant(people: Tenant) -> Tenant:
    """Give that database, emptied."""
    people.rows("MATCH (p:Person) DETACH DELETE p")
    return people


def numbered(first: int, count: int) -> bytes:
    """Return CSV with that many people."""
    return b"name,age\n" + b"".join(b"p%d,%d\n" % (number, number) for number in range(first, first + count))


def in_pieces(content: bytes, size: int = 7) -> Iterator[bytes]:
    """Yield content in pieces, which the client sends as a chunked body."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def assert_nothing_kept(tenant: Tenant, *, people: int = 0) -> None:
    """Fail if a load left rows or files."""
    assert tenant.count() == people
    wait_until(lambda: not tenant.incoming())


# -- formats and encodings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (PARQUET, parquet(name=["Ada", "Grace"], age=[36, 45])),
        ("application/x-parquet", parquet(name=["Ada", "Grace"], age=[36, 45])),
        (CSV, ADA_AND_GRACE),
        ("text/csv; charset=utf-8", ADA_AND_GRACE),
        ("TEXT/CSV", ADA_AND_GRACE.replace(b"\n", b"\r\n")),
        (NDJSON, b'{"name":"Ada","age":36}\n{"age":45,"name":"Grace"}'),
        ("application/jsonl", b'{"name":"Ada","age":36}\n\n{"age":45,"name":"Grace"}\n'),
    ],
)
def test_each_format_is_loaded_by_its_content_type(tenant: Tenant, kind: str, content: bytes) -> None:
    """The report counts the rows and names the columns; the rows can be read at once."""
    answer = tenant.load("Person", content, kind)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["status"] == "success"
    assert (report["graph_id"], report["table_name"]) == (tenant.graph_id, "Person")
    assert (report["rows_loaded"], sorted(report["columns"]), report["ignored_columns"]) == (2, ["age", "name"], [])
    assert answer.headers["x-query-id"]
    assert tenant.rows(PEOPLE_QUERY) == ROWS
    assert tenant.incoming() == []


def test_the_format_can_be_given_instead(tenant: Tenant) -> None:
    """The option goes before the content type."""
    assert tenant.load("Person", ADA_AND_GRACE, "application/octet-stream", format="csv").status_code == 200
    assert tenant.rows(PEOPLE_QUERY) == ROWS


COMPRESSED = {
    "gzip": gzip.compress(ADA_AND_GRACE),
    "zstd": zstandard.compress(ADA_AND_GRACE),
}
IN_PARTS = {
    "gzip": gzip.compress(ADA_AND_GRACE[:15]) + gzip.compress(b"") + gzip.compress(ADA_AND_GRACE[15:]),
    "zstd": zstandard.compress(ADA_AND_GRACE[:15]) + zstandard.compress(ADA_AND_GRACE[15:]),
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("files", [COMPRESSED, IN_PARTS], ids=["one part", "several parts"])
@pytest.mark.parametrize("encoding", ["gzip", "zstd", "GZIP"])
def test_compressed_files_are_loaded(tenant: Tenant, encoding: str, files: dict[str, bytes], *, chunked: bool) -> None:
    """Members or frames in a row are one file, whatever pieces they come in."""
    content = files[encoding.lower()]
    answer = tenant.load("Person", in_pieces(content, 3) if chunked else content, encoding=encoding)
    assert answer.status_code == 200, answer.text
    assert tenant.rows(PEOPLE_QUERY) == ROWS


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("rest", [4, 1])
def test_a_truncated_compressed_file_is_refused(tenant: Tenant, encoding: str, rest: int) -> None:
    """Even if every row had come through already."""
    content = COMPRESSED[encoding][:-rest]
    assert_problem(tenant.load("Person", content, encoding=encoding), 400, "LOAD_FAILED", names="incomplete")
    assert_nothing_kept(tenant)


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", ADA_AND_GRACE),
        ("zstd", ADA_AND_GRACE),
        ("gzip", COMPRESSED["gzip"] + b"rubbish that is no member"),
        ("zstd", COMPRESSED["zstd"] + b"rubbish that is no frame"),
        ("gzip", COMPRESSED["zstd"]),
        ("gzip", COMPRESSED["gzip"][:-8] + b"\0" * 8),
        ("gzip", b""),
        ("zstd", b""),
    ],
)
def test_what_is_not_compressed_as_it_says_is_refused(tenant: Tenant, encoding: str, content: bytes) -> None:
    """Wrong codec, wrong checksum, rubbish behind the end, nothing at all."""
    assert_problem(tenant.load("Person", content, encoding=encoding), 400, "LOAD_FAILED", names=encoding)
    assert_nothing_kept(tenant)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_measured_by_what_comes_out(tenant: Tenant, encoding: str) -> None:
    """The limit of a file holds after decompression; a few kilobytes that swell are too large."""
    swollen = b"name,age\n" + b"\n" * (4 * UPLOAD_LIMIT)
    small = gzip.compress(swollen) if encoding == "gzip" else zstandard.compress(swollen, 19)
    assert len(small) < UPLOAD_LIMIT // 100
    answer = tenant.load("Person", small, encoding=encoding)
    problem = assert_problem(answer, 413, "PAYLOAD_TOO_LARGE", names="LBUG_MAX_UPLOAD_BYTES")
    assert problem["limit_bytes"] == UPLOAD_LIMIT
    assert_nothing_kept(tenant)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_file_over_the_limit_is_refused(tenant: Tenant, *, chunked: bool) -> None:
    """However it is sent; just below, it is loaded."""
    large = b"name,age\nAda,36\n" + b"\n" * UPLOAD_LIMIT
    answer = tenant.load("Person", in_pieces(large, 65_536) if chunked else large)
    assert_problem(answer, 413, "PAYLOAD_TOO_LARGE", names="LBUG_MAX_UPLOAD_BYTES")
    assert_nothing_kept(tenant)
    fits = large[:UPLOAD_LIMIT]
    assert tenant.load("Person", in_pieces(fits, 65_536) if chunked else fits).status_code == 200


def test_a_chunked_file_of_any_size_of_pieces_is_loaded(tenant: Tenant) -> None:
    """Pieces have nothing to do with rows."""
    content = numbered(0, 2_000)
    assert tenant.load("Person", in_pieces(content, 11)).json()["rows_loaded"] == 2_000
    total = tenant.rows("MATCH (p:Person) RETURN sum(p.age) AS total")
    assert int(total[0]["total"]) == sum(range(2_000))


# -- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (PARQUET, parquet(age=[36, 45], name=["Ada", "Grace"])),
        (CSV, b"age,name\n36,Ada\n45,Grace\n"),
        (NDJSON, b'{"age":36,"name":"Ada"}\n{"age":45,"name":"Grace"}\n'),
    ],
)
def test_columns_are_matched_by_name(tenant: Tenant, kind: str, content: bytes) -> None:
    """The order of columns in a file means nothing."""
    assert tenant.load("Person", content, kind).status_code == 200
    assert tenant.rows(PEOPLE_QUERY) == ROWS


def test_swapped_columns_of_one_type_are_matched_by_name(server: RunningServer) -> None:
    """Where no type would notice, the names still decide."""
    ddl = "CREATE NODE TABLE T(a STRING, b STRING, PRIMARY KEY(a))"
    with tenant_of(server, ddl) as tenant:
        for kind, content in (
            (PARQUET, parquet(b=["b1"], a=["a1"])),
            (CSV, b"b,a\nb2,a2\n"),
            (NDJSON, b'{"b":"b3","a":"a3"}\n'),
        ):
            assert tenant.load("T", content, kind).status_code == 200
        rows = tenant.rows("MATCH (t:T) RETURN t.a AS a, t.b AS b ORDER BY a")
        assert rows == [{"a": f"a{number}", "b": f"b{number}"} for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (PARQUET, parquet(name=["Ada", "Grace"], age=[36, 45], shoe=[1, 2])),
        (CSV, b"name,age,shoe\nAda,36,1\nGrace,45,2\n"),
        (NDJSON, b'{"name":"Ada","age":36,"shoe":1}\n{"name":"Grace","age":45}\n'),
    ],
)
def test_unknown_columns_are_refused_unless_they_are_to_be_ignored(tenant: Tenant, kind: str, content: bytes) -> None:
    """The refusal names them; with the option the report does."""
    problem = assert_problem(tenant.load("Person", content, kind), 400, "LOAD_FAILED", names="shoe")
    assert (problem["reason"], problem["columns"]) == ("unknown_columns", ["shoe"])
    assert_nothing_kept(tenant)
    answer = tenant.load("Person", content, kind, ignore_unknown_columns="true")
    assert answer.status_code == 200, answer.text
    assert answer.json()["ignored_columns"] == ["shoe"]
    assert tenant.rows(PEOPLE_QUERY) == ROWS


def test_columns_that_a_file_lacks_stay_null(tenant: Tenant) -> None:
    """All but the key may be missing."""
    assert tenant.load("Person", b"name\nAda\n").json()["columns"] == ["name"]
    assert tenant.rows(PEOPLE_QUERY) == [{"name": "Ada", "age": None}]
    problem = assert_problem(tenant.load("Person", b"age\n36\n"), 400, "LOAD_FAILED", names="name")
    assert problem["reason"] == "missing_key"


# -- relationships ----------------------------------------------------------------------------------------------------

KNOWS_QUERY = "MATCH (a:Person)-[k:Knows]->(b:Person) RETURN a.name AS a, b.name AS b, k.since AS since"


@pytest.mark.parametrize(
    ("kind", "content", "options"),
    [
        (CSV, b"from,to,since\nAda,Grace,1980\n", {}),
        (CSV, b"since,to,from\n1980,Grace,Ada\n", {}),
        (CSV, b"dst,src,since\nGrace,Ada,1980\n", {"from": "src", "to": "dst"}),
        (PARQUET, parquet(since=[1980], dst=["Grace"], src=["Ada"]), {"from": "src", "to": "dst"}),
        (NDJSON, b'{"to":"Grace","since":1980,"from":"Ada"}\n', {}),
        (CSV, b"from,to,since\nAda,Grace,1980\n", {"from_table": "Person", "to_table": "Person"}),
    ],
)
def test_relationships_are_loaded_by_their_ends(
    tenant: Tenant, kind: str, content: bytes, options: dict[str, str]
) -> None:
    """The columns of the ends are `from` and `to`, or what the caller calls them; direction is kept."""
    tenant.load("Person", ADA_AND_GRACE)
    answer = tenant.load("Knows", content, kind, **options)
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows_loaded"] == 1
    assert tenant.rows(KNOWS_QUERY) == [{"a": "Ada", "b": "Grace", "since": 1980}]


def test_parallel_relationships_are_all_kept(tenant: Tenant) -> None:
    """Two rows with the same ends are two relationships."""
    tenant.load("Person", ADA_AND_GRACE)
    content = b"from,to,since\nAda,Grace,1980\nAda,Grace,1980\nAda,Grace,1990\n"
    assert tenant.load("Knows", content).json()["rows_loaded"] == 3
    assert tenant.rows("MATCH ()-[k:Knows]->() RETURN count(*) AS n") == [{"n": 3}]


def test_several_pairs_of_ends_are_told_apart_by_the_caller(server: RunningServer) -> None:
    """A table that connects several pairs has to be told which one the file is for."""
    ddl = (
        "CREATE NODE TABLE P(id INT64 PRIMARY KEY); CREATE NODE TABLE Q(id INT64 PRIMARY KEY); "
        "CREATE REL TABLE R(FROM P TO P, FROM P TO Q)"
    )
    with tenant_of(server, ddl) as tenant:
        for table in "PQ":
            assert tenant.load(table, b"id\n1\n2\n").status_code == 200
        content = b"from,to\n1,2\n"
        problem = assert_problem(tenant.load("R", content), 400, "LOAD_FAILED", names="to_table")
        assert problem["reason"] == "endpoints"
        assert tenant.load("R", content, from_table="P", to_table="Q").status_code == 200
        assert tenant.rows("MATCH (p)-[:R]->(q) RETURN label(p) AS p, label(q) AS q") == [{"p": "P", "q": "Q"}]
        assert_problem(tenant.load("R", content, to_table="Absent"), 400, "LOAD_FAILED")


# -- rows that cannot be loaded ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (CSV, b"name,age\nIda,1\nUna,2\nIda,3\n"),
        (PARQUET, parquet(name=["Ida", "Una", "Ida"], age=[1, 2, 3])),
        (NDJSON, b'{"name":"Ida"}\n{"name":"Una"}\n{"name":"Ida"}\n'),
    ],
)
def test_a_key_twice_in_a_file_refuses_the_file(tenant: Tenant, kind: str, content: bytes) -> None:
    """The error names the row, the key and the reason."""
    problem = assert_problem(tenant.load("Person", content, kind), 400, "LOAD_FAILED", names="Ida")
    assert (problem["row"], problem["reason"]) == (3, "duplicate_key")
    assert_nothing_kept(tenant)


def test_a_key_that_the_table_has_refuses_the_file(tenant: Tenant) -> None:
    """A load never updates, and never skips."""
    tenant.load("Person", ADA_AND_GRACE)
    problem = assert_problem(tenant.load("Person", b"name,age\nNew,1\nGrace,99\n"), 400, "LOAD_FAILED", names="Grace")
    assert (problem["row"], problem["reason"]) == (2, "key_exists")
    assert tenant.rows(PEOPLE_QUERY) == ROWS


def test_a_dangling_end_refuses_the_file(tenant: Tenant) -> None:
    """The error names row, column and key; the good rows before it are not kept."""
    tenant.load("Person", ADA_AND_GRACE)
    content = b"from,to,since\nAda,Grace,1\nGrace,Nobody,2\n"
    problem = assert_problem(tenant.load("Knows", content), 400, "LOAD_FAILED", names="Nobody")
    assert (problem["row"], problem["reason"]) == (2, "dangling_end")
    assert tenant.rows("MATCH ()-[k:Knows]->() RETURN count(*) AS n") == [{"n": 0}]


@pytest.mark.parametrize(
    ("kind", "content", "row", "reason"),
    [
        (CSV, b"name,age\nAda,36\nGrace,old\n", 2, "unfit_value"),
        (CSV, b"name,age\nAda,36\n,45\n", 2, "missing_value"),
        (NDJSON, b'{"name":"Ada"}\n{"name":"Grace","age":"old"}\n', 2, "unfit_value"),
        (NDJSON, b'{"name":"Ada"}\n{"name":null}\n', 2, "missing_value"),
        (PARQUET, parquet(name=["Ada", None]), 2, "missing_value"),
    ],
)
def test_a_bad_value_refuses_the_file(tenant: Tenant, kind: str, content: bytes, row: int, reason: str) -> None:
    """The error names row, column and reason."""
    problem = assert_problem(tenant.load("Person", content, kind), 400, "LOAD_FAILED", names="Nothing was loaded")
    assert (problem["row"], problem["reason"]) == (row, reason)
    assert_nothing_kept(tenant)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (PARQUET, ADA_AND_GRACE),
        (PARQUET, b""),
        (PARQUET, parquet(name=["Ada"])[:-10]),
        (PARQUET, b"PAR1" + b"\0" * 100 + b"PAR1"),
        (CSV, b""),
        (CSV, b"\xff\xfe\x00"),
        (CSV, b'name,age\n"Ada,36\n'),
        (CSV, b"name,age\nAda,36,too,many\n"),
        (NDJSON, b"not json\n"),
        (NDJSON, b"[1]\n"),
        (NDJSON, b'{"name":"Ada"\n'),
        (NDJSON, b'{"name":"Ada"}{"name":"Grace"}\n'),
        (NDJSON, b"{" * 100_000),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(tenant: Tenant, kind: str, content: bytes) -> None:
    """Rubbish is the sender's error, and costs nothing but the answer."""
    assert_problem(tenant.load("Person", content, kind), 400, "LOAD_FAILED")
    assert_nothing_kept(tenant)


# -- requests that cannot be served -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "application/octet-stream", "text/csvx", ";"])
def test_a_content_type_without_a_format_is_refused(tenant: Tenant, kind: str) -> None:
    """The refusal lists what there is."""
    assert_problem(tenant.load("Person", ADA_AND_GRACE, kind), 400, "INVALID_REQUEST", names="Content-Type")
    assert_nothing_kept(tenant)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, zstd", "x"])
def test_an_unknown_encoding_is_refused(tenant: Tenant, encoding: str) -> None:
    """By name."""
    answer = tenant.load("Person", ADA_AND_GRACE, encoding=encoding)
    assert_problem(answer, 400, "INVALID_REQUEST", names="Content-Encoding")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"format": "xml"}, "format"),
        ({"delimiter": ""}, "delimiter"),
        ({"delimiter": ",,"}, "delimiter"),
        ({"delimiter": '"'}, "delimiter"),
        ({"delimiter": "\n"}, "delimiter"),
        ({"delimiter": "é"}, "delimiter"),
        ({"timeout": "0"}, "timeout"),
        ({"timeout": "soon"}, "timeout"),
        ({"timeout": "nan"}, "timeout"),
        ({"timeout": "inf"}, "timeout"),
        ({"timeout": "999999999"}, "LBUG_LOAD_TIMEOUT"),
        ({"ignore_unknown_columns": "perhaps"}, "ignore_unknown_columns"),
        ({"form": "csv"}, "form"),
        ({"from": "x" * 201}, "from"),
    ],
)
def test_a_wrong_option_is_refused_by_name(tenant: Tenant, options: dict[str, str], field: str) -> None:
    """No option is ignored, misspelt ones included."""
    assert_problem(tenant.load("Person", ADA_AND_GRACE, **options), 400, "INVALID_REQUEST", names=field)
    assert_nothing_kept(tenant)


def test_a_wrong_table_or_database_is_told(tenant: Tenant) -> None:
    """Absent ones are 404, impossible names 400."""
    assert_problem(tenant.load("Absent", ADA_AND_GRACE), 404, "TABLE_NOT_FOUND", names="Absent")
    for name in ("per-son", "1x", "Person`", "Person)%20RETURN%201%20--", "x" * 129, "%C3%A9", "%00"):
        assert_problem(tenant.load(name, ADA_AND_GRACE), 400, "INVALID_TABLE_NAME")
    answer = tenant.http.post("/databases/absent/load/Person", content=ADA_AND_GRACE, headers={"Content-Type": CSV})
    assert_problem(answer, 404, "DATABASE_NOT_FOUND")
    assert_nothing_kept(tenant)


def test_another_delimiter_and_quoting(tenant: Tenant) -> None:
    """A quoted field holds delimiters, quotes and line breaks."""
    content = b'age;name\n36;"Ada; ""Countess""\nLovelace"\n'
    assert tenant.load("Person", content, delimiter=";").status_code == 200
    assert tenant.rows(PEOPLE_QUERY) == [{"name": 'Ada; "Countess"\nLovelace', "age": 36}]


# -- time, interruption, vanished clients -----------------------------------------------------------------------------


def large_file() -> bytes:
    """Return a file whose load takes a while."""
    return numbered(0, 400_000)


def test_a_load_that_takes_too_long_leaves_nothing(tenant: Tenant) -> None:
    """The answer is 504, and the next load works."""
    answer = tenant.load("Person", large_file(), timeout=0.02)
    assert_problem(answer, 504, "QUERY_TIMEOUT")
    assert_nothing_kept(tenant)
    assert tenant.load("Person", ADA_AND_GRACE).status_code == 200


def test_a_load_can_be_cancelled_and_leaves_nothing(tenant: Tenant) -> None:
    """It is listed like a query while it runs."""
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(tenant.load, "Person", large_file())
        wait_until(tenant.running)
        listed = tenant.running()[0]
        assert "Person" in listed["cypher"]
        cancelled = checked(tenant.http.delete(tenant.url(f"/queries/{listed['query_id']}")))
        assert cancelled.status_code == 200
        assert_problem(loading.result(), 409, "QUERY_CANCELLED")
    assert_nothing_kept(tenant)


def raw_upload(server: RunningServer, tenant: Tenant) -> socket.socket:
    """Begin an upload that announces more than it sends."""
    host, port = server.base_url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    head = (
        f"POST {tenant.url('/load/Person')} HTTP/1.1\r\nHost: x\r\nX-Graph-API-Key: {server.key}\r\n"
        "Content-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n"
    )
    connection.sendall(head.encode() + ADA_AND_GRACE)
    return connection


def test_a_client_that_goes_away_in_mid_upload_leaves_nothing(server: RunningServer, tenant: Tenant) -> None:
    """No file, no rows, no place taken."""
    connections = [raw_upload(server, tenant) for _ in range(2)]
    wait_until(lambda: len(tenant.incoming()) == 2)
    for connection in connections:
        connection.close()
    wait_until(lambda: not tenant.incoming())
    assert tenant.count() == 0
    assert tenant.load("Person", ADA_AND_GRACE).status_code == 200


def test_a_client_that_goes_away_during_the_load_stops_it(tenant: Tenant) -> None:
    """What nobody waits for is not done."""
    with pytest.raises(httpx.ReadTimeout):
        tenant.http.post(
            tenant.url("/load/Person"),
            content=large_file(),
            headers={"Content-Type": CSV},
            timeout=httpx.Timeout(20, read=0.1),
        )
    wait_until(lambda: not tenant.running())
    assert_nothing_kept(tenant)


def test_a_database_deleted_in_mid_upload_ends_the_load(server: RunningServer) -> None:
    """The sender is told that the database is gone, and no directory comes back."""
    with tenant_of(server) as tenant, raw_upload(server, tenant) as connection:
        wait_until(tenant.incoming)
        assert checked(tenant.http.delete(tenant.url())).status_code == 200
        connection.sendall(b"\n" * (1_000_000 - len(ADA_AND_GRACE)))
        assert connection.makefile("rb").readline().split()[1] == b"404"
        assert not tenant.directory.exists()


# -- many at once -----------------------------------------------------------------------------------------------------


def test_a_full_queue_is_told_and_waiting_helps(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With every place taken a load is refused at once, with Retry-After; a free place takes it."""
    settings = {"LBUG_MAX_CONCURRENT_LOADS": "1", "LBUG_MAX_WAITING_LOADS": "0"}
    with running_server(tmp_path_factory.mktemp("narrow"), settings=settings) as server, tenant_of(server) as tenant:
        connection = raw_upload(server, tenant)
        wait_until(tenant.incoming)
        answer = tenant.load("Person", ADA_AND_GRACE)
        problem = assert_problem(answer, 503, "INGESTION_QUEUE_FULL", names="Ingestion queue full")
        assert problem["retryable"] is True
        assert int(answer.headers["retry-after"]) >= 1
        connection.close()
        wait_until(lambda: not tenant.incoming())
        assert tenant.load("Person", ADA_AND_GRACE).status_code == 200


def test_concurrent_loads_into_one_table_all_arrive(tenant: Tenant) -> None:
    """They take turns; every report is true."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: tenant.load("Person", numbered(number * 1_000, 1_000)), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert tenant.rows("MATCH (p:Person) RETURN count(*) AS n, count(DISTINCT p.age) AS d") == [{"n": 8000, "d": 8000}]


def test_of_concurrent_loads_of_one_file_one_succeeds(tenant: Tenant) -> None:
    """The others meet its keys."""
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: tenant.load("Person", numbered(0, 1_000)), range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5
    assert tenant.count() == 1_000


def test_concurrent_loads_into_several_databases_all_arrive(server: RunningServer) -> None:
    """Each database has its own rows."""
    with ThreadPoolExecutor(6) as pool:

        def load(number: int) -> int:
            with tenant_of(server, PEOPLE) as tenant:
                assert tenant.load("Person", numbered(0, 500 * (number + 1))).status_code == 200
                return tenant.count()

        assert list(pool.map(load, range(6))) == [500 * (number + 1) for number in range(6)]


def test_readers_see_a_load_whole_or_not_at_all(tenant: Tenant) -> None:
    """Reads go on during a load and never see a part of it."""
    seen: set[int] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(tenant.count())

    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(read)
        try:
            wait_until(lambda: seen)
            assert tenant.load("Person", numbered(0, 100_000)).status_code == 200
        finally:
            done.set()
        reading.result()
    assert tenant.count() == 100_000
    assert seen <= {0, 100_000}


def test_a_repeated_load_of_relationships_says_what_it_did(tenant: Tenant) -> None:
    """Each load adds its rows, as its report says; the table's count agrees."""
    tenant.load("Person", ADA_AND_GRACE)
    content = json.dumps({"from": "Ada", "to": "Grace"}).encode()
    reports: list[dict[str, Any]] = [tenant.load("Knows", content, NDJSON).json() for _ in range(2)]
    assert [report["rows_loaded"] for report in reports] == [1, 1]
    schema = checked(tenant.http.get(tenant.url("/schema"), params={"counts": "true"})).json()
    assert {table["name"]: table["row_count"] for table in schema["tables"]} == {"Person": 2, "Knows": 2}
