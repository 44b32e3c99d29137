"""Databases and their schemas over HTTP: creation, lists, limits, deletion, schema documents."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.graph_api.api.contract import assert_problem
from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.tenant import HEAVY, PEOPLE, Tenant, checked, tenant_of, wait_until

pytestmark = pytest.mark.integration

CAPACITY = 12
RICH_DOCUMENT: dict[str, Any] = {
    "tables": [
        {
            "name": "Customer",
            "kind": "node",
            "description": "Somebody's \"account\"; 'quoted'.",
            "columns": [
                {"name": "identifier", "type": "STRING", "primary_key": True, "description": "The key."},
                {"name": "credit", "type": "DECIMAL(18, 2)", "default": "0.00"},
                {"name": "tags", "type": "STRING[]"},
                {"name": "born", "type": "DATE", "default": {"function": "current_date"}},
                {"name": "size", "type": "STRUCT(width DOUBLE, height DOUBLE)"},
            ],
        },
        {
            "name": "REFERS_TO",
            "kind": "relationship",
            "endpoints": [{"from": "Customer", "to": "Customer"}],
            "multiplicity": "many_to_one",
            "columns": [{"name": "since", "type": "TIMESTAMP"}],
        },
    ]
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    settings = {"LBUG_MAX_DATABASES_PER_NODE": str(CAPACITY)}
    with running_server(tmp_path_factory.mktemp("databases"), settings=settings) as server:
        yield server


@pytest.fixture
def http(server: RunningServer) -> Iterator[httpx.Client]:
    """Give a client whose answers are checked."""
    with server.client() as client:
        yield client


@pytest.fixture
def tenant(server: RunningServer) -> Iterator[Tenant]:
    """Give a new database of people."""
    with tenant_of(server, PEOPLE) as tenant:
        yield tenant


def tables_of(tenant: Tenant, **options: str) -> dict[str, Any]:
    """Return the schema document of a database."""
    return checked(tenant.http.get(tenant.url("/schema"), params=options)).json()


def names_in(document: dict[str, Any]) -> list[str]:
    """Return the names of the tables of a schema document."""
    return [table["name"] for table in document["tables"]]


def create(http: httpx.Client, graph_id: str, **fields: Any) -> httpx.Response:
    """Ask for a custom database."""
    return http.post("/databases", json={"graph_id": graph_id, "schema_type": "custom", **fields})


# -- creation ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "nodes", "relationships"),
    [
        ({"schema_type": "entity"}, 16, 26),
        ({}, 16, 26),
        ({"schema_type": "shared"}, 7, 7),
        ({"schema_type": "shared", "repository_name": "sec"}, 13, 23),
        ({"schema_type": "shared", "repository_name": "SEC"}, 13, 23),
        ({"schema_type": "shared", "repository_name": "other"}, 7, 7),
        ({"schema_type": "custom"}, 0, 0),
    ],
)
def test_a_built_in_schema_is_complete(
    http: httpx.Client, fields: dict[str, str], nodes: int, relationships: int
) -> None:
    """The tables that the documentation promises are there, and the record says what was asked for."""
    created = http.post("/databases", json={"graph_id": "built-in", **fields})
    assert created.status_code == 201, created.text
    record = created.json()
    assert (record["graph_id"], record["status"], record["possible_loss"]) == ("built-in", "active", [])
    assert record["schema_type"] == fields.get("schema_type", "entity")
    assert record["repository_name"] == fields.get("repository_name")
    tables = http.get("/databases/built-in/schema").json()["tables"]
    kinds = [table["kind"] for table in tables]
    assert (kinds.count("node"), kinds.count("relationship")) == (nodes, relationships)
    assert http.delete("/databases/built-in").status_code == 200


def test_a_database_is_made_from_ddl(server: RunningServer) -> None:
    """Several statements, comments and strings with semicolons in them."""
    ddl = (
        "// people; and more\nCREATE NODE TABLE `Person`(name STRING DEFAULT 'a;b', PRIMARY KEY(name));\n"
        "/* ; */ COMMENT ON TABLE Person IS 'one; two';; CREATE REL TABLE Knows(FROM Person TO Person, MANY_ONE);"
    )
    with tenant_of(server, ddl) as tenant:
        tables = tables_of(tenant)["tables"]
        assert [table["name"] for table in tables] == ["Person", "Knows"]
        assert tables[0]["description"] == "one; two"
        assert tables[1]["endpoints"] == [{"from": "Person", "to": "Person"}]


def test_a_database_is_made_from_a_document_and_gives_it_back(server: RunningServer) -> None:
    """Every field of the document comes back."""
    with tenant_of(server, None, custom_schema=RICH_DOCUMENT) as tenant:
        customer, refers = tables_of(tenant)["tables"]
        given_customer, given_refers = RICH_DOCUMENT["tables"]
        assert customer["description"] == given_customer["description"]
        for column, given in zip(customer["columns"], given_customer["columns"], strict=True):
            assert column == {"description": "", "primary_key": False} | given
        assert refers["multiplicity"] == given_refers["multiplicity"]
        assert refers["endpoints"] == given_refers["endpoints"]


@pytest.mark.parametrize("counts", ["false", "true"])
def test_a_schema_document_makes_another_database_of_the_same_schema(server: RunningServer, counts: str) -> None:
    """What one database answers is what another can be made from, with counts and without, built-in ones too."""
    for fields in ({"custom_schema": RICH_DOCUMENT}, {"schema_type": "entity"}):
        with tenant_of(server, None, **fields) as first:
            document = tables_of(first, counts=counts)
            with tenant_of(server, None, custom_schema=document) as second:
                assert tables_of(second, counts=counts) == document


@pytest.mark.parametrize(
    ("ddl", "number", "statement"),
    [
        ("CREATE NODE TABLE A(id INT64 PRIMARY KEY); CREATE NODE TABLE A(id INT64 PRIMARY KEY)", 2, "TABLE A"),
        ("CREATE NODE TABLE A(id INT64 PRIMARY KEY); CREATE NODE TABEL B(id INT64)", 2, "TABEL"),
        ("CREATE NODE TABLE A(id NONSENSE PRIMARY KEY)", 1, "NONSENSE"),
        ("CREATE NODE TABLE A(id INT64 PRIMARY KEY); CREATE REL TABLE R(FROM A TO Absent)", 2, "Absent"),
        ("CREATE NODE TABLE A(id INT64 PRIMARY KEY); CREATE (:A {id: 1})", 2, "CREATE (:A"),
        ("CREATE NODE TABLE A(id INT64 PRIMARY KEY); MATCH (a:A) RETURN a", 2, "MATCH"),
        ("CREATE NODE TABLE A(id INT64 PRIMARY KEY); COPY A FROM '/etc/passwd'", 2, "COPY"),
        ("CREATE NODE TABLE A(id INT64 PRIMARY KEY); LOAD FROM '/etc/passwd' RETURN *", 2, "LOAD"),
        ("INSTALL httpfs", 1, "INSTALL"),
        ("CALL threads=1", 1, "CALL"),
        ("ATTACH '/etc/passwd' AS x", 1, "ATTACH"),
        ("CREATE MACRO f(a) AS a", 1, "MACRO"),
        ("EXPLAIN CREATE NODE TABLE A(id INT64 PRIMARY KEY)", 1, "EXPLAIN"),
        ("BEGIN TRANSACTION; CREATE NODE TABLE A(id INT64 PRIMARY KEY); COMMIT", 1, "BEGIN"),
    ],
)
@pytest.mark.parametrize("route", ["create", "extend"])
def test_ddl_that_fails_leaves_nothing(
    server: RunningServer, tenant: Tenant, route: str, ddl: str, number: int, statement: str
) -> None:
    """The error names the statement; the name is free again, the schema is as it was."""
    if route == "create":
        answer = create(tenant.http, "failing", custom_schema_ddl=ddl)
    else:
        answer = tenant.http.post(tenant.url("/schema"), json={"ddl": ddl})
    problem = assert_problem(answer, 400, "INVALID_SCHEMA")
    assert problem["statement_number"] == number
    assert statement in problem["statement"]
    assert names_in(tables_of(tenant)) == ["Person", "Knows"]
    assert not (server.base_path / "failing").exists()
    assert_problem(tenant.http.get("/databases/failing"), 404, "DATABASE_NOT_FOUND")
    assert create(tenant.http, "failing").status_code == 201
    assert tenant.http.delete("/databases/failing").status_code == 200


@pytest.mark.parametrize("ddl", ["", " ", ";;", "// nothing"])
def test_ddl_without_a_statement_is_refused(http: httpx.Client, ddl: str) -> None:
    """It is a mistake; a database without tables is asked for by leaving it out."""
    assert_problem(create(http, "empty", custom_schema_ddl=ddl), 400, "INVALID_SCHEMA")


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "tables"),
        ({"tables": [{}]}, "tables[0].kind"),
        ({"tables": [{"name": "A", "kind": "node"}]}, "tables[0]"),
        ({"tables": [{"name": "A", "kind": "node", "columns": [{"name": "a", "type": "TEXT"}]}]}, "columns[0].type"),
        ({"tables": [{"name": "A b", "kind": "node"}]}, "tables[0].name"),
        ({"tables": [{"name": "R", "kind": "relationship", "endpoints": [{"from": "X", "to": "X"}]}]}, "endpoints[0]"),
        ({"tables": [], "more": 1}, "more"),
        ({"tables": "none"}, "tables"),
    ],
)
def test_a_wrong_document_is_refused_by_path(http: httpx.Client, document: dict[str, Any], path: str) -> None:
    """And nothing is created."""
    assert_problem(create(http, "wrong", custom_schema=document), 400, "INVALID_SCHEMA", names=path)
    assert_problem(http.get("/databases/wrong"), 404, "DATABASE_NOT_FOUND")


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (
            {"schema_type": "entity", "custom_schema_ddl": "CREATE NODE TABLE A(id INT64 PRIMARY KEY)"},
            "custom_schema_ddl",
        ),
        ({"schema_type": "shared", "custom_schema": {"tables": []}}, "custom_schema"),
        ({"schema_type": "entity", "repository_name": "sec"}, "repository_name"),
        ({"schema_type": "custom", "repository_name": "sec"}, "repository_name"),
        ({"custom_schema": {"tables": []}, "custom_schema_ddl": "CREATE NODE TABLE A(id INT64 PRIMARY KEY)"}, "both"),
        ({"schema_type": "shared", "repository_name": "../x"}, "repository_name"),
        ({"schema_type": "Custom"}, "schema_type"),
        ({"limits": {"max_rows": 1.5}}, "limits.max_rows"),
        ({"limits": {"max_row": 1}}, "limits.max_row"),
        ({"limits": {"query_timeout_s": "NaN"}}, "limits.query_timeout_s"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(http: httpx.Client, fields: dict[str, Any], names: str) -> None:
    """By name; nothing is guessed."""
    assert_problem(create(http, "contradiction", **fields), 400, "INVALID_REQUEST", names=names)


def test_a_name_is_taken_once(http: httpx.Client, tenant: Tenant) -> None:
    """Also in another case, and by one of many who ask at once."""
    assert_problem(create(http, tenant.graph_id), 409, "DATABASE_EXISTS", names=tenant.graph_id)
    assert_problem(create(http, tenant.graph_id.upper()), 409, "DATABASE_EXISTS", names="case")
    assert_problem(http.get(f"/databases/{tenant.graph_id.upper()}"), 404, "DATABASE_NOT_FOUND")
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: create(http, "wanted").status_code, range(6)))
    assert sorted(answers) == [201] + [409] * 5
    assert http.delete("/databases/wanted").status_code == 200


@pytest.mark.parametrize("graph_id", ["query", "databases", "null", "0", "CON", "table", "a" * 63, "a-b_c-9", "tmp"])
def test_names_that_mean_something_elsewhere_are_names(http: httpx.Client, graph_id: str) -> None:
    """Keywords and words of the routes mean nothing in an id."""
    assert create(http, graph_id, custom_schema_ddl=PEOPLE).status_code == 201
    answer = http.post(f"/databases/{graph_id}/query", json={"cypher": "RETURN 1 AS x", "database": graph_id})
    assert answer.json()["data"] == [{"x": 1}]
    assert http.get(f"/databases/{graph_id}/metrics").json()["graph_id"] == graph_id
    assert http.delete(f"/databases/{graph_id}").json() == {"status": "success", "graph_id": graph_id}


@pytest.mark.parametrize("name", ["match", "Node", "table", "return", "from", "order", "COPY"])
def test_tables_and_columns_may_be_called_like_keywords(server: RunningServer, name: str) -> None:
    """From a document to a load and back."""
    columns = [{"name": name, "type": "STRING", "primary_key": True}, {"name": "group", "type": "INT64"}]
    with tenant_of(
        server, None, custom_schema={"tables": [{"name": name, "kind": "node", "columns": columns}]}
    ) as tenant:
        assert tenant.load(name, f"{name},group\nx,1\n".encode()).status_code == 200
        rows = tenant.rows(f"MATCH (n:`{name}`) RETURN n.`{name}` AS a, n.`group` AS b")
        assert rows == [{"a": "x", "b": 1}]
        assert tables_of(tenant, counts="true")["tables"][0]["row_count"] == 1


def test_a_full_node_says_so(http: httpx.Client) -> None:
    """507 names the setting; a deletion makes room."""
    made: list[str] = []
    for number in range(CAPACITY - http.get("/databases").json()["total"]):
        made.append(f"fill-{number}")
        assert create(http, made[-1]).status_code == 201
    assert_problem(create(http, "one-more"), 507, "NODE_FULL", names=str(CAPACITY))
    assert http.get("/info").json()["available_capacity"] == 0
    for graph_id in made:
        assert http.delete(f"/databases/{graph_id}").status_code == 200
    assert create(http, "one-more").status_code == 201
    assert http.delete("/databases/one-more").status_code == 200


# -- lists and descriptions -------------------------------------------------------------------------------------------


def test_lists_come_in_pages(http: httpx.Client) -> None:
    """Sorted by name, each database once, whatever the size of a page and whatever was deleted in between."""
    made = ["page-b", "page-a", "page-C", "page-c1", "page-10", "page-9"]
    for graph_id in made:
        assert create(http, graph_id).status_code == 201
    for limit in (1, 2, 5, 1_000):
        seen: list[str] = []
        after: str | None = ""
        while after is not None:
            page = http.get("/databases", params={"limit": limit, "after": after}).json()
            assert len(page["databases"]) <= limit
            assert page["total"] >= len(made)
            seen += [database["graph_id"] for database in page["databases"]]
            after = page["next_after"]
        assert seen == sorted(made)
    assert http.delete("/databases/page-b").status_code == 200
    rest = http.get("/databases", params={"after": "page-b"}).json()
    assert [database["graph_id"] for database in rest["databases"]] == ["page-c1"]
    assert rest["next_after"] is None
    for graph_id in made:
        http.delete(f"/databases/{graph_id}")


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=1.5", "after=" + "x" * 64])
def test_a_wrong_page_is_refused(http: httpx.Client, query: str) -> None:
    """By the name of the option."""
    assert_problem(http.get(f"/databases?{query}"), 400, "INVALID_REQUEST", names=query.split("=", maxsplit=1)[0])


def test_a_description_has_figures_of_this_moment(tenant: Tenant) -> None:
    """An open database has memory; figures and metrics agree; describing does not open."""
    tenant.count()
    described = checked(tenant.http.get(tenant.url())).json()
    figures = checked(tenant.http.get(tenant.url("/metrics"))).json()
    assert described["open"] is figures["open"] is True
    assert described["memory_bytes"] > 0
    assert described["size_bytes"] > 0
    assert described["pending_queries"] == figures["restarts"] == 0
    assert described["limits"] == figures["limits"]
    assert described["engine_version"]
    assert described["storage_version"] > 0


# -- limits -----------------------------------------------------------------------------------------------------------


def patch(tenant: Tenant, **limits: Any) -> dict[str, Any]:
    """Change limits and return all of them."""
    answer = checked(tenant.http.patch(tenant.url(), json=limits))
    assert answer.status_code == 200, answer.text
    return answer.json()["limits"]


def test_limits_change_one_by_one_and_return_to_the_default(tenant: Tenant) -> None:
    """What is not sent stays; null takes a limit back."""
    nothing = {"query_timeout_s": None, "max_rows": None, "max_disk_bytes": None, "max_pending_queries": None}
    assert patch(tenant) == nothing
    assert patch(tenant, max_rows=10) == nothing | {"max_rows": 10}
    assert patch(tenant, query_timeout_s=5) == nothing | {"max_rows": 10, "query_timeout_s": 5}
    assert patch(tenant, max_rows=None) == nothing | {"query_timeout_s": 5}
    assert checked(tenant.http.get(tenant.url())).json()["limits"] == nothing | {"query_timeout_s": 5}


def test_limits_changed_at_once_all_last(tenant: Tenant) -> None:
    """Nobody's change is lost in another's."""
    changes: list[dict[str, Any]] = [{"query_timeout_s": 7}, {"max_rows": 11}, {"max_pending_queries": 13}]
    for _ in range(5):
        patch(tenant, query_timeout_s=None, max_rows=None, max_pending_queries=None)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda change: patch(tenant, **change), changes))
        limits = checked(tenant.http.get(tenant.url())).json()["limits"]
        assert limits == {"max_disk_bytes": None} | changes[0] | changes[1] | changes[2]


def test_the_row_limit_cuts_documents(tenant: Tenant) -> None:
    """At once, and asking for more is refused; streams have no cap."""
    patch(tenant, max_rows=3)
    answer = tenant.ask("UNWIND range(1, 10) AS i RETURN i").json()
    assert (answer["row_count"], answer["truncated"]) == (3, True)
    assert_problem(tenant.ask("RETURN 1", max_rows=4), 400, "INVALID_REQUEST", names="max_rows")
    assert len(tenant.lines("UNWIND range(1, 10) AS i RETURN i")) == 11


def test_the_time_limit_is_the_default_of_a_query(tenant: Tenant) -> None:
    """A query may still ask for more, up to the node's maximum."""
    patch(tenant, query_timeout_s=0.3)
    began = time.monotonic()
    problem = assert_problem(tenant.ask(HEAVY), 504, "QUERY_TIMEOUT")
    assert time.monotonic() - began < 10
    assert problem["timeout_s"] == 0.3
    assert tenant.ask("UNWIND range(1, 1000000) AS i RETURN count(i)", timeout=60).status_code == 200


def test_the_queue_limit_refuses_with_a_time_to_wait(tenant: Tenant) -> None:
    """A full queue is "Connection pool exhausted", and a client that waits gets through."""
    patch(tenant, max_pending_queries=2)
    with ThreadPoolExecutor(2) as pool:
        heavy = [pool.submit(tenant.ask, HEAVY, timeout=60) for _ in range(2)]
        wait_until(lambda: len(tenant.running()) == 2)
        answer = tenant.ask("RETURN 1")
        problem = assert_problem(answer, 503, "POOL_EXHAUSTED", names="Connection pool exhausted")
        assert problem["retryable"] is True
        assert int(answer.headers["retry-after"]) >= 1
        for query in tenant.running():
            checked(tenant.http.delete(tenant.url(f"/queries/{query['query_id']}")))
        assert {each.result().json()["code"] for each in heavy} == {"QUERY_CANCELLED"}
    assert tenant.ask("RETURN 1").status_code == 200


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ({"max_rows": 0}, "max_rows"),
        ({"query_timeout_s": -1}, "query_timeout_s"),
        ({"query_timeout_s": 86_401}, "query_timeout_s"),
        ({"max_disk_bytes": 1}, "max_disk_bytes"),
        ({"max_pending_queries": 100_001}, "max_pending_queries"),
        ({"rows": 1}, "rows"),
        ([], "body"),
    ],
)
def test_wrong_limits_change_nothing(tenant: Tenant, limits: object, names: str) -> None:
    """The refusal names the field."""
    before = checked(tenant.http.get(tenant.url())).json()["limits"]
    assert_problem(tenant.http.patch(tenant.url(), json=limits), 400, "INVALID_REQUEST", names=names)
    assert checked(tenant.http.get(tenant.url())).json()["limits"] == before


def test_a_new_database_does_not_inherit_limits(http: httpx.Client) -> None:
    """A name that is used again begins afresh."""
    assert create(http, "again", limits={"max_rows": 1}).json()["limits"]["max_rows"] == 1
    body = {"cypher": "UNWIND [1, 2] AS i RETURN i"}
    assert http.post("/databases/again/query", json=body).json()["truncated"] is True
    http.delete("/databases/again")
    assert create(http, "again").json()["limits"]["max_rows"] is None
    assert http.post("/databases/again/query", json=body).json()["truncated"] is False
    http.delete("/databases/again")


# -- deletion ---------------------------------------------------------------------------------------------------------


def test_a_deletion_ends_what_runs(tenant: Tenant) -> None:
    """Running queries are told, the files are gone, the name is free."""
    with ThreadPoolExecutor(3) as pool:
        heavy = [pool.submit(tenant.ask, HEAVY, timeout=60) for _ in range(3)]
        wait_until(lambda: len(tenant.running()) == 3)
        assert checked(tenant.http.delete(tenant.url())).status_code == 200
        for each in heavy:
            assert_problem(each.result(), 409, "QUERY_CANCELLED", names="deleted")
    assert not tenant.directory.exists()
    assert_problem(tenant.ask("RETURN 1"), 404, "DATABASE_NOT_FOUND")
    assert_problem(tenant.http.delete(tenant.url()), 404, "DATABASE_NOT_FOUND")
    assert create(tenant.http, tenant.graph_id).status_code == 201


# -- schemas ----------------------------------------------------------------------------------------------------------


def test_tables_are_added_by_ddl_or_document(tenant: Tenant) -> None:
    """The answer is the new schema; a document may refer to tables that exist."""
    answer = checked(
        tenant.http.post(tenant.url("/schema"), json={"ddl": "CREATE NODE TABLE City(name STRING PRIMARY KEY)"})
    )
    assert names_in(answer.json()) == ["Person", "City", "Knows"]
    document = {
        "tables": [{"name": "LivesIn", "kind": "relationship", "endpoints": [{"from": "Person", "to": "City"}]}]
    }
    answer = checked(tenant.http.post(tenant.url("/schema"), json={"schema": document}))
    assert sorted(names_in(answer.json())) == ["City", "Knows", "LivesIn", "Person"]
    tenant.rows("CREATE (:Person {name: 'Ada'})-[:LivesIn]->(:City {name: 'London'})")
    counts = {table["name"]: table["row_count"] for table in tables_of(tenant, counts="true")["tables"]}
    assert counts == {"Person": 1, "City": 1, "Knows": 0, "LivesIn": 1}
    assert "row_count" not in tables_of(tenant)["tables"][0]


def test_tables_change_by_ddl(tenant: Tenant) -> None:
    """Columns come and go, tables go."""
    ddl = "ALTER TABLE Person ADD email STRING; ALTER TABLE Person DROP age; DROP TABLE Knows"
    answer = checked(tenant.http.post(tenant.url("/schema"), json={"ddl": ddl}))
    assert answer.status_code == 200, answer.text
    (person,) = answer.json()["tables"]
    assert [column["name"] for column in person["columns"]] == ["name", "email"]


@pytest.mark.parametrize(
    ("body", "code", "names"),
    [
        ({}, "INVALID_REQUEST", "either"),
        ({"ddl": "DROP TABLE Knows", "schema": {"tables": []}}, "INVALID_REQUEST", "either"),
        ({"schema_document": {"tables": []}}, "INVALID_REQUEST", "schema_document"),
        ({"ddl": 1}, "INVALID_REQUEST", "ddl"),
        ({"schema": []}, "INVALID_REQUEST", "schema"),
        ({"schema": {"tables": [{"name": "Person", "kind": "node"}]}}, "INVALID_SCHEMA", "tables[0]"),
    ],
)
def test_a_wrong_extension_changes_nothing(tenant: Tenant, body: dict[str, Any], code: str, names: str) -> None:
    """By the name on the wire."""
    assert_problem(tenant.http.post(tenant.url("/schema"), json=body), 400, code, names=names)
    assert names_in(tables_of(tenant)) == ["Person", "Knows"]
