"""Every route answers as documented: successes and errors, with no member that the document does not name."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.graph_api.api.contract import Contract, assert_problem
from tests.graph_api.api.running_server import RunningServer
from tests.graph_api.archive_files import small_archive
from tests.graph_api.tenant import CSV, HEAVY, NDJSON

CONTRACT = Contract.of_the_service()
G = "contract"
DDL = "CREATE NODE TABLE P(name STRING, age INT64, PRIMARY KEY(name)); CREATE REL TABLE K(FROM P TO P, since INT64)"
SOMETIMES = {"ETag", "Cache-Status", "X-Row-Count", "X-Truncated"}
"""Headers that only some answers of an operation have."""

Send = Callable[[httpx.Client], httpx.Response]


def request(method: str, path: str, **options: Any) -> Send:
    """Return a function that sends a request."""
    return lambda client: client.request(method, path, **options)


def query(cypher: str, options: str = "", **body: Any) -> Send:
    """Return a function that sends a statement."""
    return request("POST", f"/databases/{G}/query{options}", json={"cypher": cypher, **body})


def load(table: str, content: bytes, **headers: str) -> Send:
    """Return a function that sends a file."""
    return request("POST", f"/databases/{G}/load/{table}", content=content, headers={"Content-Type": CSV} | headers)


def with_a_key(method: str, **options: Any) -> Send:
    """Return a function that sends a request about a key that was just made."""

    def send(client: httpx.Client) -> httpx.Response:
        made = client.post("/keys", json={"name": "contract", "scope": "read"}).json()
        return client.request(method, f"/keys/{made['key_id']}", **options)

    return send


def import_archive(content: bytes) -> Send:
    """Return a function that sends an archive to a database of its own."""

    def send(client: httpx.Client) -> httpx.Response:
        path = "/databases/contract-import"
        assert (
            client.post("/databases", json={"graph_id": "contract-import", "schema_type": "custom"}).status_code == 201
        )
        answer = client.post(f"{path}/import", content=content, headers={"Content-Type": "application/x-tar"})
        assert client.delete(path).status_code == 200
        return answer

    return send


def rejects_of_a_load(client: httpx.Client) -> httpx.Response:
    """Load a file with a wrong row, and read what was left out."""
    loaded = client.post(
        f"/databases/{G}/load/P?on_error=skip", content=b"name,age\nEve,old\n", headers={"Content-Type": CSV}
    )
    return client.get(loaded.json()["rejects_url"])


SUCCESSES: list[tuple[str, int, Send]] = [
    ("health", 200, request("GET", "/health")),
    ("ready", 200, request("GET", "/ready")),
    ("status", 200, request("GET", "/status")),
    ("database_states", 200, request("GET", "/status/databases")),
    ("info", 200, request("GET", "/info")),
    ("metrics", 200, request("GET", "/metrics")),
    ("list_databases", 200, request("GET", "/databases?limit=5")),
    ("get_database", 200, request("GET", f"/databases/{G}")),
    ("update_database", 200, request("PATCH", f"/databases/{G}", json={"max_rows": 1_000})),
    ("get_database_metrics", 200, request("GET", f"/databases/{G}/metrics")),
    ("get_schema", 200, request("GET", f"/databases/{G}/schema")),
    ("get_schema", 200, request("GET", f"/databases/{G}/schema?counts=true")),
    ("extend_schema", 200, request("POST", f"/databases/{G}/schema", json={"ddl": "COMMENT ON TABLE P IS 'people'"})),
    ("run_query", 200, query("RETURN 1 AS x")),
    ("run_query", 200, query("MATCH (p:P) RETURN p", "?format=arrays")),
    ("run_query", 200, query("UNWIND range(1, 900) AS i RETURN i, date('2024-02-29') AS d, [i] AS l", max_rows=800)),
    ("run_query", 200, query("MERGE (:P {name: 'Ada'})")),
    ("run_query", 200, query("MATCH (p:P) RETURN p", "?explain=plan")),
    ("run_query", 200, query("MATCH (p:P) RETURN p", "?explain=profile")),
    ("read_by_url", 200, request("GET", f"/databases/{G}/query", params={"cypher": "MATCH (p:P) RETURN p"})),
    (
        "run_transaction",
        200,
        request("POST", f"/databases/{G}/transaction", json={"statements": [{"cypher": "RETURN 1"}]}),
    ),
    ("load_file", 200, load("P", b"name,age\nIda,1\n")),
    ("read_rejects", 200, rejects_of_a_load),
    ("export_graph", 200, request("GET", f"/databases/{G}/export")),
    ("import_graph", 200, import_archive(small_archive().pack())),
    ("list_running_queries", 200, request("GET", f"/databases/{G}/queries")),
    ("retry_database", 200, request("POST", f"/databases/{G}/retry")),
    ("create_key", 201, request("POST", "/keys", json={"name": "dashboard", "scope": "read", "graphs": ["a", "b*"]})),
    ("list_keys", 200, request("GET", "/keys?limit=5")),
    ("get_key", 200, with_a_key("GET")),
    ("change_key", 200, with_a_key("PATCH", json={"disabled": True})),
    ("delete_key", 200, with_a_key("DELETE")),
    ("issue_token", 201, request("POST", "/tokens", json={"graphs": [G]})),
]

ERRORS: list[tuple[str, int, str, Send]] = [
    ("list_databases", 400, "INVALID_REQUEST", request("GET", "/databases?limit=0")),
    ("create_database", 400, "INVALID_GRAPH_ID", request("POST", "/databases", json={"graph_id": "../x"})),
    ("create_database", 409, "DATABASE_EXISTS", request("POST", "/databases", json={"graph_id": G})),
    ("create_database", 400, "INVALID_REQUEST", request("POST", "/databases", content=b"{")),
    (
        "create_database",
        400,
        "INVALID_SCHEMA",
        request("POST", "/databases", json={"graph_id": "x", "schema_type": "custom", "custom_schema_ddl": "RETURN 1"}),
    ),
    ("update_database", 400, "INVALID_REQUEST", request("PATCH", f"/databases/{G}", json={"max_rows": 0})),
    ("extend_schema", 400, "INVALID_SCHEMA", request("POST", f"/databases/{G}/schema", json={"ddl": "CREATE X"})),
    ("extend_schema", 400, "INVALID_REQUEST", request("POST", f"/databases/{G}/schema", json={})),
    ("cancel_query", 404, "QUERY_NOT_FOUND", request("DELETE", f"/databases/{G}/queries/none")),
    ("create_key", 400, "INVALID_REQUEST", request("POST", "/keys", json={"name": "x", "scope": "read", "graphs": []})),
    ("get_key", 404, "KEY_NOT_FOUND", request("GET", "/keys/absent")),
    ("change_key", 404, "KEY_NOT_FOUND", request("PATCH", "/keys/absent", json={"disabled": True})),
    ("delete_key", 404, "KEY_NOT_FOUND", request("DELETE", "/keys/absent")),
    ("issue_token", 400, "INVALID_REQUEST", request("POST", "/tokens", json={"scope": "all"})),
    ("run_query", 400, "STATEMENT_ERROR", query("RETURN absent")),
    ("run_query", 400, "INVALID_PARAMETER", query("RETURN $missing")),
    ("run_query", 400, "QUERY_TOO_LONG", query("RETURN " + "1" * 10_001)),
    ("run_query", 403, "STATEMENT_FORBIDDEN", query("LOAD FROM '/etc/passwd' RETURN *")),
    ("run_query", 504, "QUERY_TIMEOUT", query(HEAVY, timeout=0.05)),
    ("read_by_url", 400, "INVALID_REQUEST", request("GET", f"/databases/{G}/query")),
    (
        "run_transaction",
        400,
        "INVALID_REQUEST",
        request("POST", f"/databases/{G}/transaction", json={"statements": []}),
    ),
    ("export_graph", 400, "INVALID_REQUEST", request("GET", f"/databases/{G}/export?timeout=0")),
    ("import_graph", 400, "ARCHIVE_INVALID", import_archive(b"no archive" * 100)),
    ("load_file", 400, "LOAD_FAILED", load("P", b"name,age\nAda,old\n")),
    ("read_rejects", 404, "LOAD_NOT_FOUND", request("GET", f"/databases/{G}/loads/{'0' * 32}/rejects")),
    ("load_file", 404, "TABLE_NOT_FOUND", load("Q", b"name\nAda\n")),
    ("load_file", 400, "INVALID_TABLE_NAME", load("1", b"name\nAda\n")),
    ("load_file", 400, "INVALID_REQUEST", load("P", b"name\nAda\n", **{"Content-Type": "text/plain"})),
]


@pytest.fixture(scope="module", autouse=True)
def database(server: RunningServer) -> Iterator[None]:
    """Hold the database that the requests are about."""
    with server.client() as client:
        body = {"graph_id": G, "schema_type": "custom", "custom_schema_ddl": DDL}
        assert client.post("/databases", json=body).status_code == 201
        yield
        client.delete(f"/databases/{G}")


def operation_of(response: httpx.Response) -> dict[str, Any]:
    """Return the operation that a request belongs to."""
    found = CONTRACT.operation(response.request.method, response.request.url.path)
    assert found is not None
    return found[1]


def unnamed_members(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the members of a value that its schema does not name, where it names any."""
    if "$ref" in schema:
        schema = CONTRACT.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    choices = schema.get("anyOf")
    if choices is not None:
        found = [list(unnamed_members(value, choice, path)) for choice in choices]
        yield from min(found, key=len)
    elif isinstance(value, dict) and "properties" in schema:
        for name, member in value.items():
            if name in schema["properties"]:
                yield from unnamed_members(member, schema["properties"][name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(value, list) and "items" in schema:
        for member in value:
            yield from unnamed_members(member, schema["items"], f"{path}[]")


@pytest.mark.parametrize(
    ("operation_id", "status", "send"), SUCCESSES, ids=[f"{n} {each[0]}" for n, each in enumerate(SUCCESSES)]
)
def test_a_success_is_as_documented(client: httpx.Client, operation_id: str, status: int, send: Send) -> None:
    """Status, content type, schema; and every member of the answer is in the document."""
    response = send(client)
    assert response.status_code == status, response.text
    operation = operation_of(response)
    assert operation["operationId"] == operation_id
    for header in operation["responses"][str(status)]["headers"]:
        assert header in response.headers or header in SOMETIMES
    kind = response.headers["content-type"].split(";")[0]
    if kind == "application/json":
        schema = operation["responses"][str(status)]["content"][kind]["schema"]
        assert list(unnamed_members(response.json(), schema)) == []


@pytest.mark.parametrize(
    ("operation_id", "status", "code", "send"),
    ERRORS,
    ids=[f"{n} {each[0]} {each[2]}" for n, each in enumerate(ERRORS)],
)
def test_an_error_is_as_documented(client: httpx.Client, operation_id: str, status: int, code: str, send: Send) -> None:
    """The code stands under its status in the document."""
    response = send(client)
    assert_problem(response, status, code)
    operation = operation_of(response)
    assert operation["operationId"] == operation_id
    assert f"`{code}`" in operation["responses"][str(status)]["description"]


def below_a_database() -> list[tuple[str, str]]:
    """Return method and path of each route below a database."""
    return [
        (method.upper(), path)
        for path, item in CONTRACT.document["paths"].items()
        for method in item
        if "{graph_id}" in path
    ]


BODIES: dict[str, dict[str, Any]] = {
    "/databases/{graph_id}/query": {"json": {"cypher": "RETURN 1"}},
    "/databases/{graph_id}/transaction": {"json": {"statements": [{"cypher": "RETURN 1"}]}},
    "/databases/{graph_id}/schema": {"json": {"ddl": DDL}},
    "/databases/{graph_id}": {"json": {}},
    "/databases/{graph_id}/load/{table}": {"content": b"name\nAda\n", "headers": {"Content-Type": CSV}},
}

OPTIONS: dict[str, dict[str, Any]] = {"/databases/{graph_id}/query": {"params": {"cypher": "RETURN 1"}}}


@pytest.mark.parametrize(("method", "path"), below_a_database())
@pytest.mark.parametrize(
    ("graph_id", "status", "code"), [("absent", 404, "DATABASE_NOT_FOUND"), ("-", 400, "INVALID_GRAPH_ID")]
)
def test_every_route_tells_absent_databases_from_impossible_ones(
    client: httpx.Client, method: str, path: str, graph_id: str, status: int, code: str
) -> None:
    """In the same way everywhere."""
    url = path.format(graph_id=graph_id, table="P", query_id="q", load_id="l")
    options = BODIES.get(path, {}) if method in {"POST", "PATCH"} else OPTIONS.get(path, {})
    assert_problem(client.request(method, url, **options), status, code)


def test_every_operation_is_tried() -> None:
    """A new route is added here, with a success and, if it takes input, an error."""
    tried = {operation_id for operation_id, _, _ in SUCCESSES}
    known = {operation["operationId"] for item in CONTRACT.document["paths"].values() for operation in item.values()}
    assert known - tried == {"create_database", "delete_database", "cancel_query"}  # tried by the test below


def test_the_life_of_a_database_is_as_documented(server: RunningServer, client: httpx.Client) -> None:
    """Creation, a query that is cancelled, deletion."""
    created = client.post("/databases", json={"graph_id": "short-lived", "schema_type": "shared"})
    assert created.status_code == 201
    schema = operation_of(created)["responses"]["201"]["content"]["application/json"]["schema"]
    assert list(unnamed_members(created.json(), schema)) == []
    path = "/databases/short-lived"
    body = {"cypher": "UNWIND range(1, 5000000) AS i RETURN i"}
    unchecked = server.client(checked=False)
    headers = {"Accept": NDJSON, "Accept-Encoding": "identity"}
    with unchecked as other, other.stream("POST", f"{path}/query", json=body, headers=headers) as stream:
        cancelled = client.delete(f"{path}/queries/{stream.headers['x-query-id']}")
        assert cancelled.status_code == 200
    assert client.delete(path).json() == {"status": "success", "graph_id": "short-lived"}
