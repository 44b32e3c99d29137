"""Exporting and importing whole graphs over HTTP: everything survives, or is refused by name."""

import gzip
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.archive_files import PART, SUMMARY, ArchiveFile, small_archive
from tests.graph_api.tenant import PEOPLE, Tenant, checked, tenant_of, wait_until

pytestmark = pytest.mark.integration

UPLOAD_LIMIT = 20_000_000
TAR = {"Content-Type": "application/x-tar"}
EMPTY = {"custom_schema": {"tables": []}}

EVERY_TYPE = """
CREATE NODE TABLE Every(
    id INT64, b BOOL, i8 INT8, i16 INT16, i32 INT32, u8 UINT8, u16 UINT16, u32 UINT32, u64 UINT64, i128 INT128,
    f FLOAT, d DOUBLE, short DECIMAL(5,2), long DECIMAL(38,3), s STRING DEFAULT 'none', bytes BLOB, day DATE,
    ts TIMESTAMP, sec TIMESTAMP_SEC, ms TIMESTAMP_MS, ns TIMESTAMP_NS, tz TIMESTAMP_TZ, span INTERVAL, u UUID,
    list STRING[], fixed INT64[3], map MAP(STRING, INT64), struct STRUCT(a INT64, b STRING),
    union_ UNION(num INT64, txt STRING), money DECIMAL(10,2)[], deep DECIMAL(10,2)[][], pair DECIMAL(10,2)[2],
    mixed STRUCT(x DECIMAL(6,2), y UUID[]), structs STRUCT(a INT64)[], PRIMARY KEY(id));
CREATE NODE TABLE Numbered(id SERIAL, name STRING, PRIMARY KEY(id));
CREATE NODE TABLE Unused(k UUID, v STRING, PRIMARY KEY(k));
CREATE NODE TABLE Big(k INT128, js JSON, PRIMARY KEY(k));
CREATE REL TABLE Link(FROM Every TO Every, FROM Every TO Numbered, FROM Numbered TO Big,
    `from` STRING, `to` INT64, w DOUBLE, n SERIAL);
CREATE REL TABLE Bare(FROM Numbered TO Numbered);
CREATE REL TABLE Nobody(FROM Big TO Big, x INT64)
"""
UUID = "uuid('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11')"
ROWS = (
    f"""CREATE (:Every {{id: 1, b: true, i8: -128, i16: -32768, i32: -5, u8: 255, u16: 65535, u32: 4294967295,
    u64: 18446744073709551615, i128: -170141183460469231731687303715884105728, f: 1.5, d: CAST('nan' AS DOUBLE),
    short: CAST(-1.5 AS DECIMAL(5,2)), long: CAST('-12345678901234567890123456789012345.125' AS DECIMAL(38,3)),
    s: 'é\\'"`\\\\ \\n x', bytes: blob('\\\\xAA\\\\x00'), day: date('1900-02-03'),
    ts: timestamp('2020-01-01 00:00:00.123456'), sec: CAST('2020-01-01 00:00:01' AS TIMESTAMP_SEC),
    ms: CAST('2020-01-01 00:00:00.123' AS TIMESTAMP_MS), ns: CAST('2020-01-01 00:00:00.123456789' AS TIMESTAMP_NS),
    tz: CAST('2020-01-01 00:00:00+02' AS TIMESTAMP_TZ), span: to_days(-3) + to_months(14) + to_microseconds(-5),
    u: {UUID}, list: ['a', '', NULL], fixed: [1, 2, 3], map: map(['x y,=]{{', ''], [1, NULL]), struct: {{a: 1, b: 'x'}},
    union_: union_value(txt := '1'), money: [CAST(-1.5 AS DECIMAL(10,2)), NULL],
    deep: [[CAST(-1.5 AS DECIMAL(10,2))], []], pair: [CAST(-1.5 AS DECIMAL(10,2)), CAST(2.5 AS DECIMAL(10,2))],
    mixed: {{x: CAST(-7.25 AS DECIMAL(6,2)), y: [{UUID}]}}, structs: [{{a: 1}}]}})""",
    "CREATE (:Every {id: 2, s: NULL})",
    "CREATE (:Every {id: 3, union_: 5, list: [], map: map([], []), money: []})",
    "CREATE (:Every {id: 4, d: CAST('-inf' AS DOUBLE), span: to_days(1)})",
    "UNWIND range(1, 10) AS i CREATE (:Numbered {name: 'n' + string(i)})",
    "MATCH (n:Numbered) WHERE n.id IN [2, 9] DELETE n",
    "CREATE (:Big {k: -5, js: CAST('{\"a\":[1,null]}' AS JSON)})",
    "MATCH (a:Every {id: 1}), (b:Every {id: 2}) UNWIND range(1, 3) AS i CREATE (a)-[:Link {`from`: 'f', `to`: 5}]->(b)",
    "MATCH (a:Every {id: 1}), (b:Numbered) CREATE (a)-[:Link {w: 2.5}]->(b)",
    "MATCH (a:Numbered), (b:Big) CREATE (a)-[:Link]->(b)",
    "MATCH (a:Numbered {id: 3}), (b:Numbered {id: 4}) CREATE (a)-[:Bare]->(b)",
    "MATCH (a:Numbered {id: 3}) CREATE (a)-[:Bare]->(a)",
)
QUESTIONS = (
    "MATCH (n:Every) RETURN n.* ORDER BY n.id",
    "MATCH (n:Every) RETURN n.id, union_tag(n.union_) AS tag, CAST(n.span AS STRING) AS span ORDER BY n.id",
    "MATCH (n:Numbered) RETURN n.id, n.name ORDER BY n.id",
    (
        "MATCH (a)-[r]->(b) RETURN label(a), label(r), label(b), r.`from`, r.`to`, r.w, r.n, count(*) AS parallel "
        "ORDER BY label(a), label(r), label(b), r.n"
    ),
    "MATCH (a:Numbered)-[:Link]->(b:Big) RETURN a.id, a.name, b.k ORDER BY a.id",
    "MATCH (n:Big) RETURN n.k, CAST(n.js AS STRING) AS js",
    "MATCH (n) RETURN label(n) AS label, count(*) AS n ORDER BY label",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    settings = {"LBUG_MAX_UPLOAD_BYTES": str(UPLOAD_LIMIT), "LBUG_MAX_DATABASES_PER_NODE": "100"}
    with running_server(tmp_path_factory.mktemp("archive"), settings=settings) as server:
        yield server


@pytest.fixture
def target(server: RunningServer) -> Iterator[Tenant]:
    """Give a database without tables."""
    with tenant_of(server, None) as tenant:
        yield tenant


@pytest.fixture
def people(server: RunningServer) -> Iterator[Tenant]:
    """Give a database with the tables of people, without rows."""
    with tenant_of(server) as tenant:
        yield tenant


def exported(tenant: Tenant, **options: Any) -> httpx.Response:
    """Export a database."""
    return checked(tenant.http.get(tenant.url("/export"), params=options))


def imported(tenant: Tenant, archive: bytes, **headers: str) -> httpx.Response:
    """Import an archive."""
    return checked(tenant.http.post(tenant.url("/import"), content=archive, headers=TAR | headers))


def assert_refused(answer: httpx.Response, status: int, code: str, **members: object) -> None:
    """Fail unless the answer is this problem."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert {name: problem.get(name) for name in members} == members


def tables(tenant: Tenant) -> list[dict[str, Any]]:
    """Return the tables of a database with their counts."""
    return checked(tenant.http.get(tenant.url("/schema"), params={"counts": "true"})).json()["tables"]


# -- round trips ------------------------------------------------------------------------------------------------------


def test_a_graph_of_every_type_survives(server: RunningServer, target: Tenant) -> None:
    """Values, keys, parallel relationships, pairs, numbering with gaps, schema: all questions get the same answers."""
    with tenant_of(server, EVERY_TYPE) as source:
        for statement in ROWS:
            source.rows(statement)
        archive = exported(source)
        assert archive.status_code == 200, archive.text
        report = imported(target, archive.content)
        assert report.status_code == 200, report.text
        assert (report.json()["nodes_imported"], report.json()["relationships_imported"]) == (13, 21)
        assert report.json()["source_graph_id"] == source.graph_id
        for question in QUESTIONS:
            assert target.rows(question) == source.rows(question)
        assert tables(target) == tables(source)
        for tenant in (source, target):  # Numbering goes on where it was.
            assert tenant.rows("CREATE (n:Numbered {name: 'new'}) RETURN n.id AS id") == [{"id": 10}]
        again = imported(target, archive.content)
        assert_refused(again, 409, "DATABASE_NOT_EMPTY", table="Every")


def test_numbers_that_were_used_are_not_given_again(server: RunningServer, target: Tenant) -> None:
    """Also if their rows are gone, and also after a second round."""
    with (
        tenant_of(server, "CREATE NODE TABLE N(id SERIAL, PRIMARY KEY(id))") as source,
        tenant_of(server, None) as third,
    ):
        source.rows("UNWIND range(1, 5) AS i CREATE (:N)")
        source.rows("MATCH (n:N) DELETE n")
        assert imported(target, exported(source).content).status_code == 200
        assert imported(third, exported(target).content).status_code == 200
        assert third.rows("CREATE (n:N) RETURN n.id AS id") == [{"id": 5}]
        third.rows("DROP TABLE N")


def test_an_empty_database_survives(target: Tenant, server: RunningServer) -> None:
    """Without tables; and with tables without rows."""
    with tenant_of(server, None) as source:
        archive = exported(source).content
        assert list(ArchiveFile.unpack(archive).members) == ["manifest.json", "schema.json", "summary.json"]
        assert imported(target, archive).json()["tables"] == []
    with tenant_of(server) as source:
        assert imported(target, exported(source).content).status_code == 200
        assert tables(target) == tables(source)


def test_tables_that_are_there_are_filled(people: Tenant) -> None:
    """What the report says of each: it was there, or was created."""
    archive = small_archive()
    people.rows("DROP TABLE Knows")
    report = imported(people, archive.pack())
    assert report.status_code == 200, report.text
    assert [(table["table_name"], table["rows_imported"], table["outcome"]) for table in report.json()["tables"]] == [
        ("Person", 2, "filled"),
        ("Knows", 1, "created"),
    ]
    assert people.rows("MATCH (a)-[k:Knows]->(b) RETURN a.name, b.name, k.since, b.age") == [
        {"a.name": "Ada", "b.name": "Bob", "k.since": 1999, "b.age": None}
    ]


def test_descriptions_and_multiplicities_survive(server: RunningServer, target: Tenant) -> None:
    """What the engine does not keep comes from the schema document, and goes on from database to database."""
    document = {
        "tables": [
            {
                "name": "P",
                "kind": "node",
                "description": "Somebody.",
                "columns": [{"name": "id", "type": "STRING", "primary_key": True, "description": "Who."}],
            },
            {
                "name": "HEAD",
                "kind": "relationship",
                "endpoints": [{"from": "P", "to": "P"}],
                "multiplicity": "many_to_one",
            },
        ]
    }
    with tenant_of(server, None, custom_schema=document) as source:
        assert imported(target, exported(source).content).status_code == 200
        assert tables(target) == tables(source)
        assert tables(target)[0]["columns"][0]["description"] == "Who."
        target.rows("CREATE (:P {id: 'a'}), (:P {id: 'b'})")
        target.rows("MATCH (a:P {id: 'a'}), (b:P {id: 'b'}) CREATE (a)-[:HEAD]->(b)")
        assert target.ask("MATCH (a:P {id: 'a'}) CREATE (a)-[:HEAD]->(a)").status_code == 400


def test_large_tables_come_in_parts(server: RunningServer, target: Tenant) -> None:
    """Rows are neither lost nor doubled where parts meet; a node with very many relationships is no exception."""
    count = 100_000
    with tenant_of(server) as source:
        names = pa.array([f"p{number}" for number in range(count)])
        file = io.BytesIO()
        pq.write_table(pa.table({"name": names, "age": pa.array(range(count))}), file)
        assert source.load("Person", file.getvalue(), "application/x-parquet").status_code == 200
        source.rows("MATCH (p:Person) WHERE p.age % 10 = 1 DELETE p")
        source.rows("MATCH (a:Person {name: 'p0'}), (b:Person) CREATE (a)-[:Knows {since: b.age}]->(b)")
        source.rows("MATCH (a:Person) WHERE a.age > 0 CREATE (a)-[:Knows {since: -a.age}]->(a)")
        archive = exported(source).content
        parts = [name for name in ArchiveFile.unpack(archive).members if name.startswith("relationships/")]
        assert len(parts) > 1
        assert imported(target, archive).status_code == 200
        for question in (
            "MATCH (p:Person) RETURN count(*) AS n, count(DISTINCT p.name) AS names, sum(p.age) AS ages",
            "MATCH (a)-[k:Knows]->(b) RETURN count(*) AS n, count(DISTINCT k.since) AS d, sum(k.since) AS s",
            "MATCH (a {name: 'p0'})-[k:Knows]->(b) WHERE k.since <> b.age RETURN count(*) AS n",
        ):
            assert target.rows(question) == source.rows(question)


def test_the_example_survives(server: RunningServer, target: Tenant) -> None:
    """A database of the built-in schema with rows in some of its tables."""
    with tenant_of(server, None, schema_type="entity") as source:
        source.rows("CREATE (:Entity {identifier: 'e1'}), (:Report {identifier: 'r1'})")
        source.rows("MATCH (e:Entity), (r:Report) CREATE (e)-[:ENTITY_HAS_REPORT]->(r)")
        assert imported(target, exported(source).content).status_code == 200
        assert tables(target) == tables(source)


# -- the archive itself -----------------------------------------------------------------------------------------------


def test_an_archive_is_read_with_tar_and_parquet_alone(people: Tenant) -> None:
    """Names, order, types, checksums and headers are as specified."""
    people.rows("CREATE (:Person {name: 'Ada', age: 36})-[:Knows {since: 1999}]->(:Person {name: 'Bob'})")
    answer = exported(people)
    assert answer.headers["content-type"] == "application/x-tar"
    pattern = rf'attachment; filename="{people.graph_id}-\d{{4}}-\d\d-\d\d\.tar"'
    assert re.fullmatch(pattern, answer.headers["content-disposition"])
    archive = ArchiveFile.unpack(answer.content)
    knows = "relationships/Knows/0/part-00000.parquet"
    assert list(archive.members) == ["manifest.json", "schema.json", PART, knows, SUMMARY]
    manifest = archive.json("manifest.json")
    assert (manifest["format"], manifest["format_version"], manifest["graph_id"]) == (
        "graph-archive",
        1,
        people.graph_id,
    )
    assert sorted(archive.rows(PART), key=lambda row: row["name"]) == [
        {"name": "Ada", "age": 36},
        {"name": "Bob", "age": None},
    ]
    assert archive.rows(knows) == [{"_src": "Ada", "_dst": "Bob", "since": 1999}]
    assert (archive.json(SUMMARY)["nodes"], archive.json(SUMMARY)["relationships"]) == (2, 1)


def test_an_archive_may_be_sent_compressed(target: Tenant) -> None:
    """As loads are."""
    data = gzip.compress(small_archive().pack())
    assert imported(target, data, **{"Content-Encoding": "gzip"}).status_code == 200
    assert target.count() == 2


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ddl", "named"),
    [
        ("CREATE NODE TABLE T(id INT64, c MAP(STRING, DECIMAL(9,2)), PRIMARY KEY(id))", {"table": "T", "column": "c"}),
        ("CREATE NODE TABLE T(id INT64, c INT128[], PRIMARY KEY(id))", {"table": "T", "column": "c"}),
        ("CREATE NODE TABLE T(id INT64, c UNION(a INT64, b STRING)[], PRIMARY KEY(id))", {"table": "T", "column": "c"}),
        ("CREATE NODE TABLE T(id DECIMAL(9,2), PRIMARY KEY(id))", {"table": "T", "column": "id"}),
        ("CREATE NODE TABLE `T and U`(id INT64, PRIMARY KEY(id))", {}),
        ("CREATE NODE TABLE T(id INT64, `a-b` INT64, PRIMARY KEY(id))", {}),
        ("CREATE NODE TABLE T(id INT64, c INT64 DEFAULT 1 + 1, PRIMARY KEY(id))", {}),
    ],
)
def test_what_an_archive_cannot_hold_is_named_before_the_first_byte(
    server: RunningServer, ddl: str, named: dict[str, str]
) -> None:
    """The answer is a problem with a status, not a stream that breaks off."""
    with tenant_of(server, ddl) as tenant:
        assert_refused(exported(tenant), 409, "NOT_EXPORTABLE", **named)


def wrong_parts() -> dict[str, tuple[ArchiveFile, str]]:
    """Return archives whose documents fit and whose parts do not."""

    def person(**columns: Any) -> ArchiveFile:
        return small_archive().replace_part(PART, pa.table(columns))

    ages = pa.array([1, 2], pa.int64())
    no_parquet = small_archive()
    no_parquet.change(SUMMARY, lambda _: None)
    return {
        "a key twice": (person(name=["Ada", "Ada"], age=ages), "rows"),
        "no key": (person(name=["Bob", None], age=ages), "rows"),
        "a column more": (person(name=["Ada", "Bob"], age=ages, more=ages), "columns"),
        "a column less": (person(name=["Ada", "Bob"]), "columns"),
        "a column twice": (small_archive().replace_part(PART, _twice()), "columns"),
        "text for numbers": (person(name=["Ada", "Bob"], age=["x", "y"]), "part"),
        "a missing end": (person(name=["Ada", "Cyd"], age=ages), "rows"),
    }


def _twice() -> pa.Table:
    return pa.Table.from_arrays([pa.array(["Ada"]), pa.array([1]), pa.array([2])], names=["name", "age", "age"])


@pytest.mark.parametrize(("archive", "reason"), wrong_parts().values(), ids=wrong_parts().keys())
def test_an_archive_with_wrong_rows_changes_nothing(people: Tenant, archive: ArchiveFile, reason: str) -> None:
    """What only the engine or the reader of Parquet can see is found as well, before anybody sees a row."""
    before = tables(people)
    assert_refused(imported(people, archive.pack()), 400, "ARCHIVE_INVALID", reason=reason)
    assert tables(people) == before
    assert imported(people, small_archive().pack()).status_code == 200


@pytest.mark.parametrize("tampered", ["a flipped bit", "cut off", "a wrong count", "a link out", "no tar"])
def test_a_tampered_archive_changes_nothing(target: Tenant, tampered: str) -> None:
    """Over HTTP, too; that each check works is shown where archives are read."""
    archive = small_archive()
    match tampered:
        case "a flipped bit":
            archive.members[PART] = archive.members[PART].replace(b"Ada", b"Adb")
        case "a wrong count":
            archive.change(SUMMARY, lambda summary: summary["tables"][0]["parts"][0].update(rows=3))
        case "a link out":
            archive.members = {**archive.members, "../x": b""}
        case _:
            pass
    data = archive.pack()
    data = {"cut off": data[:6000], "no tar": b"name,age\n" * 400}.get(tampered, data)
    assert_refused(imported(target, data), 400, "ARCHIVE_INVALID")
    assert tables(target) == []
    wait_until(lambda: not target.incoming())


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE NODE TABLE Other(id INT64, PRIMARY KEY(id))",
        "CREATE NODE TABLE Person(name STRING, PRIMARY KEY(name))",
        "CREATE NODE TABLE Person(name STRING, age INT32, PRIMARY KEY(name))",
        PEOPLE.replace("FROM Person TO Person", "FROM Person TO Person, FROM Person TO Person2").replace(
            "CREATE REL", "CREATE NODE TABLE Person2(id INT64, PRIMARY KEY(id)); CREATE REL"
        ),
    ],
)
def test_other_tables_in_the_database_refuse_the_import(server: RunningServer, ddl: str) -> None:
    """The answer says which, and what to do."""
    with tenant_of(server, ddl) as tenant:
        before = tables(tenant)
        answer = imported(tenant, small_archive().pack())
        assert_refused(answer, 409, "DATABASE_NOT_EMPTY")
        assert "new database" in answer.json()["detail"]
        assert tables(tenant) == before


def test_a_database_with_rows_refuses_before_the_upload(people: Tenant) -> None:
    """The body is not read to the end for nothing."""
    people.rows("CREATE (:Person {name: 'Ada'})")
    sent: list[int] = []

    def body() -> Iterator[bytes]:
        for number in range(200):
            sent.append(number)
            yield b"\0" * 100_000

    try:
        answer = people.http.post(people.url("/import"), content=body(), headers=TAR)
        assert_refused(answer, 409, "DATABASE_NOT_EMPTY", table="Person")
    except httpx.WriteError:  # The server closed the connection while the client was still sending.
        assert len(sent) < 200
    assert people.count() == 1


def test_limits_and_names_are_those_of_loads(target: Tenant) -> None:
    """Too many bytes, an unknown encoding, a time-out over the maximum, an unknown database."""
    large = checked(target.http.post(target.url("/import"), content=b"\0" * (UPLOAD_LIMIT + 1), headers=TAR))
    assert_refused(large, 413, "PAYLOAD_TOO_LARGE")
    packed = gzip.compress(b"\0" * (UPLOAD_LIMIT + 1))
    assert_refused(imported(target, packed, **{"Content-Encoding": "gzip"}), 413, "PAYLOAD_TOO_LARGE")
    assert_refused(imported(target, b"", **{"Content-Encoding": "br"}), 400, "INVALID_REQUEST")
    assert_refused(imported(target, b"", **{"Content-Encoding": "gzip"}), 400, "LOAD_FAILED")
    assert_refused(exported(target, timeout=1e9), 400, "INVALID_REQUEST")
    for method, action in (("GET", "export"), ("POST", "import")):
        answer = checked(target.http.request(method, f"/databases/nobody/{action}"))
        assert_refused(answer, 404, "DATABASE_NOT_FOUND")


def test_an_import_over_the_quota_changes_nothing(server: RunningServer, target: Tenant) -> None:
    """The quota of the database counts for what would be in it."""
    limited = checked(target.http.patch(target.url(), json={"max_disk_bytes": 1 << 20}))
    assert limited.status_code == 200, limited.text
    names = pa.array([f"{number:060d}" for number in range(50_000)])
    archive = small_archive().replace_part(
        PART, pa.table({"name": [*names.to_pylist(), "Ada", "Bob"], "age": [1] * 50_002})
    )
    assert_refused(imported(target, archive.pack()), 507, "DISK_FULL")
    assert tables(target) == []
    assert not list(server.base_path.glob(".new-*"))


def test_nothing_is_left_of_imports(server: RunningServer, target: Tenant) -> None:
    """Neither of those that succeed nor of those that fail."""
    imported(target, b"\0" * 1024)
    imported(target, small_archive().pack())
    left = [path for path in Path(server.base_path).glob(".*-*") if path.is_dir()]
    assert not left
    assert not target.incoming()
