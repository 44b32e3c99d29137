"""Requests that are sent again under the same idempotency key, against a real server."""

import concurrent.futures
import secrets
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.graph_api.api.contract import assert_problem
from tests.graph_api.api.running_server import KEY, RunningServer

DDL = "CREATE NODE TABLE E(id SERIAL, name STRING, PRIMARY KEY(id)); CREATE NODE TABLE T(a STRING, PRIMARY KEY(a))"


@pytest.fixture(scope="module")
def graph(server: RunningServer) -> Iterator[str]:
    """Give a database of the shared server."""
    name = f"once-{secrets.token_hex(4)}"
    with server.client() as client:
        body = {"graph_id": name, "schema_type": "custom", "custom_schema_ddl": DDL}
        assert client.post("/databases", json=body).status_code == 201
        yield name
        client.delete(f"/databases/{name}")


def fresh() -> dict[str, str]:
    """Return the header with a key that nobody has used."""
    return {"Idempotency-Key": str(uuid.uuid4())}


def event(name: str, **fields: object) -> dict[str, Any]:
    """Return the body of a query that makes an event."""
    return {"cypher": "CREATE (e:E {name: $name}) RETURN e.name AS name", "parameters": {"name": name}, **fields}


def count(client: httpx.Client, graph: str, name: str) -> int:
    """Return how many events of a name there are."""
    body = {"cypher": "MATCH (e:E {name: $name}) RETURN count(*) AS n", "parameters": {"name": name}}
    return client.post(f"/databases/{graph}/query", json=body).json()["data"][0]["n"]


def assert_replayed(first: httpx.Response, second: httpx.Response) -> None:
    """Fail unless the second is the first again, and says so."""
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.headers["content-type"] == second.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"


def test_the_node_says_that_it_honours_keys(client: httpx.Client) -> None:
    """Clients repeat writes only where that is safe."""
    assert client.get("/info").json()["idempotency_keys"] is True


def test_writes_happen_once(client: httpx.Client, graph: str) -> None:
    """Queries in both formats, transactions and loads."""
    writes: list[tuple[str, dict[str, Any], str]] = [
        ("query", {"json": event("w-0")}, "application/json"),
        ("query", {"json": event("w-1")}, "application/x-ndjson"),
        ("transaction", {"json": {"statements": [event("w-2")]}}, "application/json"),
        ("load/E", {"content": b"name\nw-3\n"}, "application/json"),
    ]
    for number, (path, body, accept) in enumerate(writes):
        headers = fresh() | {"Accept": accept, "Accept-Encoding": "gzip"}
        if path == "load/E":
            headers["Content-Type"] = "text/csv"
        first = client.post(f"/databases/{graph}/{path}", headers=headers, **body)
        assert first.status_code == 200, first.text
        assert_replayed(first, client.post(f"/databases/{graph}/{path}", headers=headers, **body))
        assert count(client, graph, f"w-{number}") == 1


def test_databases_and_schemas_are_made_once(client: httpx.Client) -> None:
    """Created, extended, limited, deleted: each again with its first answer, whatever there is now."""
    name = f"made-{secrets.token_hex(4)}"
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/databases", {"json": {"graph_id": name, "schema_type": "custom"}}),
        ("POST", f"/databases/{name}/schema", {"json": {"ddl": "CREATE NODE TABLE A(x INT64, PRIMARY KEY(x))"}}),
        ("PATCH", f"/databases/{name}", {"json": {"max_rows": 7}}),
        ("DELETE", f"/databases/{name}", {}),
    ]
    for method, path, body in steps:
        headers = fresh()
        first = client.request(method, path, headers=headers, **body)
        assert first.is_success, first.text
        assert_replayed(first, client.request(method, path, headers=headers, **body))


def test_a_key_of_a_deleted_database_means_nothing_to_its_successor(client: httpx.Client) -> None:
    """The same request with the same key writes into the new one."""
    name = f"again-{secrets.token_hex(4)}"
    headers = fresh()
    for _ in range(2):
        client.post("/databases", json={"graph_id": name, "schema_type": "custom", "custom_schema_ddl": DDL})
        written = client.post(f"/databases/{name}/query", json=event("x"), headers=headers)
        assert written.status_code == 200
        assert "idempotency-replayed" not in written.headers
        assert client.delete(f"/databases/{name}").status_code == 200


def test_another_request_under_the_same_key_is_refused(client: httpx.Client, graph: str) -> None:
    """Its body or its path is another one."""
    headers = fresh()
    client.post(f"/databases/{graph}/query", json=event("mine"), headers=headers)
    other = client.post(f"/databases/{graph}/query", json=event("other"), headers=headers)
    assert_problem(other, 409, "IDEMPOTENCY_KEY_REUSED")
    transaction = {"statements": [event("other")]}
    other = client.post(f"/databases/{graph}/transaction", json=transaction, headers=headers)
    assert_problem(other, 409, "IDEMPOTENCY_KEY_REUSED", names="/query")
    assert count(client, graph, "other") == 0


def test_a_failed_request_may_try_again(client: httpx.Client, graph: str) -> None:
    """What certainly changed nothing leaves the key free."""
    headers = fresh()
    wrong = client.post(f"/databases/{graph}/query", json={"cypher": "CREATE (e:Nothing)"}, headers=headers)
    assert_problem(wrong, 400, "STATEMENT_ERROR")
    right = client.post(f"/databases/{graph}/query", json=event("repaired"), headers=headers)
    assert right.status_code == 200
    assert count(client, graph, "repaired") == 1


def test_callers_do_not_meet(client: httpx.Client, server: RunningServer, graph: str) -> None:
    """Another key with the same idempotency key is another request."""
    headers = fresh()
    made = client.post("/keys", json={"name": "second", "scope": "write"}).json()
    with server.client(key=made["key"]) as other:
        for caller in (client, other):
            assert caller.post(f"/databases/{graph}/query", json=event("both"), headers=headers).status_code == 200
    assert count(client, graph, "both") == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_malformed_keys_are_refused(client: httpx.Client, graph: str, key: str) -> None:
    """Before anything happens."""
    refused = client.post(f"/databases/{graph}/query", json=event("never"), headers={"Idempotency-Key": key})
    assert_problem(refused, 400, "INVALID_REQUEST", names="Idempotency-Key")
    assert count(client, graph, "never") == 0


def test_reads_by_get_ignore_it_and_secrets_refuse_it(client: httpx.Client) -> None:
    """A GET is repeatable as it is; an answer that holds a key or a token is never kept."""
    headers = fresh()
    for _ in range(2):
        answer = client.get("/info", headers=headers)
        assert answer.status_code == 200
        assert "idempotency-replayed" not in answer.headers
    for path, body in (("/keys", {"name": "x", "scope": "read"}), ("/tokens", {})):
        refused = client.post(path, json=body, headers=headers)
        assert_problem(refused, 400, "INVALID_REQUEST", names="Idempotency-Key")


def test_many_at_once_with_one_key_write_once(server: RunningServer, graph: str) -> None:
    """One is carried out; the others wait for it by asking again."""
    headers = fresh()

    def send(_: int) -> int:
        with server.client(checked=False) as client:
            deadline = time.monotonic() + 60
            while True:
                answer = client.post(f"/databases/{graph}/query", json=event("crowd"), headers=headers)
                if answer.status_code != 409 or time.monotonic() > deadline:
                    return answer.status_code
                assert answer.json()["code"] == "IDEMPOTENCY_IN_PROGRESS"
                assert answer.headers["retry-after"] == "1"
                time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(16))) == [200] * 16
    with server.client() as client:
        assert count(client, graph, "crowd") == 1


def test_a_client_that_hangs_up_finds_its_answer_later(client: httpx.Client, server: RunningServer, graph: str) -> None:
    """The write goes on without it, once."""
    headers = fresh()
    request = client.build_request("POST", f"/databases/{graph}/query", json=event("hung-up"), headers=headers)
    host, port = server.base_url.removeprefix("http://").split(":")
    head = [f"POST /databases/{graph}/query HTTP/1.1", f"Host: {host}", f"X-Graph-API-Key: {KEY}"]
    head += [f"{name}: {request.headers[name]}" for name in ("Content-Type", "Content-Length", "Idempotency-Key")]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + request.content)
    deadline = time.monotonic() + 30
    while not (answer := client.send(request)).is_success and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer.status_code == 200
    assert count(client, graph, "hung-up") == 1
