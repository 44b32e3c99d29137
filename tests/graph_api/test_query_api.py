"""Statements over HTTP: formats, streams that end or break, negotiation, transactions, counters, plans."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.graph_api.api.contract import Contract, assert_problem
from tests.graph_api.api.running_server import RunningServer, running_server
from tests.graph_api.tenant import HEAVY, NDJSON, PEOPLE, Tenant, checked, tenant_of, wait_until

pytestmark = pytest.mark.integration

MANY = "UNWIND range(1, 2000000) AS i RETURN i, 'some text to make the rows longer' AS t"
"""A result that no socket buffer holds."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Run one server for this file."""
    settings = {"LBUG_MAX_DATABASES_PER_NODE": "100", "LBUG_MAX_ROWS": "3000000"}
    with running_server(tmp_path_factory.mktemp("queries"), settings=settings) as server:
        yield server


@pytest.fixture(scope="module")
def people(server: RunningServer) -> Iterator[Tenant]:
    """Give the database that all tests share."""
    with tenant_of(server, PEOPLE) as tenant:
        yield tenant


@pytest.fixture
def tenant(people: Tenant) -> Tenant:
    """Give that database, emptied."""
    people.rows("MATCH (p:Person) DETACH DELETE p")
    return people


# -- formats ----------------------------------------------------------------------------------------------------------


def test_rows_come_as_objects_or_as_arrays(tenant: Tenant) -> None:
    """Both documents say the same; columns that are named alike stay apart."""
    cypher = "UNWIND [1, 2] AS x RETURN x, 'a' AS x, null AS y"
    objects = tenant.ask(cypher).json()
    arrays = tenant.ask(cypher, query="?format=arrays").json()
    assert objects["columns"] == arrays["columns"] == ["x", "x_2", "y"]
    assert objects["data"] == [{"x": 1, "x_2": "a", "y": None}, {"x": 2, "x_2": "a", "y": None}]
    assert arrays["data"] == [[1, "a", None], [2, "a", None]]
    assert tenant.ask(cypher, query="?format=objects").json()["data"] == objects["data"]
    for answer in (objects, arrays):
        assert (answer["row_count"], answer["truncated"]) == (2, False)
        assert len(answer["types"]) == 3


@pytest.mark.parametrize("rows", [0, 1, 299, 301, 20_000])
def test_every_format_holds_the_same_rows(tenant: Tenant, rows: int) -> None:
    """However many there are."""
    cypher = "UNWIND range(1, $n) AS i RETURN i, CAST(i AS STRING) AS t"
    objects = tenant.rows(cypher, parameters={"n": rows})
    assert len(objects) == rows
    assert tenant.lines(cypher, parameters={"n": rows})[:-1] == objects
    arrays = tenant.ask(cypher, query="?format=arrays", parameters={"n": rows}).json()["data"]
    assert arrays == [[row["i"], row["t"]] for row in objects]


@pytest.mark.parametrize("query", ["", "?format=arrays"])
def test_max_rows_cuts_and_says_so(tenant: Tenant, query: str) -> None:
    """Exactly when there was more."""
    for wanted, count, cut in ((5, 5, True), (10, 10, False), (11, 10, False)):
        answer = tenant.ask("UNWIND range(1, 10) AS i RETURN i", query=query, max_rows=wanted).json()
        assert (len(answer["data"]), answer["row_count"], answer["truncated"]) == (count, count, cut)


def test_a_stream_is_cut_by_max_rows_alone(tenant: Tenant) -> None:
    """The summary says so; without `max_rows` every row comes."""
    *rows, last = tenant.lines("UNWIND range(1, 5000) AS i RETURN i", max_rows=4_000)
    assert (len(rows), last["summary"]["row_count"], last["summary"]["truncated"]) == (4_000, 4_000, True)
    *rows, last = tenant.lines("UNWIND range(1, 5000) AS i RETURN i")
    assert (len(rows), last["summary"]["row_count"], last["summary"]["truncated"]) == (5_000, 5_000, False)


def test_a_stream_of_a_write_carries_its_counters(tenant: Tenant) -> None:
    """The summary holds what the document would."""
    *rows, last = tenant.lines("CREATE (p:Person {name: 'Ada'}) RETURN p.name AS name")
    assert rows == [{"name": "Ada"}]
    assert last["summary"]["counters"]["nodes_created"] == 1


def test_a_value_that_looks_like_the_end_is_told_from_it(tenant: Tenant) -> None:
    """A column may be called summary; only the last line is the end."""
    *rows, last = tenant.lines("UNWIND [1, 2] AS i RETURN {row_count: i} AS summary")
    assert rows == [{"summary": {"row_count": 1}}, {"summary": {"row_count": 2}}]
    assert last["summary"]["row_count"] == 2
    assert last["summary"]["columns"] == ["summary"]


# -- negotiation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("text/html, application/xhtml+xml, */*;q=0.1", "application/json"),
        ("application/json, application/x-ndjson", "application/json"),
        ("application/x-ndjson, application/json", NDJSON),
        ("application/json;q=0.5, application/x-ndjson", NDJSON),
        ("application/json, application/x-ndjson;q=0.9", "application/json"),
        ("application/x-ndjson, */*", NDJSON),
        ("application/x-ndjson;q=0, */*", "application/json"),
        ("application/json;q=0, */*", NDJSON),
        ("Application/X-NDJSON; charset=utf-8", NDJSON),
        (",,;;q=,application/json;q=2", "application/json"),
        ("", "application/json"),
    ],
)
def test_accept_decides_the_format(tenant: Tenant, accept: str, kind: str) -> None:
    """By quality, then by how exactly a type is named, then by order."""
    answer = tenant.http.post(tenant.url("/query"), json={"cypher": "RETURN 1 AS x"}, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "application/xml, image/*", "json", "ü;q=1"])
@pytest.mark.parametrize("route", ["/query", "/transaction"])
def test_a_format_that_is_not_there_is_refused(tenant: Tenant, route: str, accept: str) -> None:
    """The refusal says what there is."""
    body = {"cypher": "RETURN 1"} if route == "/query" else {"statements": [{"cypher": "RETURN 1"}]}
    answer = tenant.http.post(tenant.url(route), json=body, headers=[(b"Accept", accept.encode())])
    assert_problem(answer, 400, "INVALID_REQUEST", names="Accept: ")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?format=xml", "format: "),
        ("?format=", "format: "),
        ("?explain=yes", "explain: "),
        ("?pretty=1", "'pretty' is unknown"),
        ("?Format=arrays", "'Format' is unknown"),
        ("?%00=%ff", "is unknown"),
        ("?" + "&".join(["format=arrays"] * 11), "more than 10"),
        ("?" + "x" * 10_000, "is unknown"),
    ],
)
def test_options_of_a_query_are_checked(tenant: Tenant, query: str, names: str) -> None:
    """Nothing in a query string is ignored."""
    answer = tenant.ask("RETURN 1", query=query)
    assert_problem(answer, 400, "INVALID_REQUEST", names=names)
    assert len(answer.content) < 1_000


def test_arrays_go_with_json_only(tenant: Tenant) -> None:
    """Lines are objects: asking for both is a mistake."""
    answer = tenant.http.post(
        tenant.url("/query?format=arrays"), json={"cypher": "RETURN 1"}, headers={"Accept": NDJSON}
    )
    assert_problem(answer, 400, "INVALID_REQUEST", names="format: ")


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ('{"cypher": "RETURN 1", "max_rows": 1e3}', "max_rows"),
        ('{"cypher": "RETURN 1", "max_rows": 99999999999999999999999999}', "max_rows"),
        ('{"cypher": "RETURN 1", "max_rows": -1}', "max_rows"),
        ('{"cypher": "RETURN 1", "timeout": 1e999}', "timeout"),
        ('{"cypher": "RETURN 1", "timeout": -0.0}', "timeout"),
        ('{"cypher": "RETURN 1", "database": "other"}', "database"),
        ('{"cypher": "RETURN 1", "parameters": "x"}', "parameters"),
        ('{"cypher": "RETURN $a", "parameters": {"a": 1e999}}', "parameters"),
        ('{"cypher": "RETURN $a", "parameters": {"a": 1180591620717411303424}}', "64 bits"),
        ('{"cypher": "RETURN $a", "parameters": {"a": [1, "x"]}}', "mixes"),
        ('{"cypher": "RETURN $a", "parameters": {"b": 1}}', "b"),
        ('{"cypher": "RETURN 1", "parameters": ' + '{"a":' * 3_000 + "1" + "}" * 3_000 + "}", "JSON"),
        ('{"cypher": "RETURN \\u0000 1"}', "NUL"),
        ('{"cypher": "RETURN 1"} {}', "JSON"),
        ('{"cypher": "RETURN 1",}', "JSON"),
        ('["RETURN 1"]', "object"),
        ('{"cypher": null}', "cypher"),
        ("NaN", "JSON"),
        ("", "JSON"),
        ("\ufeff{}", "JSON"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", NDJSON])
def test_hostile_bodies_are_refused(tenant: Tenant, accept: str, body: str, names: str) -> None:
    """Whatever is wrong is named, in either format."""
    headers = {"Content-Type": "application/json", "Accept": accept}
    answer = checked(tenant.http.post(tenant.url("/query"), content=body.encode(), headers=headers))
    assert answer.status_code == 400, answer.text
    assert names in answer.json()["detail"]


# -- streams that break -----------------------------------------------------------------------------------------------


def open_stream(server: RunningServer, tenant: Tenant, accept: str, cypher: str = MANY) -> socket.socket:
    """Ask for a long answer over a bare connection, and read the status once rows come."""
    host, port = server.base_url.removeprefix("http://").split(":")
    body = json.dumps({"cypher": cypher, "timeout": 60}).encode()
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = (
        f"POST {tenant.url('/query')} HTTP/1.1\r\nHost: x\r\nX-Graph-API-Key: {server.key}\r\nAccept: {accept}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body)
    wait_until(lambda: len(connection.recv(4_096, socket.MSG_PEEK)) == 4_096)  # Rows have begun to come.
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def rest_of(connection: socket.socket) -> tuple[bytes, bool]:
    """Read a chunked answer to its end: its body, and whether it was ended properly."""
    with connection, connection.makefile("rb") as file:
        while file.readline() not in {b"\r\n", b""}:
            pass
        pieces: list[bytes] = []
        while line := file.readline():
            size = int(line, 16)
            if size == 0:
                return b"".join(pieces), True
            pieces.append(file.read(size))
            file.readline()
        return b"".join(pieces), False


def kill_worker(server: RunningServer, tenant: Tenant) -> None:
    """Kill the process of a database."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    next(child for child in children if child.name() == f"graph:{tenant.graph_id}").kill()


@pytest.mark.parametrize(
    ("accident", "code"),
    [("killed", "WORKER_CRASHED"), ("deleted", "QUERY_CANCELLED"), ("cancelled", "QUERY_CANCELLED")],
)
def test_a_stream_that_breaks_ends_with_a_problem(server: RunningServer, accident: str, code: str) -> None:
    """The last line is the problem, whole rows come before it, and the HTTP body is complete."""
    with tenant_of(server) as tenant:
        connection = open_stream(server, tenant, NDJSON)
        happen(accident, server, tenant)
        body, ended = rest_of(connection)
        *rows, last = [json.loads(line) for line in body.splitlines()]
        assert ended
        assert body.endswith(b"\n")
        assert list(last) == ["problem"]
        assert last["problem"]["code"] == code
        assert 0 < len(rows) < 2_000_000
        assert [row["i"] for row in rows] == list(range(1, len(rows) + 1))
        contract = Contract.of_the_service()
        contract._check_schema(last["problem"], "#/components/schemas/Problem")


@pytest.mark.parametrize("accident", ["killed", "deleted", "cancelled"])
def test_a_document_that_breaks_is_not_complete(server: RunningServer, accident: str) -> None:
    """It neither parses nor ends as HTTP demands: nobody can take it for the answer."""
    with tenant_of(server) as tenant:
        connection = open_stream(server, tenant, "application/json")
        happen(accident, server, tenant)
        body, ended = rest_of(connection)
        assert not ended
        assert body.startswith(b'{"columns"')
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)


def happen(accident: str, server: RunningServer, tenant: Tenant) -> None:
    """Break the stream that is being read."""
    match accident:
        case "killed":
            kill_worker(server, tenant)
        case "deleted":
            assert checked(tenant.http.delete(tenant.url())).status_code == 200
        case _:
            (query,) = tenant.running()
            assert checked(tenant.http.delete(tenant.url(f"/queries/{query['query_id']}"))).status_code == 200


def test_a_stream_past_its_deadline_ends_with_a_problem(server: RunningServer, tenant: Tenant) -> None:
    """A reader that is too slow for the time-out is told so in the last line."""
    headers = {"Accept": NDJSON, "Accept-Encoding": "identity"}
    body = {"cypher": MANY, "timeout": 2}
    with tenant.http.stream("POST", tenant.url("/query"), json=body, headers=headers) as answer:
        assert answer.status_code == 200
        wait_until(lambda: not tenant.running())
        last = json.loads(answer.read().splitlines()[-1])
    assert last["problem"]["code"] == "QUERY_TIMEOUT"
    assert last["problem"]["status"] == 504
    assert last["problem"]["request_id"] == answer.headers["x-request-id"]


def test_a_reader_that_goes_away_ends_its_stream(server: RunningServer, tenant: Tenant) -> None:
    """Nothing runs on for nobody, and the database serves on."""
    open_stream(server, tenant, NDJSON).close()
    wait_until(lambda: not tenant.running())
    assert tenant.count() == 0


# -- transactions -----------------------------------------------------------------------------------------------------

NO_CHANGES = {"nodes_created": 0, "nodes_deleted": 0, "relationships_created": 0, "relationships_deleted": 0}


def test_a_transaction_runs_in_order_with_parameters_of_each_statement(tenant: Tenant) -> None:
    """Each statement sees what those before it did; each has its own result."""
    answer = tenant.transact(
        {"cypher": "CREATE (:Person {name: $n, age: 1})", "parameters": {"n": "Ada"}},
        {"cypher": "MATCH (p:Person) RETURN p.name AS name"},
        {"cypher": "MATCH (p:Person {name: $n}) SET p.age = 2", "parameters": {"n": "Ada"}},
        {"cypher": "MATCH (p:Person) RETURN p.age AS age", "parameters": {}},
        {"cypher": "MATCH (p:Person) DELETE p", "parameters": None},
        {"cypher": "MATCH (p:Person) RETURN count(*) AS n"},
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-query-id"]
    results = answer.json()["results"]
    assert [result["data"] for result in results] == [[], [{"name": "Ada"}], [], [{"age": 2}], [], [{"n": 0}]]
    assert results[0]["counters"] == NO_CHANGES | {"nodes_created": 1}
    assert results[2]["counters"] == NO_CHANGES
    assert results[4]["counters"] == NO_CHANGES | {"nodes_deleted": 1}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ("CREATE (:Person {name: 'Ada'})", "STATEMENT_ERROR"),
        ("RETRN 1", "STATEMENT_ERROR"),
        ("MATCH (n:Absent) RETURN n", "STATEMENT_ERROR"),
        ("RETURN $missing", "INVALID_PARAMETER"),
        ("CREATE NODE TABLE Person(id INT64 PRIMARY KEY)", "STATEMENT_ERROR"),
        ("COMMIT", "STATEMENT_FORBIDDEN"),
        ("ROLLBACK", "STATEMENT_FORBIDDEN"),
        ("BEGIN TRANSACTION", "STATEMENT_FORBIDDEN"),
        ("COPY Person FROM '/etc/passwd'", "STATEMENT_FORBIDDEN"),
        ("RETURN 1; RETURN 2", "INVALID_REQUEST"),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_transaction_that_fails_has_not_happened(tenant: Tenant, position: int, bad: str, code: str) -> None:
    """Wherever it fails; the error says at which statement."""
    good = ["CREATE (:Person {name: 'Ida'})", "CREATE NODE TABLE Fresh(id INT64 PRIMARY KEY)"]
    tenant.rows("CREATE (:Person {name: 'Ada'})")
    answer = tenant.transact(*good[:position], bad, *good[position:])
    assert answer.status_code in {400, 403}
    problem = assert_problem(answer, answer.status_code, answer.json()["code"])
    assert problem["code"] == code
    assert problem["statement_number"] == position + 1
    assert tenant.count() == 1
    schema = checked(tenant.http.get(tenant.url("/schema"))).json()
    assert [table["name"] for table in schema["tables"]] == ["Person", "Knows"]


def test_tables_made_in_a_transaction_can_be_used_in_it(server: RunningServer) -> None:
    """Definitions and rows together, all or nothing."""
    with tenant_of(server) as tenant:
        answer = tenant.transact(
            "CREATE NODE TABLE City(name STRING PRIMARY KEY)",
            "CREATE (:City {name: 'Paris'})",
            "MATCH (c:City) RETURN c.name AS name",
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][2]["data"] == [{"name": "Paris"}]
        assert tenant.count("City") == 1


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "statements"),
        ({"statements": []}, "statements: "),
        ({"statements": [{"cypher": "RETURN 1"}] * 1_001}, "1000"),
        ({"statements": {"cypher": "RETURN 1"}}, "statements"),
        ({"statements": ["RETURN 1"]}, "statements[0]"),
        ({"statements": [{"parameters": {}}]}, "cypher"),
        ({"statements": [{"cypher": "RETURN 1", "mode": "read"}]}, "mode"),
        ({"statements": [{"cypher": "RETURN 1"}], "timeout": 0}, "timeout"),
        ({"statements": [{"cypher": "RETURN 1"}], "database": "other"}, "database"),
        ({"statements": [{"cypher": "RETURN 1", "parameters": [1]}]}, "statements[0]: parameters"),
        ({"statements": [{"cypher": "RETURN " + "1" * 10_001}]}, "LBUG_MAX_QUERY_LENGTH"),
    ],
)
def test_a_wrong_transaction_is_refused_by_name(tenant: Tenant, body: dict[str, Any], names: str) -> None:
    """Always 400, and the detail says where."""
    answer = checked(tenant.http.post(tenant.url("/transaction"), json=body))
    assert answer.status_code == 400
    assert names in answer.json()["detail"]


def test_a_transaction_may_hold_as_many_statements_as_it_says(tenant: Tenant) -> None:
    """A thousand."""
    answer = tenant.transact(*["MERGE (:Person {name: 'Ada'})"] * 1_000)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert len(results) == 1_000
    assert sum(result["counters"]["nodes_created"] for result in results) == tenant.count() == 1


def test_a_transaction_takes_no_options(tenant: Tenant) -> None:
    """None that are silently ignored."""
    answer = tenant.http.post(tenant.url("/transaction?explain=plan"), json={"statements": [{"cypher": "RETURN 1"}]})
    assert_problem(answer, 400, "INVALID_REQUEST", names="takes none")


def test_a_transaction_that_takes_too_long_has_not_happened(tenant: Tenant) -> None:
    """The writes before the slow statement are gone."""
    answer = tenant.transact("CREATE (:Person {name: 'Ada'})", HEAVY, timeout=0.5)
    assert_problem(answer, 504, "QUERY_TIMEOUT")
    assert tenant.count() == 0


# -- counters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transaction", [False, True])
def test_counters_say_what_a_write_changed(tenant: Tenant, *, transaction: bool) -> None:
    """Net changes of nodes and relationships, statement by statement; setting properties changes no number."""

    def change(cypher: str, **changes: int) -> None:
        answer = tenant.transact(cypher) if transaction else tenant.ask(cypher)
        assert answer.status_code == 200, answer.text
        result = answer.json()["results"][0] if transaction else answer.json()
        assert result["counters"] == NO_CHANGES | changes, cypher

    change("CREATE (:Person {name: 'Ada'}), (:Person {name: 'Grace'})", nodes_created=2)
    change("UNWIND range(1, 10) AS i CREATE (:Person {name: CAST(i AS STRING)})", nodes_created=10)
    change("MERGE (:Person {name: 'Ada'})")
    change("MERGE (:Person {name: 'Ida'})", nodes_created=1)
    change("MERGE (:Person {name: 'Ida'})")
    ends = "MATCH (a:Person {name: 'Ada'}), (g:Person {name: 'Grace'}) "
    change(ends + "CREATE (a)-[:Knows]->(g), (g)-[:Knows]->(a)", relationships_created=2)
    change(ends + "MERGE (a)-[:Knows]->(g)")
    change(
        "MATCH (a:Person {name: 'Ada'}) CREATE (a)-[:Knows]->(:Person {name: 'Una'})",
        nodes_created=1,
        relationships_created=1,
    )
    change("MATCH (p:Person {name: 'Ida'}) SET p.age = 3")
    change("MATCH (:Person {name: 'Grace'})-[k:Knows]->() DELETE k", relationships_deleted=1)
    change("MATCH (p:Person {name: 'Ada'}) DETACH DELETE p", nodes_deleted=1, relationships_deleted=2)
    change("MATCH (p:Person) WHERE p.name = 'nobody' DELETE p")
    change("MATCH (p:Person) DETACH DELETE p", nodes_deleted=13)
    change("CREATE (p:Person {name: 'Eve'}) RETURN p.name AS name", nodes_created=1)


def test_reads_carry_no_counters(tenant: Tenant) -> None:
    """There is nothing to count."""
    assert "counters" not in tenant.ask("MATCH (p:Person) RETURN p").json()


# -- modes and plans --------------------------------------------------------------------------------------------------


def test_modes_do_what_they_say(tenant: Tenant) -> None:
    """Read mode refuses writes, write mode takes reads."""
    refused = tenant.ask("CREATE (:Person {name: 'Ada'})", mode="read")
    assert_problem(refused, 403, "STATEMENT_FORBIDDEN", names="mode: ")
    assert tenant.ask("CREATE (:Person {name: 'Ada'})", mode="write").status_code == 200
    assert tenant.rows("MATCH (p:Person) RETURN count(*) AS n", mode="write") == [{"n": 1}]
    assert tenant.rows("MATCH (p:Person) RETURN count(*) AS n", mode="read") == [{"n": 1}]


@pytest.mark.parametrize(("explain", "runs"), [("plan", False), ("profile", True)])
def test_a_plan_is_shown_and_a_profile_is_measured(tenant: Tenant, explain: str, *, runs: bool) -> None:
    """Only a profile runs the statement."""
    answer = tenant.ask("CREATE (:Person {name: 'Ada'})", query=f"?explain={explain}")
    assert answer.status_code == 200, answer.text
    assert "RESULT_COLLECTOR" in answer.text
    assert tenant.count() == (1 if runs else 0)


def test_explain_does_not_hide_what_a_statement_is(tenant: Tenant) -> None:
    """Profiling a write in read mode is refused, and so is explaining what is forbidden."""
    refused = tenant.ask("CREATE (:Person {name: 'Ada'})", query="?explain=profile", mode="read")
    assert_problem(refused, 403, "STATEMENT_FORBIDDEN")
    refused = tenant.ask("COPY Person FROM '/etc/passwd'", query="?explain=plan")
    assert_problem(refused, 403, "STATEMENT_FORBIDDEN")
    for given in ("EXPLAIN RETURN 1", "PROFILE RETURN 1"):
        assert checked(tenant.ask(given, query="?explain=plan")).status_code == 400
    assert tenant.count() == 0


# -- methods and paths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize(
    ("route", "allowed"), [("/query", "GET, POST"), ("/transaction", "POST"), ("/load/Person", "POST")]
)
def test_a_wrong_method_is_refused_with_the_right_ones(tenant: Tenant, method: str, route: str, allowed: str) -> None:
    """As a problem; only HEAD has no body to put it in."""
    answer = tenant.http.request(method, tenant.url(route))
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert answer.headers["content-type"] == "application/problem+json"
    if method == "HEAD":
        assert answer.content == b""
    else:
        assert_problem(answer, 405, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "route", ["/query/", "/Query", "/query/x", "/queries/a/b", "/load", "/load/", "/load/a/b", "/x"]
)
def test_an_unknown_route_is_a_problem(tenant: Tenant, route: str) -> None:
    """404, whatever the method."""
    for method in ("GET", "POST", "DELETE"):
        assert_problem(tenant.http.request(method, tenant.url(route)), 404, "NOT_FOUND")


def test_the_name_of_a_query_cancels_it(server: RunningServer, tenant: Tenant) -> None:
    """The header of a stream's answer is the name in the list."""
    headers = {"Accept": NDJSON, "Accept-Encoding": "identity"}
    with tenant.http.stream("POST", tenant.url("/query"), json={"cypher": MANY}, headers=headers) as answer:
        assert tenant.running()[0]["query_id"] == answer.headers["x-query-id"]
        other = httpx.Client(base_url=server.base_url, headers={"X-Graph-API-Key": server.key})
        with other:
            path = tenant.url(f"/queries/{answer.headers['x-query-id']}")
            assert checked(other.delete(path)).json() == {
                "status": "success",
                "query_id": answer.headers["x-query-id"],
            }
        last = json.loads(answer.read().splitlines()[-1])
    assert last["problem"]["code"] == "QUERY_CANCELLED"
    assert_problem(tenant.http.delete(path), 404, "QUERY_NOT_FOUND")
